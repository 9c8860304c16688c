"""An ONNX graph under construction: nodes, and the constants that they use."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

__all__ = ["LAYER_NAMES", "OPSET", "GraphBuilder"]

#: The model's property that holds which value is which layer's: a JSON object.
LAYER_NAMES = "convnet_features.layers"

#: The revision of the default domain: that of 2022, which every runtime in use knows.
OPSET = 18


class GraphBuilder:
    """Collects nodes and constants; a value is known by its name.

    Parameters
    ----------
    prefix : str, default=''
        Put in front of every name, where the graph becomes part of a larger one.
    opset : int, default=18
        Which operators there are; at least 13.
    """

    def __init__(self, prefix: str = "", opset: int = OPSET) -> None:
        self.prefix = prefix
        self.opset = opset
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        #: The layers whose results are values, by the names of these.
        self.layers: dict[str, str] = {}
        self._taken: set[str] = set()

    def reserve(self, *names: str) -> None:
        """Keep names for the model's inputs and outputs."""
        self._taken.update(names)

    def fresh(self, hint: str) -> str:
        """A name that nothing has yet: `hint`, or `hint` and a number."""
        name, serial = f"{self.prefix}{hint}", 1
        while name in self._taken:
            serial += 1
            name = f"{self.prefix}{hint}/{serial}"
        self._taken.add(name)
        return name

    def add(self, op_type: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:
        """Append a node, and give the name of its result."""
        output = output or self.fresh(op_type.lower())
        node = helper.make_node(op_type, list(inputs), [output], name=f"{output}:{op_type}")
        node.attribute.extend(
            helper.make_attribute(key, value) for key, value in sorted(attributes.items())
        )
        self.nodes.append(node)
        return output

    def reduce(self, op_type: str, x: str, axis: int, output: str) -> str:
        """Append a reduction of one axis, which is dropped."""
        # Axes became an input of ReduceSum in opset 13, and of the others in 18.
        if op_type == "ReduceSum" or self.opset >= 18:
            axes = self.sizes([axis], "axes")
            return self.add(op_type, x, axes, output=output, keepdims=0)
        return self.add(op_type, x, output=output, axes=[axis], keepdims=0)

    def constant(self, value: Any, hint: str) -> str:
        """Add a constant, and give its name."""
        name = self.fresh(hint)
        self.constants.append(_tensor(np.asarray(value), name))
        return name

    def sizes(self, values: Any, hint: str) -> str:
        """A vector of integers as a constant: a shape, axes, pads."""
        return self.constant(np.asarray(values, dtype=np.int64), hint)


def _tensor(value: np.ndarray, name: str) -> onnx.TensorProto:
    if value.dtype.kind in "OUT":
        labels = np.array([str(label).encode() for label in value.ravel()], dtype=object)
        return helper.make_tensor(name, onnx.TensorProto.STRING, value.shape, labels)
    return numpy_helper.from_array(np.asarray(value, order="C"), name)
