"""Poolings and reductions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from lasagne.layers import MaxPool2DLayer, NonlinearityLayer, ReshapeLayer

from ...kernels.contract import Pool2DSpec
from ..plan import PlannedLayer, check_activations
from ..reading import Node
from .arithmetic import scaled_and_moved
from .arrangement import reshaped, taken
from .axes import seen_through, transposed
from .nodes import axes_of, given_axes, integers, reads, steps, unsupported
from .windows import padded_sizes, pads_of, with_padding, within


def _check_dilations(node: Node) -> None:
    dilations = integers(node, node.attributes.get("dilations", ()), "dilations")
    if any(step != 1 for step in dilations):
        raise unsupported(node, f"dilations={dilations}")


@reads("MaxPool", "AveragePool")
def _pooling(reader: Any, node: Node) -> PlannedLayer:
    from lasagne.layers import MaxPool1DLayer, Pool2DLayer

    x = reader.layer(node, 0)
    sizes = x.shape[1:]
    flat = len(sizes) == 1 and node.operator == "MaxPool"
    if not flat and len(sizes) != 2:
        return _pooled_as_images(reader, node, x)
    if len([name for name in node.outputs if name]) > 1:
        raise unsupported(node, "the positions of the maxima")
    dilations = steps(node, "dilations", len(sizes))
    window, strides = (steps(node, name, len(sizes)) for name in ("kernel_shape", "strides"))
    if max(dilations) > 1:
        return _dilated(reader, node, x, window, strides, dilations)
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
            return _average_of_pixels(reader, node, x, reached, params)
        x, borders = with_padding(reader, node, x, reached, fill), {"ignore_border": True}
    return reader.plan.add(node.outputs[0], layer_class, x, **params, **borders)


def _dilated(
    reader: Any,
    node: Node,
    x: PlannedLayer,
    window: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
) -> PlannedLayer:
    """Maxima of pixels that lie apart: of those laid beside each other, window by window."""
    if node.operator != "MaxPool" or node.attributes.get("ceil_mode", 0) or len(window) != 2:
        raise unsupported(node, f"dilations={list(dilations)}")
    extents = [(taps - 1) * apart + 1 for taps, apart in zip(window, dilations, strict=True)]
    pads = pads_of(node, x.shape[1:], extents, strides)
    sizes = padded_sizes(node, x.shape[1:], pads)
    if any(extent > size for extent, size in zip(extents, sizes, strict=True)):
        raise unsupported(node, f"the window {tuple(extents)} on {sizes} pixels")
    if any(map(any, pads)):
        x = with_padding(reader, node, x, pads, -math.inf)
    for axis, (size, extent, taps, apart, step) in enumerate(
        zip(sizes, extents, window, dilations, strides, strict=True), 2
    ):
        count = ((size - extent) // step + 1) * taps
        check_activations((*x.shape[: axis - 1], count, *x.shape[axis:]), node.outputs[0])
        firsts = np.arange(0, size - extent + 1, step)
        places = (firsts[:, None] + apart * np.arange(taps)).ravel()
        x = taken(reader, node, x, places, axis)
    window = tuple(window)
    return reader.plan.add(node.outputs[0], MaxPool2DLayer, x, pool_size=window, stride=window)


def _average_of_pixels(
    reader: Any,
    node: Node,
    x: PlannedLayer,
    reached: Sequence[tuple[int, int]],
    params: dict[str, Any],
) -> PlannedLayer:
    """Averages of the pixels that there are, in windows that reach beyond the image unevenly.

    Sums of windows of the padded image, over what is counted in each.
    """
    from lasagne.layers import Pool2DLayer

    params = {**params, "mode": "average_inc_pad", "ignore_border": True}
    padded = with_padding(reader, node, x, reached, 0.0)
    means = reader.plan.add(f"{node.outputs[0]}_means", Pool2DLayer, padded, **params)
    shares = [
        _counted(size, extent, step, edges)
        for size, extent, step, edges in zip(
            x.shape[1:], params["pool_size"], params["stride"], reached, strict=True
        )
    ]
    window = math.prod(params["pool_size"])
    factors = window / np.outer(*shares)[None, None]
    return scaled_and_moved(reader, node, means, factors)


def _counted(size: int, extent: int, step: int, edges: tuple[int, int]) -> np.ndarray:
    """How many pixels of the image each window along an axis has."""
    firsts = np.arange(-edges[0], size + edges[1] - extent + 1, step)
    return np.minimum(firsts + extent, size) - np.maximum(firsts, 0)


def _pooled_as_images(reader: Any, node: Node, x: PlannedLayer) -> PlannedLayer:
    """Pooling along at most two neighbouring axes, with the others joined to these."""
    count = len(x.shape) - 1
    if count < 1:
        raise unsupported(node, f"pooling of {count} dimensions")
    window, strides = (steps(node, name, count) for name in ("kernel_shape", "strides"))
    pads = pads_of(node, x.shape[1:], window, strides)
    idle = [
        w == 1 and s == 1 and p == (0, 0) for w, s, p in zip(window, strides, pads, strict=True)
    ]
    pooled = [axis for axis in range(count) if not idle[axis]] or [0]
    first, last = pooled[0], pooled[-1]
    if last - first > 1:
        raise unsupported(node, f"pooling of {count} dimensions")
    channels, *sizes = x.shape
    # The axes in front are as good as channels, those behind as good as columns.
    between = sizes[first : last + 1] if last > first else [sizes[first], 1]
    behind = math.prod(sizes[last + 1 :])
    if last > first and behind > 1:
        raise unsupported(node, f"pooling of {count} dimensions")
    image = (channels * math.prod(sizes[:first]), between[0], between[1] * behind)
    chosen = [first, last] if last > first else [first]
    one = [] if last > first else [None]

    def pair(values: Sequence[Any], alone: Any) -> list[Any]:
        return [values[axis] for axis in chosen] + [alone for _ in one]

    attributes = {
        **node.attributes,
        "kernel_shape": pair(window, 1),
        "strides": pair(strides, 1),
        "pads": [edge for side in zip(*pair(pads, (0, 0)), strict=True) for edge in side],
        "auto_pad": "NOTSET",
    }
    attributes.pop("dilations", None)
    _check_dilations(node)
    value = f"{node.outputs[0]}_image"
    images = reader.plan.add(value, ReshapeLayer, x, shape=([0], *image))
    inner = replace(
        node, inputs=[value], outputs=[f"{node.outputs[0]}_pooled"], attributes=attributes
    )
    reader.values[value] = images
    y = _pooling(reader, inner)
    rows, columns = y.shape[1:]
    if last > first:
        result = [*sizes[:first], rows, columns, *sizes[last + 1 :]]
    else:
        result = [*sizes[:first], rows, *sizes[first + 1 :]]
    return reader.plan.add(node.outputs[0], ReshapeLayer, y, shape=([0], channels, *result))


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


#: Reductions of functions of the values: what is applied in front, which reduction it is, and what
#: is applied behind.
_REDUCED = {
    "ReduceL1": ("abs_", "ReduceSum", None),
    "ReduceL2": ("sqr", "ReduceSum", "sqrt"),
    "ReduceLogSum": (None, "ReduceSum", "log"),
    "ReduceSumSquare": ("sqr", "ReduceSum", None),
}


@reads(*_REDUCED)
def _reduction_of_functions(reader: Any, node: Node) -> PlannedLayer:
    from theano import tensor

    before, operator, after = _REDUCED[node.operator]
    x, value = reader.layer(node, 0), node.outputs[0]
    if before is not None:
        function = getattr(tensor, before)
        x = reader.plan.add(f"{value}_values", NonlinearityLayer, x, nonlinearity=function)
    y = _reduced(reader, replace(node, operator=operator), x)
    if after is None:
        return y
    return reader.plan.add(value, NonlinearityLayer, y, nonlinearity=getattr(tensor, after))


@reads("ReduceMax", "ReduceMean", "ReduceMin", "ReduceSum")
def _reduction(reader: Any, node: Node) -> PlannedLayer:
    return _reduced(reader, node, reader.layer(node, 0))


def _reduced(reader: Any, node: Node, x: PlannedLayer) -> PlannedLayer:
    from lasagne.layers import FeaturePoolLayer
    from theano import tensor

    source, order = seen_through(x)
    rank = 1 + len(x.shape)
    axes = sorted(axes_of(node, given_axes(reader, node), rank))
    keep = bool(node.attributes.get("keepdims", 1))
    function = node.operator.removeprefix("Reduce").lower()
    if not axes or 0 in axes:
        raise unsupported(node, f"a reduction of the axes {axes}")
    if source is not x and keep:
        attributes = {**node.attributes, "axes": [order[axis] for axis in axes]}
        inner = replace(node, inputs=node.inputs[:1], attributes=attributes)
        return transposed(
            reader, f"{node.outputs[0]}_turned", _reduced(reader, inner, source), order
        )
    if source is not x and sorted(order[axis] for axis in axes) == list(range(2, rank)):
        x, axes = source, list(range(2, rank))  # the channels are what is left
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
