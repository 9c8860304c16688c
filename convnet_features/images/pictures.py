"""X as a sequence of pictures, and the name of each for messages."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence, Sized
from typing import Any

import numpy as np

from ..validation.layout import is_file, is_picture

__all__ = ["name_of", "pictures"]

#: Channels on a last axis: an array of three axes that ends so is more likely one picture.
CHANNELS = (1, 2, 3, 4)


def pictures(name: str, X: Any) -> Sequence[Any]:
    """The pictures in X, in order: nothing is opened.

    Parameters
    ----------
    name : str
        What errors call the estimator.
    X : sequence, series, one-column frame, or array
        Of paths, bytes, open files, PIL's images and arrays, in any mixture.

    Raises
    ------
    ValueError
        If X is a single picture, holds none, or is something else.
    """
    if is_file(X) or is_picture(X):
        raise ValueError(
            f"{name}: X is one {_kind(X)}; give a list of them: [X]. Files of a folder are listed "
            "by load_image_folder(folder).filenames."
        )
    found = _listed(name, X)
    if not len(found):
        raise ValueError(f"{name}: X holds no images (0 samples); at least one is needed.")
    return found


def _listed(name: str, X: Any) -> Sequence[Any]:
    if hasattr(X, "columns") and hasattr(X, "shape"):
        return _only_column(name, X)
    if isinstance(X, np.ndarray):
        return _of_array(name, X)
    if hasattr(X, "to_list"):  # a series
        return list(X.to_list())
    if isinstance(X, list | tuple):
        return _unnested(X)
    if hasattr(X, "__array__") and not isinstance(X, dict):
        return _of_array(name, np.asarray(X))
    if isinstance(X, Iterable) and isinstance(X, Sized) and not isinstance(X, dict | set):
        return list(X)
    raise ValueError(
        f"{name}: X is a {type(X).__name__}; give a list, an array or a column of paths, bytes, "
        "open files, PIL's images or arrays."
    )


def _only_column(name: str, frame: Any) -> Sequence[Any]:
    columns = list(frame.columns)
    if len(columns) != 1:
        raise ValueError(
            f"{name}: X is a frame of {len(columns)} columns ({', '.join(map(str, columns[:5]))}"
            f"{', …' if len(columns) > 5 else ''}), and one of images is needed; choose it: "
            "X['path'], or ColumnTransformer([('images', pipeline, ['path'])])."
        )
    column = frame[columns[0]]
    return list(column.to_list())


def _of_array(name: str, X: np.ndarray) -> Any:
    if X.dtype.kind in "OUST":
        if X.ndim == 2 and X.shape[1] == 1:
            X = X[:, 0]
        if X.ndim == 1:
            return list(X)
    elif X.ndim == 4 or (X.ndim == 3 and X.shape[-1] not in CHANNELS):
        return X
    elif X.ndim == 3:
        raise ValueError(
            f"{name}: X is an array of shape {X.shape}, which may be one image, its channels "
            f"last, or {X.shape[0]} narrow ones; give [X] of one, or list(X) of many."
        )
    raise ValueError(
        f"{name}: X is an array of shape {X.shape} and dtype {X.dtype}. Expected images: a "
        "one-dimensional array (or one column) of paths, bytes or images, or numbers of shape "
        "(n_samples, height, width), (n_samples, height, width, channels) or (n_samples, "
        "channels, height, width). Reshape your data: flat rows say nothing of their height."
    )


def _unnested(X: Sequence[Any]) -> Sequence[Any]:
    """Rows of one cell, as a table has them, as their cells."""
    if X and all(isinstance(each, list | tuple) and len(each) == 1 and _cell(each) for each in X):
        return [each[0] for each in X]
    return X


def _cell(row: Sequence[Any]) -> bool:
    return is_file(row[0]) or is_picture(row[0])


def _kind(each: Any) -> str:
    if isinstance(each, str | os.PathLike):
        return f"path ({os.fspath(each)!r})"
    if is_picture(each):
        return "image of PIL's"
    return "open file" if hasattr(each, "read") else "image's bytes"


def name_of(each: Any, row: int) -> str:
    """The name of a picture in errors: its path, or its row and type."""
    if isinstance(each, str | os.PathLike):
        return os.fsdecode(os.fspath(each))
    if is_picture(each):
        return f"X[{row}] (PIL's, {each.mode}, {'x'.join(map(str, each.size))})"
    if isinstance(each, bytes | bytearray | memoryview):
        return f"X[{row}] ({len(each)} bytes)"
    if hasattr(each, "read"):
        return f"X[{row}] (open file {getattr(each, 'name', '')!s})"
    if hasattr(each, "shape"):
        return f"X[{row}] (array of shape {tuple(each.shape)})"
    return f"X[{row}] ({type(each).__name__})"
