"""Values put together, cut and reshaped: no arithmetic."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...layers import TakeLayer
from ..folding import SAMPLES
from ..plan import PlannedLayer, check_activations
from ..reading import MAX_DIMENSIONS, Node
from .axes import seen_through, transposed
from .nodes import axes_of, axis_of, given_axes, integers, reads, unsupported

__all__ = ["reshaped", "taken"]


@reads("Concat")
def _concatenation(reader: Any, node: Node) -> PlannedLayer:
    from lasagne.layers import ConcatLayer

    inputs = reader.layers(node)
    axis = axis_of(node, int(node.attributes.get("axis", 1)), 1 + len(inputs[0].shape))
    if axis == 0:
        raise unsupported(node, "samples put behind one another")
    order = seen_through(inputs[0])[1]
    if order != tuple(range(len(order))) and all(seen_through(x)[1] == order for x in inputs):
        sources = [seen_through(x)[0] for x in inputs]
        y = reader.plan.add(node.outputs[0], ConcatLayer, sources, axis=order[axis])
        return transposed(reader, f"{node.outputs[0]}_turned", y, order)
    if len(inputs) == 1:
        return inputs[0]
    others = [[size for i, size in enumerate(each.shape, 1) if i != axis] for each in inputs]
    if any(each != others[0] for each in others):
        raise unsupported(node, f"values of the shapes {[each.shape for each in inputs]} joined")
    return reader.plan.add(node.outputs[0], ConcatLayer, inputs, axis=axis)


def reshaped(reader: Any, node: Node, x: PlannedLayer, shape: Sequence[int]) -> PlannedLayer:
    from lasagne.layers import FlattenLayer, ReshapeLayer

    if len(shape) == 1:
        return reader.plan.add(node.outputs[0], FlattenLayer, x)
    return reader.plan.add(node.outputs[0], ReshapeLayer, x, shape=([0], *shape))


@reads("Flatten", "Reshape")
def _reshape(reader: Any, node: Node) -> PlannedLayer:
    x = reader.layer(node, 0)
    size = math.prod(x.shape)
    if node.operator == "Flatten":
        axis = int(node.attributes.get("axis", 1))
        if axis_of(node, axis, 1 + len(x.shape)) != 1:
            raise unsupported(node, f"axis={axis}")
        sizes = [size]
    else:
        shape = reader.constant(node, 1)
        if shape.size > 1 + MAX_DIMENSIONS:  # the product of many takes long
            limit = 1 + MAX_DIMENSIONS
            raise unsupported(node, f"a shape of more than {limit} sizes, {shape.size},")
        first, *sizes = integers(node, shape, "a shape")
        if not sizes and _is_row_of_all(reader, node, x, first):
            reader.of_all_samples.add(node.outputs[0])
            return x
        if SAMPLES in sizes:
            raise unsupported(node, "a shape with the number of samples behind its first place")
        if node.attributes.get("allowzero", 0) and 0 in (first, *sizes):
            raise unsupported(node, f"the empty shape {[first, *sizes]}")
        if first not in (-1, 0, SAMPLES, reader.declared_samples):
            raise unsupported(node, f"samples reshaped to {[first, *sizes]}")
        sizes = [
            x.shape[i] if each == 0 and i < len(x.shape) else each for i, each in enumerate(sizes)
        ]
        if sizes.count(-1) == 1:
            known = -math.prod(sizes)
            sizes = [size // known if each == -1 and known > 0 else each for each in sizes]
        if not sizes or min(sizes) < 1 or math.prod(sizes) != size:
            raise unsupported(node, f"values of shape {x.shape} reshaped to {sizes}")
    x = _in_the_same_order(x)
    of_input = x is reader.plan.input and reader.is_used_once(x, node)
    if of_input and len(x.shape) != 3 and len(sizes) == 3:
        return reader.plan.reshape_input(sizes)
    if tuple(sizes) == x.shape:
        return x
    return reshaped(reader, node, x, sizes)


def _is_row_of_all(reader: Any, node: Node, x: PlannedLayer, size: int) -> bool:
    """Whether all samples become one row, of which entries are picked."""
    whole = math.prod(x.shape) * (reader.declared_samples or 0)
    return size in (-1, whole or -1) and reader.used_only_by(node.outputs[0], ("Gather",))


def _in_the_same_order(x: PlannedLayer) -> PlannedLayer:
    """What x is a transposition of, where only axes of one entry moved: a reshaping sees no other.

    Exporters write such transpositions as reshapings.
    """
    source, order = seen_through(x)
    moved = [axis for axis in order[1:] if source.shape[axis - 1] > 1]
    return source if moved == sorted(moved) else x


@reads("Transpose", "Squeeze", "Unsqueeze")
def _dimshuffle(reader: Any, node: Node) -> PlannedLayer:
    from lasagne.layers import DimshuffleLayer

    x = reader.layer(node, 0)
    rank = 1 + len(x.shape)
    if node.operator == "Transpose":
        perm = node.attributes.get("perm", range(rank)[::-1])
        pattern: list[Any] = integers(node, perm, "perm")
        if sorted(pattern) != list(range(rank)):
            raise unsupported(node, f"the axes in the order {pattern}")
    else:
        given = integers(node, given_axes(reader, node), "axes")
        if node.operator == "Squeeze":
            ones = [axis for axis, size in enumerate(x.shape, 1) if size == 1]
            dropped = axes_of(node, given, rank) if given else ones
            pattern = [axis for axis in range(rank) if axis not in dropped]
        else:
            added = sorted(axes_of(node, given, rank + len(given)))
            pattern = list(range(rank))
            for position in added:
                pattern.insert(position, "x")
    if node.operator == "Transpose" and (pattern[0] != 0 or _is_behind(reader, node)):
        return _with_samples_moved(reader, node, x, pattern)
    if not pattern or pattern[0] != 0:
        raise unsupported(node, f"the axes in the order {pattern}")
    if node.operator == "Transpose":
        return transposed(reader, node.outputs[0], x, pattern)
    return reader.plan.add(node.outputs[0], DimshuffleLayer, x, pattern=tuple(pattern))


def _is_behind(reader: Any, node: Node) -> bool:
    return node.inputs[0] in reader.samples_behind


def _with_samples_moved(
    reader: Any, node: Node, x: PlannedLayer, pattern: Sequence[int]
) -> PlannedLayer:
    """x, of which is noted that the model has its axes in another order, the samples' elsewhere."""
    before = reader.samples_behind.get(node.inputs[0], tuple(range(1 + len(x.shape))))
    order = tuple(before[axis] for axis in pattern)
    if order[0] == 0:
        return transposed(reader, node.outputs[0], x, order)
    if not reader.used_only_by(node.outputs[0], ("GatherND", "Transpose")):
        raise unsupported(node, f"the axes in the order {list(pattern)}")
    reader.samples_behind[node.outputs[0]] = order
    return x


