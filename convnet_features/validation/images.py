"""X as images."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn import config_context
from sklearn.utils.validation import _check_n_features, validate_data

from ..kernels.magnitude import magnitude
from ..kernels.memory import empty
from ..network.inputs import Inputs
from ..network.on_demand import ImagesOnDemand
from .layout import channels_first, describe, gathered, holds_pictures, warn_of_colours

__all__ = [
    "LARGEST_NUMBER",
    "automatic_input_scale",
    "check_images",
    "check_scaled_images",
    "infer_input_shape",
    "largest_pixel",
]

#: The largest number of float32, in which networks compute.
LARGEST_NUMBER = float(np.finfo(np.float32).max)
#: How many images `automatic_input_scale` looks at.
SAMPLE = 1000
#: How many images on demand it reads together.
PART = 64
#: How many pixels it looks at together: as float64 they stay in a processor's cache.
PIXELS = 1 << 16


def check_images(
    estimator: Any, X: Any, input_shape: tuple[int, ...] | None, *, reset: bool
) -> tuple[np.ndarray | ImagesOnDemand, tuple[int, int, int]]:
    """X as images (n_samples, channels, height, width), a view of X wherever NumPy can make one.

    Parameters
    ----------
    estimator : BaseEstimator
        Whose ``n_features_in_`` and ``feature_names_in_`` are set (`reset`) or
        compared.
    X : array-like of shape (n_samples, n_features), (n_samples, height, width), \
            (n_samples, channels, height, width) or (n_samples, height, width, channels)
        Images on demand stay so, unread.
    input_shape : (int, int, int) or None
        (channels, height, width); None infers it.
    reset : bool
        True in `fit`.

    Returns
    -------
    images : ndarray or ImagesOnDemand, of shape (n_samples, channels, height, width)
        Of X's own dtype, if that is numeric.
    input_shape : (int, int, int)

    Raises
    ------
    ValueError
        If X is empty, has another number of dimensions, NaN, infinity, numbers
        beyond those of float32, or images of another size; the text says what
        came and what was expected.
    """
    if not reset and _are_as_fitted(estimator, X, input_shape):
        return X, input_shape  # type: ignore[return-value]
    name = type(estimator).__name__
    if isinstance(X, ImagesOnDemand):
        return _check_on_demand(estimator, X, input_shape, reset)
    data_format = "channels_last" if holds_pictures(X) else estimator.data_format
    X = gathered(name, X)
    if isinstance(X, list | tuple):
        X = _as_array(X)
    X = channels_first(name, X, data_format, input_shape)
    _check_numeric(name, X)
    if not reset:
        X = _as_fitted(estimator, X, input_shape)
    try:
        # Tensors under scikit-learn's array_api_dispatch would stay tensors.
        with config_context(array_api_dispatch=False):
            X = validate_data(
                estimator, X, reset=reset, dtype="numeric", allow_nd=True, ensure_min_samples=1
            )
    except OverflowError:
        raise ValueError(_too_large(name, "a whole number beyond those of float64")) from None
    check_range(name, X)
    if input_shape is None:
        if X.ndim == 2:
            warn_of_colours(name, X.shape[1])
        input_shape = infer_input_shape(X.shape)
    images = _as_images(name, X, input_shape)
    _, channels, height, width = images.shape
    return images, (channels, height, width)


def _are_as_fitted(estimator: Any, X: Any, input_shape: tuple[int, ...] | None) -> bool:
    """Whether there is nothing to say of X, nor to change: most often, and found out at once.

    It asks only for what all of scikit-learn's checks let pass.
    """
    return (
        input_shape is not None
        and type(X) is np.ndarray
        and X.ndim == 4
        and X.shape[1:] == input_shape
        and len(X) > 0
        and len(set(input_shape)) > 1  # otherwise the channels may also be last
        and estimator.data_format != "channels_last"
        and X.dtype.kind in "uif"
        and X.dtype.itemsize <= 4
        and "feature_names_in_" not in vars(estimator)
        and magnitude(X) <= LARGEST_NUMBER
    )


def _check_on_demand(
    estimator: Any, X: ImagesOnDemand, input_shape: tuple[int, ...] | None, reset: bool
) -> tuple[ImagesOnDemand, tuple[int, int, int]]:
    """Images on demand are checked by their shape alone: bytes are finite, channels come first."""
    name, (n_samples, *shape) = type(estimator).__name__, X.shape
    if n_samples < 1:
        raise ValueError(f"{name}: X has 0 samples, and a minimum of 1 is required.")
    if input_shape is not None and tuple(input_shape) != tuple(shape):
        if reset:
            raise ValueError(_not_as_declared(name, X.shape, tuple(input_shape)))
        raise ValueError(_other_size(name, tuple(shape), tuple(input_shape)))
    if reset:
        _check_n_features(estimator, X, reset=True)
    channels, height, width = shape
    return X, (channels, height, width)


def largest_pixel(images: np.ndarray | ImagesOnDemand | Inputs) -> float:
    """The largest absolute value; of images on demand, which are not read, an upper bound."""
    if isinstance(images, Inputs):
        return max(magnitude(array) for array in images.arrays.values())
    if isinstance(images, ImagesOnDemand):
        return float(np.iinfo(images.dtype).max)
    return magnitude(images)


def _check_numeric(name: str, X: Any) -> None:
    """Check that an array of objects holds only numbers."""
    if getattr(X, "dtype", None) != np.dtype(object):
        return
    try:
        np.asarray(X).astype(np.float64)
    except OverflowError:
        return  # scikit-learn's conversion to numbers reports it
    except ValueError as error:
        raise ValueError(
            f"{name}: X has dtype object, and not all of it are numbers ({error}); give an array "
            "of a numeric dtype."
        ) from None


def check_range(name: str, X: np.ndarray) -> None:
    """Check that the numbers of a dtype wider than float32 fit into float32."""
    if X.dtype.kind == "f" and X.dtype.itemsize > 4 and magnitude(X) > LARGEST_NUMBER:
        raise ValueError(_too_large(name, f"{magnitude(X):g}"))


def check_finite(name: str, what: str, values: np.ndarray) -> None:
    """Check that floats are finite numbers of float32.

    Raises
    ------
    ValueError
        If there is NaN, infinity, or a number too large.
    """
    if not magnitude(values) <= LARGEST_NUMBER:
        raise ValueError(
            f"{name}: {what} holds {_strange(values)}; networks compute with numbers of float32, "
            f"up to {LARGEST_NUMBER:g}. Replace them, or leave their samples out."
        )


def _strange(values: np.ndarray) -> str:
    """The worst value in words: NaN, infinity or the largest number."""
    largest = magnitude(values)
    if math.isnan(largest):
        return "NaN"
    return "infinity" if math.isinf(largest) else f"{largest:g}"


def check_scaled_images(
    name: str, images: np.ndarray | ImagesOnDemand | Inputs, scale: float
) -> None:
    """Check that pixels times `scale` are numbers of float32.

    Raises
    ------
    ValueError
        If one is too large.
    """
    # A scale of at most 1 makes no pixel larger.
    if scale > 1.0 and (largest := largest_pixel(images)) * scale > LARGEST_NUMBER:
        raise ValueError(
            f"{name}: X holds {largest:g}, and pixels are multiplied by input_scale={scale:g}: the "
            f"product is too large for float32, whose numbers end at {LARGEST_NUMBER:g}. Give that "
            "pixel its right value, or give another input_scale."
        )


def _too_large(name: str, value: str) -> str:
    return (
        f"{name}: X holds {value}, which is too large for float32, in which networks compute: its "
        f"numbers end at {LARGEST_NUMBER:g}. Give that pixel its right value, or divide X."
    )


def _as_array(X: Any) -> Any:
    """Nested lists as an array; lists of unequal lengths stay, and scikit-learn refuses them."""
    try:
        return np.asarray(X)
    except ValueError:
        return X


def _as_fitted(estimator: Any, X: Any, input_shape: tuple[int, ...] | None) -> Any:
    """X as flat rows or images, whichever was fitted, if its size is right.

    Raises
    ------
    ValueError
        If it has another; the text says so of images, before scikit-learn
        counts columns or channels.
    """
    name, shape = type(estimator).__name__, tuple(getattr(X, "shape", ()))
    if len(shape) > 4:
        infer_input_shape(shape)
    if len(shape) < 2 or input_shape is None or issparse(X):
        return X
    expected = tuple(int(size) for size in input_shape)
    n_pixels, n_features = math.prod(expected), getattr(estimator, "n_features_in_", None)
    if len(shape) > 2:
        given = (1, *shape[1:]) if len(shape) == 3 else shape[1:]
        if given != expected:
            raise ValueError(_other_size(name, given, expected) + _one_image(shape, expected))
    elif shape[1] != n_pixels and (n_features != n_pixels or _one_image(shape, expected)):
        raise ValueError(
            f"{name}: X has the shape {shape}, rows of {shape[1]} numbers, and the network was "
            f"fitted to images of {describe(expected)} (channels x height x width); give the shape "
            f"(n_samples, {', '.join(map(str, expected))}), or rows of {n_pixels} numbers."
            f"{_one_image(shape, expected)}"
        )
    elif shape[1] != n_pixels:
        return X  # scikit-learn says how many columns were expected
    forms: dict[Any, tuple[int, ...]] = {expected[0]: expected, n_pixels: (n_pixels,)}
    form = forms.get(n_features, expected[1:])
    if n_features is None or len(shape) == len(form) + 1:
        return X
    return np.asarray(X).reshape(-1, *form) if len(X) else X


def _one_image(shape: tuple[int, ...], expected: tuple[int, ...]) -> str:
    """What to do with a single image."""
    channels, height, width = expected
    single = [expected, (height, width, channels), *([(height, width)] if channels == 1 else [])]
    return " If it is one image, give a batch of it: X[numpy.newaxis]." if shape in single else ""


def _other_size(name: str, given: tuple[int, ...], expected: tuple[int, ...]) -> str:
    return (
        f"{name}: X has images of {describe(given)} (channels x height x width), and the network "
        f"was fitted to images of {describe(expected)}; resize the images, or fit again."
    )


def _not_as_declared(name: str, shape: tuple[int, ...], declared: tuple[int, ...]) -> str:
    return (
        f"{name}: X has the shape {shape}, and input_shape={declared} (channels, height, width) "
        "asks for images of another size. Resize the images, or leave input_shape out: it is found "
        "from X."
    )


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
                f"{name}: X has {X.shape[1]} features, and input_shape "
                f"{describe(tuple(input_shape))} needs "
                f"{channels * height * width}; give another input_shape, or none."
            )
        return X.reshape(len(X), channels, height, width)
    given = infer_input_shape(X.shape)
    if given != (channels, height, width):
        raise ValueError(_not_as_declared(name, X.shape, (channels, height, width)))
    return X.reshape(len(X), channels, height, width)


def automatic_input_scale(
    images: np.ndarray | ImagesOnDemand | Inputs, weights: np.ndarray | None = None
) -> float:
    """The power of two that pixels are multiplied by, so that their scale does not matter.

    1 where the root mean square of the training pixels lies in [¼, 2); else
    the power of two that brings it into [½, 1). Powers of two are exact in
    floating point, so X / 16, say, trains the same network to the bit.

    Parameters
    ----------
    images : ndarray or ImagesOnDemand, of shape (n_samples, n_channels, height, width), or Inputs
        A thousand of them, evenly spaced, are looked at. Inputs that are no images may mean
        anything, and stay as they are.
    weights : ndarray of shape (n_samples,), optional
        How often each counts.

    Returns
    -------
    float
    """
    if isinstance(images, Inputs):
        return 1.0
    every = max(1, len(images) // SAMPLE)
    sample = images[::every][:SAMPLE]
    # Pixels are divided by the largest first: float64 might not hold the squares of very large or
    # very small ones.
    _, largest = math.frexp(largest_pixel(sample))  # m · 2**largest with ½ ≤ m < 1
    squares = np.concatenate([_mean_squares(part, -largest) for part in _in_memory(sample)])
    counts = None if weights is None else weights[::every][:SAMPLE]
    if counts is not None:
        counts = counts / counts.max()
    rms = math.sqrt(np.average(squares, weights=counts)) if squares.any() else 0.0
    if rms == 0.0 or not math.isfinite(rms) or 0.25 <= math.ldexp(rms, largest) < 2.0:
        return 1.0
    _, exponent = math.frexp(rms)
    # Pixels of less than float64's normal numbers stay below ½.
    return math.ldexp(1.0, min(-exponent - largest, 1023))


def _in_memory(images: np.ndarray | ImagesOnDemand) -> Iterator[np.ndarray]:
    """An array whole; images on demand a part at a time."""
    if isinstance(images, ImagesOnDemand):
        for start in range(0, len(images), PART):
            yield np.asarray(images[start : start + PART])
    else:
        yield images


def _mean_squares(images: np.ndarray, exponent: int) -> np.ndarray:
    """The mean square of each image times 2**exponent, computed a cacheful at a time."""
    pixels = math.prod(images.shape[1:])
    if not pixels:
        return np.zeros(0)
    step = max(1, PIXELS // pixels)
    squares = empty(len(images), np.float64)
    for start in range(0, len(images), step):
        some = images[start : start + step].astype(np.float64).reshape(-1, pixels)
        np.ldexp(some, exponent, out=some)
        squares[start : start + step] = np.square(some, out=some).mean(axis=1)
    return squares
