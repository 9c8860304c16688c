"""Our operations, registered with PyTensor's translation to JAX."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from pytensor.link.jax.dispatch import jax_funcify

from ...ops.batch_norm import BatchNorm, BatchNormGrad, ChannelAffine
from ...ops.conv2d import Conv2D, Conv2DGradInput, Conv2DGradWeights
from ...ops.pool2d import AtMaxima, Pool2D, Pool2DGrad
from ...ops.random import Bernoulli, Normal, Uniform
from ...ops.softmax import (
    Crossentropy,
    CrossentropyGrad,
    LogSoftmax,
    LogSoftmaxGrad,
    Softmax,
    SoftmaxCrossentropy,
    SoftmaxCrossentropyGrad,
    SoftmaxGrad,
)
from ...ops.stages import Stages, StagesGrad
from ...ops.transposed_conv2d import TransposedConv2D
from .images import activated, convolve, gradients_of, normalise, pool, run_graph, spread

__all__: list[str] = []

Translation = Callable[..., Any]


@jax_funcify.register(Conv2D)
def _conv2d(op: Conv2D, **kwargs: Any) -> Translation:
    return partial(convolve, op.spec)


@jax_funcify.register(Conv2DGradInput)
def _conv2d_grad_input(op: Conv2DGradInput, **kwargs: Any) -> Translation:
    return lambda x, w, gy: gradients_of(lambda x: convolve(op.spec, x, w), [x], gy)[0]


@jax_funcify.register(Conv2DGradWeights)
def _conv2d_grad_weights(op: Conv2DGradWeights, **kwargs: Any) -> Translation:
    return lambda x, w, gy: gradients_of(lambda w: convolve(op.spec, x, w), [w], gy)[0]


@jax_funcify.register(TransposedConv2D)
def _transposed_conv2d(op: TransposedConv2D, **kwargs: Any) -> Translation:
    def transposed(x: Any, w: Any) -> Any:
        images = jnp.zeros(op.spec.input_shape(x.shape, w.shape, op.extra), x.dtype)
        return gradients_of(lambda images: convolve(op.spec, images, w), [images], x)[0]

    return transposed


@jax_funcify.register(Pool2D)
def _pool2d(op: Pool2D, **kwargs: Any) -> Translation:
    return partial(pool, op.spec)


@jax_funcify.register(Pool2DGrad)
def _pool2d_grad(op: Pool2DGrad, **kwargs: Any) -> Translation:
    return lambda x, gy: gradients_of(partial(pool, op.spec), [x], gy)[0]


@jax_funcify.register(AtMaxima)
def _at_maxima(op: AtMaxima, **kwargs: Any) -> Translation:
    return lambda x, values: jax.jvp(partial(pool, op.spec), (x,), (values,))[1]


@jax_funcify.register(Stages)
def _stages(op: Stages, **kwargs: Any) -> Translation:
    n_inputs = op.graph.n_inputs

    # Only gradients need the workspace, and JAX computes theirs itself.
    def stages(*inputs: Any) -> Any:
        results, statistics = run_graph(op.graph, inputs[:n_inputs], inputs[n_inputs:])
        return (*results, (), *statistics)

    return stages


@jax_funcify.register(StagesGrad)
def _stages_grad(op: StagesGrad, **kwargs: Any) -> Translation:
    graph = op.graph
    differentiable = [*[True] * graph.n_inputs, *graph.learnt]
    n_taken = len(differentiable)

    def stages_grad(workspace: Any, *inputs: Any) -> Any:
        taken, gys = inputs[:n_taken], inputs[n_taken + len(graph.outputs) :]

        def run(*learnable: Any) -> Any:
            remaining = iter(learnable)
            each = zip(taken, differentiable, strict=True)
            chosen = [next(remaining) if own else value for value, own in each]
            results, _ = run_graph(graph, chosen[: graph.n_inputs], chosen[graph.n_inputs :])
            return tuple(itertools.compress(results, op.given))

        grads = gradients_of(run, list(itertools.compress(taken, differentiable)), tuple(gys))
        return grads if len(grads) > 1 else grads[0]

    return stages_grad


@jax_funcify.register(Softmax)
def _softmax(op: Softmax, **kwargs: Any) -> Translation:
    return partial(jax.nn.softmax, axis=1)


@jax_funcify.register(SoftmaxGrad)
def _softmax_grad(op: SoftmaxGrad, **kwargs: Any) -> Translation:
    return lambda p, gp: p * (gp - (gp * p).sum(axis=1, keepdims=True))


@jax_funcify.register(LogSoftmax)
def _log_softmax(op: LogSoftmax, **kwargs: Any) -> Translation:
    return partial(jax.nn.log_softmax, axis=1)


@jax_funcify.register(LogSoftmaxGrad)
def _log_softmax_grad(op: LogSoftmaxGrad, **kwargs: Any) -> Translation:
    return lambda q, gq: gq - jnp.exp(q) * gq.sum(axis=1, keepdims=True)


@jax_funcify.register(Crossentropy)
def _crossentropy(op: Crossentropy, **kwargs: Any) -> Translation:
    return lambda p, labels: -jnp.log(p[jnp.arange(len(p)), labels])


@jax_funcify.register(CrossentropyGrad)
def _crossentropy_grad(op: CrossentropyGrad, **kwargs: Any) -> Translation:
    def crossentropy_grad(p: Any, labels: Any, g: Any) -> Any:
        rows = jnp.arange(len(p))
        return jnp.zeros_like(p).at[rows, labels].set(-g / p[rows, labels])

    return crossentropy_grad


@jax_funcify.register(SoftmaxCrossentropy)
def _softmax_crossentropy(op: SoftmaxCrossentropy, **kwargs: Any) -> Translation:
    def softmax_crossentropy(x: Any, labels: Any) -> Any:
        q = jax.nn.log_softmax(x, axis=1)
        return -q[jnp.arange(len(x)), labels], jnp.exp(q)

    return softmax_crossentropy


@jax_funcify.register(SoftmaxCrossentropyGrad)
def _softmax_crossentropy_grad(op: SoftmaxCrossentropyGrad, **kwargs: Any) -> Translation:
    def softmax_crossentropy_grad(p: Any, labels: Any, g: Any) -> Any:
        return (p - jax.nn.one_hot(labels, p.shape[1], dtype=p.dtype)) * g[:, None]

    return softmax_crossentropy_grad


@jax_funcify.register(ChannelAffine)
def _channel_affine(op: ChannelAffine, **kwargs: Any) -> Translation:
    def channel_affine(x: Any, scale: Any, shift: Any) -> Any:
        y = x * spread(scale, x) + spread(shift, x)
        return activated("rectify", y) if op.rectify else y

    return channel_affine


@jax_funcify.register(BatchNorm)
def _batch_norm(op: BatchNorm, **kwargs: Any) -> Translation:
    def batch_norm(x: Any, gamma: Any, beta: Any) -> Any:
        y, mean, inv_std = normalise(op.epsilon, x, gamma, beta)
        return activated("rectify", y) if op.rectify else y, mean, inv_std

    return batch_norm


@jax_funcify.register(BatchNormGrad)
def _batch_norm_grad(op: BatchNormGrad, **kwargs: Any) -> Translation:
    def batch_norm_grad(x: Any, gamma: Any, mean: Any, inv_std: Any, y: Any, gy: Any) -> Any:
        axes = (0, *range(2, x.ndim))
        if op.rectify:
            gy = jnp.where(y > 0, gy, 0)
        standard = (x - spread(mean, x)) * spread(inv_std, x)
        ggamma, gbeta = (gy * standard).sum(axis=axes), gy.sum(axis=axes)
        count = x.size // x.shape[1]
        centred = gy - spread(gbeta / count, x) - standard * spread(ggamma / count, x)
        return centred * spread(gamma * inv_std, x), ggamma, gbeta

    return batch_norm_grad


# Generators are keys of JAX's here: each draw splits one off.


@jax_funcify.register(Bernoulli)
def _bernoulli(op: Bernoulli, **kwargs: Any) -> Translation:
    def bernoulli(key: Any, shape: Any, p: Any) -> Any:
        key, own = jax.random.split(key)
        ones = jax.random.bernoulli(own, jnp.asarray(p, jnp.float32), _sizes(shape))
        return key, ones.astype(op.dtype) * jnp.asarray(op.one, op.dtype)

    return bernoulli


@jax_funcify.register(Uniform)
def _uniform(op: Uniform, **kwargs: Any) -> Translation:
    def uniform(key: Any, shape: Any, low: Any, high: Any) -> Any:
        key, own = jax.random.split(key)
        return key, low + (high - low) * jax.random.uniform(own, _sizes(shape), op.dtype)

    return uniform


@jax_funcify.register(Normal)
def _normal(op: Normal, **kwargs: Any) -> Translation:
    def normal(key: Any, shape: Any, mean: Any, std: Any) -> Any:
        key, own = jax.random.split(key)
        return key, mean + std * jax.random.normal(own, _sizes(shape), op.dtype)

    return normal


def _sizes(shape: Any) -> tuple[int, ...]:
    return tuple(int(size) for size in shape)
