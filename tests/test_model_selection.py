"""Searches over networks: what may vary, what is compiled, and what several processes share."""

from __future__ import annotations

import gc
import os
import tracemalloc

import joblib
import numpy as np
import pytest
from joblib.externals.loky import get_reusable_executor
from scipy.stats import loguniform
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, HalvingGridSearchCV, RandomizedSearchCV
from sklearn.pipeline import Pipeline, make_pipeline

from convnet_features import ConvNetClassifier, ConvNetFeatureExtractor
from convnet_features.kernels.threads import get_num_threads
from convnet_features.network import LayerSpec
from convnet_features.network.functions import clear_programs, compilations

from .images import bright_corners, quick, small_network

X, Y = bright_corners()


def wider_network():
    from lasagne.layers import DenseLayer

    return (LayerSpec("dense", DenseLayer, {"num_units": 24}), LayerSpec("output", DenseLayer))


def classifier(**params):
    return quick(ConvNetClassifier, max_epochs=4, **params)


# What may vary


def test_arguments_of_layers_and_of_the_update_rule_are_searched():
    grid = {"conv_num_filters": [2, 5], "update_momentum": [0.5, 0.9], "dense_num_units": [8]}
    search = GridSearchCV(classifier(), grid, cv=2, error_score="raise").fit(X, Y)
    best = search.best_estimator_
    assert search.best_params_.keys() == grid.keys()
    assert best.layers_["conv"].num_filters == search.best_params_["conv_num_filters"]
    assert search.cv_results_["param_conv_num_filters"].tolist() == [2, 2, 5, 5]


def test_feature_layers_and_whole_networks_are_searched():
    pandas = pytest.importorskip("pandas")
    networks = [tuple(small_network()), wider_network()]
    pipeline = Pipeline([("net", quick(ConvNetFeatureExtractor)), ("line", LogisticRegression())])
    grid = [
        {"net__layers": networks, "net__feature_layer": ["dense"]},
        {"net__layers": networks[:1], "net__feature_layer": ["pool", ["pool", "dense"]]},
    ]
    search = GridSearchCV(pipeline, grid, cv=2, error_score="raise").fit(X, Y)
    table = pandas.DataFrame(search.cv_results_)
    assert table["param_net__layers"].tolist() == [*networks, networks[0], networks[0]]
    assert str(table["param_net__layers"][1]) == (
        "(dense: DenseLayer(num_units=24), output: DenseLayer())"
    )
    groups = table.groupby("param_net__layers", sort=False)["mean_test_score"]
    assert groups.count().tolist() == [3, 1]
    assert search.best_score_ > 0.8


def test_random_and_halving_searches_run():
    random = RandomizedSearchCV(
        classifier(),
        {"update_learning_rate": loguniform(1e-3, 1e-1), "dropout_p": [0.0, 0.5]},
        n_iter=3, cv=2, random_state=0, error_score="raise",
    ).fit(X, Y)  # fmt: skip
    assert random.best_params_.keys() == {"update_learning_rate", "dropout_p"}
    halving = HalvingGridSearchCV(
        classifier(), {"update_learning_rate": [0.0, 0.01, 0.03]}, cv=2, resource="max_epochs",
        max_resources=9, min_resources=1, random_state=0, error_score="raise",
    ).fit(X, Y)  # fmt: skip
    assert halving.best_params_["update_learning_rate"] > 0
    assert set(halving.cv_results_["n_resources"]) == {1, 3}


def test_unknown_layers_fail_before_anything_is_trained():
    with pytest.raises(ValueError, match="unknown parameter 'conv_num_filter'"):
        GridSearchCV(classifier(), {"conv_num_filter": [2]}, cv=2, error_score="raise").fit(X, Y)


# What is compiled


def test_a_known_architecture_is_not_compiled_again():
    """One process: another fold, learning rate, strength of a penalty, seed, or copy."""
    clear_programs()
    classifier(l2=0.001).fit(X, Y).predict(X)
    before = compilations.programs
    for params in ({"update_learning_rate": 0.1}, {"l2": 0.1}, {"random_state": 3}, {}):
        made = classifier(**{"l2": 0.001, **params}).fit(X[:50], Y[:50])
        made.predict(X)
    assert compilations.programs == before
    classifier(l2=0.001, dense_num_units=9).fit(X, Y)
    assert compilations.programs > before


