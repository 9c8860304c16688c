"""Normalisations of each sample by itself."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...layers import StandardizationLayer
from ..plan import PlannedLayer
from ..reading import Node
from .arithmetic import scaled_and_moved
from .axes import seen_through, transposed, turned_back
from .nodes import axis_of, number, reads, unsupported


def _standardised(reader: Any, node: Node, x: PlannedLayer, **params: Any) -> PlannedLayer:
    epsilon = number(node, "epsilon", 1e-5)
    value = f"{node.outputs[0]}_standardised"
    return reader.plan.add(value, StandardizationLayer, x, epsilon=epsilon, **params)


@reads("InstanceNormalization")
def _instance_normalisation(reader: Any, node: Node) -> PlannedLayer:
    x = reader.layer(node, 0)
    if len(x.shape) < 2:
        raise unsupported(node, f"values of shape {(None, *x.shape)}")
    y = _standardised(reader, node, x, axes="spatial")
    return _scaled_by_channel(reader, node, y)


@reads("GroupNormalization")
def _group_normalisation(reader: Any, node: Node) -> PlannedLayer:
    x = reader.layer(node, 0)
    groups = int(node.attributes["num_groups"])
    if len(x.shape) < 2 or groups < 1 or x.shape[0] % groups:
        raise unsupported(node, f"num_groups={groups} of values of shape {(None, *x.shape)}")
    y = _standardised(reader, node, x, axes="features", num_groups=groups)
    # Before opset 21 there was one number a group.
    repeats = x.shape[0] // groups if reader.graph.opset < 21 else 1
    return _scaled_by_channel(reader, node, y, repeats)


def _scaled_by_channel(reader: Any, node: Node, x: PlannedLayer, repeats: int = 1) -> PlannedLayer:
    numbers = []
    for position in (1, 2):
        constant = reader.constant(node, position).ravel()
        if constant.size * repeats != x.shape[0]:  # before memory is taken
            raise unsupported(node, f"{constant.size} numbers for {x.shape[0]} channels")
        constant = np.repeat(constant, repeats)
        numbers.append(constant.reshape(1, -1, *[1] * (len(x.shape) - 1)))
    return scaled_and_moved(reader, node, x, *numbers)


@reads("LayerNormalization")
def _layer_normalisation(reader: Any, node: Node) -> PlannedLayer:
    x = reader.layer(node, 0)
    rank = 1 + len(x.shape)
    first = axis_of(node, int(node.attributes.get("axis", -1)), rank)
    if first == 0 or len([name for name in node.outputs if name]) > 1:
        raise unsupported(node, f"axis={first} with {len(node.outputs)} results")
    source, order = seen_through(x)
    axes = sorted(order[axis] for axis in range(first, rank))
    y = _standardised(reader, node, source, axes=tuple(axes))
    numbers = []
    for position in (1, 2):
        constant = reader.optional_constant(node, position)
        if constant is not None:
            constant = constant.reshape((1,) * (rank - constant.ndim) + constant.shape)
            constant = turned_back(node, constant, order)
            constant = constant.reshape(constant.shape if constant.ndim == rank else (1,) * rank)
        numbers.append(constant)
    y = scaled_and_moved(reader, node, y, *numbers)
    return transposed(reader, f"{node.outputs[0]}_turned", y, order)
