"""What a forward program of a stack says of itself to whoever runs or differentiates it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from convnet_features.kernels.contract import Stage
from convnet_features.kernels.onednn.objects import MemoryDesc, Primitive
from convnet_features.kernels.onednn.program import Program
from convnet_features.kernels.onednn.storage import Value

__all__ = ["ForwardPlan", "PlanKey", "Record"]

Shape = tuple[int, ...]


class PlanKey(NamedTuple):
    """All that a plan depends on, besides the stages."""

    x_shape: Shape
    x_layout: str
    param_shapes: tuple[Shape, ...]
    training: bool
    num_threads: int


@dataclass
class Record:
    """A stage of a forward program, as the backward program needs it.

    `x` and `y` are what the program saved of the stage's input and result;
    None where that is the caller's own array. `undo` is the activation whose
    derivative the gradient of `y` is multiplied by. `w` and `b` name the
    stage's parameters, of a normalisation its gamma and beta.
    """

    stage: Stage
    undo: str
    x_desc: MemoryDesc
    y_desc: MemoryDesc
    x: Value | None
    y: Value | None = None
    hint: Primitive | None = None
    workspace: Value | None = None
    w_shape: Shape = ()
    w: str = ""
    b: str = ""
    mask: str = ""


@dataclass
class ForwardPlan:
    """A forward program and its records, one for each stage.

    `statistics` are the normalisations': for each its epsilon, and the shapes
    of what its arrays, ``mean0``, ``variance0`` and so on, hold.
    """

    key: PlanKey
    program: Program
    records: list[Record]
    y_shape: Shape
    statistics: list[tuple[float, Shape]]
    has_backward: bool = True
