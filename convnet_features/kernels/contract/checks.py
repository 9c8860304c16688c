"""Shapes that NumPy would broadcast in silence."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

__all__ = [
    "check_gradient",
    "check_product",
]


def check_product(left: Sequence[int], right: Sequence[int]) -> None:
    """Raise ValueError unless arrays of these shapes have a matrix product.

    Of more than two axes on the left, all but the first count as one row: a
    dense layer takes images so.
    """
    n_columns = math.prod(left[1:])
    if n_columns != right[0]:
        raise ValueError(
            f"a matrix product (theano.tensor.dot, or a dense layer): the left matrix, of shape "
            f"{tuple(left)}, has {n_columns} columns, and the right one, of shape {tuple(right)}, "
            f"has {right[0]} rows; the two numbers must be equal."
        )


def check_gradient(gy: np.ndarray, y_shape: Sequence[int]) -> None:
    """Raise ValueError unless the gradient `gy` has the shape of the result that it belongs to."""
    if gy.shape != tuple(y_shape):
        raise ValueError(
            f"the gradient has shape {gy.shape}, and the result that it belongs to {tuple(y_shape)}"
        )
