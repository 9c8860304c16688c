"""Read ``mnist.pkl.gz``, the file of the 2015 tutorials, without trusting it.

It is a gzipped Python 2 pickle of three ``(images, labels)`` tuples. A pickle
is a program for a small machine that can import and call anything, so what runs
here is that machine with nearly everything taken out:

- only instructions that build tuples, lists, numbers and strings, and that call
  what a name stands for, are left; without dictionaries and sets nothing is hashed;
- the only names are those that NumPy's arrays are pickled with, old and new, and
  they stand for our own recorders: NumPy's reconstruction would believe a
  forged dtype and let it point into memory;
- the pure Python machine is used, because the C one takes memory for a huge
  entry of the memo before anything is in it;
- the number of reads and of bytes is bounded, by the arrays that are expected and by
  the size of the file; so is how much memory text may take for a byte.
"""

from __future__ import annotations

import gzip
import math
import os
import pickle
import re
import zlib
from collections.abc import Callable, Sequence
from typing import IO, Any

import numpy as np

from convnet_features.datasets.files import largest_contents
from convnet_features.exceptions import FileFormatError

__all__ = [
    "ArrayUnpickler",
    "BoundedReader",
    "read_tutorial_pickle",
    "recorded_array",
    "recorded_size",
]

Part = tuple[np.ndarray, np.ndarray]

# The real file is read with some hundred reads. Every instruction takes at least
# one, so this bounds the objects that a file can create.
_MAX_READS = 10_000
# Room beside the arrays for names, shapes, and int64 labels where uint8 would do.
_SLACK_BYTES = 2**20
_N_CLASSES = 10
_MAX_DIMENSIONS = 32
_MAX_LENGTH = 2**32

#: Text that is longer than a name holds the bytes of an array, one a character.
_MAX_NAME = 1000

_DTYPE_CODES = ("f4", "f8", "u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8")


def read_tutorial_pickle(
    path: str | os.PathLike[str], sizes: Sequence[int], n_pixels: int
) -> list[Part]:
    """Read the (images, labels) pairs of a tutorial's pickle.

    Parameters
    ----------
    path : path
        The file, gzipped or not; written by Python 2 in a binary protocol, which
        the tutorials' file is, or by Python 3, with any version of NumPy.
    sizes : sequence of int
        How many images each pair must have.
    n_pixels : int
        How many pixels each image must have.

    Returns
    -------
    list of (images, labels)
        images : ndarray of shape (size, n_pixels), floating point, in [0, 1);
        labels : ndarray of shape (size,), uint8, from 0 to 9.

    Raises
    ------
    FileFormatError
        If the file holds anything else, is damaged or too long.
    OSError
        If the file cannot be opened or read.
    """
    name = os.fspath(path)
    # As float64 and int64, the largest that such a file may hold.
    max_bytes = sum(sizes) * (n_pixels + 1) * 8 + _SLACK_BYTES
    try:
        parts = _load(name, max_bytes)
        if not (_is_sequence(parts, len(sizes)) and all(_is_pair(part) for part in parts)):
            raise pickle.UnpicklingError(f"it is not {len(sizes)} pairs of arrays")
        return [
            (_images(name, images, (size, n_pixels)), _labels(name, labels, (size,)))
            for (images, labels), size in zip(parts, sizes, strict=True)
        ]
    except FileFormatError:
        raise
    except _FAULTS as fault:
        raise FileFormatError(
            f"{name}: not a pickle of NumPy arrays as the 2015 tutorials used it, or damaged "
            f"({type(fault).__name__}: {fault}). Expected {len(sizes)} pairs (images, labels); "
            "only arrays of numbers are read from a pickle, and nothing in it is run."
        ) from fault


def _load(name: str, max_bytes: int) -> Any:
    with open(name, "rb") as raw:
        start = raw.read(2)
        raw.seek(0)
        stream = gzip.GzipFile(fileobj=raw) if start == b"\x1f\x8b" else raw
        limit = min(max_bytes, largest_contents(os.fstat(raw.fileno()).st_size))
        return ArrayUnpickler(BoundedReader(stream, limit)).load()


