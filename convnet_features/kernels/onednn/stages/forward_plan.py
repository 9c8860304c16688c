"""A forward program, and what running and differentiating it need to know of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from ...contract import Stage, StageGraph
from ..binding.objects import MemoryDesc, Primitive
from ..plan.choice import Choices
from ..program.program import Program
from ..program.storage import Value

__all__ = ["ForwardPlan", "PlanKey", "Record"]

Shape = tuple[int, ...]


class PlanKey(NamedTuple):
    """All that a plan depends on, besides the graph."""

    x_shapes: tuple[Shape, ...]
    x_layouts: tuple[str, ...]
    param_shapes: tuple[Shape, ...]
    training: bool
    num_threads: int
    looks: int


@dataclass
class Record:
    """A node of a forward program, as the backward program needs it.

    `inputs` and `value` number what the node reads and makes. `x` and `y` are
    where the node's first input and its result are: what the program saved, or
    the name of the caller's own array; `others` are its further inputs, where its gradient reads
    them. `undo` is the activation whose
    derivative the gradient of `y` is multiplied by. `w` and `b` name the
    stage's parameters, of a normalisation its gamma and beta; `number` counts
    the normalisations.
    """

    stage: Stage
    inputs: tuple[int, ...]
    value: int
    undo: str
    x_descs: tuple[MemoryDesc, ...]
    y_desc: MemoryDesc
    x: Value | str
    y: Value | str
    others: tuple[Value | str, ...] = ()
    hint: Primitive | None = None
    workspace: Value | None = None
    w_shape: Shape = ()
    w: str = ""
    b: str = ""
    mask: str = ""
    number: int = 0

    @property
    def x_desc(self) -> MemoryDesc:
        """The layout of the first input."""
        return self.x_descs[0]


@dataclass
class ForwardPlan:
    """A forward program and its records, one for each node.

    `statistics` are the normalisations': for each its epsilon, and the shapes
    of what its arrays, ``mean0``, ``variance0`` and so on, hold. `measured`
    are the values that the program looks at.
    """

    graph: StageGraph
    key: PlanKey
    choices: Choices
    program: Program
    records: list[Record]
    y_shapes: list[Shape]
    statistics: list[tuple[float, Shape]]
    measured: list[int]
    has_backward: bool = True
