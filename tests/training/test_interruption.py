"""Ctrl-C where a training is one of many."""

from __future__ import annotations

import os
import signal

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
