"""onnxruntime computes what we compute."""

from __future__ import annotations

import numpy as np
import pytest
from lasagne import layers as ll
from lasagne import nonlinearities as nl
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from convnet_features import ConvNetClassifier, ConvNetFeatureExtractor, ConvNetRegressor
from convnet_features.exceptions import NetworkError
from convnet_features.onnx import from_onnx, to_onnx
from convnet_features.onnx.layers import supported_layers

from ..helpers import assert_close
from .networks import NETWORKS

pytestmark = pytest.mark.onnx

LABELS = ["uint8", "bool", "int8", "uint16", "int32", "int64", "uint64", "float32", "float64", "U3"]

LAYERS = [
    ("conv", ll.Conv2DLayer, {"num_filters": 2, "filter_size": 3}),
    ("dense", ll.DenseLayer, {"num_units": 5}),
    ("output", ll.DenseLayer),
]


def assert_same(theirs, ours):
    """To within 1e-5 of the largest entry."""
    assert theirs.shape == ours.shape
    assert np.abs(theirs - ours).max() <= 1e-5 * max(1.0, np.abs(ours).max())


@pytest.fixture
def fitted():
    def fit(kind, X, y, **params):
        settings = {"max_epochs": 1, "random_state": 0, "engine": "portable", **params}
        return kind(LAYERS, **settings).fit(X, y)

    return fit


