"""Features from a convolutional network."""

from __future__ import annotations

from ._base import BaseConvNet

__all__ = ["ConvNetFeatureExtractor"]


class ConvNetFeatureExtractor(BaseConvNet):
    """Train a convolutional network, and give its dense layer's activations as features."""
