"""TensorFlow's borders."""

from __future__ import annotations

import math

import numpy as np
import pytest
from lasagne.layers import InputLayer, get_output

from convnet_features.layers import SamePadLayer


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 33, 224])
@pytest.mark.parametrize("extent", [1, 2, 3, 5])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_as_many_pixels_as_strides_begin(size, extent, stride):
    """TensorFlow's rule: ceil(size / stride) outputs, the odd zero at the end."""
    layer = SamePadLayer((None, 2, size, 5), (extent, 1), (stride, 1))
    padded = layer.output_shape[2]
    assert layer.output_shape == (None, 2, padded, 5)
    assert padded >= size
    assert (padded - extent) // stride + 1 == math.ceil(size / stride)
    before, after = layer.width[0]
    assert before + size + after == padded
    assert after - before in (0, 1)
    # No more of them than windows reach.
    assert padded == size or padded == (math.ceil(size / stride) - 1) * stride + extent


def test_zeros():
    images = np.arange(1, 13, dtype=np.float32).reshape(1, 1, 3, 4)
    input_layer = InputLayer((None, 1, 3, 4))
    layer = SamePadLayer(input_layer, filter_size=3, stride=2)
    padded = get_output(layer, images).eval()
    np.testing.assert_array_equal(padded, np.pad(images, [(0, 0), (0, 0), (1, 1), (0, 1)]))


def test_unknown_sizes():
    with pytest.raises(ValueError, match=r"SamePadLayer: its input has the shape \(None, 3, None"):
        SamePadLayer((None, 3, None, 7), 3)
