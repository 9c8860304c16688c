"""The layers of a network by name, by position and by slice."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

__all__ = ["Layers"]


class Layers(OrderedDict[str, Any]):
    """Lasagne layers by name, inputs first; also by position and slice, as a list.

    Examples
    --------
    >>> layers = Layers([("input", "first"), ("dense", "second"), ("output", "third")])
    >>> layers["dense"], layers[-1], list(layers[:2])
    ('second', 'third', ['input', 'dense'])
    """

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, int):
            return self.values()[key]
        if isinstance(key, slice):
            return Layers(list(self.items())[key])
        return super().__getitem__(key)

    def keys(self) -> list[str]:  # type: ignore[override]
        """The names, as a list."""
        return list(super().keys())

    def values(self) -> list[Any]:  # type: ignore[override]
        """The layers, as a list."""
        return list(super().values())
