"""Stages one after the other, on several parts of the samples at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np

from ..contract import (
    Arrays,
    Gradients,
    Stage,
    StageGraph,
)
from .pooled_convolution import PooledConvolutionStep
from .steps import STEPS, Chain, Step
from .threads import compute_parts, split

__all__ = ["Run"]


@dataclass(frozen=True)
class _Saved:
    parts: list[slice]
    #: What the steps saved for each part.
    of_parts: list[Any]


class Run:
    """Every part of the samples through all stages, several parts at a time.

    Parameters
    ----------
    stages : sequence of Stage
        Each computes a sample from that sample alone.
    """

    def __init__(self, stages: Sequence[Stage]) -> None:
        self._chain = Chain(_steps(stages))
        self._learnt = StageGraph.chain(stages).learnt

    def forward(self, xs: Arrays, params: Arrays, training: bool) -> tuple[np.ndarray, Any]:
        """The last stage's result, and what `backward` needs if `training`."""
        (x,) = xs
        parts = split(len(x))
        done = compute_parts(
            lambda part: self._chain.forward(
                x[parts[part]], self._params(params, parts[part]), training
            ),
            len(parts),
        )
        return _joined([y for y, _ in done]), _Saved(parts, [saved for _, saved in done])

    def statistics(self, saved: Any) -> list[np.ndarray]:
        """There are none."""
        return []

    def backward(
        self,
        saved: Any,
        xs: Arrays,
        params: Arrays,
        y: np.ndarray,
        gy: np.ndarray,
        input_grads: Sequence[bool],
    ) -> Gradients:
        """The gradients, given what `forward` saved."""
        parts = saved.parts
        done = compute_parts(
            lambda part: self._chain.backward(
                saved.of_parts[part],
                self._params(params, parts[part]),
                gy[parts[part]],
                input_grads[0],
            ),
            len(parts),
        )
        # In the order of the parts, whichever was ready first.
        grads = [reduce(np.add, of_param) for of_param in zip(*(g for _, g in done), strict=True)]
        gx = _joined([gx for gx, _ in done if gx is not None]) if input_grads[0] else None
        return [gx], grads

    def _params(self, params: Arrays, part: slice) -> Arrays:
        """Those of a part of the samples: masks have a row for each sample."""
        return [
            param if of_all else param[part]
            for param, of_all in zip(params, self._learnt, strict=True)
        ]


def _joined(arrays: list[np.ndarray]) -> np.ndarray:
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)


def _steps(stages: Sequence[Stage]) -> list[Step]:
    """A step for each stage, or for two that are better computed together."""
    steps: list[Step] = []
    joined = False
    for stage, following in zip(stages, (*stages[1:], None), strict=True):
        if joined:
            joined = False
            continue
        both = PooledConvolutionStep.of(stage, following)
        joined = both is not None
        steps.append(both or STEPS[type(stage)](stage))
    return steps
