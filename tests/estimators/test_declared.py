"""What an estimator says of its network before it is fitted."""

from __future__ import annotations

import numpy as np
import pytest
from lasagne.layers import Conv2DLayer, DenseLayer, InputLayer
from sklearn.exceptions import NotFittedError

from convnet_features import ConvNetClassifier, ConvNetFeatureExtractor, ConvNetRegressor
from convnet_features.exceptions import NetworkError


def rows(summary):
    return {line.split()[1]: line.split()[2:] for line in summary.splitlines()[4:]}


class TestSummary:
    def test_of_the_default_network(self):
        summary = ConvNetFeatureExtractor(input_shape=(1, 28, 28)).summary()
        assert summary.splitlines()[0] == (
            "Neural network with 157,792 learnable parameters, and those of 'output', whose number "
            "of units comes from y"
        )
        found = rows(summary)
        assert found["dense"] == ["256", "131,328", "DenseLayer"]
        assert found["output"] == ["from", "y", "from", "y", "DenseLayer"]

    def test_it_is_that_of_the_fitted_network_but_for_the_output(self):
        X, y = np.random.default_rng(0).random((20, 1, 12, 12)), np.arange(20) % 2
        declared = ConvNetClassifier(input_shape=(1, 12, 12), max_epochs=1, dense_num_units=9)
        before = rows(declared.summary())
        after = rows(declared.fit(X, y).summary())
        assert list(before) == list(after)
        assert {k: v for k, v in before.items() if k != "output"} == {
            k: v for k, v in after.items() if k != "output"
        }

    def test_an_input_layer_may_say_the_size(self):
        layers = [
            (InputLayer, {"name": "in", "shape": (None, 3, 9, 9)}),
            ("conv", Conv2DLayer, {"num_filters": 2, "filter_size": 3}),
            ("out", DenseLayer, {"num_units": 5}),
        ]
        summary = ConvNetClassifier(layers).summary()
        assert summary.splitlines()[0] == "Neural network with 551 learnable parameters"
        assert rows(summary)["out"] == ["5", "495", "DenseLayer"]

    def test_a_function_of_layers(self):
        def build(images, n_outputs):
            return DenseLayer(images, n_outputs, name="out")

        summary = ConvNetRegressor(build, input_shape=(1, 2, 2)).summary()
        assert rows(summary)["out"] == ["from", "y", "from", "y", "DenseLayer"]

    def test_nothing_says_the_size(self):
        text = (
            r"^ConvNetClassifier has no summary before fit, unless input_shape=\(channels, height, "
            r"width\) says how large the images are\.$"
        )
        with pytest.raises(NotFittedError, match=text):
            ConvNetClassifier().summary()

    def test_layers_that_do_not_fit_are_the_errors_of_fit(self):
        with pytest.raises(NetworkError, match="conv2d1"):
            ConvNetClassifier(input_shape=(1, 28, 28), conv2d1_filter_size=99).summary()


@pytest.mark.parametrize("method", ["summary", "layer_params"])
def test_parameters_are_checked(method):
    network = ConvNetClassifier(input_shape=28)
    with pytest.raises(ValueError, match="'input_shape' parameter of ConvNetClassifier must be"):
        getattr(network, method)()


class TestLayerParams:
    def test_of_the_default_network(self):
        listed = {each.name: each for each in ConvNetClassifier(dense_num_units=7).layer_params()}
        assert listed["dense_num_units"].value == 7
        assert "conv2d1_num_filters" in listed
        assert "batchnorm1_epsilon" in listed  # of larger images
        small = ConvNetClassifier(input_shape=(1, 28, 28)).layer_params()
        assert "batchnorm1_epsilon" not in {each.name for each in small}

    def test_layers_in_a_function_are_not_known(self):
        text = "layer_params: layers is a function, whose layers are not known before it is called"
        with pytest.raises(NetworkError, match=text):
            ConvNetClassifier(lambda images: DenseLayer(images, 2)).layer_params()

    def test_they_can_be_read_as_attributes_and_complete(self):
        network = ConvNetClassifier(input_shape=(1, 28, 28))
        assert network.conv2d1_num_filters == 32
        assert network.set_params(conv2d1_num_filters=5).conv2d1_num_filters == 5
        names = dir(network)
        assert "conv2d1_num_filters" in names
        assert "fit" in names
        # Nothing is set by looking.
        assert list(network.get_params()).count("conv2d1_num_filters") == 1
        assert "dense_num_units" not in network.get_params()

    def test_what_has_no_value_is_no_attribute(self):
        network = ConvNetClassifier()
        for name in ("output_num_units", "dense_num_unit", "history_"):
            with pytest.raises(AttributeError, match=f"has no attribute '{name}'"):
                getattr(network, name)

    def test_errors_of_properties_and_methods_stay(self):
        with pytest.raises(NotFittedError, match=r"has no network_ before fit\."):
            ConvNetClassifier().network_  # noqa: B018
        with pytest.raises(
            AttributeError, match=r"'ConvNetRegressor' has no attribute 'predict_proba'"
        ):
            ConvNetRegressor().predict_proba  # noqa: B018

    def test_layers_that_cannot_be_read_have_none(self):
        for layers in (3, lambda images: images, [("a",)]):
            assert "fit" in dir(ConvNetClassifier(layers))


def test_layers_show_themselves():
    X, y = np.random.default_rng(0).random((20, 1, 28, 28)), np.arange(20) % 2
    layers = ConvNetClassifier(max_epochs=1).fit(X, y).layers_
    assert repr(layers).splitlines()[:2] == [
        "input     InputLayer 1×28×28",
        "conv2d1   Conv2DLayer 32×24×24",
    ]
    assert isinstance(layers["dense"], DenseLayer)