#: ONNX's names of borders made of the values themselves, and NumPy's.
_BORDERS = {"edge": "edge", "reflect": "reflect", "wrap": "wrap"}


def _mirrored(
    reader: Any, node: Node, x: PlannedLayer, widths: Sequence[tuple[int, int]], mode: Any
) -> PlannedLayer:
    """x with borders of its own values."""
    check_activations(
        [size + sum(width) for size, width in zip(x.shape, widths, strict=True)], node.outputs[0]
    )
    for axis, width in enumerate(widths, 1):
        size = x.shape[axis - 1]
        if max(width) >= size and mode == "reflect":
            raise unsupported(node, f"a mirrored border of {width} on {size} pixels")
        if any(width):
            places = np.pad(np.arange(size), width, mode)
            x = taken(reader, node, x, places, axis)
    return x


def taken(reader: Any, node: Node, x: PlannedLayer, places: np.ndarray, axis: int) -> PlannedLayer:
    """The entries of an axis at some places."""
    reader.budget.spend(8 * places.size, node.label)
    check_activations((*x.shape[: axis - 1], places.size, *x.shape[axis:]), node.outputs[0])
    indices = [int(place) for place in places]
    return reader.plan.add(node.outputs[0], TakeLayer, x, indices=indices, axis=axis)


