"""Lasagne layers that Lasagne 0.1 does not have yet."""

from .batch_norm import BatchNormLayer, batch_norm

__all__ = ["BatchNormLayer", "batch_norm"]
