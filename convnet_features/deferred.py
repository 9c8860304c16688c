"""Names of a package that are imported when they are asked for, and not before."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

from .locks import import_whole

__all__ = ["deferred"]


def deferred(
    package: str, names: Mapping[str, str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """The functions ``__getattr__`` and ``__dir__`` of a package, as PEP 562 has them.

    A name that is a module's of the package, too, cannot be one of them: once the module is
    imported, the name is the module's.

    Parameters
    ----------
    package : str
        Its ``__name__``.
    names : mapping of str to str
        What is found in each of its modules, with spaces between.

    Returns
    -------
    __getattr__ : callable
        Imports the module, whole (`locks.import_whole`), and gives what has the name there.
    __dir__ : callable

    Examples
    --------
    >>> get, names = deferred("json", {"decoder": "JSONDecodeError"})
    >>> get("JSONDecodeError")
    <class 'json.decoder.JSONDecodeError'>
    >>> "JSONDecodeError" in names()
    True
    """
    homes = {name: module for module, text in names.items() for name in text.split()}

    def get(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        home = f"{package}.{homes[name]}"
        import_whole(home)
        found = getattr(sys.modules[home], name)
        setattr(sys.modules[package], name, found)  # it is asked for once
        return found

    def known() -> list[str]:
        return sorted({*vars(sys.modules[package]), *homes})

    return get, known
