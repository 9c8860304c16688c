"""Help that Lasagne 0.1 needs when it is imported.

- Its last lines ask ``pkg_resources`` for its own version. New setuptools no
  longer has that module, and an old one's is slow and warns. A stand-in that
  stayed would be found by setuptools and by PyTensor.
- Its ``get_output`` is silent about keywords that no layer takes; later Lasagne's warns.
- It lacks what public code of 2016 to 2018 was written against (`lasagne_names`).
- Its docstrings hold invalid escape sequences, and Python warns of
  them when it compiles the files. Users cannot change them.
"""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from importlib.metadata import version
from types import ModuleType, SimpleNamespace

from .lasagne_modules import serve_later_names
from .lasagne_parameters import with_shared_variables
from .unused_keywords import with_unused_keywords_named

__all__ = ["import_lasagne_again", "lasagne_spec"]


class LasagneLoader(SourceFileLoader):
    """Loads the package ``lasagne`` from its source, unmodified."""

    def exec_module(self, module: ModuleType) -> None:
        # PyTensor is loaded first, so that it never meets the stand-in.
        importlib.import_module("pytensor")
        with warnings.catch_warnings(), _pkg_resources():
            warnings.simplefilter("ignore", SyntaxWarning)
            warnings.simplefilter("ignore", DeprecationWarning)
            super().exec_module(module)
        _announce_unused_keywords()
        _let_expressions_be_parameters()
        serve_later_names()


def lasagne_spec(path: Sequence[str] | None) -> ModuleSpec | None:
    """Where Lasagne is, with a loader that helps it along; None if it is not installed."""
    spec = PathFinder.find_spec("lasagne", path)
    if spec is not None and isinstance(spec.loader, SourceFileLoader):
        spec.loader = LasagneLoader(spec.loader.name, spec.loader.path)
    return spec


def import_lasagne_again() -> None:
    """Import Lasagne by our loader, where its own import is under way and has asked for Theano.

    What has begun runs to its end and is forgotten: Python gives the importer what is in
    ``sys.modules`` by then.
    """
    begun = sys.modules.get("lasagne")
    if begun is None or not getattr(begun.__spec__, "_initializing", False):
        return
    del sys.modules["lasagne"]
    importlib.import_module("lasagne")
    _stand_in_once()


def _stand_in_once() -> None:
    """A ``pkg_resources`` that is gone once it has been asked for a version."""
    previous = sys.modules.get("pkg_resources")

    def get_distribution(name: str) -> SimpleNamespace:
        _put_back(previous)
        return SimpleNamespace(version=version(name))

    stand_in = ModuleType("pkg_resources")
    stand_in.get_distribution = get_distribution  # type: ignore[attr-defined]
    sys.modules["pkg_resources"] = stand_in


def _put_back(previous: ModuleType | None) -> None:
    del sys.modules["pkg_resources"]
    if previous is not None:
        sys.modules["pkg_resources"] = previous


def _announce_unused_keywords() -> None:
    """Let ``get_output``, where scripts call it, name keywords that no layer takes.

    Recurrent layers call Lasagne's own, in ``lasagne.layers.helper``, for networks within them.
    """
    layers = sys.modules["lasagne.layers"]
    checked = with_unused_keywords_named(layers.get_output)
    for module in (layers, sys.modules["lasagne.objectives"]):
        module.get_output = checked  # type: ignore[attr-defined]


def _let_expressions_be_parameters() -> None:
    """Let layers say which shared variables their parameters are computed from."""
    layer = sys.modules["lasagne.layers"].Layer
    layer.get_params = with_shared_variables(layer.get_params)


@contextmanager
def _pkg_resources() -> Iterator[None]:
    """A ``pkg_resources`` that knows distributions' versions, for the duration."""
    previous = sys.modules.get("pkg_resources")
    stand_in = ModuleType("pkg_resources")
    stand_in.get_distribution = lambda name: SimpleNamespace(version=version(name))  # type: ignore[attr-defined]
    sys.modules["pkg_resources"] = stand_in
    try:
        yield
    finally:
        _put_back(previous)
