"""What primitives do to their results before they write them."""

from __future__ import annotations

from typing import NamedTuple

from ...contract import ElementwiseStage
from . import declarations as dnnl

__all__ = ["SUM", "PostOp", "of_activation", "of_function"]


class PostOp(NamedTuple):
    """A function of each number, or, without `algorithm`, the addition of what was there before.

    Attributes
    ----------
    algorithm : int
    alpha, beta : float
    """

    algorithm: int = 0
    alpha: float = 0.0
    beta: float = 0.0


SUM = PostOp()


def of_activation(activation: str) -> tuple[PostOp, ...]:
    """An activation of the kernels' contract; nothing where it is linear."""
    return () if activation == "linear" else (PostOp(dnnl.ELTWISE[activation]),)


def of_function(stage: ElementwiseStage) -> PostOp:
    """A function of the kernels' contract."""
    # oneDNN's swish has a factor of its own.
    alpha = 1.0 if stage.function == "swish" else stage.alpha
    return PostOp(dnnl.FUNCTIONS[stage.function], alpha, stage.beta)
