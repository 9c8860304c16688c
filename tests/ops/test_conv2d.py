"""Convolution as a symbolic operation: shapes, values, gradients, refusals."""

from __future__ import annotations

import itertools

import numpy as np
import pytensor.tensor as pt
import pytest
from pytensor.gradient import grad

from convnet_features.kernels.contract import Conv2DSpec
from convnet_features.ops import conv2d

from .. import reference
from ..graphs import compute
from ..helpers import assert_close, assert_derivative

GEOMETRIES = [
    {},
    {"stride": (2, 3)},
    {"padding": ((1, 2), (0, 3))},
    {"stride": (3, 2), "padding": ((2, 0), (1, 1)), "flip_filters": False},
    {"flip_filters": False},
    {"dilation": (2, 1), "padding": ((1, 1), (0, 0))},
]


def reference_options(geometry):
    return {"flip" if key == "flip_filters" else key: value for key, value in geometry.items()}


@pytest.mark.parametrize(
    ("x_shape", "w_shape", "expected"),
    [
        ((2, 3, 7, 11), (5, 3, 2, 4), (2, 5, 3, 4)),
        ((None, 3, 7, 11), (5, 3, 2, 4), (None, 5, 3, 4)),
        ((2, None, 7, 11), (5, None, 2, 4), (2, 5, 3, 4)),
        ((2, 3, None, 11), (5, 3, 2, 4), (2, 5, None, 4)),
        ((2, 3, 7, 11), (5, 3, 2, None), (2, 5, 3, None)),
        ((2, 3, 7, 11), (None, 3, 2, 4), (2, None, 3, 4)),
        ((2, 3, 1, 11), (5, 3, 9, 4), (2, 5, 0, 4)),
    ],
)
def test_shape_rule(x_shape, w_shape, expected):
    spec = Conv2DSpec((2, 3), ((0, 0), (1, 2)))
    assert spec.output_shape(x_shape, w_shape) == expected