@reads("Expand")
def _expansion(reader: Any, node: Node) -> PlannedLayer:
    x = reader.layer(node, 0)
    shape = reader.constant(node, 1)
    if shape.size > 1 + MAX_DIMENSIONS:
        raise unsupported(node, f"a shape of {shape.size} sizes")
    sizes = integers(node, shape, "a shape")
    rank = 1 + len(x.shape)
    sizes = [1] * (rank - len(sizes)) + sizes
    if len(sizes) > rank or sizes[0] not in (1, SAMPLES, reader.declared_samples):
        raise unsupported(node, f"values of shape {(None, *x.shape)} expanded to {sizes}")
    for axis, size in enumerate(sizes[1:], 1):
        own = x.shape[axis - 1]
        if size not in (1, own) and (own != 1 or size < 1):
            raise unsupported(node, f"values of shape {(None, *x.shape)} expanded to {sizes}")
        if own == 1 and size > 1:
            check_activations((*x.shape[: axis - 1], size, *x.shape[axis:]), node.outputs[0])
            x = taken(reader, node, x, np.zeros(size, int), axis)
    return x


@reads("DepthToSpace", "SpaceToDepth")
def _depth_and_space(reader: Any, node: Node) -> PlannedLayer:
    from lasagne.layers import DimshuffleLayer, ReshapeLayer

    x = reader.layer(node, 0)
    b = int(node.attributes["blocksize"])
    if len(x.shape) != 3 or b < 1:
        raise unsupported(node, f"blocksize={b} of values of shape {(None, *x.shape)}")
    channels, height, width = x.shape
    mode = node.attributes.get("mode", "DCR")
    if node.operator == "SpaceToDepth":
        apart, order = (channels, height // b, b, width // b, b), (0, 3, 5, 1, 2, 4)
        shape = (channels * b * b, height // b, width // b)
    else:
        depth = channels // (b * b)
        apart, order = (b, b, depth, height, width), (0, 3, 4, 1, 5, 2)
        if mode == "CRD":
            apart, order = (depth, b, b, height, width), (0, 1, 4, 2, 5, 3)
        shape = (depth, height * b, width * b)
    if mode not in ("DCR", "CRD") or math.prod(apart) != math.prod(x.shape):
        raise unsupported(node, f"blocksize={b}, mode={mode!r} of values of shape {x.shape}")
    x = reader.plan.add(f"{node.outputs[0]}_apart", ReshapeLayer, x, shape=([0], *apart))
    x = reader.plan.add(f"{node.outputs[0]}_turned", DimshuffleLayer, x, pattern=order)
    return reader.plan.add(node.outputs[0], ReshapeLayer, x, shape=([0], *shape))


@reads("Pad")
def _padding(reader: Any, node: Node) -> PlannedLayer:
    x = reader.layer(node, 0)
    rank = 1 + len(x.shape)
    pads, value = reader.optional_constant(node, 1), reader.optional_constant(node, 2)
    pads = integers(node, node.attributes.get("pads", ()) if pads is None else pads, "pads")
    mode = node.attributes.get("mode", "constant")
    axes = reader.optional_constant(node, 3)
    axes = range(rank) if axes is None else axes_of(node, axes, rank)
    wrong = mode not in (*_BORDERS, "constant") or len(pads) != 2 * len(axes)
    if wrong or min(pads, default=0) < 0:
        raise unsupported(node, f"mode={mode!r}, pads={pads}")
    widths = [(0, 0)] * rank
    for axis, before, after in zip(axes, pads[: len(axes)], pads[len(axes) :], strict=True):
        widths[axis] = (before, after)
    if widths[0] != (0, 0):
        raise unsupported(node, "more samples")
    source, order = seen_through(x)
    if source is not x:
        widths = [widths[order.index(axis)] for axis in range(rank)]
    y = _padded(reader, node, source, widths[1:], mode, value)
    return y if source is x else transposed(reader, f"{node.outputs[0]}_turned", y, order)


def _padded(
    reader: Any,
    node: Node,
    x: PlannedLayer,
    widths: Sequence[tuple[int, int]],
    mode: str,
    value: np.ndarray | None,
) -> PlannedLayer:
    """x with borders."""
    from lasagne.layers import PadLayer

    if mode != "constant":
        return _mirrored(reader, node, x, widths, _BORDERS[mode])
    fill = float(node.attributes.get("value", 0.0) if value is None else value.item())
    if np.isnan(fill) or np.float32(fill) == math.inf:  # -inf stands in front of a max pooling
        raise unsupported(node, f"a border of {fill}")
    return reader.plan.add(node.outputs[0], PadLayer, x, width=list(widths), val=fill, batch_ndim=1)


@reads("Slice")
def _slice(reader: Any, node: Node) -> PlannedLayer:
    from lasagne.layers import SliceLayer

    x = reader.layer(node, 0)
    rank = 1 + len(x.shape)
    if len(node.inputs) == 1:  # bounds became inputs in later revisions
        starts, ends = (integers(node, node.attributes[n], "bounds") for n in ("starts", "ends"))
        axes, steps = node.attributes.get("axes"), None
    else:
        starts, ends = (integers(node, reader.constant(node, i), "bounds") for i in (1, 2))
        axes, steps = (reader.optional_constant(node, i) for i in (3, 4))
    axes = axes_of(node, range(len(starts)) if axes is None else axes, rank)
    steps = [1] * len(starts) if steps is None else integers(node, steps, "steps")
    x, order = seen_through(x)
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        if axis == 0 or step == 0:
            raise unsupported(node, "a slice of the samples" if step else "a step of 0")
        if SAMPLES in (start, end):
            raise unsupported(node, "a bound that is the number of samples")
        axis = order[axis]
        size = x.shape[axis - 1]
        step = max(-size, min(size, step))  # a longer one leads out of the value as well
        first, last, step = slice(start, end, step).indices(size)
        part = slice(first, last if last >= 0 else None, step)
        x = reader.plan.add(node.outputs[0], SliceLayer, x, indices=part, axis=axis)
    return x if order == tuple(range(rank)) else transposed(reader, node.outputs[0], x, order)


@reads("Split")
def _split(reader: Any, node: Node) -> PlannedLayer:
    from lasagne.layers import SliceLayer

    x = reader.layer(node, 0)
    axis = axis_of(node, int(node.attributes.get("axis", 0)), 1 + len(x.shape))
    if axis == 0:
        raise unsupported(node, "a split of the samples")
    size, count = x.shape[axis - 1], len(node.outputs)
    given = reader.optional_constant(node, 1)
    given = node.attributes.get("split") if given is None else given
    if given is None:
        part = -(-size // count)  # the last may be smaller
        parts = [part] * (count - 1) + [size - part * (count - 1)]
    else:
        parts = integers(node, given, "sizes")
    if len(parts) != count or min(parts) < 1 or sum(parts) != size:
        raise unsupported(node, f"{size} split into {count} parts of {parts}")
    ends = np.cumsum(parts).tolist()
    source, order = seen_through(x)
    places = [slice(start, end) for start, end in zip([0, *ends], ends, strict=False)]
    layers = []
    for name, part in zip(node.outputs, places, strict=True):
        value = name or f"{node.outputs[0]}_unused"
        y = reader.plan.add(value, SliceLayer, source, indices=part, axis=order[axis])
        layers.append(y if source is x else transposed(reader, f"{value}_turned", y, order))
    reader.values.update(zip(node.outputs[1:], layers[1:], strict=True))
    return layers[0]
