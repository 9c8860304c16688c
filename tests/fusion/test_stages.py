"""Runs of layers become one node with the same values, and nothing else does."""

from __future__ import annotations

import math

import numpy as np
import pytensor.tensor as pt
import pytest
from pytensor.gradient import grad

from convnet_features import nonlinearities
from convnet_features.kernels.contract import (
    ConvStage,
    DenseStage,
    ElementwiseStage,
    NormStage,
    PoolStage,
)
from convnet_features.ops import conv2d, pool2d
from convnet_features.ops.batch_norm import (
    ChannelAffine,
    batch_normalisation,
    channel_affine,
)
from convnet_features.ops.conv2d import Conv2D
from convnet_features.ops.stages import Stages
from convnet_features.theano_facade import theano_scope

from ..graphs import assert_same_fused, compute, count, fused

ENGINES = ["portable", pytest.param("onednn", marks=pytest.mark.onednn)]


class Graph:
    """Named inputs of a graph, with values."""

    def __init__(self, rng, dtype="float32"):
        self.inputs, self.values = [], []
        self._rng, self._dtype = rng, dtype

    def __call__(self, *shape, known=None, dtype=None):
        dtype = dtype or self._dtype
        known = shape if known is None else known
        self.inputs.append(pt.tensor(dtype=dtype, shape=known))
        self.values.append(self._rng.standard_normal(shape).astype(dtype))
        return self.inputs[-1]


@pytest.fixture
def new(rng):
    return Graph(rng)


def only_stages(graph, y):
    """The stages of the one node that is left."""
    (node,) = graph.apply_nodes
    assert isinstance(node.op, Stages)
    return node.op.graph.stages


def channel(b):
    return b.dimshuffle("x", 0, "x", "x")


def row(b):
    return b.dimshuffle("x", 0)


def half_rectify(y):
    return np.float32(0.5) * (y + abs(y))


NONLINEARITIES = {
    "rectify": lambda y: pt.maximum(y, 0),
    "rectify, reversed": lambda y: pt.maximum(0, y),
    "rectify, as Lasagne 0.1": half_rectify,
    "rectify, times a half": lambda y: (abs(y) + y) * np.float32(0.5),
    "tanh": pt.tanh,
    "sigmoid": pt.sigmoid,
}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("nonlinearity", list(NONLINEARITIES))
@pytest.mark.parametrize("kind", ["conv", "dense"])
def test_layer(kind, nonlinearity, engine, new):
    apply = NONLINEARITIES[nonlinearity]
    if kind == "conv":
        y = apply(conv2d(new(2, 3, 7, 11), new(5, 3, 2, 4)) + channel(new(5)))
    else:
        y = apply(pt.dot(new(2, 3), new(3, 7)) + row(new(7)))
    (stage,) = only_stages(fused(new.inputs, y), y)
    assert isinstance(stage, ConvStage if kind == "conv" else DenseStage)
    assert stage.bias
    assert stage.activation == nonlinearity.split(",")[0]
    assert_same_fused(new.inputs, [y, *grad(pt.sum(pt.sin(y)), new.inputs)], new.values, engine)


def leaky(a):
    """As Lasagne 0.1 writes it."""
    return lambda y: 0.5 * (1 + a) * y + 0.5 * (1 - a) * abs(y)


