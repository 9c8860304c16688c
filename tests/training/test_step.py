"""One update of the parameters."""

from __future__ import annotations

import numpy as np
import pytest

from convnet_features.training.step import HostStep


@pytest.mark.parametrize("size", [1e-3, 1.0, 1e15, 1e25, 1e38])
def test_a_long_gradient_is_shortened(rng, size):
    """Also one whose norm, or its square, float32 does not hold."""
    direction = rng.standard_normal(1000)
    direction /= np.linalg.norm(direction)
    step = object.__new__(HostStep)
    step.gradient, step.max_norm = np.float32(direction * size), 1e-4
    step._limit_norm()
    np.testing.assert_allclose(step.gradient, direction * 1e-4, rtol=2e-3)
