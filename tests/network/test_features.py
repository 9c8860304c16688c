"""Which layers' activations are features, and what they are called."""

from __future__ import annotations

import re

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

import convnet_features  # noqa: F401  (makes `import theano` work)

# isort: split
from lasagne import layers, nonlinearities

from convnet_features import ConvNetClassifier, ConvNetFeatureExtractor, ConvNetRegressor
from convnet_features.inspection import FeatureEmbeddingDisplay, LayerActivationsDisplay
from convnet_features.network.presets import small_resnet

from ..images import bright_corners, quick

X, Y = bright_corners()
OUTPUT = ("output", layers.DenseLayer)
HIDDEN = [("hidden", layers.DenseLayer, {"num_units": 7}), OUTPUT]


def unnamed(images, n_outputs):
    hidden = layers.DropoutLayer(layers.DenseLayer(images, 7))
    return layers.DenseLayer(hidden, n_outputs, nonlinearity=nonlinearities.softmax)


#: The list of docs/migration.md's first row, with names of the user's own.
PORTED = {
    "layers": [
        ("input", layers.InputLayer),
        ("conv1", layers.Conv2DLayer),
        ("hidden4", layers.DenseLayer),
        ("dropout5", layers.DropoutLayer),
        OUTPUT,
    ],
    "conv1_num_filters": 3,
    "conv1_filter_size": (3, 3),
    "hidden4_num_units": 7,
    "dropout5_p": 0.5,
}


class TestTheDefault:
    @pytest.mark.parametrize(
        ("params", "layer"),
        [
            ({"layers": HIDDEN}, "hidden"),
            ({"layers": small_resnet((4, 8))}, "pool"),
            ({"layers": unnamed}, "dense1"),
            (PORTED, "hidden4"),
            ({}, "dense"),  # where there is one: the layer of that name
        ],
        ids=["list", "small_resnet", "function", "ported", "dense"],
    )
    @pytest.mark.parametrize("estimator", [ConvNetClassifier, ConvNetFeatureExtractor])
    def test_is_the_last_layer_before_the_one_that_predicts(self, estimator, params, layer):
        net = quick(estimator, **{"max_epochs": 1, **params}).fit(X, Y)
        expected = net.get_output(layer, X).reshape(len(X), -1)
        np.testing.assert_array_equal(net.transform(X), expected)
        assert net.get_feature_names_out()[0] == f"{layer}0"
        assert clone(net).get_params()["feature_layer"] is None

    def test_serves_what_y_holds_numbers_too(self):
        net = quick(ConvNetRegressor, layers=HIDDEN, max_epochs=1).fit(X, Y + 0.5)
        assert net.predict(X).shape == (len(X),)
        assert net.transform(X).shape == (len(X), 7)

    def test_serves_a_pipeline(self):
        pipeline = make_pipeline(
            quick(ConvNetFeatureExtractor, layers=HIDDEN), LogisticRegression()
        )
        assert pipeline.fit(X, Y).score(X, Y) > 0.9

    def test_is_needed_by_transform_only(self):
        net = quick(ConvNetClassifier, layers=[OUTPUT], max_epochs=1).fit(X, Y)
        assert net.partial_fit(X, Y).predict(X).shape == Y.shape
        message = re.escape(
            "feature_layer=None: there is no layer of features, as 'output', which predicts, "
            "stands on the images; name the layer that you want, as feature_layer='output'."
        )
        for call in (net.transform, net.get_feature_names_out):
            with pytest.raises(ValueError, match=f"^{message}$"):
                call(X)
        named = net.set_params(feature_layer="output")
        np.testing.assert_array_equal(named.transform(X), net.predict_proba(X))

    def test_is_what_displays_show(self):
        pytest.importorskip("matplotlib")
        net = quick(ConvNetClassifier, layers=HIDDEN, max_epochs=1).fit(X, Y)
        shown = LayerActivationsDisplay.from_estimator(net, X[0])
        assert list(shown.activations) == ["output", "hidden"]
        alone = quick(ConvNetClassifier, layers=[OUTPUT], max_epochs=1).fit(X, Y)
        assert list(LayerActivationsDisplay.from_estimator(alone, X[0]).activations) == ["output"]
        assert FeatureEmbeddingDisplay.from_estimator(alone, X, Y).embedding.shape == (len(X), 2)


def test_a_layer_is_named_once():
    with pytest.raises(
        ValueError, match=r"^feature_layer: 'dense' is named 2 times; name it once\.$"
    ):
        quick(ConvNetFeatureExtractor, feature_layer=["dense", "dense"]).fit(X, Y)


class TestNamesOfSeveralLayers:
    def test_do_not_collide(self):
        stack = [
            ("dense", layers.DenseLayer, {"num_units": 12}),
            ("dense1", layers.DenseLayer, {"num_units": 2}),
            OUTPUT,
        ]
        both = ["dense", "dense1"]
        net = quick(ConvNetFeatureExtractor, layers=stack, feature_layer=both, max_epochs=1)
        names = net.fit(X, Y).get_feature_names_out().tolist()
        assert names == [*(f"dense.{i}" for i in range(12)), "dense1.0", "dense1.1"]

    def test_of_maps_do_not_collide(self):
        """Channel 1, row 0, column 2 of 'a'; and row 0, column 2 of a layer 'a_1'."""
        stack = [
            ("a", layers.Conv2DLayer, {"num_filters": 2, "filter_size": 1}),
            ("a_1", layers.ReshapeLayer, {"shape": ([0], -1, 6)}),
            OUTPUT,
        ]
        net = quick(ConvNetFeatureExtractor, layers=stack, feature_layer=["a", "a_1"], max_epochs=1)
        names = net.fit(X, Y).get_feature_names_out()
        assert len(set(names)) == len(names) == 2 * 72
        assert {"a.1_0_2", "a_1.0_2"} < set(names)

    def test_make_a_frame(self):
        pytest.importorskip("polars")  # which refuses two columns of one name
        stack = [
            ("h", layers.DenseLayer, {"num_units": 11}),
            ("h1", layers.DenseLayer, {"num_units": 1}),
            OUTPUT,
        ]
        net = quick(ConvNetFeatureExtractor, layers=stack, feature_layer=["h", "h1"], max_epochs=1)
        frame = net.set_output(transform="polars").fit_transform(X, Y)
        assert frame.columns[-2:] == ["h.10", "h1.0"]
