"""The table that verbose=1 prints."""

from __future__ import annotations

import io
import re
import sys
import types

import pytest

from convnet_features import ConvNetRegressor
from convnet_features.callbacks import Callback, ProgressTable

ROW = re.compile(
    r"^ +(\d+) +(\d+\.\d{5}\*?) +(\d+\.\d{5}\*?) +(\d+\.\d{5}) +(\d\.\d{5}\*?) +\d+\.\d\ds$"
)


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_silent_at_0(digits, make_net, capfd):
    make_net(verbose=0).fit(*digits)
    assert capfd.readouterr() == ("", "")


def test_the_tutorials_table(digits, make_net, capfd):
    net = make_net(verbose=1).fit(*digits)
    out, err = capfd.readouterr()
    assert err == ""
    lines = out.splitlines()
    n_params = sum(p.get_value().size for p in net._model.trainable)
    assert lines[0] == f"Neural network with {n_params:,} learnable parameters"
    assert (
        re.fullmatch(r"1 +conv2d1 +4x8x8 +40 +Conv2DLayer", " ".join(lines[5].split())) is not None
    )
    header = next(i for i, line in enumerate(lines) if "train loss" in line)
    titles = [title.strip() for title in re.split(r"  +", lines[header].strip())]
    assert titles == ["epoch", "train loss", "valid loss", "train/val", "valid acc", "dur"]
    rows = [ROW.match(line) for line in lines[header + 2 :]]
    assert all(rows)
    assert len(rows) == 3
    for row, record in zip(rows, net.history_, strict=True):
        epoch, train, _, ratio, score = row.groups()
        assert int(epoch) == record["epoch"]
        assert float(train.rstrip("*")) == pytest.approx(record["train_loss"], abs=6e-6)
        assert float(ratio) == pytest.approx(record["train_loss"] / record["valid_loss"], abs=1e-4)
        assert float(score.rstrip("*")) == pytest.approx(record["valid_score"], abs=6e-6)
    assert len({len(line) for line in lines[header:]}) == 1  # columns stand under their titles


class Says(Callback):
    def __init__(self, losses):
        self.losses = losses

    def on_epoch_end(self, trainer, record):
        record["valid_loss"] = self.losses[trainer.epoch - 1]


@pytest.mark.parametrize(
    ("make_file", "mark"),
    [(io.StringIO, "{}*"), (Terminal, "\033[32m{}\033[0m")],
    ids=["file", "terminal"],
)
def test_the_best_values_are_marked(digits, make_net, make_file, mark):
    file = make_file()
    table = ProgressTable(file)
    make_net(callbacks=[Says([3.0, 4.0, 2.0]), table]).fit(*digits)
    rows = file.getvalue().splitlines()[-3:]
    for row, value, best in zip(
        rows, ["3.00000", "4.00000", "2.00000"], [True, False, True], strict=True
    ):
        assert value in row
        marked = re.escape(mark).replace(r"\{\}", " *" + re.escape(value))
        assert bool(re.search(marked, row)) is best


def test_a_notebook_shows_colours(digits, make_net, monkeypatch):
    shell = types.SimpleNamespace(kernel=object())
    ipython = types.SimpleNamespace(get_ipython=lambda: shell)
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    file = io.StringIO()
    make_net(callbacks=[ProgressTable(file)]).fit(*digits)
    assert "\033[32m" in file.getvalue()


def test_without_validation_data_those_columns_are_left_out(digits, make_net, capfd):
    make_net(verbose=1, validation_fraction=None).fit(*digits)
    out = capfd.readouterr().out
    assert "train loss" in out
    assert "valid" not in out


def test_numbers_have_r2(digits, capfd):
    X, y = digits
    ConvNetRegressor(max_epochs=1, random_state=0, verbose=1).fit(X, y * 1.0)
    out = capfd.readouterr().out
    assert "valid R²" in out
    assert "valid acc" not in out


class TestProgressBar:
    @pytest.fixture
    def slow(self):
        """Batches that take a while."""
        import time

        class Slow(Callback):
            def on_batch_end(self, trainer, loss):
                time.sleep(0.25)

        return Slow()

    def test_in_long_epochs_on_a_terminal(self, digits, make_net, slow):
        pytest.importorskip("tqdm")
        file = Terminal()
        make_net(callbacks=[slow, ProgressTable(file)], max_epochs=1).fit(*digits)
        assert "epoch 1" in file.getvalue()
        assert "/6 [" in file.getvalue()

    def test_not_in_a_file(self, digits, make_net, slow):
        file = io.StringIO()
        make_net(callbacks=[slow, ProgressTable(file)], max_epochs=1).fit(*digits)
        assert "\r" not in file.getvalue()

    def test_not_in_short_epochs(self, digits, make_net):
        file = Terminal()
        make_net(callbacks=[ProgressTable(file)]).fit(*digits)
        assert "epoch 1:" not in file.getvalue()

    def test_does_without_tqdm(self, digits, make_net, monkeypatch):
        monkeypatch.setitem(sys.modules, "tqdm", None)
        file = Terminal()
        make_net(callbacks=[ProgressTable(file)]).fit(*digits)
        assert "train loss" in file.getvalue()
