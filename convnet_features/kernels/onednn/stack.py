"""The stack kernel: plans from a cache, run on the caller's arrays."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from convnet_features.kernels import threads
from convnet_features.kernels.contract import (
    ConvStage,
    DenseStage,
    StackKernel,
    Stage,
    learnt,
    stack_output_shape,
)
from convnet_features.kernels.memory import empty
from convnet_features.kernels.onednn.arrays import all_float32, flipped, images, plain
from convnet_features.kernels.onednn.buffers import Buffer, BufferPool
from convnet_features.kernels.onednn.cache import LRUCache
from convnet_features.kernels.onednn.objects import UnsupportedError
from convnet_features.kernels.onednn.primitives import Primitives
from convnet_features.kernels.onednn.program import Program
from convnet_features.kernels.onednn.program_cache import WORK_OF_ONE_THREAD
from convnet_features.kernels.onednn.stack_backward import build_backward
from convnet_features.kernels.onednn.stack_forward import build_forward
from convnet_features.kernels.onednn.stack_plan import ForwardPlan, PlanKey
from convnet_features.kernels.onednn.support import supports_stack

__all__ = ["OneDNNStack"]

Shape = tuple[int, ...]
#: Plans of one stack that are kept: one for each batch size, say.
PLANS = 32
#: And of one prepared function, whose plans hold parameters.
PREPARED_PLANS = 4


class OneDNNStack(StackKernel):
    """A stack computed by oneDNN, or by `portable` where that is better.

    Parameters
    ----------
    stages : tuple of Stage
    primitives : Primitives
    pool : BufferPool
    portable : StackKernel
        The same stack's portable kernel, for dtypes other than float32, empty
        arrays, and stages for which oneDNN has only slow reference code.

    Notes
    -----
    A plan holds for one shape of images, one layout (plain or channels last),
    the shapes of the parameters and a number of threads. It holds no values:
    parameters are read anew at each call, so they may be changed in place
    between calls. Filters are reordered at each call, at 10 to 20 µs, and dense
    weights are used as they are; `prepare` does that once.
    """

    def __init__(
        self,
        stages: tuple[Stage, ...],
        primitives: Primitives,
        pool: BufferPool,
        portable: StackKernel,
    ) -> None:
        self.stages = stages
        self._primitives = primitives
        self._pool = pool
        self._portable = portable
        self._forward_plans: LRUCache[ForwardPlan | None] = LRUCache(PLANS)
        self._backward_programs: LRUCache[Program | None] = LRUCache(PLANS)
        self._to_flip = _filters_to_flip(stages)
        self._learnt = [(i, f"p{i}") for i, own in enumerate(learnt(stages)) if own]

    def forward(self, x: np.ndarray, params: Sequence[np.ndarray]) -> np.ndarray:
        """See `StackKernel.forward`."""
        if not all_float32((x, *params)):
            return self._portable.forward(x, params)
        ready, layout = images(x)
        plan = self._plan(x.shape, layout, params, training=False)
        if plan is None:
            return self._portable.forward(x, params)
        y = empty(plan.y_shape)
        plan.program.execute({"x": ready, "y": y, **self._parameters(params)})
        return y

    def prepare(self, params: Sequence[np.ndarray]) -> Callable[[np.ndarray], np.ndarray]:
        """See `StackKernel.prepare`: filters are laid out once for each size of batch."""
        if not all_float32(params):
            return super().prepare(params)
        constants = {name: np.array(value) for name, value in self._parameters(params).items()}
        shapes = tuple([param.shape for param in params])
        plans: LRUCache[ForwardPlan | None] = LRUCache(PREPARED_PLANS)

        def forward(x: np.ndarray) -> np.ndarray:
            if x.dtype != np.float32:
                return self.forward(x, params)
            ready, layout = images(x)
            key = PlanKey(x.shape, layout, shapes, False, threads.get_num_threads())
            plan = plans.get(key, lambda: self._build_forward(key, constants))
            if plan is None:
                return self.forward(x, params)
            y = empty(plan.y_shape)
            plan.program.execute({"x": ready, "y": y})
            return y

        return forward

    def forward_training(
        self, x: np.ndarray, params: Sequence[np.ndarray]
    ) -> tuple[np.ndarray, Any]:
        """See `StackKernel.forward_training`; the workspace may be used more than once."""
        if not all_float32((x, *params)):
            return self._portable.forward_training(x, params)
        ready, layout = images(x)
        plan = self._plan(x.shape, layout, params, training=True)
        if plan is None or not plan.has_backward:
            return self._portable.forward_training(x, params)
        workspace = Workspace(plan, self._parameters(params), self._pool)
        y = empty(plan.y_shape)
        arrays = {"x": ready, "y": y, **workspace.parameters, **workspace.statistics}
        plan.program.execute(arrays, workspace.saved)
        return y, workspace

    def statistics(self, workspace: Any) -> list[np.ndarray]:
        """See `StackKernel.statistics`."""
        if not isinstance(workspace, Workspace):
            return self._portable.statistics(workspace)
        found = []
        for number, (epsilon, _) in enumerate(workspace.plan.statistics):
            variance = workspace.statistics[f"variance{number}"]
            inv_std = 1 / np.sqrt(variance + np.float32(epsilon))
            found += [workspace.statistics[f"mean{number}"], inv_std]
        return found

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
        if not isinstance(workspace, Workspace):
            return self._portable.backward(workspace, x, params, y, gy, input_grad)
        plan = workspace.plan
        _check_gradient(gy, y, plan.y_shape)
        # There may be fewer threads than forwards: in a forked child, say.
        number = min(plan.program.num_threads, threads.get_num_threads())
        program = self._backward_programs.get(
            (plan.key, input_grad, number), lambda: self._build_backward(plan, input_grad, number)
        )
        if program is None:
            _, workspace = self._portable.forward_training(x, params)
            return self._portable.backward(workspace, x, params, y, gy, input_grad)
        gx = empty(x.shape) if input_grad else None
        gradients = {f"g{name}": empty(params[i].shape) for i, name in self._learnt}
        arrays = {
            **workspace.parameters,
            **workspace.statistics,
            **gradients,
            "x": images(x)[0],
            "y": plain(y),
            "gy": plain(gy.astype(np.float32, copy=False)),
        }
        if gx is not None:
            arrays["gx"] = gx
        program.execute(arrays, workspace.saved)
        for index in self._to_flip:
            gradients[f"gp{index}"] = flipped(gradients[f"gp{index}"])
        return gx, list(gradients.values())

    def clear_caches(self) -> None:
        """Forget all plans."""
        self._forward_plans.clear()
        self._backward_programs.clear()

    @property
    def num_plans(self) -> int:
        """How many plans are kept."""
        return len(self._forward_plans) + len(self._backward_programs)

    def _parameters(self, params: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
        arrays = {f"p{index}": plain(param) for index, param in enumerate(params)}
        for index in self._to_flip:
            arrays[f"p{index}"] = flipped(params[index])
        return arrays

    def _plan(
        self, x_shape: Shape, layout: str, params: Sequence[np.ndarray], training: bool
    ) -> ForwardPlan | None:
        shapes = tuple([param.shape for param in params])
        key = PlanKey(x_shape, layout, shapes, training, threads.get_num_threads())
        return self._forward_plans.get(key, lambda: self._build_forward(key))

    def _build_forward(
        self, key: PlanKey, constants: Mapping[str, np.ndarray] | None = None
    ) -> ForwardPlan | None:
        work = _work(self.stages, key.x_shape, key.param_shapes)
        num_threads = 1 if work < WORK_OF_ONE_THREAD else threads.team(key.num_threads)
        if not supports_stack(self.stages, key.x_shape, key.param_shapes):
            return None
        try:
            with threads.openmp_threads(num_threads):
                return build_forward(
                    self._primitives, self._pool, self.stages, key, num_threads, constants
                )
        except UnsupportedError:
            return None

    def _build_backward(
        self, plan: ForwardPlan, input_grad: bool, num_threads: int
    ) -> Program | None:
        num_threads = threads.team(num_threads)
        try:
            with threads.openmp_threads(num_threads):
                return build_backward(self._primitives, self._pool, plan, input_grad, num_threads)
        except UnsupportedError:
            # Too late for this step, which computes its forward pass again; not for the next.
            plan.has_backward = False
            return None


class Workspace:
    """What a forward pass leaves to its backward pass.

    The buffer goes back to the pool when the workspace is collected, so
    `OneDNNStack.backward` may use it any number of times.
    """

    def __init__(
        self, plan: ForwardPlan, parameters: dict[str, np.ndarray], pool: BufferPool
    ) -> None:
        self.plan = plan
        self.parameters = parameters
        self.statistics = {
            f"{name}{number}": empty(shape)
            for number, (_, shape) in enumerate(plan.statistics)
            for name in ("mean", "variance")
        }
        self.saved: Buffer = pool.lend(plan.program.saved.size)
        self._pool = pool

    def __del__(self) -> None:
        self._pool.take_back(self.saved)


def _filters_to_flip(stages: Sequence[Stage]) -> list[int]:
    """Positions of the parameters whose rows and columns oneDNN must see reversed."""
    positions, position = [], 0
    for stage in stages:
        if isinstance(stage, ConvStage) and stage.conv.flip_filters:
            positions.append(position)
        position += stage.n_params
    return positions


def _work(stages: Sequence[Stage], x_shape: Shape, param_shapes: Sequence[Shape]) -> int:
    """Multiplications of a forward pass."""
    total, shape, shapes = 0, x_shape, iter(param_shapes)
    for stage in stages:
        own = [next(shapes) for _ in range(stage.n_params)]
        shape = stack_output_shape([stage], shape, own)
        if isinstance(stage, ConvStage | DenseStage):
            outputs = math.prod(shape[2:]) * shape[0]
            total += math.prod(own[0]) * outputs
    return total


def _check_gradient(gy: np.ndarray, y: np.ndarray, shape: Shape) -> None:
    if gy.shape != shape or y.shape != shape:
        raise ValueError(
            f"the stack's result has shape {shape}, but backward was given y of shape {y.shape} "
            f"and gy of shape {gy.shape}"
        )
