"""Where windows lie on an image: the strides and the padding of convolutions and poolings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..plan import PlannedLayer, check_activations
from ..reading import Node
from .nodes import integers, unsupported

__all__ = ["padded_sizes", "pads_of", "with_padding", "within"]


def padded_sizes(
    node: Node, sizes: Sequence[int], pads: Sequence[tuple[int, int]]
) -> tuple[int, ...]:
    """The sizes of an image with its padding; a FileFormatError where they are immense."""
    padded = tuple(size + sum(pad) for size, pad in zip(sizes, pads, strict=True))
    check_activations(padded, node.outputs[0])
    return padded


def within(strides: Sequence[int], padded: Sequence[int]) -> tuple[int, ...]:
    """`strides`, no longer than the image: where a window has one position, it stays the same."""
    return tuple(min(step, size) for step, size in zip(strides, padded, strict=True))


def pads_of(
    node: Node, sizes: Sequence[int], extents: Sequence[int], strides: Sequence[int]
) -> list[tuple[int, int]]:
    """Pixels added before and behind each axis."""
    automatic = node.attributes.get("auto_pad", "NOTSET")
    if automatic in ("SAME_UPPER", "SAME_LOWER"):
        pads = []
        for size, extent, step in zip(sizes, extents, strides, strict=True):
            total = max(0, (-(-size // step) - 1) * step + extent - size)
            less, more = total // 2, total - total // 2
            pads.append((less, more) if automatic == "SAME_UPPER" else (more, less))
        return pads
    count = len(sizes)
    given = integers(node, node.attributes.get("pads", (0,) * (2 * count)), "pads")
    if automatic == "VALID":
        given = [0] * (2 * count)
    if automatic not in ("NOTSET", "VALID") or len(given) != 2 * count or min(given) < 0:
        raise unsupported(node, f"auto_pad={automatic!r}, pads={given}")
    return list(zip(given[:count], given[count:], strict=True))


def with_padding(
    reader: Any, node: Node, x: PlannedLayer, pads: Sequence[tuple[int, int]], value: float
) -> PlannedLayer:
    """A layer that pads x by `value`, for padding that a convolution or pooling does not have."""
    from lasagne.layers import PadLayer

    return reader.plan.add(f"{node.outputs[0]}_padded", PadLayer, x, width=list(pads), val=value)
