"""(x - mean) / std."""

from __future__ import annotations

import numpy as np
import pytest
from lasagne.layers import InputLayer, get_output

from convnet_features.layers import PixelScaleLayer


def test_values(rng):
    pixels = rng.integers(0, 256, (2, 3, 5, 7)).astype(np.float32)
    mean, std = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
    layer = PixelScaleLayer(InputLayer((None, 3, 5, 7)), mean, std)
    scaled = get_output(layer, pixels).eval()
    column = (slice(None), None, None)
    np.testing.assert_allclose(
        scaled, (pixels - np.array(mean)[column]) / np.array(std)[column], rtol=1e-5, atol=1e-6
    )
    assert scaled.dtype == np.float32
    assert not layer.get_params()


def test_too_few_numbers():
    with pytest.raises(ValueError, match=r"its input has 3 channels, and mean=\(1, 2\)"):
        PixelScaleLayer((None, 3, 5, 7), (1, 2), (1, 2, 3))
