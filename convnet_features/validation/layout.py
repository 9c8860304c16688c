"""Which axis of X holds what: channels first or last, flat rows, single images."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..caller import users_level
from ..exceptions import ConvNetFeaturesWarning

__all__ = [
    "channels_first",
    "describe",
    "gathered",
    "holds_pictures",
    "is_file",
    "is_picture",
    "warn_of_colours",
]

#: The sizes by which an axis of channels is recognised: grey, RGB and RGBA.
CHANNELS = (1, 3, 4)
#: What reads files, and pictures of several sizes.
LOADER = (
    "convnet_features.images.ImageLoader reads {what}: make_pipeline(ImageLoader(96), "
    "ConvNetFeatureExtractor(), LogisticRegression())"
)
#: The smallest side of colour images that flat rows are suspected to be.
SMALLEST_SIDE = 4


def gathered(name: str, X: Any) -> Any:
    """Lists and columns of images, and tensors, as one array; anything else as it is.

    Raises
    ------
    ValueError
        If the images have different sizes or modes, X holds files or their names, or is
        one, is a single image or something that is no array, values are masked,
        or a tensor is not one for the CPU; the text says what to do.
    """
    _check_no_files(name, X)
    if is_picture(X):
        raise ValueError(f"{name}: X is one image; give a list of images: [X].")
    if np.ma.isMaskedArray(X) and np.ma.getmaskarray(X).any():
        count = np.count_nonzero(np.ma.getmaskarray(X))
        raise ValueError(
            f"{name}: X is a masked array with {count} masked values; give these pixels values: "
            "X.filled(0), say."
        )
    if hasattr(X, "columns") and hasattr(X, "to_numpy"):
        _check_cells(name, X)
        return X
    if hasattr(X, "__dlpack__") and not isinstance(X, np.ndarray):
        return _tensor_values(name, X)
    if hasattr(X, "shape") and np.ndim(X) != 1:
        return X
    items = X if isinstance(X, list | tuple) or _is_column(X) else ()
    first = next(iter(items), None)
    if first is None or not _is_image(first):
        return X if hasattr(X, "__array__") or isinstance(X, list | tuple) else _read(name, X)
    _check_modes(name, items)
    images = [np.asarray(item) for item in items]
    shapes = sorted({image.shape for image in images})
    if len(shapes) > 1:
        raise ValueError(
            f"{name}: X has images of different sizes, such as {shapes[0]} and {shapes[-1]}; a "
            f"network takes one size. {LOADER.format(what='them, and gives them one')}."
        )
    return np.stack(images)


def _check_no_files(name: str, X: Any) -> None:
    """Refuse files where pixels are expected: alone, in a list, a column or a table of one column.

    Raises
    ------
    ValueError
        If X, or the first of it, is a path, bytes or an open file.
    """
    first = X if is_file(X) else _first(X)
    if is_file(first) and not _is_number(first):
        raise ValueError(
            f"{name}: X holds {_shown(first)}, and pixels are expected. If these are images, or "
            f"the names of their files, {LOADER.format(what='them')}."
        )


def _first(X: Any) -> Any:
    """The first element of a list, a column or a table of one column."""
    if isinstance(X, list | tuple) or _is_column(X):
        return next(iter(X), None)
    shape = tuple(getattr(X, "shape", ()))
    if len(shape) != 2 or shape[1] != 1 or not shape[0]:
        return None
    if hasattr(X, "columns"):
        return next(iter(X[X.columns[0]]), None)
    return X[0, 0] if isinstance(X, np.ndarray) else None


def is_file(each: Any) -> bool:
    """Whether an object is a path, a file's bytes or an open file."""
    if isinstance(each, memoryview):
        return each.ndim == 1 and each.format in ("B", "b", "c")
    is_open = hasattr(each, "read") and not hasattr(each, "shape")
    return isinstance(each, str | bytes | bytearray | os.PathLike) or is_open


def _is_number(text: Any) -> bool:
    """Whether scikit-learn would take a text for a number."""
    try:
        float(text)
    except (TypeError, ValueError):
        return False
    return True


def _shown(file: Any) -> str:
    if isinstance(file, bytes | bytearray | memoryview):
        return f"bytes, such as {bytes(file[:8])!r}…"
    return "open files" if hasattr(file, "read") else f"text, such as {str(file)!r}"


def is_picture(item: Any) -> bool:
    """Whether an object is one of PIL's images."""
    return hasattr(item, "getbands") and hasattr(item, "size") and hasattr(item, "mode")


def holds_pictures(X: Any) -> bool:
    """Whether X is a list of PIL's images, whose channels are always last."""
    items = X if isinstance(X, list | tuple) or _is_column(X) else ()
    return is_picture(next(iter(items), None))


def _check_modes(name: str, items: Any) -> None:
    """Check that PIL's images share a mode whose numbers are brightnesses.

    Raises
    ------
    ValueError
        If they have several, or refer to a palette.
    """
    modes = sorted({item.mode for item in items if is_picture(item)})
    if len(modes) > 1:
        raise ValueError(
            f"{name}: X has images of different modes, such as {modes[0]!r} and {modes[-1]!r}; a "
            "network takes one number of channels: [image.convert('RGB') for image in X]."
        )
    if modes and modes[0] in ("P", "PA"):
        raise ValueError(
            f"{name}: X has images of the mode {modes[0]!r}, whose pixels are numbers of colours "
            "in a palette, not colours; give [image.convert('RGB') for image in X]."
        )


