"""Models as other libraries write them."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto, helper, numpy_helper


class Foreign:
    """An ONNX model as other libraries write them: nodes, one after the other."""

    def __init__(self, rng, shape=(2, 9, 11)):
        self.rng = rng
        self.shape = shape
        self.nodes, self.constants = [], []
        self.last = "input.1"

    def weights(self, *shape, positive=False):
        values = self.rng.uniform(0.5, 1.5, shape) if positive else self.rng.normal(size=shape)
        return self.constant(np.float32(values / np.sqrt(max(1, np.prod(shape[1:])))))

    def constant(self, value):
        name = f"onnx::c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def __call__(self, op_type, *operands, first=None, **attributes):
        output = f"/{len(self.nodes)}/{op_type}_output_0"
        inputs = [self.last if first is None else first, *operands]
        self.nodes.append(helper.make_node(op_type, inputs, [output], **attributes))
        self.last = output
        return output

    def model(self, opset=17, batch="batch"):
        graph = helper.make_graph(
            self.nodes,
            "main_graph",
            [helper.make_tensor_value_info("input.1", TensorProto.FLOAT, [batch, *self.shape])],
            [helper.make_tensor_value_info(self.last, TensorProto.FLOAT, None)],
            initializer=self.constants,
        )
        return helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8
        )
