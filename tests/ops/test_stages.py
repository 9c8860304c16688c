"""Stacks of layers as one operation: shapes, values, gradients."""

from __future__ import annotations

import numpy as np
import pytensor.tensor as pt
import pytest
from pytensor.gradient import DisconnectedInputError, NullTypeGradError, grad

from convnet_features.kernels.contract import (
    Conv2DSpec,
    ConvStage,
    DenseStage,
    MaskStage,
    NormStage,
    Pool2DSpec,
    PoolStage,
    StageGraph,
)
from convnet_features.ops.stages import Stages

from .. import reference
from ..graphs import compute
from ..helpers import assert_close, assert_derivative

STACKS = {
    "dense": ((DenseStage(True, "tanh"),), (3, 7), [(7, 5), (5,)]),
    "dense without a bias": ((DenseStage(False, "sigmoid"),), (3, 7), [(7, 5)]),
    "convolution": (
        (ConvStage(Conv2DSpec((2, 1), ((1, 0), (0, 2))), True, "tanh"),),
        (3, 2, 7, 5),
        [(4, 2, 3, 2), (4,)],
    ),
    "normalised": (
        (ConvStage(Conv2DSpec(), False), NormStage(1e-3, "tanh"), DenseStage(False)),
        (5, 3, 4, 5),
        [(4, 3, 2, 3), (4,), (4,), (4 * 3 * 3, 2)],
    ),
    "all kinds": (
        (
            ConvStage(Conv2DSpec(), True, "linear"),
            PoolStage(Pool2DSpec((2, 2), (2, 2)), "tanh"),
            ConvStage(Conv2DSpec(flip_filters=False), False, "sigmoid"),
            PoolStage(Pool2DSpec((2, 1), (1, 1), mode="average_exc_pad"), "linear"),
            DenseStage(True, "tanh"),
            DenseStage(True, "linear"),
        ),
        (2, 3, 11, 9),
        [(4, 3, 2, 3), (4,), (5, 4, 2, 2), (5 * 3 * 2, 6), (6,), (6, 3), (3,)],
    ),
}


@pytest.fixture(params=list(STACKS))
def case(request, rng):
    stages, x_shape, shapes = STACKS[request.param]
    arrays = [rng.standard_normal(shape) for shape in (x_shape, *shapes)]
    symbols = [pt.tensor(dtype="float64", shape=(None, *x_shape[1:]))]
    symbols += [pt.tensor(dtype="float64", shape=shape) for shape in shapes]
    return stages, symbols, arrays


def test_values_and_shape(case):
    stages, symbols, arrays = case
    y = Stages(StageGraph.chain(stages))(*symbols)[0]
    (value,) = compute(symbols, y, arrays)
    assert_close(value, reference.stack(stages, arrays[0], arrays[1:]), "float64")
    assert y.type.shape == (None, *value.shape[1:])


def test_gradients(case, rng):
    stages, symbols, arrays = case
    loss = pt.sum(pt.sin(Stages(StageGraph.chain(stages))(*symbols)[0]))
    gradients = compute(symbols, grad(loss, symbols), arrays)

    def value(*arrays):
        return float(compute(symbols, loss, arrays)[0])

    assert_derivative(value, arrays, gradients, rng)


def test_gradients_of_a_second_use(rng):
    stages = (DenseStage(True, "tanh"),)
    x, w, b = rng.standard_normal((4, 5)), rng.standard_normal((5, 5)), rng.standard_normal(5)
    symbols = [pt.dmatrix(), pt.dmatrix(), pt.dvector()]
    once = Stages(StageGraph.chain(stages))(*symbols)[0]
    loss = pt.sum(Stages(StageGraph.chain(stages))(once, *symbols[1:])[0] * once)
    gradients = compute(symbols, grad(loss, symbols), [x, w, b])

    def value(*arrays):
        return float(compute(symbols, loss, arrays)[0])

    assert_derivative(value, [x, w, b], gradients, rng)


def test_what_is_not_wanted_is_not_computed(case):
    """The gradient of parameters alone, as in training, leaves out that of the images."""
    stages, symbols, arrays = case
    loss = pt.sum(Stages(StageGraph.chain(stages))(*symbols)[0])
    alone = compute(symbols, grad(loss, symbols[1:]), arrays)
    together = compute(symbols, grad(loss, symbols), arrays)
    for one, other in zip(alone, together[1:], strict=True):
        assert_close(one, other, "float64")


def test_second_derivatives_name_the_way_out():
    x, w = pt.dmatrix(), pt.dmatrix()
    (gw,) = grad(pt.sum(Stages(StageGraph.chain((DenseStage(False, "tanh"),)))(x, w)[0]), [w])
    with pytest.raises(NullTypeGradError, match=r"need the unfused graph: compile with fuse=False"):
        grad(pt.sum(gw), w)


def test_an_empty_batch(case):
    stages, symbols, arrays = case
    if any(isinstance(stage, NormStage) for stage in stages):
        pytest.skip("nothing has no mean")
    loss = pt.sum(Stages(StageGraph.chain(stages))(*symbols)[0])
    empty = [arrays[0][:0], *arrays[1:]]
    value, *gradients = compute(symbols, [loss, *grad(loss, symbols)], empty)
    assert value == 0
    for gradient, array in zip(gradients, empty, strict=True):
        np.testing.assert_array_equal(gradient, np.zeros_like(array))


def test_statistics_of_a_normalisation(rng):
    stages = (DenseStage(False), NormStage(1e-3), DenseStage(False, "tanh"), NormStage(1e-4))
    shapes = ((5, 7), (7, 4), (4,), (4,), (4, 3), (3,), (3,))
    arrays = [rng.standard_normal(shape) for shape in shapes]
    symbols = [pt.tensor(dtype="float64", shape=(None, *a.shape[1:])) for a in arrays]
    y, _, *statistics = Stages(StageGraph.chain(stages))(*symbols)
    x, w, gamma, beta, v, _, _ = arrays
    first = reference.batch_norm(x @ w, gamma, beta, 1e-3)
    second = reference.batch_norm(np.tanh(first[0] @ v), *arrays[5:], 1e-4)
    expected = [*first[1:], *second[1:]]
    for found in (
        compute(symbols, statistics, arrays),
        compute(symbols, [*statistics, *grad(pt.sum(y), symbols)], arrays)[:4],
    ):
        for one, other in zip(found, expected, strict=True):
            assert_close(one, other, "float64")
    with pytest.raises(DisconnectedInputError):
        grad(pt.sum(statistics[0]), symbols[0])


def test_a_mask_has_no_gradient(rng):
    stages = (DenseStage(True, "tanh"), MaskStage(), DenseStage(False))
    arrays = [rng.standard_normal(s) for s in ((3, 7), (7, 5), (5,), (3, 5), (5, 2))]
    symbols = [pt.tensor(dtype="float64", shape=(None, *a.shape[1:])) for a in arrays]
    x, w, b, mask, v = symbols
    loss = pt.sum(pt.sin(Stages(StageGraph.chain(stages))(*symbols)[0]))
    gradients = compute(symbols, grad(loss, [x, w, b, v]), arrays)

    def value(x, w, b, v):
        return float(compute(symbols, loss, [x, w, b, arrays[3], v])[0])

    assert_derivative(value, [*arrays[:3], arrays[4]], gradients, rng)
    with pytest.raises(DisconnectedInputError):
        grad(loss, mask)
