"""Graphs whose results are right for NaN and infinity too.

oneDNN computes a graph, and looks at the largest number of some values on the way.
With these, `bounds` says whether all numbers were finite. Where they may not have
been, the portable kernels compute the graph again: they treat NaN and infinity as
NumPy does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from convnet_features.kernels.contract import (
    Arrays,
    Gradients,
    GraphKernel,
    MaskStage,
    StageGraph,
)
from convnet_features.kernels.magnitude import magnitude, upper_bounds
from convnet_features.kernels.onednn.arrays import all_float32
from convnet_features.kernels.onednn.bounds import Growth, growths, largest_input, stays_finite
from convnet_features.kernels.onednn.stack import OneDNNGraph

__all__ = ["CarefulGraph"]

#: Shapes of inputs for which it is remembered what stages make of them.
SHAPES = 64

Shape = tuple[int, ...]


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
        self._growths: dict[tuple[Shape, ...], tuple[Growth, ...]] = {}
        #: For each parameter how large it can be, where stages know that.
        self._known = [
            node.stage.largest if isinstance(node.stage, MaskStage) else None
            for node in graph.nodes
            for _ in node.stage.params
        ]

    def forward(self, xs: Arrays, params: Arrays) -> list[np.ndarray]:
        """See `GraphKernel.forward`."""
        ys, measured = self.fast.measured_forward(xs, params)
        if measured is None or self._stays_finite(xs, params, self._magnitudes(params), measured):
            return ys
        return self._portable.forward(xs, params)

    def prepare(self, params: Arrays) -> Callable[[Arrays], list[np.ndarray]]:
        """See `GraphKernel.prepare`; how large inputs may be is found out once for each shape."""
        compute = self.fast.measured_prepare(params)
        magnitudes = self._magnitudes(params)
        limits: dict[tuple[Shape, ...], float] = {}

        def forward(xs: Arrays) -> list[np.ndarray]:
            ys, measured = compute(xs)
            if measured is None:
                return ys
            shapes = tuple([x.shape for x in xs])
            limit = limits.get(shapes)
            if limit is None:
                if len(limits) >= SHAPES:
                    limits.clear()
                limit = limits[shapes] = largest_input(
                    self._growths_of(xs, params), len(xs), magnitudes
                )
            if all(magnitude(x) <= limit for x in xs):
                return ys
            if self._stays_finite(xs, params, magnitudes, measured):
                return ys
            return self._portable.forward(xs, params)

        return forward

    def forward_training(self, xs: Arrays, params: Arrays) -> tuple[list[np.ndarray], Any]:
        """See `GraphKernel.forward_training`; the workspace may be used more than once."""
        ys, workspace = self.fast.forward_training(xs, params)
        measured = self.fast.measured(workspace)
        if measured is None or self._stays_finite(xs, params, self._magnitudes(params), measured):
            return ys, workspace
        return self._portable.forward_training(xs, params)

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

    def _stays_finite(
        self,
        xs: Arrays,
        params: Arrays,
        magnitudes: Sequence[float],
        measured: dict[int, float],
    ) -> bool:
        of_inputs = [magnitude(x) for x in xs]
        return stays_finite(self._growths_of(xs, params), of_inputs, magnitudes, measured)

    def _growths_of(self, xs: Arrays, params: Arrays) -> tuple[Growth, ...]:
        x_shapes, param_shapes = [x.shape for x in xs], [param.shape for param in params]
        key = (*x_shapes, *param_shapes)
        found = self._growths.get(key)
        if found is None:
            if len(self._growths) >= SHAPES:
                self._growths.clear()
            found = self._growths[key] = growths(self.graph, x_shapes, param_shapes)
        return found

    def _magnitudes(self, params: Arrays) -> list[float]:
        """How large each parameter is, or something larger; masks often say so themselves."""
        if not all_float32(params):
            return [magnitude(param) for param in params]
        unknown = [p for p, known in zip(params, self._known, strict=True) if known is None]
        found = iter(upper_bounds(unknown))
        return [next(found) if known is None else known for known in self._known]
