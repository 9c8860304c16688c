"""Poolings and reductions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ...kernels.contract import Pool2DSpec
from ..plan import PlannedLayer, check_activations
from ..reading import Node
from .arrangement import reshaped
from .nodes import axes_of, given_axes, integers, reads, steps, unsupported
from .windows import padded_sizes, pads_of, with_padding, within


def _check_dilations(node: Node) -> None:
    dilations = integers(node, node.attributes.get("dilations", ()), "dilations")
    if any(step != 1 for step in dilations):
        raise unsupported(node, f"dilations={dilations}")


@reads("MaxPool", "AveragePool")
def _pooling(reader: Any, node: Node) -> PlannedLayer:
    from lasagne.layers import MaxPool1DLayer, MaxPool2DLayer, Pool2DLayer

    x = reader.layer(node, 0)
    sizes = x.shape[1:]
    flat = len(sizes) == 1 and node.operator == "MaxPool"
    if not flat and len(sizes) != 2:
        raise unsupported(node, f"pooling of {len(sizes)} dimensions")
    if len([name for name in node.outputs if name]) > 1:
        raise unsupported(node, "the positions of the maxima")
    _check_dilations(node)
    window, strides = (steps(node, name, len(sizes)) for name in ("kernel_shape", "strides"))
    pads = pads_of(node, sizes, window, strides)
    if any(max(pad) >= extent for pad, extent in zip(pads, window, strict=True)):
        raise unsupported(node, f"pads={pads}, not smaller than the window {window},")
    padded = padded_sizes(node, sizes, pads)
    strides = within(strides, padded)
    # Rounded up, a last window may reach beyond the padding, but must begin in front of its end.
    if any(w >= size + s for w, size, s in zip(window, padded, strides, strict=True)):
        raise unsupported(node, f"the window {window} on {padded} pixels")
    # PyTorch says that padding counts where there is none, too.
    counted = bool(node.attributes.get("count_include_pad", 0)) and any(map(any, pads))
    params: dict[str, Any] = {"pool_size": window, "stride": strides}
    layer_class, fill = MaxPool1DLayer if flat else MaxPool2DLayer, -math.inf
    if node.operator == "AveragePool":
        layer_class, fill = Pool2DLayer, 0.0
        params["mode"] = "average_inc_pad" if counted else "average_exc_pad"
    counts = _pooled_sizes(node, sizes, window, strides, pads)
    reached = _reached(sizes, window, strides, pads, counts)
    borders = _borders(sizes, window, strides, counts, reached)
    overhangs = any(after > pad[1] for (_, after), pad in zip(reached, pads, strict=True))
    if counted and (overhangs or not borders.get("ignore_border", True)):
        # What such windows are divided by is a matter of dispute between runtimes.
        if overhangs:
            raise unsupported(node, "ceil_mode=1 with count_include_pad=1")
        borders = {}
    if not borders:
        if node.operator == "AveragePool" and not counted:
            raise unsupported(node, f"pads={pads} left out of an average")
        x, borders = with_padding(reader, node, x, reached, fill), {"ignore_border": True}
    return reader.plan.add(node.outputs[0], layer_class, x, **params, **borders)


def _pooled_sizes(
    node: Node,
    sizes: Sequence[int],
    window: Sequence[int],
    strides: Sequence[int],
    pads: Sequence[tuple[int, int]],
) -> tuple[int, ...]:
    """How many windows there are along each axis."""
    round_up = bool(node.attributes.get("ceil_mode", 0))
    counts = []
    for size, extent, step, (before, after) in zip(sizes, window, strides, pads, strict=True):
        room = size + before + after - extent
        count = (-(-room // step) if round_up else room // step) + 1
        if round_up and (count - 1) * step >= size + before:
            count -= 1  # a window must begin in the image, or in front of it
        counts.append(max(0, count))
    check_activations(counts, node.outputs[0])
    return tuple(counts)


def _reached(
    sizes: Sequence[int],
    window: Sequence[int],
    strides: Sequence[int],
    pads: Sequence[tuple[int, int]],
    counts: Sequence[int],
) -> list[tuple[int, int]]:
    """How far windows reach beyond the image, before and behind it."""
    return [
        (before, max(0, (count - 1) * step + extent - size - before))
        for size, extent, step, (before, _), count in zip(
            sizes, window, strides, pads, counts, strict=True
        )
    ]


def _borders(
    sizes: Sequence[int],
    window: tuple[int, ...],
    strides: tuple[int, ...],
    counts: tuple[int, ...],
    reached: Sequence[tuple[int, int]],
) -> dict[str, Any]:
    """Arguments of a pooling layer with these windows; none where x must be padded first."""
    padding = tuple(before for before, _ in reached)
    choices = [(padding, True)] + ([] if any(padding) else [(padding, False)])
    for pad, ignore_border in choices:
        fits = not ignore_border or all(after <= before for before, after in reached)
        for size, extent, step, edge, count in zip(
            sizes, window, strides, pad, counts, strict=True
        ):
            spec = Pool2DSpec((extent, 1), (step, 1), (edge, 0), ignore_border=ignore_border)
            fits = fits and spec.output_shape((1, 1, size, 1))[2] == count
        if fits:
            return {"pad": pad, "ignore_border": ignore_border}
    return {}


@reads("GlobalAveragePool", "GlobalMaxPool")
def _global_pooling(reader: Any, node: Node) -> PlannedLayer:
    x = reader.layer(node, 0)
    function = "mean" if node.operator == "GlobalAveragePool" else "max"
    pooled = _pooled_globally(reader, x, function, f"{node.outputs[0]}_pooled")
    return reshaped(reader, node, pooled, (x.shape[0], *[1] * len(x.shape[1:])))


def _pooled_globally(reader: Any, x: PlannedLayer, function: str, name: str) -> PlannedLayer:
    from lasagne.layers import GlobalPoolLayer
    from theano import tensor

    return reader.plan.add(name, GlobalPoolLayer, x, pool_function=getattr(tensor, function))


@reads("ReduceMax", "ReduceMean", "ReduceMin", "ReduceSum")
def _reduction(reader: Any, node: Node) -> PlannedLayer:
    from lasagne.layers import FeaturePoolLayer
    from theano import tensor

    x = reader.layer(node, 0)
    rank = 1 + len(x.shape)
    axes = sorted(axes_of(node, given_axes(reader, node), rank))
    keep = bool(node.attributes.get("keepdims", 1))
    function = node.operator.removeprefix("Reduce").lower()
    if not axes or 0 in axes:
        raise unsupported(node, f"a reduction of the axes {axes}")
    if axes == list(range(2, rank)):
        if not keep:
            return _pooled_globally(reader, x, function, node.outputs[0])
        pooled = _pooled_globally(reader, x, function, f"{node.outputs[0]}_pooled")
    else:
        pooled = x
        for axis in axes:
            pooled = reader.plan.add(
                f"{node.outputs[0]}_pooled",
                FeaturePoolLayer,
                pooled,
                pool_size=x.shape[axis - 1],
                axis=axis,
                pool_function=getattr(tensor, function),
            )
    sizes = [1 if axis + 1 in axes else size for axis, size in enumerate(x.shape)]
    kept = [size for axis, size in enumerate(sizes) if keep or axis + 1 not in axes]
    return reshaped(reader, node, pooled, kept)
