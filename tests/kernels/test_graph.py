"""Graphs of stages: joins, branches and several results, on each kernels."""

from __future__ import annotations

from functools import reduce

import numpy as np
import pytest

from convnet_features.kernels.contract import (
    ConcatStage,
    Conv2DSpec,
    ConvStage,
    DenseStage,
    ElementwiseStage,
    MaskStage,
    Node,
    NormStage,
    Pool2DSpec,
    PoolStage,
    ProductStage,
    StageGraph,
    SumStage,
)

from .. import reference
from ..helpers import assert_close, assert_derivative

CONV = ConvStage(Conv2DSpec((1, 1), ((1, 1), (1, 1))), activation="rectify")
LINEAR = ConvStage(Conv2DSpec((1, 1), ((1, 1), (1, 1))), bias=False)
POOL = PoolStage(Pool2DSpec((2, 2), (2, 2)))
#: The means of maps of six rows and five columns.
GLOBAL = PoolStage(Pool2DSpec((6, 5), (6, 5), mode="average_exc_pad"))
PIXEL = ConvStage(Conv2DSpec())


def graph_of(n_inputs, outputs, *nodes):
    """A graph from (stage, *inputs) for each node."""
    return StageGraph(
        n_inputs, tuple([Node(stage, tuple(inputs)) for stage, *inputs in nodes]), outputs
    )


SWISH = ElementwiseStage("swish")
RELU6 = ElementwiseStage("clip", 0.0, 0.75)
#: Makes something else than 0 of 0, which is what layouts are padded with.
HARD_SIGMOID = ElementwiseStage("hard_sigmoid", 0.25, 0.5)


