"""Ctrl-C where a training is one of many."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest
from sklearn.ensemble import VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline

from convnet_features import ConvNetFeatureExtractor
from convnet_features.callbacks import Callback
from convnet_features.exceptions import ConvNetFeaturesWarning

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")


class PressCtrlC(Callback):
    """In the second epoch, when there is something that could be scored."""

    def on_batch_end(self, trainer, loss):
        if (trainer.epoch, trainer.batch) == (2, 1):
            os.kill(os.getpid(), signal.SIGINT)


@pytest.fixture(autouse=True)
def pythons_own_handler():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def search(net, X, y):
    GridSearchCV(net, {"update_learning_rate": [0.01, 0.03]}, cv=2).fit(X, y)


def cross_validation(net, X, y):
    cross_val_score(net, X, y, cv=2)


def ensemble(net, X, y):
    VotingClassifier([("one", net), ("two", net)]).fit(X, y)


def search_of_pipelines(net, X, y):
    GridSearchCV(make_pipeline(net), {}, cv=2).fit(X, y)


@pytest.mark.parametrize("many", [search, cross_validation, ensemble, search_of_pipelines])
def test_it_ends_the_whole(digits, make_net, many):
    with pytest.raises(KeyboardInterrupt):
        many(make_net(callbacks=[PressCtrlC()]), *digits)


@pytest.mark.parametrize("fit", [0, 1, 2])
def test_it_ends_cross_fit(digits, make_net, fit):
    """In whichever of the networks it comes, that which is kept is the first."""
    net = make_net(callbacks=[PressCtrlCInFit(fit)])
    with pytest.raises(KeyboardInterrupt):
        net.fit_transform(*digits, cross_fit=2)
    assert PressCtrlCInFit.begun == fit + 1
    with pytest.warns(ConvNetFeaturesWarning, match="Training was interrupted in epoch"):
        make_net(callbacks=[PressCtrlC()]).fit(*digits)  # what holds there does not hold on


class PressCtrlCInFit(PressCtrlC):
    """In the second epoch of one of many fits, by number; of clones too."""

    begun = 0

    def __init__(self, fit=0):
        self.fit = fit

    def on_training_begin(self, trainer):
        self.number = PressCtrlCInFit.begun
        PressCtrlCInFit.begun += 1

    def on_batch_end(self, trainer, loss):
        if self.number == self.fit:
            super().on_batch_end(trainer, loss)


@pytest.fixture(autouse=True)
def no_fit_has_begun():
    PressCtrlCInFit.begun = 0


#: A search by processes; its arguments are the folder where each epoch leaves a file.
SEARCH = textwrap.dedent(
    """
    import os, sys, time
    from pathlib import Path
    from sklearn.datasets import load_digits
    from sklearn.model_selection import GridSearchCV
    from convnet_features import ConvNetClassifier
    from convnet_features.callbacks import Callback

    class Leave(Callback):
        def __init__(self, folder):
            self.folder = folder
        def on_epoch_end(self, trainer, record):
            Path(self.folder, f"{os.getpid()}-{time.monotonic_ns()}").touch()
            time.sleep(0.01)

    X, y = load_digits(return_X_y=True)
    net = ConvNetClassifier(
        conv2d1_num_filters=4, conv2d2_num_filters=4, dense_num_units=16, max_epochs=10_000,
        random_state=0, callbacks=[Leave(sys.argv[1])],
    )
    try:
        GridSearchCV(net, {"update_learning_rate": [0.01, 0.03]}, cv=2, n_jobs=2).fit(X, y)
    except KeyboardInterrupt:
        print("ended")
    """
)


@pytest.mark.slow
def test_it_ends_the_processes_of_a_search(tmp_path):
    """A terminal sends the signal to all of them; none goes on, and nothing is scored."""
    script = [sys.executable, "-c", SEARCH, str(tmp_path)]
    process = subprocess.Popen(
        script,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    deadline = time.monotonic() + 240
    while len({file.name.partition("-")[0] for file in tmp_path.iterdir()}) < 2:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=120)
    assert output == "ended\n"
    left = len(list(tmp_path.iterdir()))
    time.sleep(1)
    assert len(list(tmp_path.iterdir())) == left


def extractor():
    return ConvNetFeatureExtractor(max_epochs=3, random_state=0, callbacks=[PressCtrlC()])


def test_a_cache_keeps_nothing_that_was_cut_short(digits, tmp_path):
    model = make_pipeline(extractor(), LogisticRegression(), memory=str(tmp_path))
    with pytest.raises(KeyboardInterrupt):
        model.fit(*digits)


def test_a_pipeline_alone_goes_on(digits):
    model = make_pipeline(extractor(), LogisticRegression(max_iter=10_000))
    with pytest.warns(ConvNetFeaturesWarning, match="interrupted in epoch 2 of 3"):
        model.fit(*digits)
    assert model.score(*digits) > 0.2
