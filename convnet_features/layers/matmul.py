"""Matrix products of two values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import lasagne
import numpy as np
from pytensor import tensor

__all__ = ["MatMulLayer"]


class MatMulLayer(lasagne.layers.MergeLayer):
    """The matrix product of two values, sample by sample: ``numpy.matmul``.

    Parameters
    ----------
    incomings : list of two Layers, or of tuples
        Of shapes (n_samples, ..., n, m) and (n_samples, ..., m, k), of as many dimensions, at
        least 3. Along the axes in front the sizes must agree, apart from those that are 1.
    **kwargs
        Further arguments of ``lasagne.layers.MergeLayer``, such as ``name``.

    Raises
    ------
    ValueError
        If there are not two inputs, or their shapes do not fit together.

    Examples
    --------
    >>> from convnet_features.layers import MatMulLayer
    >>> MatMulLayer([(None, 4, 5), (None, 5, 6)]).output_shape
    (None, 4, 6)
    """

    def get_output_shape_for(self, input_shapes: Sequence[Sequence[int | None]]) -> Any:
        """The shape of the product of values of `input_shapes`."""
        shapes = [tuple(shape) for shape in input_shapes]
        fit = (
            len(shapes) == 2
            and len(shapes[0]) == len(shapes[1]) >= 3
            and shapes[0][-1] == shapes[1][-2]
        )
        try:
            if not fit:
                raise ValueError
            sizes: Any = zip(shapes[0][1:-2], shapes[1][1:-2], strict=True)
            between = [int(np.broadcast_shapes((a,), (b,))[0]) for a, b in sizes]
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"MatMulLayer: its inputs have the shapes {shapes}; there must be two, the last "
                "size of the first that of the second before its last, and those in front equal "
                "or 1."
            ) from error
        return (shapes[0][0], *between, shapes[0][-2], shapes[1][-1])

    def get_output_for(self, inputs: Sequence[Any], **kwargs: Any) -> Any:
        """The symbolic product."""
        shapes = [(None, *shape[1:-2], *shape[-2:]) for shape in self.input_shapes]
        first, second = (
            tensor.specify_shape(each, shape) for each, shape in zip(inputs, shapes, strict=True)
        )
        return tensor.matmul(first, second)
