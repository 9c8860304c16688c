"""Convolutions."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...layers import Conv2DLayer
from ..plan import PlannedLayer
from ..reading import Node
from .nodes import reads, steps, unsupported
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
