"""Handlers as scripts define them, and those that nolearn has."""

from __future__ import annotations

import pickle
from collections import OrderedDict
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import cross_val_score

from convnet_features.nolearn import (
    BatchIterator,
    NeuralNet,
    PrintLog,
    RememberBestWeights,
    RestoreBestWeights,
    SaveWeights,
    WeightLog,
)


class AdjustVariable:
    """The schedule of the 2014 tutorial on facial keypoints, in its form."""

    def __init__(self, name, start=0.03, stop=0.001):
        self.name = name
        self.start, self.stop = start, stop
        self.ls = None

    def __call__(self, nn, train_history):
        if self.ls is None:
            self.ls = np.linspace(self.start, self.stop, nn.max_epochs)
        epoch = train_history[-1]["epoch"]
        new_value = np.float32(self.ls[epoch - 1])
        getattr(nn, self.name).set_value(new_value)


class EarlyStopping:
    """The patience of the same tutorial."""

    def __init__(self, patience=100):
        self.patience = patience
        self.best_valid = np.inf
        self.best_valid_epoch = 0
        self.best_weights = None

    def __call__(self, nn, train_history):
        current_valid = train_history[-1]["valid_loss"]
        current_epoch = train_history[-1]["epoch"]
        if current_valid < self.best_valid:
            self.best_valid = current_valid
            self.best_valid_epoch = current_epoch
            self.best_weights = [w.get_value() for w in nn.get_all_params()]
        elif self.best_valid_epoch + self.patience < current_epoch:
            nn.load_weights_from(self.best_weights)
            raise StopIteration()


def test_a_shared_learning_rate_is_read_at_every_batch(make_net, digits):
    import theano

    rate = theano.shared(np.float32(0.1))
    net = make_net(
        update="sgd",
        update_learning_rate=rate,
        on_epoch_finished=[AdjustVariable("update_learning_rate", start=0.05, stop=0.0)],
    )
    net.initialize()
    weights = [net.layers_["hidden"].W.get_value()]
    net.on_epoch_finished.append(lambda nn, h: weights.append(nn.layers_["hidden"].W.get_value()))
    net.fit(*digits)
    assert float(rate.get_value()) == 0
    assert (weights[1] != weights[0]).any()
    rate_before = net.update_learning_rate
    net.on_epoch_finished = None
    before = net.layers_["hidden"].W.get_value()
    net.fit(*digits)  # at a rate of 0
    assert net.update_learning_rate is rate_before
    np.testing.assert_array_equal(net.layers_["hidden"].W.get_value(), before)


def test_the_shared_rate_is_the_rate(make_net, digits):
    """One step of SGD, with the rate as a number and as a shared variable."""
    import theano

    number = make_net(update="sgd", max_epochs=1)
    shared = make_net(update="sgd", max_epochs=1, update_learning_rate=theano.shared(0.01))
    number.initialize()
    shared.load_params_from(number)
    for net in (number, shared):
        net.fit(*digits)
    for one, other in zip(number.get_all_params(), shared.get_all_params(), strict=True):
        np.testing.assert_array_equal(one.get_value(), other.get_value())


def test_patience(make_net, digits):
    stopping = EarlyStopping(patience=2)
    net = make_net(
        update_learning_rate=2.0,  # so that it gets worse
        update_momentum=0.0,
        on_epoch_finished=[stopping],
        max_epochs=200,
        batch_iterator_train=BatchIterator(32),
    )
    net.fit(*digits)
    history = net.train_history_
    losses = [record["valid_loss"] for record in history]
    assert len(history) == stopping.best_valid_epoch + 3 < 200
    assert int(np.argmin(losses)) + 1 == stopping.best_valid_epoch
    for param, best in zip(net.get_all_params(), stopping.best_weights, strict=True):
        np.testing.assert_array_equal(param.get_value(), best)


def test_when_handlers_are_called(make_net, digits):
    calls = []

    def telling(name):
        return lambda nn, history: calls.append((name, len(history)))

    net = make_net(
        on_training_started=telling("started"),
        on_batch_finished=telling("batch"),
        on_epoch_finished=[telling("epoch"), telling("again")],
        on_training_finished=[telling("finished")],
        max_epochs=2,
    )
    net.fit(*digits)
    assert calls == [
        ("started", 0),
        *[("batch", 0)] * 2,
        ("epoch", 1),
        ("again", 1),
        *[("batch", 1)] * 2,
        ("epoch", 2),
        ("again", 2),
        ("finished", 2),
    ]


def test_training_that_is_stopped_is_finished(make_net, digits):
    def stop(nn, history):
        raise StopIteration

    finished = []
    net = make_net(
        on_epoch_finished=stop, on_training_finished=lambda nn, h: finished.append(len(h))
    )
    net.fit(*digits)
    assert finished == [1]


