"""Pooling as a symbolic operation: shapes, values, gradients, refusals."""

from __future__ import annotations

import numpy as np
import pytensor.tensor as pt
import pytest
from pytensor.gradient import grad

from convnet_features.kernels.contract import Pool2DSpec
from convnet_features.ops import pool2d

from .. import reference
from ..graphs import compute
from ..helpers import assert_close, assert_derivative

MODES = ["max", "sum", "average_inc_pad", "average_exc_pad"]
GEOMETRIES = [
    {"window": (2, 3)},
    {"window": (3, 2), "stride": (2, 1)},
    {"window": (2, 3), "stride": (3, 4)},
    {"window": (3, 3), "stride": (2, 2), "padding": (1, 2)},
    {"window": (3, 2), "stride": (2, 3), "ignore_border": False},
    {"window": (2, 2), "ignore_border": False},
]


def reference_options(geometry):
    return {"stride": geometry["window"], **geometry}


@pytest.mark.parametrize(
    ("spec", "shape", "expected"),
    [
        (Pool2DSpec((2, 2), (2, 2)), (None, 3, 7, 11), (None, 3, 3, 5)),
        (Pool2DSpec((2, 2), (2, 2)), (2, None, None, 11), (2, None, None, 5)),
        (Pool2DSpec((2, 2), (2, 2), ignore_border=False), (2, 3, 7, 11), (2, 3, 4, 6)),
        (Pool2DSpec((3, 3), (2, 2), padding=(1, 1)), (2, 3, 7, 11), (2, 3, 4, 6)),
        (Pool2DSpec((9, 3), (1, 1)), (2, 3, 7, 11), (2, 3, 0, 9)),
        (Pool2DSpec((9, 9), (1, 1), ignore_border=False), (2, 3, 7, 11), (2, 3, 1, 3)),
    ],
)
def test_shape_rule(spec, shape, expected):
    assert spec.output_shape(shape) == expected


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_values_and_shape(geometry, mode, rng):
    x = rng.standard_normal((2, 3, 7, 11))
    sx = pt.tensor4(dtype="float64", shape=x.shape)
    y = pool2d(sx, mode=mode, **geometry)
    (value,) = compute([sx], y, [x])
    assert_close(value, reference.pool2d(x, mode=mode, **reference_options(geometry)), "float64")
    assert y.type.shape == value.shape


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_gradient(geometry, mode, rng):
    x = rng.standard_normal((2, 3, 7, 8))
    sx = pt.dtensor4()
    loss = pt.sum(pt.sin(pool2d(sx, mode=mode, **geometry)))
    gradients = compute([sx], grad(loss, [sx]), [x])
    assert_derivative(lambda value: float(compute([sx], loss, [value])[0]), [x], gradients, rng)


def test_gradient_of_a_second_use(rng):
    x = rng.standard_normal((2, 3, 6, 8))
    sx = pt.dtensor4()
    loss = pt.sum(pool2d(sx, window=(2, 2)) * pool2d(sx**2, window=(2, 2), mode="sum"))
    gradients = compute([sx], grad(loss, [sx]), [x])
    assert_derivative(lambda value: float(compute([sx], loss, [value])[0]), [x], gradients, rng)


def test_of_equal_maxima_the_first_has_the_gradient(rng):
    x = rng.integers(0, 2, (2, 3, 7, 8)).astype("float64")
    gy = rng.standard_normal((2, 3, 3, 7))
    sx, weights = pt.dtensor4(), pt.dtensor4()
    loss = pt.sum(pool2d(sx, window=(3, 2), stride=(2, 1)) * weights)
    (gx,) = compute([sx, weights], grad(loss, [sx]), [x, gy])
    assert_close(gx, reference.pool2d_gradient(x, gy, (3, 2), (2, 1)), "float64")


@pytest.mark.parametrize("mode", MODES[1:])
def test_second_derivative_of_what_is_linear(mode, rng):
    x = rng.standard_normal((2, 3, 7, 8))
    sx = pt.dtensor4()
    (gx,) = grad(pt.sum(pool2d(sx, window=(2, 3), mode=mode) ** 3), [sx])
    slope = pt.sum(gx**2)
    second = compute([sx], grad(slope, [sx]), [x])
    assert_derivative(lambda value: float(compute([sx], slope, [value])[0]), [x], second, rng)


@pytest.mark.parametrize(
    "settings",
    [
        {"window": (2, 3)},
        {"window": (3, 2), "stride": (2, 1), "padding": (1, 1)},
        {"window": (3, 3), "stride": (2, 2), "ignore_border": False},
    ],
)
def test_second_and_third_derivatives_of_a_maximum(settings, rng):
    x = rng.permutation(2 * 3 * 7 * 8).reshape(2, 3, 7, 8) / 100
    sx = pt.dtensor4()
    slope = pt.sum(pool2d(sx, **settings) ** 4)
    for _ in range(2):
        (gx,) = grad(slope, [sx])
        slope = pt.sum(gx**2) / 100
        found = compute([sx], grad(slope, [sx]), [x])

        def cost(value, slope=slope):
            return float(compute([sx], slope, [value])[0])

        assert_derivative(cost, [x], found, rng)


class TestRefusals:
    def test_of_other_ranks(self):
        with pytest.raises(
            TypeError, match=r"pool2d: the images must be a 4-dimensional .* got 2 dim"
        ):
            pool2d(pt.fmatrix(), window=(2, 2))

    def test_of_padding_as_large_as_the_window(self):
        with pytest.raises(
            ValueError, match=r"padding \(0, 2\) must be smaller than the window \(2, 2\)"
        ):
            pool2d(pt.tensor4(), window=(2, 2), padding=(0, 2))

    def test_of_padding_without_ignore_border(self):
        with pytest.raises(
            ValueError, match=r"padding \(1, 1\) works only with ignore_border=True"
        ):
            pool2d(pt.tensor4(), window=(2, 2), padding=(1, 1), ignore_border=False)

    @pytest.mark.parametrize(
        "options",
        [
            {"window": (0, 2)},
            {"window": (2, 2), "stride": (0, 0)},
            {"window": (2,)},
            {"window": (2, 2), "stride": (-1, 1)},
        ],
    )
    def test_of_sizes(self, options):
        with pytest.raises(
            ValueError, match=r"pool2d: (window|stride) must be two integers of at least 1; got"
        ):
            pool2d(pt.tensor4(), **options)

    def test_of_negative_padding(self):
        with pytest.raises(
            ValueError, match=r"pool2d: padding must be two integers of at least 0; got"
        ):
            pool2d(pt.tensor4(), window=(2, 2), padding=(-1, 0))

    def test_of_modes(self):
        with pytest.raises(
            ValueError, match=r"pool2d: mode must be one of 'max', .*; got 'median'"
        ):
            pool2d(pt.tensor4(), window=(2, 2), mode="median")


def test_nan_is_the_maximum(rng):
    x = rng.standard_normal((1, 1, 4, 4))
    x[0, 0, 0, 0] = np.nan
    sx = pt.dtensor4()
    (value,) = compute([sx], pool2d(sx, window=(2, 2)), [x])
    assert np.isnan(value[0, 0, 0, 0])
    assert np.isfinite(value[0, 0, 1:]).all()
