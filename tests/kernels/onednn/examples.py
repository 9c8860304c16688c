"""Arrays and kernels that tests of oneDNN's kernels share."""

from __future__ import annotations

import numpy as np

from convnet_features.kernels.contract import Pool2DSpec

POOL = Pool2DSpec((2, 2), (2, 2))


class Forbidden:
    """A portable kernel that must not be asked for anything."""

    def __getattr__(self, name):
        raise AssertionError(f"the portable kernel was asked for {name}")


def arrays(rng, shapes):
    return [rng.uniform(-1, 1, shape).astype("float32") for shape in shapes]


def integers(rng, shape):
    """Small whole numbers: float32 sums of their products are exact, and full of ties."""
    return rng.integers(-2, 3, shape).astype("float32")


def channels_last(x):
    return np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
