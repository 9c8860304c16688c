"""The table of operators, and what their functions ask of a node."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...exceptions import NetworkError
from ..plan import PlannedLayer
from ..reading import Node

__all__ = [
    "OPERATORS",
    "axes_of",
    "axis_of",
    "by_channel",
    "given_axes",
    "integers",
    "number",
    "reads",
    "steps",
    "supported_operators",
    "unsupported",
]

Operator = Callable[[Any, Node], PlannedLayer]
OPERATORS: dict[str, Operator] = {}


def reads(*operators: str) -> Callable[[Operator], Operator]:
    def register(function: Operator) -> Operator:
        OPERATORS.update(dict.fromkeys(operators, function))
        return function

    return register


def supported_operators() -> list[str]:
    """The names of the operators that can be read."""
    return sorted(OPERATORS)


def unsupported(node: Node, what: str) -> NetworkError:
    return NetworkError(f"from_onnx: {node.label}: {what:.300} cannot be read.")


def integers(node: Node, values: Any, what: str) -> list[int]:
    """An attribute or a constant as whole numbers of Python's."""
    array = np.asarray(values).ravel()
    if array.size and array.dtype.kind not in "iu":
        raise unsupported(node, f"{what} of {array.dtype}")
    return array.tolist()


def axis_of(
    node: Node, axis: int, rank: int, text: str = "the axis {} of a value of {} dimensions"
) -> int:
    """An axis (or another place) counted from the front, where there are `rank` of them."""
    if not -rank <= axis < rank:
        raise unsupported(node, text.format(axis, rank))
    return axis % rank


def axes_of(node: Node, axes: Any, rank: int) -> list[int]:
    """The same for several, none of them twice."""
    found = [axis_of(node, axis, rank) for axis in integers(node, axes, "axes")]
    if len(set(found)) < len(found):
        raise unsupported(node, f"the axes {found}, one of them twice,")
    return found


def given_axes(reader: Any, node: Node) -> Any:
    """Axes, which became an input in later revisions; empty where none are given."""
    given = reader.optional_constant(node, 1)
    return node.attributes.get("axes", ()) if given is None else given


def number(node: Node, name: str, default: float) -> float:
    """An attribute that is a finite number."""
    value = float(node.attributes.get(name, default))
    if not np.isfinite(np.float32(value)):
        raise unsupported(node, f"{name}={value}")
    return value


def steps(node: Node, attribute: str, count: int) -> tuple[int, ...]:
    """An attribute with one number an axis, each at least 1."""
    values = tuple(integers(node, node.attributes.get(attribute, (1,) * count), attribute))
    if len(values) != count or min(values) < 1:
        raise unsupported(node, f"{attribute}={list(values)}")
    return values


def by_channel(constant: np.ndarray, x: PlannedLayer) -> np.ndarray | None:
    """A constant that is broadcast to x as one number a channel; None if it is anything else."""
    shape = (1,) * (1 + len(x.shape) - constant.ndim) + constant.shape
    if len(shape) != 1 + len(x.shape) or any(size != 1 for size in (shape[0], *shape[2:])):
        return None
    if constant.size not in (1, x.shape[0]):
        return None
    return np.broadcast_to(np.float64(constant.reshape(-1)), (x.shape[0],))
