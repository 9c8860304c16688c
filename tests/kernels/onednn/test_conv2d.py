"""Convolutions and poolings on their own: the layouts of what comes and goes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convnet_features.kernels.contract import (
    Conv2DSpec,
    Pool2DSpec,
)
from convnet_features.kernels.onednn.conv2d import OneDNNConv2D
from convnet_features.kernels.onednn.pool2d import OneDNNPool2D
from convnet_features.kernels.onednn.program.buffers import BufferPool
from convnet_features.kernels.onednn.program.program_cache import ProgramCache
from convnet_features.kernels.portable import PortableKernels

from ...helpers import scattered
from .examples import POOL, Forbidden, arrays, channels_last, integers

pytestmark = pytest.mark.onednn


class TestImages:
    def test_channels_last_in_and_out(self, programs, rng):
        """Nothing is copied on the way from one kernel to the next."""
        conv = OneDNNConv2D(Conv2DSpec(), programs, Forbidden())
        pool = OneDNNPool2D(POOL, programs, Forbidden())
        x, w = arrays(rng, [(3, 2, 8, 10), (5, 2, 3, 3)])
        y = conv.forward(channels_last(x), w)
        assert y.transpose(0, 2, 3, 1).flags.c_contiguous
        z = pool.forward(y)
        assert z.transpose(0, 2, 3, 1).flags.c_contiguous
        gy = pool.grad(y, np.ones_like(z))
        assert gy.transpose(0, 2, 3, 1).flags.c_contiguous
        gx = conv.grad_input(x.shape, w, gy)
        assert gx.transpose(0, 2, 3, 1).flags.c_contiguous
        assert conv.grad_weights(x, w.shape, gy).flags.c_contiguous

    def test_pooling_keeps_plain_images_plain(self, programs, rng):
        pool = OneDNNPool2D(POOL, programs, Forbidden())
        (x,) = arrays(rng, [(3, 2, 8, 10)])
        assert pool.forward(x).flags.c_contiguous
        assert pool.grad(x, np.ones((3, 2, 4, 5), "float32")).flags.c_contiguous

    @settings(max_examples=25, deadline=None)
    @given(data=st.data())
    def test_layouts_change_no_number(self, primitives, data):
        rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
        programs = ProgramCache(primitives, BufferPool())
        x_shape = data.draw(st.tuples(*(st.integers(1, limit) for limit in (4, 20, 9, 8))))
        window = tuple(data.draw(st.integers(1, size)) for size in x_shape[2:])
        spec = Conv2DSpec(
            data.draw(st.tuples(st.integers(1, 4), st.integers(1, 4))),
            data.draw(st.tuples(*[st.tuples(st.integers(0, 3), st.integers(0, 3))] * 2)),
            data.draw(st.booleans()),
        )
        w_shape = (data.draw(st.integers(1, 20)), x_shape[1], *window)
        kernel = OneDNNConv2D(spec, programs, PortableKernels().conv2d(spec))
        portable = PortableKernels().conv2d(spec)
        x, w = integers(rng, x_shape), integers(rng, w_shape)
        gy = integers(rng, spec.output_shape(x_shape, w_shape))
        for layout in (np.ascontiguousarray, channels_last, scattered):
            mine, of_mine = layout(x), layout(gy)
            np.testing.assert_array_equal(kernel.forward(mine, w), portable.forward(x, w))
            np.testing.assert_array_equal(
                kernel.grad_input(x_shape, w, of_mine), portable.grad_input(x_shape, w, gy)
            )
            np.testing.assert_array_equal(
                kernel.grad_weights(mine, w_shape, of_mine), portable.grad_weights(x, w_shape, gy)
            )

    @pytest.mark.parametrize("stride", [40_000, 2**40])
    def test_absurd_numbers_are_left_to_the_portable_kernels(self, programs, stride):
        """oneDNN would compute with them in 32 bits."""
        x, w = np.ones((2, 3, 5, 7), "float32"), np.ones((4, 3, 2, 2), "float32")
        spec = Conv2DSpec((stride, 1))
        y = OneDNNConv2D(spec, programs, PortableKernels().conv2d(spec)).forward(x, w)
        np.testing.assert_array_equal(y, np.full((2, 4, 1, 6), 12))
        spec = Pool2DSpec((2, 2), (stride, 2))
        pooled = OneDNNPool2D(spec, programs, PortableKernels().pool2d(spec)).forward(x)
        np.testing.assert_array_equal(pooled, np.ones((2, 3, 1, 3)))