def _read(name: str, X: Any) -> np.ndarray:
    """Something that is neither an array nor a list, as NumPy reads it.

    Raises
    ------
    ValueError
        If it does not.
    """
    try:
        array = np.asarray(X)
    except Exception as error:  # whatever the object makes of it
        raise ValueError(_no_array(name, X)) from error
    if array.dtype == object or (array.ndim == 0 and array.dtype.kind not in "biufc"):
        raise ValueError(_no_array(name, X))
    return array


def _no_array(name: str, X: Any) -> str:
    remedy = (
        "give numpy.stack(list(X))"
        if isinstance(X, Iterator)
        else "give an array of images, of shape (n_samples, channels, height, width), say"
    )
    return f"{name}: X is a {type(X).__name__}, which NumPy cannot read as an array; {remedy}."


def _tensor_values(name: str, X: Any) -> np.ndarray:
    """A tensor of PyTorch, JAX or the like as an array of NumPy."""
    try:
        return np.asarray(X)
    except (RuntimeError, TypeError, ValueError, BufferError) as error:
        raise ValueError(
            f"{name}: X is a {type(X).__name__} that NumPy cannot read ({error}); give its values, "
            "without gradients and in the memory of the CPU: X.detach().cpu().numpy() of PyTorch."
        ) from None


def _is_column(X: Any) -> bool:
    """A series, or a one-dimensional array, of objects or text."""
    kind = getattr(getattr(X, "dtype", None), "kind", "O")
    return len(getattr(X, "shape", ())) == 1 and kind in "OUT" and hasattr(X, "__iter__")


def _is_image(item: Any) -> bool:
    """A matrix, a stack of them, or one of PIL's images."""
    if hasattr(item, "__array_interface__") or hasattr(item, "shape"):
        return len(np.shape(item)) >= 2
    return False


def _check_cells(name: str, X: Any) -> None:
    for column in X.columns:
        first = next(iter(X[column]), None)
        if first is not None and (_is_image(first) or len(np.shape(first)) == 1):
            raise ValueError(
                f"{name}: the cells of column {column!r} hold arrays; give these as X: "
                f"numpy.stack(list(X[{column!r}]))."
            )


def channels_first(name: str, X: Any, data_format: str, expected: tuple[int, ...] | None) -> Any:
    """X of four dimensions with its channels second: itself, or a view of it.

    Parameters
    ----------
    name : str
        What errors call the estimator.
    X : array-like
        What has another number of dimensions stays as it is.
    data_format : {'auto', 'channels_first', 'channels_last'}
        'auto' takes the last axis for channels where it has 1, 3 or 4 of them
        and the second cannot be channels.
    expected : (int, int, int) or None
        (channels, height, width), where they are known: of two readings, the
        one that fits.

    Raises
    ------
    ValueError
        If both readings are possible.
    """
    shape = tuple(getattr(X, "shape", ()))
    if len(shape) != 4 or data_format == "channels_first":
        return X
    if data_format == "channels_last" or _are_last(name, shape, expected):
        return X.transpose(0, 3, 1, 2) if isinstance(X, np.ndarray) else _moved(X)
    return X


def _moved(X: Any) -> Any:
    return np.asarray(X).transpose(0, 3, 1, 2)


def _are_last(name: str, shape: tuple[int, ...], expected: tuple[int, ...] | None) -> bool:
    _, second, third, last = shape
    if last not in CHANNELS or second == third == last == 1:
        return False
    as_last = (last, second, third)
    if expected is not None:
        fits_first, fits_last = shape[1:] == tuple(expected), as_last == tuple(expected)
        if not (fits_first and fits_last):
            return fits_last
    elif second not in CHANNELS and third != last:
        return True
    raise ValueError(
        f"{name}: X has the shape {shape}, which may be images of {describe(shape[1:])} with their "
        f"channels first, or of {describe(as_last)} with their channels last (channels x height x "
        "width); set data_format='channels_first' or data_format='channels_last'."
    )


def warn_of_colours(name: str, n_columns: int) -> None:
    """Flat rows may be colour images.

    Warns
    -----
    ConvNetFeaturesWarning
        If there are 3·k² columns.
    """
    side = math.isqrt(n_columns // 3)
    if n_columns != 3 * side * side or side < SMALLEST_SIDE:
        return
    warnings.warn(
        f"{name}: each row of X is taken for one row of {n_columns} pixels. If it is a colour "
        f"image of {side}x{side} pixels, set input_shape=(3, {side}, {side}), where the channels "
        f"come one after the other, or give X.reshape(-1, {side}, {side}, 3), where the colours of "
        f"a pixel stand together; input_shape=(1, 1, {n_columns}) says that rows are meant.",
        ConvNetFeaturesWarning,
        stacklevel=users_level(),
    )


def describe(shape: tuple[int, ...]) -> str:
    """Sizes in words: ``3x28x28``."""
    return "x".join(str(size) for size in shape)
