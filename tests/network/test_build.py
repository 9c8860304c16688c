"""Real Lasagne layers from specs, and every misfit said before anything is compiled."""

from __future__ import annotations

import threading

import numpy as np
import pytest

import convnet_features  # noqa: F401  (makes `import lasagne` work)
from convnet_features.exceptions import NetworkError
from convnet_features.network.build import build_network, initialisation
from convnet_features.network.spec import LayerSpec, parse_layers

import lasagne  # isort: skip
from lasagne.layers import (  # isort: skip
    ConcatLayer,
    Conv2DLayer,
    DenseLayer,
    DropoutLayer,
    ElemwiseSumLayer,
    FlattenLayer,
    InputLayer,
    MaxPool2DLayer,
    ReshapeLayer,
)
from lasagne.nonlinearities import identity, rectify, sigmoid, softmax, tanh  # isort: skip


def build(layers, input_shape=(1, 8, 8), n_outputs=3, target="classes", seed=0):
    layers = layers if callable(layers) else parse_layers(layers)
    return build_network(layers, input_shape, n_outputs, target, seed)


CONV = ("conv", Conv2DLayer, {"num_filters": 4, "filter_size": 3})


class TestFromSpecs:
    def test_layers_stand_on_each_other(self):
        network = build([CONV, ("pool", MaxPool2DLayer, {"pool_size": 2}), ("output", DenseLayer)])
        assert list(network.layers) == ["input", "conv", "pool", "output"]
        assert network.layers["pool"].input_layer is network.layers["conv"]
        assert network.output is network.layers["output"]
        assert network.input is network.layers["input"]
        assert network.input.output_shape == (None, 1, 8, 8)
        assert network.input.input_var.type.shape == (None, 1, 8, 8)
        assert len(network.params) == 4

    def test_a_variable_of_the_users_is_the_inputs(self):
        import theano
        import theano.tensor as T

        mine = T.tensor4("mine")
        network = build([("in", InputLayer, {"input_var": mine}), ("output", DenseLayer)])
        assert network.input.input_var is mine
        output = lasagne.layers.get_output(network.output, deterministic=True)
        compute = theano.function([mine], output)
        assert compute(np.zeros((2, 1, 8, 8), "float32")).shape == (2, 3)

    @pytest.mark.parametrize(
        ("kind", "text"),
        [
            ("matrix", "its input_var is .*Matrix.*, and its input has 4 axes"),
            ("dtensor4", "its input_var is of float64, and networks compute in float32"),
            (
                "computed",
                "its input_var is .*, which X cannot take the place of; give the variable that it is computed",
            ),
            (
                "shared",
                "its input_var is .*, which X cannot take the place of; give a variable without a value",
            ),
        ],
    )
    @pytest.mark.parametrize("built", [False, True])
    def test_a_variable_that_x_cannot_be_given_for(self, kind, text, built):
        """It was silently left out, or X taken for what is computed from it."""
        import theano
        import theano.tensor as T

        variable = {
            "matrix": T.matrix,
            "dtensor4": T.dtensor4,
            "computed": lambda: T.tensor4() / 255,
            "shared": lambda: theano.shared(np.zeros((2, 1, 8, 8), "float32")),
        }[kind]()
        if not built:
            layers = [("in", InputLayer, {"input_var": variable}), ("output", DenseLayer)]
            with pytest.raises(NetworkError, match=f"^layer 'in' .InputLayer.: {text}"):
                build(layers)
        elif kind != "matrix":  # Lasagne itself refuses that
            entrance = InputLayer((None, 1, 8, 8), input_var=variable, name="in")
            with pytest.raises(NetworkError, match=f"^layer 'in' .InputLayer.: {text}"):
                build_network(DenseLayer(entrance, 3), (1, 8, 8), 3, "classes", 0)

    @pytest.mark.parametrize(
        ("target", "nonlinearity"),
        [("classes", softmax), ("numbers", identity), ("labels", sigmoid)],
    )
    def test_the_output_fits_the_target(self, target, nonlinearity):
        network = build([("output", DenseLayer)], target=target)
        assert network.output.num_units == 3
        assert network.output.nonlinearity is nonlinearity

    def test_what_the_output_declares_is_kept(self):
        network = build([("output", DenseLayer, {"num_units": 3, "nonlinearity": tanh})])
        assert network.output.nonlinearity is tanh

    def test_the_output_may_be_another_kind_of_layer(self):
        network = build([("scores", DenseLayer, {"num_units": 3}), ("flat", FlattenLayer)])
        assert network.output.output_shape == (None, 3)
        assert network.layers["scores"].nonlinearity is rectify

    def test_branches(self):
        network = build(
            [
                ("in", InputLayer),
                ("a", DenseLayer, {"num_units": 4, "incoming": "in"}),
                ("b", DenseLayer, {"num_units": 5, "incoming": "in"}),
                ("both", ConcatLayer, {"incomings": ["a", "b"]}),
                ("output", DenseLayer),
            ]
        )
        assert network.layers["both"].output_shape == (None, 9)

    def test_a_merge_of_one(self):
        network = build(
            [("a", DenseLayer, {"num_units": 3}), ("sum", ElemwiseSumLayer), ("output", DenseLayer)]
        )
        assert network.layers["sum"].input_layers == [network.layers["a"]]

    @pytest.mark.parametrize(
        "shape", [None, (None, 1, 8, 8), (128, 1, 8, 8), (None, 1, None, None)]
    )
    def test_a_declared_input(self, shape):
        params = {} if shape is None else {"shape": shape}
        network = build([("in", InputLayer, params), ("output", DenseLayer)])
        assert network.input.output_shape == (None, 1, 8, 8)

    def test_weights_depend_on_the_seed_alone(self):
        layers = [CONV, ("output", DenseLayer)]
        first, again, other = (build(layers, seed=seed) for seed in (5, 5, 6))
        for one, two, three in zip(first.params, again.params, other.params, strict=True):
            np.testing.assert_array_equal(one.get_value(), two.get_value())
            if one.name.endswith("W"):
                assert not np.array_equal(one.get_value(), three.get_value())
            assert one.get_value().dtype == np.float32

    def test_specs_are_not_changed(self):
        specs = parse_layers([CONV, ("output", DenseLayer, {"incoming": "conv"})])
        before = repr(specs)
        build_network(specs, (1, 8, 8), 3, "classes", 0)
        assert repr(specs) == before


