"""Values seen through nodes that only give them other axes of size 1."""

from __future__ import annotations

from collections.abc import Callable

from pytensor.graph.basic import Apply, Variable
from pytensor.tensor.elemwise import DimShuffle
from pytensor.tensor.shape import Reshape, SpecifyShape

__all__ = ["seen_through"]


def seen_through(value: Variable, is_wanted: Callable[[Variable], bool]) -> Variable:
    """The wanted value that `value` is, but for axes of size 1 behind its channels; else itself.

    Rows of a dense layer as images of one pixel, say, or the other way round.
    """
    found = value
    while not is_wanted(found):
        node = found.owner
        if node is None or not _is_view(node):
            return value
        found = node.inputs[0]
    return found


def _is_view(node: Apply) -> bool:
    """Whether a node makes (n, c, 1, ...) of (n, c, 1, ...), with any number of axes."""
    if not isinstance(node.op, DimShuffle | Reshape | SpecifyShape):
        return False
    before, after = node.inputs[0].type.shape, node.outputs[0].type.shape
    if len(before) < 2 or len(after) < 2 or before[1] is None or before[1] != after[1]:
        return False
    if {*before[2:], *after[2:]} - {1}:
        return False
    # Reshaped are as many numbers, and as many channels: so as many samples.
    return not isinstance(node.op, DimShuffle) or tuple(node.op.new_order[:2]) == (0, 1)
