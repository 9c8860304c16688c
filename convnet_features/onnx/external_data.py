"""Weights that lie in files beside a model, read from its own folder only."""

from __future__ import annotations

import os
import stat
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import BinaryIO

import onnx
from onnx import TensorProto

from ..exceptions import FileFormatError

__all__ = ["MAX_BYTES", "ExternalData", "is_external"]

#: Of all files of a model together.
MAX_BYTES = 1 << 30


class ExternalData:
    """The files beside a model.

    Parameters
    ----------
    model : Path or None
        The model's own file; None if it came as bytes, which have no neighbours.

    Attributes
    ----------
    n_bytes : int
        How large the files are that were asked for, each counted once, whatever
        names and links lead to it.
    """

    def __init__(self, model: Path | None) -> None:
        self._folder = None if model is None else model.parent
        self._own = None if model is None else _identity(model.stat())
        self._files: dict[str, tuple[Path, int]] = {}
        self._counted: set[tuple[int, int]] = set()
        self.n_bytes = 0

    def find(self, tensor: onnx.TensorProto) -> None:
        """Look for the file of a tensor whose numbers lie in one.

        Raises
        ------
        FileFormatError
            If it is not an ordinary file in the model's folder, is the model
            itself, or is too large.
        """
        if is_external(tensor):
            self._file(tensor)

    def whole(self, tensor: onnx.TensorProto) -> onnx.TensorProto:
        """`tensor` with its numbers in it, wherever they were.

        Raises
        ------
        FileFormatError
            As from `find`; also if the numbers are not where they are said to be.
        """
        if not is_external(tensor):
            return tensor
        location, (path, size) = _location(tensor), self._file(tensor)
        offset = _count(tensor, "offset", 0)
        length = _count(tensor, "length", max(0, size - offset))
        if offset + length > size:
            raise FileFormatError(
                f"from_onnx: {_named(tensor)} should be {length} bytes from {offset} on in "
                f"{path.name!r}, which has {size}; the file is damaged, or another model's."
            )
        found = TensorProto()
        found.CopyFrom(tensor)
        found.ClearField("external_data")
        found.data_location = TensorProto.DEFAULT
        with _opened_for(tensor, location, path) as file:
            file.seek(offset)
            found.raw_data = file.read(length)
        return found

    def _file(self, tensor: onnx.TensorProto) -> tuple[Path, int]:
        """The file of a tensor, and how large it is."""
        location = _location(tensor)
        if location not in self._files:
            path = self._inside(tensor, location)
            with _opened_for(tensor, location, path) as file:
                status = os.fstat(file.fileno())
            size, identity = status.st_size, _identity(status)
            if identity == self._own:
                raise FileFormatError(
                    f"from_onnx: {_named(tensor)} lies in {location!r:.80}, which is the model "
                    "itself; save its numbers in the model (raw_data), or in a file beside it."
                )
            if identity not in self._counted:
                self._counted.add(identity)
                self.n_bytes += size
            if self.n_bytes > MAX_BYTES:
                raise FileFormatError(
                    f"from_onnx: the files beside the model have {self.n_bytes} bytes up to "
                    f"{location!r:.80}; at most {MAX_BYTES} are read."
                )
            self._files[location] = path, size
        return self._files[location]

    def _inside(self, tensor: onnx.TensorProto, location: str) -> Path:
        """The path of a file that is in the model's folder, links followed."""
        if self._folder is None:
            raise FileFormatError(
                f"from_onnx: {_named(tensor)} lies in another file, {location!r:.80}, and the "
                "model came without a folder; give the path of the model, or load its weights "
                "into it (onnx.load)."
            )
        parts = {*PurePosixPath(location).parts, *PureWindowsPath(location).parts}
        anchored = PurePosixPath(location).anchor or PureWindowsPath(location).anchor
        if not parts or anchored or ".." in parts or "\0" in location:
            raise FileFormatError(
                f"from_onnx: {_named(tensor)} lies in {location!r:.80}; only files in the model's "
                "own folder are read."
            )
        try:
            folder = self._folder.resolve()
            path = (folder / location).resolve()
        except (OSError, RuntimeError) as error:  # links in a circle
            raise FileFormatError(
                f"from_onnx: {_named(tensor)} lies in {location!r:.80}, which cannot be read: "
                f"{error}"
            ) from error
        if not path.is_relative_to(folder):
            raise FileFormatError(
                f"from_onnx: {_named(tensor)} lies in {location!r:.80}, a link that leads out of "
                "the model's folder; put a copy of the file there."
            )
        return path


def is_external(tensor: onnx.TensorProto) -> bool:
    """Whether the numbers of a tensor lie in another file."""
    return tensor.data_location == TensorProto.EXTERNAL or bool(tensor.external_data)


def _identity(status: os.stat_result) -> tuple[int, int]:
    """What a file is known by: one file may have many names."""
    return status.st_dev, status.st_ino


def _opened_for(tensor: onnx.TensorProto, location: str, path: Path) -> BinaryIO:
    """The same as `_opened`; a FileFormatError that names the tensor."""
    try:
        return _opened(path)
    except OSError as error:
        raise FileFormatError(
            f"from_onnx: {_named(tensor)} lies in {location!r:.80}, which cannot be read "
            f"({error.strerror or error}); put that file beside the model, under its name."
        ) from error


def _opened(path: Path) -> BinaryIO:
    """An ordinary file, opened; an OSError for links, pipes, devices and folders."""
    # A pipe that nobody writes to would keep the caller waiting.
    descriptor = os.open(path, os.O_RDONLY | _UNFOLLOWED | getattr(os, "O_NONBLOCK", 0) | _BINARY)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError("it is no ordinary file")
    return os.fdopen(descriptor, "rb")


#: Of Windows, where files are text unless they are said not to be.
_BINARY = getattr(os, "O_BINARY", 0)
#: Links were followed when the path was resolved: one that is there now has come since.
_UNFOLLOWED = getattr(os, "O_NOFOLLOW", 0)


def _said(tensor: onnx.TensorProto) -> dict[str, str]:
    return {entry.key: entry.value for entry in tensor.external_data}


def _location(tensor: onnx.TensorProto) -> str:
    return _said(tensor).get("location", "")


def _count(tensor: onnx.TensorProto, key: str, default: int) -> int:
    """An offset or a length."""
    text = _said(tensor).get(key, "")
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise FileFormatError(f"from_onnx: {_named(tensor)} has the {key} {text!r:.40}.")
    return int(text)


def _named(tensor: onnx.TensorProto) -> str:
    return f"the constant {tensor.name!r:.80}"
