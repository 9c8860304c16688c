"""``import nolearn.lasagne``, where nolearn is not installed: `convnet_features.nolearn`."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

__all__ = ["MISSING", "MODULES", "NolearnFinder"]

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


_PRETRAINED = "features of networks that others trained are convnet_features.pretrained_extractor's"

#: nolearn's modules that cannot be imported, and what there is in their place.
MISSING = {
    "nolearn.caffe": _PRETRAINED,
    "nolearn.cache": "joblib.Memory keeps what functions return",
    "nolearn.console": "it was for command lines of nolearn 0.5's own",
    "nolearn.dataset": "convnet_features.datasets and sklearn.datasets load data",
    "nolearn.dbn": (
        "a DBN was a network of gnumpy's, pre-trained layer by layer as Boltzmann machines. "
        "ConvNetClassifier(layers=[DenseLayer, ...]) trains the same network without pre-training; "
        "sklearn.neural_network.BernoulliRBM in a Pipeline pre-trains a layer"
    ),
    "nolearn.decaf": _PRETRAINED,
    "nolearn.inischema": "configparser reads such files",
    "nolearn.overfeat": _PRETRAINED,
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
            why = MISSING.get(fullname, f"it has {', '.join(MODULES)}")
            raise ModuleNotFoundError(
                f"{fullname} is not part of convnet_features' nolearn: {why}.", name=fullname
            )
        return ModuleSpec(fullname, NolearnLoader(), origin="convnet_features", is_package=True)


def _is_installed(fullname: str) -> bool:
    """Whether another nolearn is there to be imported, or has been."""
    if fullname == "nolearn":
        return PathFinder.find_spec("nolearn") is not None
    loaded = getattr(sys.modules.get("nolearn"), "__spec__", None)
    return not isinstance(getattr(loaded, "loader", None), NolearnLoader)
