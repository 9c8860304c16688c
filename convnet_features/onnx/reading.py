"""ONNX files that may come from anywhere: parsed within bounds, and never believed."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from ..exceptions import FileFormatError
from ..network.spec import check_layer_name
from .budget import Budget
from .external_data import ExternalData, is_external
from .graph import LAYER_NAMES
from .wire import check_fields

__all__ = ["Branch", "Node", "ReadGraph", "label_of", "open_model", "read_graph"]

#: Protocol buffers end at two gigabytes anyway; a small network has some megabytes.
MAX_BYTES = 1 << 30
MAX_NODES = 10_000
MAX_CONSTANTS = 20_000
MAX_DIMENSIONS = 8
#: A number of a list in Python: 8 bytes there, and up to 32 of its own.
_LISTED_BYTES = 40
#: The names of the standard operators' domain.
_STANDARD = ("", "ai.onnx")
#: Of one node: networks that join the most have some hundred.
MAX_OPERANDS = 1_000


@dataclass(frozen=True)
class Node:
    """One operation of a graph.

    Attributes
    ----------
    operator : str
    label : str
        What errors call it.
    inputs, outputs : list of str
        Names of values; '' where an optional one is left out.
    attributes : dict
    """

    operator: str
    label: str
    inputs: list[str]
    outputs: list[str]
    attributes: dict[str, Any]


@dataclass(frozen=True)
class Branch:
    """One of the graphs that an `If` chooses from; it uses the values around it.

    Attributes
    ----------
    nodes : list of Node
    outputs : list of str
    constants : dict of str to ndarray
    """

    nodes: list[Node]
    outputs: list[str]
    constants: dict[str, np.ndarray]


@dataclass(frozen=True)
class ReadGraph:
    """What a file holds, in plain Python.

    Attributes
    ----------
    input_name : str
    input_shape : tuple of int or None
        Its declared sizes, None where the file leaves them open.
    outputs : list of str
    nodes : list of Node
    constants : dict of str to ndarray
    budget : Budget
        What is left for numbers that are made of these.
    opset : int
        Which revision of the standard operators it means.
    layers : dict of str to str
        What `to_onnx` calls the layers whose results are values, by the names
        of these; empty in models of other origin.
    """

    input_name: str
    input_shape: tuple[int | None, ...]
    outputs: list[str]
    nodes: list[Node]
    constants: dict[str, np.ndarray]
    budget: Budget
    opset: int
    layers: dict[str, str]


def read_graph(source: str | os.PathLike[str] | bytes | onnx.ModelProto) -> ReadGraph:
    """Parse a model.

    Parameters
    ----------
    source : path, bytes or onnx.ModelProto

    Returns
    -------
    ReadGraph

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FileFormatError
        If it is not an ONNX model with one input, is larger than `MAX_BYTES`,
        `MAX_NODES`, `MAX_CONSTANTS` (inputs and outputs among them),
        `MAX_OPERANDS` or `wire.MAX_FIELDS`, lies about its weights, keeps them
        in files that are not in its folder, or gives two values one name.
    """
    model, n_bytes, external = open_model(source)
    graph = model.graph
    for tensor in graph.initializer:
        external.find(tensor)
    # Files of attributes count, too, before anything is read.
    for position, node in enumerate(graph.node):
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.TENSOR and is_external(attribute.t):
                with _errors_of(label_of(node, position)):
                    external.find(attribute.t)
    budget = Budget(n_bytes + external.n_bytes)
    constants: dict[str, np.ndarray] = {}
    for tensor in graph.initializer:
        if tensor.name in constants:
            raise FileFormatError(f"from_onnx: two constants are called {tensor.name!r:.80}.")
        constants[tensor.name] = _array(tensor, external)
        budget.spend(constants[tensor.name].nbytes, f"constant {tensor.name!r:.80}")
    for sparse in graph.sparse_initializer:
        name = sparse.values.name
        if name in constants:
            raise FileFormatError(f"from_onnx: two constants are called {name!r:.80}.")
        constants[name] = _dense(sparse, budget, f"constant {name!r:.80}")
    inputs = [value for value in graph.input if value.name not in constants]
    if len(inputs) != 1:
        names = ", ".join(repr(value.name) for value in inputs[:10]) or "none"
        raise FileFormatError(
            f"from_onnx: the model must have one input; it has {names}. Make the others constants "
            "of the model (initializers), or export the part that takes images."
        )
    nodes = [_node(node, position, external, budget) for position, node in enumerate(graph.node)]
    _check_names({inputs[0].name, *constants}, nodes)
    return ReadGraph(
        inputs[0].name,
        _declared_shape(inputs[0]),
        [value.name for value in graph.output],
        nodes,
        constants,
        budget,
        max((each.version for each in model.opset_import if each.domain in _STANDARD), default=1),
        _layer_names(model),
    )


def open_model(
    source: str | os.PathLike[str] | bytes | onnx.ModelProto,
) -> tuple[onnx.ModelProto, int, ExternalData]:
    """Parse a model, and count what it has, before any of it is looked at.

    Parameters
    ----------
    source : path, bytes or onnx.ModelProto

    Returns
    -------
    onnx.ModelProto
    int
        Its bytes.
    ExternalData
        The files beside it.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FileFormatError
        If it is not an ONNX model, or has too much of something.
    """
    model, n_bytes = _parsed(source)
    external = ExternalData(Path(source) if isinstance(source, str | os.PathLike) else None)
    graph = model.graph
    for what, found, limit in (
        ("nodes", graph.node, MAX_NODES),
        ("constants", graph.initializer, MAX_CONSTANTS),
        ("sparse constants", graph.sparse_initializer, MAX_CONSTANTS),
        # Old files list their constants among the inputs. Counting comes first: each input that
        # is looked at makes an object in Python.
        ("inputs", graph.input, MAX_CONSTANTS + 1),
        ("outputs", graph.output, MAX_CONSTANTS + 1),
    ):
        if len(found) > limit:
            raise FileFormatError(
                f"from_onnx: the model has {len(found)} {what}; at most {limit} are read."
            )
    return model, n_bytes, external


def _layer_names(model: onnx.ModelProto) -> dict[str, str]:
    texts = [each.value for each in model.metadata_props if each.key == LAYER_NAMES]
    if not texts:
        return {}
    try:
        names = json.loads(texts[0])
        for name in names.values():
            check_layer_name(name)
    except (ValueError, AttributeError, RecursionError) as error:
        raise FileFormatError(
            f"from_onnx: the model's names of layers make no sense: {error}"
        ) from error
    return names


def _check_names(taken: set[str], nodes: Sequence[Node]) -> None:
    """Raise if a value is computed twice."""
    for node in nodes:
        for name in node.outputs:
            if name in taken:
                raise FileFormatError(
                    f"from_onnx: {node.label} computes {name!r:.80}, which there is already."
                )
            if name:  # one that is left out has none
                taken.add(name)


def _parsed(source: Any) -> tuple[onnx.ModelProto, int]:
    """A model and its bytes, which protobuf counts by writing all of them."""
    if isinstance(source, onnx.ModelProto):
        return source, source.ByteSize()
    data = source if isinstance(source, bytes) else _contents(Path(source))
    check_fields(data)
    try:
        model = onnx.load_model_from_string(data)
    except Exception as error:  # protobuf's errors differ from release to release
        raise FileFormatError(f"from_onnx: this is not an ONNX model: {error}") from error
    if not model.HasField("graph"):
        raise FileFormatError("from_onnx: this is not an ONNX model: it holds no graph.")
    return model, len(data)


def _contents(path: Path) -> bytes:
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise FileFormatError(f"from_onnx: {path} has {size} bytes; at most {MAX_BYTES} are read.")
    return path.read_bytes()


def _array(tensor: onnx.TensorProto, external: ExternalData) -> np.ndarray:
    tensor = external.whole(tensor)
    try:
        array = numpy_helper.to_array(tensor)
        if array.ndim > MAX_DIMENSIONS:
            raise ValueError(f"at most {MAX_DIMENSIONS} dimensions are read")
        return array
    except Exception as error:  # sizes that do not match the bytes, unknown dtypes
        raise FileFormatError(
            f"from_onnx: the constant {tensor.name!r}, said to be of shape {tuple(tensor.dims)}, "
            f"cannot be read: {error}"
        ) from error


def _dense(sparse: onnx.SparseTensorProto, budget: Budget, what: str) -> np.ndarray:
    """A sparse tensor with its zeros, which may be far more than are in the file."""
    shape = tuple(sparse.dims)
    try:
        values = numpy_helper.to_array(sparse.values)
        places = numpy_helper.to_array(sparse.indices)
        if len(shape) > MAX_DIMENSIONS or min(shape, default=0) < 0:
            raise ValueError(f"at most {MAX_DIMENSIONS} sizes, none of them negative, are read")
        budget.spend(math.prod(shape) * values.itemsize, what)
        if places.dtype.kind != "i" or min(places.ravel().tolist(), default=0) < 0:
            raise ValueError("its indices must be whole numbers of at least 0")
        dense = np.zeros(shape, values.dtype)
        if places.ndim == 2:
            dense[tuple(places.T)] = values
        else:
            dense.reshape(-1)[places] = values
        return dense
    except FileFormatError:
        raise
    except Exception as error:  # sizes that do not match the bytes, unknown dtypes
        raise FileFormatError(
            f"from_onnx: the sparse constant {sparse.values.name!r:.80}, said to be of shape "
            f"{shape}, cannot be read: {error}"
        ) from error


def _declared_shape(value: onnx.ValueInfoProto) -> tuple[int | None, ...]:
    kind = value.type.tensor_type
    if not kind.HasField("shape"):
        return ()
    return tuple(
        size.dim_value if size.HasField("dim_value") and size.dim_value > 0 else None
        for size in kind.shape.dim
    )


def _operator(node: onnx.NodeProto) -> str:
    # Operators of other domains (vendors', classical models') share names with the standard ones.
    domain = "" if node.domain in _STANDARD else f"{node.domain}:"
    return f"{domain}{node.op_type}"


def label_of(node: onnx.NodeProto, position: int) -> str:
    """What errors call a node."""
    return f"node {node.name[:80] or position!r} ({_operator(node)[:80]})"


@contextmanager
def _errors_of(label: str) -> Iterator[None]:
    """Errors about a tensor, which need not have a name, name the node as well."""
    try:
        yield
    except FileFormatError as error:
        text = str(error).removeprefix("from_onnx: ")
        raise FileFormatError(f"from_onnx: {label}: {text}") from error


def _node(node: onnx.NodeProto, position: int, external: ExternalData, budget: Budget) -> Node:
    operator, label = _operator(node), label_of(node, position)
    if not node.output or max(len(node.input), len(node.output)) > MAX_OPERANDS:
        raise FileFormatError(
            f"from_onnx: {label} has {len(node.input)} inputs and {len(node.output)} outputs; 0 to "
            f"{MAX_OPERANDS} and 1 to {MAX_OPERANDS} are read."
        )
    attributes = {}
    for attribute in node.attribute:
        what = f"{label}: {attribute.name!r:.80}"
        # A number becomes an object, and the list points to it.
        n_listed = max(len(attribute.floats), len(attribute.ints), len(attribute.strings))
        budget.spend(_LISTED_BYTES * n_listed, what)
        try:
            value = helper.get_attribute_value(attribute)
        except ValueError as error:
            raise FileFormatError(f"from_onnx: {label}: {error}") from error
        if isinstance(value, onnx.TensorProto):
            with _errors_of(label):
                value = _array(value, external)
            budget.spend(value.nbytes, what)
        elif isinstance(value, onnx.SparseTensorProto):
            with _errors_of(label):
                value = _dense(value, budget, what)
        elif isinstance(value, onnx.GraphProto) and operator == "If":
            value = _branch(value, label, external, budget)
        attributes[attribute.name] = (
            value.decode(errors="replace") if isinstance(value, bytes) else value
        )
    return Node(operator, label, list(node.input), list(node.output), attributes)


def _branch(graph: onnx.GraphProto, label: str, external: ExternalData, budget: Budget) -> Branch:
    if len(graph.node) > MAX_NODES or len(graph.initializer) > MAX_CONSTANTS:
        raise FileFormatError(
            f"from_onnx: a branch of {label} has {len(graph.node)} nodes and "
            f"{len(graph.initializer)} constants; at most {MAX_NODES} and {MAX_CONSTANTS} are read."
        )
    constants = {}
    for tensor in graph.initializer:
        if is_external(tensor) or tensor.name in constants:
            raise FileFormatError(
                f"from_onnx: a branch of {label} has its constant {tensor.name!r:.80} in another "
                "file, or has two of that name."
            )
        constants[tensor.name] = _array(tensor, external)
        budget.spend(constants[tensor.name].nbytes, f"constant {tensor.name!r:.80}")
    nodes = [_node(node, position, external, budget) for position, node in enumerate(graph.node)]
    return Branch(nodes, [value.name for value in graph.output], constants)
