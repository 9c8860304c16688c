"""What the portable kernels do for a graph, stage by stage."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from ..contract import Arrays, Call, GraphKernel, Node, SizedNode, StageGraph
from ..steps import KernelStep, least_seconds

__all__ = ["explain_stages"]

WHY = "the portable engine computes with NumPy and its BLAS"


def explain_stages(
    make: Callable[[StageGraph], GraphKernel], graph: StageGraph, call: Call
) -> list[KernelStep]:
    """A step for each stage, and in training one for each gradient.

    Times are those of each stage alone. In a graph, a pooling may be joined to
    the convolution in front of it, and both take less.
    """
    xs, params, timed = call.xs, call.params, call.timed
    values = list(xs)
    forward: list[KernelStep] = []
    gradients: list[KernelStep] = []
    needs = graph.needs_gradient([False] * graph.n_inputs)
    sized = graph.walk([x.shape for x in xs], [param.shape for param in params])
    for node in sized:
        given = [values[value] for value in node.inputs]
        own = params[node.first_param : node.first_param + node.stage.n_params]
        alone = make(StageGraph(len(given), (Node(node.stage, _numbers(given)),), (len(given),)))
        (y,) = alone.forward(given, own)
        values.append(y)
        seconds = least_seconds(partial(alone.forward, given, own)) if timed else None
        forward.append(_step(node, "forward", [*given, *own, y], seconds))
        if call.training and needs[node.value]:
            wanted = [needs[value] for value in node.inputs]
            taken = _time_of_gradient(alone, given, own, wanted) if timed else None
            gradients.insert(0, _step(node, "gradient", [*given, *own, y, y, *given, *own], taken))
    return [*forward, *gradients]


def _numbers(given: Sequence[Any]) -> tuple[int, ...]:
    return tuple(range(len(given)))


def _step(node: SizedNode, step: str, arrays: Arrays, seconds: float | None) -> KernelStep:
    forward = step == "forward"
    x_shapes, y_shape = node.x_shapes, node.y_shape
    return KernelStep(
        (node.number,),
        step,
        "portable",
        WHY,
        tuple(x_shapes) if forward else (y_shape,),
        y_shape if forward else x_shapes[0],
        "channels last" if len(y_shape) == 4 else "rows",
        node.stage.multiplications(x_shapes, node.param_shapes),
        sum(array.nbytes for array in arrays),
        seconds,
    )


def _time_of_gradient(
    kernel: GraphKernel, xs: Arrays, params: Arrays, wanted: Sequence[bool]
) -> float:
    ys, workspace = kernel.forward_training(xs, params)
    gys = [np.ones_like(y) for y in ys]
    return least_seconds(lambda: kernel.backward(workspace, xs, params, ys, gys, wanted))
