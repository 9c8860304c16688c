"""Activations and softmax: what is computed number by number."""

from __future__ import annotations

import numpy as np

from ..contract import Activation

__all__ = ["activate", "activation_gradient", "log_softmax", "softmax"]


def activate(x: np.ndarray, activation: Activation) -> np.ndarray:
    """Apply `activation` to `x` in place, and return `x`."""
    if activation == "rectify":
        np.maximum(x, 0, out=x)
    elif activation == "tanh":
        np.tanh(x, out=x)
    elif activation == "sigmoid":
        _sigmoid(x)
    return x


def _sigmoid(x: np.ndarray) -> None:
    """1 / (1 + exp(-x)) in place, by the formula that cannot overflow for each sign."""
    negative = x < 0
    np.exp(-np.abs(x), out=x)
    denominator = x + 1
    np.copyto(x, 1, where=~negative & ~np.isnan(x))
    x /= denominator


def activation_gradient(gy: np.ndarray, y: np.ndarray, activation: Activation) -> np.ndarray:
    """gy times the derivative of `activation` where its result is `y`.

    `gy` itself where the activation is linear, otherwise a new array.
    """
    if activation == "rectify":
        return gy * (y > 0)
    if activation == "tanh":
        return gy * (1 - y * y)
    if activation == "sigmoid":
        return gy * (y * (1 - y))
    return gy


def _shifted(x: np.ndarray) -> np.ndarray:
    """Each row of `x` less its maximum, so that no exponential overflows."""
    if x.size == 0:
        return x.copy()
    return x - x.max(axis=1, keepdims=True)


def softmax(x: np.ndarray) -> np.ndarray:
    """exp(x) / sum(exp(x)) over each row of a matrix."""
    y = _shifted(x)
    np.exp(y, out=y)
    y /= y.sum(axis=1, keepdims=True)
    return y


def log_softmax(x: np.ndarray) -> np.ndarray:
    """x - log(sum(exp(x))) over each row of a matrix."""
    y = _shifted(x)
    y -= np.log(np.exp(y).sum(axis=1, keepdims=True))
    return y
