"""A search on a cluster, by an engine that is none of ours."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time

import joblib
import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline

from convnet_features import ConvNetClassifier, ConvNetFeatureExtractor

dask = pytest.importorskip("dask")
distributed = pytest.importorskip("distributed")
pytestmark = [
    pytest.mark.dask,
    pytest.mark.slow,
    # Of distributed itself, about ports and clients that go away.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

SETTINGS = {
    "max_epochs": 3,
    "batch_size": 32,
    "random_state": 0,
    "engine": "portable",
    "conv2d1_num_filters": 4,
    "conv2d2_num_filters": 4,
    "dense_num_units": 16,
}
GRID = {"dense_num_units": [8, 16], "update_learning_rate": [0.001, 0.01, 0.03, 0.1]}


@pytest.fixture(scope="module")
def data():
    X, y = load_digits(return_X_y=True)
    return X[:600], y[:600]


@pytest.fixture
def client(monkeypatch):
    """Of two worker processes with a thread each."""
    # Children read them when they start.
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    with (
        # It would soon drop all copies but one of what joblib gave to every worker.
        dask.config.set({"distributed.scheduler.active-memory-manager.start": False}),
        distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            processes=True,
            dashboard_address=None,
            silence_logs=logging.CRITICAL,
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


def compiled_programs():
    from convnet_features.network.functions import compilations

    return compilations.programs


def worker_pids(client):
    return client.run(os.getpid)


def test_search_survives_the_death_of_a_worker(client, data):
    """One of two workers is killed while it computes; the search ends as it would have."""
    classifier = ConvNetClassifier(**SETTINGS)
    splits = list(StratifiedKFold(3).split(*data))
    expected = GridSearchCV(classifier, GRID, cv=splits).fit(*data)

    search = GridSearchCV(classifier, GRID, cv=splits, n_jobs=-1)
    # Of any array above a kilobyte that is not listed, joblib gives the only copy to one worker.
    arrays = [*data, *(rows for split in splits for rows in split)]
    victims = worker_pids(client)
    failures = []

    def run():
        try:
            with joblib.parallel_config("dask", scatter=arrays):
                search.fit(*data)
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    killed = _kill_one_at_work(client, thread)
    thread.join(timeout=300)
    assert not thread.is_alive()
    assert not failures
    assert killed in victims.values()
    assert killed not in worker_pids(client).values()
    assert search.best_params_ == expected.best_params_
    np.testing.assert_allclose(
        search.cv_results_["mean_test_score"], expected.cv_results_["mean_test_score"], atol=1e-12
    )


def _kill_one_at_work(client, thread):
    """Kill a worker once some of the search is done and it computes more; give its process."""
    pids = worker_pids(client)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        assert thread.is_alive(), "the search was over before a worker could be killed"
        busy = [worker for worker, tasks in client.processing().items() if tasks]
        if busy and any(client.run(compiled_programs, workers=busy).values()):
            os.kill(pids[busy[0]], signal.SIGKILL)
            return pids[busy[0]]
        time.sleep(0.02)
    raise AssertionError("no worker began to compute")


def test_workers_compile_once(client, data):
    """Other folds and learning rates are other values, not other programs."""
    grid = {"update_learning_rate": [0.001, 0.003, 0.01, 0.03]}
    before = client.run(compiled_programs)
    with joblib.parallel_config("dask"):
        GridSearchCV(ConvNetClassifier(**SETTINGS), grid, cv=3, n_jobs=-1, refit=False).fit(*data)
        first = client.run(compiled_programs)
        GridSearchCV(ConvNetClassifier(**SETTINGS), grid, cv=4, n_jobs=-1, refit=False).fit(*data)
    second = client.run(compiled_programs)
    assert set(before.values()) == {0}
    # Loss and gradients, evaluation, prediction, and the update rule.
    assert all(0 < count <= 4 for count in first.values())
    assert all(count <= 4 for count in second.values())


def test_cross_val_score_of_a_pipeline(client, data):
    pipeline = make_pipeline(ConvNetFeatureExtractor(**SETTINGS), LogisticRegression(max_iter=1000))
    expected = cross_val_score(pipeline, *data, cv=3)
    with joblib.parallel_config("dask"):
        scores = cross_val_score(pipeline, *data, cv=3, n_jobs=-1)
    np.testing.assert_allclose(scores, expected, atol=1e-12)
