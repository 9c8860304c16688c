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

LABELS = ["uint8", "bool", "int8", "uint16", "int32", "int64", "float32", "float64", "U3"]
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


@pytest.mark.parametrize("zipmap", [False, True, "columns"])
@pytest.mark.parametrize("dtype", LABELS)
def test_types_of_labels(dtype, zipmap, data, run):
    X, y = data
    labels = (y % 2).astype(dtype)
    classifier = ConvNetClassifier(LAYERS, **SETTINGS).fit(X, labels)
    model = skl2onnx.to_onnx(classifier, X[:1], options={"zipmap": zipmap})
    outputs = run(model, X)
    label = next(value for name, value in outputs.items() if "label" in name)
    np.testing.assert_array_equal(label, classifier.predict(X))


@pytest.mark.parametrize("dtype", LABELS)
def test_types_of_labels_behind_features(dtype, data, run):
    """As far as skl2onnx converts the classifier behind them: it knows no boolean labels."""
    X, y = data
    pipeline = Pipeline(
        [("net", ConvNetFeatureExtractor(LAYERS, **SETTINGS)), ("clf", LogisticRegression())]
    ).fit(X, (y % 2).astype(dtype))
    outputs = run(skl2onnx.to_onnx(pipeline, X[:1], options={"zipmap": False}), X)
    np.testing.assert_array_equal(outputs["label"], pipeline.predict(X))


def test_one_input_a_column(data, run):
    """As skl2onnx declares a DataFrame: of numbers of several types."""
    pd = pytest.importorskip("pandas")
    from skl2onnx.common.data_types import FloatTensorType, Int64TensorType

    X, y = data
    frame = pd.DataFrame(X, columns=[f"pixel{i}" for i in range(36)])
    frame["pixel3"] = (10 * frame["pixel3"]).astype(np.int64)
    for last in (
        [("clf", LogisticRegression())],
        [("net2", ConvNetClassifier(LAYERS, **SETTINGS))],
    ):
        steps = [("net", ConvNetFeatureExtractor(LAYERS, **SETTINGS)), *last]
        pipeline = Pipeline(steps[-1:] if last[0][0] == "net2" else steps).fit(frame, y)
        types = [
            (name, (Int64TensorType if kind == np.int64 else FloatTensorType)([None, 1]))
            for name, kind in frame.dtypes.items()
        ]
        model = skl2onnx.to_onnx(pipeline, initial_types=types, options={"zipmap": False})
        outputs = run(model, {name: frame[[name]].to_numpy() for name in frame})
        np.testing.assert_array_equal(outputs["label"], pipeline.predict(frame))
        np.testing.assert_allclose(
            outputs["probabilities"], pipeline.predict_proba(frame), atol=1e-5
        )


def test_columns_of_text(data):
    from skl2onnx.common.data_types import FloatTensorType, StringTensorType

    X, y = data
    extractor = ConvNetFeatureExtractor(LAYERS, **SETTINGS).fit(X, y)
    types = [("a", StringTensorType([None, 1])), ("b", FloatTensorType([None, 35]))]
    with pytest.raises(TypeError) as caught:
        skl2onnx.to_onnx(extractor, initial_types=types)
    assert str(caught.value) == (
        "ConvNetFeatureExtractor: the column 'a' is StringTensorType, and a network takes numbers; "
        "encode it in a step in front."
    )
