"""Rectified batch normalisation as one operation."""

from __future__ import annotations

from pytensor.graph.basic import Apply, Variable
from pytensor.graph.fg import FunctionGraph

from ..ops.batch_norm import BatchNorm, ChannelAffine
from .patterns import rectified

__all__ = ["rectified_normalisation"]


def rectified_normalisation(fgraph: FunctionGraph, node: Apply) -> Variable | None:
    """rectify(normalised) with the negative numbers cut off where they are made.

    The statistics come from a second node of the same inputs, where they are
    used: it is the same one after merging.
    """
    x = rectified(fgraph, node)
    if x is None or x.owner is None or x is not x.owner.outputs[0]:
        return None
    match x.owner.op:
        case BatchNorm(epsilon=epsilon, rectify=False):
            replacements = BatchNorm(epsilon, rectify=True)(*x.owner.inputs)
            for old, new in zip(x.owner.outputs[1:], replacements[1:], strict=True):
                fgraph.replace(old, new, reason="rectified_normalisation", import_missing=True)
            return replacements[0]
        case ChannelAffine(rectify=False):
            return ChannelAffine(rectify=True)(*x.owner.inputs)
    return None
