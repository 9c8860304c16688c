"""Removes what only gradients look at: graphs wrapped up as one Op, and views."""

from __future__ import annotations

from typing import Any

from pytensor.compile.builders import OpFromGraph
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.features import ReplaceValidate
from pytensor.graph.fg import FunctionGraph
from pytensor.graph.replace import clone_replace
from pytensor.graph.rewriting.basic import GraphRewriter

__all__ = ["InlineGraphs", "without_view"]


class InlineGraphs(GraphRewriter):
    """Puts the inner graph of every ``OpFromGraph`` in its place.

    PyTensor would compile it as a function of its own, in its default mode.
    """

    def add_requirements(self, fgraph: FunctionGraph) -> None:
        fgraph.attach_feature(ReplaceValidate())

    def apply(self, fgraph: FunctionGraph) -> None:
        while any(isinstance(node.op, OpFromGraph) for node in fgraph.apply_nodes):
            for node in fgraph.toposort():
                if not isinstance(node.op, OpFromGraph):
                    continue
                pairs = [
                    (old, old.type.filter_variable(new, allow_convert=True))
                    for old, new in zip(node.outputs, _inner_outputs(node), strict=True)
                ]
                fgraph.replace_all(pairs, reason="inline", import_missing=True)


def _inner_outputs(node: Apply) -> list[Variable]:
    """The outputs of the node's inner graph, of the node's own inputs."""
    inner = dict(zip(node.op.inner_inputs, node.inputs, strict=True))
    if hasattr(node.op.fgraph, "bind"):  # PyTensor since 3.1: its inner graphs do not change
        return list(node.op.fgraph.bind(inner))
    return list(clone_replace(node.op.inner_outputs, inner))


def without_view(fgraph: Any, node: Apply) -> Variable | None:
    """The input of an Op whose only effect is on the gradient of that input."""
    return node.inputs[0]
