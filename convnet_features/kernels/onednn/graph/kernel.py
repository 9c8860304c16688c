"""The kernel of graphs of stages: plans from a cache, run on the caller's arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ... import threads
from ...contract import (
    Arrays,
    Call,
    Gradients,
    GraphKernel,
    StageGraph,
)
from ...memory import empty
from ...steps import ROUNDS, KernelStep
from ..binding.arrays import all_float32, flipped, images, plain
from ..binding.objects import UnsupportedError
from ..binding.primitives import Primitives
from ..plan.choice import choose
from ..plan.thresholds import is_for_one_thread
from ..program.buffers import Buffer, BufferPool
from ..program.lru_cache import LRUCache
from ..program.program import Constants, Program
from ..stages.forward_plan import ForwardPlan, PlanKey
from .backward import build_backward
from .explanation import backward_steps, forward_steps
from .forward import build_forward

__all__ = ["Measured", "OneDNNGraph"]

Shape = tuple[int, ...]
#: How large values on the way were, by number; None if oneDNN did not compute them.
Measured = dict[int, float] | None
#: Plans of one graph that are kept: one for each batch size, say.
PLANS = 32


class OneDNNGraph(GraphKernel):
    """A graph of stages computed by oneDNN, or by `portable` where that is better.

    Parameters
    ----------
    graph : StageGraph
    primitives : Primitives
    pool : BufferPool
    portable : GraphKernel
        The same graph's portable kernel, for dtypes other than float32, empty
        arrays, and stages for which oneDNN has only slow reference code.

    Notes
    -----
    A plan holds for the shapes and layouts (plain or channels last) of the
    inputs, the shapes of the parameters and a number of threads. It holds no values:
    parameters are read anew at each call, so they may be changed in place
    between calls. Filters are reordered at each call, at 10 to 20 µs, and dense
    weights are used as they are; `prepare` does that once.
    """

    def __init__(
        self,
        graph: StageGraph,
        primitives: Primitives,
        pool: BufferPool,
        portable: GraphKernel,
    ) -> None:
        self.graph = graph
        self._primitives = primitives
        self._pool = pool
        self._portable = portable
        self._forward_plans: LRUCache[ForwardPlan | None] = LRUCache(PLANS)
        self._backward_programs: LRUCache[Program | None] = LRUCache(PLANS)
        self._to_flip = _filters_to_flip(graph)
        self._learnt = [index for index, own in enumerate(graph.learnt) if own]

    def forward(self, xs: Arrays, params: Arrays) -> list[np.ndarray]:
        """See `GraphKernel.forward`."""
        return self.measured_forward(xs, params, looks=0)[0]

    def measured_forward(
        self, xs: Arrays, params: Arrays, looks: int
    ) -> tuple[list[np.ndarray], Measured]:
        """The results, and how large values on the way were; `looks` is one of `bounds.LOOKS`."""
        if not all_float32((*xs, *params)):
            return self._portable.forward(xs, params), None
        ready, layouts = _inputs(xs)
        plan = self._plan(xs, layouts, params, training=False, looks=looks)
        if plan is None:
            return self._portable.forward(xs, params), None
        return _computed(plan, {**ready, **self._parameters(params)})

    def prepare(self, params: Arrays) -> Callable[[Arrays], list[np.ndarray]]:
        """See `GraphKernel.prepare`."""
        prepared = self.measured_prepare(params)
        return lambda xs: prepared(xs, 0)[0]

    def measured_prepare(
        self, params: Arrays
    ) -> Callable[[Arrays, int], tuple[list[np.ndarray], Measured]]:
        """`measured_forward` of parameters that are laid out once for each size of batch."""
        if not all_float32(params):
            return lambda xs, looks: (self._portable.forward(xs, params), None)
        constants = Constants(self._parameters(params))
        shapes = tuple([param.shape for param in params])
        plans: LRUCache[ForwardPlan | None] = LRUCache(PLANS)

        def forward(xs: Arrays, looks: int) -> tuple[list[np.ndarray], Measured]:
            if not all_float32(xs):
                return self.measured_forward(xs, params, looks)
            ready, layouts = _inputs(xs)
            key = _key(xs, layouts, shapes, False, looks)
            plan = plans.get(key, lambda: self._build_forward(key, constants))
            if plan is None:
                return self.measured_forward(xs, params, looks)
            return _computed(plan, ready)

        return forward

    def explain_call(self, call: Call) -> list[KernelStep]:
        """See `GraphKernel.explain`."""
        xs, params = call.xs, call.params
        if not all_float32((*xs, *params)):
            return self._explain_portable("oneDNN computes in float32", call)
        ready, layouts = _inputs(xs)
        key = _key(xs, layouts, tuple([param.shape for param in params]), call.training, 0)
        try:
            plan = self._built_forward(key)
            program = self._built_backward(plan, call.input_grads) if call.training else None
        except UnsupportedError as error:
            return self._explain_portable(str(error), call)
        seconds: tuple[Sequence[float] | None, Sequence[float] | None] = (None, None)
        if call.timed:
            seconds = self._seconds(plan, program, {**ready, **self._parameters(params)})
        steps = forward_steps(plan, seconds[0])
        return [*steps, *(backward_steps(plan, program, seconds[1]) if program else [])]

    def _explain_portable(self, reason: str, call: Call) -> list[KernelStep]:
        return [step._replace(why=reason) for step in self._portable.explain_call(call)]

    def _built_backward(self, plan: ForwardPlan, input_grads: Sequence[bool]) -> Program:
        given, number = (True,) * len(plan.y_shapes), plan.program.num_threads
        with threads.openmp_threads(number):
            return build_backward(self._primitives, self._pool, plan, given, input_grads, number)

    def _seconds(
        self, plan: ForwardPlan, program: Program | None, arrays: dict[str, np.ndarray]
    ) -> tuple[list[float], list[float] | None]:
        """The seconds of each step forward, and backward where there is a backward program."""
        saved = self._pool.lend(plan.program.saved.size) if plan.program.saved.size else None
        try:
            for each in filter(None, (plan.program, program)):
                for name, value in each.externals.items():
                    if name not in arrays:
                        # Where results go, and gradients that come in.
                        arrays[name] = np.ones(value.storage.size // 4, np.float32)
            forward = plan.program.timed(arrays, saved, ROUNDS)
            return forward, program.timed(arrays, saved, ROUNDS) if program else None
        finally:
            if saved is not None:
                self._pool.take_back(saved)

    def forward_training(self, xs: Arrays, params: Arrays) -> tuple[list[np.ndarray], Any]:
        """See `GraphKernel.forward_training`; the workspace may be used more than once."""
        return self.measured_forward_training(xs, params, looks=0)[:2]

    def measured_forward_training(
        self, xs: Arrays, params: Arrays, looks: int
    ) -> tuple[list[np.ndarray], Any, Measured]:
        """`forward_training`, and how large values on the way were."""
        if not all_float32((*xs, *params)):
            return (*self._portable.forward_training(xs, params), None)
        ready, layouts = _inputs(xs)
        plan = self._plan(xs, layouts, params, training=True, looks=looks)
        if plan is None or not plan.has_backward:
            return (*self._portable.forward_training(xs, params), None)
        workspace = Workspace(plan, self._parameters(params), self._pool)
        arrays = {**ready, **workspace.parameters, **workspace.statistics}
        ys, measured = _computed(plan, arrays, workspace.saved)
        return ys, workspace, measured

    def statistics(self, workspace: Any) -> list[np.ndarray]:
        """See `GraphKernel.statistics`."""
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
        xs: Arrays,
        params: Arrays,
        ys: Arrays,
        gys: Sequence[np.ndarray | None],
        input_grads: Sequence[bool],
    ) -> Gradients:
        """See `GraphKernel.backward`."""
        if not isinstance(workspace, Workspace):
            return self._portable.backward(workspace, xs, params, ys, gys, input_grads)
        plan = workspace.plan
        _check_gradients(gys, ys, plan.y_shapes)
        given = tuple([gy is not None for gy in gys])
        input_grads = tuple(input_grads)
        # There may be fewer threads than forwards: in a forked child, say.
        number = min(plan.program.num_threads, threads.get_num_threads())
        program = self._backward_programs.get(
            (plan.key, given, input_grads, number),
            lambda: self._build_backward(plan, given, input_grads, number),
        )
        if program is None:
            _, workspace = self._portable.forward_training(xs, params)
            return self._portable.backward(workspace, xs, params, ys, gys, input_grads)
        of_inputs = {
            f"gx{i}": _gradient(program, f"gx{i}", x.shape)
            for i, (x, needed) in enumerate(zip(xs, input_grads, strict=True))
            if needed
        }
        of_params = {i: _gradient(program, f"gp{i}", params[i].shape) for i in self._learnt}
        program.execute(
            {
                **workspace.parameters,
                **workspace.statistics,
                **_inputs(xs)[0],
                **{f"y{i}": plain(y) for i, y in enumerate(ys)},
                **{
                    f"gy{i}": plain(gy.astype(np.float32, copy=False))
                    for i, gy in enumerate(gys)
                    if gy is not None
                },
                **of_inputs,
                **{f"gp{i}": gradient for i, gradient in of_params.items()},
            },
            workspace.saved,
        )
        for index in self._to_flip:
            of_params[index] = flipped(of_params[index])
        return [of_inputs.get(f"gx{i}") for i in range(len(xs))], list(of_params.values())

    def clear_caches(self) -> None:
        """Forget all plans."""
        self._forward_plans.clear()
        self._backward_programs.clear()

    @property
    def num_plans(self) -> int:
        """How many plans are kept."""
        return len(self._forward_plans) + len(self._backward_programs)

    @property
    def forward_plans(self) -> list[ForwardPlan]:
        """Those of calls so far that are kept, where oneDNN computed them."""
        return [plan for plan in self._forward_plans.values() if plan is not None]

    @property
    def backward_programs(self) -> list[Program]:
        """Those of calls so far that are kept, where oneDNN computed them."""
        return [program for program in self._backward_programs.values() if program is not None]

    def _parameters(self, params: Arrays) -> dict[str, np.ndarray]:
        arrays = {f"p{index}": plain(param) for index, param in enumerate(params)}
        for index in self._to_flip:
            arrays[f"p{index}"] = flipped(params[index])
        return arrays

    def _plan(
        self, xs: Arrays, layouts: tuple[str, ...], params: Arrays, training: bool, looks: int
    ) -> ForwardPlan | None:
        key = _key(xs, layouts, tuple([param.shape for param in params]), training, looks)
        return self._forward_plans.get(key, lambda: self._build_forward(key))

    def _build_forward(
        self, key: PlanKey, constants: Constants | None = None
    ) -> ForwardPlan | None:
        try:
            return self._built_forward(key, constants)
        except UnsupportedError:
            return None

    def _built_forward(self, key: PlanKey, constants: Constants | None = None) -> ForwardPlan:
        graph = self.graph
        work = sum(
            node.stage.multiplications(node.x_shapes, node.param_shapes)
            for node in graph.walk(key.x_shapes, key.param_shapes)
        )
        num_threads = 1 if is_for_one_thread(work) else threads.team(key.num_threads)
        choices = choose(
            graph, key.x_shapes, key.param_shapes, key.training, self._primitives.machine
        )
        if choices.portable:
            raise UnsupportedError(choices.portable)
        with threads.openmp_threads(num_threads):
            return build_forward(
                self._primitives, self._pool, graph, key, choices, num_threads, constants
            )

    def _build_backward(
        self,
        plan: ForwardPlan,
        given: Sequence[bool],
        input_grads: Sequence[bool],
        num_threads: int,
    ) -> Program | None:
        num_threads = threads.team(num_threads)
        try:
            with threads.openmp_threads(num_threads):
                return build_backward(
                    self._primitives, self._pool, plan, given, input_grads, num_threads
                )
        except UnsupportedError:
            # Too late for this step, which computes its forward pass again; not for the next.
            plan.has_backward = False
            return None


class Workspace:
    """What a forward pass leaves to its backward pass.

    The buffer goes back to the pool when the workspace is collected, so
    `OneDNNGraph.backward` may use it any number of times.
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


