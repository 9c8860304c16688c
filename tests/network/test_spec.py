"""Lists of layers, as nolearn writes them, and their parameters."""

from __future__ import annotations

import numpy as np
import pytest

import convnet_features  # noqa: F401  (makes `import lasagne` work)
from convnet_features.exceptions import NetworkError
from convnet_features.network.spec import (
    LayerSpec,
    layer_arguments,
    parse_layers,
    split_parameter,
    with_parameters,
)

from lasagne.init import GlorotUniform  # isort: skip
from lasagne.layers import (  # isort: skip
    ConcatLayer,
    Conv2DLayer,
    DenseLayer,
    DropoutLayer,
    InputLayer,
)
from lasagne.nonlinearities import LeakyRectify, rectify, tanh  # isort: skip

SPECS = [
    LayerSpec("input", InputLayer),
    LayerSpec("conv", Conv2DLayer, {"num_filters": 4, "filter_size": 3}),
    LayerSpec("conv_deep", Conv2DLayer, {"num_filters": 8, "filter_size": 3}),
    LayerSpec("output", DenseLayer),
]


class TestParsing:
    def test_every_form(self):
        specs = parse_layers(
            [
                ("input", InputLayer),
                ("conv", Conv2DLayer, {"num_filters": 4, "filter_size": 3}),
                (DropoutLayer, {"name": "drop", "p": 0.3}),
                (DenseLayer, {"num_units": 7}),
                DropoutLayer,
                LayerSpec("output", DenseLayer),
            ]
        )
        names = [spec.name for spec in specs]
        assert names == ["input", "conv", "drop", "dense3", "dropout4", "output"]
        assert specs[1].params == {"num_filters": 4, "filter_size": 3}
        assert specs[2].params == {"p": 0.3}
        assert [spec.layer_class for spec in specs[2:5]] == [DropoutLayer, DenseLayer, DropoutLayer]

    def test_what_is_given_is_not_changed(self):
        layers = [(DropoutLayer, {"name": "drop", "p": 0.3}), ("output", DenseLayer)]
        parse_layers(layers)
        assert layers == [(DropoutLayer, {"name": "drop", "p": 0.3}), ("output", DenseLayer)]

    def test_any_iterable(self):
        assert parse_layers(iter([("output", DenseLayer)])) == [LayerSpec("output", DenseLayer)]

    @pytest.mark.parametrize(
        "entry", [5, ("a",), ("a", 5), (DenseLayer, 5), ("a", DenseLayer, 5), "ab"]
    )
    def test_other_entries(self, entry):
        with pytest.raises(
            NetworkError, match=r"layers: entry 1 is .*; use \(name, LayerClass\), "
        ):
            parse_layers([("input", InputLayer), entry])

    @pytest.mark.parametrize("layers", [5, None, 2.5])
    def test_no_list(self, layers):
        with pytest.raises(NetworkError, match=r"layers must be None, a list of layers, or a func"):
            parse_layers(layers)

    def test_one_name_twice(self):
        with pytest.raises(
            NetworkError,
            match=r"the name 'a' is given to 2 layers; give each layer a name of its own",
        ):
            parse_layers([("a", InputLayer), ("b", DenseLayer), ("a", DenseLayer)])

    def test_nothing(self):
        with pytest.raises(NetworkError, match="the list is empty; give at least an output layer"):
            parse_layers([])


class TestSpecs:
    def test_shown(self):
        spec = LayerSpec("dense", DenseLayer, {"num_units": 3, "nonlinearity": rectify})
        assert repr(spec) == "dense: DenseLayer(num_units=3, nonlinearity=rectify)"

    @pytest.mark.parametrize(
        "params",
        [
            {"num_units": 3, "nonlinearity": rectify},
            {"nonlinearity": LeakyRectify(0.1)},
            {"W": np.arange(6.0).reshape(2, 3)},
            {"W": GlorotUniform(gain=2.0)},
            {"filter_size": (3, 3)},
        ],
    )
    def test_equal_where_everything_is(self, params):
        import copy

        one, other = (LayerSpec("a", DenseLayer, copy.deepcopy(params)) for _ in range(2))
        assert one == other
        assert hash(one) == hash(other)

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            (LayerSpec("a", DenseLayer), LayerSpec("b", DenseLayer)),
            (LayerSpec("a", DenseLayer), LayerSpec("a", DropoutLayer)),
            (LayerSpec("a", DenseLayer, {"p": 1}), LayerSpec("a", DenseLayer, {"p": 2})),
            (
                LayerSpec("a", DenseLayer, {"f": LeakyRectify(0.1)}),
                LayerSpec("a", DenseLayer, {"f": LeakyRectify(0.2)}),
            ),
            (
                LayerSpec("a", DenseLayer, {"W": np.zeros(2)}),
                LayerSpec("a", DenseLayer, {"W": np.zeros(2, "float32")}),
            ),
            (LayerSpec("a", DenseLayer), "a"),
        ],
    )
    def test_different_where_anything_is(self, one, other):
        assert one != other


class TestParameters:
    def test_arguments_of_a_class_and_its_bases(self):
        of_dense = ["num_units", "W", "b", "nonlinearity", "num_leading_axes"]
        assert layer_arguments(DenseLayer) == of_dense
        assert "num_filters" in layer_arguments(Conv2DLayer)
        assert "incoming" not in layer_arguments(Conv2DLayer)

        class Own(DenseLayer):
            def __init__(self, incoming, sparsity=0.1, **kwargs):
                super().__init__(incoming, **kwargs)

        assert layer_arguments(Own) == ["sparsity", *of_dense]

    def test_the_longest_name_wins(self):
        spec, argument = split_parameter("conv_deep_num_filters", SPECS)
        assert (spec.name, argument) == ("conv_deep", "num_filters")
        assert split_parameter("conv_num_filters", SPECS)[1] == "num_filters"
        assert split_parameter("dense_num_units", SPECS) is None

    def test_are_put_in(self):
        specs = with_parameters(SPECS, {"conv_num_filters": 16, "output_nonlinearity": tanh})
        assert specs[1].params == {"num_filters": 16, "filter_size": 3}
        assert specs[3].params == {"nonlinearity": tanh}
        assert SPECS[1].params["num_filters"] == 4
        assert with_parameters(SPECS, {}) == SPECS

    def test_incoming_may_be_one(self):
        specs = with_parameters(
            [*SPECS, LayerSpec("both", ConcatLayer)], {"both_incomings": ["conv", "conv_deep"]}
        )
        assert specs[-1].params == {"incomings": ["conv", "conv_deep"]}

    def test_of_no_layer(self):
        with pytest.raises(
            NetworkError,
            match=(
                r"unknown parameter 'cnv_num_filters': it begins with none of the layers' names "
                r"\(input, conv, conv_deep, output\)\. Did you mean 'conv_num_filters'\?"
            ),
        ):
            with_parameters(SPECS, {"cnv_num_filters": 3})

    def test_of_no_argument(self):
        with pytest.raises(
            NetworkError,
            match=(
                r"unknown parameter 'conv_num_filter': layer 'conv' \(Conv2DLayer\) has no "
                r"argument 'num_filter'; it has num_filters, .*\. Did you mean 'conv_num_filters'\?"
            ),
        ):
            with_parameters(SPECS, {"conv_num_filter": 3})

    def test_like_nothing_there_is(self):
        with pytest.raises(NetworkError, match=r"it begins with none .*\)\.$"):
            with_parameters(SPECS, {"zzz": 3})
