"""Pixels on the scale that a network was trained with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import lasagne
import numpy as np

from ..ops.batch_norm import channel_affine
from ..theano_facade import theano_scope

__all__ = ["PixelScaleLayer"]


class PixelScaleLayer(lasagne.layers.Layer):
    """(x - mean) / std, with one mean and one deviation for each channel; nothing is trained.

    Parameters
    ----------
    incoming : Layer, or tuple
        What it stands on, of shape (n_samples, n_channels, height, width).
    mean, std : sequence of float
        One number for each channel.
    **kwargs
        Further arguments of ``lasagne.layers.Layer``, such as ``name``.

    Raises
    ------
    ValueError
        If there are not as many numbers as channels.

    Examples
    --------
    >>> from convnet_features.layers import PixelScaleLayer
    >>> PixelScaleLayer((None, 3, 224, 224), mean=(127,) * 3, std=(128,) * 3).output_shape
    (None, 3, 224, 224)
    """

    def __init__(
        self, incoming: Any, mean: Sequence[float], std: Sequence[float], **kwargs: Any
    ) -> None:
        super().__init__(incoming, **kwargs)
        self.mean = tuple(float(each) for each in mean)
        self.std = tuple(float(each) for each in std)
        channels = self.input_shape[1]
        if not len(self.mean) == len(self.std) == channels:
            raise ValueError(
                f"PixelScaleLayer: its input has {channels} channels, and mean={mean!r} and "
                f"std={std!r} must have as many numbers."
            )

    @property
    def scale_and_shift(self) -> tuple[np.ndarray, np.ndarray]:
        """What each channel is multiplied by, and what is added then: float32."""
        scale = 1 / np.array(self.std)
        return scale.astype(np.float32), (-np.array(self.mean) * scale).astype(np.float32)

    def get_output_for(self, input: Any, **kwargs: Any) -> Any:
        """The symbolic output for `input`, of the same shape."""
        with theano_scope():
            return channel_affine(input, *self.scale_and_shift)
