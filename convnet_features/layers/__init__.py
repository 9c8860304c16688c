"""Lasagne layers that Lasagne 0.1 does not have yet."""

from .adaptive_pool import AdaptivePool2DLayer
from .batch_norm import BatchNormLayer, batch_norm
from .borders import SamePadLayer
from .broadcast_merge import BroadcastMergeLayer
from .conv2d import Conv2DLayer
from .matmul import MatMulLayer
from .parametric_rectifier import ParametricRectifierLayer
from .pixel_scale import PixelScaleLayer
from .resize import ResizeLayer
from .scale_bias import BiasLayer, ScaleLayer
from .standardization import StandardizationLayer, group_norm, instance_norm, layer_norm
from .take import TakeLayer
from .transposed_conv2d import Deconv2DLayer, TransposedConv2DLayer

__all__ = [
    "AdaptivePool2DLayer",
    "BatchNormLayer",
    "BiasLayer",
    "BroadcastMergeLayer",
    "Conv2DLayer",
    "Deconv2DLayer",
    "MatMulLayer",
    "ParametricRectifierLayer",
    "PixelScaleLayer",
    "ResizeLayer",
    "SamePadLayer",
    "ScaleLayer",
    "StandardizationLayer",
    "TakeLayer",
    "TransposedConv2DLayer",
    "batch_norm",
    "group_norm",
    "instance_norm",
    "layer_norm",
]
