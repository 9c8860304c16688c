"""The pass that fuses a graph: rules tried on each node, from the inputs to the outputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from pytensor.graph.basic import Apply, Variable
from pytensor.graph.features import ReplaceValidate
from pytensor.graph.fg import FunctionGraph
from pytensor.graph.op import Op
from pytensor.graph.rewriting.basic import GraphRewriter, SequentialGraphRewriter
from pytensor.scalar import basic as scalar
from pytensor.scalar.math import Sigmoid
from pytensor.tensor.blockwise import Blockwise
from pytensor.tensor.elemwise import Elemwise
from pytensor.tensor.math import Dot
from pytensor.tensor.shape import Shape, Shape_i
from pytensor.tensor.subtensor import Subtensor

from ..ops.batch_norm import BatchNorm, ChannelAffine
from ..ops.conv2d import Conv2D
from ..ops.pool2d import Pool2D
from ..ops.softmax import Crossentropy
from .borders import crop_of_convolution, padded_convolution
from .dropout import scaled_mask, shape_before_scaling
from .normalisation import rectified_normalisation
from .stability import crossentropy_of_softmax, stable_log
from .stacking import (
    shape_of_stack,
    stack_affine,
    stack_bias,
    stack_convolution,
    stack_dense,
    stack_mask,
    stack_nonlinearity,
    stack_normalisation,
    stack_pooling,
)

__all__ = ["fusion_rewriter", "stability_rewriter"]

#: From a graph and one of its nodes to what replaces the node's first output, or None.
Rule = Callable[[FunctionGraph, Apply], Variable | None]
#: A rule, and the Ops (or, for element-wise nodes, the scalar operations) that it is tried on.
Entry = tuple[tuple[type, ...], Rule]

STABILITY: Sequence[Entry] = (
    ((Crossentropy,), crossentropy_of_softmax),
    ((scalar.Log, scalar.Log1p), stable_log),
)
BORDERS: Sequence[Entry] = (
    ((Conv2D,), padded_convolution),
    ((Subtensor,), crop_of_convolution),
)
DROPOUT: Sequence[Entry] = (((Shape,), shape_before_scaling), ((scalar.Mul,), scaled_mask))
STACKING: Sequence[Entry] = (
    ((Conv2D,), stack_convolution),
    ((Pool2D,), stack_pooling),
    ((Dot,), stack_dense),
    ((scalar.Add,), stack_bias),
    ((ChannelAffine,), stack_affine),
    ((BatchNorm,), stack_normalisation),
    ((scalar.Mul,), stack_mask),
    ((Shape, Shape_i), shape_of_stack),
    (
        (scalar.Mul, scalar.Maximum, scalar.ScalarMaximum, scalar.Tanh, Sigmoid),
        stack_nonlinearity,
    ),
    ((scalar.Mul, scalar.Maximum, scalar.ScalarMaximum), rectified_normalisation),
)


class ForwardPass(GraphRewriter):
    """Tries rules on every node once, in topological order.

    A rule sees what earlier rules made of the nodes in front of it, so a run
    of layers grows into one stack in a single pass.
    """

    def __init__(self, entries: Sequence[Entry]) -> None:
        self.entries = entries

    def add_requirements(self, fgraph: FunctionGraph) -> None:
        fgraph.attach_feature(ReplaceValidate())

    def apply(self, fgraph: FunctionGraph) -> None:
        for node in fgraph.toposort():
            if node in fgraph.apply_nodes:
                self._rewrite(fgraph, node)

    def _rewrite(self, fgraph: FunctionGraph, node: Apply) -> None:
        kind = _kind(node.op)
        for kinds, rule in self.entries:
            if not isinstance(kind, kinds):
                continue
            replacement = rule(fgraph, node)
            original = node.outputs[0]
            # A float64 constant makes float64 of a float32 layer, which no rule imitates.
            if replacement is not None and replacement.type.dtype == original.type.dtype:
                # A rule may know more of the shape than the graph did.
                replacement = original.type.filter_variable(replacement, allow_convert=True)
                fgraph.replace(original, replacement, reason=rule.__name__, import_missing=True)
                return


def _kind(op: Op) -> Any:
    """What rules go by: the scalar operation of an element-wise Op, the core of a batched one."""
    if isinstance(op, Elemwise):
        return op.scalar_op
    return op.core_op if isinstance(op, Blockwise) else op


def stability_rewriter() -> GraphRewriter:
    """Only what keeps logarithms finite."""
    return ForwardPass(STABILITY)


def fusion_rewriter() -> GraphRewriter:
    """Everything: stability, borders, dropout, stacks."""
    return SequentialGraphRewriter(
        *(ForwardPass(entries) for entries in (STABILITY, BORDERS, DROPOUT, STACKING))
    )
