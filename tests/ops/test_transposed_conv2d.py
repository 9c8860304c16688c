"""Transposed convolution: shapes, values and gradients, on every engine."""

from __future__ import annotations

import numpy as np
import pytensor.tensor as pt
import pytest
from pytensor.gradient import grad

from convnet_features.kernels.contract import Conv2DSpec
from convnet_features.ops import transposed_conv2d

from .. import reference
from ..graphs import compute
from ..helpers import assert_close, assert_derivative

GEOMETRIES = {
    "plain": {},
    "strided": {"stride": (2, 3)},
    "cut": {"padding": ((1, 0), (0, 2))},
    "of a correlation": {"flip_filters": False, "stride": (3, 2), "padding": ((1, 1), (1, 1))},
    "larger": {"stride": (3, 4), "extra": (1, 3)},
    "dilated": {"dilation": (2, 3), "stride": (2, 1)},
    "groups": {"groups": 2, "stride": (2, 2)},
}


def filters_for(geometry):
    return (4, 6 // geometry.get("groups", 1), 2, 3)


def expected(x, w, stride=(1, 1), padding=((0, 0), (0, 0)), extra=(0, 0), **others):
    """By the product rule, from the convolution that would make x of it."""
    options = {"flip" if key == "flip_filters" else key: value for key, value in others.items()}
    apart = others.get("dilation", (1, 1))
    sizes = [
        (x.shape[2 + k] - 1) * stride[k]
        + (w.shape[2 + k] - 1) * apart[k]
        + 1
        + extra[k]
        - sum(padding[k])
        for k in (0, 1)
    ]
    images = np.zeros((len(x), w.shape[1] * others.get("groups", 1), *sizes))
    return reference.conv2d_gradients(images, w, x, stride, padding, **options)[0]


@pytest.mark.parametrize("engine", ["portable", "auto"])
@pytest.mark.parametrize("name", GEOMETRIES)
def test_values(name, engine, rng):
    geometry = GEOMETRIES[name]
    x = rng.standard_normal((3, 4, 5, 7)).astype("float32")
    w = rng.standard_normal(filters_for(geometry)).astype("float32")
    sx, sw = pt.ftensor4(), pt.ftensor4()
    y = transposed_conv2d(sx, sw, **geometry)
    (value,) = compute([sx, sw], y, [x, w], engine=engine)
    assert_close(value, expected(x, w, **geometry), "float32")


@pytest.mark.parametrize("name", GEOMETRIES)
def test_known_shape_is_the_one_that_comes_out(name, rng):
    geometry = GEOMETRIES[name]
    x, w = rng.random((3, 4, 5, 7)), rng.random(filters_for(geometry))
    sx, sw = pt.tensor4(shape=x.shape, dtype="float64"), pt.tensor4(shape=w.shape, dtype="float64")
    y = transposed_conv2d(sx, sw, **geometry)
    (value,) = compute([sx, sw], y, [x, w])
    assert y.type.shape == value.shape
    assert y.type.dtype == value.dtype == "float64"


@pytest.mark.parametrize("name", GEOMETRIES)
def test_gradients(name, rng):
    geometry = GEOMETRIES[name]
    x, w = rng.standard_normal((2, 4, 3, 4)), rng.standard_normal(filters_for(geometry))
    sx, sw = pt.dtensor4(), pt.dtensor4()
    loss = pt.sum(pt.sin(transposed_conv2d(sx, sw, **geometry)))
    gradients = compute([sx, sw], grad(loss, [sx, sw]), [x, w])
    assert_derivative(
        lambda *values: float(compute([sx, sw], loss, values)[0]), [x, w], gradients, rng
    )


@pytest.mark.jax
@pytest.mark.parametrize("name", GEOMETRIES)
def test_jax(name, rng):
    pytest.importorskip("jax")
    geometry = GEOMETRIES[name]
    x = rng.standard_normal((3, 4, 5, 7)).astype("float32")
    w = rng.standard_normal(filters_for(geometry)).astype("float32")
    sx, sw = pt.ftensor4(), pt.ftensor4()
    y = transposed_conv2d(sx, sw, **geometry)
    outputs = [y, *grad(pt.sum(y**2), [sx, sw])]
    ours, theirs = (compute([sx, sw], outputs, [x, w], engine=e) for e in ("portable", "jax"))
    for mine, other in zip(ours, theirs, strict=True):
        assert_close(np.asarray(other), mine, "float32")


def test_shape_rule_leads_back():
    for stride, pads, dilation, extra in [((2, 3), ((1, 0), (2, 2)), (1, 2), (1, 2))]:
        spec = Conv2DSpec(stride, pads, dilation=dilation)
        images = spec.input_shape((2, 5, 4, None), (5, 3, 3, 2), extra)
        assert images == (2, 3, 3 * 2 + 3 - 1 + 1, None)
        images = spec.input_shape((2, 5, 4, 6), (5, 3, 3, 2), extra)
        assert spec.output_shape(images, (5, 3, 3, 2)) == (2, 5, 4, 6)


class TestRefusals:
    def test_of_other_channels(self):
        with pytest.raises(
            ValueError, match="the images have 4 channels, and the filters are for 5"
        ):
            transposed_conv2d(pt.tensor4(shape=(2, 4, 3, 3)), pt.tensor4(shape=(5, 4, 3, 3)))

    def test_of_more_than_a_stride(self):
        with pytest.raises(
            ValueError, match=r"extra=\(2, 0\) must be smaller than stride=\(2, 1\)"
        ):
            transposed_conv2d(pt.tensor4(), pt.tensor4(), stride=(2, 1), extra=(2, 0))

    def test_of_cutting_everything_off(self):
        x, w = pt.tensor4(shape=(2, 4, 1, 1)), pt.tensor4(shape=(4, 4, 3, 3))
        with pytest.raises(
            ValueError, match=r"images of 1x1 pixels, filters of 3x3 .* nothing is left"
        ):
            transposed_conv2d(x, w, padding=((2, 2), (0, 0)))

    def test_of_other_ranks(self):
        with pytest.raises(
            TypeError, match="transposed_conv2d: the filters must be a 4-dimensional"
        ):
            transposed_conv2d(pt.tensor4(), pt.tensor3())
