"""The IDX file format of MNIST: arrays behind a header of a few bytes.

A file is two zero bytes, one byte that names the type of the numbers, one byte
with the number of dimensions, one big-endian unsigned 32-bit integer for each
dimension, and the numbers, big-endian, last dimension fastest. It is often
compressed with gzip.

A header is checked before it is believed: memory grows with the data that
arrive, never with the data that a header promises.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import math
import os
import struct
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
from numpy.typing import ArrayLike

from ..exceptions import FileFormatError
from ..files.atomic import atomic_file
from ..files.compression import largest_contents

__all__ = [
    "MAX_BYTES",
    "idx_sha256",
    "opened_idx",
    "read_header",
    "read_idx",
    "read_payload",
    "write_idx",
]

MAX_BYTES = 2**30
"""What `read_idx` reads unless told otherwise: 1 GiB of array."""

_DTYPES: dict[int, np.dtype[Any]] = {
    0x08: np.dtype(">u1"),
    0x09: np.dtype(">i1"),
    0x0B: np.dtype(">i2"),
    0x0C: np.dtype(">i4"),
    0x0D: np.dtype(">f4"),
    0x0E: np.dtype(">f8"),
}
_TYPE_CODES = {dtype.str[1:]: code for code, dtype in _DTYPES.items()}
_TYPE_NAMES = "uint8, int8, int16, int32, float32, float64"

_MAX_DIMENSIONS = 32  # More than real files have, and below NumPy's own limit of 64.
_MAX_LENGTH = 2**32 - 1
_CHUNK = 2**20
_GZIP_MAGIC = b"\x1f\x8b"


def read_idx(
    file: str | os.PathLike[str] | IO[bytes], *, max_bytes: int | None = MAX_BYTES
) -> np.ndarray:
    """Read an array from an IDX file, gzipped or not.

    Safe on files from strangers: nothing is executed, time and memory are
    bounded by `max_bytes` and the size of the file, and compressed data are
    never inflated beyond what the header promises.

    Parameters
    ----------
    file : path or binary file object
        The file. Whether it is gzipped is told by its first bytes, not by its
        name. A file object must be able to seek; it is read from where it
        stands to its end, and not closed.
    max_bytes : int or None, default=2**30
        Arrays larger than this are refused before memory is taken for them, and
        so are compressed files whose contents are more than 64 times their size
        (and 16 MiB). None reads any size.

    Returns
    -------
    ndarray of the shape that the file says
        The array, in the byte order of this machine, writeable. Its dtype is
        one of uint8, int8, int16, int32, float32 and float64.

    Raises
    ------
    FileFormatError
        If the file is not an IDX file, is truncated, damaged, larger than
        `max_bytes` or compressed beyond measure, or goes on after its array.
    TypeError
        If a file object was opened in text mode.
    OSError
        If the file cannot be opened or read.

    See Also
    --------
    write_idx : The other way.

    References
    ----------
    Y. LeCun, C. Cortes and C. J. C. Burges, *The MNIST database of handwritten
    digits*, http://yann.lecun.com/exdb/mnist/, section "The IDX file format".

    Examples
    --------
    >>> import io
    >>> from convnet_features.datasets import read_idx
    >>> read_idx(io.BytesIO(b"\\0\\0\\x08\\x02" b"\\0\\0\\0\\x02" b"\\0\\0\\0\\x03" b"abcdef"))
    array([[ 97,  98,  99],
           [100, 101, 102]], dtype=uint8)
    """
    with opened_idx(file, bounded=max_bytes is not None) as (stream, name):
        dtype, shape = read_header(stream, name)
        _check_size(name, dtype, shape, max_bytes)
        return read_payload(stream, name, dtype, shape)


def write_idx(path: str | os.PathLike[str], array: ArrayLike) -> None:
    """Write an array to an IDX file, whole or not at all.

    The file is written under a temporary name and then renamed, so that an
    earlier file at `path` survives any failure. Equal arrays give equal files.

    Parameters
    ----------
    path : path
        Where to write; compressed with gzip if the name ends in ``.gz``.
    array : array-like of any shape, of at least one dimension
        uint8, int8, int16, int32, float32 or float64 numbers.

    Raises
    ------
    ValueError
        If IDX has no type for the array's numbers, or no room for its shape.
    OSError
        If the file cannot be written.

    See Also
    --------
    read_idx : The other way.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from convnet_features.datasets import read_idx, write_idx
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "labels-idx1-ubyte.gz")
    ...     write_idx(path, np.array([7, 2, 1], dtype=np.uint8))
    ...     read_idx(path)
    array([7, 2, 1], dtype=uint8)
    """
    path = Path(path)
    numbers = np.asarray(array)
    header = _header(numbers)
    numbers = np.ascontiguousarray(numbers, dtype=numbers.dtype.newbyteorder(">"))
    with atomic_file(path) as raw:
        if path.suffix == ".gz":
            # Without name and time, so that equal arrays give equal files.
            with gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) as file:
                _write(file, header, numbers)
        else:
            _write(raw, header, numbers)


def idx_sha256(array: np.ndarray) -> str:
    """Return the SHA-256 of an array's uncompressed IDX file.

    Parameters
    ----------
    array : ndarray of at least one dimension
        An array that `write_idx` would take.

    Returns
    -------
    str
        64 hexadecimal digits.
    """
    digest = hashlib.sha256(_header(array))
    big_endian = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder(">"))
    digest.update(_as_bytes(big_endian))
    return digest.hexdigest()


@contextmanager
def opened_idx(
    file: str | os.PathLike[str] | IO[bytes], name: str | None = None, bounded: bool = True
) -> Iterator[tuple[IO[bytes], str]]:
    """Open a file that may be gzipped; damage to the compression is a FileFormatError.

    Parameters
    ----------
    file : path or binary file object
    name : str, optional
        What to call the file in an error, if not by its own name.

    Yields
    ------
    stream : binary file object
        The inflated contents.
    name : str
        What to call the file in an error.
    """
    if isinstance(file, (str, os.PathLike)):
        name = name or os.fspath(file)
        with open(file, "rb") as stream, _inflated(stream, name, bounded) as contents:
            yield contents, name
        return
    name = name or str(getattr(file, "name", repr(file)))
    if isinstance(file, io.TextIOBase):
        raise TypeError(f"{name}: opened in text mode; open it in binary mode, 'rb'.")
    with _inflated(file, name, bounded) as contents:
        yield contents, name


@contextmanager
def _inflated(stream: IO[bytes], name: str, bounded: bool) -> Iterator[IO[bytes]]:
    start = stream.read(len(_GZIP_MAGIC))
    stream.seek(-len(start), os.SEEK_CUR)
    if start != _GZIP_MAGIC:
        yield stream
        return
    try:
        limit = largest_contents(_bytes_left(stream)) if bounded else sys.maxsize
        with gzip.GzipFile(fileobj=stream, mode="rb") as contents:
            yield cast(IO[bytes], _BoundedStream(contents, limit, name))
    except (EOFError, zlib.error, gzip.BadGzipFile) as fault:
        raise FileFormatError(f"{name}: its gzip compression is damaged: {fault}") from fault


def _bytes_left(stream: IO[bytes]) -> int:
    here = stream.tell()
    there = stream.seek(0, os.SEEK_END)
    stream.seek(here)
    return there - here


class _BoundedStream:
    """The contents of a compressed file, up to `limit` bytes."""

    def __init__(self, contents: gzip.GzipFile, limit: int, name: str) -> None:
        self._contents, self._limit, self._name = contents, limit, name
        self._left = limit

    def read(self, n_bytes: int) -> bytes:
        data = self._contents.read(n_bytes)
        self._left -= len(data)
        if self._left < 0:
            raise FileFormatError(
                f"{self._name}: its compression makes more than {self._limit} bytes of so small a "
                "file, as no images and no labels are. If you trust the file, read it with "
                "read_idx(..., max_bytes=None)."
            )
        return data


def read_header(stream: IO[bytes], name: str) -> tuple[np.dtype[Any], tuple[int, ...]]:
    """Read the header of an IDX file.

    Parameters
    ----------
    stream : binary file object
        Stands at the start of the file.
    name : str
        What to call the file in an error.

    Returns
    -------
    dtype : numpy.dtype
        Big-endian.
    shape : tuple of int
        As claimed; nothing has been compared with what the file really holds.

    Raises
    ------
    FileFormatError
        If this is not the header of an IDX file.
    """
    magic = _read_up_to(stream, 4)
    if len(magic) < 4 or magic[:2] != b"\0\0":
        raise FileFormatError(
            f"{name}: not an IDX file: it starts with {_shown(magic)}; an IDX file starts with "
            "two zero bytes, a type code and a number of dimensions."
        )
    code, n_dimensions = magic[2], magic[3]
    if code not in _DTYPES:
        known = ", ".join(f"0x{known:02x}" for known in _DTYPES)
        raise FileFormatError(
            f"{name}: unknown IDX type code 0x{code:02x}; expected one of {known} ({_TYPE_NAMES})."
        )
    if not 1 <= n_dimensions <= _MAX_DIMENSIONS:
        raise FileFormatError(
            f"{name}: its header says {n_dimensions} dimensions; expected 1 to {_MAX_DIMENSIONS}."
        )
    lengths = _read_up_to(stream, 4 * n_dimensions)
    if len(lengths) < 4 * n_dimensions:
        raise FileFormatError(
            f"{name}: truncated: its header needs {4 + 4 * n_dimensions} bytes for "
            f"{n_dimensions} dimensions and ends after {4 + len(lengths)}."
        )
    return _DTYPES[code], struct.unpack(f">{n_dimensions}I", lengths)


def read_payload(
    stream: IO[bytes], name: str, dtype: np.dtype[Any], shape: tuple[int, ...]
) -> np.ndarray:
    """Read the numbers behind a header, and check that nothing follows them.

    Parameters
    ----------
    stream : binary file object
        Stands behind the header.
    name : str
        What to call the file in an error.
    dtype : numpy.dtype
    shape : tuple of int
        What `read_header` returned; the caller has checked that it is not too large.

    Returns
    -------
    ndarray
        Of this shape, in the byte order of this machine, writeable.

    Raises
    ------
    FileFormatError
        If there are fewer or more bytes than promised.
    """
    promised = math.prod(shape) * dtype.itemsize
    data = _read_up_to(stream, promised)
    if len(data) < promised:
        raise FileFormatError(
            f"{name}: truncated: its header promises {promised} bytes of {dtype.name} for "
            f"shape {shape}; found {len(data)}."
        )
    # Asking for one byte more also makes gzip compare its checksum.
    if stream.read(1):
        raise FileFormatError(
            f"{name}: data after the end: its header promises {promised} bytes of {dtype.name} "
            f"for shape {shape}, and the file goes on behind them."
        )
    numbers = np.frombuffer(data, dtype)
    if not dtype.isnative:
        # Bytes are swapped in place: a converted copy would double the memory.
        numbers = numbers.byteswap(inplace=True).view(dtype.newbyteorder("="))
    return numbers.reshape(shape)


def _check_size(
    name: str, dtype: np.dtype[Any], shape: tuple[int, ...], max_bytes: int | None
) -> None:
    # Lengths of zero are left out: NumPy multiplies the others all the same,
    # and an empty array of shape (0, 2**32 - 1, 2**32 - 1, 2**32 - 1) overflows.
    size = math.prod(length for length in shape if length) * dtype.itemsize
    limit = np.iinfo(np.intp).max if max_bytes is None else max_bytes
    if size > limit:
        raise FileFormatError(
            f"{name}: its header promises an array of shape {shape} and dtype {dtype.name}, "
            f"which is {size} bytes; at most max_bytes={limit} are read. "
            "Pass a larger max_bytes if you trust the file."
        )


def _read_up_to(stream: IO[bytes], n_bytes: int) -> bytearray:
    """Read at most `n_bytes`; memory grows with the data that arrive."""
    data = bytearray()
    while len(data) < n_bytes:
        chunk = stream.read(min(_CHUNK, n_bytes - len(data)))
        if not chunk:
            break
        data += chunk
    return data


def _header(array: np.ndarray) -> bytes:
    code = _TYPE_CODES.get(array.dtype.str[1:])
    if code is None:
        raise ValueError(
            f"IDX has no type for {array.dtype.name}; its types are {_TYPE_NAMES}. "
            "Convert the array with astype."
        )
    if not 1 <= array.ndim <= _MAX_DIMENSIONS:
        raise ValueError(
            f"an array of {array.ndim} dimensions does not fit into an IDX file; "
            f"it holds 1 to {_MAX_DIMENSIONS}."
        )
    if max(array.shape) > _MAX_LENGTH:
        raise ValueError(
            f"an array of shape {array.shape} does not fit into an IDX file; "
            f"its dimensions are at most {_MAX_LENGTH} long."
        )
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, code, array.ndim, *array.shape)


def _write(file: IO[bytes] | gzip.GzipFile, header: bytes, numbers: np.ndarray) -> None:
    file.write(header)
    file.write(_as_bytes(numbers))


def _as_bytes(contiguous: np.ndarray) -> memoryview:
    return contiguous.reshape(-1).view(np.uint8).data


def _shown(start: bytes | bytearray) -> str:
    return f"bytes {bytes(start).hex(' ')}" if start else "nothing, it is empty"
