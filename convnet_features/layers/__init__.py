"""Lasagne layers that Lasagne 0.1 does not have yet."""

from .batch_norm import BatchNormLayer, batch_norm
from .conv2d import Conv2DLayer

__all__ = ["BatchNormLayer", "Conv2DLayer", "batch_norm"]