FUNCTIONS = {
    "relu6": (nonlinearities.relu6, ElementwiseStage("clip", 0.0, 6.0)),
    "clip": (nonlinearities.Clip(-0.5, 0.75), ElementwiseStage("clip", -0.5, 0.75)),
    "from below": (nonlinearities.Clip(-0.5), ElementwiseStage("clip", -0.5, math.inf)),
    "from above": (nonlinearities.Clip(high=0.5), ElementwiseStage("clip", -math.inf, 0.5)),
    "the negative part": (lambda y: pt.minimum(y, 0), ElementwiseStage("clip", -math.inf, 0.0)),
    "leaky": (leaky(0.01), ElementwiseStage("leaky_rectify", 0.01)),
    "growing downwards": (leaky(-0.25), ElementwiseStage("leaky_rectify", -0.25)),
    "leaky by a switch": (
        lambda y: pt.switch(y > 0, y, np.float32(0.25) * y),
        ElementwiseStage("leaky_rectify", 0.25),
    ),
    "elu": (nonlinearities.Elu(), ElementwiseStage("elu", 1.0)),
    "elu, 0.75": (nonlinearities.Elu(0.75), ElementwiseStage("elu", 0.75)),
    "gelu": (nonlinearities.gelu, ElementwiseStage("gelu")),
    "gelu_tanh": (nonlinearities.gelu_tanh, ElementwiseStage("gelu_tanh")),
    "hard sigmoid": (
        nonlinearities.HardSigmoid(0.25),
        ElementwiseStage("hard_sigmoid", 0.25, 0.5),
    ),
    "hard_swish": (nonlinearities.hard_swish, ElementwiseStage("hard_swish", 1 / 6, 0.5)),
    "hard_swish, as exports write it": (
        lambda y: y * pt.clip(y + 3, 0, 6) / np.float32(6),
        ElementwiseStage("hard_swish", 1 / 6, 0.5),
    ),
    "hard_swish, divided first": (
        lambda y: (pt.maximum(pt.minimum(3 + y, 6), 0) / np.float32(6)) * y,
        ElementwiseStage("hard_swish", 1 / 6, 0.5),
    ),
    "hard sigmoid, as exports write it": (
        lambda y: pt.clip(y + 3, 0, 6) * np.float32(1 / 6),
        ElementwiseStage("hard_sigmoid", 1 / 6, 0.5),
    ),
    "hard sigmoid, a quotient": (
        lambda y: pt.clip(y / np.float32(5) - np.float32(-0.5), 0, 1),
        ElementwiseStage("hard_sigmoid", 0.2, 0.5),
    ),
    "clip of Theano's": (lambda y: pt.clip(y, -0.5, 0.75), ElementwiseStage("clip", -0.5, 0.75)),
    "gelu, a quotient": (
        lambda y: y * 0.5 * (1 + pt.erf(y / np.float32(math.sqrt(2)))),
        ElementwiseStage("gelu"),
    ),
    "mish": (nonlinearities.mish, ElementwiseStage("mish")),
    "mish, spelled out": (
        lambda y: y * pt.tanh(pt.log1p(pt.exp(y))),
        ElementwiseStage("mish"),
    ),
    "mish, by a logarithm": (
        lambda y: pt.tanh(pt.log(1 + pt.exp(y))) * y,
        ElementwiseStage("mish"),
    ),
    "swish": (nonlinearities.swish, ElementwiseStage("swish")),
    "swish, reversed": (lambda y: pt.sigmoid(y) * y, ElementwiseStage("swish")),
}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", list(FUNCTIONS))
@pytest.mark.parametrize("kind", ["conv", "dense"])
def test_function(kind, name, engine, new):
    function, expected = FUNCTIONS[name]
    if kind == "conv":
        y = conv2d(new(2, 3, 7, 11), new(5, 3, 2, 4)) + channel(new(5))
    else:
        y = pt.dot(new(2, 3), new(3, 7)) + row(new(7))
    with theano_scope():
        y = function(y)
    layer, stage = only_stages(fused(new.inputs, y), y)
    assert layer.activation == "linear"
    assert stage == expected
    assert_same_fused(new.inputs, [y, *grad(pt.sum(pt.sin(y)), new.inputs)], new.values, engine)
    # Without gradients it is part of the layer's primitive.
    assert_same_fused(new.inputs, y, new.values, engine)


@pytest.mark.parametrize(
    "formula",
    [
        lambda y: y * pt.sigmoid(2 * y),
        lambda y: 0.5 * y * (1 + pt.erf(y)),
        lambda y: pt.switch(y > 1, y, np.float32(0.25) * y),
        lambda y: np.float32(0.5) * y + np.float32(0.25) * abs(y),
        lambda y: pt.switch(y > 0, y, pt.expm1(y)),
        lambda y: y * pt.clip(y + 3, 0, 6) / np.float32(5),
        lambda y: y * pt.clip(y + 3, 1, 6) / np.float32(6),
        lambda y: pt.clip(pt.exp(y), 0, 1),
    ],
)
def test_what_resembles_a_function_is_none(formula, new):
    with theano_scope():
        y = formula(conv2d(new(2, 3, 7, 11), new(5, 3, 2, 4)))
    graph = fused(new.inputs, y)
    stages = [node.op.graph.stages for node in graph.apply_nodes if isinstance(node.op, Stages)]
    assert [type(stage) for (stage,) in stages] == [ConvStage]
    assert_same_fused(new.inputs, [y, *grad(pt.sum(y), new.inputs)], new.values)