# What the machine does on a program that makes no sense.
_FAULTS = (
    pickle.UnpicklingError,
    gzip.BadGzipFile,
    zlib.error,
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    TypeError,
    ValueError,
)


class BoundedReader:
    """A file that refuses to be read without end."""

    def __init__(self, stream: IO[bytes] | gzip.GzipFile, max_bytes: int) -> None:
        self._stream = stream
        self._bytes_left = max_bytes
        self._reads_left = _MAX_READS

    def read(self, n_bytes: int) -> bytes:
        self._spend(n_bytes)
        data = self._stream.read(n_bytes)
        if len(data) < n_bytes:
            raise EOFError(f"the file ends {n_bytes - len(data)} bytes early")
        return data

    def readline(self) -> bytes:
        # At most one byte over the budget, which is what `_spend` then objects to.
        line = self._stream.readline(self._bytes_left + 1)
        self._spend(len(line))
        return line

    def _spend(self, n_bytes: int) -> None:
        self._reads_left -= 1
        self._bytes_left -= n_bytes
        if n_bytes < 0 or self._bytes_left < 0 or self._reads_left < 0:
            raise pickle.UnpicklingError("it is longer than the arrays expected in it")


class _Recorded:
    """Stands for something under reconstruction: keeps what it is given, looks at nothing.

    Nothing is converted before the whole file is read and the arrays that are
    wanted are known: a small file may refer to one large string many times.
    """

    def __init__(self, *arguments: object) -> None:
        self.arguments = arguments
        self.state: object = None


class _RecordedArray(_Recorded):
    """Stands for an array; made by ``_reconstruct(class, shape, code)`` and its state."""


class _RecordedDtype(_Recorded):
    """Stands for a type of number; made by ``dtype(code, align, copy)`` and its state."""


class _RecordedBytes(_Recorded):
    """Stands for bytes; made by ``encode(text, encoding)``, for want of bytes in Python 2."""


def _from_buffer(*arguments: object) -> _RecordedArray:
    """Stand for ``_frombuffer(buffer, dtype, shape, order)``, which newer pickles call."""
    buffer, dtype, shape, order = arguments
    array = _RecordedArray()
    array.state = (shape, dtype, order == "F", buffer)
    return array


_STAND_INS: dict[tuple[str, str], object] = {
    ("numpy", "ndarray"): None,  # Only handed to `_reconstruct`.
    ("numpy", "dtype"): _RecordedDtype,
    ("numpy.core.multiarray", "_reconstruct"): _RecordedArray,
    ("numpy._core.multiarray", "_reconstruct"): _RecordedArray,
    ("numpy.core.numeric", "_frombuffer"): _from_buffer,
    ("numpy._core.numeric", "_frombuffer"): _from_buffer,
    ("_codecs", "encode"): _RecordedBytes,
}

_Instruction = Callable[[Any], None]


class _Instructions(dict[int, _Instruction]):
    """The instructions that are left; any other is an error that says which."""

    def __missing__(self, opcode: int) -> _Instruction:
        raise pickle.UnpicklingError(f"instruction 0x{opcode:02x} is not one that arrays need")


_STRUCTURE = (
    pickle.PROTO,
    pickle.STOP,
    pickle.MARK,
    pickle.EMPTY_TUPLE,
    pickle.TUPLE,
    pickle.TUPLE1,
    pickle.TUPLE2,
    pickle.TUPLE3,
    pickle.EMPTY_LIST,
    pickle.LIST,
    pickle.APPEND,
    pickle.APPENDS,
    pickle.PUT,
    pickle.BINPUT,
    pickle.LONG_BINPUT,
    pickle.MEMOIZE,
    pickle.GET,
    pickle.BINGET,
    pickle.LONG_BINGET,
    pickle.GLOBAL,
    pickle.STACK_GLOBAL,
)
_VALUES = (
    pickle.NONE,
    pickle.NEWTRUE,
    pickle.NEWFALSE,
    pickle.INT,
    pickle.BININT,
    pickle.BININT1,
    pickle.BININT2,
    pickle.LONG,
    pickle.LONG1,
    pickle.LONG4,
    pickle.BINSTRING,
    pickle.SHORT_BINSTRING,
    pickle.UNICODE,
    pickle.BINUNICODE,
    pickle.SHORT_BINUNICODE,
    pickle.BINUNICODE8,
    pickle.BINBYTES,
    pickle.SHORT_BINBYTES,
    pickle.BINBYTES8,
)


