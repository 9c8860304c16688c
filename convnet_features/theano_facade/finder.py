"""``import theano`` and ``import lasagne``: the meta path finder, and the call that installs it."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from .lasagne_import import lasagne_spec
from .lasagne_modules import later_module_spec
from .modules import FacadeModule
from .nolearn_import import NolearnFinder
from .scope import unpatch
from .table import MISSING_MODULES, TABLE

__all__ = ["FacadeFinder", "install", "uninstall"]


class FacadeLoader(Loader):
    """Makes an empty facade module; the table supplies its names when they are used."""

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return FacadeModule(spec.name, TABLE[spec.name])

    def exec_module(self, module: ModuleType) -> None:
        pass


class FacadeFinder(MetaPathFinder):
    """Finds ``theano`` and its modules in the table, and Lasagne with what its import needs."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname == "lasagne":
            return lasagne_spec(path)
        if fullname.startswith("lasagne."):
            return later_module_spec(fullname)
        if fullname.partition(".")[0] != "theano":
            return None
        if fullname not in TABLE:
            raise ModuleNotFoundError(_no_module(fullname), name=fullname)
        return ModuleSpec(fullname, FacadeLoader(), origin="convnet_features", is_package=True)


def install() -> None:
    """Make ``import theano`` mean the facade, and ``import lasagne`` work.

    ``import nolearn.lasagne`` means `convnet_features.nolearn` where nolearn is not
    installed. Calling it again changes nothing.

    Raises
    ------
    FacadeError
        If another ``theano`` has been imported in this process.
    """
    found = sys.modules.get("theano")
    if found is not None and not isinstance(found, FacadeModule):
        # Imported here because it loads scikit-learn and NumPy.
        from ..exceptions import FacadeError

        raise FacadeError(
            "convnet_features supplies the name 'theano' itself, but another one has been "
            f"imported already, from {getattr(found, '__file__', None) or found!r}. Import "
            "convnet_features before anything that imports theano, or run that code in a "
            "process of its own."
        )
    if not any(isinstance(finder, FacadeFinder) for finder in sys.meta_path):
        sys.meta_path[:0] = [FacadeFinder(), NolearnFinder()]


def uninstall() -> None:
    """Undo `install`: forget the facade's modules, and Lasagne, which holds on to them."""
    ours = (FacadeFinder, NolearnFinder)
    sys.meta_path[:] = [each for each in sys.meta_path if not isinstance(each, ours)]
    for name in list(sys.modules):
        if name.partition(".")[0] in ("theano", "lasagne", "nolearn"):
            del sys.modules[name]
    unpatch()


def _no_module(fullname: str) -> str:
    for name, reason in MISSING_MODULES.items():
        if fullname == name or fullname.startswith(name + "."):
            return f"{fullname} is not part of convnet_features' Theano: {reason}."
    nearest: list[Any] = difflib.get_close_matches(fullname, list(TABLE), n=1, cutoff=0.0)
    return f"{fullname} is not part of convnet_features' Theano; the nearest is {nearest[0]}."
