"""Theano's names for a GPU, computed without one."""

from __future__ import annotations

import numpy as np
import pytest
import theano.gpuarray.basic_ops
import theano.sandbox.cuda.basic_ops
import theano.tensor as T
from theano.gpuarray import dnn
from theano.sandbox.cuda import dnn as dnn_of_2015

from tests import reference
from tests.helpers import assert_close


@pytest.mark.parametrize("conv_mode", ["conv", "cross"])
def test_convolution(conv_mode, rng):
    """As programs that draw images with networks call it."""
    x, w = T.dtensor4("x"), T.dtensor4("w")
    images, filters = rng.normal(size=(2, 3, 7, 6)), rng.normal(size=(4, 3, 3, 3))
    flip = conv_mode == "conv"
    expected = reference.conv2d(images, filters, (2, 2), ((1, 1), (1, 1)), flip)
    for y in (
        dnn.dnn_conv(x, w, border_mode=(1, 1), subsample=(2, 2), conv_mode=conv_mode),
        dnn_of_2015.dnn_conv(x, w, "half", (2, 2), conv_mode),
    ):
        assert_close(y.eval({x: images, w: filters}), expected, "float64")


def test_volumes(rng):
    x, w = T.dtensor5("x"), T.dtensor5("w")
    volumes, filters = rng.normal(size=(1, 2, 1, 7, 6)), rng.normal(size=(4, 2, 1, 3, 2))
    expected = reference.conv2d(volumes[:, :, 0], filters[:, :, 0])[:, :, None]
    y = dnn.dnn_conv3d(x, w)
    assert_close(y.eval({x: volumes, w: filters}), expected, "float64")
    pooled = dnn.dnn_pool(y, (1, 2, 2), stride=(1, 2, 2)).eval({x: volumes, w: filters})
    numpys = reference.pool2d(expected[:, :, 0], (2, 2), (2, 2))
    assert_close(pooled[:, :, 0], numpys, "float64")


def test_pooling(rng):
    x = T.dtensor4("x")
    images = rng.normal(size=(2, 3, 7, 6))
    for options, numbers in [({}, ((1, 1), (0, 0))), ({"stride": (2, 2), "pad": (1, 0)}, None)]:
        stride, pad = numbers or (options["stride"], options["pad"])
        for mode in ("max", "average_exc_pad"):
            y = dnn_of_2015.dnn_pool(x, (3, 2), mode=mode, **options)
            expected = reference.pool2d(images, (3, 2), stride, pad, mode)
            assert_close(y.eval({x: images}), expected, "float64")


def test_nothing_is_brought_to_a_device():
    x = T.matrix("x")
    sandbox, later = theano.sandbox.cuda.basic_ops, theano.gpuarray.basic_ops
    y = sandbox.host_from_gpu(sandbox.gpu_contiguous(sandbox.gpu_from_host(x)))
    values = np.ones((2, 3), "float32")
    np.testing.assert_array_equal(later.gpu_contiguous(y).eval({x: values}), values)


def test_what_is_refused():
    with pytest.raises(ValueError, match="dnn_conv: conv_mode must be 'conv' or 'cross'; got 'x'"):
        dnn.dnn_conv(T.tensor4(), T.tensor4(), conv_mode="x")
    with pytest.raises(TypeError, match="dnn_conv: img must have 4 or 5 dimensions; got 2"):
        dnn.dnn_conv(T.matrix(), T.tensor4())
