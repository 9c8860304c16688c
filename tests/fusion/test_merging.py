"""Stacks that read each other's results become one node, and their gradients another."""

from __future__ import annotations

import numpy as np
import pytensor.tensor as pt
import pytest
from pytensor.gradient import grad

from convnet_features.kernels.contract import ConcatStage, ProductStage, SumStage
from convnet_features.network.build import build_network
from convnet_features.network.functions import without_shared_variables
from convnet_features.network.outputs import symbolic_output
from convnet_features.network.presets import small_resnet
from convnet_features.ops import conv2d, pool2d
from convnet_features.ops.stages import Stages, StagesGrad
from convnet_features.theano_facade import theano_scope

from ..graphs import assert_same_fused, compute, count, fused
from .test_stages import Graph, channel, half_rectify

ENGINES = ["portable", pytest.param("onednn", marks=pytest.mark.onednn)]


@pytest.fixture
def new(rng):
    return Graph(rng)


def convolution(new, x, n_filters, size=1):
    w = new(n_filters, x.type.shape[1], size, size)
    return half_rectify(conv2d(x, w) + channel(new(n_filters)))


def residual(new):
    x = new(2, 3, 6, 7)
    first = convolution(new, x, 5, 2)
    joined = half_rectify(first + conv2d(first, new(5, 5, 1, 1)))
    return pool2d(joined, window=(2, 2))


def branches(new):
    x = convolution(new, new(2, 3, 6, 7), 4, 2)
    joined = pt.concatenate([convolution(new, x, 5), convolution(new, x, 2), x], axis=1)
    return convolution(new, joined, 3)


def two_towers(new):
    left, right = convolution(new, new(2, 3, 6, 7), 4), convolution(new, new(2, 5, 6, 7), 4)
    return convolution(new, left + right, 3)


NETWORKS = {"residual": residual, "branches": branches, "two towers": two_towers}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("network", NETWORKS)
def test_one_node_forwards_and_one_backwards(network, engine, new):
    y = NETWORKS[network](new)
    (node,) = [each for each in fused(new.inputs, y).apply_nodes if isinstance(each.op, Stages)]
    assert {SumStage, ConcatStage} & {type(stage) for stage in node.op.graph.stages}
    assert_same_fused(new.inputs, y, new.values, engine)
    gradients = grad(pt.sin(y).sum(), new.inputs)
    plain = compute(new.inputs, gradients, new.values)
    for one, other in zip(
        compute(new.inputs, gradients, new.values, fuse=True, engine=engine), plain, strict=True
    ):
        np.testing.assert_allclose(one, other, rtol=0, atol=3e-5 * max(1, np.abs(other).max()))


def test_several_results(new):
    """What others read is handed to them."""
    y = convolution(new, new(2, 3, 6, 7), 4, 2)
    outputs = [pool2d(y, window=(2, 2)), y.max(axis=(2, 3)), pt.dot(y.flatten(2), new(120, 5)), y]
    graph = fused(new.inputs, outputs)
    (node,) = [each for each in graph.apply_nodes if isinstance(each.op, Stages)]
    assert len(node.op.graph.outputs) == 3
    assert_same_fused(new.inputs, outputs, new.values)


def test_two_layers_on_one(new):
    y = pt.dot(new(2, 3), new(3, 7))
    outputs = [pt.dot(y, new(7, 4)), pt.dot(y, new(7, 5))]
    assert count(fused(new.inputs, outputs), Stages) == 1
    assert_same_fused(new.inputs, outputs, new.values)


def test_no_circle(new):
    """Between the two graphs stands something else, which needs the first and is needed by the second."""
    x, w = new(2, 3), new(3, 7)
    first = pt.dot(x, w)
    between = pt.exp(-first * first)
    second = pt.dot(between, new(7, 7))
    outputs = pt.dot(first + second, new(7, 2))
    assert count(fused(new.inputs, outputs), Stages) == 2
    assert_same_fused(new.inputs, outputs, new.values)


def test_no_circle_through_weights(new):
    """Weights that are computed from the layer in front."""
    first = pt.dot(new(7, 3), new(3, 7))
    second = pt.dot(first, pt.exp(-first * first))
    assert count(fused(new.inputs, second), Stages) == 2
    assert_same_fused(new.inputs, second, new.values)


def test_two_groups_become_one_where_they_meet(new):
    left, right = pt.dot(new(2, 3), new(3, 7)), pt.dot(new(2, 4), new(4, 7))
    outputs = [pt.dot(left + right, new(7, 2)), pt.exp(left)]
    assert count(fused(new.inputs, outputs), Stages) == 1
    assert_same_fused(new.inputs, outputs, new.values)


def test_no_circle_where_two_groups_meet(new):
    """The one needs the other through something else."""
    left = pt.dot(new(2, 3), new(3, 7))
    right = pt.dot(pt.exp(-left * left), new(7, 7))
    outputs = [pt.dot(left + right, new(7, 2)), pt.dot(right + left, new(7, 5))]
    assert count(fused(new.inputs, outputs), Stages) == 2
    assert_same_fused(new.inputs, outputs, new.values)


def test_no_circle_through_another_group(new):
    """A reads B, and B reads A's other half: each pair could be one, all of them not."""
    a1, b1 = pt.dot(new(7, 3), new(3, 7)), pt.dot(new(7, 4), new(4, 7))
    a2 = pt.dot(a1, pt.exp(-b1 * b1))
    b2 = pt.dot(b1, pt.exp(-a1 * a1))
    outputs = [a2, b2]
    assert_same_fused(new.inputs, outputs, new.values)


