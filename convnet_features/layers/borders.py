"""Borders that depend on the size of the images, as TensorFlow has them."""

from __future__ import annotations

from typing import Any

import lasagne
from lasagne.utils import as_tuple

__all__ = ["SamePadLayer"]


class SamePadLayer(lasagne.layers.PadLayer):
    """The zeros that TensorFlow's padding "same" puts around images in front of a convolution.

    A convolution without padding gives ceil(size / stride) pixels along each axis then. Where the
    number of zeros is odd, there is one more at the end than at the beginning.

    Parameters
    ----------
    incoming : Layer, or tuple
        What it stands on, of shape (n_samples, n_channels, height, width), of known size.
    filter_size : int or (int, int)
        Rows and columns of the filters to come.
    stride : int or (int, int), default=1
        Of the convolution to come.
    **kwargs
        Further arguments of ``lasagne.layers.Layer``, such as ``name``.

    Raises
    ------
    ValueError
        If the height or the width of its input is not known.

    Examples
    --------
    >>> from convnet_features.layers import SamePadLayer
    >>> SamePadLayer((None, 3, 224, 224), filter_size=3, stride=2).output_shape
    (None, 3, 225, 225)
    """

    def __init__(self, incoming: Any, filter_size: Any, stride: Any = 1, **kwargs: Any) -> None:
        shape = tuple(getattr(incoming, "output_shape", incoming))
        if len(shape) != 4 or None in shape[2:]:
            raise ValueError(
                f"SamePadLayer: its input has the shape {shape}; it must be (n_samples, channels, "
                "height, width), of known height and width."
            )
        self.filter_size, self.stride = as_tuple(filter_size, 2), as_tuple(stride, 2)
        plan = zip(shape[2:], self.filter_size, self.stride, strict=True)
        super().__init__(incoming, width=[_zeros(*axis) for axis in plan], **kwargs)


def _zeros(size: int, extent: int, stride: int) -> tuple[int, int]:
    """Zeros in front of an axis, and behind it."""
    n_outputs = -(-size // stride)
    total = max((n_outputs - 1) * stride + extent - size, 0)
    return total // 2, total - total // 2
