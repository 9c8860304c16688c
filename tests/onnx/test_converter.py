"""Pipelines with a network in them, written by skl2onnx."""

from __future__ import annotations

import numpy as np
import pytest
from lasagne import layers as ll
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import StandardScaler

from convnet_features import ConvNetClassifier, ConvNetFeatureExtractor, ConvNetRegressor

skl2onnx = pytest.importorskip("skl2onnx")
pytestmark = pytest.mark.onnx

LAYERS = [
    ("conv", ll.Conv2DLayer, {"num_filters": 2, "filter_size": 3}),
    ("pool", ll.GlobalPoolLayer),
    ("dense", ll.DenseLayer, {"num_units": 5}),
    ("output", ll.DenseLayer),
]
SETTINGS = {"max_epochs": 1, "random_state": 0, "engine": "portable"}


@pytest.fixture(autouse=True)
def registered():
    from convnet_features.onnx import register_converters

    register_converters()


@pytest.fixture
def data(rng):
    return rng.normal(size=(40, 36)).astype(np.float32), np.arange(40) % 3


@pytest.mark.parametrize("target_opset", [15, None])
def test_pipeline(data, run, target_opset):
    X, y = data
    pipeline = Pipeline(
        [("convnet", ConvNetFeatureExtractor(LAYERS, **SETTINGS)), ("clf", LogisticRegression())]
    ).fit(X, y)
    model = skl2onnx.to_onnx(pipeline, X[:1], options={"zipmap": False}, target_opset=target_opset)
    outputs = run(model, X)
    np.testing.assert_array_equal(outputs["label"], pipeline.predict(X))
    np.testing.assert_allclose(outputs["probabilities"], pipeline.predict_proba(X), atol=1e-5)


def test_two_networks_in_one_model(data, run):
    X, y = data
    union = FeatureUnion(
        [
            ("small", ConvNetFeatureExtractor(LAYERS, **SETTINGS)),
            ("large", ConvNetFeatureExtractor(LAYERS, dense_num_units=7, **SETTINGS)),
        ]
    )
    pipeline = Pipeline(
        [("scale", StandardScaler()), ("both", union), ("clf", LogisticRegression())]
    ).fit(X, y)
    outputs = run(skl2onnx.to_onnx(pipeline, X[:1], options={"zipmap": False}), X)
    np.testing.assert_allclose(outputs["probabilities"], pipeline.predict_proba(X), atol=1e-5)


def test_classifier_of_strings(data, run):
    X, y = data
    classifier = ConvNetClassifier(LAYERS, **SETTINGS).fit(X, np.array(["a", "b", "c"])[y])
    pipeline = Pipeline([("scale", StandardScaler().fit(X)), ("net", classifier)])
    outputs = run(skl2onnx.to_onnx(pipeline, X[:1], options={"zipmap": False}), X)
    np.testing.assert_array_equal(outputs["label"], pipeline.predict(X))
    np.testing.assert_allclose(outputs["probabilities"], pipeline.predict_proba(X), atol=1e-5)


def test_classifier_with_dictionaries(data, run):
    X, y = data
    classifier = ConvNetClassifier(LAYERS, **SETTINGS).fit(X, y)
    outputs = run(skl2onnx.to_onnx(classifier, X[:1]), X)
    first = outputs["output_probability"][0]
    np.testing.assert_allclose(list(first.values()), classifier.predict_proba(X)[0], atol=1e-5)
    assert list(first) == [0, 1, 2]


def test_regressor(data, run):
    X, y = data
    regressor = ConvNetRegressor(LAYERS, **SETTINGS).fit(X, 10.0 * y)
    outputs = run(skl2onnx.to_onnx(regressor, X[:1]), X)
    np.testing.assert_allclose(outputs["variable"][:, 0], regressor.predict(X), atol=1e-4)
