"""Lasagne 0.1's modules with the names of later Lasagne, each looked up when it is asked for.

A module's own code finds its names in the module's dictionary, and that stays as it is: a class
of Lasagne 0.1's calls ``super`` by its own name. Whoever takes a name from the module gets the
later one.
"""

from __future__ import annotations

import importlib
import sys
from importlib.abc import Loader
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from ..locks import import_whole
from .lasagne_names import LATER, NEW_MODULES, OF_GRAPHICS_CARDS, Later

__all__ = ["later_module_spec", "original", "serve_later_names"]

_PACKAGE = __package__.rpartition(".")[0]


class _LaterName:
    """A name of later Lasagne's, as an attribute of a module."""

    def __init__(self, name: str, later: Later) -> None:
        self.name = name
        self.later = later

    def __get__(self, module: ModuleType | None, kind: type | None = None) -> Any:
        if module is None:
            return self
        assigned = module.__dict__["_assigned"]
        if self.name not in assigned:
            assigned[self.name] = _resolved(self.later)
        return assigned[self.name]

    def __set__(self, module: ModuleType, value: Any) -> None:
        module.__dict__["_assigned"][self.name] = value


class _LaterModule(ModuleType):
    """A module of Lasagne's, with later names as attributes of its class."""

    def __dir__(self) -> list[str]:
        return sorted({*self.__dict__, *LATER[self.__name__]} - {"_assigned"})


class LaterLoader(Loader):
    """Makes a module that only later Lasagne has."""

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return ModuleType(spec.name, f"{spec.name} of later Lasagne, by convnet_features.")

    def exec_module(self, module: ModuleType) -> None:
        _serve(module)


def later_module_spec(fullname: str) -> ModuleSpec | None:
    """How to import a module that only later Lasagne has; None for all others."""
    if fullname not in NEW_MODULES:
        return None
    return ModuleSpec(fullname, LaterLoader(), origin="convnet_features")


def serve_later_names() -> None:
    """Give the modules of Lasagne that have been imported the names of the later version."""
    for name in LATER:
        if name in sys.modules and name not in NEW_MODULES:
            _serve(sys.modules[name])
    for name in NEW_MODULES - OF_GRAPHICS_CARDS:
        # Later Lasagne imports them itself.
        importlib.import_module(name)


def _serve(module: ModuleType) -> None:
    names = LATER[module.__name__]
    own = getattr(module, "__all__", [name for name in vars(module) if not name.startswith("_")])
    # For ``from ... import *``.
    module.__all__ = sorted({*own, *names})  # type: ignore[attr-defined]
    module.__dict__["_assigned"] = {}
    attributes = {name: _LaterName(name, later) for name, later in names.items()}
    module.__class__ = type("LaterModule", (_LaterModule,), attributes)


def _resolved(later: Later) -> Any:
    module = later.module if later.module.startswith("lasagne.") else f"{_PACKAGE}.{later.module}"
    import_whole(module)
    return getattr(sys.modules[module], later.name)


def original(module: str, name: str) -> Any:
    """What Lasagne 0.1 itself has under a name.

    Parameters
    ----------
    module : str
        Such as ``lasagne.layers.conv``.
    name : str

    Returns
    -------
    object
    """
    return vars(importlib.import_module(module))[name]
