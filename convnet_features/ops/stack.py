"""A run of convolutions, poolings and dense layers as one operation.

Nobody writes a `Stack`: `convnet_features.fusion` puts it in the place of the
plain operations that it stands for, before gradients are taken.
"""

from __future__ import annotations

import itertools
from typing import Any

from pytensor.gradient import DisconnectedType, disconnected_type, grad_undefined
from pytensor.graph.basic import Apply, Variable
from pytensor.link.c.type import generic

from ..kernels.contract import (
    ConvStage,
    DenseStage,
    PoolStage,
    Provider,
    Stage,
    learnt,
    stack_params,
)
from .base import Kernel, KernelOp, tensor_of
from .conv2d import static_conv_shape
from .pool2d import static_pool_shape

__all__ = ["Stack", "StackGrad"]


class Stack(KernelOp):
    """The last of `stages` applied to ... the first of them applied to x.

    Inputs are x and the stages' parameters, in order, masks among them. Outputs are the last
    stage's result, a workspace, which exists only where a `StackGrad` of the
    same graph asks for it, and the mean and 1 / standard deviation of each
    `NormStage`, which nothing is differentiated through.
    """

    __props__ = ("stages",)

    def __init__(self, stages: tuple[Stage, ...]) -> None:
        self.stages = stages

    def make_node(self, x: Any, *params: Any) -> Apply:
        shape = self._static_shape(x.type.shape, [param.type.shape for param in params])
        channels = [
            param.type.shape
            for param, (_, name) in zip(params, stack_params(self.stages), strict=True)
            if name == "gamma"
        ]
        statistics = [tensor_of(x.type.dtype, each)() for each in channels for _ in range(2)]
        return Apply(self, [x, *params], [tensor_of(x.type.dtype, shape)(), generic(), *statistics])

    def _static_shape(
        self, shape: tuple[int | None, ...], param_shapes: list[tuple[int | None, ...]]
    ) -> tuple[int | None, ...]:
        shapes = iter(param_shapes)
        for stage in self.stages:
            own = [next(shapes) for _ in range(stage.n_params)]
            if isinstance(stage, PoolStage):
                shape = static_pool_shape(stage.pool, shape)
            elif isinstance(stage, DenseStage):
                shape = (shape[0], own[0][1])
            elif isinstance(stage, ConvStage):
                shape = static_conv_shape(stage.conv, shape, own[0])
        return shape

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        others = [False] * (len(node.outputs) - 1)
        return [[connected, *others] for connected in (True, *learnt(self.stages))]

    def pullback(self, inputs: Any, outputs: Any, output_grads: Any) -> list[Variable]:
        gy = output_grads[0]
        if isinstance(gy.type, DisconnectedType):
            return [disconnected_type() for _ in inputs]
        y, workspace, *_ = outputs
        gradients = iter(StackGrad(self.stages)(workspace, *inputs, y, gy, return_list=True))
        return [
            next(gradients) if connected else disconnected_type()
            for connected in (True, *learnt(self.stages))
        ]

    def kernel(self, node: Apply, provider: Provider, needed: tuple[bool, ...]) -> Kernel:
        stack = provider.stack(self.stages)
        if any(needed[2:]):

            def with_statistics(x: Any, *params: Any) -> tuple[Any, ...]:
                y, workspace = stack.forward_training(x, params)
                return (y, workspace, *stack.statistics(workspace))

            return with_statistics
        absent = (None,) * (len(needed) - 2)
        if needed[1]:
            return lambda x, *params: (*stack.forward_training(x, params), *absent)
        return lambda x, *params: (stack.forward(x, params), None, *absent)

    def frozen_kernel(
        self, node: Apply, provider: Provider, needed: tuple[bool, ...], values: list[Any]
    ) -> Kernel | None:
        x, *params = values
        if any(needed[1:]) or x is not None or any(value is None for value in params):
            return None
        forward = provider.stack(self.stages).prepare(params)
        absent = (None,) * (len(needed) - 1)
        return lambda x: (forward(x), *absent)


class StackGrad(KernelOp):
    """The gradients of a `Stack` with respect to x and to each parameter that is no mask."""

    __props__ = ("stages",)

    def __init__(self, stages: tuple[Stage, ...]) -> None:
        self.stages = stages

    def make_node(self, workspace: Any, *inputs: Any) -> Apply:
        x, *params = inputs[:-2]
        outputs = [x, *itertools.compress(params, learnt(self.stages))]
        return Apply(self, [workspace, *inputs], [value.type() for value in outputs])

    def pullback(self, inputs: Any, outputs: Any, output_grads: Any) -> list[Variable]:
        reason = "Second derivatives need the unfused graph: compile with fuse=False."
        return [grad_undefined(self, i, value, reason) for i, value in enumerate(inputs)]

    def kernel(self, node: Apply, provider: Provider, needed: tuple[bool, ...]) -> Kernel:
        backward = provider.stack(self.stages).backward
        input_grad = needed[0]

        def stack_grad(workspace: Any, x: Any, *rest: Any) -> tuple[Any, ...]:
            *params, y, gy = rest
            gx, grads = backward(workspace, x, params, y, gy, input_grad)
            return (gx, *grads)

        return stack_grad