def test_a_search_compiles_each_architecture_once():
    clear_programs()
    before = compilations.programs
    grid = {"dense_num_units": [7, 8], "update_learning_rate": [0.01, 0.02, 0.03]}
    GridSearchCV(classifier(), grid, cv=3, refit=False, error_score="raise").fit(X, Y)
    # Gradients, evaluation and outputs of two networks, and one update rule.
    assert compilations.programs - before == 2 * 3 + 1


@pytest.fixture(scope="module")
def workers():
    """joblib's workers as users have them: nobody has set a number of threads before."""
    limits = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "CONVNET_FEATURES_NUM_THREADS")
    with pytest.MonkeyPatch.context() as patch:
        for name in limits:
            patch.delenv(name, raising=False)
        get_reusable_executor().shutdown()
        yield
        get_reusable_executor().shutdown()


def _in_a_worker(seed):
    before = compilations.programs
    classifier(random_state=seed, update_learning_rate=0.01 * (seed + 1)).fit(X, Y).transform(X)
    return os.getpid(), compilations.programs - before, get_num_threads()


@pytest.mark.usefixtures("workers")
def test_workers_compile_once_and_share_the_processors():
    with joblib.Parallel(n_jobs=2) as parallel:
        found = parallel(joblib.delayed(_in_a_worker)(seed) for seed in range(12))
    seen = set()
    for process, programs, threads in found:
        # Gradients, evaluation, features and the update rule.
        assert programs == (0 if process in seen else 4)
        assert 2 * threads <= max(2, joblib.cpu_count())
        seen.add(process)
    assert os.getpid() not in seen


@pytest.mark.usefixtures("workers")
@pytest.mark.parametrize("n_jobs", [2, pytest.param(-1, marks=pytest.mark.slow)])
def test_jobs_find_what_one_process_finds(n_jobs):
    grid = {"dense_num_units": [8, 12], "update_learning_rate": [0.01, 0.03]}
    one, several = (
        GridSearchCV(classifier(), grid, cv=2, n_jobs=jobs, error_score="raise").fit(X, Y)
        for jobs in (1, n_jobs)
    )
    np.testing.assert_allclose(
        several.cv_results_["mean_test_score"], one.cv_results_["mean_test_score"], atol=0.04
    )


def test_threads_share_an_estimators_programs():
    grid = {"update_learning_rate": [0.01, 0.02, 0.03]}
    with joblib.parallel_backend("threading"):
        search = GridSearchCV(classifier(), grid, cv=2, n_jobs=2, error_score="raise").fit(X, Y)
    alone = GridSearchCV(classifier(), grid, cv=2, error_score="raise").fit(X, Y)
    np.testing.assert_allclose(
        search.cv_results_["mean_test_score"], alone.cv_results_["mean_test_score"], atol=0.04
    )


def test_memory_does_not_grow_from_fit_to_fit():
    def fits(count):
        for seed in range(count):
            classifier(random_state=seed).fit(X, Y).transform(X)
        gc.collect()

    fits(3)
    tracemalloc.start()
    try:
        fits(2)
        before = tracemalloc.get_traced_memory()[0]
        fits(8)
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert grown < 8 * 4096, f"{grown:,} bytes in 8 fits"


# Caching


class CountingExtractor(ConvNetFeatureExtractor):
    """Writes a line to a file for each training."""

    log = ""

    def fit(self, X, y=None, **params):
        with open(self.log, "a") as file:
            file.write(f"{len(X)}\n")
        return super().fit(X, y, **params)


def test_a_cached_network_is_trained_once_per_fold(tmp_path, monkeypatch):
    monkeypatch.setattr(CountingExtractor, "log", str(tmp_path / "log"))
    pipeline = make_pipeline(
        quick(CountingExtractor), LogisticRegression(), memory=str(tmp_path / "cache")
    )
    grid = {"logisticregression__C": [0.01, 0.1, 1.0, 10.0]}
    search = GridSearchCV(pipeline, grid, cv=3, refit=False, error_score="raise").fit(X, Y)
    assert (tmp_path / "log").read_text() == "40\n" * 3
    assert search.cv_results_["mean_test_score"].max() > 0.8
    uncached = GridSearchCV(
        pipeline.set_params(memory=None), grid, cv=3, refit=False, error_score="raise"
    ).fit(X, Y)
    np.testing.assert_array_equal(
        search.cv_results_["mean_test_score"], uncached.cv_results_["mean_test_score"]
    )
