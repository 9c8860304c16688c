"""X as images."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from sklearn.utils.validation import validate_data

__all__ = ["automatic_input_scale", "check_images", "infer_input_shape"]


def check_images(
    estimator: Any, X: Any, input_shape: tuple[int, ...] | None, *, reset: bool
) -> tuple[np.ndarray, tuple[int, int, int]]:
    """X as images (n_samples, channels, height, width), a view of X wherever NumPy can make one.

    Parameters
    ----------
    estimator : BaseEstimator
        Whose ``n_features_in_`` and ``feature_names_in_`` are set (`reset`) or
        compared.
    X : array-like of shape (n_samples, n_features), (n_samples, height, width) or \
            (n_samples, channels, height, width)
    input_shape : (int, int, int) or None
        (channels, height, width); None infers it.
    reset : bool
        True in `fit`.

    Returns
    -------
    images : ndarray of shape (n_samples, channels, height, width)
        Of X's own dtype, if that is numeric.
    input_shape : (int, int, int)

    Raises
    ------
    ValueError
        If X is empty, has another number of dimensions, NaN or infinity, or
        images of another size; the text says what came and what was expected.
    """
    _check_numeric(type(estimator).__name__, X)
    if not reset:
        _check_rank(estimator, X, input_shape)
    X = validate_data(
        estimator, X, reset=reset, dtype="numeric", allow_nd=True, ensure_min_samples=1
    )
    if input_shape is None:
        input_shape = infer_input_shape(X.shape)
    images = _as_images(type(estimator).__name__, X, input_shape)
    _, channels, height, width = images.shape
    return images, (channels, height, width)


def _check_numeric(name: str, X: Any) -> None:
    """Arrays of objects pass if every object is a number."""
    if getattr(X, "dtype", None) != np.dtype(object):
        return
    try:
        np.asarray(X).astype(np.float64)
    except ValueError as error:
        raise ValueError(
            f"{name}: X has dtype object, and not all of it are numbers ({error}); give an array "
            "of a numeric dtype."
        ) from None


def _check_rank(estimator: Any, X: Any, input_shape: tuple[int, ...] | None) -> None:
    """Images of another size are reported as such, before scikit-learn counts channels."""
    shape = getattr(X, "shape", ())
    if len(shape) > 4:
        infer_input_shape(shape)
    if len(shape) < 3 or input_shape is None:
        return
    given = (1, *shape[1:]) if len(shape) == 3 else tuple(shape[1:])
    if given != tuple(input_shape):
        raise ValueError(_other_size(type(estimator).__name__, given, input_shape))


def _other_size(name: str, given: tuple[int, ...], expected: tuple[int, ...]) -> str:
    return (
        f"{name}: X has images of {_size(given)} (channels x height x width), and the network was "
        f"fitted to images of {_size(expected)}; resize the images, or fit again."
    )


def _size(shape: tuple[int, ...]) -> str:
    return "x".join(str(size) for size in shape)


def infer_input_shape(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """(channels, height, width) of images in an array of `shape`.

    4-D is taken as it is; 3-D is one channel; 2-D is a square image if the
    number of columns is a square number, and one row of pixels otherwise.
    """
    match shape:
        case (_, channels, height, width):
            return channels, height, width
        case (_, height, width):
            return 1, height, width
        case (_, columns):
            side = math.isqrt(columns)
            return (1, side, side) if side * side == columns else (1, 1, columns)
    raise ValueError(
        f"X has {len(shape)} dimensions; expected 2 (n_samples, n_features), "
        "3 (n_samples, height, width) or 4 (n_samples, channels, height, width)."
    )


def _as_images(name: str, X: np.ndarray, input_shape: tuple[int, ...]) -> np.ndarray:
    if len(input_shape) != 3 or any(int(size) < 1 for size in input_shape):
        raise ValueError(
            f"{name}: input_shape must be (channels, height, width), each at least 1; "
            f"got {input_shape!r}."
        )
    channels, height, width = (int(size) for size in input_shape)
    if X.ndim == 2:
        if X.shape[1] != channels * height * width:
            raise ValueError(
                f"{name}: X has {X.shape[1]} features, and input_shape {_size(tuple(input_shape))} "
                f"needs {channels * height * width}; give another input_shape, or none."
            )
        return X.reshape(len(X), channels, height, width)
    given = infer_input_shape(X.shape)
    if given != (channels, height, width):
        raise ValueError(_other_size(name, given, (channels, height, width)))
    return X.reshape(len(X), channels, height, width)


def automatic_input_scale(images: np.ndarray, weights: np.ndarray | None = None) -> float:
    """The power of two that pixels are multiplied by, so that their scale does not matter.

    1 where the root mean square of the training pixels lies in [¼, 2); else
    the power of two that brings it into [½, 1). Powers of two are exact in
    floating point, so X / 16, say, trains the same network to the bit.

    Parameters
    ----------
    images : ndarray of shape (n_samples, n_channels, height, width)
        A thousand of them, evenly spaced, are looked at.
    weights : ndarray of shape (n_samples,), optional
        How often each counts.

    Returns
    -------
    float
    """
    chosen = slice(None, None, max(1, len(images) // 1000))
    sample = images[chosen][:1000].astype(np.float64)
    if not sample.size:
        return 1.0
    squares = np.square(sample).reshape(len(sample), -1).mean(axis=1)
    rms = math.sqrt(
        np.average(squares, weights=None if weights is None else weights[chosen][:1000])
    )
    if rms == 0.0 or 0.25 <= rms < 2.0 or not math.isfinite(rms):
        return 1.0
    _, exponent = math.frexp(rms)  # rms = m · 2**exponent with ½ ≤ m < 1
    return 2.0**-exponent
