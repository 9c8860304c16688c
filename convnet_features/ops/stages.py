"""A graph of stages (convolutions, poolings, dense layers, their joins) as one operation.

Nobody writes a `Stages`: `convnet_features.fusion` replaces plain operations by it,
before gradients are taken.
"""

from __future__ import annotations

import itertools
from typing import Any

from pytensor.gradient import DisconnectedType, disconnected_type, grad_undefined
from pytensor.graph.basic import Apply, Variable
from pytensor.link.c.type import generic

from ..kernels.contract import Kernels, StageGraph
from .base import Kernel, KernelOp, tensor_of

__all__ = ["Stages", "StagesGrad"]


class Stages(KernelOp):
    """A graph of stages.

    Inputs are the graph's inputs and the stages' parameters, in order, masks
    among them. Outputs are the graph's results; a workspace, which exists only
    where a `StagesGrad` of the same graph asks for it; and the mean and 1 / standard
    deviation of each `NormStage`, for running averages: no gradient goes through them.
    """

    __props__ = ("graph",)

    def __init__(self, graph: StageGraph) -> None:
        self.graph = graph

    @property
    def n_results(self) -> int:
        """How many of the outputs are the graph's results."""
        return len(self.graph.outputs)

    def make_node(self, *inputs: Any) -> Apply:
        xs, params = inputs[: self.graph.n_inputs], inputs[self.graph.n_inputs :]
        dtype = xs[0].type.dtype
        shapes = self.graph.output_shapes(
            [x.type.shape for x in xs], [param.type.shape for param in params]
        )
        results = [tensor_of(dtype, tuple(shape))() for shape in shapes]
        channels = [
            param.type.shape
            for param, (_, name) in zip(params, self.graph.params, strict=True)
            if name == "gamma"
        ]
        statistics = [tensor_of(dtype, each)() for each in channels for _ in range(2)]
        return Apply(self, list(inputs), [*results, generic(), *statistics])

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        others = [False] * (len(node.outputs) - self.n_results)
        return [[*[connected] * self.n_results, *others] for connected in self._differentiable()]

    def pullback(self, inputs: Any, outputs: Any, output_grads: Any) -> list[Variable]:
        gys = output_grads[: self.n_results]
        given = tuple([not isinstance(gy.type, DisconnectedType) for gy in gys])
        if not any(given):
            return [disconnected_type() for _ in inputs]
        ys, workspace = outputs[: self.n_results], outputs[self.n_results]
        gys = itertools.compress(gys, given)
        grad = StagesGrad(self.graph, given)
        gradients = iter(grad(workspace, *inputs, *ys, *gys, return_list=True))
        return [
            next(gradients) if connected else disconnected_type()
            for connected in self._differentiable()
        ]

    def kernel(self, node: Apply, kernels: Kernels, needed: tuple[bool, ...]) -> Kernel:
        kernel = kernels.graph(self.graph)
        n_inputs, n_results = self.graph.n_inputs, self.n_results
        if any(needed[n_results + 1 :]):

            def with_statistics(*inputs: Any) -> tuple[Any, ...]:
                ys, workspace = kernel.forward_training(inputs[:n_inputs], inputs[n_inputs:])
                return (*ys, workspace, *kernel.statistics(workspace))

            return with_statistics
        absent = (None,) * (len(needed) - n_results - 1)
        if needed[n_results]:

            def for_gradients(*inputs: Any) -> tuple[Any, ...]:
                ys, workspace = kernel.forward_training(inputs[:n_inputs], inputs[n_inputs:])
                return (*ys, workspace, *absent)

            return for_gradients
        return lambda *inputs: (
            *kernel.forward(inputs[:n_inputs], inputs[n_inputs:]),
            None,
            *absent,
        )

    def frozen_kernel(
        self, node: Apply, kernels: Kernels, needed: tuple[bool, ...], values: list[Any]
    ) -> Kernel | None:
        xs, params = values[: self.graph.n_inputs], values[self.graph.n_inputs :]
        if any(needed[self.n_results :]) or any(x is not None for x in xs):
            return None
        if any(value is None for value in params):
            return None
        forward = kernels.graph(self.graph).prepare(params)
        absent = (None,) * (len(needed) - self.n_results)
        return lambda *inputs: (*forward(inputs), *absent)

    def _differentiable(self) -> list[bool]:
        """For each input, whether it has a gradient."""
        return [*[True] * self.graph.n_inputs, *self.graph.learnt]


class StagesGrad(KernelOp):
    """The gradients of a `Stages` with respect to its inputs and to each parameter that is learnt.

    Inputs are the workspace, the graph's inputs and results, and the gradients
    of those results that `given` marks.
    """

    __props__ = ("graph", "given")

    def __init__(self, graph: StageGraph, given: tuple[bool, ...]) -> None:
        self.graph = graph
        self.given = given

    def make_node(self, workspace: Any, *inputs: Any) -> Apply:
        graph = self.graph
        xs, params = inputs[: graph.n_inputs], inputs[graph.n_inputs :]
        outputs = [*xs, *itertools.compress(params, graph.learnt)]
        return Apply(self, [workspace, *inputs], [value.type() for value in outputs])

    def pullback(self, inputs: Any, outputs: Any, output_grads: Any) -> list[Variable]:
        reason = "Second derivatives need the unfused graph: compile with fuse=False."
        return [grad_undefined(self, i, value, reason) for i, value in enumerate(inputs)]

    def kernel(self, node: Apply, kernels: Kernels, needed: tuple[bool, ...]) -> Kernel:
        graph, given = self.graph, self.given
        backward = kernels.graph(graph).backward
        input_grads = needed[: graph.n_inputs]
        first_param = graph.n_inputs
        first_y = first_param + len(graph.params)
        first_gy = first_y + len(graph.outputs)

        def stages_grad(workspace: Any, *inputs: Any) -> tuple[Any, ...]:
            gradients = iter(inputs[first_gy:])
            gxs, of_params = backward(
                workspace,
                inputs[:first_param],
                inputs[first_param:first_y],
                inputs[first_y:first_gy],
                [next(gradients) if own else None for own in given],
                input_grads,
            )
            return (*gxs, *of_params)

        return stages_grad
