"""Images of another size, by interpolation."""

from __future__ import annotations

from typing import Any

import lasagne
import numpy as np
from lasagne.utils import as_tuple
from theano import tensor

from ..theano_facade import theano_scope

__all__ = ["ResizeLayer"]

MODES = ("bilinear", "bicubic")
ALIGNMENTS = ("half_pixel", "corners", "asymmetric")


class ResizeLayer(lasagne.layers.Layer):
    """Images of another size, each pixel a weighted mean of the nearest ones.

    Along each axis the weights are a matrix, so that the result is A · x · Bᵀ.

    Parameters
    ----------
    incoming : Layer, or tuple
        What it stands on, of shape (n_samples, n_channels, ...), with all sizes known.
    size : int or tuple of int
        Of the result, one a spatial axis.
    mode : {'bilinear', 'bicubic'}, default='bilinear'
        Means of 2 or of 4 pixels along each axis. Pixels beyond the border are those at it.
    align : {'half_pixel', 'corners', 'asymmetric'}, default='half_pixel'
        Which place x of the input is that of pixel i of the result, with the ratio r of the input's
        size to the result's. 'half_pixel' is (i + 1/2) · r - 1/2, as in Pillow and PyTorch;
        'corners' puts the first and last pixels on each other; 'asymmetric' is i · r.
    ratios : tuple of float, optional
        r along each axis, where it is not that of the sizes (a scale that was rounded, say).
    cubic_coeff : float, default=-0.75
        The parameter of the cubic; Pillow's is -0.5.
    **kwargs
        Further arguments of ``lasagne.layers.Layer``, such as ``name``.

    Raises
    ------
    ValueError
        If `size`, `mode` or `align` is anything else, or a size of the input is unknown.

    References
    ----------
    R. Keys, Cubic convolution interpolation for digital image processing, IEEE Transactions on
    Acoustics, Speech, and Signal Processing, 1981.

    Examples
    --------
    >>> from convnet_features.layers import ResizeLayer
    >>> ResizeLayer((None, 3, 8, 8), (16, 12)).output_shape
    (None, 3, 16, 12)
    """

    def __init__(
        self,
        incoming: Any,
        size: Any,
        mode: str = "bilinear",
        align: str = "half_pixel",
        ratios: Any = None,
        cubic_coeff: float = -0.75,
        **kwargs: Any,
    ) -> None:
        super().__init__(incoming, **kwargs)
        if mode not in MODES or align not in ALIGNMENTS:
            raise ValueError(
                f"ResizeLayer: mode={mode!r}, align={align!r}; mode must be one of "
                f"{', '.join(MODES)}, and align one of {', '.join(ALIGNMENTS)}."
            )
        n_spatial = len(self.input_shape) - 2
        self.size = as_tuple(size, n_spatial, int)
        if None in self.input_shape[2:] or n_spatial < 1 or min(self.size) < 1:
            raise ValueError(
                f"ResizeLayer: size={size!r} of an input of shape {self.input_shape}; sizes must "
                "be known, and at least 1."
            )
        self.mode, self.align, self.cubic_coeff = mode, align, float(cubic_coeff)
        self.ratios = None if ratios is None else as_tuple(ratios, n_spatial)

    def get_output_shape_for(self, input_shape: Any) -> tuple[Any, ...]:
        """The shape of the result for an input of `input_shape`."""
        return (*input_shape[:2], *self.size)

    def get_output_for(self, input: Any, **kwargs: Any) -> Any:
        """The images of `input`, resized to `output_shape`."""
        with theano_scope():
            rank = input.ndim
            for place, (before, after) in enumerate(
                zip(self.input_shape[2:], self.size, strict=True)
            ):
                weights = self._weights(place, before, after).astype(input.dtype)
                axis = place + 2
                order = [*range(axis), rank - 1, *range(axis, rank - 1)]
                # The product has the axis last.
                input = tensor.tensordot(input, weights.T, [[axis], [0]]).dimshuffle(*order)
            return input

    def _weights(self, place: int, before: int, after: int) -> np.ndarray:
        """What each pixel of the result takes of each pixel, of shape (after, before)."""
        ratio = before / after if self.ratios is None else self.ratios[place]
        targets = np.arange(after)
        places: Any
        if self.align == "half_pixel":
            places = (targets + 0.5) * ratio - 0.5
        elif self.align == "corners":
            places = targets * ((before - 1) / max(1, after - 1))
        else:
            places = targets * ratio
        matrix = np.zeros((after, before))
        first = np.floor(places).astype(int)
        reach = (0, 1) if self.mode == "bilinear" else (-1, 0, 1, 2)
        for offset in reach:
            taken = np.clip(first + offset, 0, before - 1)
            np.add.at(matrix, (targets, taken), self._share(np.abs(places - first - offset)))
        return matrix

    def _share(self, distance: np.ndarray) -> np.ndarray:
        """The weight of a pixel at `distance`."""
        if self.mode == "bilinear":
            return 1 - distance
        a, d = self.cubic_coeff, distance
        near = ((a + 2) * d - (a + 3)) * d * d + 1
        far = ((d - 5) * d + 8) * d * a - 4 * a
        return np.where(d <= 1, near, far)
