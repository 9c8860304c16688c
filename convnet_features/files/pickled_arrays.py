"""Read pickled arrays without trusting them: those of nolearn, and of the 2015 tutorials.

A pickle is a program for a small machine that can import and call anything, so what runs
here is that machine with nearly everything taken out:

- only instructions that build tuples, lists, dictionaries, numbers and strings, and that
  call what a name stands for, are left; dictionaries are kept as pairs, so nothing is hashed;
- the only names are those that NumPy's arrays are pickled with, old and new, and that of
  ordered dictionaries; they stand for our own recorders: NumPy's reconstruction would
  believe a forged dtype and let it point into memory;
- the pure Python machine is used, because the C one takes memory for a huge
  entry of the memo before anything is in it;
- the number of reads and of bytes is bounded by the caller; so is how much memory text
  may take for a byte.
"""

from __future__ import annotations

import gzip
import math
import pickle
import re
from collections.abc import Callable, Iterator
from typing import IO, Any

import numpy as np

__all__ = [
    "FAULTS",
    "ArrayUnpickler",
    "BoundedReader",
    "RecordedArray",
    "RecordedDict",
    "instructions",
    "read_recorded",
    "recorded_array",
    "recorded_kind",
    "recorded_size",
]

#: What the machine does on a program that makes no sense.
FAULTS = (
    pickle.UnpicklingError,
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    TypeError,
    ValueError,
)

# Every instruction takes at least one read, so this bounds the objects that a file can create.
_MAX_READS = 10_000
_MAX_DIMENSIONS = 32
_MAX_LENGTH = 2**32

#: Text that is longer than a name holds the bytes of an array, one a character.
_MAX_NAME = 1000

_DTYPE_CODES = ("f4", "f8", "u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8")


def read_recorded(
    stream: IO[bytes] | gzip.GzipFile, max_bytes: int, max_reads: int = _MAX_READS
) -> Any:
    """What a pickle holds, with a `RecordedArray` or `RecordedDict` for each array or dictionary.

    Parameters
    ----------
    stream : binary file
    max_bytes : int
        How many bytes are read at most.
    max_reads : int, default=10_000
        And how often. Each array of a pickle of Python 2 takes some forty reads.

    Returns
    -------
    object
        Made of tuples, lists, text, numbers and what was recorded.

    Raises
    ------
    Exception
        One of `FAULTS`, if it is anything else, damaged or longer.
    """
    return ArrayUnpickler(BoundedReader(stream, max_bytes, max_reads)).load()


class BoundedReader:
    """A file that refuses to be read without end."""

    def __init__(
        self, stream: IO[bytes] | gzip.GzipFile, max_bytes: int, max_reads: int = _MAX_READS
    ) -> None:
        self._stream = stream
        self._bytes_left = max_bytes
        self._reads_left = max_reads

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


class RecordedArray(_Recorded):
    """Stands for an array; made by ``_reconstruct(class, shape, code)`` and its state."""


class _RecordedDtype(_Recorded):
    """Stands for a type of number; made by ``dtype(code, align, copy)`` and its state."""


class _RecordedBytes(_Recorded):
    """Stands for bytes; made by ``encode(text, encoding)``, for want of bytes in Python 2."""


def _from_buffer(*arguments: object) -> RecordedArray:
    """Stand for ``_frombuffer(buffer, dtype, shape, order)``, which newer pickles call."""
    buffer, dtype, shape, order = arguments
    array = RecordedArray()
    array.state = (shape, dtype, order == "F", buffer)
    return array


class RecordedDict:
    """Stands for a dictionary: pairs, in order, none of them looked at while the file is read.

    A small file may make thousands of dictionaries of one long list.
    """

    def __init__(self, items: Any = ()) -> None:
        if not isinstance(items, list | tuple):
            raise pickle.UnpicklingError("a dictionary of something else than pairs")
        self.initial = items
        self.items: list[tuple[Any, Any]] = []

    def pairs(self) -> Iterator[tuple[Any, Any]]:
        yield from map(_pair, self.initial)
        yield from self.items


