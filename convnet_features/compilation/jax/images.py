"""Convolution, pooling and stages in terms of ``jax.lax``, and their gradients by ``jax.vjp``."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ...kernels.contract import (
    ConcatStage,
    Conv2DSpec,
    ConvStage,
    DenseStage,
    ElementwiseStage,
    MaskStage,
    NormStage,
    Pool2DSpec,
    PoolStage,
    ProductStage,
    Stage,
    StageGraph,
    SumStage,
    columns,
)

__all__ = ["activated", "convolve", "gradients_of", "normalise", "pool", "run_graph", "spread"]


def convolve(spec: Conv2DSpec, x: Any, w: Any) -> Any:
    """The convolution of images with filters."""
    if spec.flip_filters:
        w = jnp.flip(w, axis=(2, 3))
    return lax.conv_general_dilated(
        x,
        w,
        window_strides=spec.stride,
        padding=spec.padding,
        rhs_dilation=spec.dilation,
        dimension_numbers=("NCHW", "OIHW", "NCHW"),
        feature_group_count=spec.groups,
    )


def pool(spec: Pool2DSpec, x: Any) -> Any:
    """The maximum, sum or average of windows; ties as the contract wants them."""
    if spec.mode == "max":
        # XLA's maximum overlooks NaN on processors, where that is quicker.
        return lax.cond(
            jnp.isnan(x).any(), partial(_greatest_or_nan, spec), partial(_greatest, spec), x
        )
    total = _reduced(spec, x, 0, lax.add)
    if spec.mode == "sum":
        return total
    if spec.mode == "average_inc_pad" and spec.ignore_border:
        return total / math.prod(spec.window)
    # Neither padding nor what overhangs the image counts.
    return total / _reduced(spec, jnp.ones((1, 1, *x.shape[2:]), x.dtype), 0, lax.add)


def _greatest(spec: Pool2DSpec, x: Any) -> Any:
    return _reduced(spec, x, -np.inf, lax.max)


def _greatest_or_nan(spec: Pool2DSpec, x: Any) -> Any:
    """The maximum; NaN where there is one in the window."""
    strange = _reduced(spec, jnp.isnan(x).astype(x.dtype), 0, lax.add)
    return jnp.where(strange > 0, jnp.nan, _greatest(spec, x))


def _reduced(spec: Pool2DSpec, x: Any, initial: float, function: Any) -> Any:
    counts = spec.output_shape(x.shape)[2:]
    padding = [
        (before, before if spec.ignore_border else max(0, (count - 1) * step + extent - size))
        for size, count, extent, step, before in zip(
            x.shape[2:], counts, spec.window, spec.stride, spec.padding, strict=True
        )
    ]
    return lax.reduce_window(
        x,
        np.asarray(initial, x.dtype),
        function,
        (1, 1, *spec.window),
        (1, 1, *spec.stride),
        [(0, 0), (0, 0), *padding],
    )


def activated(name: str, x: Any) -> Any:
    """A nonlinearity of the kernels' contract."""
    match name:
        case "rectify":
            # NaN stays, whatever XLA's maximum does; the derivative at 0 is 0, as the kernels' is.
            return jnp.where(x <= 0, jnp.zeros((), x.dtype), x)
        case "tanh":
            return jnp.tanh(x)
        case "sigmoid":
            return jax.nn.sigmoid(x)
    return x


def normalise(epsilon: float, x: Any, gamma: Any, beta: Any) -> tuple[Any, Any, Any]:
    """Batch-normalised x, and the batch's means and 1 / standard deviations."""
    axes = (0, *range(2, x.ndim))
    mean = x.mean(axis=axes)
    inv_std = 1 / jnp.sqrt(jnp.square(x - spread(mean, x)).mean(axis=axes) + epsilon)
    y = (x - spread(mean, x)) * spread(gamma * inv_std, x) + spread(beta, x)
    return y, mean, inv_std


def spread(channels: Any, x: Any) -> Any:
    """A number for each channel, shaped so that it broadcasts against x."""
    return channels.reshape((1, -1) + (1,) * (x.ndim - 2))


