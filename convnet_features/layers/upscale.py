"""Enlarging by repeating pixels, or by zeros between them."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from lasagne.layers import Layer
from lasagne.utils import as_tuple
from theano import tensor

from ..theano_facade import theano_scope

__all__ = ["Upscale1DLayer", "Upscale2DLayer", "Upscale3DLayer"]


class _UpscaleLayer(Layer):
    """Enlarge the last n axes by whole factors."""

    n: ClassVar[int]

    def __init__(
        self, incoming: Any, scale_factor: Any, mode: str = "repeat", **kwargs: Any
    ) -> None:
        super().__init__(incoming, **kwargs)
        self.scale_factor = as_tuple(scale_factor, self.n)
        if min(self.scale_factor) < 1:
            raise ValueError(f"Scale factor must be >= 1, not {self.scale_factor}")
        if mode not in ("repeat", "dilate"):
            raise ValueError(f'Mode must be either "repeat" or "dilate", not {mode}')
        if len(self.input_shape) != self.n + 2:
            raise ValueError(
                f"{type(self).__name__}: its input has the shape {tuple(self.input_shape)}; "
                f"expected {self.n + 2} dimensions (samples, channels, and {self.n} more)."
            )
        self.mode = mode

    def get_output_shape_for(self, input_shape: Any) -> tuple[Any, ...]:
        """The shape of the result for an input of `input_shape`."""
        sizes = (
            None if size is None else size * factor
            for size, factor in zip(input_shape[2:], self.scale_factor, strict=True)
        )
        return (*input_shape[:2], *sizes)

    def get_output_for(self, input: Any, **kwargs: Any) -> Any:
        """The symbolic output for the symbolic `input`, of shape `output_shape`."""
        # Each pixel times a block: of ones, or of a one and zeros.
        blocks = np.ones if self.mode == "repeat" else np.zeros
        pattern = blocks([size for factor in self.scale_factor for size in (1, factor)])
        pattern[(0,) * pattern.ndim] = 1
        with theano_scope():
            input = tensor.as_tensor_variable(input)
            apart = [each for axis in range(self.n) for each in (2 + axis, "x")]
            enlarged = input.dimshuffle(0, 1, *apart) * pattern[None, None].astype(input.dtype)
            shape = [
                known if known is not None else input.shape[axis] * factor
                for axis, (known, factor) in enumerate(
                    zip(self.output_shape, (1, 1, *self.scale_factor), strict=True)
                )
            ]
            return enlarged.reshape(tuple(shape), ndim=self.n + 2)


class Upscale1DLayer(_UpscaleLayer):
    """Enlarge rows by a whole factor.

    Parameters
    ----------
    incoming : Layer, or tuple
        What it stands on, of shape (n_samples, n_channels, length).
    scale_factor : int or (int,)
        How many times as long.
    mode : {'repeat', 'dilate'}, default='repeat'
        Repeat each number, or put zeros behind it.
    **kwargs
        Further arguments of ``lasagne.layers.Layer``, such as ``name``.

    Raises
    ------
    ValueError
        If a factor is below 1, or the mode is another.

    Examples
    --------
    >>> from convnet_features.layers import Upscale1DLayer
    >>> Upscale1DLayer((1, 1, 2), 2).get_output_for([[[1.0, 2.0]]]).eval().tolist()
    [[[1.0, 1.0, 2.0, 2.0]]]
    """

    n = 1


class Upscale2DLayer(_UpscaleLayer):
    """Enlarge images by whole factors.

    Parameters
    ----------
    incoming : Layer, or tuple
        What it stands on, of shape (n_samples, n_channels, height, width).
    scale_factor : int or (int, int)
        How many times as high and wide.
    mode : {'repeat', 'dilate'}, default='repeat'
        Repeat each pixel, or put zeros below and to the right of it.
    **kwargs
        Further arguments of ``lasagne.layers.Layer``, such as ``name``.

    Raises
    ------
    ValueError
        If a factor is below 1, or the mode is another.

    Examples
    --------
    >>> from convnet_features.layers import Upscale2DLayer
    >>> Upscale2DLayer((None, 3, 4, 5), (2, 3)).output_shape
    (None, 3, 8, 15)
    """

    n = 2


class Upscale3DLayer(_UpscaleLayer):
    """Enlarge volumes by whole factors.

    Parameters
    ----------
    incoming : Layer, or tuple
        What it stands on, of shape (n_samples, n_channels, depth, height, width).
    scale_factor : int or (int, int, int)
        How many times as large, along each axis.
    mode : {'repeat', 'dilate'}, default='repeat'
        Repeat each number, or put zeros behind it along each axis.
    **kwargs
        Further arguments of ``lasagne.layers.Layer``, such as ``name``.

    Raises
    ------
    ValueError
        If a factor is below 1, or the mode is another.

    Examples
    --------
    >>> from convnet_features.layers import Upscale3DLayer
    >>> Upscale3DLayer((None, 3, 4, 5, 6), 2).output_shape
    (None, 3, 8, 10, 12)
    """

    n = 3
