"""Graphs whose results are right for NaN and infinity too.

oneDNN computes a graph, and looks at the largest number of some values on the way.
With these, `bounds` says whether all numbers were finite. Where they may not have
been, it looks more closely; and in the end the portable kernels compute the graph:
they treat NaN and infinity as NumPy does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import le
from typing import Any, TypeVar

import numpy as np

from ...contract import (
    Arrays,
    Call,
    Gradients,
    GraphKernel,
    StageGraph,
)
from ...magnitude import magnitude, root_mean_square, upper_bounds
from ...steps import KernelStep
from ..binding.arrays import all_float32
from .bounds import (
    LIMIT,
    LOOKS,
    Growth,
    growths,
    largest_input,
    stays_finite,
)
from .kernel import Measured, OneDNNGraph

__all__ = ["CarefulGraph"]

#: How many times larger numbers may become before it is asked again whether they stay finite.
ROOM = 4.0
#: Shapes of inputs for which it is remembered what stages make of them.
SHAPES = 64

Shape = tuple[int, ...]
Result = TypeVar("Result")


class CarefulGraph(GraphKernel):
    """A graph by oneDNN where its numbers stay finite, else by the portable kernels.

    Parameters
    ----------
    graph : StageGraph
    fast : OneDNNGraph
    portable : GraphKernel
    """

    def __init__(self, graph: StageGraph, fast: OneDNNGraph, portable: GraphKernel) -> None:
        self.graph = graph
        self.fast = fast
        self._portable = portable
        self._looks = 0
        #: For which growths, of values that were looked at, what sizes leave all numbers finite.
        self._finite: tuple[tuple[Growth, ...] | None, tuple[int, ...], list[float]] = None, (), []
        self._growths: dict[tuple[Shape, ...], tuple[Growth, ...]] = {}
        #: For each parameter how large it can be, where stages know that.
        self._known = [largest for node in graph.nodes for largest in node.stage.largest_params]

    def forward(self, xs: Arrays, params: Arrays) -> list[np.ndarray]:
        """See `GraphKernel.forward`."""
        ys = self._computed(
            lambda looks: self.fast.measured_forward(xs, params, looks),
            xs,
            params,
            self._magnitudes(params),
        )
        return self._portable.forward(xs, params) if ys is None else ys

    def explain_call(self, call: Call) -> list[KernelStep]:
        """See `GraphKernel.explain`: of numbers that stay finite."""
        return self.fast.explain_call(call)

    def prepare(self, params: Arrays) -> Callable[[Arrays], list[np.ndarray]]:
        """See `GraphKernel.prepare`; how large inputs may be is found out once for each shape."""
        compute = self.fast.measured_prepare(params)
        magnitudes = self._magnitudes_of_each(params)
        limits: dict[tuple[Shape, ...], float] = {}

        def forward(xs: Arrays) -> list[np.ndarray]:
            shapes = tuple([x.shape for x in xs])
            limit = limits.get(shapes)
            if limit is None:
                if len(limits) >= SHAPES:
                    limits.clear()
                limit = limits[shapes] = largest_input(
                    self._growths_of(xs, params), len(xs), magnitudes
                )
            if all(magnitude(x) <= limit for x in xs):
                return compute(xs, 0)[0]
            ys = self._computed(lambda looks: compute(xs, looks), xs, params, magnitudes)
            return self._portable.forward(xs, params) if ys is None else ys

        return forward

    def forward_training(self, xs: Arrays, params: Arrays) -> tuple[list[np.ndarray], Any]:
        """See `GraphKernel.forward_training`; the workspace may be used more than once."""

        def compute(looks: int) -> tuple[tuple[list[np.ndarray], Any], Measured]:
            ys, workspace, measured = self.fast.measured_forward_training(xs, params, looks)
            return (ys, workspace), measured

        computed = self._computed(compute, xs, params, self._magnitudes(params))
        return self._portable.forward_training(xs, params) if computed is None else computed

    def _computed(
        self,
        compute: Callable[[int], tuple[Result, Measured]],
        xs: Arrays,
        params: Arrays,
        magnitudes: Sequence[float],
    ) -> Result | None:
        """What `compute` makes with one of `LOOKS`; None if numbers may not have been finite.

        Looks that were close enough once are taken first from then on.
        """
        of_inputs = [magnitude(x) for x in xs]
        # Said this way round, so that NaN does not pass.
        if not all(each <= LIMIT for each in (*of_inputs, *magnitudes)):
            return None
        growths = self._growths_of(xs, params)
        for looks in range(self._looks, len(LOOKS)):
            result, measured = compute(looks)
            if measured is None or self._stays_finite(growths, of_inputs, magnitudes, measured):
                self._looks = looks
                return result
        return None

    def _stays_finite(
        self,
        growths: tuple[Growth, ...],
        xs: Sequence[float],
        params: Sequence[float],
        measured: Mapping[int, float],
    ) -> bool:
        """See `bounds.stays_finite`, which is asked again where numbers are larger than ever."""
        sizes, places = [*xs, *params, *measured.values()], tuple(measured)
        of, at, largest_known = self._finite
        # Said this way round, so that NaN does not pass.
        if of is growths and at == places and all(map(le, sizes, largest_known)):
            return True
        if not stays_finite(growths, xs, params, measured):
            return False
        # What larger numbers make is larger; with some room, the next ones are smaller.
        roomy = [ROOM * size for size in sizes]
        behind = len(xs) + len(params)
        largest = dict(zip(measured, roomy[behind:], strict=True))
        if not stays_finite(growths, roomy[: len(xs)], roomy[len(xs) : behind], largest):
            roomy = sizes
        self._finite = growths, places, roomy
        return True

    def statistics(self, workspace: Any) -> list[np.ndarray]:
        """See `GraphKernel.statistics`."""
        return self.fast.statistics(workspace)

    def backward(
        self,
        workspace: Any,
        xs: Arrays,
        params: Arrays,
        ys: Arrays,
        gys: Sequence[np.ndarray | None],
        input_grads: Sequence[bool],
    ) -> Gradients:
        """See `GraphKernel.backward`."""
        return self.fast.backward(workspace, xs, params, ys, gys, input_grads)

    def _growths_of(self, xs: Arrays, params: Arrays) -> tuple[Growth, ...]:
        x_shapes, param_shapes = [x.shape for x in xs], [param.shape for param in params]
        key = (*x_shapes, *param_shapes)
        found = self._growths.get(key)
        if found is None:
            if len(self._growths) >= SHAPES:
                self._growths.clear()
            found = self._growths[key] = growths(self.graph, x_shapes, param_shapes)
        return found

    def _magnitudes_of_each(self, params: Arrays) -> list[float]:
        """How large each parameter is, as closely as bounds of sums of products ask for.

        It takes a pass over each parameter, and fewer looks at each call.
        """
        found = []
        for (number, name), param, known in zip(
            self.graph.params, params, self._known, strict=True
        ):
            stage = self.graph.nodes[number].stage
            if known is not None:
                found.append(known)
            elif name == "w" and stage.multiplies and stage.units_axis is not None:
                found.append(root_mean_square(param, stage.units_axis))
            else:
                found.append(magnitude(param))
        return found

    def _magnitudes(self, params: Arrays) -> list[float]:
        """How large each parameter is, or something larger; masks often say so themselves."""
        if not all_float32(params):
            return [magnitude(param) for param in params]
        unknown = [p for p, known in zip(params, self._known, strict=True) if known is None]
        found = iter(upper_bounds(unknown))
        return [next(found) if known is None else known for known in self._known]
