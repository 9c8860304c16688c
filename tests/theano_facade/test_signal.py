"""theano.tensor.signal: pooling by its old and its new names."""

from __future__ import annotations

import numpy as np
import pytest
import theano.tensor as T
from theano.tensor.signal import downsample, pool

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
    ],
)
def test_pool_2d_refuses(arguments, error, text):
    with pytest.raises(error, match=f"pool_2d: .*{text}"):
        pool.pool_2d(T.tensor4(), **arguments)


def test_a_vector_cannot_be_pooled():
    with pytest.raises(NotImplementedError, match="two dimensions or more; got 1"):
        pool.pool_2d(T.vector(), 2)