#: The graph, the shapes of its inputs, and of its parameters.
GRAPHS = {
    "a residual block": (
        graph_of(1, (4,), (CONV, 0), (LINEAR, 1), (SumStage("rectify"), 2, 1), (POOL, 3)),
        [(3, 2, 6, 8)],
        [(5, 2, 3, 3), (5,), (5, 5, 3, 3)],
    ),
    "blocks of sixteen channels": (
        graph_of(1, (4,), (CONV, 0), (LINEAR, 1), (SumStage("rectify"), 1, 2), (CONV, 3)),
        [(3, 16, 9, 7)],
        [(16, 16, 3, 3), (16,), (16, 16, 3, 3), (32, 16, 3, 3), (32,)],
    ),
    "an input beside its own convolution": (
        graph_of(1, (3,), (LINEAR, 0), (SumStage("tanh"), 0, 1), (DenseStage(), 2)),
        [(2, 3, 5, 4)],
        [(3, 3, 3, 3), (60, 7), (7,)],
    ),
    "a sum of three, twice the same": (
        graph_of(1, (3,), (CONV, 0), (LINEAR, 0), (SumStage("sigmoid"), 1, 2, 1)),
        [(2, 3, 5, 4)],
        [(5, 3, 3, 3), (5,), (5, 3, 3, 3)],
    ),
    "branches behind each other": (
        graph_of(1, (5,), (CONV, 0), (LINEAR, 1), (ConcatStage(), 2, 1, 2), (CONV, 3), (POOL, 4)),
        [(2, 3, 6, 4)],
        [(5, 3, 3, 3), (5,), (4, 5, 3, 3), (7, 13, 3, 3), (7,)],
    ),
    "branches of whole blocks": (
        graph_of(1, (4,), (CONV, 0), (LINEAR, 0), (ConcatStage(), 1, 2), (CONV, 3)),
        [(2, 16, 6, 5)],
        [(32, 16, 3, 3), (32,), (16, 16, 3, 3), (16, 48, 3, 3), (16,)],
    ),
    "two inputs": (
        graph_of(2, (5,), (CONV, 0), (CONV, 1), (SumStage(), 2, 3), (DenseStage(False), 4)),
        [(3, 2, 4, 5), (3, 4, 4, 5)],
        [(5, 2, 3, 3), (5,), (5, 4, 3, 3), (5,), (100, 6)],
    ),
    "results on the way": (
        graph_of(1, (1, 3, 2), (CONV, 0), (POOL, 1), (DenseStage(True, "tanh"), 2)),
        [(3, 2, 6, 4)],
        [(5, 2, 3, 3), (5,), (30, 7), (7,)],
    ),
    "a pooling beside its convolution": (
        graph_of(1, (3,), (CONV, 0), (POOL, 1), (DenseStage(True, "tanh"), 2), (POOL, 1)),
        [(3, 2, 6, 4)],
        [(5, 2, 3, 3), (5,), (30, 7), (7,)],
    ),
    "normalised branches": (
        graph_of(
            1,
            (5,),
            (LINEAR, 0),
            (NormStage(1e-3, "rectify"), 1),
            (LINEAR, 2),
            (NormStage(1e-3), 3),
            (SumStage("rectify"), 4, 2),
        ),
        [(4, 3, 5, 4)],
        [(16, 3, 3, 3), (16,), (16,), (16, 16, 3, 3), (16,), (16,)],
    ),
    "functions in a residual block": (
        graph_of(
            1,
            (6,),
            (LINEAR, 0),
            (RELU6, 1),
            (LINEAR, 2),
            (SumStage("rectify"), 3, 2),
            (SWISH, 4),
            (POOL, 5),
        ),
        [(3, 16, 6, 8)],
        [(16, 16, 3, 3), (16, 16, 3, 3)],
    ),
    "functions of what others read": (
        graph_of(1, (4,), (CONV, 0), (SWISH, 1), (HARD_SIGMOID, 1), (SumStage(), 2, 3)),
        [(2, 3, 5, 6)],
        [(5, 3, 3, 3), (5,)],
    ),
    "functions of rows": (
        graph_of(1, (3,), (DenseStage(), 0), (HARD_SIGMOID, 1), (DenseStage(False), 2)),
        [(4, 7)],
        [(7, 5), (5,), (5, 3)],
    ),
    "functions first, of a pooling and last": (
        graph_of(1, (3, 4), (SWISH, 0), (POOL, 1), (RELU6, 2), (HARD_SIGMOID, 3)),
        [(2, 5, 6, 4)],
        [],
    ),
    "a sum that is a result, beside one that is read on": (
        graph_of(
            1,
            (3, 6),
            (CONV, 0),
            (LINEAR, 1),
            (SumStage(), 1, 2),
            (LINEAR, 3),
            (LINEAR, 4),
            (SumStage("rectify"), 3, 5),
        ),
        [(2, 16, 5, 6)],
        [(16, 16, 3, 3), (16,), (16, 16, 3, 3), (16, 16, 3, 3), (16, 16, 3, 3)],
    ),
    "sums behind each other": (
        graph_of(
            1,
            (8,),
            (CONV, 0),
            (LINEAR, 1),
            (SumStage("rectify"), 2, 1),
            (LINEAR, 3),
            (RELU6, 4),
            (SumStage(), 3, 5),
            (SWISH, 6),
            (CONV, 7),
        ),
        [(2, 16, 5, 6)],
        [(16, 16, 3, 3), (16,), (16, 16, 3, 3), (16, 16, 3, 3), (8, 16, 3, 3), (8,)],
    ),
    "squeeze and excitation": (
        graph_of(
            1,
            (6,),
            (CONV, 0),
            (GLOBAL, 1),
            (DenseStage(True, "rectify"), 2),
            (DenseStage(True, "sigmoid"), 3),
            (ProductStage(), 1, 4),
            (LINEAR, 5),
        ),
        [(3, 2, 6, 5)],
        [(16, 2, 3, 3), (16,), (16, 3), (3,), (3, 16), (16,), (7, 16, 3, 3)],
    ),
    "squeeze and excitation of odd channels": (
        graph_of(
            1,
            (8,),
            (CONV, 0),
            (GLOBAL, 1),
            (PIXEL, 2),
            (SWISH, 3),
            (PIXEL, 4),
            (HARD_SIGMOID, 5),
            (ProductStage(), 6, 1),
            (SumStage("rectify"), 7, 1),
        ),
        [(3, 2, 6, 5)],
        [(5, 2, 3, 3), (5,), (3, 5, 1, 1), (3,), (5, 3, 1, 1), (5,)],
    ),
    "squeeze and excitation of one pixel": (
        graph_of(
            1,
            (6,),
            (PIXEL, 0),
            (DenseStage(), 1),
            (DenseStage(True, "sigmoid"), 2),
            (ProductStage(), 1, 3),
            (DenseStage(False), 2),
            (SumStage("tanh"), 4, 5),
        ),
        [(3, 4, 1, 1)],
        [(16, 4, 1, 1), (16,), (16, 3), (3,), (3, 16), (16,), (3, 16)],
    ),
    "one number a row": (
        graph_of(
            1,
            (4,),
            (DenseStage(), 0),
            (DenseStage(True, "sigmoid"), 0),
            (ProductStage(), 1, 2),
            (SumStage("tanh"), 2, 3),
        ),
        [(4, 7)],
        [(7, 5), (5,), (7, 1), (1,)],
    ),
    "attention to pixels": (
        graph_of(
            1,
            (5,),
            (CONV, 0),
            (LINEAR, 1),
            (HARD_SIGMOID, 2),
            (ProductStage("tanh"), 1, 3),
            (POOL, 4),
        ),
        [(2, 3, 6, 4)],
        [(16, 3, 3, 3), (16,), (1, 16, 3, 3)],
    ),
    "a product of two branches, squared": (
        graph_of(1, (4,), (CONV, 0), (LINEAR, 0), (ProductStage(), 1, 2), (ProductStage(), 3, 3)),
        [(2, 3, 6, 5)],
        [(5, 3, 3, 3), (5,), (5, 3, 3, 3)],
    ),
    "inputs that are multiplied": (
        graph_of(3, (4,), (ProductStage("rectify"), 0, 1), (SumStage("sigmoid"), 2, 3)),
        [(3, 5, 4, 2), (3, 5), (3, 5, 1, 1)],
        [],
    ),
    "sums of one number a channel or a pixel": (
        graph_of(
            1,
            (6,),
            (CONV, 0),
            (GLOBAL, 1),
            (DenseStage(False), 2),
            (LINEAR, 1),
            (SumStage("tanh"), 3, 1, 4, 2),
            (POOL, 5),
        ),
        [(2, 2, 6, 5)],
        [(16, 2, 3, 3), (16,), (16, 16), (1, 16, 3, 3)],
    ),
    "a product of rows": (
        graph_of(
            1, (3,), (DenseStage(), 0), (DenseStage(True, "sigmoid"), 0), (ProductStage(), 1, 2)
        ),
        [(4, 7)],
        [(7, 5), (5,), (7, 5), (5,)],
    ),
    "parts of several concatenations": (
        graph_of(
            1,
            (6,),
            (SWISH, 0),
            (RELU6, 0),
            (ConcatStage(), 1, 2),
            (ConcatStage(), 2, 1),
            (ConcatStage(), 3, 4),
            (SWISH, 5),
        ),
        [(1, 5, 6, 4)],
        [],
    ),
    "a part, and the whole, that are added to": (
        graph_of(
            1,
            (9,),
            (SWISH, 0),
            (RELU6, 0),
            (ConcatStage(), 1, 2),
            (LINEAR, 3),
            (SumStage(), 4, 1),
            (LINEAR, 5),
            (SumStage("rectify"), 6, 3),
            (ConcatStage(), 5, 7, 3),
            (POOL, 8),
        ),
        [(1, 16, 6, 4)],
        [(16, 32, 3, 3), (32, 16, 3, 3)],
    ),
    "masks in a branch": (
        graph_of(
            1, (4,), (DenseStage(), 0), (MaskStage(), 1), (SumStage(), 2, 1), (DenseStage(), 3)
        ),
        [(3, 7)],
        [(7, 5), (5,), (3, 5), (5, 2), (2,)],
    ),
}


