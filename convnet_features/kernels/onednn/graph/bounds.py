"""How large the numbers of a graph can become: whether oneDNN may be trusted with them.

oneDNN's rectify and its max pooling make numbers of NaN (max(NaN, 0) is 0 to the
processor's instruction), and Winograd's algorithm makes NaN of infinity, which it
subtracts from itself. As long as no number on the way can be anything but finite,
none of that can happen, and all are as exact as each other. So the largest
absolute values of images and parameters are looked at, one pass over each, and
what the stages can make of them is bounded::

    |x * w + b|  <=  terms · max|x| · max|w| + max|b|

where max|w| may be the root mean square of the largest filter instead (Cauchy and Schwarz):
parameters that are laid out once are looked at so closely.

Bounds of many stages behind each other would say nothing. So a program looks at
some values on the way (`Measuring`), and the bounds go on from there: if all
stages up to a value stayed below `LIMIT`, it is what it was measured to be.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ...contract import SizedNode, Stage, StageGraph

__all__ = ["LIMIT", "LOOKS", "Growth", "Measuring", "growths", "largest_input", "stays_finite"]

Shape = Sequence[int]
#: What bounds must stay below. float32 ends at 2**128; the rest is for what Winograd's algorithm
#: makes of images and filters before it multiplies them.
LIMIT = 2.0**88
#: Ways of looking, from the cheapest to the closest: after how many products one behind the other
#: a value is looked at where no other is in use, and after how many at the latest.
LOOKS = ((7, 9), (3, 4), (1, 1))


class Growth(NamedTuple):
    """How a stage makes numbers larger.

    Attributes
    ----------
    inputs : tuple of int
        The values that it reads.
    first_param, n_params : int
    terms : int
        What it adds up for each result; of a normalisation, how many numbers a channel has.
    normalises, adds, multiplies, keeps, saturates : bool
        Whether it is a normalisation; whether it adds its inputs, or multiplies them; whether
        its results are as large as its inputs; and whether an activation makes them at most 1.
    slope, offset : float
        What the last that it does makes of a number x is at most slope · abs(x) + offset.
    """

    inputs: tuple[int, ...]
    first_param: int
    n_params: int
    terms: int
    normalises: bool
    adds: bool
    multiplies: bool
    keeps: bool
    saturates: bool
    slope: float
    offset: float


def growths(
    graph: StageGraph, x_shapes: Sequence[Shape], param_shapes: Sequence[Shape]
) -> tuple[Growth, ...]:
    """The growth of each node, for these shapes."""
    return tuple([_growth(node) for node in graph.walk(x_shapes, param_shapes)])


def _saturates(stage: Stage) -> bool:
    """Whether no number of a stage's result is larger than 1."""
    return stage.activation in ("sigmoid", "tanh")


def _growth(node: SizedNode) -> Growth:
    stage = node.stage
    return Growth(
        node.inputs,
        node.first_param,
        stage.n_params,
        stage.terms(node.x_shapes, node.param_shapes),
        normalises=stage.normalises,
        adds=stage.adds_inputs,
        multiplies=stage.multiplies_inputs,
        keeps=stage.keeps_size,
        saturates=_saturates(stage),
        slope=stage.growth[0],
        offset=stage.growth[1],
    )


class Measuring:
    """Which values of a graph a program looks at, asked node by node.

    Parameters
    ----------
    graph : StageGraph
    looks : int
        Which of `LOOKS`.
    """

    def __init__(self, graph: StageGraph, looks: int) -> None:
        self._enough, self._most = LOOKS[looks]
        self._readers = graph.readers
        #: For each value, how many products lie between it and something of known size.
        self._products = [0] * graph.n_inputs
        self._last = [max(readers, default=-1) for readers in self._readers]

    def wants(self, node: SizedNode, can_look: bool) -> bool:
        """Whether to look at a node's result; if `can_look`, that is somewhere in memory."""
        behind = [self._products[value] for value in node.inputs]
        products = sum(behind) if node.stage.multiplies_inputs else max(behind)
        if node.stage.normalises:
            products = 0
        products += node.stage.multiplies
        if _saturates(node.stage):
            products = 0
        wanted = (
            can_look
            and products >= self._enough
            and bool(self._readers[node.value])
            and (products >= self._most or self._is_alone(node))
        )
        self._products.append(0 if wanted else products)
        return wanted

    def _is_alone(self, node: SizedNode) -> bool:
        """Whether nothing else that is known by now is read later."""
        return all(last <= node.number for last in self._last[: node.value])


def stays_finite(
    growths: Sequence[Growth],
    xs: Sequence[float],
    params: Sequence[float],
    measured: Mapping[int, float],
) -> bool:
    """Whether no number that a forward pass met can have been NaN or infinite.

    Parameters
    ----------
    growths : sequence of Growth
        Of the nodes.
    xs, params : sequence of float
        The largest absolute values of each input and of each parameter, or larger ones. Of
        weights what `root_mean_square` says will do.
    measured : mapping of int to float
        The largest absolute values that were found on the way.
    """
    # Said this way round, here and below, so that NaN does not pass.
    if not all(x <= LIMIT for x in xs):
        return False
    values = list(xs)
    for growth in growths:
        inputs, first, n_params, terms = growth[:4]
        normalises, adds, multiplies, keeps, saturates, slope, offset = growth[4:]
        given = [values[value] for value in inputs]
        own = params[first : first + n_params]
        x = sum(given) if adds else math.prod(given) if multiplies else max(given)
        if normalises:
            # The variance is a mean of squares, and nothing lies more than √terms deviations away.
            passing = terms * x * x
            x = own[0] * math.sqrt(terms) + own[1]
        else:
            passing = terms * x * own[0] + sum(own[1:]) if own else terms * x
            x = (x if keeps else passing) * slope + offset
        if not (passing <= LIMIT and x <= LIMIT and all(each <= LIMIT for each in own)):
            return False
        x = min(x, 1.0) if saturates else x
        values.append(measured.get(len(values), x))
    return True


def largest_input(growths: Sequence[Growth], n_inputs: int, params: Sequence[float]) -> float:
    """A power of two up to which inputs leave all numbers finite; -1 if none does."""
    for exponent in range(int(math.log2(LIMIT)), -1, -1):
        if stays_finite(growths, [2.0**exponent] * n_inputs, params, {}):
            return 2.0**exponent
    return -1.0