def test_a_function_of_what_others_read_stands_alone(new):
    conv = conv2d(new(2, 3, 7, 11), new(5, 3, 2, 4))
    outputs = [nonlinearities.swish(conv), conv * 2]
    stages = [each.op for each in fused(new.inputs, outputs).apply_nodes]
    assert not any(
        isinstance(stage, ElementwiseStage)
        for op in stages
        if isinstance(op, Stages)
        for stage in op.graph.stages
    )
    assert_same_fused(new.inputs, outputs, new.values)


@pytest.mark.parametrize("engine", ENGINES)
def test_global_average(engine, new):
    """As Lasagne's `GlobalPoolLayer` writes it."""
    y = conv2d(new(2, 3, 7, 11, known=(None, 3, 7, 11)), new(5, 3, 2, 4)) + channel(new(5))
    with theano_scope():
        pooled = pt.mean(half_rectify(y).flatten(3), axis=2)
        y = pt.dot(pooled, new(5, 4))
    stages = only_stages(fused(new.inputs, y), y)
    assert [type(stage) for stage in stages] == [ConvStage, PoolStage, DenseStage]
    assert stages[1].pool.window == (6, 8)
    outputs = [y, pooled, *grad(pt.sum(pt.sin(y)), new.inputs)]
    assert_same_fused(new.inputs, outputs, new.values, engine)


@pytest.mark.parametrize("divisor", [47, 5])
def test_a_sum_that_is_divided_otherwise_is_no_average(divisor, new):
    y = conv2d(new(2, 3, 7, 11), new(5, 3, 2, 4))
    with theano_scope():
        y = pt.sum(y.flatten(3), axis=2) / np.float32(divisor)
    assert count(fused(new.inputs, y), Stages) == 1
    assert_same_fused(new.inputs, y, new.values)


@pytest.mark.parametrize("engine", ENGINES)
def test_an_affine_map_of_what_no_weights_make_is_a_convolution(engine, new):
    """Batch normalisation in front of the convolution, as in DenseNet."""
    x = conv2d(new(2, 3, 7, 9), new(5, 3, 2, 4))
    joined = pt.concatenate([x, conv2d(x, new(3, 5, 1, 1))], axis=1)
    y = half_rectify(channel_affine(joined, new(8), new(8)))
    y = conv2d(y, new(2, 8, 3, 3))
    graph = fused(new.inputs, y)
    assert count(graph, Stages) == 1
    assert count(graph, ChannelAffine) == 0
    assert_same_fused(new.inputs, [y, *grad(pt.sum(pt.sin(y)), new.inputs)], new.values, engine)


def test_bias_on_the_left(new):
    y = row(new(7)) + pt.dot(new(2, 3), new(3, 7))
    assert only_stages(fused(new.inputs, y), y) == (DenseStage(True),)
    assert_same_fused(new.inputs, y, new.values)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("mode", ["max", "sum", "average_inc_pad", "average_exc_pad"])
@pytest.mark.parametrize("activation", ["rectify", "tanh", "sigmoid"])
def test_pooling_behind_a_layer(mode, activation, engine, new):
    y = conv2d(new(2, 3, 7, 11), new(5, 3, 2, 4)) + channel(new(5))
    y = pool2d(NONLINEARITIES[activation](y), window=(2, 3), mode=mode)
    conv, pool = only_stages(fused(new.inputs, y), y)
    assert isinstance(pool, PoolStage)
    # A maximum is taken first: there is less to apply the nonlinearity to.
    expected = ("linear", activation) if mode == "max" else (activation, "linear")
    assert (conv.activation, pool.activation) == expected
    assert_same_fused(new.inputs, [y, *grad(pt.sum(pt.sin(y)), new.inputs)], new.values, engine)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("flatten", [lambda y: y.flatten(2), lambda y: y.reshape((y.shape[0], -1))])
