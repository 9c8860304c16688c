"""Where a rectify is computed: by a convolution, or by the pooling behind it."""

from __future__ import annotations

from ...contract import ConvStage, PoolStage, Stage

__all__ = ["applied_activation", "commutes", "pooled_activation", "undone_activation"]


def commutes(stage: Stage, following: Stage | None) -> bool:
    """Is this a convolution and a max pooling with a rectify on at least one of them?

    Then the convolution rectifies as it writes its results and, in the backward
    program, the rectify is undone on the pooled images, a fraction of the size:
    where the greatest pixel of a window is positive, so is the one that its
    gradient goes to.
    """
    conv, pool = stage.convolution, following.pooling if following else None
    if conv is None or pool is None:
        return False
    activations = {conv.activation, pool.activation}
    return (
        pool.pool.mode == "max"
        and "rectify" in activations
        and activations <= {"linear", "rectify"}
    )


def applied_activation(conv: ConvStage, following: Stage | None) -> str:
    """What a convolution applies to its results."""
    return "rectify" if commutes(conv, following) else conv.activation


def undone_activation(conv: ConvStage, following: Stage | None) -> str:
    """What the gradient of a convolution's results undoes."""
    return "linear" if commutes(conv, following) else conv.activation


def pooled_activation(conv: ConvStage, pool: PoolStage) -> str:
    """What a convolution and its max pooling are given together, where both at most rectify."""
    return "rectify" if "rectify" in (conv.activation, pool.activation) else "linear"
