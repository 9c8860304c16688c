"""Graphs of stages that read each other's results."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from .specs import StaticShape
from .stages import Stage

__all__ = [
    "Node",
    "SizedNode",
    "StageGraph",
]


@dataclass(frozen=True)
class Node:
    """A stage of a graph, and the numbers of the values that it reads.

    `layers` are names of a network's layers, for people: nothing depends on them, and
    graphs that differ in them alone are equal.
    """

    stage: Stage
    inputs: tuple[int, ...]
    layers: tuple[str, ...] = field(default=(), compare=False)


class SizedNode(NamedTuple):
    """A node, with its place in the graph and the shapes of all that it takes and makes."""

    number: int
    stage: Stage
    inputs: tuple[int, ...]
    value: int
    first_param: int
    x_shapes: tuple[Any, ...]
    param_shapes: tuple[Any, ...]
    y_shape: Any


@dataclass(frozen=True)
class StageGraph:
    """Stages that read each other's results.

    Values are numbered: first the graph's inputs, then the result of each node,
    in order. A node reads only values of smaller numbers.

    Parameters
    ----------
    n_inputs : int
    nodes : tuple of Node
    outputs : tuple of int
        The values that the graph returns.
    """

    n_inputs: int
    nodes: tuple[Node, ...]
    outputs: tuple[int, ...]

    def __post_init__(self) -> None:
        # Graphs are keys of caches, and looked up far more often than made.
        object.__setattr__(self, "_hash", hash((self.n_inputs, self.nodes, self.outputs)))

    def __hash__(self) -> int:
        return self._hash  # type: ignore[attr-defined]

    @classmethod
    def chain(cls, stages: Sequence[Stage]) -> StageGraph:
        """One stage after the other."""
        nodes = tuple(Node(stage, (number,)) for number, stage in enumerate(stages))
        return cls(1, nodes, (len(nodes),))

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The stages of the nodes."""
        return tuple([node.stage for node in self.nodes])

    @property
    def last(self) -> Stage:
        """The stage of the last node."""
        return self.nodes[-1].stage

    def with_last(self, stage: Stage) -> StageGraph:
        """The graph with another stage in its last node, of the same inputs and parameters."""
        return replace(self, nodes=(*self.nodes[:-1], replace(self.nodes[-1], stage=stage)))

    def named(self, layers: Sequence[str]) -> StageGraph:
        """The graph with further names of layers at its last node."""
        last = self.nodes[-1]
        names = tuple(dict.fromkeys((*last.layers, *layers)))
        return replace(self, nodes=(*self.nodes[:-1], replace(last, layers=names)))

    def followed_by(self, stage: Stage) -> StageGraph:
        """The graph with a stage behind its last node, whose result becomes its only one."""
        value = self.n_inputs + len(self.nodes)
        return replace(self, nodes=(*self.nodes, Node(stage, (value - 1,))), outputs=(value,))

    @property
    def params(self) -> tuple[tuple[int, str], ...]:
        """(node, name) of each parameter that the graph takes, in order."""
        return tuple(
            (number, name) for number, node in enumerate(self.nodes) for name in node.stage.params
        )

    def walk(
        self, x_shapes: Sequence[StaticShape], param_shapes: Sequence[StaticShape]
    ) -> Iterator[SizedNode]:
        """The nodes in order, each with the shapes of what it takes and makes.

        Sizes may be unknown (None). `param_shapes` are in the order of `params`.
        """
        shapes = list(x_shapes)
        first = 0
        for number, node in enumerate(self.nodes):
            own = tuple(param_shapes[first : first + node.stage.n_params])
            given = tuple(shapes[value] for value in node.inputs)
            shapes.append(node.stage.output_shape(given, own))
            value = self.n_inputs + number
            yield SizedNode(number, node.stage, node.inputs, value, first, given, own, shapes[-1])
            first += node.stage.n_params

    def output_shapes(
        self, x_shapes: Sequence[StaticShape], param_shapes: Sequence[StaticShape]
    ) -> list[StaticShape]:
        """The shapes of the graph's results."""
        made = [sized.y_shape for sized in self.walk(x_shapes, param_shapes)]
        shapes = [*x_shapes, *made]
        return [shapes[value] for value in self.outputs]

    @property
    def learnt(self) -> list[bool]:
        """For each parameter, whether it has a gradient."""
        return [
            name not in self.nodes[number].stage.constant_params for number, name in self.params
        ]

    def needs_gradient(self, input_grads: Sequence[bool]) -> list[bool]:
        """For each value, whether a gradient goes through it: to a parameter, or a wanted input."""
        needs = list(input_grads)
        for node in self.nodes:
            stage = node.stage
            learns = any(name not in stage.constant_params for name in stage.params)
            needs.append(learns or any(needs[value] for value in node.inputs))
        return needs

    @property
    def readers(self) -> list[list[int]]:
        """For each value the numbers of the nodes that read it, once for each time that they do."""
        found: list[list[int]] = [[] for _ in range(self.n_inputs + len(self.nodes))]
        for number, node in enumerate(self.nodes):
            for value in node.inputs:
                found[value].append(number)
        return found

    @property
    def only_readers(self) -> list[int | None]:
        """For each value the node that alone reads it; None if others do, or the caller."""
        return [
            numbers[0] if len(numbers) == 1 and value not in self.outputs else None
            for value, numbers in enumerate(self.readers)
        ]

    def maker(self, value: int) -> int | None:
        """The node whose result a value is; None for an input."""
        return None if value < self.n_inputs else value - self.n_inputs