def arguments(case, rng, dtype="float64"):
    _, x_shapes, shapes = GRAPHS[case]
    arrays = [rng.standard_normal(shape) for shape in (*x_shapes, *shapes)]
    return [array.astype(dtype) for array in arrays[: len(x_shapes)]], [
        array.astype(dtype) / max(1, array[0].size) ** 0.5 for array in arrays[len(x_shapes) :]
    ]


def expected(case, xs, params):
    """Each node alone, by slow loops."""
    stages = GRAPHS[case][0]
    values, remaining = [np.float64(x) for x in xs], [np.float64(p) for p in params]
    for node in stages.nodes:
        given = [values[value] for value in node.inputs]
        own, remaining = remaining[: node.stage.n_params], remaining[node.stage.n_params :]
        match node.stage:
            case SumStage() | ProductStage():
                ndim = max(value.ndim for value in given)
                given = [value.reshape(value.shape + (1,) * (ndim - value.ndim)) for value in given]
                join = np.add if isinstance(node.stage, SumStage) else np.multiply
                y = reference.activation(reduce(join, given), node.stage.activation)
            case ConcatStage():
                y = np.concatenate(given, axis=1)
            case _:
                y = reference.stack((node.stage,), given[0], own)
        values.append(y)
    return [values[value] for value in stages.outputs]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", GRAPHS)
