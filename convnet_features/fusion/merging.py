"""Graphs of stages that read each other's results, put together into one.

Branches and their joins then stay inside one program, in the kernels' own
layout. Two graphs can be one operation where every path from the first to the
second goes through these two alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from pytensor.graph.basic import Apply, Variable
from pytensor.graph.features import ReplaceValidate
from pytensor.graph.fg import FunctionGraph
from pytensor.graph.rewriting.basic import GraphRewriter

from ..kernels.contract import Node, StageGraph
from ..ops.stages import Stages

__all__ = ["LONGEST_GRAPH", "MergeGraphs"]

#: Nodes of a merged graph. What is planned and differentiated for a graph takes time that grows
#: with its square: of the gradient's connections each of n parameters looks at all n. Every
#: further graph costs a call, and its images leave the kernels' layout and enter it again.
LONGEST_GRAPH = 128


class MergeGraphs(GraphRewriter):
    """Replaces each group of graphs that can be one operation by that operation."""

    def add_requirements(self, fgraph: FunctionGraph) -> None:
        fgraph.attach_feature(ReplaceValidate())

    def apply(self, fgraph: FunctionGraph) -> None:
        for group in _groups(fgraph.toposort()):
            if len(group) > 1:
                replacements = _merged(fgraph, group)
                fgraph.replace_all_validate(
                    replacements, reason="merge_graphs", import_missing=True
                )


class _Groups:
    """Which graphs belong together, and what each group depends on.

    A group has a number. Groups that were united have several; `_root` finds the
    number that counts.
    """

    def __init__(self) -> None:
        self.members: dict[int, list[Apply]] = {}
        self._n_nodes: dict[int, int] = {}
        self._of: dict[Apply, int] = {}
        self._united: dict[int, int] = {}
        #: For each group, the groups that its graphs read directly.
        self._direct: dict[int, set[int]] = {}
        #: And those that it reads through something else than graphs of stages.
        self._through: dict[int, set[int]] = {}
        #: For each other node, the nearest groups in front of it.
        self._in_front: dict[Apply, frozenset[int]] = {}

    def pass_by(self, node: Apply) -> None:
        """Note a other node."""
        self._in_front[node] = frozenset(self._nearest(node.inputs))

    def place(self, node: Apply) -> None:
        """Put a graph together with those that it reads, as far as possible."""
        images, params = _split(node)
        new = len(self._of)
        self._of[node] = new
        self.members[new] = [node]
        self._n_nodes[new] = len(node.op.graph.nodes)
        made_by = [x.owner for x in images]
        self._direct[new] = {self._root(self._of[owner]) for owner in made_by if owner in self._of}
        self._through[new] = self._nearest(
            [
                *params,
                *(x for x, owner in zip(images, made_by, strict=True) if owner not in self._of),
            ]
        )
        for group in sorted(self._direct[new]):
            self._unite(self._root(group), self._root(new))

    def _unite(self, first: int, second: int) -> None:
        """Make one group of two, unless something between them would read and be read by it."""
        if first == second or self._n_nodes[first] + self._n_nodes[second] > LONGEST_GRAPH:
            return
        if self._reaches(second, first) or self._reaches(first, second):
            return
        self._united[second] = first
        self._n_nodes[first] += self._n_nodes.pop(second)
        self.members[first] += self.members.pop(second)
        for edges in (self._direct, self._through):
            edges[first] |= edges.pop(second)
            edges[first] -= {first, second}

    def _reaches(self, start: int, target: int) -> bool:
        """Whether a group reads another through anything that is in neither."""
        first = self._roots(self._through[start]) | (self._roots(self._direct[start]) - {target})
        found, waiting = set(first), list(first)
        while waiting:
            group = waiting.pop()
            edges = self._roots(self._direct[group] | self._through[group])
            waiting += edges - found
            found |= edges
        return target in found

    def _nearest(self, variables: Iterable[Variable]) -> set[int]:
        """The nearest groups that variables are computed from."""
        found: set[int] = set()
        for owner in {value.owner for value in variables if value.owner is not None}:
            found |= {self._of[owner]} if owner in self._of else self._in_front[owner]
        return self._roots(found)

    def _roots(self, groups: Iterable[int]) -> set[int]:
        return {self._root(group) for group in groups}

    def _root(self, group: int) -> int:
        while group in self._united:
            group = self._united[group]
        return group


def _groups(order: Sequence[Apply]) -> list[list[Apply]]:
    groups = _Groups()
    for node in order:
        if isinstance(node.op, Stages):
            groups.place(node)
        else:
            groups.pass_by(node)
    places = {node: place for place, node in enumerate(order)}
    return [sorted(members, key=places.__getitem__) for members in groups.members.values()]


def _split(node: Apply) -> tuple[list[Variable], list[Variable]]:
    """A graph's inputs and its parameters."""
    return node.inputs[: node.op.graph.n_inputs], node.inputs[node.op.graph.n_inputs :]


def _merged(fgraph: FunctionGraph, group: Sequence[Apply]) -> list[tuple[Variable, Variable]]:
    """(old, new) for each variable that a group of graphs hands to others."""
    members = set(group)
    xs = _inputs(group, members)
    numbers = {x: number for number, x in enumerate(xs)}
    nodes: list[Node] = []
    params: list[Variable] = []
    for node in group:
        graph = node.op.graph
        images, own_params = _split(node)
        of_values = [numbers[x] for x in images]
        for each in graph.nodes:
            of_values.append(len(xs) + len(nodes))
            nodes.append(replace(each, inputs=tuple([of_values[value] for value in each.inputs])))
        for value, y in zip(graph.outputs, node.outputs, strict=False):
            numbers[y] = of_values[value]
        params += own_params
    handed_on = [
        y for node in group for y in _results(node) if _is_read_outside(fgraph, y, members)
    ]
    values = list(dict.fromkeys(numbers[y] for y in handed_on))
    merged = Stages(StageGraph(len(xs), tuple(nodes), tuple(values)))
    outputs = merged(*xs, *params, return_list=True)
    made = dict(zip(values, outputs, strict=False))
    old_statistics = [each for node in group for each in node.outputs[node.op.n_results + 1 :]]
    return [
        *[(y, y.type.filter_variable(made[numbers[y]], allow_convert=True)) for y in handed_on],
        *zip(old_statistics, outputs[len(values) + 1 :], strict=True),
    ]


def _inputs(group: Sequence[Apply], members: set[Apply]) -> list[Variable]:
    """What a group reads that none of its members makes, each once."""
    images = [x for node in group for x in _split(node)[0]]
    return list(dict.fromkeys(x for x in images if x.owner not in members))


def _results(node: Apply) -> list[Variable]:
    return node.outputs[: node.op.n_results]


def _is_read_outside(fgraph: FunctionGraph, y: Variable, members: set[Apply]) -> bool:
    """Whether anything reads `y` but a group's members, as images; the graph's results are read."""
    return any(
        client not in members or position >= client.op.graph.n_inputs
        for client, position in fgraph.clients[y]
    )