#: What characters beyond the 256 of Latin-1 begin with, in UTF-8 and among Python's escapes.
_RARE_CHARACTERS = re.compile(rb"[\xc4-\xff]")
_RARE_ESCAPES = re.compile(rb"\\u(?!00)|\\U(?!000000)")


class ArrayUnpickler(pickle._Unpickler):
    """A pickle machine that can build tuples and lists of arrays, and nothing else."""

    # Set by the base class, which typeshed does not describe.
    read: Callable[[int], bytes]
    readline: Callable[[], bytes]
    append: Callable[[object], None]
    stack: list[Any]

    dispatch = _Instructions(
        {opcode[0]: pickle._Unpickler.dispatch[opcode[0]] for opcode in _STRUCTURE + _VALUES}
    )

    def __init__(self, file: BoundedReader) -> None:
        super().__init__(file, encoding="latin1")

    def find_class(self, module: str, name: str) -> object:
        try:
            return _STAND_INS[module, name]
        except KeyError:
            # Cut short: a name may be as long as the file.
            raise pickle.UnpicklingError(f"it asks for {module:.40}.{name:.40}") from None

    def load_frame(self) -> None:
        # Frames only announce how much to read ahead; without them every read is counted.
        self.read(8)

    dispatch[pickle.FRAME[0]] = load_frame

    def load_bytearray8(self) -> None:
        # The original takes the memory before it knows that the file has the bytes.
        length = int.from_bytes(self.read(8), "little")
        self.append(self.read(length))

    dispatch[pickle.BYTEARRAY8[0]] = load_bytearray8

    # Python 3 makes four bytes of each character of a text with a single rare one in it.

    def load_unicode(self) -> None:
        line = self.readline()[:-1]
        if len(line) > _MAX_NAME and _RARE_ESCAPES.search(line):
            raise pickle.UnpicklingError("long text that holds no bytes")
        self.append(str(line, "raw-unicode-escape"))

    dispatch[pickle.UNICODE[0]] = load_unicode

    def load_binunicode(self) -> None:
        self._append_text(int.from_bytes(self.read(4), "little"))

    dispatch[pickle.BINUNICODE[0]] = load_binunicode

    def load_binunicode8(self) -> None:
        self._append_text(int.from_bytes(self.read(8), "little"))

    dispatch[pickle.BINUNICODE8[0]] = load_binunicode8

    def _append_text(self, length: int) -> None:
        encoded = self.read(length)
        if length > _MAX_NAME and _RARE_CHARACTERS.search(encoded):
            raise pickle.UnpicklingError("long text that holds no bytes")
        self.append(str(encoded, "utf-8", "surrogatepass"))

    def load_reduce(self) -> None:
        # The original would take any sequence apart, a long string into its characters.
        arguments = self.stack.pop()
        function = self.stack.pop()
        if not (callable(function) and isinstance(arguments, tuple)):
            raise pickle.UnpicklingError("it calls something that cannot be called")
        self.append(function(*arguments))

    dispatch[pickle.REDUCE[0]] = load_reduce

    def load_build(self) -> None:
        # The original would set attributes of anything.
        state = self.stack.pop()
        if not isinstance(self.stack[-1], _Recorded):
            raise pickle.UnpicklingError("it sets the state of something else than an array")
        self.stack[-1].state = state

    dispatch[pickle.BUILD[0]] = load_build


def _is_sequence(value: object, length: int) -> bool:
    return isinstance(value, (tuple, list)) and len(value) == length


def _is_pair(part: Any) -> bool:
    return _is_sequence(part, 2) and all(isinstance(item, _RecordedArray) for item in part)


def _images(name: str, recorded: _RecordedArray, shape: tuple[int, ...]) -> np.ndarray:
    images = _array(recorded, "images", name, shape, kinds="f")
    # Said this way round so that NaN does not pass.
    if images.size and not (images.min() >= 0 and images.max() < 1):
        raise FileFormatError(
            f"{name}: pixels from {images.min()} to {images.max()}; expected 0 <= pixel < 1."
        )
    return images


