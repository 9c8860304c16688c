"""A stack whose result is right for NaN and infinity too.

oneDNN computes it as long as `bounds` says that all numbers stay finite. Where they
may not, it is computed in two halves, as the bound of the second begins with the
numbers that there are between them; and a single stage, in the end, by the portable
kernels, which treat NaN and infinity as NumPy does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from convnet_features.kernels.contract import MaskStage, StackKernel, Stage
from convnet_features.kernels.magnitude import magnitude, upper_bounds
from convnet_features.kernels.onednn.arrays import FLOAT32, all_float32
from convnet_features.kernels.onednn.bounds import Growth, growths, largest_image, stays_finite
from convnet_features.kernels.onednn.stack import OneDNNStack

__all__ = ["CarefulStack"]

#: Shapes of images for which it is remembered what stages make of them.
SHAPES = 64

Kernels = tuple[OneDNNStack, StackKernel]
Shape = tuple[int, ...]


class CarefulStack(StackKernel):
    """A stack by oneDNN where its numbers stay finite; else in halves, or by portable kernels.

    Parameters
    ----------
    stages : tuple of Stage
    make : callable
        From stages to oneDNN's kernel and the portable one.

    Attributes
    ----------
    fast : OneDNNStack
    """

    def __init__(
        self, stages: tuple[Stage, ...], make: Callable[[tuple[Stage, ...]], Kernels]
    ) -> None:
        self.stages = stages
        self.n_params = sum(stage.n_params for stage in stages)
        self.fast, self._portable = make(stages)
        self._make = make
        self._growths: dict[tuple[Shape, ...], tuple[Growth, ...]] = {}
        self._both: tuple[CarefulStack, CarefulStack] | None = None
        #: For each parameter how large it can be, where stages know that.
        self._known = [
            stage.largest if isinstance(stage, MaskStage) else None
            for stage in stages
            for _ in range(stage.n_params)
        ]

    def forward(self, x: np.ndarray, params: Sequence[np.ndarray]) -> np.ndarray:
        """See `StackKernel.forward`."""
        if not all_float32((x, *params)):
            return self.fast.forward(x, params)
        return self._forward(x, params, self._magnitudes(params))

    def _forward(
        self, x: np.ndarray, params: Sequence[np.ndarray], magnitudes: Sequence[float]
    ) -> np.ndarray:
        if self._stays_finite(x, params, magnitudes):
            return self.fast.forward(x, params)
        if len(self.stages) == 1:
            return self._portable.forward(x, params)
        first, second = self._halves()
        n = first.n_params
        between = first._forward(x, params[:n], magnitudes[:n])
        return second._forward(between, params[n:], magnitudes[n:])

    def prepare(self, params: Sequence[np.ndarray]) -> Callable[[np.ndarray], np.ndarray]:
        """See `StackKernel.prepare`; how large images may be is found out once for each shape."""
        compute = self.fast.prepare(params)
        if not all_float32(params):
            return compute
        magnitudes = self._magnitudes(params)
        limits: dict[Shape, float] = {}
        otherwise: list[Callable[[np.ndarray], np.ndarray]] = []

        def forward(x: np.ndarray) -> np.ndarray:
            if x.dtype != FLOAT32:
                return compute(x)
            limit = limits.get(x.shape)
            if limit is None:
                if len(limits) >= SHAPES:
                    limits.clear()
                limit = limits[x.shape] = largest_image(self._growths_of(x, params), magnitudes)
            if magnitude(x) <= limit:
                return compute(x)
            if not otherwise:
                otherwise.append(self._prepare_otherwise(params))
            return otherwise[0](x)

        return forward

    def _prepare_otherwise(
        self, params: Sequence[np.ndarray]
    ) -> Callable[[np.ndarray], np.ndarray]:
        if len(self.stages) == 1:
            return self._portable.prepare(params)
        halves = self._halves()
        n = halves[0].n_params
        first, second = halves[0].prepare(params[:n]), halves[1].prepare(params[n:])
        return lambda x: second(first(x))

    def forward_training(
        self, x: np.ndarray, params: Sequence[np.ndarray]
    ) -> tuple[np.ndarray, Any]:
        """See `StackKernel.forward_training`; the workspace may be used more than once."""
        if not all_float32((x, *params)):
            return self.fast.forward_training(x, params)
        return self._forward_training(x, params, self._magnitudes(params))

    def _forward_training(
        self, x: np.ndarray, params: Sequence[np.ndarray], magnitudes: Sequence[float]
    ) -> tuple[np.ndarray, Any]:
        if self._stays_finite(x, params, magnitudes):
            return self.fast.forward_training(x, params)
        if len(self.stages) == 1:
            return self._portable.forward_training(x, params)
        first, second = self._halves()
        n = first.n_params
        between, of_first = first._forward_training(x, params[:n], magnitudes[:n])
        y, of_second = second._forward_training(between, params[n:], magnitudes[n:])
        return y, _Workspaces(of_first, between, of_second)

    def statistics(self, workspace: Any) -> list[np.ndarray]:
        """See `StackKernel.statistics`."""
        if not isinstance(workspace, _Workspaces):
            return self.fast.statistics(workspace)
        first, second = self._halves()
        return [*first.statistics(workspace.first), *second.statistics(workspace.second)]

    def backward(
        self,
        workspace: Any,
        x: np.ndarray,
        params: Sequence[np.ndarray],
        y: np.ndarray,
        gy: np.ndarray,
        input_grad: bool,
    ) -> tuple[np.ndarray | None, list[np.ndarray]]:
        """See `StackKernel.backward`."""
        if not isinstance(workspace, _Workspaces):
            return self.fast.backward(workspace, x, params, y, gy, input_grad)
        first, second = self._halves()
        n, between = first.n_params, workspace.between
        g_between, of_second = second.backward(
            workspace.second, between, params[n:], y, gy, input_grad=True
        )
        assert g_between is not None
        gx, of_first = first.backward(
            workspace.first, x, params[:n], between, g_between, input_grad
        )
        return gx, [*of_first, *of_second]

    def _stays_finite(
        self, x: np.ndarray, params: Sequence[np.ndarray], magnitudes: Sequence[float]
    ) -> bool:
        return stays_finite(self._growths_of(x, params), magnitude(x), magnitudes)

    def _growths_of(self, x: np.ndarray, params: Sequence[np.ndarray]) -> tuple[Growth, ...]:
        key = (x.shape, *[param.shape for param in params])
        found = self._growths.get(key)
        if found is None:
            if len(self._growths) >= SHAPES:
                self._growths.clear()
            found = self._growths[key] = growths(self.stages, x.shape, key[1:])
        return found

    def _magnitudes(self, params: Sequence[np.ndarray]) -> list[float]:
        """How large each parameter is, or something larger; masks often say so themselves."""
        unknown = [p for p, known in zip(params, self._known, strict=True) if known is None]
        found = iter(upper_bounds(unknown))
        return [next(found) if known is None else known for known in self._known]

    def _halves(self) -> tuple[CarefulStack, CarefulStack]:
        """The first stages as a kernel, and the others."""
        if self._both is None:
            middle = len(self.stages) // 2
            self._both = (
                CarefulStack(self.stages[:middle], self._make),
                CarefulStack(self.stages[middle:], self._make),
            )
        return self._both


@dataclass(frozen=True)
class _Workspaces:
    """Of two halves, and what the first handed to the second."""

    first: Any
    between: np.ndarray
    second: Any
