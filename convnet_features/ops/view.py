"""Views: operations that compute nothing."""

from __future__ import annotations

from typing import Any

from pytensor.compile.ops import ViewOp
from pytensor.graph.basic import Apply

__all__ = ["Loosened"]


class Loosened(ViewOp):
    """x, of a type that knows less of its shape."""

    __props__ = ("type",)

    def __init__(self, type: Any) -> None:
        self.type = type

    def make_node(self, x: Any) -> Apply:
        return Apply(self, [x], [self.type()])
