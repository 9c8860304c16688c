"""State dicts of PyTorch, read without it: what ``torch.save`` wrote, old format and new.

The new format is an archive of a pickle and of one file of numbers for each storage; the old one
is a row of pickles and numbers. The pickles are read by the machine of `pickled_arrays`, which
knows a few names more here: they stand for storages and tensors, and nothing of PyTorch is run.
"""

from __future__ import annotations

import functools
import io
import math
import os
import pickle
import zipfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import IO, Any

import numpy as np

from ..exceptions import FileFormatError
from .pickled_arrays import FAULTS, ArrayUnpickler, BoundedReader, RecordedDict, instructions

__all__ = ["looks_like_state_dict", "read_state_dict"]

#: What the old format begins with: a pickle of this number, then one of the format's version.
_MAGIC = 0x1950A86A20F9469CFC6C
_OLD_START = pickle.dumps(_MAGIC, protocol=2)
_OLD_VERSION = 1001
_ARCHIVE_START = b"PK\x03\x04"
_PICKLE = "data.pkl"
_ENDINGS = (".pth", ".pt", ".bin")
#: Some forty reads a tensor, of which there are thousands at most.
_MAX_READS = 1_000_000
_MAX_DIMENSIONS = 8
#: Tensors may share a storage, or repeat it; networks of a size never hold more than this.
_MAX_SHARING = 4
#: Where a checkpoint of a training has its network, in the order in which they are looked for.
_PLACES = ("state_dict", "model_state_dict", "model", "module", "net", "weights")
#: In front of the names of a network that several devices shared.
_SHARED = "module."


def looks_like_state_dict(path: str | os.PathLike[str]) -> bool:
    """Whether a file begins as those of ``torch.save`` do.

    Parameters
    ----------
    path : str or path-like

    Returns
    -------
    bool
    """
    with open(path, "rb") as file:
        start = file.read(len(_OLD_START))
    if not start.startswith(_ARCHIVE_START):
        return start == _OLD_START
    try:
        with zipfile.ZipFile(path) as archive:
            return any(_is_pickle(name) for name in archive.namelist())
    except (zipfile.BadZipFile, NotImplementedError, ValueError):
        return os.fspath(path).endswith(_ENDINGS)  # it was cut off, perhaps


