"""theano.tensor.signal: pooling by its old and its new names."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import theano
import theano.tensor as T
from theano.tensor.signal import downsample, pool

from tests import reference
from tests.helpers import assert_close

MODES = {"max": np.max, "sum": np.sum, "average_inc_pad": np.mean, "average_exc_pad": np.mean}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("shape", [(6, 9), (2, 6, 9), (3, 2, 6, 9), (2, 3, 2, 6, 9)])
def test_the_last_two_axes_are_pooled(mode, shape, rng):
    x = T.TensorType("float32", (False,) * len(shape))("x")
    values = rng.normal(size=shape).astype("float32")
    windows = values.astype("float64").reshape(*shape[:-2], 3, 2, 3, 3)
    expected = MODES[mode](windows, axis=(-3, -1))
    for y in (
        pool.pool_2d(x, (2, 3), ignore_border=True, mode=mode),
        pool.pool_2d(x, ds=(2, 3), st=(2, 3), mode=mode),
        downsample.max_pool_2d(x, (2, 3), ignore_border=True, mode=mode),
    ):
        assert y.ndim == len(shape)
        assert_close(y.eval({x: values}), expected, "float32")


def test_borders_strides_and_padding():
    x = T.tensor4("x")
    values = np.arange(25, dtype="float32").reshape(1, 1, 5, 5)
    given = {x: values}
    assert pool.pool_2d(x, 2).eval(given).shape == (1, 1, 3, 3)
    assert pool.pool_2d(x, 2, ignore_border=True).eval(given).shape == (1, 1, 2, 2)
    assert pool.pool_2d(x, 3, True, stride=1, pad=1).eval(given).shape == (1, 1, 5, 5)
    assert downsample.max_pool_2d(x, (2, 2), st=(3, 3)).eval(given).tolist() == [
        [[[6, 9], [21, 24]]]
    ]


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({}, TypeError, "ws is missing"),
        ({"ws": (2, 2, 2)}, TypeError, r"ws must be .*; got \(2, 2, 2\)"),
        ({"ws": 2.5}, TypeError, "ws must be .*; got 2.5"),
        ({"ws": 2, "mode": "min"}, ValueError, "mode must be one of .*; got 'min'"),
        ({"ws": 2, "pad": 1}, NotImplementedError, "works only with ignore_border=True"),
        ({"ws": 0}, ValueError, "ws must be at least 1; got 0"),
        ({"ws": T.vector()}, TypeError, "ws must be an integer or a pair of them"),
    ],
)
def test_pool_2d_refuses(arguments, error, text):
    with pytest.raises(error, match=f"pool_2d: .*{text}"):
        pool.pool_2d(T.tensor4(), **arguments)


def test_a_vector_cannot_be_pooled():
    with pytest.raises(NotImplementedError, match="two dimensions or more; got 1"):
        pool.pool_2d(T.vector(), 2)


NUMBERS = [
    ((2, 3), (2, 3), (0, 0)),
    ((3, 2), (1, 2), (1, 1)),
    ((2, 2), (3, 3), (0, 0)),
    ((3, 4), (2, 1), (2, 0)),
]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("ignore_border", [True, False])
def test_numbers_that_are_known_only_when_they_come(mode, ignore_border, rng):
    """Window, stride and padding are inputs of one function; the gradient too."""
    x, ws, stride, pad = T.dtensor4("x"), T.ivector("ws"), T.ivector("st"), T.ivector("pad")
    edge = pad if ignore_border else (0, 0)
    y = pool.pool_2d(x, ws, ignore_border, stride, edge, mode)
    inputs = [x, ws, stride, pad]
    function = theano.function(inputs, [y, T.grad(T.sum(y * y), x)], on_unused_input="ignore")
    images = rng.normal(size=(2, 3, 7, 6))
    for window, steps, pads in NUMBERS:
        pads = pads if ignore_border else (0, 0)
        value, gradient = function(images, window, steps, pads)
        expected = reference.pool2d(images, window, steps, pads, mode, ignore_border)
        assert_close(value, expected, "float64")
        assert_close(
            gradient,
            reference.pool2d_gradient(
                images, 2 * expected, window, steps, pads, mode, ignore_border
            ),
            "float64",
        )


def test_scalars_as_numbers(rng):
    x, rows = T.matrix("x"), T.iscalar("rows")
    y = pool.pool_2d(x, (rows, 2), ignore_border=True)
    values = rng.normal(size=(6, 4)).astype("float32")
    expected = values.reshape(2, 3, 2, 2).max(axis=(1, 3))
    assert_close(y.eval({x: values, rows: 3}), expected, "float32")


def slow_pool_3d(x, window, stride, pads, mode):
    value = -np.inf if mode == "max" else 0
    around = [(0, 0)] * (x.ndim - 3) + [(pad, pad) for pad in pads]
    padded = np.pad(x, around, constant_values=value)
    inside = np.pad(np.ones_like(x), around)
    sizes = [(n - w) // s + 1 for n, w, s in zip(padded.shape[-3:], window, stride, strict=True)]
    y = np.zeros((*x.shape[:-3], *sizes))
    for place in itertools.product(*map(range, sizes)):
        seen = tuple(slice(i * s, i * s + w) for i, s, w in zip(place, stride, window, strict=True))
        values, counted = (
            each[(..., *seen)].reshape(*x.shape[:-3], -1) for each in (padded, inside)
        )
        if mode == "average_exc_pad":
            y[(..., *place)] = values.sum(axis=-1) / counted.sum(axis=-1)
        else:
            y[(..., *place)] = MODES[mode](values, axis=-1)
    return y


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("shape", [(5, 6, 7), (2, 3, 5, 6, 7), (2, 2, 1, 5, 6, 7)])
def test_the_last_three_axes_are_pooled(mode, shape, rng):
    x, ws = T.TensorType("float64", (False,) * len(shape))("x"), T.ivector("ws")
    values = rng.normal(size=shape)
    window, stride, pads = (2, 3, 2), (1, 2, 2), (1, 1, 0)
    expected = slow_pool_3d(values, window, stride, pads, mode)
    for y, given in [
        (pool.pool_3d(x, window, True, stride, pads, mode), {}),
        (pool.pool_3d(x, ws, True, stride, pads, mode), {ws: np.int32(window)}),
        (pool.Pool(True, mode, ndim=3)(x, window, stride, pads), {}),
    ]:
        assert_close(y.eval({x: values} | given), expected, "float64")


def test_poolings_that_are_declared_first(rng):
    x = T.tensor4("x")
    values = rng.normal(size=(1, 2, 4, 6)).astype("float32")
    expected = values.reshape(1, 2, 2, 2, 3, 2).max(axis=(3, 5))
    for y in (pool.Pool(True)(x, (2, 2)), downsample.DownsampleFactorMax((2, 2), True)(x)):
        np.testing.assert_array_equal(y.eval({x: values}), expected)


def test_all_but_the_maxima_are_zero(rng):
    x = T.tensor4("x")
    values = rng.normal(size=(1, 2, 4, 6)).astype("float32")
    largest = np.repeat(np.repeat(values.reshape(1, 2, 2, 2, 3, 2).max(axis=(3, 5)), 2, 2), 2, 3)
    same = downsample.max_pool_2d_same_size(x, (2, 2)).eval({x: values})
    np.testing.assert_array_equal(same, np.where(values == largest, values, 0))
