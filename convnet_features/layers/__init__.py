"""Lasagne layers that Lasagne 0.1 does not have yet."""

from .batch_norm import BatchNormLayer, batch_norm
from .broadcast_merge import BroadcastMergeLayer
from .conv2d import Conv2DLayer
from .parametric_rectifier import ParametricRectifierLayer
from .scale_bias import BiasLayer, ScaleLayer
from .transposed_conv2d import Deconv2DLayer, TransposedConv2DLayer

__all__ = [
    "BatchNormLayer",
    "BiasLayer",
    "BroadcastMergeLayer",
    "Conv2DLayer",
    "Deconv2DLayer",
    "ParametricRectifierLayer",
    "ScaleLayer",
    "TransposedConv2DLayer",
    "batch_norm",
]
