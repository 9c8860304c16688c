"""Lasagne layers that Lasagne 0.1 does not have yet."""

from .batch_norm import BatchNormLayer, batch_norm
from .broadcast_merge import BroadcastMergeLayer
from .conv2d import Conv2DLayer
from .parametric_rectifier import ParametricRectifierLayer

__all__ = [
    "BatchNormLayer",
    "BroadcastMergeLayer",
    "Conv2DLayer",
    "ParametricRectifierLayer",
    "batch_norm",
]