def test_a_whole_network_is_one_node(flatten, engine, new):
    y = conv2d(new(2, 3, 11, 9, known=(None, 3, 11, 9)), new(4, 3, 2, 3)) + channel(new(4))
    y = pool2d(half_rectify(y), window=(2, 2))
    y = half_rectify(conv2d(y, new(5, 4, 2, 2)) + channel(new(5)))
    y = pt.dot(flatten(y), new(5 * 4 * 2, 6)) + row(new(6))
    y = pt.dot(half_rectify(y), new(6, 3)) + row(new(3))
    stages = only_stages(fused(new.inputs, y), y)
    assert [type(stage) for stage in stages] == [
        ConvStage,
        PoolStage,
        ConvStage,
        DenseStage,
        DenseStage,
    ]
    loss = pt.sum(y * y)
    assert_same_fused(new.inputs, [y, *grad(loss, new.inputs)], new.values, engine)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("biased", [False, True], ids=["no bias", "bias"])
@pytest.mark.parametrize("kind", ["conv", "dense"])
def test_batch_normalisation_in_inference_is_other_weights(kind, biased, engine, new):
    if kind == "conv":
        y, spread = conv2d(new(2, 3, 9, 9), new(5, 3, 2, 4)), channel
    else:
        y, spread = pt.dot(new(2, 3), new(3, 5)), row
    y = y + spread(new(5)) if biased else y
    y = half_rectify(channel_affine(y, new(5), new(5)))
    stages = [
        n.op.graph.stages for n in fused(new.inputs, y).apply_nodes if isinstance(n.op, Stages)
    ]
    ((stage,),) = stages
    assert stage.bias
    assert stage.activation == "rectify"
    assert count(fused(new.inputs, y), ChannelAffine) == 0
    assert_same_fused(new.inputs, y, new.values, engine)
    gradients = grad(y.sum(), new.inputs)
    assert_same_fused(new.inputs, gradients, new.values, engine)


def test_normalised_convolutions_and_their_poolings_are_one_node(new):
    y = new(2, 3, 16, 16)
    for n_channels, n_filters in ((3, 4), (4, 5)):
        y = conv2d(y, new(n_filters, n_channels, 3, 3))
        y = half_rectify(channel_affine(y, new(n_filters), new(n_filters)))
        y = pool2d(y, window=(2, 2))
    stages = [
        n.op.graph.stages for n in fused(new.inputs, y).apply_nodes if isinstance(n.op, Stages)
    ]
    assert [len(each) for each in stages] == [4]
    assert_same_fused(new.inputs, y, new.values)


@pytest.mark.parametrize("engine", ENGINES)
def test_batch_normalisation_in_training_is_a_stage(engine, new):
    """With all that follows it, and the statistics that averages are made of."""
    y = conv2d(new(6, 3, 9, 9), new(4, 3, 2, 2))
    y, *first = batch_normalisation(y, new(4), new(4), 0.01)
    y = pool2d(half_rectify(y), window=(2, 2))
    y, *second = batch_normalisation(pt.dot(y.flatten(2), new(64, 5)), new(5), new(5), 0.1)
    y = pt.dot(pt.tanh(y), new(5, 2))
    outputs = [y, *first, *second]
    (node,) = fused(new.inputs, outputs).apply_nodes
    kinds = [type(stage) for stage in node.op.graph.stages]
    assert kinds == [ConvStage, NormStage, PoolStage, DenseStage, NormStage, DenseStage]
    activations = [stage.activation for stage in node.op.graph.stages]
    assert activations == ["linear", "linear", "rectify", "linear", "tanh", "linear"]
    assert_same_fused(new.inputs, outputs, new.values, engine)
    gradients = grad(pt.sum(pt.sin(y)), new.inputs)
    assert_same_fused(new.inputs, [*gradients, *first], new.values, engine)


def test_batch_normalisation_of_what_no_stage_made(new):
    y, *_ = batch_normalisation(pt.exp(new(6, 3, 9, 9)), new(3), new(3))
    assert count(fused(new.inputs, y), Stages) == 0
    assert_same_fused(new.inputs, y, new.values)


def test_images_whose_shape_is_used_beside_the_dense_layer(new):
    """It is known without them."""
    y = conv2d(new(2, 3, 7, 7), new(4, 3, 2, 2))
    outputs = [pt.dot(y.flatten(2), new(144, 5)), y.shape, y.shape[0], y.shape[2]]
    nodes = fused(new.inputs, outputs).apply_nodes
    (op,) = (node.op for node in nodes if isinstance(node.op, Stages))
    assert [type(stage) for stage in op.graph.stages] == [ConvStage, DenseStage]
    assert_same_fused(new.inputs, outputs, new.values)


def test_a_pooling_alone_stays_a_pooling(new):
    y = pool2d(new(2, 3, 6, 6), window=(2, 2))
    assert count(fused(new.inputs, y), Stages) == 0


