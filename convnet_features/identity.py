"""What a Python object is, in a form that is the same in every process.

`identity` walks through an object and hashes what it finds: values by what they
are, users' functions and classes by their code and what it refers to, those of
installed packages by their names and versions. Addresses, names of files and
the order of sets play no part.
"""

from __future__ import annotations

import contextlib
import dis
import functools
import hashlib
import inspect
import sys
import sysconfig
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from pytensor.compile.sharedvalue import SharedVariable
from pytensor.graph.basic import Constant, Variable
from pytensor.graph.traversal import ancestors
from pytensor.printing import debugprint

__all__ = ["UnknownIdentityError", "array_identity", "identity"]

#: Bytes of an array that are looked at together: a copy of so many stays in the cache.
_CHUNK = 1 << 20
#: What a class's namespace has that says nothing about what it does.
_INCIDENTAL = {
    *("__module__", "__doc__", "__dict__", "__weakref__", "__slots__", "__slotnames__"),
    *("__firstlineno__", "__static_attributes__", "__abstractmethods__", "_abc_impl"),
    *("__annotations__", "__annotate__", "__annotate_func__", "__annotations_cache__"),
    *("__orig_bases__", "__parameters__", "__dataclass_fields__"),
}
_PLAIN = (type(None), bool, int, float, complex, str, bytes, type(Ellipsis))
_MAPPINGS = (dict, types.MappingProxyType)
_MODULE_OR_NONE = (types.ModuleType, type(None))
_SLOT = (types.GetSetDescriptorType, types.MemberDescriptorType)


class UnknownIdentityError(TypeError):
    """An object that cannot be told from another of its kind."""


def identity(value: Any) -> str:
    """A SHA-256 in hexadecimal digits, equal for equal values in whatever process.

    Raises
    ------
    UnknownIdentityError
        If something in `value` gives nothing away, as a generator or an open file.
    """
    return _Walk().hash(value).hex()