def _filters_to_flip(graph: StageGraph) -> list[int]:
    """Positions of the parameters whose rows and columns oneDNN must see reversed."""
    return [
        position
        for position, (number, name) in enumerate(graph.params)
        if name in graph.nodes[number].stage.flipped_params
    ]


def _inputs(xs: Arrays) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    """The inputs as they lie in memory, and their layouts."""
    ready = [images(x) for x in xs]
    arrays = {f"x{number}": array for number, (array, _) in enumerate(ready)}
    return arrays, tuple([layout for _, layout in ready])


def _key(
    xs: Arrays,
    layouts: tuple[str, ...],
    param_shapes: tuple[Shape, ...],
    training: bool,
    looks: int,
) -> PlanKey:
    shapes = tuple([x.shape for x in xs])
    return PlanKey(shapes, layouts, param_shapes, training, threads.get_num_threads(), looks)


def _computed(
    plan: ForwardPlan, arrays: Mapping[str, np.ndarray], saved: Buffer | None = None
) -> tuple[list[np.ndarray], dict[int, float]]:
    """A plan's results, and how large values on the way were."""
    ys = {f"y{i}": empty(shape) for i, shape in enumerate(plan.y_shapes)}
    found = plan.program.execute({**arrays, **ys}, saved)
    return list(ys.values()), dict(zip(plan.measured, found, strict=True))


def _gradient(program: Program, name: str, shape: Shape) -> np.ndarray:
    """A new array for a gradient: zeros where the program does not write it."""
    return empty(shape) if name in program.externals else np.zeros(shape, np.float32)


def _check_gradients(gys: Sequence[np.ndarray | None], ys: Arrays, shapes: Sequence[Shape]) -> None:
    for gy, y, shape in zip(gys, ys, shapes, strict=True):
        if y.shape != shape or (gy is not None and gy.shape != shape):
            given = "None" if gy is None else gy.shape
            raise ValueError(
                f"the graph's result has shape {shape}, but backward was given y of shape "
                f"{y.shape} and gy of shape {given}"
            )