def test_an_error_in_a_handler_is_not_swallowed(make_net, digits):
    def wrong(nn, history):
        raise ZeroDivisionError("in a handler")

    with pytest.raises(ZeroDivisionError, match="in a handler"):
        make_net(on_epoch_finished=wrong).fit(*digits)


def test_the_log(make_net, digits, capsys):
    net = make_net(verbose=1, custom_scores=[("half", lambda y, p: 0.5)], max_epochs=2)
    net.fit(*digits)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Neural network with 1,210 learnable parameters"
    heading = next(index for index, line in enumerate(lines) if "trn loss" in line)
    headings = "epoch trn loss val loss trn/val valid acc half dur"
    assert " ".join(lines[heading].split()) == headings
    assert [line.split()[0] for line in lines[heading + 2 :]] == ["1", "2"]
    assert "0.50000" in lines[-1]
    net.partial_fit(*digits)
    assert capsys.readouterr().out.split()[0] == "3"  # no heading again


def test_the_log_of_a_regression_has_no_accuracy(make_net, digits, capsys):
    y = np.tile(digits[1][:, None], 10).astype(np.float32)
    make_net(regression=True, output_nonlinearity=None, on_epoch_finished=PrintLog()).fit(
        digits[0], y
    )
    assert "valid acc" not in capsys.readouterr().out


def test_the_best_parameters(make_net, digits, capsys):
    best = RememberBestWeights()
    net = make_net(
        update_learning_rate=2.0,
        max_epochs=15,
        batch_iterator_train=BatchIterator(32),
        on_epoch_finished=[best],
        on_training_finished=[best.restore],
    )
    net.fit(*digits)
    losses = [record["valid_loss"] for record in net.train_history_]
    assert best.best_weights_epoch == int(np.argmin(losses)) + 1
    assert best.best_weights_loss == min(losses)
    np.testing.assert_array_equal(
        net.layers_["hidden"].W.get_value(), best.best_weights["hidden"][0]
    )
    said = f"Loaded best weights from epoch {best.best_weights_epoch} where valid_loss was"
    assert said in capsys.readouterr().out


def test_the_best_score(make_net, digits):
    best = RememberBestWeights(score="valid_accuracy", verbose=0)
    net = make_net(on_epoch_finished=[best], max_epochs=5).fit(*digits)
    scores = [record["valid_accuracy"] for record in net.train_history_]
    assert best.best_weights_epoch == int(np.argmax(scores)) + 1


def test_lists_that_scripts_append_to(make_net, digits):
    calls = []
    net = make_net(on_training_finished=lambda nn, h: calls.append("given"), max_epochs=1)
    net.on_epoch_finished.append(lambda nn, h: calls.append("epoch"))
    net.on_batch_finished.append(lambda nn, h: calls.append("batch"))
    net.on_training_started.append(lambda nn, h: calls.append("started"))
    net.on_training_finished.append(lambda nn, h: calls.append("finished"))
    net.fit(*digits)
    assert calls == ["started", "batch", "batch", "epoch", "given", "finished"]
    net.set_params(on_epoch_finished=None).on_epoch_finished.append(print)


def test_the_table_of_an_epoch():
    """As nolearn printed it, but for the star of a best value."""
    record = {
        "epoch": 1, "train_loss": 0.8, "train_loss_best": True, "valid_loss": 0.5,
        "valid_loss_best": False, "valid_accuracy": 0.9, "mine": 0.99, "dur": 1.0,
    }  # fmt: skip
    history = [record, {**record, "epoch": 2}]
    net = SimpleNamespace(regression=False)
    assert PrintLog().table(net, history[:1]) == (
        "  epoch    trn loss    val loss    trn/val    valid acc     mine  dur\n"
        "-------  ----------  ----------  ---------  -----------  -------  -----\n"
        "      1    *0.80000     0.50000    1.60000      0.90000  0.99000  1.00s"
    )
    assert PrintLog().table(net, history).startswith("      2    *0.80000")


def test_restoring(make_net, digits, capsys):
    best = RememberBestWeights(loss="train_loss")
    net = make_net(
        update_learning_rate=2.0,
        on_epoch_finished=[best],
        on_training_finished=[RestoreBestWeights(best)],
    )
    net.fit(*digits)
    np.testing.assert_array_equal(
        net.layers_["output"].W.get_value(), best.best_weights["output"][0]
    )
    assert "where train_loss was" in capsys.readouterr().out
    copied = clone(net)
    assert copied.on_training_finished[0].remember is copied.on_epoch_finished[0]


