"""Plain NumPy arrays of what users pass as y."""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Real
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.utils._missing import is_pandas_na

__all__ = ["plain_target"]


def plain_target(name: str, y: Any) -> np.ndarray:
    """y as a NumPy array of one or two dimensions, in which nothing is missing.

    Lists, frames and series (nullable and categorical ones too), masked and
    sparse arrays and tensors are taken; arrays of objects become arrays of
    numbers where all of them are numbers.

    Parameters
    ----------
    name : str
        What errors call the estimator.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)

    Returns
    -------
    ndarray of shape (n_samples,) or (n_samples, n_outputs)

    Raises
    ------
    ValueError
        If y is a single value, has more dimensions, lacks values, or holds
        something else than numbers or text.
    """
    array = _as_array(name, y)
    if array.ndim == 0:
        what = f"a {type(y).__name__}" if array.dtype == object else f"a single value ({y!r})"
        remedy = " Give list(y)." if isinstance(y, Iterable) and not isinstance(y, str) else ""
        raise ValueError(f"{name}: y is {what}; expected one target a sample.{remedy}")
    if array.ndim > 2:
        raise ValueError(
            f"{name}: y has {array.ndim} dimensions, shape {array.shape}; expected 1 (n_samples,) "
            "or 2 (n_samples, n_outputs)."
        )
    if array.ndim == 2 and array.shape[1] == 0:
        raise ValueError(f"{name}: y has no columns, shape {array.shape}.")
    _check_nothing_missing(name, y, array)
    return _of_objects(name, array) if array.dtype == object else _of_numbers(name, array)


def _as_array(name: str, y: Any) -> np.ndarray:
    if issparse(y):
        return y.toarray()
    if hasattr(y, "to_numpy"):
        return y.to_numpy()
    try:
        array = np.asarray(y)
    except ValueError:
        # NumPy's word for it is "inhomogeneous shape".
        raise ValueError(_not_a_matrix(name)) from None
    except (RuntimeError, TypeError, BufferError) as error:  # of a tensor that is elsewhere
        raise ValueError(
            f"{name}: y is a {type(y).__name__} that NumPy cannot read ({error}); give its values, "
            "without gradients and in the memory of the CPU: y.detach().cpu().numpy() of PyTorch."
        ) from None
    return array.astype(object) if array.dtype.kind == "T" else array


def _not_a_matrix(name: str) -> str:
    return (
        f"{name}: the rows of y have different lengths, or hold collections. Sets of labels become "
        "a matrix of 0 and 1 by sklearn.preprocessing.MultiLabelBinarizer().fit_transform(y)."
    )


def _check_nothing_missing(name: str, y: Any, array: np.ndarray) -> None:
    if np.ma.isMaskedArray(y):
        missing, what = np.ma.getmaskarray(y), "masked values"
    elif array.dtype == object:
        missing = np.reshape([_is_missing(value) for value in array.flat], array.shape)
        what = "missing values"
    elif array.dtype.kind in "fcmM":
        missing = np.isnat(array) if array.dtype.kind in "mM" else np.isnan(array)
        what = "missing values (NaN)"
    else:
        return
    rows = np.flatnonzero(missing.reshape(len(array), -1).any(axis=1))
    if len(rows):
        contains = "Input y contains NaN: " if "NaN" in what else ""
        raise ValueError(
            f"{name}: {contains}y has {what} in {len(rows)} of {len(array)} rows, the first in row "
            f"{rows[0]}; leave these rows out of X and y, or fill the values in."
        )


def _is_missing(value: Any) -> bool:
    """Whether a value is None, NaN, pandas' NA or NaT."""
    if value is None or is_pandas_na(value):
        return True
    return np.ndim(value) == 0 and bool(value != value)


def _of_objects(name: str, array: np.ndarray) -> np.ndarray:
    """Numbers as an array of numbers, text as it is; raises for anything else."""
    values = array.ravel().tolist()
    numbers = [value for value in values if isinstance(value, Real)]
    if len(numbers) == len(values):
        return _of_numbers(name, np.asarray(values).reshape(array.shape))
    other = [value for value in values if not isinstance(value, str | Real)]
    if other and (isinstance(other[0], list | tuple | set | frozenset | dict) or np.ndim(other[0])):
        raise ValueError(_not_a_matrix(name))
    if other:
        raise ValueError(
            f"{name}: Unknown label type: y holds objects of type {type(other[0]).__name__}; "
            "expected numbers, text or booleans."
        )
    if numbers:
        text = next(value for value in values if isinstance(value, str))
        raise ValueError(
            f"{name}: y mixes text and numbers ({text!r} and {numbers[0]!r}); make all of it text, "
            "or all of it numbers."
        )
    return array


def _of_numbers(name: str, array: np.ndarray) -> np.ndarray:
    """`array`, if it is of a type that can be a target."""
    kind = array.dtype.kind
    if kind == "f" and np.isinf(array).any():
        rows = np.flatnonzero(np.isinf(array).reshape(len(array), -1).any(axis=1))
        raise ValueError(
            f"{name}: Input y contains infinity in {len(rows)} of {len(array)} rows, the first in "
            f"row {rows[0]}; expected finite numbers."
        )
    if kind == "S":
        raise ValueError(
            f"{name}: y holds bytes ({array.flat[0]!r}); give text: numpy.char.decode(y)."
        )
    if kind not in "biufUmM":
        raise ValueError(
            f"{name}: Unknown label type: y has the dtype {array.dtype}; expected numbers, text or "
            "booleans."
        )
    return array
