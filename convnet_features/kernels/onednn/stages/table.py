"""Which module computes which stage."""

from __future__ import annotations

from typing import Any, Protocol

from ...contract import (
    ConcatStage,
    ConvStage,
    DenseStage,
    ElementwiseStage,
    MaskStage,
    NormStage,
    PoolStage,
    ProductStage,
    SizedNode,
    Stage,
    SumStage,
)
from ..program.storage import Value
from . import (
    addition,
    concatenation,
    convolution,
    dense,
    elementwise,
    mask,
    multiplication,
    normalisation,
    pooling,
)
from .backward import BackwardEmitter
from .forward import ForwardEmitter
from .forward_plan import Record

__all__ = ["STAGES", "StageModule"]


class StageModule(Protocol):
    """What the module of a stage has."""

    def forward(self, emit: ForwardEmitter, node: SizedNode, stage: Any) -> None:
        """Emit the steps that compute `stage`, and record them."""

    def backward(self, emit: BackwardEmitter, record: Record, stage: Any, gradient: Value) -> None:
        """Emit the steps of its gradient, of the gradient of its result before any activation."""


STAGES: dict[type[Stage], StageModule] = {
    ConvStage: convolution,
    PoolStage: pooling,
    DenseStage: dense,
    NormStage: normalisation,
    MaskStage: mask,
    ElementwiseStage: elementwise,
    ProductStage: multiplication,
    SumStage: addition,
    ConcatStage: concatenation,
}
