"""Softmax, its logarithm, and the cross-entropies, stable and quick."""

from __future__ import annotations

from typing import Any

import numpy as np
from pytensor.gradient import DisconnectedType, disconnected_type
from pytensor.graph.basic import Apply, Variable
from pytensor.tensor import as_tensor_variable, log
from pytensor.tensor import sum as pt_sum

from ..kernels.contract import Kernels
from .base import Kernel, KernelOp, float_tensor, tensor_of

__all__ = [
    "Crossentropy",
    "LogSoftmax",
    "LogSoftmaxGrad",
    "Softmax",
    "SoftmaxCrossentropy",
    "SoftmaxGrad",
    "categorical_crossentropy",
    "log_softmax",
    "softmax",
]


class Softmax(KernelOp):
    """p = exp(x - max x) / Σ exp(x - max x), row by row."""

    __props__ = ()

    def make_node(self, x: Any) -> Apply:
        x = float_tensor(x, 2, "the input", "softmax")
        return Apply(self, [x], [x.type()])

    def pullback(self, inputs: Any, outputs: Any, output_grads: Any) -> list[Variable]:
        return [SoftmaxGrad()(outputs[0], output_grads[0])]

    def kernel(self, node: Apply, kernels: Kernels, needed: tuple[bool, ...]) -> Kernel:
        softmax = kernels.softmax
        return lambda x: (softmax(x),)


class SoftmaxGrad(KernelOp):
    """gx = p · (gp - Σ gp · p), row by row."""

    __props__ = ()

    def make_node(self, p: Any, gp: Any) -> Apply:
        return Apply(self, [p, gp], [p.type()])

    def pullback(self, inputs: Any, outputs: Any, output_grads: Any) -> list[Variable]:
        p, gp = inputs
        (ggx,) = output_grads
        inner = pt_sum(gp * p, axis=1, keepdims=True)
        along = pt_sum(ggx * p, axis=1, keepdims=True)
        return [ggx * (gp - inner) - gp * along, p * (ggx - along)]

    def kernel(self, node: Apply, kernels: Kernels, needed: tuple[bool, ...]) -> Kernel:
        def softmax_grad(p: np.ndarray, gp: np.ndarray) -> tuple[np.ndarray]:
            gx = gp - np.einsum("ij,ij->i", gp, p)[:, None]
            gx *= p
            return (gx,)

        return softmax_grad


class LogSoftmax(KernelOp):
    """q = x - log Σ exp(x), row by row."""

    __props__ = ()

    def make_node(self, x: Any) -> Apply:
        x = float_tensor(x, 2, "the input", "log_softmax")
        return Apply(self, [x], [x.type()])

    def pullback(self, inputs: Any, outputs: Any, output_grads: Any) -> list[Variable]:
        return [LogSoftmaxGrad()(outputs[0], output_grads[0])]

    def kernel(self, node: Apply, kernels: Kernels, needed: tuple[bool, ...]) -> Kernel:
        log_softmax = kernels.log_softmax
        return lambda x: (log_softmax(x),)


class LogSoftmaxGrad(KernelOp):
    """gx = gq - exp(q) Σ gq, row by row."""

    __props__ = ()

    def make_node(self, q: Any, gq: Any) -> Apply:
        return Apply(self, [q, gq], [q.type()])

    def pullback(self, inputs: Any, outputs: Any, output_grads: Any) -> list[Variable]:
        from pytensor.tensor import exp

        q, gq = inputs
        (ggx,) = output_grads
        p = exp(q)
        return [
            -ggx * p * pt_sum(gq, axis=1, keepdims=True),
            ggx - pt_sum(ggx * p, axis=1, keepdims=True),
        ]

    def kernel(self, node: Apply, kernels: Kernels, needed: tuple[bool, ...]) -> Kernel:
        def log_softmax_grad(q: np.ndarray, gq: np.ndarray) -> tuple[np.ndarray]:
            gx = np.exp(q)
            gx *= gq.sum(axis=1, keepdims=True)
            return (np.subtract(gq, gx, out=gx),)

        return log_softmax_grad


class Crossentropy(KernelOp):
    """loss[i] = -log p[i, labels[i]], for probabilities of any origin."""

    __props__ = ()

    def make_node(self, p: Any, labels: Any) -> Apply:
        p = float_tensor(p, 2, "the probabilities", "categorical_crossentropy")
        return Apply(self, [p, _labels(labels)], [tensor_of(p.dtype, p.type.shape[:1])()])

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        return [[True], [False]]

    def pullback(self, inputs: Any, outputs: Any, output_grads: Any) -> list[Variable]:
        return [CrossentropyGrad()(*inputs, output_grads[0]), disconnected_type()]

    def kernel(self, node: Apply, kernels: Kernels, needed: tuple[bool, ...]) -> Kernel:
        def crossentropy(p: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray]:
            with np.errstate(divide="ignore"):
                return (-np.log(p[np.arange(len(p)), labels]),)

        return crossentropy


class CrossentropyGrad(KernelOp):
    """gp[i, labels[i]] = -g[i] / p[i, labels[i]], and 0 elsewhere."""

    __props__ = ()

    def make_node(self, p: Any, labels: Any, g: Any) -> Apply:
        return Apply(self, [p, labels, g], [p.type()])

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        return [[True], [False], [True]]

    def pullback(self, inputs: Any, outputs: Any, output_grads: Any) -> list[Variable]:
        p, labels, g = inputs
        (ggp,) = output_grads
        along = pt_sum(ggp * self(p, labels, g.ones_like()), axis=1)
        return [self(p, labels, g * along), disconnected_type(), along]

    def kernel(self, node: Apply, kernels: Kernels, needed: tuple[bool, ...]) -> Kernel:
        def crossentropy_grad(
            p: np.ndarray, labels: np.ndarray, g: np.ndarray
        ) -> tuple[np.ndarray]:
            gp = np.zeros_like(p)
            rows = np.arange(len(p))
            gp[rows, labels] = -g / p[rows, labels]
            return (gp,)

        return crossentropy_grad


