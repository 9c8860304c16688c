"""A network's parameters in a file, and out of one.

Files are NumPy's ``.npz``: arrays and their names. Those that nolearn wrote are
pickles; they are read by a machine that builds dictionaries, lists and arrays
of numbers and runs nothing (``SECURITY.md``).
"""

from __future__ import annotations

import io
import os
import pickle
import tokenize
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from typing import IO

import numpy as np
from numpy.lib import format as npy

from ..exceptions import FileFormatError
from .atomic import atomic_file
from .compression import largest_contents
from .pickled_arrays import FAULTS, RecordedDict, read_recorded, recorded_array, recorded_size

__all__ = ["Values", "looks_like_values", "read_values", "write_values"]

#: By layer's name, the values of its parameters in their order.
Values = Mapping[str, Sequence[np.ndarray]]

# Names, shapes and whatever else stands beside the numbers.
_SLACK_BYTES = 2**20
_MAX_HEADER = 4096
# A network has some hundreds, of which each takes some forty reads.
_MAX_ARRAYS = 10_000
_MAX_READS = 200_000


def write_values(path: str | os.PathLike[str], values: Values) -> None:
    """Write parameters into the file `path`, under exactly that name, whole or not at all.

    Parameters
    ----------
    path : path
    values : dict of str to list of ndarray
    """
    arrays = {
        f"{name}/{index}": array
        for name, held in values.items()
        for index, array in enumerate(held)
    }
    with atomic_file(path) as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]


def read_values(
    path: str | os.PathLike[str], expected: Values | None = None
) -> dict[str, list[np.ndarray]]:
    """Read parameters that `write_values` or nolearn wrote.

    Parameters
    ----------
    path : path
    expected : dict of str to list of ndarray, optional
        The parameters of the network that they are for: how much is read goes
        by their sizes; without them, by the size of the file.

    Returns
    -------
    dict of str to list of ndarray

    Raises
    ------
    FileFormatError
        If the file is neither, is damaged, or holds far more than that.
    OSError
        If the file cannot be opened or read.
    """
    name = os.fspath(path)
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        # Another network's parameters may be loaded in part, so there is room for more.
        n_bytes = 8 * (size if expected is None else _size_of(expected)) + _SLACK_BYTES
        start = file.read(2)
        file.seek(0)
        try:
            if size > n_bytes:
                raise ValueError("it is longer than the arrays expected in it")
            read = _read_archive if start == b"PK" else _read_pickle
            return read(file, size, n_bytes)
        except (*FAULTS, *_ARCHIVE_FAULTS) as fault:
            raise FileFormatError(
                f"{name}: not parameters of a network, or damaged ({type(fault).__name__}: "
                f"{fault}). Expected a file of save_params_to, or a pickle of nolearn's, with at "
                f"most {n_bytes} bytes of arrays."
            ) from fault


def _size_of(values: Values) -> int:
    return sum(array.nbytes for held in values.values() for array in held)


def looks_like_values(path: str | os.PathLike[str]) -> bool:
    """Whether a file begins as an archive, or as a pickle of a dictionary."""
    with open(path, "rb") as file:
        return file.read(2).startswith(_BEGINNINGS)


#: Of an archive, of a pickle of protocol 2 and later, of a dictionary in one of 0 and 1, and of
#: an ordered dictionary in these.
_BEGINNINGS = (b"PK", b"\x80", b"(d", b"}", b"cc")


#: Errors of files that are no archives, or whose headers are not what NumPy writes.
_ARCHIVE_FAULTS = (
    NotImplementedError,
    RuntimeError,
    SyntaxError,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)


def _read_archive(file: IO[bytes], size: int, n_bytes: int) -> dict[str, list[np.ndarray]]:
    values: dict[str, dict[int, np.ndarray]] = {}
    # In memory: places that a header lies about are not errors of the disk then.
    contents = file.read(size)
    # Parameters that were compressed are hardly smaller.
    n_bytes = min(n_bytes, largest_contents(size))
    with zipfile.ZipFile(io.BytesIO(contents)) as archive:
        for member in archive.infolist():
            if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise ValueError("its arrays are compressed as NumPy does not")
            n_bytes -= member.file_size
            if n_bytes < 0 or not member.filename.endswith(".npy"):
                raise ValueError("it holds more, or something else, than the arrays expected")
            layer, _, index = member.filename.removesuffix(".npy").rpartition("/")
            with archive.open(member) as stored:
                values.setdefault(layer, {})[int(index)] = _read_array(stored, member.file_size)
    return {layer: [held[index] for index in sorted(held)] for layer, held in values.items()}


def _read_array(stored: IO[bytes], size: int) -> np.ndarray:
    """One array; its memory is taken when its header agrees with the size of its file."""
    version = npy.read_magic(stored)
    if version != (1, 0):
        raise ValueError(f"an array in version {version} of its format")
    shape, is_fortran, dtype = npy.read_array_header_1_0(stored, max_header_size=_MAX_HEADER)
    count = int(np.prod(shape, dtype=object))
    if dtype.kind not in "fiu" or not 0 <= size - count * dtype.itemsize <= _MAX_HEADER:
        raise ValueError(f"an array of {dtype} and shape {shape} in {size} bytes")
    data = stored.read(count * dtype.itemsize)
    numbers = np.frombuffer(data, dtype, count)
    return numbers.reshape(shape, order="F" if is_fortran else "C")


def _read_pickle(file: IO[bytes], size: int, n_bytes: int) -> dict[str, list[np.ndarray]]:
    found = read_recorded(file, size, _MAX_READS)
    if not isinstance(found, RecordedDict):
        raise pickle.UnpicklingError("it is no dictionary of parameters by layer")
    budget = _Budget(size, n_bytes)
    values = {}
    for name, held in found.pairs():
        if not isinstance(name, str) or not isinstance(held, list | tuple):
            raise pickle.UnpicklingError("it is no dictionary of parameters by layer")
        values[name] = [budget.array(each) for each in held]
    return values


class _Budget:
    """Makes the arrays of a pickle, as many and as large as its bytes allow.

    A pickle may refer to the same bytes, list or array thousands of times.

    Parameters
    ----------
    size : int
        How large the file is: it holds no more bytes of arrays.
    n_bytes : int
        How many bytes the arrays may have, counted wherever they stand.
    """

    def __init__(self, size: int, n_bytes: int) -> None:
        self._size, self._n_bytes, self._n_places = size, n_bytes, _MAX_ARRAYS
        self._made: dict[int, np.ndarray] = {}

    def array(self, recorded: object) -> np.ndarray:
        """The array that was recorded; parameters that layers share are one."""
        n_bytes, known = recorded_size(recorded), id(recorded) in self._made
        self._n_places -= 1
        self._n_bytes -= n_bytes
        self._size -= 0 if known else n_bytes
        if min(self._n_places, self._n_bytes, self._size) < 0:
            raise pickle.UnpicklingError("it is longer than the arrays expected in it")
        if not known:
            self._made[id(recorded)] = recorded_array(recorded)
        return self._made[id(recorded)]
