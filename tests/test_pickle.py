"""Estimators in files: what these hold, how large they are, and where they load."""

from __future__ import annotations

import copy
import io
import pickle
import pickletools
from pathlib import Path

import joblib
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from convnet_features import ConvNetClassifier, ConvNetFeatureExtractor, ConvNetRegressor
from convnet_features.kernels.registry import available_kernels
from convnet_features.network.functions import clear_programs, compilations

from .images import bright_corners, quick

X, Y = bright_corners()
FIXTURES = sorted((Path(__file__).parent / "data" / "pickles").glob("*.pkl"))


def fitted(**params):
    return quick(ConvNetFeatureExtractor, max_epochs=2, **params).fit(X, Y)


def half_trained_by_warm_start():
    return fitted(warm_start=True, update="adam")


def half_trained_by_parts():
    return quick(ConvNetFeatureExtractor).partial_fit(X, Y).partial_fit(X[:40], Y[:40])


def _through_joblib(estimator):
    file = io.BytesIO()
    joblib.dump(estimator, file, compress=3)
    file.seek(0)
    return joblib.load(file)


def _through_cloudpickle(estimator):
    cloudpickle = pytest.importorskip("cloudpickle")
    return pickle.loads(cloudpickle.dumps(estimator))


WAYS = {
    **{
        f"pickle {protocol}": lambda estimator, protocol=protocol: pickle.loads(
            pickle.dumps(estimator, protocol)
        )
        for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1)
    },
    "joblib": _through_joblib,
    "cloudpickle": _through_cloudpickle,
    "deepcopy": copy.deepcopy,
}
MAKERS = {
    "fitted": fitted,
    "warm_start": half_trained_by_warm_start,
    "partial_fit": half_trained_by_parts,
}


@pytest.mark.parametrize("way", WAYS)
def test_unfitted_estimators_come_back_as_they_were(way):
    estimator = quick(ConvNetClassifier, conv_num_filters=5)
    back = WAYS[way](estimator)
    assert back.get_params() == estimator.get_params()
    np.testing.assert_array_equal(back.fit(X, Y).transform(X), estimator.fit(X, Y).transform(X))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("maker", MAKERS)
def test_fitted_estimators_give_the_same_features(way, maker):
    estimator = MAKERS[maker]()
    back = WAYS[way](estimator)
    np.testing.assert_array_equal(back.transform(X), estimator.transform(X))
    assert list(back.history_) == list(estimator.history_)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("maker", ["warm_start", "partial_fit"])
def test_training_goes_on_as_if_it_had_not_been_in_a_file(way, maker):
    estimator = MAKERS[maker]()
    back = WAYS[way](estimator)
    for each in (estimator, back):
        each.fit(X, Y) if maker == "warm_start" else each.partial_fit(X, Y)
    np.testing.assert_array_equal(back.transform(X), estimator.transform(X))


@pytest.mark.parametrize("way", WAYS)
def test_pipelines_come_back(way):
    model = make_pipeline(quick(ConvNetFeatureExtractor), LogisticRegression()).fit(X, Y)
    np.testing.assert_array_equal(WAYS[way](model).predict_proba(X), model.predict_proba(X))


def test_a_copy_is_independent():
    estimator = half_trained_by_warm_start()
    before = estimator.transform(X)
    copy.deepcopy(estimator).fit(X, Y)
    np.testing.assert_array_equal(estimator.transform(X), before)


def seed_network_on_28x28(**params):
    rng = np.random.default_rng(0)
    images, labels = rng.random((40, 28, 28), dtype=np.float32), np.arange(40) % 10
    return ConvNetFeatureExtractor(max_epochs=1, **params), images, labels


def test_files_hold_little_more_than_the_weights():
    weights = 4 * 160_362
    extractor, images, labels = seed_network_on_28x28()
    assert len(pickle.dumps(extractor.fit(images, labels))) < 1.3 * weights
    extractor, images, labels = seed_network_on_28x28(warm_start=True)
    assert len(pickle.dumps(extractor.fit(images, labels))) < 2 * 1.3 * weights
    extractor, images, labels = seed_network_on_28x28()
    assert len(pickle.dumps(extractor.partial_fit(images, labels))) < 2 * 1.3 * weights


@pytest.mark.parametrize("maker", MAKERS)
def test_files_name_nothing_that_is_compiled(maker):
    """Only specs, arrays and numbers: nothing of PyTensor's, no code, no linker's output."""
    estimator = MAKERS[maker]()
    estimator.transform(X)
    operations = list(pickletools.genops(pickle.dumps(estimator, 2)))
    modules = {argument.split()[0] for code, argument, _ in operations if code.name == "GLOBAL"}
    assert {module.partition(".")[0] for module in modules} <= {
        "__builtin__", "_codecs", "convnet_features", "copy_reg", "lasagne", "numpy",
    }  # fmt: skip
    assert not [module for module in modules if "compilation" in module or "facade" in module]


