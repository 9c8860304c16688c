"""Entries picked out by their places."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..plan import PlannedLayer
from ..reading import MAX_DIMENSIONS, Node
from .arrangement import reshaped, taken
from .axes import seen_through, transposed
from .nodes import axis_of, integers, reads, unsupported

__all__: list[str] = []


@reads("Gather")
def _gather(reader: Any, node: Node) -> PlannedLayer:
    from lasagne.layers import SliceLayer

    x = reader.layer(node, 0)
    if node.inputs[0] in reader.of_all_samples:
        return _of_each_sample(reader, node, x)
    index = reader.constant(node, 1)
    axis = axis_of(node, int(node.attributes.get("axis", 0)), 1 + len(x.shape))
    if axis == 0 or index.ndim > 1 or not index.size:
        raise unsupported(node, f"the axis {axis}, indices of shape {index.shape}")
    if index.ndim:
        size = x.shape[axis - 1]
        reader.budget.spend(40 * index.size, node.label)
        places = [
            axis_of(node, place, size, "the index {} of {} values")
            for place in integers(node, index, "indices")
        ]
        source, order = seen_through(x)
        y = taken(reader, node, source, np.array(places), order[axis])
        return y if source is x else transposed(reader, f"{node.outputs[0]}_turned", y, order)
    (place,) = integers(node, index, "an index")
    place = axis_of(node, place, x.shape[axis - 1], "the index {} of {} values")
    return reader.plan.add(node.outputs[0], SliceLayer, x, indices=place, axis=axis)


def _of_each_sample(reader: Any, node: Node, x: PlannedLayer) -> PlannedLayer:
    """Places among the numbers of all samples that are the same in each: PyTorch's `as_strided`."""
    size = math.prod(x.shape)
    found: list[np.ndarray] = []
    for count, places in reader.for_counts(node, 1):
        if places.ndim < 2 or len(places) != count or places.dtype.kind not in "iu":
            raise unsupported(node, f"indices of shape {places.shape} into all samples")
        firsts = size * np.arange(count).reshape(-1, *[1] * (places.ndim - 1))
        own = places - firsts
        if (own != own[:1]).any() or own.min() < 0 or own.max() >= size:
            raise unsupported(node, "numbers of several samples put together")
        found.append(own[0])
    if any(not np.array_equal(each, found[0]) for each in found):
        raise unsupported(node, "places that depend on the number of samples")
    return _picked(reader, node, x, found[0])


def _picked(reader: Any, node: Node, x: PlannedLayer, places: np.ndarray) -> PlannedLayer:
    """The numbers of x at `places` of the row that they are, in the shape of `places`."""
    from lasagne.layers import FlattenLayer

    if np.array_equal(places.ravel(), np.arange(math.prod(x.shape))):
        return x if places.shape == x.shape else reshaped(reader, node, x, places.shape)
    row = x if len(x.shape) == 1 else reader.plan.add(f"{node.outputs[0]}_row", FlattenLayer, x)
    y = taken(reader, node, row, places.ravel(), 1)
    return y if places.ndim == 1 else reshaped(reader, node, y, places.shape)


@reads("GatherND")
def _gather_by_several(reader: Any, node: Node) -> PlannedLayer:
    """Entries at places along several axes: PyTorch's indexing by arrays, adaptive poolings."""
    x, index = reader.layer(node, 0), reader.constant(node, 1)
    order = reader.samples_behind.get(node.inputs[0])
    count = index.shape[-1] if index.ndim else 0
    if order is None or not 0 < count <= order.index(0) or node.attributes.get("batch_dims", 0):
        raise unsupported(node, f"places of shape {index.shape} along the axis of the samples")
    if index.dtype.kind not in "iu" or index.ndim - 1 + len(order) - count > MAX_DIMENSIONS:
        raise unsupported(node, f"indices of {index.dtype}, of shape {index.shape},")
    # The axes looked into come last, as one.
    kept = [axis for axis in order[count:] if axis != 0]
    sizes = [x.shape[axis - 1] for axis in order[:count]]
    looked = transposed(reader, f"{node.outputs[0]}_behind", x, (0, *kept, *order[:count]))
    rows = [x.shape[axis - 1] for axis in kept]
    one = reader.plan.add(
        f"{node.outputs[0]}_one", _reshape_layer(), looked, shape=([0], *rows, math.prod(sizes))
    )
    reader.budget.spend(48 * index.size, node.label)
    index = np.where(index < 0, index + sizes, index)
    if (index < 0).any() or (index >= sizes).any():
        raise unsupported(node, f"a place beyond {sizes}")
    places = np.ravel_multi_index(tuple(np.moveaxis(index, -1, 0)), tuple(sizes))
    y = taken(reader, node, one, places.ravel(), 1 + len(rows))
    if places.ndim != 1:
        y = reshaped(reader, node, y, (*rows, *places.shape))
    # In the model the places come first, then what was not looked into, in its order.
    ranks = {axis: 1 + position for position, axis in enumerate(kept)} | {0: 0}
    new = range(1 + len(kept), 1 + len(kept) + places.ndim)
    if not reader.used_only_by(node.outputs[0], ("GatherND", "Transpose")):
        raise unsupported(node, "a value whose samples do not come first")
    reader.samples_behind[node.outputs[0]] = (*new, *(ranks[axis] for axis in order[count:]))
    return y


def _reshape_layer() -> type:
    from lasagne.layers import ReshapeLayer

    return ReshapeLayer