def _pair(item: Any) -> tuple[Any, Any]:
    if not isinstance(item, list | tuple) or len(item) != 2:
        raise pickle.UnpicklingError("a dictionary of something else than pairs")
    return item[0], item[1]


_STAND_INS: dict[tuple[str, str], object] = {
    ("numpy", "ndarray"): None,  # Only handed to `_reconstruct`.
    ("numpy", "dtype"): _RecordedDtype,
    ("numpy.core.multiarray", "_reconstruct"): RecordedArray,
    ("numpy._core.multiarray", "_reconstruct"): RecordedArray,
    ("numpy.core.numeric", "_frombuffer"): _from_buffer,
    ("numpy._core.numeric", "_frombuffer"): _from_buffer,
    ("_codecs", "encode"): _RecordedBytes,
    ("collections", "OrderedDict"): RecordedDict,
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


def instructions(machine: type[pickle._Unpickler], further: tuple[bytes, ...]) -> Any:
    """The instructions of a machine, and further ones as Python has them."""
    more = {opcode[0]: pickle._Unpickler.dispatch[opcode[0]] for opcode in further}
    return _Instructions({**machine.dispatch, **more})


class ArrayUnpickler(pickle._Unpickler):
    """A pickle machine that builds tuples, lists and dictionaries of arrays, and nothing else."""

    # Set by the base class, which typeshed does not describe.
    read: Callable[[int], bytes]
    readline: Callable[[], bytes]
    append: Callable[[object], None]
    pop_mark: Callable[[], list[Any]]
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

    # Dictionaries, as pairs.

    def load_empty_dictionary(self) -> None:
        self.append(RecordedDict())

    dispatch[pickle.EMPTY_DICT[0]] = load_empty_dictionary

    def load_dict(self) -> None:
        items = self.pop_mark()
        self.append(RecordedDict(_paired(items)))

    dispatch[pickle.DICT[0]] = load_dict

    def load_setitem(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self._dictionary().items.append((key, value))

    dispatch[pickle.SETITEM[0]] = load_setitem

    def load_setitems(self) -> None:
        items = self.pop_mark()
        self._dictionary().items.extend(_paired(items))

    dispatch[pickle.SETITEMS[0]] = load_setitems

    def _dictionary(self) -> RecordedDict:
        if not isinstance(self.stack[-1], RecordedDict):
            raise pickle.UnpicklingError("it sets entries of something else than a dictionary")
        return self.stack[-1]


def _paired(items: list[Any]) -> list[tuple[Any, Any]]:
    if len(items) % 2:
        raise pickle.UnpicklingError("a key without a value")
    return list(zip(items[::2], items[1::2], strict=True))


def recorded_array(recorded: object) -> np.ndarray:
    """The array that was recorded; an UnpicklingError if it is none."""
    if not isinstance(recorded, RecordedArray):
        raise pickle.UnpicklingError("something else than an array")
    shape, dtype, is_fortran, data = _array_state(recorded)
    numbers = np.frombuffer(_as_bytes(data, math.prod(shape) * dtype.itemsize), dtype)
    return numbers.reshape(shape, order="F" if is_fortran else "C")


def recorded_size(recorded: object) -> int:
    """How many bytes that array has, before they are made."""
    if not isinstance(recorded, RecordedArray):
        raise pickle.UnpicklingError("something else than an array")
    shape, dtype, _, _ = _array_state(recorded)
    return math.prod(shape) * dtype.itemsize


def recorded_kind(recorded: RecordedArray) -> tuple[tuple[int, ...], np.dtype]:
    """The shape and the type of that array, before it is made."""
    shape, dtype, _, _ = _array_state(recorded)
    return shape, dtype


def _array_state(recorded: RecordedArray) -> tuple[tuple[int, ...], np.dtype, bool, object]:
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
