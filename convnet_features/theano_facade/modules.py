"""Modules whose names are looked up in the table at their first use."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Mapping
from functools import partial
from types import FunctionType, ModuleType
from typing import Any

from .scope import mark_type, patch, within_scope
from .table import Entry, Module, Ours, PyTensor, Unsupported, Value

__all__ = ["FacadeModule", "resolve"]


class FacadeModule(ModuleType):
    """A module of the facade: ``theano``, ``theano.tensor`` and so on."""

    def __init__(self, name: str, entries: Mapping[str, Entry]) -> None:
        super().__init__(name, f"{name}, as convnet_features supplies it.")
        # As `theano.py` belongs to our distribution, setuptools asks whether this lies in it.
        self.__dict__["__file__"] = __file__
        self.__dict__["_entries"] = entries

    def __getattr__(self, name: str) -> Any:
        entries: Mapping[str, Entry] = self.__dict__["_entries"]
        if name == "__all__":
            return self._supported()
        entry = entries.get(name)
        if entry is None or isinstance(entry, Unsupported):
            raise AttributeError(self._missing(name, entry), name=name, obj=self)
        value = resolve(self.__name__, name, entry)
        setattr(self, name, value)
        return value

    def __setattr__(self, name: str, value: Any) -> None:
        # The import system binds a submodule in its parent. Where a function has the same name
        # (theano.tensor.sort, theano.tensor.var), the name is the function's, as in Theano.
        entry = self.__dict__["_entries"].get(name)
        if isinstance(value, FacadeModule) and entry is not None and not isinstance(entry, Module):
            return
        super().__setattr__(name, value)

    def __reduce__(self) -> tuple[Any, ...]:
        # A function of __main__ reaches other processes together with the modules that it uses.
        return _imported, (self.__name__,)

    def __dir__(self) -> list[str]:
        return sorted({*self.__dict__, *self._supported()} - {"_entries"})

    def _supported(self) -> list[str]:
        entries: Mapping[str, Entry] = self.__dict__["_entries"]
        return [name for name, entry in entries.items() if not isinstance(entry, Unsupported)]

    def _missing(self, name: str, entry: Unsupported | None) -> str:
        message = f"{self.__name__}.{name} is not part of convnet_features' Theano"
        if entry is not None:
            return f"{message}, because {entry.because}."
        # Inspecting tools ask for dunder names, and expect an AttributeError.
        nearest = difflib.get_close_matches(name, self._supported(), n=1, cutoff=0.0)
        if name.startswith("__") or not nearest:
            return f"{message}."
        return f"{message}; the nearest name is {self.__name__}.{nearest[0]}."


def _imported(name: str) -> ModuleType:
    """A module of the facade, in a process that may not have installed it yet."""
    from .finder import install

    install()
    return importlib.import_module(name)


def resolve(module: str, name: str, entry: Entry) -> Any:
    """The object that `entry` of the table stands for."""
    if isinstance(entry, Module):
        return importlib.import_module(f"{module}.{name}" if entry.name is None else entry.name)
    if isinstance(entry, Value):
        return entry.value
    if isinstance(entry, Ours):
        return _attribute(f"{__package__}.{entry.module}", entry.name or name)
    assert isinstance(entry, PyTensor)
    patch()
    return _adapted(_attribute(entry.module, entry.name or name), module, name)


def _attribute(module: str, name: str) -> Any:
    value: Any = importlib.import_module(module)
    for part in name.split("."):
        value = getattr(value, part)
    return value


def _adapted(value: Any, module: str, name: str) -> Any:
    """PyTensor's object `value` as ``<module>.<name>``: what it makes will be the facade's."""
    if isinstance(value, FunctionType | partial):
        scoped = within_scope(value)
        # Where pickle finds it.
        scoped.__module__ = module
        scoped.__name__ = scoped.__qualname__ = name
        return scoped
    from pytensor.tensor.type import TensorType

    if isinstance(value, TensorType):
        return mark_type(TensorType(value.dtype, shape=value.shape))
    return value
