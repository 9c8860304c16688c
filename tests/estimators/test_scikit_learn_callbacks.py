"""scikit-learn's own callbacks see each epoch as a task of fit."""

from __future__ import annotations

import pickle

import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

sklearn_callback = pytest.importorskip("sklearn.callback", reason="scikit-learn before 1.9")


class Recorder:
    """Notes what it is told; stops after as many epochs as it is given."""

    def __init__(self, epochs=None):
        self.epochs = epochs
        self.events = []
        self.scores = []

    def setup(self, estimator, context):
        self.events.append("setup")

    def teardown(self, estimator, context):
        self.events.append("teardown")

    def on_fit_task_begin(self, estimator, context):
        self.events.append(f"begin {context.task_name} {context.task_id}")

    def on_fit_task_end(self, estimator, context, *, X=None, y=None, fitted_estimator=None):
        self.events.append(f"end {context.task_name} {context.task_id}")
        if fitted_estimator is not None:
            self.scores.append(fitted_estimator.score(X, y))
        return context.task_name == "epoch" and context.task_id + 1 == self.epochs


def test_events_of_a_fit(digits, make_net):
    recorder = Recorder()
    make_net(max_epochs=2).set_callbacks(recorder).fit(*digits)
    assert recorder.events == [
        "setup",
        "begin fit 0",
        "begin epoch 0",
        "end epoch 0",
        "begin epoch 1",
        "end epoch 1",
        "end fit 0",
        "teardown",
    ]


def test_the_fitted_estimator_is_as_of_each_epoch(digits, make_net):
    recorder = Recorder()
    make_net(max_epochs=3).set_callbacks(recorder).fit(*digits)
    expected = [make_net(max_epochs=n).fit(*digits).score(*digits) for n in (1, 2, 3)]
    assert recorder.scores == [*expected, expected[-1]]


def test_one_may_stop_training(digits, make_net):
    net = make_net(max_epochs=9).set_callbacks(Recorder(epochs=2)).fit(*digits)
    assert net.n_iter_ == 2


def test_teardown_also_where_fit_raises(digits, make_net):
    recorder = Recorder()
    with pytest.raises(ZeroDivisionError):
        make_net(augment=lambda images: 1 / 0).set_callbacks(recorder).fit(*digits)
    assert recorder.events[-1] == "teardown"


def test_scoring_monitor(digits, make_net):
    monitor = sklearn_callback.ScoringMonitor(scoring="accuracy")
    net = make_net(max_epochs=2).set_callbacks(monitor).fit(*digits)
    rows = [row for row in monitor.get_logs().data if row["task_name"] == "epoch"]
    assert [row["accuracy"] for row in rows][-1] == net.score(*digits)
    assert len(rows) == 2


def test_around_a_grid_search(digits, make_net):
    recorder = Recorder()
    recorder.max_propagation_depth = None
    search = GridSearchCV(make_net(max_epochs=1), {"update_learning_rate": [0.01, 0.05]}, cv=2)
    search.set_callbacks(recorder).fit(*digits)
    assert recorder.events.count("begin epoch 0") == 5  # four fits and the last
    assert recorder.events.count("setup") == 1


def test_a_fitted_estimator_is_cloned_and_pickled(digits, make_net):
    net = make_net().fit(*digits)
    assert clone(net).get_params() == net.get_params()
    pickle.loads(pickle.dumps(net))
