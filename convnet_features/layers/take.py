"""Entries of an axis in another order, some of them often."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import lasagne
import numpy as np

__all__ = ["TakeLayer"]


class TakeLayer(lasagne.layers.Layer):
    """The entries of one axis at the given places, in their order: ``numpy.take``.

    Places may be left out, or come several times: channels in another order, borders that
    mirror an image, pixels repeated.

    Parameters
    ----------
    incoming : Layer, or tuple
        What it stands on.
    indices : sequence of int
        Places from 0 on, at least one; negative ones count from the end.
    axis : int, default=1
        Along which axis; not that of the samples.
    **kwargs
        Further arguments of ``lasagne.layers.Layer``, such as ``name``.

    Raises
    ------
    ValueError
        If the axis does not exist, is that of the samples or of unknown size, or if there is no
        such place, or none is given.

    Examples
    --------
    >>> from convnet_features.layers import TakeLayer
    >>> TakeLayer((None, 3, 8, 8), [2, 1, 0, 0]).output_shape
    (None, 4, 8, 8)
    """

    def __init__(self, incoming: Any, indices: Sequence[int], axis: int = 1, **kwargs: Any) -> None:
        super().__init__(incoming, **kwargs)
        n_axes = len(self.input_shape)
        self.axis = axis % n_axes if -n_axes <= axis < n_axes else 0
        size = self.input_shape[self.axis]
        if self.axis == 0 or size is None:
            raise ValueError(
                f"TakeLayer: axis={axis} of an input of shape {self.input_shape}; the axis must "
                "be one behind the samples, of known size."
            )
        places = np.asarray(indices)
        whole = places.ndim == 1 and places.size and places.dtype.kind in "iu"
        if not whole or places.min() < -size or places.max() >= size:
            raise ValueError(
                f"TakeLayer: indices={indices!r:.80} of {size} entries; give a list of whole "
                f"numbers from {-size} to {size - 1}."
            )
        self.indices = (places % size).tolist()

    def get_output_shape_for(self, input_shape: Any) -> tuple[Any, ...]:
        """The shape of the result for an input of `input_shape`."""
        return (*input_shape[: self.axis], len(self.indices), *input_shape[self.axis + 1 :])

    def get_output_for(self, input: Any, **kwargs: Any) -> Any:
        """The entries of `input` at the places, of shape `output_shape`."""
        places = np.array(self.indices, np.int64)
        return input[(slice(None),) * self.axis + (places,)]
