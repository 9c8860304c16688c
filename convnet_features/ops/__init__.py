"""Symbolic operations: their shape rules and gradients. Kernels compute them."""

from .conv2d import conv2d
from .pool2d import pool2d
from .softmax import categorical_crossentropy, log_softmax, softmax
from .transposed_conv2d import transposed_conv2d

__all__ = [
    "categorical_crossentropy",
    "conv2d",
    "log_softmax",
    "pool2d",
    "softmax",
    "transposed_conv2d",
]