def run_graph(
    graph: StageGraph, xs: Sequence[Any], params: Sequence[Any]
) -> tuple[list[Any], list[Any]]:
    """The results of a graph of stages; and the statistics of batches that it has found."""
    remaining, statistics, values = iter(params), [], list(xs)
    for node in graph.nodes:
        given = [values[value] for value in node.inputs]
        own = [next(remaining) for _ in node.stage.params]
        y, *found = STAGES[type(node.stage)](node.stage, given, own)
        statistics += found
        values.append(activated(node.stage.activation or "linear", y))
    return [values[value] for value in graph.outputs], statistics


def _convolution(stage: ConvStage, xs: Sequence[Any], params: Sequence[Any]) -> tuple[Any]:
    y = convolve(stage.conv, xs[0], params[0])
    return (y + params[1][None, :, None, None] if stage.bias else y,)


def _pooling(stage: PoolStage, xs: Sequence[Any], params: Sequence[Any]) -> tuple[Any]:
    return (pool(stage.pool, xs[0]),)


def _dense(stage: DenseStage, xs: Sequence[Any], params: Sequence[Any]) -> tuple[Any]:
    y = xs[0].reshape(len(xs[0]), -1) @ params[0]
    return (y + params[1] if stage.bias else y,)


def _normalisation(
    stage: NormStage, xs: Sequence[Any], params: Sequence[Any]
) -> tuple[Any, Any, Any]:
    return normalise(stage.epsilon, xs[0], *params)


def _mask(stage: MaskStage, xs: Sequence[Any], params: Sequence[Any]) -> tuple[Any]:
    return (xs[0] * params[0],)


def _sum(stage: SumStage, xs: Sequence[Any], params: Sequence[Any]) -> tuple[Any]:
    return (functools.reduce(jnp.add, _joined(xs)),)


def _product(stage: ProductStage, xs: Sequence[Any], params: Sequence[Any]) -> tuple[Any]:
    return (functools.reduce(jnp.multiply, _joined(xs)),)


def _joined(xs: Sequence[Any]) -> list[Any]:
    """Values with as many axes."""
    ndim = max(x.ndim for x in xs)
    return [columns(x, ndim) for x in xs]


def _concatenation(stage: ConcatStage, xs: Sequence[Any], params: Sequence[Any]) -> tuple[Any]:
    return (jnp.concatenate(xs, axis=1),)


def _elementwise(stage: ElementwiseStage, xs: Sequence[Any], params: Sequence[Any]) -> tuple[Any]:
    x, alpha, beta = xs[0], stage.alpha, stage.beta
    match stage.function:
        case "clip":
            # NaN stays, whatever XLA's maximum does.
            y = jnp.where(x <= alpha, alpha, jnp.where(x > beta, beta, x))
        case "elu":
            y = jnp.where(x > 0, x, alpha * jnp.expm1(jnp.minimum(x, 0)))
        case "gelu" | "gelu_tanh":
            y = jax.nn.gelu(x, approximate=stage.function == "gelu_tanh")
        case "hard_sigmoid":
            y = _hard_sigmoid(x, alpha, beta)
        case "hard_swish":
            y = x * _hard_sigmoid(x, alpha, beta)
        case "leaky_rectify":
            y = jnp.where(x > 0, x, alpha * x)
        case "mish":
            y = x * jnp.tanh(jax.nn.softplus(x))
        case "swish":
            y = x * jax.nn.sigmoid(x)
    return (y.astype(x.dtype),)


def _hard_sigmoid(x: Any, alpha: float, beta: float) -> Any:
    line = alpha * x + beta
    return jnp.where(line <= 0, 0, jnp.where(line >= 1, 1, line))


#: From (stage, inputs, parameters) to the stage's result before its activation, and its statistics.
STAGES: dict[type[Stage], Callable[..., tuple[Any, ...]]] = {
    ConvStage: _convolution,
    PoolStage: _pooling,
    DenseStage: _dense,
    NormStage: _normalisation,
    MaskStage: _mask,
    ElementwiseStage: _elementwise,
    ProductStage: _product,
    SumStage: _sum,
    ConcatStage: _concatenation,
}


def gradients_of(function: Callable[..., Any], inputs: Sequence[Any], gy: Any) -> tuple[Any, ...]:
    """The gradients of `function` at `inputs`, given that of its result.

    The program has the same forward pass already: XLA merges the two.
    """
    _, pull_back = jax.vjp(function, *inputs)
    return pull_back(gy)
