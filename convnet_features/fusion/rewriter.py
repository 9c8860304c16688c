"""The pass that fuses a graph: rules tried on each node, from the inputs to the outputs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

from pytensor.compile.ops import ViewOp
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.features import ReplaceValidate
from pytensor.graph.fg import FunctionGraph
from pytensor.graph.op import Op
from pytensor.graph.rewriting.basic import (
    GraphRewriter,
    MergeOptimizer,
    SequentialGraphRewriter,
)
from pytensor.scalar import basic as scalar
from pytensor.tensor.blockwise import Blockwise
from pytensor.tensor.elemwise import Elemwise
from pytensor.tensor.shape import Shape
from pytensor.tensor.subtensor import Subtensor

from ..ops.conv2d import Conv2D
from ..ops.softmax import Crossentropy
from .borders import crop_of_convolution, padded_convolution
from .dropout import scaled_mask, shape_before_scaling
from .inlining import InlineGraphs, without_view
from .merging import MergeGraphs
from .naming import hand_on_layers
from .normalisation import rectified_normalisation
from .stability import (
    crossentropy_of_known,
    stable_difference,
    stable_log,
    stable_log1p,
    stable_quotient,
)
from .stages import OF_STAGES

__all__ = [
    "STABILITY",
    "fusion_rewriter",
    "inlining_rewriter",
    "replacement_of",
    "stability_rewriter",
]

#: From a graph and one of its nodes to what replaces the node's first output, or None.
Rule = Callable[[Any, Apply], Variable | None]
#: A rule, and the Ops (or, for element-wise nodes, the scalar operations) that it is tried on.
Entry = tuple[tuple[type, ...], Rule]

STABILITY: tuple[Entry, ...] = (
    ((Crossentropy,), crossentropy_of_known),
    ((scalar.Log, scalar.Log2, scalar.Log10), stable_log),
    ((scalar.Log1p,), stable_log1p),
    ((scalar.TrueDiv, scalar.Reciprocal, scalar.Pow), stable_quotient),
    ((scalar.Sub, scalar.Add), stable_difference),
)
#: For graphs of which no gradient will be taken any more.
VIEWS: tuple[Entry, ...] = (((ViewOp,), without_view),)
BORDERS: tuple[Entry, ...] = (
    ((Conv2D,), padded_convolution),
    ((Subtensor,), crop_of_convolution),
)
DROPOUT: tuple[Entry, ...] = (((Shape,), shape_before_scaling), ((scalar.Mul,), scaled_mask))
STAGES: tuple[Entry, ...] = (
    *OF_STAGES,
    ((scalar.Mul, scalar.Maximum, scalar.ScalarMaximum), rectified_normalisation),
)


class ForwardPass(GraphRewriter):
    """Tries rules on every node once, in topological order.

    A rule sees what earlier rules made of the nodes in front of it, so a run
    of layers grows into one graph of stages in a single pass. With `merge`, nodes that have
    become equal are merged afterwards.
    """

    def __init__(self, entries: tuple[Entry, ...], merge: bool = False) -> None:
        self.entries = entries
        self.merge = merge

    def add_requirements(self, fgraph: FunctionGraph) -> None:
        fgraph.attach_feature(ReplaceValidate())

    def apply(self, fgraph: FunctionGraph) -> None:
        changed = False
        fgraph.inputs = _Inputs(fgraph.inputs)
        for node in fgraph.toposort():
            if node in fgraph.apply_nodes:
                changed |= self._rewrite(fgraph, node)
        fgraph.inputs = list(fgraph.inputs)
        if changed and self.merge:
            MergeOptimizer().rewrite(fgraph)

    def _rewrite(self, fgraph: FunctionGraph, node: Apply) -> bool:
        rule, replacement = replacement_of(fgraph, node, self.entries)
        if replacement is None:
            return False
        hand_on_layers(node, replacement)
        fgraph.replace(node.outputs[0], replacement, reason=rule, import_missing=True)
        return True


def replacement_of(
    fgraph: FunctionGraph | None, node: Apply, entries: tuple[Entry, ...]
) -> tuple[str, Variable | None]:
    """The first rule that has something better for the node's first output, and what."""
    kind: Any = type(_kind(node.op))
    for rule in _rules_for(kind, entries):
        replacement = rule(fgraph, node)
        original = node.outputs[0]
        # A float64 constant makes float64 of a float32 layer, which no rule imitates.
        if replacement is not None and replacement.type.dtype == original.type.dtype:
            # A rule may know more of the shape than the graph did.
            return rule.__name__, original.type.filter_variable(replacement, allow_convert=True)
    return "", None


@cache
def _rules_for(kind: type, entries: tuple[Entry, ...]) -> tuple[Rule, ...]:
    """The rules to try. PyTensor's classes are slow to ask whether they have an instance."""
    return tuple(rule for kinds, rule in entries if issubclass(kind, kinds))


class _Inputs(list[Variable]):
    """The inputs of a graph, as a list in which membership is found at once.

    A graph asks for each input of each node that comes in: a list would take n² time.
    """

    def __init__(self, variables: Iterable[Variable]) -> None:
        super().__init__(variables)
        self._known = set(self)

    def __contains__(self, variable: object) -> bool:
        return variable in self._known or super().__contains__(variable)


def _kind(op: Op) -> Any:
    """What rules go by: an element-wise Op's scalar operation, the Op inside a batched one."""
    if isinstance(op, Elemwise):
        return op.scalar_op
    if isinstance(op, scalar.ScalarOp):
        # Of numbers that are no tensors: no rule is about them.
        return None
    return op.core_op if isinstance(op, Blockwise) else op


def stability_rewriter() -> GraphRewriter:
    """Only what keeps numbers finite."""
    return ForwardPass(STABILITY, merge=True)


def fusion_rewriter() -> GraphRewriter:
    """Stability, borders, dropout and stages: the rules whose results can be differentiated."""
    return SequentialGraphRewriter(
        stability_rewriter(),
        *(ForwardPass(entries) for entries in (BORDERS, DROPOUT, STAGES)),
        MergeGraphs(),
    )


def inlining_rewriter() -> GraphRewriter:
    """Takes out what only gradients look at, from graphs that will be computed and no more."""
    return SequentialGraphRewriter(InlineGraphs(), ForwardPass(VIEWS))
