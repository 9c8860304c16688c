"""From an ONNX node to Lasagne layers: one function an operator.

Each takes the `Reader` and the node, and gives the planned layer that computes
the node's first result. It may change what stands in front instead of adding a
layer: a bias, a normalisation or a nonlinearity joins the convolution or dense
layer whose result nothing else uses.
"""

from __future__ import annotations

from . import (  # noqa: F401  (they fill the table)
    activations,
    arithmetic,
    arrangement,
    choice,
    convolution,
    gathering,
    normalisation,
    pooling,
    resizing,
)
from .nodes import OPERATORS, supported_operators

__all__ = ["OPERATORS", "supported_operators"]