class TestFromCallables:
    def test_from_the_input_to_the_output(self):
        def network(layer):
            layer = Conv2DLayer(layer, 4, 3, name="conv")
            return DenseLayer(DenseLayer(layer, 5), 3, nonlinearity=softmax)

        built = build(network)
        assert list(built.layers) == ["input", "conv", "dense2", "output"]
        assert built.output.name == "output"

    def test_told_how_many_outputs(self):
        built = build(lambda layer, n_outputs: DenseLayer(layer, n_outputs), n_outputs=7)
        assert built.output.num_units == 7

    def test_a_class(self):
        with pytest.raises(NetworkError) as caught:
            build(DenseLayer)
        assert str(caught.value) == (
            "layers: DenseLayer is a class; give a list of layers, such as [('output', "
            "DenseLayer)], or a function from the input layer to the output layer."
        )

    def test_returning_no_layer(self):
        def network(layer):
            DenseLayer(layer, 3)

        with pytest.raises(
            NetworkError, match="layers: network returned None; it must return the output"
        ):
            build(network)

    def test_one_name_twice(self):
        def network(layer):
            return DenseLayer(DenseLayer(layer, 3, name="a"), 3, name="a")

        with pytest.raises(NetworkError, match="two layers of network have the name 'a'"):
            build(network)

    def test_another_input(self):
        def network(layer):
            return DenseLayer(InputLayer((None, 1, 4, 4)), 3)

        with pytest.raises(NetworkError, match="for images of 4x4, and X has images of 8x8"):
            build(network)

    def test_two_inputs(self):
        def network(layer):
            other = InputLayer((None, 1, 8, 8), name="other")
            return DenseLayer(ConcatLayer([layer, other]), 3)

        with pytest.raises(NetworkError, match=r"stands on 2 input layers \('input', 'other'\)"):
            build(network)

    def test_errors_of_its_own_come_through(self):
        def network(layer):
            raise KeyError("mine")

        with pytest.raises(KeyError, match="mine"):
            build(network)