def test_the_log_of_parameters(tmp_path):
    values = [
        OrderedDict(one=[np.array([[-1.0, -2.0]])], two=[np.array([3.0, 4.0]), np.array([0.5])]),
        OrderedDict(one=[np.array([[-2.0, -3.0]])], two=[np.array([5.0, 7.0]), np.array([0.0])]),
    ]
    net = SimpleNamespace(get_all_params_values=lambda: values[min(len(log.history), 1)])
    log = WeightLog(tmp_path / "log.csv", write_every=1)
    log(net, None)
    assert log.history[0]["one_0 wdiff"] == 0
    log = pickle.loads(pickle.dumps(log))
    log(net)
    second = log.history[1]
    assert (second["one_0 wdiff"], second["one_0 wabsmean"], second["one_0 wmean"]) == (
        1,
        2.5,
        -2.5,
    )
    assert (second["two_0 wdiff"], second["two_1 wdiff"]) == (2.5, 0.5)
    lines = (tmp_path / "log.csv").read_text().splitlines()
    assert lines[0].startswith("one_0 wdiff,one_0 wabsmean,one_0 wmean,two_0 wdiff,")
    assert lines[1:] == [
        "0.0,1.5,-1.5,0.0,3.5,3.5,0.0,0.5,0.5",
        "1.0,2.5,-2.5,2.5,6.0,6.0,0.5,0.0,0.0",
    ]


def test_the_log_of_parameters_in_training(make_net, digits):
    log = WeightLog()
    make_net(on_batch_finished=[log], max_epochs=2).fit(*digits)
    assert len(log.history) == 4
    assert all(entry["hidden_0 wdiff"] > 0 for entry in log.history[1:])


def test_what_convolutions_see_is_printed(digits, capsys):
    from .test_net import convolutional_layers

    NeuralNet(convolutional_layers(), update_learning_rate=0.1, max_epochs=1, verbose=2).fit(
        *digits
    )
    assert "|   cap. Y [%] |" in capsys.readouterr().out


def test_saving(make_net, digits, tmp_path, capsys):
    saving = SaveWeights(str(tmp_path / "net-{epoch}.params"), every_n_epochs=2, verbose=1)
    net = make_net(on_epoch_finished=[saving], max_epochs=4).fit(*digits)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "net-0002.params",
        "net-0004.params",
    ]
    assert "Writing" in capsys.readouterr().out
    other = make_net()
    other.load_params_from(tmp_path / "net-0004.params")
    np.testing.assert_array_equal(other.predict_proba(digits[0]), net.predict_proba(digits[0]))


def test_saving_the_best_whole(make_net, digits, tmp_path):
    saving = SaveWeights(str(tmp_path / "best.pickle"), only_best=True, pickle=True)
    net = make_net(
        on_epoch_finished=[saving], max_epochs=10, update_learning_rate=2.0, update_momentum=0.0
    )
    net.fit(*digits)
    with open(tmp_path / "best.pickle", "rb") as file:
        kept = pickle.load(file)
    losses = [record["valid_loss"] for record in net.train_history_]
    assert len(kept.train_history_) == int(np.argmin(losses)) + 1


class TestInSearches:
    """Each fit is by itself, whatever its handlers keep or write."""

    def test_each_fit_has_files_of_its_own(self, digits, make_net, tmp_path):
        saving = SaveWeights(str(tmp_path / "w-{epoch}.npz"), every_n_epochs=3)
        cross_val_score(make_net(on_epoch_finished=saving), *digits, cv=2)
        names = sorted(path.name for path in tmp_path.iterdir())
        assert len(names) == 2
        assert all(name.startswith("w-0003-") and name.endswith(".npz") for name in names)
        make_net(on_epoch_finished=saving).fit(*digits)
        assert saving.path_ == tmp_path / "w-0003.npz"
        assert saving.path_.exists()

    def test_a_copy_does_not_know_the_weights_of_another_network(self, digits, make_net):
        """A clone's handler is a copy: it knew what the net had learnt from all of the data."""
        best = RememberBestWeights(verbose=0)
        handlers = {"on_epoch_finished": [best], "on_training_finished": [best.restore]}
        net = make_net(**handlers, max_epochs=9).fit(*digits)
        other = clone(net).set_params(max_epochs=1).fit(*digits)
        copied = other.on_epoch_finished[0]
        assert copied.best_weights_epoch == 1
        assert copied.best_weights_loss == other.train_history_[0]["valid_loss"]
        learnt = other.get_all_params_values()["hidden"][0]
        assert not np.array_equal(learnt, net.get_all_params_values()["hidden"][0])

    def test_an_interrupt_ends_the_whole(self, digits, make_net):
        def interrupt(net, history):
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            cross_val_score(make_net(on_epoch_finished=interrupt), *digits, cv=2)
