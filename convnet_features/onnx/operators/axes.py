"""Values with their axes in another order, as channels-last networks have them.

A layer that computes each number, or each channel, by itself does so in front of a transposition
as well as behind it. So operators see through transpositions, which move on to the end of the
network, meet their opposites there and are gone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..plan import PlannedLayer
from ..reading import Node
from .nodes import unsupported

__all__ = ["seen_through", "transposed", "turned_back"]


def seen_through(x: PlannedLayer) -> tuple[PlannedLayer, tuple[int, ...]]:
    """What a transposition stands on, and the order of its axes; x itself where x is none."""
    from lasagne.layers import DimshuffleLayer

    if x.layer_class is DimshuffleLayer:
        source, order = x.incoming[0], tuple(x.params["pattern"])
        if "x" not in order and len(order) == 1 + len(source.shape):
            return source, order
    return x, tuple(range(1 + len(x.shape)))


def transposed(reader: Any, value: str, x: PlannedLayer, order: Sequence[int]) -> PlannedLayer:
    """x with its axes in an order, of which the samples' is the first."""
    from lasagne.layers import DimshuffleLayer

    source, before = seen_through(x)
    pattern = tuple(before[axis] for axis in order)
    if pattern == tuple(range(len(pattern))):
        return source
    return reader.plan.add(value, DimshuffleLayer, source, pattern=pattern)


def turned_back(node: Node, constant: np.ndarray, order: Sequence[int]) -> np.ndarray:
    """A constant beside a transposed value, as it stands beside the value itself."""
    if constant.size == 1 or constant.ndim > len(order):
        if constant.size != 1:
            raise unsupported(node, f"a constant of shape {constant.shape}")
        return constant
    spread = constant.reshape((1,) * (len(order) - constant.ndim) + constant.shape)
    return spread.transpose(np.argsort(order))