class TestWhatMustNotMatch:
    """Each of these would change a value, a dtype or a shape."""

    def check(self, new, y, n_stages):
        graph = fused(new.inputs, y)
        stages = [node.op.graph.stages for node in graph.apply_nodes if isinstance(node.op, Stages)]
        assert sorted(map(len, stages)) == sorted(n_stages)
        assert_same_fused(new.inputs, y, new.values)
        return [stage for each in stages for stage in each]

    def test_a_result_with_a_second_client(self, new):
        y = conv2d(new(2, 3, 7, 7), new(5, 3, 2, 2))
        (stage,) = self.check(new, [pt.tanh(y), y.sum(axis=(2, 3))], [1])
        assert stage.activation == "linear"

    @pytest.mark.parametrize("order", [(0, 1, 3, 2), (0, 2, 3, 1)])
    def test_functions_of_numbers_at_other_places(self, new, order):
        y = conv2d(new(2, 3, 6, 6), new(5, 3, 2, 2))
        turned = y.dimshuffle(*order)
        self.check(new, pt.minimum(pt.maximum(turned, 0), 6), [1])
        self.check(new, pt.switch(turned > 0, turned, np.float32(0.1) * turned), [1])

    def test_a_gate_of_the_transposed(self, new):
        y = conv2d(new(2, 3, 6, 6), new(5, 3, 2, 2))
        self.check(new, y * pt.sigmoid(y.dimshuffle(0, 1, 3, 2)), [1])

    def test_a_function_of_what_gets_axes(self, new):
        y = pt.dot(new(2, 3), new(3, 7))
        self.check(new, pt.clip(y.dimshuffle(0, 1, "x", "x"), 0, 6), [1])
        bound = np.full((1, 1, 1), 6, np.float32)
        self.check(new, pt.minimum(pt.maximum(y, 0), bound), [1])

    def test_a_function_of_rounded_numbers(self, new):
        y = pt.dot(new(2, 3), new(3, 7))
        rounded = pt.cast(pt.cast(y, "int32"), "float32")
        self.check(new, pt.minimum(pt.maximum(rounded, -1), 2), [1])

    def test_a_result_that_is_an_output_too(self, new):
        y = conv2d(new(2, 3, 7, 7), new(5, 3, 2, 2)) + channel(new(5))
        (stage,) = self.check(new, [half_rectify(y), y], [1])
        assert stage.activation == "linear"

    def test_a_pooled_result_with_a_second_client(self, new):
        """The pooling is a stage beside it, and takes no nonlinearity over."""
        y = half_rectify(conv2d(new(2, 3, 7, 7), new(5, 3, 2, 2)))
        conv, pool = self.check(new, [pool2d(y, window=(2, 2)), y], [2])
        assert (conv.activation, pool.activation) == ("rectify", "linear")

    def test_a_scale_behind_a_nonlinearity(self, new):
        y = half_rectify(conv2d(new(2, 3, 7, 7), new(5, 3, 2, 2)))
        stage, scale = self.check(new, channel_affine(y, new(5), new(5)), [2])
        assert not stage.bias
        assert scale.conv.groups == 5

    def test_a_scale_behind_a_pooling(self, new):
        """It may be negative, and the greatest number another one."""
        y = pool2d(conv2d(new(2, 3, 7, 7), new(5, 3, 2, 2)), window=(2, 2))
        *_, scale = self.check(new, channel_affine(y, new(5), new(5)), [3])
        assert scale.conv.groups == 5

    def test_a_scaled_result_that_is_used_elsewhere(self, new):
        y = conv2d(new(2, 3, 7, 7), new(5, 3, 2, 2))
        stage, scale = self.check(new, [channel_affine(y, new(5), new(5)), y], [2])
        assert not stage.bias
        assert scale.conv.groups == 5

    def test_the_absolute_value_used_elsewhere(self, new):
        y = pt.dot(new(2, 3), new(3, 7))
        size = abs(y)
        (stage,) = self.check(new, [np.float32(0.5) * (y + size), size], [1])
        assert stage.activation == "linear"

    def test_what_only_resembles_a_rectifier(self, new):
        y = pt.dot(new(2, 3), new(3, 7))
        other = new(2, 7)
        for z in (
            np.float32(0.5) * (y + abs(other)),
            np.float32(0.4) * (y + abs(y)),
            np.float32(0.5) * (y - abs(y)),
            pt.maximum(y, other),
        ):
            (stage,) = self.check(new, [z, other], [1])
            assert stage.activation == "linear"

    @pytest.mark.parametrize("dtype", ["float64"])
    def test_other_dtypes(self, dtype, rng):
        new = Graph(rng, dtype)
        y = pt.tanh(conv2d(new(2, 3, 7, 7), new(5, 3, 2, 2)) + channel(new(5)))
        z = pt.tanh(pt.dot(y.flatten(2), new(180, 3)) + row(new(3)))
        self.check(new, z, [])

    def test_float64_from_a_constant(self, new):
        """NumPy's float64 scalars make float64 of float32; fused or not."""
        y = pt.dot(new(2, 3), new(3, 7))
        for z in (np.float64(0.5) * (y + abs(y)), pt.maximum(y, np.float64(0))):
            assert z.type.dtype == "float64"
            (stage,) = self.check(new, z, [1])
            assert stage.activation == "linear"

    def test_float64_from_a_bias(self, new):
        y = pt.dot(new(2, 3), new(3, 7)) + row(new(7, dtype="float64"))
        (stage,) = self.check(new, y, [1])
        assert not stage.bias

    def test_biases_of_other_shapes(self, new):
        x, w = new(2, 5, 7, 7), new(6, 5, 2, 2)
        y = conv2d(x, w)
        for addend in (
            new(6, 6),
            new(2, 6).dimshuffle(0, 1, "x", "x"),
            new(6).dimshuffle("x", "x", 0, "x"),
            new(6),
            new(1).dimshuffle("x", 0, "x", "x"),
            new(6, 1, 1),
        ):
            (stage,) = self.check(new, [y + addend, *(i.sum() for i in new.inputs)], [1])
            assert not stage.bias

    def test_a_bias_that_widens_the_result(self, new):
        """One filter, five biases: five channels come out."""
        y = conv2d(new(2, 3, 7, 7), new(1, 3, 2, 2)) + channel(new(5))
        (stage,) = self.check(new, y, [1])
        assert not stage.bias
        assert y.type.shape[1] == 5

    def test_a_second_bias(self, new):
        y = pt.dot(new(2, 3), new(3, 7)) + row(new(7)) + row(new(7))
        self.check(new, y, [1])

    def test_a_bias_behind_a_nonlinearity_or_a_pooling(self, new):
        y = pt.tanh(pt.dot(new(2, 3), new(3, 7))) + row(new(7))
        self.check(new, [y, *(i.sum() for i in new.inputs)], [1])
        z = pool2d(conv2d(new(2, 3, 7, 7), new(5, 3, 2, 2)), window=(2, 2)) + channel(new(5))
        self.check(new, [z, *(i.sum() for i in new.inputs)], [2])

    def test_a_nonlinearity_behind_another(self, new):
        y = pt.sigmoid(pt.tanh(pt.dot(new(2, 3), new(3, 7))))
        self.check(new, y, [1])

    def test_images_reshaped_to_something_else(self, new):
        y = conv2d(new(2, 3, 7, 7), new(4, 3, 2, 2))
        self.check(new, pt.dot(y.reshape((4, 72)), new(72, 5)), [1, 1])

    def test_products_that_are_no_layers(self, new):
        v, cube = new(3), new(2, 3, 4)
        outputs = [v.dot(v), cube @ new(4, 5), pt.outer(v, v)]
        for node in fused(new.inputs, outputs).apply_nodes:
            assert not isinstance(node.op, Stages) or node.outputs[0].type.ndim == 2
        assert_same_fused(new.inputs, outputs, new.values)


def test_fused_and_plain_graphs_may_differ_in_nothing_but_speed(new):
    """A sum of everything that a layer's output can be used for at once."""
    x, w, b = new(2, 3, 9, 9), new(4, 3, 3, 3), new(4)
    y = half_rectify(conv2d(x, w) + channel(b))
    out = [y, pool2d(y, window=(2, 2)), pt.tanh(y), y.flatten(2), y.mean(axis=(2, 3)), y.shape[0]]
    assert count(fused(new.inputs, out), Conv2D) == 0
    values = compute(new.inputs, out, new.values, fuse=True)
    assert len(values) == len(out)
    assert_same_fused(new.inputs, out, new.values)
