"""Functions of each number, and their derivatives: what `ElementwiseStage` applies."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy.special import erf

from ..contract import ElementFunction, ElementwiseStage
from .elementwise import activate

__all__ = ["derivative", "value"]

#: From x, alpha and beta.
Function = Callable[[np.ndarray, float, float], np.ndarray]


def value(stage: ElementwiseStage, x: np.ndarray) -> np.ndarray:
    """The function of x: a new array of its type."""
    with np.errstate(all="ignore"):
        y = VALUES[stage.function](x, stage.alpha, stage.beta)
    return np.asarray(y).astype(x.dtype, copy=False)


def derivative(stage: ElementwiseStage, x: np.ndarray) -> np.ndarray:
    """The function's derivative at x: a new array of its type."""
    with np.errstate(all="ignore"):
        y = DERIVATIVES[stage.function](x, stage.alpha, stage.beta)
    return np.asarray(y).astype(x.dtype, copy=False)


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return activate(np.array(x), "sigmoid")


def _hard_sigmoid(x: np.ndarray, alpha: float, beta: float) -> np.ndarray:
    return np.minimum(np.maximum(alpha * x + beta, 0), 1)


def _hard_swish_derivative(x: np.ndarray, alpha: float, beta: float) -> np.ndarray:
    line = alpha * x + beta
    return np.where(line <= 0, 0, np.where(line >= 1, 1, line + alpha * x))


def _softplus(x: np.ndarray) -> np.ndarray:
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def _mish_derivative(x: np.ndarray, alpha: float, beta: float) -> np.ndarray:
    tanh = np.tanh(_softplus(x))
    return tanh + x * (1 - tanh * tanh) * _sigmoid(x)


def _swish_derivative(x: np.ndarray, alpha: float, beta: float) -> np.ndarray:
    share = _sigmoid(x)
    return share * (1 + x * (1 - share))


def _normal(x: np.ndarray) -> np.ndarray:
    """The standard normal distribution's function."""
    return 0.5 * (1 + erf(x * math.sqrt(0.5)))


def _gelu_derivative(x: np.ndarray, alpha: float, beta: float) -> np.ndarray:
    return _normal(x) + x * np.exp(-0.5 * x * x) / math.sqrt(2 * math.pi)


#: Of the hyperbolic tangent that resembles the normal distribution's function.
_SLOPE, _CUBE = math.sqrt(2 / math.pi), 0.044715


def _bent(x: np.ndarray) -> np.ndarray:
    return np.tanh(_SLOPE * (x + _CUBE * x * x * x))


def _gelu_tanh_derivative(x: np.ndarray, alpha: float, beta: float) -> np.ndarray:
    bent = _bent(x)
    return 0.5 * (1 + bent) + 0.5 * x * (1 - bent * bent) * _SLOPE * (1 + 3 * _CUBE * x * x)


VALUES: dict[ElementFunction, Function] = {
    "clip": lambda x, alpha, beta: np.minimum(np.maximum(x, alpha), beta),
    "elu": lambda x, alpha, beta: np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0))),
    "gelu": lambda x, alpha, beta: x * _normal(x),
    "gelu_tanh": lambda x, alpha, beta: 0.5 * x * (1 + _bent(x)),
    "hard_sigmoid": _hard_sigmoid,
    "hard_swish": lambda x, alpha, beta: x * _hard_sigmoid(x, alpha, beta),
    "leaky_rectify": lambda x, alpha, beta: np.where(x > 0, x, alpha * x),
    "mish": lambda x, alpha, beta: x * np.tanh(_softplus(x)),
    "swish": lambda x, alpha, beta: x * _sigmoid(x),
}
DERIVATIVES: dict[ElementFunction, Function] = {
    "clip": lambda x, alpha, beta: (x > alpha) & (x <= beta),
    "elu": lambda x, alpha, beta: np.where(x > 0, 1, alpha * np.exp(np.minimum(x, 0))),
    "gelu": _gelu_derivative,
    "gelu_tanh": _gelu_tanh_derivative,
    "hard_sigmoid": lambda x, alpha, beta: np.where(
        (alpha * x + beta > 0) & (alpha * x + beta < 1), alpha, 0
    ),
    "hard_swish": _hard_swish_derivative,
    "leaky_rectify": lambda x, alpha, beta: np.where(x > 0, 1, alpha),
    "mish": _mish_derivative,
    "swish": _swish_derivative,
}
