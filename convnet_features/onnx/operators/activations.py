"""What is applied to each value as it stands: nonlinearities, response normalisation, nothing."""

from __future__ import annotations

from typing import Any

from ..nonlinearities import nonlinearity_of
from ..plan import PlannedLayer
from ..reading import Node
from .nodes import number, reads, unsupported


@reads("Relu", "LeakyRelu", "Sigmoid", "Softmax", "Tanh")
def _nonlinearity(reader: Any, node: Node) -> PlannedLayer:
    from lasagne.layers import NonlinearityLayer

    x = reader.layer(node, 0)
    if node.operator == "Softmax":
        axis = int(node.attributes.get("axis", -1))
        if len(x.shape) != 1 or axis not in (-1, 1):
            raise unsupported(node, f"the axis {axis} of a value of shape {(None, *x.shape)}")
    number(node, "alpha", 0.01)
    function = nonlinearity_of(node.operator, node.attributes)
    if reader.may_join(x, node):
        x.params["nonlinearity"] = function
        return reader.plan.rename(x, node.outputs[0])
    return reader.plan.add(node.outputs[0], NonlinearityLayer, x, nonlinearity=function)


@reads("LRN")
def _response_normalisation(reader: Any, node: Node) -> PlannedLayer:
    from lasagne.layers import LocalResponseNormalization2DLayer

    x = reader.layer(node, 0)
    size = int(node.attributes["size"])
    if size % 2 == 0 or not 0 < size <= 2 * x.shape[0] + 1:
        raise unsupported(node, f"size={size}")
    return reader.plan.add(
        node.outputs[0],
        LocalResponseNormalization2DLayer,
        x,
        # ONNX divides alpha by the number of channels summed over; Lasagne does not.
        alpha=number(node, "alpha", 1e-4) / size,
        beta=number(node, "beta", 0.75),
        k=number(node, "bias", 1.0),
        n=size,
    )


@reads("Identity", "Dropout", "Cast")
def _nothing(reader: Any, node: Node) -> PlannedLayer:
    if node.operator == "Cast" and node.attributes.get("to") not in (1, 10, 11):
        raise unsupported(node, "a conversion to integers")
    return reader.layer(node, 0)
