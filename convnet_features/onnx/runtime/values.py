"""The values of a model, in the place of a network's layers."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
import onnx

from ...exceptions import FileFormatError, NetworkError
from ...network.build import Network
from ...network.inputs import InputShape
from ...network.pixels import to_network
from ...network.summary import network_summary, summary_table
from ..plan import MAX_ACTIVATIONS
from .images import ImageInput, declare_sizes
from .sessions import open_session
from .whole import cut

__all__ = ["RuntimeNetwork", "Value", "Values", "values_of"]

#: Types of values that become float32.
_NUMBERS = {"float", "float16", "double", "bool"} | {
    f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)
}


@dataclass(frozen=True)
class Value:
    """A value that a model computes; it has what is asked of layers that learn nothing.

    Attributes
    ----------
    name : str
    node : str
        The name of the node that computes it; '' where it has none.
    operator : str
    shape : tuple of (int or None)
        For `n_samples` samples; None for what is known at run time only.
    n_samples : int
    n_parameters : int
        How many numbers of the file its node reads.
    """

    name: str
    node: str
    operator: str
    shape: tuple[int | None, ...]
    n_samples: int
    n_parameters: int = 0

    @property
    def output_shape(self) -> tuple[int | None, ...]:
        """The shape of as many rows as there are samples."""
        return (None, *self.shape[1:])

    @property
    def is_by_rows(self) -> bool:
        """Whether it has one row of known size for each sample."""
        return None not in self.shape and self.shape[:1] == (self.n_samples,)

    @property
    def params(self) -> tuple[Any, ...]:
        return ()

    def get_params(self, **tags: bool) -> list[Any]:
        return []


class Values(dict[str, Value]):
    """Values by name; a node's name stands for its first one."""

    def __init__(self, values: Iterable[Value]) -> None:
        super().__init__((value.name, value) for value in values)
        self._by_node: dict[str, Value] = {}
        for value in self.values():
            self._by_node.setdefault(value.node, value)
        self._by_node.pop("", None)

    def __missing__(self, name: str) -> Value:
        return self._by_node[name]

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name) or name in self._by_node


class RuntimeNetwork(Network):
    """What is asked of a network, where onnxruntime computes: values in the place of layers."""

    def __init__(self, values: Iterable[Value], output: str, input_shape: InputShape) -> None:
        layers = Values(values)
        super().__init__(layers[output], layers, input_shape)

    def data(self, X: Any, scale: float = 1.0) -> list[np.ndarray]:
        return [to_network(X, scale)]

    def params_tagged(self, **tags: bool) -> NoReturn:
        raise NetworkError(
            "onnxruntime computes this network, whose parameters lie in the ONNX model alone: they "
            "cannot be trained, saved or loaded, nor used by another engine, and there are no "
            "gradients. Put the extractor into a Pipeline, and train what comes behind it; pickle "
            "it, or write it with to_onnx, to keep it."
        )

    @property
    def params(self) -> Any:
        return self.params_tagged()

    @property
    def named_params(self) -> Any:
        return self.params_tagged()

    @property
    def input(self) -> Any:
        return self.params_tagged()


@network_summary.register
def _(network: RuntimeNetwork) -> str:
    """Each value's position, name, operator, size, and the numbers that its node has."""
    values = list(network.layers.values())
    total = sum(value.n_parameters for value in values)
    rows = [
        (
            str(position),
            value.name,
            value.operator,
            "x".join("?" if size is None else str(size) for size in value.shape[1:]),
            f"{value.n_parameters:,}" if value.n_parameters else "",
        )
        for position, value in enumerate(values)
    ]
    return summary_table(
        f"Neural network of {total:,} numbers, which onnxruntime computes",
        ("#", "name", "operator", "size", "numbers"),
        rows,
    )


def values_of(model: onnx.ModelProto, images: ImageInput, n_samples: int) -> list[Value]:
    """The values of a model that hold numbers, in the order of the file.

    Parameters
    ----------
    model : onnx.ModelProto
    images : ImageInput
    n_samples : int
        For which shapes are found out.

    Raises
    ------
    EngineError, NetworkError
        As from `open_session`.
    FileFormatError
        If a value would be immense.
    """
    shapes = _shapes(model, images, n_samples)
    constants = {tensor.name: math.prod(tensor.dims) for tensor in model.graph.initializer}
    return [
        Value(
            name,
            node.name,
            node.op_type,
            shapes[name],
            n_samples,
            sum(constants.get(each, 0) for each in node.input) if first else 0,
        )
        for node in model.graph.node
        for first, name in _named_outputs(node)
        if name in shapes
    ]


def _named_outputs(node: onnx.NodeProto) -> list[tuple[bool, str]]:
    return [(position == 0, name) for position, name in enumerate(node.output) if name]


def _shapes(
    model: onnx.ModelProto, images: ImageInput, n_samples: int
) -> dict[str, tuple[int | None, ...]]:
    """The shapes of a model's values for a number of samples."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    declare_sizes(copy, images, n_samples)
    cut(copy, [name for node in model.graph.node for _, name in _named_outputs(node)])
    contents = copy.SerializeToString()
    # First without computing anything (nothing immense is made), and then with what follows from
    # constants.
    for optimise in ("ORT_DISABLE_ALL", "ORT_ENABLE_BASIC"):
        shapes = {
            value.name: tuple(size if type(size) is int else None for size in value.shape)
            for value in open_session(contents, 1, optimise=optimise).get_outputs()
            if value.type.removeprefix("tensor(").removesuffix(")") in _NUMBERS
        }
        _check_sizes(shapes, n_samples)
    return shapes


def _check_sizes(shapes: dict[str, tuple[int | None, ...]], n_samples: int) -> None:
    for name, shape in shapes.items():
        size = int(np.prod([size or 1 for size in shape], dtype=object))
        if size > n_samples * MAX_ACTIVATIONS:
            raise FileFormatError(
                f"from_onnx: {name!r:.80} would have the shape {shape}; at most "
                f"{MAX_ACTIVATIONS} numbers of a sample are computed."
            )