def array_identity(array: np.ndarray) -> str:
    """The same of an array of numbers, a part at a time: no array is copied whole."""
    digest = hashlib.sha256(f"{array.dtype.str} {array.shape}".encode())
    step = max(1, _CHUNK // max(1, array[:1].nbytes))
    for first in range(0, len(array), step):
        part = np.ascontiguousarray(array[first : first + step])
        digest.update(part.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


class _Walk:
    """One way through an object and all that it refers to."""

    def __init__(self) -> None:
        #: Hashes by address; None for what the walk is within. The objects are kept alive.
        self.known: dict[int, tuple[bytes | None, Any]] = {}

    def hash(self, value: Any) -> bytes:
        if isinstance(value, _PLAIN) and type(value) in _PLAIN:
            return hashlib.sha256(f"{type(value).__name__} {value!r}".encode()).digest()
        if id(value) in self.known:
            return self.known[id(value)][0] or b"itself"
        self.known[id(value)] = None, value
        digest = hashlib.sha256()
        for part in self.parts(value):
            digest.update(part if isinstance(part, bytes) else f"{len(part)} {part}".encode())
        self.known[id(value)] = digest.digest(), value
        return digest.digest()

    def all(self, *values: Any) -> Iterator[bytes]:
        return map(self.hash, values)

    def parts(self, value: Any) -> Iterator[bytes | str]:
        """What tells `value` from others: words, and the hashes of what it consists of."""
        match value:
            case np.ndarray() if value.dtype != object and value.ndim:
                yield array_identity(value)
            case np.ndarray() | np.generic():
                yield f"{value.dtype.str} {value.shape}"
                yield self.hash(value.tolist())
            case list() | tuple() if type(value) in (list, tuple):
                yield f"{type(value).__name__} {len(value)}"
                yield from self.all(*value)
            case set() | frozenset():
                yield type(value).__name__
                yield from sorted(self.all(*value))
            case types.MappingProxyType() | dict() if type(value) in _MAPPINGS:
                yield f"dict {len(value)}"
                yield from self.all(*value.keys(), *value.values())
            case types.ModuleType():
                yield from _parts_of_module(value)
            case types.CodeType():
                yield from self.parts_of_code(value)
            case type():
                yield from self.parts_of_class(value)
            case types.FunctionType():
                yield from self.parts_of_function(value)
            case types.MethodType():
                yield "method"
                yield from self.all(value.__func__, value.__self__)
            case classmethod() | staticmethod():
                yield type(value).__name__
                yield self.hash(value.__func__)
            case property():
                yield "property"
                yield from self.all(value.fget, value.fset, value.fdel)
            case functools.partial():
                yield "partial"
                yield from self.all(value.func, value.args, value.keywords)
            case types.BuiltinFunctionType() if isinstance(value.__self__, _MODULE_OR_NONE):
                yield f"{value.__module__}.{value.__qualname__}"
            case np.ufunc():
                yield f"ufunc {value.__name__}"
            case Variable():
                yield from self.parts_of_variable(value)
            case _:
                yield from self.parts_of_instance(value)

    def parts_of_function(self, value: types.FunctionType) -> Iterator[bytes | str]:
        installed = _is_installed(value.__module__)
        if installed and "<" not in value.__qualname__:
            yield _name(value)
            return
        yield "function"
        yield from self.all(value.__code__, value.__defaults__, value.__kwdefaults__)
        yield from self.all(*map(_content, value.__closure__ or ()))
        if installed:
            return
        for name in sorted(_global_names(value.__code__)):
            if name in value.__globals__:
                yield name
                yield self.hash(value.__globals__[name])

    def parts_of_code(self, code: types.CodeType) -> Iterator[bytes | str]:
        yield "code"
        yield code.co_code
        yield from self.all(*code.co_names, *code.co_varnames, *code.co_freevars)
        yield from self.all(code.co_argcount, code.co_kwonlyargcount, code.co_flags)
        yield from self.all(*code.co_consts)

    def parts_of_class(self, value: type) -> Iterator[bytes | str]:
        if _is_installed(value.__module__):
            yield _name(value)
            return
        yield f"class {value.__qualname__}"
        yield from self.all(*value.__bases__)
        for name, attribute in sorted(vars(value).items()):
            if name not in _INCIDENTAL and not isinstance(attribute, _SLOT):
                yield name
                yield self.hash(attribute)

    def parts_of_variable(self, value: Variable[Any, Any]) -> Iterator[bytes | str]:
        """A symbolic expression: its graph, and the values in it."""
        yield debugprint(value, file="str", print_type=True)
        leaves = [each for each in ancestors([value]) if each.owner is None]
        yield from self.all(*(each.data for each in leaves if isinstance(each, Constant)))
        shared = (each for each in leaves if isinstance(each, SharedVariable))
        yield from self.all(*(each.get_value(borrow=True) for each in shared))

    def parts_of_instance(self, value: Any) -> Iterator[bytes | str]:
        yield "instance"
        yield self.hash(type(value))
        if hasattr(value, "__wrapped__"):  # as functools.cache has it
            yield self.hash(value.__wrapped__)
        if hasattr(value, "get_params") and hasattr(value, "set_params"):
            yield self.hash(value.get_params(deep=False))
            return
        try:
            reduced = value.__reduce_ex__(2)
        except Exception as error:  # whatever the object makes of it
            raise UnknownIdentityError(
                f"there is a {type(value).__name__}, which cannot be told from others"
            ) from error
        yield self.hash(_written_out(reduced))


def _written_out(reduced: Any) -> Any:
    """What an object can be made anew of, with lists for iterators."""
    if isinstance(reduced, str):
        return reduced
    return [list(each) if isinstance(each, Iterator) else each for each in reduced]


def _content(cell: types.CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # of a name that is not bound yet
        return None


def _global_names(code: types.CodeType) -> set[str]:
    """The names that a function's code, and functions within it, look up in its module."""
    inner = (each for each in code.co_consts if isinstance(each, types.CodeType))
    own = {each.argval for each in dis.get_instructions(code) if each.opname == "LOAD_GLOBAL"}
    return own.union(*map(_global_names, inner))


def _parts_of_module(module: types.ModuleType) -> Iterator[bytes | str]:
    yield f"module {module.__name__} {_version(module.__name__)}"
    file = getattr(module, "__file__", None)
    if file and not _is_installed(module.__name__):
        with contextlib.suppress(OSError):
            yield hashlib.sha256(Path(file).read_bytes()).digest()


def _name(value: Any) -> str:
    return f"{value.__module__}.{value.__qualname__} {_version(value.__module__)}"


def _version(module: str) -> str:
    """The version of the package that a module belongs to, where it has one."""
    package = sys.modules.get(module.partition(".")[0])
    return str(getattr(package, "__version__", ""))


@functools.cache
def _is_installed(module: str | None) -> bool:
    """Whether a module comes with Python, or with an installed package: not the user's own."""
    if module is None:
        return True
    package = module.partition(".")[0]
    if package in ("__main__", "__mp_main__"):
        return False
    if package in sys.stdlib_module_names or package in ("convnet_features", "lasagne", "theano"):
        return True
    loaded = sys.modules.get(module) or sys.modules.get(package)
    try:
        file = inspect.getfile(loaded) if loaded is not None else ""
    except TypeError:  # built in
        return True
    places = {sysconfig.get_path(name) for name in ("purelib", "platlib", "stdlib")}
    return any(file.startswith(place) for place in places if place) or "site-packages" in file