class TestFromLayers:
    def test_named_as_nolearn_does(self):
        layer = DenseLayer(DenseLayer(InputLayer((None, 1, 8, 8)), 4, name="dense"), 3)
        built = build_network(layer, (1, 8, 8), 3, "classes", None)
        assert list(built.layers) == ["input0", "dense", "dense2"]
        assert built.output is layer

    def test_for_other_images(self):
        layer = DenseLayer(InputLayer((None, 1, 8, 8), name="in"), 3)
        with pytest.raises(
            NetworkError, match=r"layer 'in' \(InputLayer, shape=\(None, 1, 8, 8\)\)"
        ):
            build_network(layer, (1, 9, 8), 3, "classes", None)

    def test_one_name_twice(self):
        layer = DenseLayer(DenseLayer(InputLayer((None, 1, 8, 8)), 4, name="a"), 3, name="a")
        with pytest.raises(NetworkError, match="two layers have the name 'a'"):
            build_network(layer, (1, 8, 8), 3, "classes", None)


MISFITS = {
    "filters larger than the image": (
        [
            CONV,
            ("pool", MaxPool2DLayer, {"pool_size": 2}),
            ("deep", Conv2DLayer, {"num_filters": 4, "filter_size": 5}),
            ("output", DenseLayer),
        ],
        r"layer 'deep' \(Conv2DLayer, filter_size=\(5, 5\)\): its input is 3x3 "
        r"with 4 channels after "
        r"'pool', which leaves it an output of -1x-1 with 4 channels; use pad='same', a smaller "
        r"filter_size, or drop a pooling layer",
    ),
    "windows larger than the image": (
        [("pool", MaxPool2DLayer, {"pool_size": 9}), ("output", DenseLayer)],
        r"layer 'pool' \(MaxPool2DLayer, pool_size=\(9, 9\)\): its input is 8x8 "
        r"after 'input', .*; use "
        "a smaller pool_size, or drop the layer",
    ),
    "no units": (
        [("a", DenseLayer, {"num_units": 0}), ("output", DenseLayer)],
        r"layer 'a' \(DenseLayer, num_units=0\): num_units must be a whole number of at least 1; "
        "got 0",
    ),
    "an argument that is none": (
        [("a", DenseLayer, {"num_units": 3, "filter_size": 3}), ("output", DenseLayer)],
        r"layer 'a' \(DenseLayer, num_units=3, filter_size=3\): it cannot stand "
        r"on 8x8 after 'input': "
        ".*filter_size",
    ),
    "an argument that is missing": (
        [("a", Conv2DLayer, {"num_filters": 3}), ("output", DenseLayer)],
        r"layer 'a' \(Conv2DLayer, num_filters=3\): it cannot stand on 8x8 "
        r"after 'input': .*filter_size",
    ),
    "branches of other sizes": (
        [
            ("a", DenseLayer, {"num_units": 3, "incoming": "input"}),
            ("b", DenseLayer, {"num_units": 4, "incoming": "input"}),
            ("sum", ElemwiseSumLayer, {"incomings": ["a", "b"]}),
            ("output", DenseLayer),
        ],
        r"layer 'sum' \(ElemwiseSumLayer\): it cannot stand on 3 after 'a' and 4 after 'b': ",
    ),
    "a layer that comes later": (
        [("a", DenseLayer, {"num_units": 3, "incoming": "output"}), ("output", DenseLayer)],
        r"layer 'a' \(DenseLayer, incoming='output'\): no layer of that name "
        r"comes before it; there "
        "are input",
    ),
    "an input for other images": (
        [("in", InputLayer, {"shape": (None, 1, 28, 28)}), ("output", DenseLayer)],
        r"layer 'in' \(InputLayer, shape=\(None, 1, 28, 28\)\): it is declared "
        r"for images of 28x28, "
        "and X has images of 8x8; leave shape out, or give images of that size",
    ),
    "an input that is not the first": (
        [("a", DenseLayer, {"num_units": 3}), ("in", InputLayer), ("output", DenseLayer)],
        r"layer 'in' \(InputLayer\): only the first layer may be an input",
    ),
    "a layer with the input's name": (
        [("input", DenseLayer, {"num_units": 3}), ("output", DenseLayer)],
        r"layer 'input' \(DenseLayer\): the input has that name already; give the layer another",
    ),
    "other classes than y has": (
        [("output", DenseLayer, {"num_units": 4})],
        r"layer 'output' \(DenseLayer\): it gives 4 numbers a sample, and y has 3 classes; leave "
        "num_units out, or set it to 3",
    ),
    "samples that become columns": (
        [("flat", ReshapeLayer, {"shape": (-1, 16)}), ("output", DenseLayer)],
        r"layer 'flat' \(ReshapeLayer\): its output for 1009 samples has the shape "
        r"\(4036, 16\), and so the network's has 4036 rows; keep a row for each sample, as "
        r"ReshapeLayer does with \(\[0\], -1\)",
    ),
    "samples without columns": (
        [("flat", ReshapeLayer, {"shape": (-1,)}), ("output", DenseLayer)],
        r"layer 'output' \(DenseLayer\): its input, of shape \(None,\) after 'flat', has no "
        r"columns; keep a row for each sample",
    ),
    "an output that is a map": (
        [CONV],
        r"layer 'conv' \(Conv2DLayer\): it gives 6x6 with 4 channels numbers a sample, and y has 3",
    ),
}


