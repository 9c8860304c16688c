"""As many windows as are asked for."""

from __future__ import annotations

import numpy as np
import pytest
from lasagne.layers import InputLayer, get_output

from convnet_features.layers import AdaptivePool2DLayer


def slowly(images, size):
    """PyTorch's definition: window i is from floor(i n / m) up to ceil((i + 1) n / m)."""
    n_samples, n_channels, height, width = images.shape
    result = np.empty((n_samples, n_channels, *size))
    for row in range(size[0]):
        for column in range(size[1]):
            rows = slice(row * height // size[0], -((-(row + 1) * height) // size[0]))
            columns = slice(column * width // size[1], -((-(column + 1) * width) // size[1]))
            result[:, :, row, column] = images[:, :, rows, columns].mean(axis=(2, 3))
    return result


@pytest.mark.parametrize("shape", [(2, 3, 7, 11), (2, 3, 14, 21), (1, 2, 9, 5), (2, 1, 1, 2)])
@pytest.mark.parametrize("size", [7, (2, 5), (9, 5), 1])
def test_means(shape, size):
    images = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    layer = AdaptivePool2DLayer(InputLayer((None, *shape[1:])), size)
    sizes = (size, size) if isinstance(size, int) else size
    assert layer.output_shape == (None, shape[1], *sizes)
    pooled = get_output(layer, images).eval()
    np.testing.assert_allclose(pooled, slowly(images, sizes), rtol=1e-5, atol=1e-6)
    assert pooled.dtype == np.float32


def test_what_it_refuses():
    with pytest.raises(ValueError, match=r"AdaptivePool2DLayer: its input has the shape"):
        AdaptivePool2DLayer((None, 3, None, 7), 7)
    with pytest.raises(ValueError, match=r"AdaptivePool2DLayer: size=0 must be above 0"):
        AdaptivePool2DLayer((None, 3, 7, 7), 0)
