"""Lasagne layers that Lasagne 0.1 does not have yet, and its own with later arguments."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..deferred import deferred
from .batch_norm import BatchNormLayer, batch_norm

if TYPE_CHECKING:
    from .adaptive_pool import AdaptivePool2DLayer
    from .base_conv import BaseConvLayer
    from .borders import SamePadLayer
    from .broadcast_merge import BroadcastMergeLayer
    from .choice import ChoiceLayer
    from .conv1d import Conv1DLayer
    from .conv2d import Conv2DLayer
    from .conv3d import Conv3DLayer
    from .dense import DenseLayer
    from .dilated_conv2d import DilatedConv2DLayer
    from .dropout import (
        AlphaDropoutLayer,
        DropoutLayer,
        alpha_dropout,
        dropout_channels,
        dropout_locations,
        spatial_dropout,
    )
    from .expression import ExpressionLayer
    from .inverse import InverseLayer
    from .locally_connected2d import LocallyConnected2DLayer
    from .matmul import MatMulLayer
    from .merging import (
        ConcatLayer,
        ElemwiseMergeLayer,
        ElemwiseSumLayer,
        autocrop,
        autocrop_array_shapes,
    )
    from .parametric_rectifier import ParametricRectifierLayer, prelu
    from .pixel_scale import PixelScaleLayer
    from .pooling import MaxPool3DLayer, Pool1DLayer, Pool3DLayer, SpatialPyramidPoolingLayer
    from .randomized_rectifier import RandomizedRectifierLayer, rrelu
    from .recurrent import CustomRecurrentLayer, GRULayer, LSTMLayer, RecurrentLayer
    from .resize import ResizeLayer
    from .scale_bias import BiasLayer, ScaleLayer, standardize
    from .standardization import StandardizationLayer, group_norm, instance_norm, layer_norm
    from .take import TakeLayer
    from .transformer import TPSTransformerLayer, TransformerLayer
    from .transposed_conv1d import Deconv1DLayer, TransposedConv1DLayer
    from .transposed_conv2d import Deconv2DLayer, TransposedConv2DLayer
    from .transposed_conv3d import Deconv3DLayer, TransposedConv3DLayer
    from .upscale import Upscale1DLayer, Upscale2DLayer, Upscale3DLayer

__all__ = [
    "AdaptivePool2DLayer",
    "AlphaDropoutLayer",
    "BaseConvLayer",
    "BatchNormLayer",
    "BiasLayer",
    "BroadcastMergeLayer",
    "ChoiceLayer",
    "ConcatLayer",
    "Conv1DLayer",
    "Conv2DLayer",
    "Conv3DLayer",
    "CustomRecurrentLayer",
    "Deconv1DLayer",
    "Deconv2DLayer",
    "Deconv3DLayer",
    "DenseLayer",
    "DilatedConv2DLayer",
    "DropoutLayer",
    "ElemwiseMergeLayer",
    "ElemwiseSumLayer",
    "ExpressionLayer",
    "GRULayer",
    "InverseLayer",
    "LSTMLayer",
    "LocallyConnected2DLayer",
    "MatMulLayer",
    "MaxPool3DLayer",
    "ParametricRectifierLayer",
    "PixelScaleLayer",
    "Pool1DLayer",
    "Pool3DLayer",
    "RandomizedRectifierLayer",
    "RecurrentLayer",
    "ResizeLayer",
    "SamePadLayer",
    "ScaleLayer",
    "SpatialPyramidPoolingLayer",
    "StandardizationLayer",
    "TPSTransformerLayer",
    "TakeLayer",
    "TransformerLayer",
    "TransposedConv1DLayer",
    "TransposedConv2DLayer",
    "TransposedConv3DLayer",
    "Upscale1DLayer",
    "Upscale2DLayer",
    "Upscale3DLayer",
    "alpha_dropout",
    "autocrop",
    "autocrop_array_shapes",
    "batch_norm",
    "dropout_channels",
    "dropout_locations",
    "group_norm",
    "instance_norm",
    "layer_norm",
    "prelu",
    "rrelu",
    "spatial_dropout",
    "standardize",
]

__getattr__, __dir__ = deferred(
    __name__,
    {
        "adaptive_pool": "AdaptivePool2DLayer",
        "base_conv": "BaseConvLayer",
        "borders": "SamePadLayer",
        "broadcast_merge": "BroadcastMergeLayer",
        "choice": "ChoiceLayer",
        "conv1d": "Conv1DLayer",
        "conv2d": "Conv2DLayer",
        "conv3d": "Conv3DLayer",
        "dense": "DenseLayer",
        "dilated_conv2d": "DilatedConv2DLayer",
        "dropout": (
            "AlphaDropoutLayer DropoutLayer alpha_dropout dropout_channels dropout_locations "
            "spatial_dropout"
        ),
        "expression": "ExpressionLayer",
        "inverse": "InverseLayer",
        "locally_connected2d": "LocallyConnected2DLayer",
        "matmul": "MatMulLayer",
        "merging": "ConcatLayer ElemwiseMergeLayer ElemwiseSumLayer autocrop autocrop_array_shapes",
        "parametric_rectifier": "ParametricRectifierLayer prelu",
        "pixel_scale": "PixelScaleLayer",
        "pooling": "MaxPool3DLayer Pool1DLayer Pool3DLayer SpatialPyramidPoolingLayer",
        "randomized_rectifier": "RandomizedRectifierLayer rrelu",
        "recurrent": "CustomRecurrentLayer GRULayer LSTMLayer RecurrentLayer",
        "resize": "ResizeLayer",
        "scale_bias": "BiasLayer ScaleLayer standardize",
        "standardization": "StandardizationLayer group_norm instance_norm layer_norm",
        "take": "TakeLayer",
        "transformer": "TPSTransformerLayer TransformerLayer",
        "transposed_conv1d": "Deconv1DLayer TransposedConv1DLayer",
        "transposed_conv2d": "Deconv2DLayer TransposedConv2DLayer",
        "transposed_conv3d": "Deconv3DLayer TransposedConv3DLayer",
        "upscale": "Upscale1DLayer Upscale2DLayer Upscale3DLayer",
    },
)