@pytest.mark.parametrize("name", NETWORKS)
def test_layers(name, pretrained, images, run):
    extractor = pretrained(NETWORKS[name], input_scale=0.25)
    features = run(to_onnx(extractor), images)["features"]
    np.testing.assert_allclose(features, extractor.transform(images), rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", NETWORKS)
def test_layers_come_back(name, pretrained, images):
    extractor = pretrained(NETWORKS[name], input_scale=0.25)
    again = from_onnx(to_onnx(extractor), engine="portable")
    assert again.input_scale_ == 0.25
    assert_close(again.transform(images), extractor.transform(images), "float32")


def test_every_supported_layer_is_tested():
    tested = {layer.__name__ for layers in NETWORKS.values() for _, layer, *_ in layers}
    assert tested == set(supported_layers())


def test_any_number_of_samples(pretrained, images, run):
    extractor = pretrained(NETWORKS["feature pool"])
    model = to_onnx(extractor)
    for count in (0, 1, 3):
        assert run(model, images[:count])["features"].shape == (count, 7 * 7)


def test_layer_names_that_the_model_needs_itself(pretrained, images, run):
    layers = [("features", *LAYERS[0][1:]), ("X", ll.DenseLayer, {"num_units": 3})]
    extractor = pretrained(layers, input_scale=2.0)
    assert_same(run(to_onnx(extractor), images)["features"], extractor.transform(images))


def test_features_of_several_layers(pretrained, images, run):
    extractor = pretrained(LAYERS[:2], feature_layer=["dense", "conv"])
    features = run(to_onnx(extractor), images)["features"]
    assert_same(features, extractor.transform(images))


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32", "float64"])
@pytest.mark.parametrize("shape", [(-1, 64), (-1, 8, 8), (-1, 1, 8, 8)])
def test_input_as_it_was_fitted(dtype, shape, fitted, rng, run):
    X = rng.integers(0, 100, (12, 64)).astype(dtype).reshape(shape)
    y = np.arange(12) % 3
    extractor = fitted(ConvNetFeatureExtractor, X, y)
    assert extractor.input_scale_ != 1.0
    assert_same(run(to_onnx(extractor, X[:1]), X)["features"], extractor.transform(X))


@pytest.mark.parametrize(
    "classes", [[2, 5, 7], ["ant", "bee", "cat"], [-1.0, 0.0, 4.0]], ids=["int", "str", "float"]
)
def test_classes(classes, fitted, rng, run):
    X = rng.normal(size=(30, 1, 6, 7)).astype(np.float32)
    y = np.asarray(classes)[np.arange(30) % 3]
    classifier = fitted(ConvNetClassifier, X, y)
    outputs = run(to_onnx(classifier, features=False), X)
    assert list(outputs) == ["label", "probabilities"]
    assert_same(outputs["probabilities"], classifier.predict_proba(X))
    np.testing.assert_array_equal(outputs["label"], classifier.predict(X))


@pytest.mark.parametrize("dtype", LABELS)
def test_types_of_labels(dtype, fitted, rng, run):
    """Runtimes know few types of labels: int64 and text."""
    X = rng.normal(size=(30, 1, 6, 7)).astype(np.float32)
    classifier = fitted(ConvNetClassifier, X, (np.arange(30) % 2).astype(dtype))
    outputs = run(to_onnx(classifier, features=False), X)
    expected = classifier.predict(X)
    assert expected.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(outputs["label"], expected)
    assert outputs["label"].dtype == (object if expected.dtype.kind == "U" else np.int64)


def test_labels_beyond_int64(fitted, rng, run):
    X = rng.normal(size=(30, 1, 6, 7)).astype(np.float32)
    y = np.array([1, 2**64 - 1], np.uint64)[np.arange(30) % 2]
    classifier = fitted(ConvNetClassifier, X, y)
    label = run(to_onnx(classifier, features=False), X)["label"]
    np.testing.assert_array_equal(label, classifier.predict(X))


def test_a_frozen_network(fitted, rng, run):
    X = rng.normal(size=(12, 1, 6, 7)).astype(np.float32)
    extractor = fitted(ConvNetFeatureExtractor, X, np.arange(12) % 3)
    features = run(to_onnx(FrozenEstimator(extractor)), X)["features"]
    assert_same(features, extractor.transform(X))


@pytest.mark.parametrize(
    "wrap",
    [
        lambda net: Pipeline([("net", net)]),
        lambda net: GridSearchCV(net, {"max_epochs": [1]}, cv=2),
        lambda net: StandardScaler(),
        lambda net: "net.onnx",
    ],
    ids=["Pipeline", "GridSearchCV", "StandardScaler", "str"],
)
def test_what_others_write(wrap):
    other = wrap(ConvNetClassifier(LAYERS))
    with pytest.raises(TypeError) as caught:
        to_onnx(other)
    assert str(caught.value) == (
        "to_onnx writes a ConvNetFeatureExtractor, ConvNetClassifier or ConvNetRegressor; got "
        f"{type(other).__name__}. skl2onnx writes Pipelines and what else holds a network: call "
        "convnet_features.onnx.register_converters() once, then skl2onnx.to_onnx(fitted, X[:1]); "
        "of a search, give it best_estimator_."
    )


def test_labels(fitted, rng, run):
    X = rng.normal(size=(30, 1, 6, 7)).astype(np.float32)
    classifier = fitted(ConvNetFeatureExtractor, X, rng.integers(0, 2, (30, 4)))
    outputs = run(to_onnx(classifier, features=False), X)
    assert_same(outputs["probabilities"], classifier.predict_proba(X))
    np.testing.assert_array_equal(outputs["label"], classifier.predict(X))


@pytest.mark.parametrize("n_outputs", [1, 3])
def test_numbers(n_outputs, fitted, rng, run):
    X = rng.normal(size=(30, 1, 6, 7)).astype(np.float32)
    regressor = fitted(ConvNetRegressor, X, 1000 + 50 * rng.normal(size=(30, n_outputs)))
    variable = run(to_onnx(regressor, features=False), X)["variable"]
    assert variable.dtype == np.float64
    assert_same(variable, regressor.predict(X).reshape(30, n_outputs))


def test_seed_network_trained(rng, run):
    X = rng.integers(0, 256, (40, 784)).astype(np.uint8)
    classifier = ConvNetClassifier(max_epochs=1, random_state=0).fit(X, np.arange(40) % 10)
    assert_same(run(to_onnx(classifier, X), X)["features"], classifier.transform(X))
    probabilities = run(to_onnx(classifier, X, features=False), X)["probabilities"]
    assert_same(probabilities, classifier.predict_proba(X))
    again = from_onnx(to_onnx(classifier, X, features=False))
    assert again.feature_layer == "output"
    again.set_params(feature_layer="dense")
    assert_close(again.transform(X), classifier.transform(X), "float32")


def test_model_is_sound(pretrained):
    import onnx

    model = to_onnx(pretrained(LAYERS[:2]))
    onnx.checker.check_model(model, full_check=True)
    assert model.producer_name == "convnet_features"


def test_unsupported_layer_is_named(pretrained, images, run):
    layers = [*LAYERS[:1], ("winner", ll.FeatureWTALayer, {"pool_size": 2})]
    with pytest.raises(
        NetworkError, match=r"layer 'winner' \(FeatureWTALayer\) has no ONNX form; those that have"
    ):
        to_onnx(pretrained(layers))
    # What lies below it can be written.
    extractor = pretrained(layers, feature_layer="conv")
    assert_same(run(to_onnx(extractor), images)["features"], extractor.transform(images))


class Halved(ll.DenseLayer):
    """Computes something of its own."""

    def get_output_for(self, input, **kwargs):
        return super().get_output_for(input, **kwargs) / 2


class Renamed(ll.DenseLayer):
    """Computes what its base does."""


def test_subclasses(pretrained, images, run):
    with pytest.raises(NetworkError, match=r"'own' \(Halved\) has no ONNX form"):
        to_onnx(pretrained([("own", Halved, {"num_units": 2})]))
    extractor = pretrained([("own", Renamed, {"num_units": 2})])
    assert_same(run(to_onnx(extractor), images)["features"], extractor.transform(images))


def cubed(x):
    return x**3


@pytest.mark.parametrize(
    ("layer", "params", "match"),
    [
        (ll.DenseLayer, {"num_units": 2, "nonlinearity": cubed}, "nonlinearity 'cubed'.*rectify"),
        (ll.GlobalPoolLayer, {"pool_function": cubed}, "pool_function=cubed"),
        (ll.ElemwiseMergeLayer, {"merge_function": cubed}, "merge_function=cubed"),
        (ll.ReshapeLayer, {"shape": (-1, 3)}, "mixes samples"),
        (ll.SliceLayer, {"indices": 0, "axis": 0}, "axis=0, the samples'"),
        (ll.DenseLayer, {"num_units": 2, "num_leading_axes": 2}, "num_leading_axes=2"),
        (ll.ConcatLayer, {"cropping": [None, None, "lower"]}, "cropping="),
        (ll.ElemwiseSumLayer, {"cropping": [None, None, "lower"]}, "cropping="),
        (ll.ParametricRectifierLayer, {"shared_axes": 1}, "shared_axes="),
    ],
)
def test_unsupported_arguments_are_named(layer, params, match, pretrained):
    with pytest.raises(NetworkError, match=f"'own'.*{match}"):
        to_onnx(pretrained([("own", layer, params)], feature_layer="own"))


def test_images_of_another_size(pretrained, rng):
    with pytest.raises(ValueError, match=r"1x8x8.*2x9x11"):
        to_onnx(pretrained(LAYERS[:2]), rng.normal(size=(1, 1, 8, 8)))


def test_leaky_rectify_keeps_its_slope(pretrained):
    again = from_onnx(to_onnx(pretrained(NETWORKS["nonlinearity leaky"])))
    assert again.layers_["layer"].nonlinearity.leakiness == pytest.approx(0.2)
    assert again.layers_["conv"].nonlinearity is nl.rectify
