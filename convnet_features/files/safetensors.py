"""Arrays in safetensors files: a JSON header and raw numbers. Reading one runs nothing.

Files that are written here hold a SHA-256 of their contents, so that a change by
a disk or a network is noticed.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..exceptions import FileFormatError
from ..locks import import_whole
from .atomic import atomic_file

__all__ = ["looks_like_safetensors", "read_arrays", "write_arrays"]

#: The key of our own JSON among the strings that a safetensors header may hold.
_NOTES = "convnet_features"
#: The key of the checksum, in hexadecimal digits.
_CHECKSUM = "convnet_features.sha256"
#: What safetensors call the type.
_BFLOAT16 = "BF16"
#: Bytes in front of a safetensors header that say how long it is. Its length is a multiple.
_START = 8


def write_arrays(
    path: str | os.PathLike[str], arrays: Mapping[str, np.ndarray], notes: Any = None
) -> None:
    """Write named arrays as a safetensors file with a checksum, atomically.

    The same arrays and notes make the same bytes, whatever the order of the arrays.

    Parameters
    ----------
    path : str or path-like
    arrays : mapping of str to ndarray
    notes : optional
        Anything that JSON can express.
    """
    import_whole("safetensors.numpy")
    from safetensors.numpy import save

    text = json.dumps(notes, default=_plain)
    contiguous = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    # ascontiguousarray makes vectors of numbers without dimensions.
    contiguous = {name: value.reshape(arrays[name].shape) for name, value in contiguous.items()}
    metadata = {_NOTES: text, _CHECKSUM: _checksum(contiguous, text)}
    contents = memoryview(save(contiguous, metadata=metadata))
    start = _START + int.from_bytes(contents[:_START], "little")
    with atomic_file(path) as file:
        file.write(_in_order(contents[_START:start]))
        file.write(contents[start:])


def _in_order(header: memoryview) -> bytes:
    """A safetensors header, and its length in front, with its entries in the order of names.

    The package writes texts in an order that differs from call to call.
    """
    text = json.dumps(json.loads(bytes(header)), sort_keys=True, separators=(",", ":"))
    padded = text.encode().ljust(-(-len(text) // _START) * _START)
    return len(padded).to_bytes(_START, "little") + padded


def _checksum(arrays: Mapping[str, np.ndarray], notes: str) -> str:
    """The SHA-256 of arrays, what they are called and what they are, and of the notes as text.

    The checksum is of the contents and not of the file, because another program may write the
    same contents in another order.
    """
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        label = json.dumps([name, array.dtype.str, arrays[name].shape])
        digest.update(f"{label}\n".encode())
        digest.update(array.reshape(-1).view(np.uint8).data)
    digest.update(notes.encode())
    return digest.hexdigest()


def _plain(value: Any) -> Any:
    """NumPy's numbers as Python's."""
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{value!r} ({type(value).__name__}) cannot be written as JSON.")


def read_arrays(path: str | os.PathLike[str]) -> tuple[dict[str, np.ndarray], Any]:
    """The arrays of a safetensors file, and our notes in it (None in others' files).

    Parameters
    ----------
    path : str or path-like

    Returns
    -------
    arrays : dict of str to ndarray
        Numbers of bfloat16 are float32 here, which holds each of them.
    notes : object

    Raises
    ------
    FileFormatError
        If it is no safetensors file, is damaged, or is not what its checksum
        was made of. Files without a checksum are read too.
    """
    try:
        arrays, metadata = _contents(path)
        text = metadata.get(_NOTES, "null")
        notes = json.loads(text)
    except (OSError, MemoryError):
        raise
    except Exception as error:  # safetensors and NumPy differ in what they raise
        raise FileFormatError(
            f"{path}: this is no readable safetensors file ({error}); write one with save_params."
        ) from error
    if metadata.get(_CHECKSUM) not in (None, _checksum(arrays, text)):
        raise FileFormatError(
            f"{path}: its contents are not those that its checksum was made of: it was damaged, or "
            "changed by another program. Fetch it again, or write it anew."
        )
    return arrays, notes


def _contents(path: str | os.PathLike[str]) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """What a safetensors file holds: arrays and texts, by name."""
    import_whole("safetensors.numpy")
    from safetensors import safe_open

    with safe_open(os.fspath(path), framework="numpy") as file:
        types = {name: file.get_slice(name).get_dtype() for name in file.keys()}  # noqa: SIM118
        short = [name for name, each in types.items() if each == _BFLOAT16]
        widened = _of_bfloat16(path, short) if short else {}
        arrays = {
            name: widened[name] if name in widened else file.get_tensor(name) for name in types
        }
        return arrays, file.metadata() or {}


def _of_bfloat16(path: str | os.PathLike[str], names: Sequence[str]) -> dict[str, np.ndarray]:
    """Arrays of bfloat16, which NumPy does not have, as float32: it has the same numbers and more.

    A bfloat16 is the first half of a float32. The header has been checked.
    """
    with open(path, "rb") as file:
        length = int.from_bytes(file.read(_START), "little")
        header = json.loads(file.read(length))
        arrays = {}
        for name in names:
            begin, end = header[name]["data_offsets"]
            file.seek(_START + length + begin)
            halves = np.frombuffer(file.read(end - begin), "<u2").astype("<u4")
            arrays[name] = (halves << 16).view("<f4").reshape(header[name]["shape"])
    return arrays


def looks_like_safetensors(path: str | os.PathLike[str]) -> bool:
    """Whether a file begins as safetensors do: with the length of a header within it, and JSON."""
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        length, brace = file.read(_START), file.read(1)
    return brace == b"{" and int.from_bytes(length, "little") <= size - _START
