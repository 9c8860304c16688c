"""Convolutions."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...layers import Conv2DLayer, TransposedConv2DLayer
from ..plan import PlannedLayer
from ..reading import Node
from .nodes import integers, reads, steps, unsupported
from .windows import padded_sizes, pads_of, with_padding, within


@reads("Conv")
def _convolution(reader: Any, node: Node) -> PlannedLayer:
    from lasagne import nonlinearities

    x, weights = reader.layer(node, 0), reader.constant(node, 1)
    sizes, extents = x.shape[1:], weights.shape[2:]
    if len(sizes) != len(extents) or len(sizes) not in (1, 2):
        raise unsupported(node, f"a convolution of {x.shape} with {weights.shape}")
    dilation = steps(node, "dilations", len(sizes))
    groups = _groups(node, x, weights)
    is_ordinary = groups == 1 and max(dilation) == 1
    if len(sizes) == 1 and not is_ordinary:
        raise unsupported(node, f"group={groups}, dilations={list(dilation)} of one dimension")
    if tuple(node.attributes.get("kernel_shape", extents)) != tuple(extents):
        raise unsupported(node, f"kernel_shape={node.attributes['kernel_shape']} of {extents}")
    strides = steps(node, "strides", len(sizes))
    reach = [(taps - 1) * apart + 1 for taps, apart in zip(extents, dilation, strict=True)]
    pads = pads_of(node, sizes, reach, strides)
    padded = padded_sizes(node, sizes, pads)
    strides = within(strides, padded)
    further: dict[str, Any] = {}
    if not is_ordinary:
        further = {"num_groups": groups, "dilation": dilation}
    if any(before != after for before, after in pads):
        x, pads = with_padding(reader, node, x, pads, 0.0), [(0, 0)] * len(pads)
    return reader.plan.add(
        node.outputs[0],
        _convolution_class(len(sizes), is_ordinary),
        x,
        # Theano convolves, ONNX correlates.
        {
            "W": np.flip(weights, axis=tuple(range(2, weights.ndim))),
            "b": reader.optional_constant(node, 2),
        },
        num_filters=weights.shape[0],
        filter_size=tuple(extents),
        stride=strides,
        pad=tuple(before for before, _ in pads),
        nonlinearity=nonlinearities.identity,
        **further,
    )


def _convolution_class(n_dimensions: int, is_ordinary: bool) -> type:
    from lasagne import layers

    if n_dimensions == 1:
        return layers.Conv1DLayer
    return layers.Conv2DLayer if is_ordinary else Conv2DLayer


def _groups(node: Node, x: PlannedLayer, weights: np.ndarray) -> int:
    """The groups of channels and filters, which the weights must fit."""
    groups = int(node.attributes.get("group", 1))
    if groups < 1 or len(weights) % groups or x.shape[0] != groups * weights.shape[1]:
        raise unsupported(
            node, f"group={groups} of {x.shape[0]} channels with weights of {weights.shape}"
        )
    return groups


@reads("ConvTranspose")
def _transposed_convolution(reader: Any, node: Node) -> PlannedLayer:
    from lasagne import nonlinearities

    x, weights = reader.layer(node, 0), reader.constant(node, 1)
    sizes, taps = x.shape[1:], weights.shape[2:]
    groups = int(node.attributes.get("group", 1))
    if len(sizes) != 2 or weights.ndim != 4 or len(weights) != x.shape[0]:
        raise unsupported(node, f"a transposed convolution of {x.shape} with {weights.shape}")
    if groups < 1 or x.shape[0] % groups:
        raise unsupported(node, f"group={groups} of {x.shape[0]} channels")
    if tuple(node.attributes.get("kernel_shape", taps)) != tuple(taps):
        raise unsupported(node, f"kernel_shape={node.attributes['kernel_shape']} of {taps}")
    strides, dilation = steps(node, "strides", 2), steps(node, "dilations", 2)
    full = tuple(
        (size - 1) * step + (n - 1) * apart + 1
        for size, step, n, apart in zip(sizes, strides, taps, dilation, strict=True)
    )
    padded_sizes(node, full, [(0, 0)] * 2)
    crops, wanted = _cut(node, sizes, strides, full)
    # Layers cut off as much before as behind; what more is to go is sliced off.
    crop = tuple(before for before, _ in crops)
    smallest = tuple(size - 2 * before for size, before in zip(full, crop, strict=True))
    made = tuple(max(least, size) for least, size in zip(smallest, wanted, strict=True))
    too_large = [made[k] - smallest[k] >= strides[k] for k in (0, 1)]
    if min(*smallest, *wanted) < 1 or any(too_large):
        raise unsupported(node, f"a transposed convolution of {full} cut by {crops}")
    planned = reader.plan.add(
        node.outputs[0] if made == wanted else f"{node.outputs[0]}_whole",
        TransposedConv2DLayer,
        x,
        # Filters that the layer flips once more are those of a correlation.
        {"W": weights, "b": reader.optional_constant(node, 2)},
        num_filters=weights.shape[1] * groups,
        filter_size=tuple(taps),
        stride=strides,
        crop=crop,
        nonlinearity=nonlinearities.identity,
        flip_filters=True,
        output_size=None if made == smallest else made,
        num_groups=groups,
        dilation=dilation,
    )
    return planned if made == wanted else _first_pixels(reader, node, planned, wanted)


def _cut(
    node: Node, sizes: tuple[int, ...], strides: tuple[int, ...], full: tuple[int, ...]
) -> tuple[list[tuple[int, int]], tuple[int, ...]]:
    """Rows and columns that are cut off before and behind, and the size of the result."""
    automatic = node.attributes.get("auto_pad", "NOTSET")
    more = integers(node, node.attributes.get("output_padding", (0, 0)), "output_padding")
    given = integers(node, node.attributes.get("pads", (0,) * 4), "pads")
    if len(more) != 2 or len(given) != 4 or min(*more, *given) < 0:
        raise unsupported(node, f"output_padding={more}, pads={given}")
    automatic_sizes = tuple(n * step for n, step in zip(sizes, strides, strict=True))
    shape = node.attributes.get("output_shape")
    same = automatic in ("SAME_UPPER", "SAME_LOWER")
    if shape is None and not same:
        if automatic not in ("NOTSET", "VALID"):
            raise unsupported(node, f"auto_pad={automatic!r}")
        given = [0] * 4 if automatic == "VALID" else given
        pads = list(zip(given[:2], given[2:], strict=True))
        wanted = tuple(
            size - sum(pad) + extra for size, pad, extra in zip(full, pads, more, strict=True)
        )
        return pads, wanted
    wanted = automatic_sizes if shape is None else tuple(integers(node, shape, "output_shape"))[-2:]
    pads = []
    for size, out, extra in zip(full, wanted, more, strict=True):
        total = max(0, size + extra - out)
        less, larger = total // 2, total - total // 2
        pads.append((less, larger) if automatic == "SAME_UPPER" else (larger, less))
    return pads, wanted


def _first_pixels(
    reader: Any, node: Node, x: PlannedLayer, wanted: tuple[int, ...]
) -> PlannedLayer:
    """The first rows and columns, `wanted` of them."""
    from lasagne.layers import SliceLayer

    for axis, size in enumerate(wanted, start=2):
        last = axis == 3
        name = node.outputs[0] if last else f"{node.outputs[0]}_rows"
        x = reader.plan.add(name, SliceLayer, x, indices=slice(0, size), axis=axis)
    return x