def test_a_small_residual_network_is_one_program():
    """No block is laid out anew for another, and the mean of each map is a pooling."""
    network = build_network(small_resnet(), (3, 8, 8), 4, "classes", seed=0)
    with theano_scope():
        outputs = symbolic_output(network, [network.output], deterministic=True)
        params, outputs, _ = without_shared_variables(network, outputs)
    nodes = fused([network.input.input_var, *params], outputs).apply_nodes
    sizes = [len(node.op.graph.nodes) for node in nodes if isinstance(node.op, Stages)]
    assert sizes == [14]


def test_of_other_shapes_nothing_is_joined(new):
    """What is the same for all rows, or spread both ways, is no sum of results."""
    y = conv2d(new(2, 3, 6, 7), new(4, 3, 2, 2))
    row = conv2d(new(2, 3, 2, 7), new(4, 3, 2, 2))
    one, column = conv2d(new(2, 3, 6, 7), new(1, 3, 2, 2)), conv2d(new(2, 3, 2, 2), new(4, 3, 2, 2))
    outputs = [
        y + row,
        one * column,
        y * row,
        pt.concatenate([y, pt.exp(y)], axis=1),
        pt.concatenate([y, y], axis=2),
    ]
    kinds = [
        type(stage)
        for node in fused(new.inputs, outputs).apply_nodes
        if isinstance(node.op, Stages)
        for stage in node.op.graph.stages
    ]
    assert not {SumStage, ConcatStage, ProductStage} & set(kinds)
    assert_same_fused(new.inputs, outputs, new.values)


def squeezed(new, x, spelling):
    """The means of maps, as (n, c) or (n, c, 1, 1), in the ways in which people write them."""
    n_channels = x.type.shape[1]
    match spelling:
        case "flattened":
            return x.flatten(3).mean(axis=2)
        case "flattened to columns":
            return x.flatten(3).mean(axis=2).reshape((x.shape[0], n_channels, 1, 1))
        case "over both":
            return x.mean(axis=(2, 3))
        case "kept":
            return x.mean(axis=(2, 3), keepdims=True)
    return pt.sum(x, axis=(3, 2)) / np.float32(30)


SPELLINGS = ["flattened", "flattened to columns", "over both", "kept", "of a sum"]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("branch", ["dense", "convolutions"])
def test_squeeze_and_excitation_is_one_node(spelling, branch, engine, new):
    x = convolution(new, new(2, 3, 6, 7), 16, 2)
    means = squeezed(new, x, spelling)
    if branch == "dense":
        rows = means if means.type.ndim == 2 else means.flatten(2)
        hidden = half_rectify(pt.dot(rows, new(16, 3)) + new(3))
        gates = pt.sigmoid(pt.dot(hidden, new(3, 16)) + new(16)).dimshuffle(0, 1, "x", "x")
    else:
        columns = means if means.type.ndim == 4 else means.reshape((2, 16, 1, 1))
        hidden = convolution(new, columns, 3)
        line = conv2d(hidden, new(16, 3, 1, 1)) + channel(new(16))
        gates = pt.clip(line / 6 + 0.5, 0, 1)
    y = conv2d(x * gates, new(5, 16, 1, 1))
    (node,) = [each for each in fused(new.inputs, y).apply_nodes if isinstance(each.op, Stages)]
    assert ProductStage in {type(stage) for stage in node.op.graph.stages}
    assert_same_fused(new.inputs, y, new.values, engine)
    gradients = grad(pt.sin(y).sum(), new.inputs)
    plain = compute(new.inputs, gradients, new.values)
    for one, other in zip(
        compute(new.inputs, gradients, new.values, fuse=True, engine=engine), plain, strict=True
    ):
        np.testing.assert_allclose(one, other, rtol=0, atol=3e-5 * max(1, np.abs(other).max()))


@pytest.mark.parametrize("engine", ENGINES)
def test_attention_and_shifts_are_one_node(engine, new):
    """One number a pixel, times and plus, and one a channel, added; three factors at once."""
    x = convolution(new, new(2, 3, 6, 7), 16, 2)
    pixels = pt.sigmoid(conv2d(x, new(1, 16, 1, 1)) + channel(new(1)))
    means = x.flatten(3).mean(axis=2)
    gates = pt.tanh(pt.dot(means, new(16, 16))).dimshuffle(0, 1, "x", "x")
    y = conv2d(x * pixels * gates + gates + pixels, new(5, 16, 1, 1))
    (node,) = [each for each in fused(new.inputs, y).apply_nodes if isinstance(each.op, Stages)]
    kinds = [type(stage) for stage in node.op.graph.stages]
    assert kinds.count(ProductStage) == 2
    assert SumStage in kinds
    assert_same_fused(new.inputs, y, new.values, engine)


def test_gradients_of_some_results_only(new):
    y = convolution(new, new(2, 3, 6, 7), 4, 2)
    z = convolution(new, y, 5)
    gradients = grad(pt.sin(z).sum(), [new.inputs[0], new.inputs[1]])
    outputs = [y, *gradients]
    nodes = fused(new.inputs, outputs).apply_nodes
    assert sum(isinstance(node.op, StagesGrad) for node in nodes) <= 1
    assert_same_fused(new.inputs, outputs, new.values)
