"""A model with all that belongs to it inside, and parts of it."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator
from typing import Any

import onnx
from google.protobuf.message import Message

from ...exceptions import FileFormatError, NetworkError
from ..budget import Budget
from ..external_data import is_external
from ..reading import label_of, open_model

__all__ = ["cut", "messages", "whole_model"]

#: Protocol buffers, which a model is handed over in, end at two gigabytes.
MAX_BYTES = 2**31 - 2**20
#: Domains of onnxruntime's own operators: the standard, classical models, and what quantises.
_DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml", "com.microsoft"})


def whole_model(source: str | os.PathLike[str] | bytes | onnx.ModelProto) -> onnx.ModelProto:
    """A copy of a model whose weights are all inside, so that nothing reads a file for it.

    Parameters
    ----------
    source : path, bytes or onnx.ModelProto

    Returns
    -------
    onnx.ModelProto

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FileFormatError
        If it is no ONNX model within the bounds of `from_onnx`, or if weights
        are not where they may be.
    NetworkError
        If an operator is of a domain that onnxruntime does not have.
    """
    found, n_bytes, external = open_model(source)
    model = onnx.ModelProto()
    model.CopyFrom(found)
    model.ClearField("training_info")
    _check_texts(model)
    tensors = [each for each in messages(model) if isinstance(each, onnx.TensorProto)]
    for tensor in tensors:
        external.find(tensor)
    budget = Budget(n_bytes + external.n_bytes)
    for tensor in filter(is_external, tensors):
        tensor.CopyFrom(external.whole(tensor))
        budget.spend(len(tensor.raw_data), f"constant {tensor.name!r:.80}")
        n_bytes += len(tensor.raw_data)
        if n_bytes > MAX_BYTES:
            raise FileFormatError(
                f"from_onnx: with its weights inside, the model has more than {MAX_BYTES} bytes; "
                "onnxruntime gets no more."
            )
    for message in messages(model):
        if isinstance(message, onnx.SparseTensorProto):  # onnxruntime makes them dense
            size = 8 * math.prod(message.dims)
            budget.spend(max(0, size), f"constant {message.values.name!r:.80}")
    _check_domains(model)
    _leave_constants_alone(model)
    return model


def cut(model: onnx.ModelProto, outputs: Iterable[str]) -> None:
    """Leave of a model what computes some values, and make these its outputs.

    Parameters
    ----------
    model : onnx.ModelProto
        It is changed.
    outputs : iterable of str
    """
    graph, needed = model.graph, set(outputs)
    for position in reversed(range(len(graph.node))):
        node = graph.node[position]
        if needed.isdisjoint(node.output):
            del graph.node[position]
        else:
            needed.update(_read_by(node))
    for position in reversed(range(len(graph.initializer))):
        if graph.initializer[position].name not in needed:
            del graph.initializer[position]
    del graph.output[:]
    # onnxruntime finds out types and shapes; what a file says of them may be wrong.
    graph.output.extend(onnx.ValueInfoProto(name=name) for name in outputs)


def messages(message: Message) -> Iterator[Message]:
    """A message and all messages in it, those of nested graphs and functions too."""
    yield message
    if isinstance(message, onnx.TensorProto):  # its numbers are no messages
        return
    for _, value in message.ListFields():
        if isinstance(value, Message):
            yield from messages(value)
        elif not isinstance(value, bytes | str) and _holds_messages(value):
            for each in value:
                yield from messages(each)


def _holds_messages(value: Any) -> bool:
    return hasattr(value, "__len__") and len(value) > 0 and isinstance(value[0], Message)


def _read_by(node: onnx.NodeProto) -> set[str]:
    """The values that a node reads, graphs within it included."""
    names: set[str] = set()
    for message in messages(node):
        if isinstance(message, onnx.NodeProto):
            names.update(message.input)
        elif isinstance(message, onnx.GraphProto):
            names.update(value.name for value in message.output)
    return names


def _check_texts(model: onnx.ModelProto) -> None:
    """Raise if a name is not text, which the parser lets pass as bytes."""
    for message in messages(model):
        if isinstance(message, onnx.TensorProto):
            texts: list[Any] = [message.name]
        else:
            fields = message.ListFields()
            texts = [
                text
                for field, value in fields
                if field.type == field.TYPE_STRING
                for text in ([value] if isinstance(value, str | bytes) else value)
            ]
        for text in texts:
            if not isinstance(text, str):
                raise FileFormatError(
                    f"from_onnx: {type(message).__name__} has the name {text!r:.80}, which is no "
                    "text; the file is damaged."
                )


def _check_domains(model: onnx.ModelProto) -> None:
    known = _DOMAINS.union(function.domain for function in model.functions)
    nodes = (each for each in messages(model) if isinstance(each, onnx.NodeProto))
    for position, node in enumerate(nodes):
        if node.domain not in known:
            which = label_of(node, position)
            raise NetworkError(
                f"from_onnx: {which}: onnxruntime has no operators of the domain "
                f"{node.domain!r:.80}, and no library of them is loaded; export the model with "
                "standard operators."
            )


def _leave_constants_alone(model: onnx.ModelProto) -> None:
    """Constants are no inputs, and nothing is said of values in between."""
    graph = model.graph
    constants = {tensor.name for tensor in graph.initializer}
    constants.update(sparse.values.name for sparse in graph.sparse_initializer)
    for position in reversed(range(len(graph.input))):
        if graph.input[position].name in constants:
            del graph.input[position]
    del graph.value_info[:]
    # Before, constants had to be inputs.
    model.ir_version = max(model.ir_version, 4)
