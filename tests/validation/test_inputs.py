"""Several inputs, and sequences, through scikit-learn's face."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from lasagne.layers import (
    ConcatLayer,
    DenseLayer,
    EmbeddingLayer,
    InputLayer,
    LSTMLayer,
    SliceLayer,
)
from lasagne.nonlinearities import softmax
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from convnet_features import ConvNetClassifier, ConvNetFeatureExtractor, ConvNetRegressor
from convnet_features.datasets import load_digits_images
from convnet_features.nolearn.util import SliceDict

LAYERS = [
    ("a", InputLayer),
    ("of_a", DenseLayer, {"num_units": 8}),
    ("b", InputLayer),
    ("of_b", DenseLayer, {"num_units": 8}),
    ("dense", ConcatLayer, {"incomings": ["of_a", "of_b"]}),
    ("output", DenseLayer),
]


@pytest.fixture(scope="module")
def pairs():
    """((A, B), y): y tells whether a column of A is above one of B."""
    A, B = np.random.RandomState(0).normal(size=(2, 90, 3))
    return (A, B[:, :2]), np.where(A[:, 0] > B[:, 1], "above", "below")


@pytest.fixture(scope="module")
def fitted(pairs):
    (A, B), y = pairs
    net = ConvNetClassifier(LAYERS, max_epochs=40, random_state=0, batch_size=16)
    return net.fit({"b": B, "a": A}, y)


class TestSeveral:
    def test_it_learns_from_both(self, fitted, pairs):
        X, y = pairs
        assert fitted.score(X, y) > 0.9
        assert fitted.input_shape_ == {"a": (3,), "b": (2,)}

    def test_outputs_are_those_of_numpy(self, fitted, pairs):
        (A, B), _ = pairs
        values = {name: np.float64(value) for name, value in fitted._model.named_values.items()}
        hidden = [
            np.maximum(X @ values[f"{name}.W"] + values[f"{name}.b"], 0)
            for X, name in ((A, "of_a"), (B, "of_b"))
        ]
        sums = np.hstack(hidden) @ values["output.W"] + values["output.b"]
        expected = np.exp(sums) / np.exp(sums).sum(axis=1, keepdims=True)
        np.testing.assert_allclose(fitted.predict_proba((A, B)), expected, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(
            fitted.layer_function("of_b")((A, B)), hidden[1], rtol=1e-5, atol=1e-6
        )

    def test_forms_of_x(self, fitted, pairs):
        pd = pytest.importorskip("pandas")
        (A, B), _ = pairs
        expected = fitted.predict_proba({"a": A, "b": B})
        columns = {("a", i): A[:, i] for i in range(3)} | {("b", i): B[:, i] for i in range(2)}
        forms = [
            (A, B),
            pd.DataFrame(columns),
            pd.DataFrame({"b": list(B), "a": list(A)}),
            SliceDict(a=A, b=B),
        ]
        for X in forms:
            np.testing.assert_array_equal(fitted.predict_proba(X), expected)

    def test_pickles_and_clones(self, fitted, pairs):
        X, y = pairs
        again = pickle.loads(pickle.dumps(fitted))
        np.testing.assert_array_equal(again.predict_proba(X), fitted.predict_proba(X))
        same = clone(fitted).fit(X, y)
        np.testing.assert_array_equal(same.predict_proba(X), fitted.predict_proba(X))

    def test_features(self, pairs):
        X, y = pairs
        extractor = ConvNetFeatureExtractor(LAYERS, max_epochs=2, random_state=0)
        features = extractor.fit_transform(X, y)
        assert features.shape == (90, 16)
        np.testing.assert_array_equal(features, extractor.transform(X))
        weights = np.arange(90.0) % 3
        assert extractor.fit_transform(X, y, sample_weight=weights, cross_fit=2).shape == (90, 16)

    def test_search_and_validation_data(self, pairs):
        (A, B), y = pairs
        net = ConvNetClassifier(LAYERS, max_epochs=2, random_state=0)
        search = GridSearchCV(net, {"of_a_num_units": [4, 8]}, cv=2)
        assert search.fit(SliceDict(a=A, b=B), y).best_estimator_.input_shape_["b"] == (2,)
        net.fit((A[:60], B[:60]), y[:60], X_val=(A[60:], B[60:]), y_val=y[60:])
        assert net.history_[-1]["valid_score"] == net.score((A[60:], B[60:]), y[60:])

    def test_a_function_gets_a_dictionary(self, pairs):
        (A, B), y = pairs

        def layers(inputs):
            return DenseLayer(ConcatLayer([inputs["a"], inputs["b"]]), 2, nonlinearity=softmax)

        net = ConvNetClassifier(layers, max_epochs=2, random_state=0).fit({"a": A, "b": B}, y)
        assert net.predict({"a": A, "b": B}).shape == (90,)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda A, B: A, r"^ConvNetClassifier: X is one array, and the network has 2 inputs "
                             r"\('a', 'b'\); give a dictionary with an array for each"),
            (lambda A, B: (A,), "X is a tuple of 1, and the network has 2 inputs"),
            (lambda A, B: {"a": A}, r"^X lacks 'b'\. The network's input layers are 'a', 'b';"),
            (lambda A, B: {"a": A, "b": B, "c": B}, "^X has, and no input layer is called, 'c'"),
            (lambda A, B: (A, B[:7]), "as many samples; 'a' has 90, 'b' has 7"),
            (lambda A, B: (A, A), r"input 'b' has samples of shape \(3,\); the network takes \(2,"),
            (lambda A, B: (A, B.astype(str)), r"X\['b'\] has dtype <U32; give numbers"),
            (lambda A, B: (A, B * np.inf), r"X\['b'\] holds infinity|X\['b'\] holds NaN"),
            (lambda A, B: (A[:0], B[:0]), r"X\['a'\] has 0 samples"),
            (lambda A, B: (A, np.array([[1], [1, 2]] * 45, dtype=object)),
                r"X\['b'\] holds arrays of several shapes .* fill them up to one length, and give"),
        ],
    )  # fmt: skip
    def test_what_is_no_such_x(self, fitted, pairs, change, message):
        X, _ = pairs
        with np.errstate(invalid="ignore"), pytest.raises(ValueError, match=message):
            fitted.predict(change(*X))

    def test_what_needs_images(self, pairs):
        X, y = pairs
        with pytest.raises(
            ValueError, match="X has 2 inputs, and the default network takes images"
        ):
            ConvNetClassifier().fit({"a": X[0], "b": X[1]}, y)
        with pytest.raises(ValueError, match="augment changes images, and X is the inputs of"):
            ConvNetClassifier(LAYERS, augment=lambda images: images).fit(X, y)

    def test_displays_are_of_images(self, fitted, pairs):
        from convnet_features.inspection import SaliencyDisplay

        with pytest.raises(ValueError, match=r"has the inputs 'a', 'b'; displays are of images\.$"):
            SaliencyDisplay.from_estimator(fitted, pairs[0])

    def test_onnx(self, fitted):
        pytest.importorskip("onnx")
        from convnet_features.onnx import to_onnx

        with pytest.raises(ValueError, match=r"^to_onnx writes networks of images, and this one "
                           r"takes the inputs a, b\.$"):  # fmt: skip
            to_onnx(fitted)


def test_a_dictionary_of_images():
    X, y = (array[:200] for array in load_digits_images())
    by_name = ConvNetClassifier(max_epochs=1, random_state=0).fit({"input": X}, y)
    plain = ConvNetClassifier(max_epochs=1, random_state=0).fit(X, y)
    assert by_name.input_shape_ == plain.input_shape_
    np.testing.assert_array_equal(by_name.predict({"input": X}), plain.predict(X))
    with pytest.raises(ValueError, match="X is a dict, which NumPy cannot read as an array"):
        plain.predict({"image": X})


class TestSequences:
    def test_recurrent_layers(self):
        X = np.random.RandomState(1).normal(size=(80, 5, 3))
        layers = [
            ("lstm", LSTMLayer, {"num_units": 4}),
            ("last", SliceLayer, {"indices": -1, "axis": 1}),
            ("output", DenseLayer),
        ]
        net = ConvNetRegressor(layers, max_epochs=4, batch_size=20, random_state=0).fit(
            X, X[:, -1, 0]
        )
        assert net.input_shape_ == (5, 3)
        assert net.history_[-1]["train_loss"] < net.history_[0]["train_loss"]
        assert net.get_output("lstm", X[:2]).shape == (2, 5, 4)
        with pytest.raises(
            ValueError, match=r"has samples of shape \(5, 2\); the network takes \("
        ):
            net.predict(X[:, :, :2])

    def test_words(self):
        X = np.random.RandomState(1).randint(0, 9, (80, 6))
        layers = [("words", EmbeddingLayer, {"input_size": 9, "output_size": 4})]
        net = ConvNetClassifier(
            [*layers, ("output", DenseLayer)], max_epochs=40, batch_size=16, random_state=0
        ).fit(X, X[:, 0] > 4)
        assert net.score(X, X[:, 0] > 4) > 0.9
        table = net._model.named_values["words.W"]
        np.testing.assert_array_equal(net.get_output("words", X), table[X])
        with pytest.raises(ValueError, match=r"takes whole numbers \(int32\); it holds"):
            net.predict(X + 0.5)
        with pytest.raises(ValueError, match="goes to an embedding of 9 rows; it holds"):
            net.predict(X + 9)