class SoftmaxCrossentropy(KernelOp):
    """loss[i] = log Σ exp(x[i]) - x[i, labels[i]], which is finite for every finite x.

    Its second result, softmax(x), is what the gradient needs.
    """

    __props__ = ()

    def make_node(self, x: Any, labels: Any) -> Apply:
        x = float_tensor(x, 2, "the input", "softmax cross-entropy")
        return Apply(self, [x, _labels(labels)], [tensor_of(x.dtype, x.type.shape[:1])(), x.type()])

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        return [[True, True], [False, False]]

    def pullback(self, inputs: Any, outputs: Any, output_grads: Any) -> list[Variable]:
        _, labels = inputs
        g_loss, g_p = output_grads
        terms = []
        if not isinstance(g_loss.type, DisconnectedType):
            terms.append(SoftmaxCrossentropyGrad()(outputs[1], labels, g_loss))
        if not isinstance(g_p.type, DisconnectedType):
            terms.append(SoftmaxGrad()(outputs[1], g_p))
        return [sum(terms[1:], start=terms[0]), disconnected_type()]

    def kernel(self, node: Apply, kernels: Kernels, needed: tuple[bool, ...]) -> Kernel:
        def softmax_crossentropy(x: np.ndarray, labels: np.ndarray) -> tuple[Any, ...]:
            shifted = x - x.max(axis=1, keepdims=True)
            loss = -shifted[np.arange(len(x)), labels]
            p = np.exp(shifted, out=shifted)
            total = p.sum(axis=1, keepdims=True)
            p /= total
            loss += np.log(total[:, 0])
            return loss, p

        return softmax_crossentropy


class SoftmaxCrossentropyGrad(KernelOp):
    """gx = (p - onehot(labels)) · g, row by row."""

    __props__ = ()

    def make_node(self, p: Any, labels: Any, g: Any) -> Apply:
        return Apply(self, [p, labels, g], [p.type()])

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        return [[True], [False], [True]]

    def pullback(self, inputs: Any, outputs: Any, output_grads: Any) -> list[Variable]:
        p, labels, g = inputs
        (ggx,) = output_grads
        along = pt_sum(ggx * self(p, labels, g.ones_like()), axis=1)
        return [ggx * g.dimshuffle(0, "x"), disconnected_type(), along]

    def kernel(self, node: Apply, kernels: Kernels, needed: tuple[bool, ...]) -> Kernel:
        def softmax_crossentropy_grad(
            p: np.ndarray, labels: np.ndarray, g: np.ndarray
        ) -> tuple[np.ndarray]:
            gx = p * g[:, None]
            gx[np.arange(len(p)), labels] -= g
            return (gx,)

        return softmax_crossentropy_grad


def _labels(value: Any) -> Variable:
    labels = as_tensor_variable(value)
    if labels.type.ndim != 1 or not labels.type.dtype.startswith(("int", "uint")):
        raise TypeError(
            "categorical_crossentropy: labels must be a vector of integers; got "
            f"{labels.type.ndim} dimensions of {labels.type.dtype}."
        )
    return labels


def softmax(x: Any) -> Variable:
    """exp(x) / Σ exp(x) over the rows of a matrix, as ``theano.tensor.nnet.softmax``.

    Parameters
    ----------
    x : tensor of shape (n_samples, n_classes), or a vector (n_classes,)
        Symbolic, float32 or float64. A vector is one row, as in Theano.

    Returns
    -------
    tensor of shape (n_samples, n_classes)
        Rows that sum to 1.
    """
    return Softmax()(_rows(x))


def log_softmax(x: Any) -> Variable:
    """The logarithm of `softmax`, finite wherever x is.

    Parameters
    ----------
    x : tensor of shape (n_samples, n_classes), or a vector (n_classes,)
        Symbolic, float32 or float64.

    Returns
    -------
    tensor of shape (n_samples, n_classes)
    """
    return LogSoftmax()(_rows(x))


def _rows(x: Any) -> Variable:
    x = as_tensor_variable(x)
    return x.dimshuffle("x", 0) if x.type.ndim == 1 else x


def categorical_crossentropy(probabilities: Any, labels: Any) -> Variable:
    """-log of the probability given to each sample's class, as in ``theano.tensor.nnet``.

    Behind a softmax, a rewrite computes both from the softmax's input, so that
    nothing takes the logarithm of a probability of 0.

    Parameters
    ----------
    probabilities : tensor of shape (n_samples, n_classes)
        Symbolic, float32 or float64.
    labels : tensor of shape (n_samples,) or (n_samples, n_classes)
        Class indices (integers), or one distribution a row (floats):
        loss[i] = -Σ labels[i] · log probabilities[i].

    Returns
    -------
    tensor of shape (n_samples,)
        One loss a sample.

    Raises
    ------
    TypeError
        If the labels have neither one nor two dimensions, or are a vector of
        floats.
    """
    labels = as_tensor_variable(labels)
    if labels.type.ndim == 2:
        return -pt_sum(labels * log(probabilities), axis=1)
    return Crossentropy()(probabilities, labels)