@pytest.mark.parametrize("geometry", GEOMETRIES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_values(geometry, dtype, rng):
    x, w = rng.standard_normal((2, 3, 7, 11)), rng.standard_normal((5, 3, 2, 4))
    x, w = x.astype(dtype), w.astype(dtype)
    sx, sw = pt.tensor4(dtype=dtype), pt.tensor4(dtype=dtype)
    y = conv2d(sx, sw, **geometry)
    (value,) = compute([sx, sw], y, [x, w])
    assert_close(value, reference.conv2d(x, w, **reference_options(geometry)), dtype)
    assert y.type.dtype == dtype


def test_known_shapes_are_those_that_come_out(rng):
    for stride, pad in itertools.product([1, 2], [0, 1]):
        sx = pt.tensor4(shape=(2, 3, 7, 11), dtype="float64")
        sw = pt.tensor4(shape=(5, 3, 2, 4), dtype="float64")
        y = conv2d(sx, sw, stride=(stride, 1), padding=((pad, 0), (0, pad)))
        (value,) = compute([sx, sw], y, [rng.random(sx.type.shape), rng.random(sw.type.shape)])
        assert y.type.shape == value.shape


def test_mixed_dtypes_become_the_wider_one(rng):
    """float32 images with float64 filters are not computed in float32 behind the graph's back."""
    x = rng.standard_normal((2, 3, 7, 5)).astype("float32")
    w = rng.standard_normal((4, 3, 2, 3))
    for first, second in ((x, w), (x.astype("float64"), w.astype("float32"))):
        sx, sw = pt.tensor4(dtype=first.dtype), pt.tensor4(dtype=second.dtype)
        y = conv2d(sx, sw)
        value, gx, gw = compute([sx, sw], [y, *grad(y.sum(), [sx, sw])], [first, second])
        assert y.type.dtype == "float64"
        assert_close(value, reference.conv2d(first, second), "float64")
        expected = reference.conv2d_gradients(first, second, np.ones_like(value))
        assert_close(np.float64(gx), expected[0])
        assert_close(np.float64(gw), expected[1])


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_gradients(geometry, rng):
    x, w = rng.standard_normal((2, 3, 7, 11)), rng.standard_normal((5, 3, 2, 4))
    sx, sw = pt.dtensor4(), pt.dtensor4()
    loss = pt.sum(pt.sin(conv2d(sx, sw, **geometry)))
    gradients = compute([sx, sw], grad(loss, [sx, sw]), [x, w])
    assert_derivative(
        lambda *values: float(compute([sx, sw], loss, values)[0]), [x, w], gradients, rng
    )


def test_gradients_where_images_and_filters_are_used_twice(rng):
    """Each use adds its share."""
    x, w = rng.standard_normal((2, 3, 5, 4)), rng.standard_normal((3, 3, 3, 3))
    sx, sw = pt.dtensor4(), pt.dtensor4()
    once = conv2d(sx, sw, padding=((1, 1), (1, 1)))
    loss = pt.sum(pt.tanh(conv2d(once, sw, padding=((1, 1), (1, 1)))) * once * sx)
    gradients = compute([sx, sw], grad(loss, [sx, sw]), [x, w])
    assert_derivative(
        lambda *values: float(compute([sx, sw], loss, values)[0]), [x, w], gradients, rng
    )


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_second_derivatives(geometry, rng):
    x, w = rng.standard_normal((2, 2, 5, 6)), rng.standard_normal((3, 2, 2, 3))
    sx, sw = pt.dtensor4(), pt.dtensor4()
    gx, gw = grad(pt.sum(conv2d(sx, sw, **geometry) ** 3), [sx, sw])
    slope = pt.sum(pt.cos(gx)) + pt.sum(gw**2)
    second = compute([sx, sw], grad(slope, [sx, sw]), [x, w])
    assert_derivative(
        lambda *values: float(compute([sx, sw], slope, values)[0]), [x, w], second, rng
    )


def test_perform_is_the_portable_kernel(rng):
    """What PyTensor runs where our linker is not in charge."""
    x, w = rng.standard_normal((2, 3, 7, 5)), rng.standard_normal((4, 3, 2, 3))
    node = conv2d(pt.dtensor4(), pt.dtensor4(), stride=(2, 1)).owner
    storage = [[None]]
    node.op.perform(node, [x, w], storage)
    assert_close(storage[0][0], reference.conv2d(x, w, stride=(2, 1)), "float64")


def test_equal_specs_are_one_operation():
    x, w = pt.tensor4(), pt.tensor4()
    assert conv2d(x, w, stride=(2, 1)).owner.op == conv2d(x, w, stride=[2, 1]).owner.op
    assert conv2d(x, w, stride=(2, 1)).owner.op != conv2d(x, w, stride=(1, 2)).owner.op
    hash(conv2d(x, w, stride=[2, 1], padding=[[1, 0], [0, 1]]).owner.op)


class TestRefusals:
    def test_of_other_ranks(self):
        with pytest.raises(
            TypeError,
            match=r"conv2d: the images must be a 4-dimensional .* got 3 dimensions of float32",
        ):
            conv2d(pt.ftensor3(), pt.ftensor4())
        with pytest.raises(TypeError, match=r"conv2d: the filters must be .* got 2 dimensions"):
            conv2d(pt.ftensor4(), pt.fmatrix())

    def test_of_integers(self):
        with pytest.raises(TypeError, match="got 4 dimensions of int32"):
            conv2d(pt.itensor4(), pt.ftensor4())

    def test_of_other_channels(self):
        x, w = pt.tensor4(shape=(None, 3, 7, 7)), pt.tensor4(shape=(5, 2, 3, 3))
        with pytest.raises(
            ValueError, match="the images have 3 channels, and the filters are for 2"
        ):
            conv2d(x, w)

    @pytest.mark.parametrize("stride", [(0, 1), (1, -1), (1,), (1, 2, 3)])
    def test_of_strides(self, stride):
        with pytest.raises(
            ValueError, match=r"conv2d: stride must be two integers of at least 1; got"
        ):
            conv2d(pt.tensor4(), pt.tensor4(), stride=stride)

    @pytest.mark.parametrize("padding", [((-1, 0), (0, 0)), (1, 1), ((1, 1),)])
    def test_of_paddings(self, padding):
        with pytest.raises(
            ValueError,
            match=r"conv2d: padding must be \(\(top, bottom\), \(left, right\)\), .*; got",
        ):
            conv2d(pt.tensor4(), pt.tensor4(), padding=padding)
