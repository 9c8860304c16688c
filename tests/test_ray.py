"""A search through Ray, by its own joblib backend."""

from __future__ import annotations

import os
import tempfile

import joblib
import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV

from convnet_features import ConvNetClassifier

ray = pytest.importorskip("ray")
pytestmark = [
    pytest.mark.ray,
    pytest.mark.slow,
    # Of Ray itself, about files and processes that it leaves to its end.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture
def cluster(monkeypatch):
    """Two workers on this machine, which report to nobody and leave nothing in the home folder."""
    from ray.util.joblib import register_ray

    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    # Not pytest's folder: the paths of sockets must be short.
    with tempfile.TemporaryDirectory(prefix="ray", ignore_cleanup_errors=True) as folder:
        ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, _temp_dir=folder)
        register_ray()
        try:
            yield
        finally:
            ray.shutdown()


def test_search(cluster):
    """It ends as it does in one process, and no worker compiles an architecture twice."""

    def compiled(estimator, X, y):
        from convnet_features.network.functions import compilations

        return compilations.programs

    X, y = load_digits(return_X_y=True)
    X, y = X[:600], y[:600]
    network = ConvNetClassifier(
        max_epochs=3,
        batch_size=32,
        random_state=0,
        engine="portable",
        conv2d1_num_filters=4,
        conv2d2_num_filters=4,
        dense_num_units=16,
    )
    grid = {"update_learning_rate": [0.001, 0.003, 0.01, 0.03]}
    expected = GridSearchCV(network, grid, cv=3).fit(X, y)
    scores = {
        "accuracy": "accuracy",
        "compiled": compiled,
        "process": lambda estimator, X, y: os.getpid(),
    }
    search = GridSearchCV(network, grid, cv=3, scoring=scores, refit="accuracy", n_jobs=-1)
    with joblib.parallel_config("ray"):
        search.fit(X, y)
    assert search.best_params_ == expected.best_params_
    np.testing.assert_allclose(
        search.cv_results_["mean_test_accuracy"],
        expected.cv_results_["mean_test_score"],
        atol=1e-12,
    )
    counts, processes = (
        np.stack([search.cv_results_[f"split{fold}_test_{name}"] for fold in range(3)])
        for name in ("compiled", "process")
    )
    assert os.getpid() not in processes
    # Loss and gradients, evaluation, prediction, and the update rule.
    assert counts.min() > 0
    assert counts.max() <= 4