def _labels(name: str, recorded: _RecordedArray, shape: tuple[int, ...]) -> np.ndarray:
    labels = _array(recorded, "labels", name, shape, kinds="iu")
    if labels.size and not (labels.min() >= 0 and labels.max() < _N_CLASSES):
        raise FileFormatError(
            f"{name}: labels from {labels.min()} to {labels.max()}; expected 0 to {_N_CLASSES - 1}."
        )
    return labels.astype(np.uint8)


def _array(
    recorded: _RecordedArray, what: str, name: str, expected: tuple[int, ...], kinds: str
) -> np.ndarray:
    """Make the array that was recorded, if it is the one that is expected."""
    shape, dtype, _, _ = _array_state(recorded)
    if shape != expected or dtype.kind not in kinds:
        raise FileFormatError(
            f"{name}: {what} of shape {shape} and dtype {dtype.name}; expected "
            f"{'floating point' if kinds == 'f' else 'whole numbers'} of shape {expected}."
        )
    return recorded_array(recorded)


def recorded_array(recorded: object) -> np.ndarray:
    """The array that `ArrayUnpickler` recorded; an UnpicklingError if it is none."""
    if not isinstance(recorded, _RecordedArray):
        raise pickle.UnpicklingError("something else than an array")
    shape, dtype, is_fortran, data = _array_state(recorded)
    numbers = np.frombuffer(_as_bytes(data, math.prod(shape) * dtype.itemsize), dtype)
    return numbers.reshape(shape, order="F" if is_fortran else "C")


def recorded_size(recorded: object) -> int:
    """How many bytes that array has, before they are made."""
    if not isinstance(recorded, _RecordedArray):
        raise pickle.UnpicklingError("something else than an array")
    shape, dtype, _, _ = _array_state(recorded)
    return math.prod(shape) * dtype.itemsize


def _array_state(recorded: _RecordedArray) -> tuple[tuple[int, ...], np.dtype, bool, object]:
    """Take an array's state apart, ``([version,] shape, dtype, is_fortran, data)``."""
    state = recorded.state
    if not (isinstance(state, tuple) and len(state) in (4, 5)):
        raise pickle.UnpicklingError("an array without its state")
    shape, dtype, is_fortran, data = state[-4:]
    # Bounded before anything is said about it: a number may be as long as the file.
    if not (
        isinstance(shape, tuple)
        and len(shape) <= _MAX_DIMENSIONS
        and all(type(length) is int and 0 <= length <= _MAX_LENGTH for length in shape)
    ):
        raise pickle.UnpicklingError("the shape of an array is no shape")
    return shape, _number_type(dtype), is_fortran in (True, 1), data


def _number_type(recorded: object) -> np.dtype:
    """Return the dtype that was recorded, of its name and its byte order alone."""
    if not (isinstance(recorded, _RecordedDtype) and recorded.arguments):
        raise pickle.UnpicklingError("an array without a dtype")
    code, state = recorded.arguments[0], recorded.state
    if code not in _DTYPE_CODES:
        raise pickle.UnpicklingError("an array of something else than numbers")
    # ``(version, byte order, ...)``; the rest describes fields, flags and
    # alignment, which numbers do not have.
    byte_order = state[1] if isinstance(state, tuple) and len(state) > 1 else "="
    if byte_order not in ("<", ">", "=", "|"):
        raise pickle.UnpicklingError("an array of unknown byte order")
    return np.dtype(f"{byte_order}{code}")


def _as_bytes(data: object, n_bytes: int) -> bytes:
    if isinstance(data, _RecordedBytes):
        data = data.arguments[0]  # Text, and the name of its encoding, which is latin1.
    if isinstance(data, (str, bytes)) and len(data) != n_bytes:
        raise ValueError(f"an array of {n_bytes} bytes with {len(data)} of them")
    if isinstance(data, str):
        data = data.encode("latin1")
    if not isinstance(data, bytes):
        raise pickle.UnpicklingError("an array of something else than bytes")
    return data
