"""Arrays in files that are safe to read and never half written.

Files are safetensors: a JSON header and raw numbers. Reading one runs nothing.
Those that are written here hold a SHA-256 of their contents, so that one that a
disk or a network has changed is noticed.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import pickle
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
from sklearn.exceptions import NotFittedError

from .exceptions import ConvNetFeaturesError, FileFormatError
from .locks import import_whole

__all__ = [
    "atomic_file",
    "errors_naming",
    "read_arrays",
    "read_pickled_arrays",
    "write_arrays",
    "write_atomically",
]

#: The key of our own JSON among the strings that a safetensors header may hold.
_NOTES = "convnet_features"
#: That of the checksum, in hexadecimal digits.
_CHECKSUM = "convnet_features.sha256"
#: Bytes in front of a safetensors header, which say how long it is; a multiple of them is.
_START = 8


@contextlib.contextmanager
def atomic_file(path: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """A file to write to, which replaces the one at `path` if the ``with`` block succeeds.

    The bytes go to a new file in the same folder, to the disk, and only then
    under the final name: whenever the process dies, that name stands for the
    old contents or the new ones.

    Parameters
    ----------
    path : str or path-like
        In a folder that exists.

    Yields
    ------
    file object

    Raises
    ------
    OSError
        If the file cannot be written; the error names `path`.
    """
    path = Path(path)
    prefix = f".{path.name}."
    try:
        descriptor, temporary = tempfile.mkstemp(prefix=prefix, dir=path.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.chmod(temporary, 0o666 & ~_umask())
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)
            raise
        _sync_folder(path.parent)
    except OSError as error:
        # A full disk is reported without a name, other things with the temporary one.
        name = Path(error.filename or prefix).name
        if error.errno is None or not name.startswith(prefix):
            raise
        raise OSError(error.errno, os.strerror(error.errno), os.fspath(path)) from error


def write_atomically(path: str | os.PathLike[str], contents: bytes) -> None:
    """Replace the file at `path` by `contents`, or leave it as it is (see `atomic_file`)."""
    with atomic_file(path) as file:
        file.write(contents)


def _umask() -> int:
    """The process's umask, which can only be read by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _sync_folder(folder: Path) -> None:
    """Make a rename survive a power failure, where folders can be synchronised."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


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

    Of the contents, not of the file: another program may write the same in another order.
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
            f"{path}: this is no readable safetensors file ({error}); write one with save_params. "
            "A pickle of nolearn's needs unsafe_pickle=True."
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
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        return arrays, file.metadata() or {}


@contextlib.contextmanager
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


def read_pickled_arrays(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """The parameters in a pickle of nolearn's ``save_params_to``: runs whatever the file says.

    Parameters
    ----------
    path : str or path-like
        A pickled dict from a layer's name to the list of its parameters. Files
        of Python 2 are read too.

    Returns
    -------
    dict of str to ndarray
        ``<layer>.<position>`` to value.

    Raises
    ------
    FileFormatError
        If the pickle holds something else.
    """
    try:
        with open(path, "rb") as file:
            content = pickle.load(file, encoding="latin1")
    except (OSError, MemoryError):
        raise
    except Exception as error:  # whatever the file does
        raise FileFormatError(f"{path}: this pickle cannot be read: {error}") from error
    if not isinstance(content, Mapping) or not all(
        isinstance(values, list | tuple) for values in content.values()
    ):
        raise FileFormatError(
            f"{path}: the pickle holds {type(content).__name__}, not nolearn's dict from layers to "
            "lists of parameters."
        )
    with errors_naming(path):  # lists of different lengths
        return {
            f"{layer}.{position}": np.asarray(value)
            for layer, values in content.items()
            for position, value in enumerate(values)
        }