def test_equals_its_stages(kernels, rng, case, dtype):
    xs, params = arguments(case, rng, dtype)
    kernel = kernels.graph(GRAPHS[case][0])
    for ys in (
        kernel.forward(xs, params),
        kernel.forward_training(xs, params)[0],
        kernel.prepare(params)(xs),
    ):
        for y, right in zip(ys, expected(case, xs, params), strict=True):
            assert y.dtype == dtype
            assert_close(y, right, dtype)


def gradients(kernel, xs, params, rng, only=None, input_grads=None):
    ys, workspace = kernel.forward_training(xs, params)
    gys = [rng.standard_normal(y.shape).astype(y.dtype) for y in ys]
    gys = [gy if only is None or number in only else None for number, gy in enumerate(gys)]
    input_grads = [True] * len(xs) if input_grads is None else input_grads
    return gys, kernel.backward(workspace, xs, params, ys, gys, input_grads)


@pytest.mark.parametrize("case", [case for case in GRAPHS if case != "normalised branches"])
def test_gradients_are_differences(kernels, rng, case):
    """Of the sum of all results, each with weights of its own."""
    stages = GRAPHS[case][0]
    xs, params = arguments(case, rng)
    kernel = kernels.graph(stages)
    gys, (gxs, of_params) = gradients(kernel, xs, params, rng)
    learnable = [index for index, own in enumerate(stages.learnt) if own]

    def loss(*values):
        taken = list(params)
        for index, value in zip(learnable, values[len(xs) :], strict=True):
            taken[index] = value
        ys = kernel.forward(values[: len(xs)], taken)
        return sum((gy * y).sum() for gy, y in zip(gys, ys, strict=True))

    inputs = [*xs, *(params[index] for index in learnable)]
    assert_derivative(loss, inputs, [*gxs, *of_params], rng)


@pytest.mark.parametrize("case", GRAPHS)
def test_float32_gradients_equal_float64_ones(kernels, rng, case):
    from convnet_features.kernels.portable import PortableKernels

    xs, params = arguments(case, rng, "float32")
    wide = [np.float64(x) for x in xs], [np.float64(param) for param in params]
    seed = rng.integers(1 << 30)
    _, (gxs, of_params) = gradients(
        kernels.graph(GRAPHS[case][0]), xs, params, np.random.default_rng(seed)
    )
    _, (right_gxs, right) = gradients(
        PortableKernels().graph(GRAPHS[case][0]), *wide, np.random.default_rng(seed)
    )
    for one, other in zip([*gxs, *of_params], [*right_gxs, *right], strict=True):
        assert_close(one, other, "float32")


@pytest.mark.parametrize("case", GRAPHS)
def test_input_gradients_only_where_asked(kernels, rng, case):
    xs, params = arguments(case, rng, "float32")
    kernel = kernels.graph(GRAPHS[case][0])
    seed = rng.integers(1 << 30)
    _, (_, right) = gradients(kernel, xs, params, np.random.default_rng(seed))
    _, (gxs, of_params) = gradients(
        kernel, xs, params, np.random.default_rng(seed), input_grads=[False] * len(xs)
    )
    assert gxs == [None] * len(xs)
    for one, other in zip(of_params, right, strict=True):
        np.testing.assert_array_equal(one, other)


