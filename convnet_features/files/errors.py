"""Errors about the contents of a file, which name it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sklearn.exceptions import NotFittedError

from ..exceptions import ConvNetFeaturesError, FileFormatError

__all__ = ["errors_naming"]


@contextmanager
def errors_naming(source: Any) -> Iterator[None]:
    """Let a ValueError about what came from a file be a FileFormatError that names the file.

    Parameters
    ----------
    source : path, or anything else
        With anything else errors stay as they are.
    """
    try:
        yield
    except ValueError as error:
        is_file = isinstance(source, str | os.PathLike)
        if not is_file or isinstance(error, ConvNetFeaturesError | NotFittedError):
            raise
        raise FileFormatError(f"{os.fspath(source)}: {error}") from error