@pytest.mark.parametrize("misfit", list(MISFITS))
def test_misfits(misfit):
    layers, message = MISFITS[misfit]
    with pytest.raises(NetworkError, match=message):
        build(layers)


@pytest.mark.parametrize(
    ("target", "n_outputs", "message"),
    [
        ("numbers", 1, "y is one number a sample"),
        ("numbers", 2, "y has 2 columns"),
        ("labels", 2, "y has 2 labels"),
    ],
)
def test_misfits_of_other_targets(target, n_outputs, message):
    with pytest.raises(NetworkError, match=message):
        build([("output", DenseLayer, {"num_units": 7})], target=target, n_outputs=n_outputs)


def test_without_a_number_of_outputs_the_network_is_as_declared():
    network = build([("output", DenseLayer, {"num_units": 7})], n_outputs=None)
    assert network.output.nonlinearity is rectify


def test_memory_that_is_not_there_is_a_memory_error():
    with pytest.raises(MemoryError):
        build([("huge", DenseLayer, {"num_units": 1 << 45}), ("output", DenseLayer)])


class TestInitialisation:
    def test_lasagnes_own_source_is_put_back(self):
        mine = np.random.RandomState(3)
        lasagne.random.set_rng(mine)
        state = mine.get_state()[1].copy()
        build([CONV, ("drop", DropoutLayer), ("output", DenseLayer)])
        assert lasagne.random.get_rng() is mine
        np.testing.assert_array_equal(mine.get_state()[1], state)

    def test_also_after_an_error(self):
        before = lasagne.random.get_rng()
        with pytest.raises(NetworkError):
            build(MISFITS["no units"][0])
        assert lasagne.random.get_rng() is before

    def test_none_takes_lasagnes_source(self):
        layers = parse_layers([("output", DenseLayer)])
        before = lasagne.random.get_rng()
        try:
            values = []
            for _ in range(2):
                lasagne.random.set_rng(np.random.RandomState(3))
                network = build_network(layers, (1, 8, 8), 3, "classes", None)
                values.append(network.params[0].get_value())
        finally:
            lasagne.random.set_rng(before)
        np.testing.assert_array_equal(*values)

    def test_threads_wait_for_each_other(self):
        results = [None] * 8

        def work(position):
            with initialisation(position):
                draws = [lasagne.random.get_rng().uniform() for _ in range(200)]
            results[position] = draws

        threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for position, draws in enumerate(results):
            np.testing.assert_array_equal(draws, np.random.RandomState(position).uniform(size=200))


def test_the_largest_output_of_a_sample_is_that_of_the_layer_with_the_most_numbers():
    layers = [
        LayerSpec("conv", Conv2DLayer, {"num_filters": 5, "filter_size": (3, 2)}),
        LayerSpec("output", DenseLayer, {"num_units": 7}),
    ]
    network = build_network(layers, (2, 9, 11), None, "numbers", 0)
    assert network.largest_output == 5 * 7 * 10
    assert build_network(layers[1:], (2, 9, 11), None, "numbers", 0).largest_output == 2 * 9 * 11


def test_inputs_do_not_share_a_variable():
    from theano.tensor import matrix

    variable, shapes = matrix("both"), {"one": (8,), "other": (8,)}
    inputs = [InputLayer((None, 8), input_var=variable, name=name) for name in shapes]
    with pytest.raises(NetworkError, match=r"'one' and 'other' .* one input_var, both"):
        build_network(DenseLayer(ConcatLayer(inputs), 2), shapes, 2, "numbers", 0)


def test_a_variable_of_other_sizes_is_refused():
    from theano.tensor import row

    layers = [("in", InputLayer, {"input_var": row("r")}), ("output", DenseLayer)]
    with pytest.raises(NetworkError, match=r"of shape \(1, None\), and its input has the shape"):
        build(layers, (8,), 2, "numbers")