def read_state_dict(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """The tensors of a file of ``torch.save``, by their names.

    A checkpoint of a training is looked into: its network is under ``state_dict`` or ``model``.

    Parameters
    ----------
    path : str or path-like

    Returns
    -------
    dict of str to ndarray
        bfloat16 as float32, all other types as they are.

    Raises
    ------
    FileFormatError
        If the file is no state dict, is damaged, or holds more than its size allows.
    OSError
        If it cannot be opened or read.
    """
    try:
        with open(path, "rb") as file:
            contents = file.read()
        read = _read_archive if contents.startswith(_ARCHIVE_START) else _read_row
        found, numbers = read(contents)
        tensors = dict(_tensors(_network(found)))
        _check_sizes(tensors.values(), len(contents))
        arrays = {name: tensor.array(numbers) for name, tensor in tensors.items()}
    except (*FAULTS, zipfile.BadZipFile, RuntimeError) as fault:  # that of an encrypted archive
        raise FileFormatError(
            f"{os.fspath(path)}: no state dict of PyTorch, or damaged ({type(fault).__name__}: "
            f"{fault}). Expected a file of torch.save(model.state_dict(), ...): names and tensors. "
            "Of a whole model, or of other objects, nothing is read."
        ) from fault
    shared = all(name.startswith(_SHARED) for name in arrays)
    return {name.removeprefix(_SHARED) if shared else name: a for name, a in arrays.items()}


#: From a storage's key to its bytes.
_Numbers = Callable[[str], bytes]


@dataclass(frozen=True)
class _StorageType:
    """Stands for a class of storages: ``torch.FloatStorage``."""

    code: str


@dataclass(frozen=True)
class _Storage:
    """Numbers in a row, somewhere in the file."""

    key: str
    code: str
    n_numbers: int

    @property
    def n_bytes(self) -> int:
        return self.n_numbers * np.dtype(_stored(self.code)).itemsize


@dataclass(frozen=True)
class _Tensor:
    """A tensor to be: a view of a storage."""

    storage: _Storage
    start: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    @property
    def n_bytes(self) -> int:
        return math.prod(self.shape) * np.dtype(_stored(self.storage.code)).itemsize

    def array(self, numbers: _Numbers) -> np.ndarray:
        """Its numbers, which no other array has."""
        stored = np.frombuffer(numbers(self.storage.key), _stored(self.storage.code))
        if len(stored) != self.storage.n_numbers:
            raise ValueError(f"a storage of {len(stored)} numbers, not {self.storage.n_numbers}")
        if not math.prod(self.shape):
            return np.zeros(self.shape, _type(self.storage.code))
        steps = [stride * stored.itemsize for stride in self.strides]
        view = np.lib.stride_tricks.as_strided(
            stored[self.start :], self.shape, steps, writeable=False
        )
        if self.storage.code == "bf16":
            return (view.astype(np.uint32) << 16).view(np.float32)
        return np.array(view, _type(self.storage.code), order="C")


def _stored(code: str) -> str:
    """The type of numbers as they lie in the file."""
    return "<u2" if code == "bf16" else f"<{code}"


def _type(code: str) -> np.dtype:
    """The type of numbers as arrays have them."""
    return np.dtype(np.float32) if code == "bf16" else np.dtype(code)


_STORAGES = {
    "FloatStorage": "f4",
    "DoubleStorage": "f8",
    "HalfStorage": "f2",
    "BFloat16Storage": "bf16",
    "LongStorage": "i8",
    "IntStorage": "i4",
    "ShortStorage": "i2",
    "CharStorage": "i1",
    "ByteStorage": "u1",
    "BoolStorage": "?",
}


def _rebuilt(*arguments: Any) -> _Tensor:
    """Stand for ``_rebuild_tensor_v2(storage, start, shape, strides, ...)``."""
    storage, start, shape, strides = arguments[:4]
    if not isinstance(storage, _Storage):
        raise pickle.UnpicklingError("a tensor of something else than a storage")
    sizes = (*_counts(shape, "shape"), *_counts(strides, "strides"), *_counts((start,), "start"))
    if len(shape) != len(strides) or len(sizes) > 2 * _MAX_DIMENSIONS + 1:
        raise pickle.UnpicklingError("a tensor of a strange shape")
    last = start + sum((n - 1) * step for n, step in zip(shape, strides, strict=True))
    if math.prod(shape) and last >= storage.n_numbers:
        raise pickle.UnpicklingError("a tensor that is larger than its storage")
    return _Tensor(storage, start, tuple(shape), tuple(strides))


def _counts(values: Any, what: str) -> tuple[int, ...]:
    if not isinstance(values, tuple) or not all(
        type(value) is int and 0 <= value < 2**40 for value in values
    ):
        raise pickle.UnpicklingError(f"a tensor whose {what} is none")
    return values


def _parameter(*arguments: Any) -> Any:
    """Stand for ``_rebuild_parameter(tensor, ...)``."""
    return arguments[0]


_STAND_INS: Mapping[tuple[str, str], Any] = {
    ("torch._utils", "_rebuild_tensor"): _rebuilt,
    ("torch._utils", "_rebuild_tensor_v2"): _rebuilt,
    ("torch._utils", "_rebuild_parameter"): _parameter,
    ("torch._utils", "_rebuild_parameter_with_state"): _parameter,
    **{("torch", name): _StorageType(code) for name, code in _STORAGES.items()},
}


class _StateUnpickler(ArrayUnpickler):
    """The machine that reads arrays, with PyTorch's names for storages and tensors."""

    dispatch = instructions(ArrayUnpickler, (pickle.BINFLOAT, pickle.FLOAT, pickle.POP))

    def find_class(self, module: str, name: str) -> object:
        if (module, name) in _STAND_INS:
            return _STAND_INS[module, name]
        return super().find_class(module, name)

    def load_storage(self) -> None:
        match self.stack.pop():
            case ("storage", _StorageType() as kind, str() as key, _, int() as count, *_):
                (count,) = _counts((count,), "number of numbers")
                self.append(_Storage(key, kind.code, count))
            case _:
                raise pickle.UnpicklingError("it refers to something else than a storage")

    dispatch[pickle.BINPERSID[0]] = load_storage

    def load_build(self) -> None:
        # Ordered dictionaries carry versions of modules, which nobody needs.
        if isinstance(self.stack[-2], RecordedDict):
            self.stack.pop()
        else:
            super().load_build()

    dispatch[pickle.BUILD[0]] = load_build


def _read_archive(contents: bytes) -> tuple[Any, _Numbers]:
    """What the pickle of an archive holds, and where its storages are."""
    archive = zipfile.ZipFile(io.BytesIO(contents))
    members = {member.filename: member for member in archive.infolist()}
    if any(member.compress_type != zipfile.ZIP_STORED for member in members.values()):
        raise ValueError("its files are compressed, as PyTorch's are not")
    if sum(member.file_size for member in members.values()) > len(contents):
        raise ValueError("its files are larger than itself")
    name = next((name for name in members if _is_pickle(name)), None)
    if name is None:
        raise ValueError("it is an archive without a data.pkl")
    folder = name.removesuffix(_PICKLE)
    order = members.get(f"{folder}byteorder")
    if order is not None and archive.read(order) != b"little":
        raise ValueError("its numbers have their first byte first; save it on another machine")

    @functools.cache
    def numbers(key: str) -> bytes:
        return archive.read(members[f"{folder}data/{key}"])

    size = members[name].file_size
    with archive.open(members[name]) as stream:
        return _unpickled(BoundedReader(stream, size, _MAX_READS)), numbers


def _is_pickle(name: str) -> bool:
    return name.rpartition("/")[2] == _PICKLE and name.count("/") == 1


def _read_row(contents: bytes) -> tuple[Any, _Numbers]:
    """What the fourth pickle of a row holds, and the storages that lie behind the fifth."""
    stream: IO[bytes] = io.BytesIO(contents)
    reader = BoundedReader(stream, len(contents), _MAX_READS)
    if _unpickled(reader) != _MAGIC or _unpickled(reader) != _OLD_VERSION:
        raise ValueError("it does not begin as PyTorch's files do")
    # Tuples within tuples may take for ever to be hashed.
    about = {key: value for key, value in _unpickled(reader).pairs() if isinstance(key, str)}
    if about.get("little_endian") is not True:
        raise ValueError("its numbers have their first byte first; save it on another machine")
    found, keys = _unpickled(reader), _unpickled(reader)
    sizes = {each.storage.key: each.storage for each in _all_tensors(found)}
    numbers = {}
    for key in keys:
        count = int.from_bytes(reader.read(8), "little")
        # A storage that no tensor of the network needs is of no known type.
        if not isinstance(key, str) or key not in sizes or sizes[key].n_numbers != count:
            raise ValueError(f"a storage of {count} numbers that no tensor has")
        numbers[key] = reader.read(sizes[key].n_bytes)
    return found, numbers.__getitem__


def _unpickled(reader: BoundedReader) -> Any:
    return _StateUnpickler(reader).load()


def _network(found: Any) -> RecordedDict:
    """The names and tensors in what was saved: all of it, or what stands at a known place."""
    if not isinstance(found, RecordedDict):
        raise pickle.UnpicklingError("it is no dictionary of tensors by name")
    entries = {name: value for name, value in found.pairs() if isinstance(name, str)}
    held = (entries.get(place) for place in _PLACES)
    return next((each for each in held if isinstance(each, RecordedDict)), found)


def _tensors(found: RecordedDict) -> Iterable[tuple[str, _Tensor]]:
    for name, value in found.pairs():
        if not isinstance(name, str) or not isinstance(value, _Tensor):
            # Tuples within tuples may take for ever to be written out.
            shown = repr(name[:40]) if isinstance(name, str) else f"a {type(name).__name__}"
            raise pickle.UnpicklingError(
                f"{shown} stands for something else than a tensor, in a dictionary of them"
            )
        yield name, value


def _all_tensors(found: Any) -> Iterable[_Tensor]:
    """The tensors anywhere in what was saved, each looked at once."""
    seen: set[int] = set()
    waiting = [found]
    while waiting:
        value = waiting.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, _Tensor):
            yield value
        elif isinstance(value, RecordedDict):
            waiting += [held for _, held in value.pairs()]
        elif isinstance(value, list | tuple):
            waiting += value


def _check_sizes(tensors: Iterable[_Tensor], size: int) -> None:
    """That what is made of a file is not much larger than it."""
    if sum(tensor.n_bytes for tensor in tensors) > _MAX_SHARING * size:
        raise ValueError("its tensors are far larger than itself")
