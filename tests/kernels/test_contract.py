"""What every engine's kernels owe the Ops, tested on each of them against slow loops."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from convnet_features.kernels.contract import (
    ACTIVATIONS,
    Conv2DSpec,
    ConvStage,
    DenseStage,
    ElementwiseStage,
    MaskStage,
    NormStage,
    Pool2DSpec,
    PoolStage,
)

from .. import reference
from ..helpers import assert_close, assert_derivative, frozen, scattered
from ..stages import chain, chain_output_shape, learnt

DTYPES = ("float32", "float64")
MODES = ("max", "sum", "average_inc_pad", "average_exc_pad")
few = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

# (images, filters, stride, padding): every size differs from its neighbours.
CONVOLUTIONS = {
    "plain": ((2, 3, 7, 11), (5, 3, 4, 2), (1, 1), ((0, 0), (0, 0))),
    "strided": ((3, 2, 11, 13), (7, 2, 5, 3), (2, 3), ((0, 0), (0, 0))),
    "padded": ((2, 1, 5, 7), (3, 1, 3, 4), (1, 1), ((1, 2), (3, 0))),
    "both": ((3, 2, 7, 5), (2, 2, 2, 3), (3, 2), ((2, 0), (1, 4))),
    "stride beyond filter": ((2, 3, 7, 11), (5, 3, 1, 2), (2, 4), ((0, 1), (0, 0))),
    "1x1": ((3, 5, 2, 7), (11, 5, 1, 1), (1, 1), ((0, 0), (0, 0))),
    "filter as large as the image": ((2, 3, 5, 7), (11, 3, 5, 7), (1, 1), ((0, 0), (0, 0))),
    "wide": ((1, 2, 3, 71), (3, 2, 2, 3), (1, 1), ((1, 1), (1, 1))),
    "no samples": ((0, 3, 7, 11), (5, 3, 4, 2), (1, 1), ((0, 0), (0, 0))),
    "image smaller than filter": ((2, 3, 3, 11), (5, 3, 5, 2), (1, 1), ((0, 0), (0, 0))),
}

# (images, filters, stride, padding, flipped, groups, dilation)
GROUPED = {
    "two groups": ((2, 6, 7, 5), (4, 3, 3, 2), (1, 1), ((0, 0), (0, 0)), True, 2, (1, 1)),
    "depthwise": ((3, 5, 7, 6), (5, 1, 3, 3), (1, 1), ((1, 1), (1, 1)), False, 5, (1, 1)),
    "depthwise, strided": (
        (2, 16, 9, 8),
        (16, 1, 3, 3),
        (2, 2),
        ((1, 1), (1, 1)),
        False,
        16,
        (1, 1),
    ),
    "two filters a channel": (
        (2, 3, 5, 6),
        (6, 1, 2, 3),
        (1, 2),
        ((0, 1), (1, 0)),
        True,
        3,
        (1, 1),
    ),
    "groups of whole vectors": (
        (2, 64, 6, 6),
        (32, 32, 3, 3),
        (1, 1),
        ((1, 1), (1, 1)),
        False,
        2,
        (1, 1),
    ),
    "dilated": ((2, 3, 11, 9), (4, 3, 3, 2), (1, 1), ((2, 2), (1, 1)), True, 1, (2, 3)),
    "dilated, strided": ((2, 2, 12, 11), (3, 2, 3, 3), (2, 3), ((2, 1), (0, 4)), False, 1, (2, 2)),
    "dilated, of whole vectors": (
        (2, 16, 9, 9),
        (16, 16, 3, 3),
        (1, 1),
        ((2, 2), (2, 2)),
        False,
        1,
        (2, 2),
    ),
    "both": ((2, 4, 10, 11), (6, 2, 2, 3), (1, 2), ((1, 1), (2, 2)), True, 2, (3, 2)),
    "no samples": ((0, 4, 7, 9), (4, 1, 3, 3), (1, 1), ((0, 0), (0, 0)), True, 4, (2, 2)),
    "image smaller than filter": (
        (2, 4, 4, 9),
        (4, 2, 3, 3),
        (1, 1),
        ((0, 0), (0, 0)),
        True,
        2,
        (2, 2),
    ),
}

# (images, window, stride, padding, ignore_border)
POOLINGS = {
    "2x2": ((3, 2, 6, 8), (2, 2), (2, 2), (0, 0), True),
    "border dropped": ((2, 3, 7, 11), (2, 3), (2, 3), (0, 0), True),
    "border kept": ((2, 3, 7, 11), (2, 3), (2, 3), (0, 0), False),
    "overlapping": ((2, 3, 7, 11), (3, 5), (2, 1), (0, 0), True),
    "overlapping, border kept": ((2, 3, 8, 11), (3, 5), (2, 3), (0, 0), False),
    "gaps": ((3, 2, 7, 11), (2, 1), (3, 2), (0, 0), True),
    "gaps, border kept": ((3, 2, 7, 13), (2, 1), (3, 4), (0, 0), False),
    "padded": ((2, 3, 5, 7), (3, 2), (2, 2), (2, 1), True),
    "padded wide window": ((2, 3, 2, 3), (5, 4), (1, 2), (3, 3), True),
    "window larger than image": ((2, 3, 2, 5), (3, 2), (1, 1), (0, 0), True),
    "window larger, border kept": ((2, 3, 2, 5), (3, 7), (3, 7), (0, 0), False),
    "larger still, overlapping": ((2, 3, 2, 5), (4, 7), (1, 2), (0, 0), False),
    "no samples": ((0, 3, 7, 11), (2, 3), (2, 3), (0, 0), True),
}

_POOL2 = Pool2DSpec((2, 2), (2, 2))

# (stages, images, shapes of the parameters)
STACKS = {
    "seed network in small": (
        (
            ConvStage(Conv2DSpec()),
            PoolStage(_POOL2, "rectify"),
            ConvStage(Conv2DSpec()),
            PoolStage(_POOL2, "rectify"),
            DenseStage(activation="rectify"),
            DenseStage(),
        ),
        (11, 1, 14, 17),
        [(3, 1, 3, 4), (3,), (5, 3, 3, 2), (5,), (30, 7), (7,), (7, 2), (2,)],
    ),
    "rectified before pooling": (
        (ConvStage(Conv2DSpec(flip_filters=False), activation="rectify"), PoolStage(_POOL2)),
        (7, 2, 8, 11),
        [(3, 2, 3, 2), (3,)],
    ),
    "two activations around a maximum": (
        (ConvStage(Conv2DSpec(), activation="tanh"), PoolStage(_POOL2, "sigmoid")),
        (5, 2, 7, 8),
        [(3, 2, 2, 3), (3,)],
    ),
    "strided and padded, then pooled 3x2": (
        (
            ConvStage(Conv2DSpec((2, 1), ((1, 2), (0, 3))), bias=False, activation="tanh"),
            PoolStage(Pool2DSpec((3, 2), (3, 2))),
        ),
        (11, 3, 17, 9),
        [(5, 3, 3, 5)],
    ),
    "filters smaller than the pooling": (
        (ConvStage(Conv2DSpec()), PoolStage(Pool2DSpec((3, 4), (3, 4)), "sigmoid")),
        (7, 2, 7, 9),
        [(5, 2, 1, 1), (5,)],
    ),
    "border kept, overlapping, average": (
        (
            ConvStage(Conv2DSpec(), activation="rectify"),
            PoolStage(Pool2DSpec((2, 3), (2, 3), ignore_border=False)),
            ConvStage(Conv2DSpec(padding=((1, 1), (1, 1))), bias=False),
            PoolStage(Pool2DSpec((3, 3), (2, 2), (1, 1)), "tanh"),
            PoolStage(Pool2DSpec((2, 1), (1, 1), mode="average_exc_pad")),
        ),
        (3, 2, 8, 12),
        [(3, 2, 2, 2), (3,), (5, 3, 3, 3)],
    ),
    "dense of a matrix": (
        (DenseStage(activation="sigmoid"), DenseStage(bias=False, activation="tanh")),
        (23, 7),
        [(7, 5), (5,), (5, 3)],
    ),
    "dense of images": ((DenseStage(),), (2, 3, 5, 7), [(105, 11), (11,)]),
    "pooling alone": ((PoolStage(_POOL2, "tanh"),), (9, 3, 5, 7), []),
    "three convolutions": (
        (
            ConvStage(Conv2DSpec(padding=((1, 1), (1, 1))), activation="rectify"),
            ConvStage(Conv2DSpec((2, 2))),
            ConvStage(Conv2DSpec(), activation="sigmoid"),
        ),
        (13, 2, 9, 11),
        [(3, 2, 3, 3), (3,), (7, 3, 3, 3), (7,), (5, 7, 2, 3), (5,)],
    ),
    "grouped, dilated and pooled": (
        (
            ConvStage(Conv2DSpec(padding=((1, 1), (1, 1)))),
            ConvStage(Conv2DSpec(groups=4), activation="rectify"),
            ConvStage(Conv2DSpec(dilation=(2, 1)), bias=False),
            PoolStage(_POOL2, "rectify"),
            ConvStage(Conv2DSpec(groups=2, flip_filters=False)),
            DenseStage(),
        ),
        (7, 2, 12, 9),
        [(4, 2, 3, 3), (4,), (8, 1, 3, 2), (8,), (6, 8, 2, 3), (4, 3, 2, 2), (4,), (24, 3), (3,)],
    ),
    "depthwise, of whole vectors": (
        (
            ConvStage(Conv2DSpec(padding=((1, 1), (1, 1)), flip_filters=False)),
            ConvStage(
                Conv2DSpec(padding=((1, 1), (1, 1)), groups=16, flip_filters=False),
                activation="rectify",
            ),
            PoolStage(_POOL2),
        ),
        (3, 3, 8, 8),
        [(16, 3, 3, 3), (16,), (16, 1, 3, 3), (16,)],
    ),
    "functions": (
        (
            ConvStage(Conv2DSpec(), bias=False),
            ElementwiseStage("hard_swish", 1 / 6, 0.5),
            PoolStage(_POOL2),
            ElementwiseStage("elu", 0.75),
            DenseStage(),
            ElementwiseStage("gelu"),
        ),
        (11, 2, 7, 8),
        [(3, 2, 2, 3), (27, 5), (5,)],
    ),
    "masked": (
        (
            ConvStage(Conv2DSpec(), activation="rectify"),
            MaskStage(),
            PoolStage(_POOL2),
            MaskStage(),
            DenseStage(activation="tanh"),
            MaskStage(),
            DenseStage(),
        ),
        (11, 2, 7, 8),
        [(3, 2, 2, 3), (3,), (11, 3, 6, 6), (11, 3, 3, 3), (27, 5), (5,), (11, 5), (5, 2), (2,)],
    ),
    "normalised": (
        (
            ConvStage(Conv2DSpec(), bias=False),
            NormStage(1e-4, "rectify"),
            PoolStage(_POOL2),
            DenseStage(bias=False),
            NormStage(1e-3, "tanh"),
            DenseStage(),
        ),
        (11, 2, 7, 8),
        [(3, 2, 2, 3), (3,), (3,), (27, 5), (5,), (5,), (5, 2), (2,)],
    ),
    "normalised, then pooled and rectified": (
        (
            ConvStage(Conv2DSpec(padding=((1, 1), (1, 1))), bias=False),
            NormStage(1e-4),
            PoolStage(_POOL2, "rectify"),
            NormStage(1e-4),
            ConvStage(Conv2DSpec()),
        ),
        (5, 3, 6, 7),
        [(20, 3, 3, 3), (20,), (20,), (20,), (20,), (4, 20, 2, 2), (4,)],
    ),
    "normalised twice": (
        (NormStage(1e-4, "sigmoid"), NormStage(0.1)),
        (7, 3, 4, 5),
        [(3,), (3,), (3,), (3,)],
    ),
    "a normalised matrix": ((NormStage(1e-4, "rectify"),), (9, 5), [(5,), (5,)]),
    "mask alone": ((MaskStage(),), (5, 3, 2, 7), [(5, 3, 2, 7)]),
    "masked first": ((MaskStage(), DenseStage()), (11, 7), [(11, 7), (7, 5), (5,)]),
    "no samples": (
        (ConvStage(Conv2DSpec()), PoolStage(_POOL2, "rectify"), DenseStage()),
        (0, 2, 7, 9),
        [(3, 2, 2, 2), (3,), (36, 5), (5,)],
    ),
}


def of_table(table):
    return pytest.mark.parametrize("case", list(table.values()), ids=list(table))


def images(rng, shape, dtype="float64"):
    return rng.standard_normal(shape).astype(dtype)


def check_convolution(kernels, rng, x_shape, w_shape, *geometry, dtype):
    spec = Conv2DSpec(*geometry)
    kernel = kernels.conv2d(spec)
    x, w = images(rng, x_shape, dtype), images(rng, w_shape, dtype)
    y = kernel.forward(frozen(x), frozen(w))
    assert_close(y, reference.conv2d(x, w, *geometry), dtype)
    assert y.shape == spec.output_shape(x_shape, w_shape)
    gy = images(rng, y.shape, dtype)
    gx, gw = reference.conv2d_gradients(x, w, gy, *geometry)
    assert_close(kernel.grad_input(x.shape, frozen(w), frozen(gy)), gx, dtype)
    assert_close(kernel.grad_weights(frozen(x), w.shape, frozen(gy)), gw, dtype)


def check_pooling(kernels, rng, x, window, stride, padding, mode, ignore_border):
    arguments = (window, stride, padding, mode, ignore_border)
    spec = Pool2DSpec(*arguments)
    kernel = kernels.pool2d(spec)
    y = kernel.forward(frozen(x))
    assert_close(y, reference.pool2d(x, *arguments), x.dtype)
    assert y.shape == spec.output_shape(x.shape)
    gy = images(rng, y.shape, x.dtype)
    expected = reference.pool2d_gradient(x, gy, *arguments)
    assert_close(kernel.grad(frozen(x), frozen(gy)), expected, x.dtype)


class TestConvolution:
    @of_table(CONVOLUTIONS)
    @pytest.mark.parametrize("dtype", DTYPES)
    @pytest.mark.parametrize("flip", [True, False])
    def test_equals_loops(self, kernels, rng, case, dtype, flip):
        check_convolution(kernels, rng, *case, flip, dtype=dtype)

    @of_table(GROUPED)
    @pytest.mark.parametrize("dtype", DTYPES)
    def test_groups_and_dilation_equal_loops(self, kernels, rng, case, dtype):
        check_convolution(kernels, rng, *case, dtype=dtype)

    @few
    @given(data=st.data())
    def test_equals_loops_for_any_shape(self, kernels, data):
        small = st.integers(1, 4)
        filters, channels, *extent = data.draw(st.tuples(*[small] * 4), label="filters")
        groups = data.draw(st.integers(1, 3), label="groups")
        dilation = data.draw(st.tuples(*[st.integers(1, 2)] * 2), label="dilation")
        shape = (
            data.draw(small),
            channels * groups,
            *data.draw(st.tuples(*[st.integers(1, 7)] * 2)),
        )
        stride = data.draw(st.tuples(*[st.integers(1, 3)] * 2), label="stride")
        pair = st.tuples(*[st.integers(0, 2)] * 2)
        padding = data.draw(st.tuples(pair, pair), label="padding")
        flip, dtype = data.draw(st.booleans()), data.draw(st.sampled_from(DTYPES))
        rng = np.random.default_rng(7)
        w_shape = (filters * groups, channels, *extent)
        geometry = (stride, padding, flip, groups, dilation)
        check_convolution(kernels, rng, shape, w_shape, *geometry, dtype=dtype)

    @pytest.mark.parametrize("dtype", DTYPES)
    def test_any_strides(self, kernels, rng, dtype):
        spec = Conv2DSpec((1, 2), ((1, 0), (0, 2)))
        kernel = kernels.conv2d(spec)
        x, w = images(rng, (3, 2, 7, 11), dtype), images(rng, (5, 2, 3, 4), dtype)
        y = kernel.forward(scattered(x), scattered(w))
        assert_close(y, kernel.forward(x, w), dtype)
        gy = images(rng, y.shape, dtype)
        channels_last = np.ascontiguousarray(gy.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
        gx, gw = kernel.grad_input(x.shape, w, gy), kernel.grad_weights(x, w.shape, gy)
        for same in (scattered(gy), frozen(channels_last)):
            assert_close(kernel.grad_input(x.shape, scattered(w), same), gx, dtype)
            assert_close(kernel.grad_weights(scattered(x), w.shape, same), gw, dtype)

    def test_one_kernel_takes_any_size(self, kernels, rng):
        kernel = kernels.conv2d(Conv2DSpec())
        for size in (3, 7, 5):
            x, w = images(rng, (2, 3, size, 11), "float32"), images(rng, (5, 3, 2, 3), "float32")
            assert_close(kernel.forward(x, w), reference.conv2d(x, w), "float32")

    def test_large_image(self, kernels, rng):
        # More than a cache holds: the portable kernel divides it into bands of rows.
        x, w = images(rng, (1, 17, 71, 61), "float32"), images(rng, (11, 17, 3, 5), "float32")
        kernel = kernels.conv2d(Conv2DSpec((2, 1), ((1, 1), (0, 3)), False))
        y = kernel.forward(x, w)
        arguments = ((2, 1), ((1, 1), (0, 3)), False)
        assert_close(y, reference.conv2d(x, w, *arguments), "float32")
        gy = images(rng, y.shape, "float32")
        gx, gw = reference.conv2d_gradients(x, w, gy, *arguments)
        assert_close(kernel.grad_input(x.shape, w, gy), gx, "float32")
        assert_close(kernel.grad_weights(x, w.shape, gy), gw, "float32")

    def test_gradients_are_differences(self, kernels, rng):
        kernel = kernels.conv2d(Conv2DSpec((2, 1), ((1, 0), (2, 1))))
        x, w = images(rng, (2, 3, 7, 5)), images(rng, (5, 3, 3, 2))
        gy = images(rng, kernel.forward(x, w).shape)
        gradients = [kernel.grad_input(x.shape, w, gy), kernel.grad_weights(x, w.shape, gy)]
        assert_derivative(
            lambda x, w: float(np.sum(kernel.forward(x, w) * gy)), [x, w], gradients, rng
        )


class TestPooling:
    @of_table(POOLINGS)
    @pytest.mark.parametrize("mode", MODES)
    @pytest.mark.parametrize("dtype", DTYPES)
    def test_equals_theano(self, kernels, rng, case, mode, dtype):
        shape, window, stride, padding, ignore_border = case
        x = images(rng, shape, dtype)
        check_pooling(kernels, rng, x, window, stride, padding, mode, ignore_border)

    @few
    @given(data=st.data())
    def test_equals_theano_for_any_shape(self, kernels, data):
        window = data.draw(st.tuples(*[st.integers(1, 4)] * 2), label="window")
        stride = data.draw(st.tuples(*[st.integers(1, 5)] * 2), label="stride")
        ignore_border = data.draw(st.booleans(), label="ignore_border")
        padding = tuple(
            data.draw(st.integers(0, extent - 1)) if ignore_border else 0 for extent in window
        )
        mode, dtype = data.draw(st.sampled_from(MODES)), data.draw(st.sampled_from(DTYPES))
        rng = np.random.default_rng(11)
        # Few different values: ties in nearly every window.
        size = data.draw(st.tuples(*[st.integers(1, 7)] * 2), label="size")
        x = rng.integers(-1, 2, (2, 3, *size)).astype(dtype)
        check_pooling(kernels, rng, x, window, stride, padding, mode, ignore_border)

    @pytest.mark.parametrize("dtype", DTYPES)
    def test_first_of_equal_maxima_has_the_gradient(self, kernels, dtype):
        x = np.array([[3, 3, 1, 2], [3, 1, 2, 2], [0, 0, -1, -5], [0, 0, -5, -1]], dtype)
        gx = kernels.pool2d(_POOL2).grad(x[None, None], np.array([[[[5, 7], [11, 13]]]], dtype))
        expected = [[5, 0, 0, 7], [0, 0, 0, 0], [11, 0, 13, 0], [0, 0, 0, 0]]
        np.testing.assert_array_equal(gx[0, 0], expected)

    @pytest.mark.parametrize("padding", [(0, 0), (1, 1)])
    def test_minus_infinity_is_a_maximum_too(self, kernels, padding):
        kernel = kernels.pool2d(Pool2DSpec((2, 2), (2, 2), padding))
        x = np.full((2, 3, 4, 6), -np.inf, "float32")
        y = kernel.forward(x)
        assert (y == -np.inf).all()
        assert kernel.grad(x, np.ones_like(y)).sum() == y.size

    @pytest.mark.parametrize("dtype", DTYPES)
    @pytest.mark.parametrize("mode", MODES)
    def test_nan_propagates(self, kernels, rng, mode, dtype):
        x = images(rng, (2, 3, 4, 6), dtype)
        for n, place in enumerate(np.ndindex(2, 2)):
            x[n % 2, n % 3, 2 + place[0], 4 + place[1]] = np.nan
        y = kernels.pool2d(Pool2DSpec((2, 2), (2, 2), mode=mode)).forward(x)
        expected = np.isnan(x.reshape(2, 3, 2, 2, 3, 2)).any(axis=(3, 5))
        np.testing.assert_array_equal(np.isnan(y), expected)

    @pytest.mark.parametrize("mode", MODES)
    @pytest.mark.parametrize("dtype", DTYPES)
    def test_any_strides(self, kernels, rng, mode, dtype):
        kernel = kernels.pool2d(Pool2DSpec((3, 2), (2, 2), mode=mode))
        x = images(rng, (3, 2, 7, 11), dtype)
        gy = images(rng, (3, 2, 3, 5), dtype)
        y, gx = kernel.forward(x), kernel.grad(x, gy)
        channels_last = np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
        for same in (scattered(x), frozen(channels_last)):
            assert_close(kernel.forward(same), y, dtype)
            assert_close(kernel.grad(same, scattered(gy)), gx, dtype)

    @pytest.mark.parametrize("mode", MODES)
    def test_gradient_is_a_difference(self, kernels, rng, mode):
        kernel = kernels.pool2d(Pool2DSpec((3, 2), (2, 1), (1, 0), mode))
        x = images(rng, (2, 3, 7, 5))
        gy = images(rng, kernel.forward(x).shape)
        assert_derivative(
            lambda x: float(np.sum(kernel.forward(x) * gy)), [x], [kernel.grad(x, gy)], rng
        )


def stack_arguments(rng, x_shape, shapes, dtype="float64"):
    return images(rng, x_shape, dtype), [0.5 * images(rng, shape, dtype) for shape in shapes]


class TestStack:
    @of_table(STACKS)
    @pytest.mark.parametrize("dtype", DTYPES)
    def test_equals_its_stages(self, kernels, rng, case, dtype):
        stages, x_shape, shapes = case
        x, params = stack_arguments(rng, x_shape, shapes, dtype)
        kernel = chain(kernels, stages)
        expected = reference.stack(stages, x, params)
        assert expected.shape == chain_output_shape(stages, x_shape, shapes)
        assert_close(kernel.forward(frozen(x), [frozen(p) for p in params]), expected, dtype)
        y, _ = kernel.forward_training(frozen(x), [frozen(p) for p in params])
        assert_close(y, expected, dtype)

    @pytest.mark.parametrize("dtype", DTYPES)
    @pytest.mark.parametrize("mean", [0, 30])
    def test_statistics_of_normalisations(self, kernels, rng, dtype, mean):
        stages = (NormStage(1e-2, "rectify"), PoolStage(_POOL2), NormStage(1e-4))
        x = mean + images(rng, (9, 17, 6, 5), dtype)
        params = [images(rng, (17,), dtype) for _ in range(4)]
        kernel = chain(kernels, stages)
        _, workspace = kernel.forward_training(x, params)
        found = kernel.statistics(workspace)
        first = reference.batch_norm(x, *params[:2], 1e-2)
        inner = reference.stack(stages[:2], x, params[:2])
        second = reference.batch_norm(inner, *params[2:], 1e-4)
        for mine, expected in zip(found, [*first[1:], *second[1:]], strict=True):
            assert mine.dtype == dtype
            np.testing.assert_allclose(mine, expected, rtol=1e-9 if dtype == "float64" else 1e-4)

    def test_other_stacks_have_no_statistics(self, kernels, rng):
        stages, x_shape, shapes = STACKS["dense of a matrix"]
        x, params = stack_arguments(rng, x_shape, shapes, "float32")
        kernel = chain(kernels, stages)
        assert kernel.statistics(kernel.forward_training(x, params)[1]) == []

    @of_table({name: case for name, case in STACKS.items() if name != "no samples"})
    def test_gradients_are_differences(self, kernels, rng, case):
        stages, x_shape, shapes = case
        x, params = stack_arguments(rng, x_shape, shapes)
        kernel = chain(kernels, stages)
        y, workspace = kernel.forward_training(x, params)
        gy = images(rng, y.shape)
        gx, gradients = kernel.backward(workspace, x, params, y, gy, True)
        assert len(gradients) == sum(learnt(stages))

        def value(x, *learnable):
            given = iter(learnable)
            each = zip(params, learnt(stages), strict=True)
            return float(
                np.sum(kernel.forward(x, [next(given) if own else p for p, own in each]) * gy)
            )

        inputs = [x, *itertools.compress(params, learnt(stages))]
        assert_derivative(value, inputs, [gx, *gradients], rng)

    @of_table(STACKS)
    def test_float32_gradients_equal_float64_ones(self, kernels, rng, case):
        stages, x_shape, shapes = case
        x, params = stack_arguments(rng, x_shape, shapes, "float32")
        kernel = chain(kernels, stages)
        results = []
        for dtype in DTYPES:
            mine, of_mine = x.astype(dtype), [p.astype(dtype) for p in params]
            y, workspace = kernel.forward_training(mine, of_mine)
            gy = np.random.default_rng(3).uniform(-1, 1, y.shape).astype(dtype)
            gx, gradients = kernel.backward(workspace, mine, of_mine, y, gy, True)
            results.append([gx, *gradients])
        for single, double in zip(*results, strict=True):
            assert_close(single, double, "float32")

    @of_table(STACKS)
    @pytest.mark.parametrize("dtype", DTYPES)
    def test_input_gradient_only_where_asked(self, kernels, rng, case, dtype):
        stages, x_shape, shapes = case
        x, params = stack_arguments(rng, x_shape, shapes, dtype)
        kernel = chain(kernels, stages)
        results = []
        for input_grad in (True, False):
            y, workspace = kernel.forward_training(x, params)
            results.append(kernel.backward(workspace, x, params, y, np.ones_like(y), input_grad))
        (gx, gradients), (nothing, same) = results
        assert nothing is None
        assert gx.shape == x.shape
        assert gx.dtype == x.dtype
        learnable = itertools.compress(params, learnt(stages))
        for one, other, param in zip(gradients, same, learnable, strict=True):
            assert one.shape == param.shape
            assert_close(other, one, dtype)

    @pytest.mark.parametrize("name", ["seed network in small", "border kept, overlapping, average"])
    @pytest.mark.parametrize("dtype", DTYPES)
    def test_any_strides(self, kernels, rng, name, dtype):
        stages, x_shape, shapes = STACKS[name]
        x, params = stack_arguments(rng, x_shape, shapes, dtype)
        kernel = chain(kernels, stages)

        def results(of):
            given_x, given_params = of(x), [of(p) for p in params]
            y, workspace = kernel.forward_training(given_x, given_params)
            gy = np.random.default_rng(5).uniform(-1, 1, y.shape).astype(dtype)
            gx, gradients = kernel.backward(workspace, given_x, given_params, y, of(gy), True)
            return [y, gx, *gradients]

        for one, other in zip(results(scattered), results(frozen), strict=True):
            assert_close(one, other, dtype)

    def test_ties_go_to_the_first_maximum(self, kernels):
        # Filters of one weight on images of equal numbers: every window is a tie.
        stages = (ConvStage(Conv2DSpec()), PoolStage(_POOL2))
        x = np.ones((5, 1, 4, 6), "float32")
        params = [np.full((1, 1, 1, 1), 2, "float32"), np.zeros(1, "float32")]
        kernel = chain(kernels, stages)
        y, workspace = kernel.forward_training(x, params)
        gx, _ = kernel.backward(workspace, x, params, y, np.ones_like(y), True)
        expected = np.zeros_like(x)
        expected[:, :, ::2, ::2] = 2
        np.testing.assert_array_equal(gx, expected)

    @pytest.mark.parametrize("n_samples", [1, 2, 3, 4, 7, 8, 33, 67, 130])
    def test_any_number_of_samples(self, kernels, rng, n_samples):
        stages, (_, *sample), shapes = STACKS["seed network in small"]
        x, params = stack_arguments(rng, (n_samples, *sample), shapes, "float32")
        kernel = chain(kernels, stages)
        y, workspace = kernel.forward_training(x, params)
        gx, gradients = kernel.backward(workspace, x, params, y, np.ones_like(y), True)
        alone = [kernel.forward_training(x[n : n + 1], params) for n in range(n_samples)]
        assert_close(y, np.concatenate([of_one for of_one, _ in alone]), "float32")
        backward = [
            kernel.backward(saved, x[n : n + 1], params, of_one, np.ones_like(of_one), True)
            for n, (of_one, saved) in enumerate(alone)
        ]
        assert_close(gx, np.concatenate([of_one for of_one, _ in backward]), "float32")
        for gradient, *of_samples in zip(gradients, *(g for _, g in backward), strict=True):
            assert_close(gradient, np.sum(of_samples, axis=0, dtype="float64"), "float32")

    def test_same_bits_again_and_from_several_threads(self, kernels, rng):
        stages, (_, *sample), shapes = STACKS["seed network in small"]
        x, params = stack_arguments(rng, (67, *sample), shapes, "float32")
        kernel = chain(kernels, stages)

        def results(_):
            y, workspace = kernel.forward_training(x, params)
            gx, gradients = kernel.backward(workspace, x, params, y, y, True)
            return [kernel.forward(x, params), y, gx, *gradients]

        first = results(None)
        with ThreadPoolExecutor(3) as pool:
            for other in pool.map(results, range(12)):
                for one, same in zip(first, other, strict=True):
                    np.testing.assert_array_equal(one, same)

    def test_forward_passes_may_overlap(self, kernels, rng):
        stages, x_shape, shapes = STACKS["seed network in small"]
        x, params = stack_arguments(rng, x_shape, shapes)
        kernel = chain(kernels, stages)

        def backward(x, y, workspace):
            return kernel.backward(workspace, x, params, y, np.ones_like(y), True)

        alone = [backward(each, *kernel.forward_training(each, params)) for each in (x, -x)]
        begun = [kernel.forward_training(each, params) for each in (x, -x)]
        overlapping = [backward(each, *passed) for each, passed in zip((x, -x), begun, strict=True)]
        for (gx, gradients), (same, others) in zip(alone, overlapping, strict=True):
            for one, other in zip([gx, *gradients], [same, *others], strict=True):
                np.testing.assert_array_equal(one, other)


class TestMatrices:
    @pytest.mark.parametrize("dtype", DTYPES)
    @pytest.mark.parametrize("shapes", [((2, 3), (3, 7)), ((11, 1), (1, 2)), ((0, 3), (3, 2))])
    def test_dot(self, kernels, rng, shapes, dtype):
        a, b = (images(rng, shape, dtype) for shape in shapes)
        expected = reference.dense(a, b)
        assert_close(kernels.dot(frozen(a), frozen(b)), expected, dtype)
        assert_close(kernels.dot(scattered(a), scattered(b)), expected, dtype)

    def test_dot_without_inner_entries(self, kernels):
        assert_close(kernels.dot(np.zeros((2, 0)), np.zeros((0, 3))), np.zeros((2, 3)))

    @pytest.mark.parametrize("dtype", DTYPES)
    @pytest.mark.parametrize("name", ["softmax", "log_softmax"])
    @pytest.mark.parametrize("shape", [(7, 3), (2, 11), (3, 1)])
    def test_softmax(self, kernels, rng, shape, name, dtype):
        x = 3 * images(rng, shape, dtype)
        expected = getattr(reference, name)(x)
        assert_close(getattr(kernels, name)(frozen(x)), expected, dtype)
        assert_close(getattr(kernels, name)(scattered(x)), expected, dtype)

    @pytest.mark.parametrize("dtype", DTYPES)
    def test_softmax_of_huge_logits(self, kernels, dtype):
        x = np.array([[1000, -1000, 0], [-1000, -1000, -1000], [-1000, 999, 1000]], dtype)
        y = kernels.softmax(x)
        assert_close(y, [[1, 0, 0], [1 / 3] * 3, [0, 1 / (np.e + 1), np.e / (np.e + 1)]], dtype)
        log = kernels.log_softmax(x)
        assert np.isfinite(log).all()
        assert_close(log[0], [0, -2000, -1000], dtype)
        assert_close(log[1], [-np.log(3)] * 3, dtype)

    @pytest.mark.parametrize("dtype", DTYPES)
    def test_softmax_of_no_rows(self, kernels, dtype):
        for function in (kernels.softmax, kernels.log_softmax):
            assert_close(function(np.zeros((0, 3), dtype)), np.zeros((0, 3)), dtype)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_activations_stay_finite(kernels, activation, dtype):
    x = np.array([[-1000, -90, -1, 0, 1, 90, 1000]], dtype).T
    kernel = chain(kernels, (DenseStage(bias=False, activation=activation),))
    w = np.ones((1, 1), dtype)
    y, workspace = kernel.forward_training(x, [w])
    assert_close(y, reference.activation(x, activation), dtype)
    gx, _ = kernel.backward(workspace, x, [w], y, np.ones_like(y), True)
    assert np.isfinite(gx).all()


FUNCTIONS = (
    ElementwiseStage("clip", -1.5, 2.0),
    ElementwiseStage("clip", -np.inf, 0.25),
    ElementwiseStage("elu", 0.75),
    ElementwiseStage("gelu"),
    ElementwiseStage("gelu_tanh"),
    ElementwiseStage("hard_sigmoid", 0.2, 0.5),
    ElementwiseStage("hard_swish", 1 / 6, 0.5),
    ElementwiseStage("leaky_rectify", 0.1),
    ElementwiseStage("leaky_rectify", -2.0),
    ElementwiseStage("mish"),
    ElementwiseStage("swish"),
)


@pytest.mark.parametrize("stage", FUNCTIONS, ids=str)
@pytest.mark.parametrize("dtype", DTYPES)
def test_functions_equal_closed_forms(kernels, stage, dtype):
    x = np.array([[-80, -9, -2.7, -1, -0.3, 0.1, 0.6, 2.2, 3.7, 11, 80]], dtype).T
    kernel, w = chain(kernels, (DenseStage(bias=False), stage)), np.ones((1, 1), dtype)
    right = reference.function(x, stage.function, stage.alpha, stage.beta)
    y, workspace = kernel.forward_training(x, [w])
    for found in (y, kernel.forward(x, [w]), kernel.prepare([w])(x)):
        assert found.dtype == dtype
        assert_close(found, right, dtype)
    gx, _ = kernel.backward(workspace, x, [w], y, np.ones_like(y), True)
    before, after = (
        reference.function(np.float64(x) + step, stage.function, stage.alpha, stage.beta)
        for step in (-1e-5, 1e-5)
    )
    np.testing.assert_allclose(gx, (after - before) / 2e-5, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("stage", FUNCTIONS, ids=str)
def test_functions_grow_as_they_say(stage):
    slope, offset = stage.growth
    x = np.concatenate([-np.logspace(-3, 2, 50), [0], np.logspace(-3, 2, 50)])
    found = reference.function(x, stage.function, stage.alpha, stage.beta)
    assert (abs(found) <= slope * abs(x) + offset + 1e-12).all()
    assert (found[50] == 0) == stage.keeps_zero


def test_clearing_caches_changes_no_result(kernels, rng):
    kernel = kernels.conv2d(Conv2DSpec())
    x, w = images(rng, (2, 3, 7, 5), "float32"), images(rng, (2, 3, 3, 2), "float32")
    before = kernel.forward(x, w)
    kernels.clear_caches()
    np.testing.assert_array_equal(kernel.forward(x, w), before)
