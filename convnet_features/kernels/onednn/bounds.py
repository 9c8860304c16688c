"""How large the numbers of a stack can become: whether oneDNN may be trusted with them.

oneDNN's rectify and its max pooling make numbers of NaN (max(NaN, 0) is 0 to the
processor's instruction), and minimal filtering makes NaN of infinity, which it
subtracts from itself. As long as no number on the way can be anything but finite,
none of that can happen, and all are as exact as each other. So the largest
absolute values of images and parameters are looked at, one pass over each, and
what the stages can make of them is bounded::

    |x * w + b|  <=  terms · max|x| · max|w| + max|b|

What is beyond `LIMIT`, `careful` computes otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from convnet_features.kernels.contract import (
    ConvStage,
    DenseStage,
    MaskStage,
    NormStage,
    PoolStage,
    Stage,
    stack_output_shape,
)

__all__ = ["LIMIT", "Growth", "growths", "largest_image", "stays_finite"]

Shape = Sequence[int]
#: What bounds must stay below. float32 ends at 2**128; the rest is for what minimal filtering
#: makes of images and filters before it multiplies them.
LIMIT = 2.0**88


class Growth(NamedTuple):
    """How a stage makes numbers larger.

    Attributes
    ----------
    n_params : int
    terms : int
        What it adds up for each result; of a normalisation, how many numbers a channel has.
    normalises, keeps, saturates : bool
        Whether it is a normalisation; whether its results are as large as its images; and
        whether an activation makes them at most 1.
    """

    n_params: int
    terms: int
    normalises: bool
    keeps: bool
    saturates: bool


def growths(
    stages: Sequence[Stage], x_shape: Shape, param_shapes: Sequence[Shape]
) -> tuple[Growth, ...]:
    """The growth of each stage, for these shapes."""
    found, shape, taken = [], tuple(x_shape), 0
    for stage in stages:
        shapes = param_shapes[taken : taken + stage.n_params]
        taken += stage.n_params
        output_shape = stack_output_shape([stage], shape, shapes)
        found.append(_growth(stage, shape, shapes))
        shape = output_shape
    return tuple(found)


def _growth(stage: Stage, shape: Shape, param_shapes: Sequence[Shape]) -> Growth:
    n_params, keeps = stage.n_params, False
    if isinstance(stage, MaskStage):
        return Growth(n_params, 1, normalises=False, keeps=False, saturates=False)
    if isinstance(stage, ConvStage):
        terms = math.prod(param_shapes[0][1:])
    elif isinstance(stage, DenseStage):
        terms = param_shapes[0][0]
    elif isinstance(stage, PoolStage):
        terms, keeps = math.prod(stage.pool.window), stage.pool.mode != "sum"
    else:
        terms = shape[0] * math.prod(shape[2:])
    saturates = stage.activation in ("sigmoid", "tanh")
    return Growth(n_params, terms, isinstance(stage, NormStage), keeps, saturates)


def stays_finite(growths: Sequence[Growth], x: float, params: Sequence[float]) -> bool:
    """Whether no number that a forward pass meets can be NaN or infinite.

    Parameters
    ----------
    growths : sequence of Growth
        Of the stages.
    x, params : float, sequence of float
        The largest absolute values of images and of each parameter, or larger ones.
    """
    taken = 0
    for n_params, terms, normalises, keeps, saturates in growths:
        own = params[taken : taken + n_params]
        taken += n_params
        if normalises:
            # The variance is a mean of squares, and nothing lies more than √terms deviations away.
            passing = terms * x * x
            x = own[0] * math.sqrt(terms) + own[1]
        else:
            passing = terms * x * own[0] + sum(own[1:]) if own else terms * x
            x = x if keeps else passing
        # Said this way round, so that NaN does not pass.
        if not (passing <= LIMIT and x <= LIMIT and all(each <= LIMIT for each in own)):
            return False
        x = min(x, 1.0) if saturates else x
    return x <= LIMIT


def largest_image(growths: Sequence[Growth], params: Sequence[float]) -> float:
    """A power of two up to which images leave all numbers finite; -1 if none does."""
    for exponent in range(int(math.log2(LIMIT)), -1, -1):
        if stays_finite(growths, 2.0**exponent, params):
            return 2.0**exponent
    return -1.0