def test_results_without_a_gradient(kernels, rng):
    """What nothing depends on has a gradient of zeros."""
    xs, params = arguments("results on the way", rng, "float32")
    kernel = kernels.graph(GRAPHS["results on the way"][0])
    _, ((gx,), (gw, gb, *of_dense)) = gradients(kernel, xs, params, rng, only={2})
    assert gx.any()
    assert gw.any()
    assert gb.any()
    for gradient in of_dense:
        np.testing.assert_array_equal(gradient, np.zeros_like(gradient))


def test_the_statistics_are_in_the_order_of_the_nodes(kernels, rng):
    xs, params = arguments("normalised branches", rng, "float32")
    stages = GRAPHS["normalised branches"][0]
    kernel = kernels.graph(stages)
    _, workspace = kernel.forward_training(xs, params)
    mean, inv_std, *others = kernel.statistics(workspace)
    y = reference.stack((LINEAR,), np.float64(xs[0]), [np.float64(params[0])])
    assert_close(mean, y.mean(axis=(0, 2, 3)), "float32")
    assert_close(inv_std, 1 / np.sqrt(y.var(axis=(0, 2, 3)) + 1e-3), "float32")
    assert [each.shape for each in others] == [(16,), (16,)]


@pytest.mark.parametrize(
    ("stage", "shapes"),
    [
        (SumStage(), [(2, 3, 4, 5), (2, 3, 4, 6)]),
        (SumStage(), [(2, 3, 4, 5), (1, 3, 4, 5)]),
        (ProductStage(), [(2, 3, 4, 5), (2, 4, 1, 1)]),
        (ProductStage(), [(2, 3, 4, 5), (2, 4)]),
        (ProductStage(), [(2, 3, 4, 5), (1, 3)]),
        (ConcatStage(), [(2, 3, 4, 5), (2, 3, 5, 5)]),
    ],
)
def test_shapes_that_do_not_fit_each_other_are_refused(kernels, stage, shapes):
    kernel = kernels.graph(graph_of(2, (2,), (stage, 0, 1)))
    with pytest.raises(ValueError, match=r"shape|dimension"):
        kernel.forward([np.zeros(shape, "float32") for shape in shapes], [])


def test_sizes_that_are_not_known():
    stages = graph_of(1, (3,), (CONV, 0), (ConcatStage(), 1, 0), (POOL, 2))
    params = [(5, 3, 3, 3), (5,)]
    assert [tuple(s) for s in stages.output_shapes([(None, 3, 6, None)], params)] == [
        (None, 8, 3, None)
    ]


@pytest.mark.parametrize(
    ("stage", "param_shapes", "terms", "keeps_size"),
    [
        (ConvStage(Conv2DSpec()), [(7, 3, 5, 2), (7,)], 3 * 5 * 2, False),
        (PoolStage(Pool2DSpec((3, 2), (1, 1))), [], 6, True),
        (PoolStage(Pool2DSpec((3, 2), (1, 1), mode="average_exc_pad")), [], 6, True),
        (PoolStage(Pool2DSpec((3, 2), (1, 1), mode="sum")), [], 6, False),
        (DenseStage(), [(3 * 11 * 13, 7), (7,)], 3 * 11 * 13, False),
        (NormStage(1e-4), [(3,), (3,)], 2 * 11 * 13, False),
        (MaskStage(2.0), [(2, 3, 11, 13)], 1, False),
        (SumStage(), [], 1, False),
        (ProductStage(), [], 1, False),
        (ConcatStage(), [], 1, True),
        (SWISH, [], 1, False),
    ],
    ids=str,
)
def test_terms_of_stages(stage, param_shapes, terms, keeps_size):
    assert stage.terms([(2, 3, 11, 13)], param_shapes) == terms
    assert stage.keeps_size == keeps_size
