"""``import nolearn.lasagne``, where nolearn is not installed: `convnet_features.nolearn`."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

__all__ = ["MODULES", "NolearnFinder"]

#: nolearn's modules, and the module that is imported in the place of each.
MODULES = {
    "nolearn": None,
    "nolearn.grid_search": "convnet_features.nolearn.grid_search",
    "nolearn.lasagne": "convnet_features.nolearn",
    "nolearn.lasagne.base": "convnet_features.nolearn.base",
    "nolearn.lasagne.handlers": "convnet_features.nolearn.handlers",
    "nolearn.lasagne.util": "convnet_features.nolearn.util",
    "nolearn.lasagne.visualize": "convnet_features.nolearn.visualize",
    "nolearn.metrics": "convnet_features.nolearn.metrics",
}


class NolearnLoader(Loader):
    """Puts one of our modules in the place of nolearn's."""

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return None  # an empty one, which Python makes

    def exec_module(self, module: ModuleType) -> None:
        ours = MODULES[module.__name__]
        if ours is not None:
            # The import system gives whatever stands here once a module has been executed.
            sys.modules[module.__name__] = importlib.import_module(ours)


class NolearnFinder(MetaPathFinder):
    """Finds nolearn's modules, unless nolearn itself is installed."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname.partition(".")[0] != "nolearn" or _is_installed(fullname):
            return None
        if fullname not in MODULES:
            raise ModuleNotFoundError(
                f"{fullname} is not part of convnet_features' nolearn, which has "
                f"{', '.join(MODULES)}.",
                name=fullname,
            )
        return ModuleSpec(fullname, NolearnLoader(), origin="convnet_features", is_package=True)


def _is_installed(fullname: str) -> bool:
    """Whether another nolearn is there to be imported, or has been."""
    if fullname == "nolearn":
        return PathFinder.find_spec("nolearn") is not None
    loaded = getattr(sys.modules.get("nolearn"), "__spec__", None)
    return not isinstance(getattr(loaded, "loader", None), NolearnLoader)