def test_loading_compiles_nothing_before_the_first_use():
    contents = pickle.dumps(fitted())
    clear_programs()
    before = compilations.programs
    back = pickle.loads(contents)
    assert back.get_feature_names_out()[0] == "dense0"
    assert "conv" in back.summary()
    assert compilations.programs == before
    back.transform(X)
    assert compilations.programs == before + 1


@pytest.mark.skipif(len(available_kernels()) < 2, reason="there is one engine only")
@pytest.mark.parametrize(("writer", "reader"), [("onednn", "portable"), ("portable", "onednn")])
def test_another_engine_gives_the_same_features(writer, reader):
    estimator = fitted(engine=writer)
    back = pickle.loads(pickle.dumps(estimator)).set_params(engine=reader)
    features = estimator.transform(X)
    np.testing.assert_allclose(back.transform(X), features, atol=1e-5 * features.max())
    assert back._model.engine == reader


def test_an_estimator_mapped_from_a_file_can_go_on_training(tmp_path):
    estimator = half_trained_by_parts()
    joblib.dump(estimator, tmp_path / "estimator.joblib")
    back = joblib.load(tmp_path / "estimator.joblib", mmap_mode="r")
    np.testing.assert_array_equal(back.transform(X), estimator.transform(X))
    np.testing.assert_array_equal(
        back.partial_fit(X, Y).transform(X), estimator.partial_fit(X, Y).transform(X)
    )


def test_the_hash_outlives_the_file():
    estimator = fitted()
    back = pickle.loads(pickle.dumps(estimator))
    assert joblib.hash(back) == joblib.hash(estimator)


@pytest.mark.parametrize("path", FIXTURES, ids=lambda path: path.stem)
def test_files_of_other_pythons_and_versions_load(path):
    """Each holds estimators and the features they gave where they were written."""
    with open(path, "rb") as file:
        held = pickle.load(file)
    assert len(held["estimators"]) >= 3
    for estimator, expected in zip(held["estimators"], held["features"], strict=True):
        features = estimator.transform(held["X"])
        np.testing.assert_allclose(features, expected, atol=1e-5 * np.abs(expected).max())
        estimator.partial_fit(held["X"], held["y"])


def test_there_are_files_of_other_pythons_and_versions():
    assert len(FIXTURES) >= 2


#: What a skops file of a fitted extractor names besides the classes of its layers.
TRUSTED = [
    "convnet_features.extractor.ConvNetFeatureExtractor",
    "convnet_features.network.model.Model",
    "convnet_features.network.spec.LayerSpec",
    "convnet_features.training.history.History",
    "convnet_features.validation.targets.Targets",
]
LAYERS = [
    "convnet_features.layers.conv2d.Conv2DLayer",
    "convnet_features.layers.dense.DenseLayer",
    "convnet_features.layers.dropout.DropoutLayer",
    "lasagne.layers.pool.MaxPool2DLayer",
]
GROWN_LAYERS = [
    "convnet_features.layers.batch_norm.BatchNormLayer",
    "lasagne.layers.pool.Pool2DLayer",
]
TRAINING = [
    "convnet_features.training.settings.Settings",
    "convnet_features.training.trainer.Trainer",
    "lasagne.objectives.categorical_crossentropy",
    "lasagne.updates.nesterov_momentum",
    "numpy.random.bit_generator.SeedSequence",
]


@pytest.mark.parametrize("maker", ["fitted", "partial_fit"])
def test_skops_loads_what_the_guide_says_to_trust(maker):
    skops = pytest.importorskip("skops.io")
    estimator = MAKERS[maker]()
    contents = skops.dumps(estimator)
    trusted = TRUSTED + LAYERS + (TRAINING if maker == "partial_fit" else [])
    assert set(skops.get_untrusted_types(data=contents)) <= set(trusted)
    back = skops.loads(contents, trusted=trusted)
    np.testing.assert_array_equal(back.transform(X), estimator.transform(X))


def test_skops_loads_the_default_network_of_larger_images():
    skops = pytest.importorskip("skops.io")
    images = np.random.default_rng(0).random((8, 3, 29, 29), dtype=np.float32)
    extractor = ConvNetFeatureExtractor(max_epochs=1, random_state=0).fit(images, np.arange(8) % 2)
    contents = skops.dumps(extractor)
    trusted = {*TRUSTED, *LAYERS, "lasagne.layers.input.InputLayer", *GROWN_LAYERS}
    assert set(skops.get_untrusted_types(data=contents)) == trusted
    back = skops.loads(contents, trusted=sorted(trusted))
    np.testing.assert_array_equal(back.transform(images), extractor.transform(images))


@pytest.mark.parametrize("estimator", [ConvNetClassifier, ConvNetRegressor])
def test_predictions_come_back(estimator):
    labels = Y if estimator is ConvNetRegressor else np.array(["a", "b", "c"])[Y]
    made = quick(estimator, max_epochs=2).fit(X, labels)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(made)).predict(X), made.predict(X))
