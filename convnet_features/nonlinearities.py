"""Nonlinearities of today's networks, which Lasagne 0.1 does not have.

Each is a function of a tensor, or an object that is called as one; layers take them
as ``nonlinearity=``. Those with parameters are equal where their parameters are. The
result has the type of x, whatever type of number a parameter is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from theano import tensor

__all__ = [
    "SELU",
    "Celu",
    "Clip",
    "Comparison",
    "Elu",
    "HardSigmoid",
    "Power",
    "ScaledTanH",
    "Selu",
    "SoftmaxAlong",
    "elu",
    "erf",
    "gelu",
    "gelu_tanh",
    "hard_swish",
    "mish",
    "relu6",
    "selu",
    "softplus",
    "softsign",
    "swish",
]


@dataclass(frozen=True)
class Clip:
    """min(max(x, low), high).

    Parameters
    ----------
    low, high : float
        Either may be infinite.

    Raises
    ------
    ValueError
        If `low` exceeds `high`, or either is NaN.

    Examples
    --------
    >>> from convnet_features.nonlinearities import Clip, relu6
    >>> relu6 == Clip(0, 6)
    True
    """

    low: float = -math.inf
    high: float = math.inf

    def __post_init__(self) -> None:
        if not self.low <= self.high:
            raise ValueError(f"Clip: low={self.low} must not exceed high={self.high}.")

    def __call__(self, x: Any) -> Any:
        """The values within their bounds."""
        if self.low > -math.inf:
            x = tensor.maximum(x, tensor.cast(self.low, x.dtype))
        if self.high < math.inf:
            x = tensor.minimum(x, tensor.cast(self.high, x.dtype))
        return x


#: The rectifier of networks for telephones: min(max(x, 0), 6).
relu6 = Clip(0.0, 6.0)


@dataclass(frozen=True)
class Comparison:
    """1 where x is above, below or like a bound, and 0 elsewhere: nothing learns through it.

    Parameters
    ----------
    relation : {">", ">=", "<", "<=", "==", "!="}
    bound : float, default=0.0

    Raises
    ------
    ValueError
        If the relation is another.

    Examples
    --------
    >>> from convnet_features.nonlinearities import Comparison
    >>> import numpy as np
    >>> Comparison(">", 0.5)(np.float32([0.2, 0.7])).eval().tolist()
    [0.0, 1.0]
    """

    relation: str
    bound: float = 0.0

    def __post_init__(self) -> None:
        if self.relation not in _RELATIONS:
            raise ValueError(
                f"Comparison: relation={self.relation!r} must be one of {', '.join(_RELATIONS)}."
            )

    def __call__(self, x: Any) -> Any:
        """Ones and zeros of the type of x; 0 where x is NaN, but for "!="."""
        x = tensor.as_tensor_variable(x)
        compare = getattr(tensor, _RELATIONS[self.relation])
        return tensor.cast(compare(x, tensor.cast(self.bound, x.dtype)), x.dtype)


#: Relations, and Theano's functions of two values.
_RELATIONS = {">": "gt", ">=": "ge", "<": "lt", "<=": "le", "==": "eq", "!=": "neq"}


@dataclass(frozen=True)
class HardSigmoid:
    """min(max(slope · x + shift, 0), 1).

    Parameters
    ----------
    slope : float, default=1/6
        As in MobileNet V3; Theano and Keras 2 have 0.2.
    shift : float, default=0.5
        What becomes of 0.
    """

    slope: float = 1 / 6
    shift: float = 0.5

    def __call__(self, x: Any) -> Any:
        """A straight line between 0 and 1."""
        return Clip(0.0, 1.0)(float(self.slope) * x + float(self.shift))


@dataclass(frozen=True)
class Elu:
    """x above 0, alpha · (exp(x) - 1) below.

    Parameters
    ----------
    alpha : float, default=1
        What becomes of -∞, negated.
    """

    alpha: float = 1.0

    def __call__(self, x: Any) -> Any:
        """The exponential linear unit."""
        return tensor.switch(x > 0, x, float(self.alpha) * tensor.expm1(tensor.minimum(x, 0)))


@dataclass(frozen=True)
class Celu:
    """x above 0, alpha · (exp(x / alpha) - 1) below.

    Parameters
    ----------
    alpha : float, default=1
        Above 0.

    Raises
    ------
    ValueError
        If `alpha` is not above 0.
    """

    alpha: float = 1.0

    def __post_init__(self) -> None:
        if not self.alpha > 0:
            raise ValueError(f"Celu: alpha={self.alpha} must be above 0.")

    def __call__(self, x: Any) -> Any:
        """The exponential linear unit whose slope at 0 is 1."""
        alpha = float(self.alpha)
        below = alpha * tensor.expm1(tensor.minimum(x, 0) / alpha)
        return tensor.switch(x > 0, x, below)


@dataclass(frozen=True)
class Power:
    """x to the power of a number.

    Parameters
    ----------
    exponent : float
    """

    exponent: float

    def __call__(self, x: Any) -> Any:
        """NaN where x is below 0 and the exponent no whole number."""
        return tensor.pow(x, tensor.cast(self.exponent, x.dtype))


@dataclass(frozen=True)
class SoftmaxAlong:
    """exp(x) / Σ exp(x) along one axis, which Lasagne's ``softmax`` has of matrices alone.

    Parameters
    ----------
    axis : int
        Not that of the samples.
    log : bool, default=False
        Whether to take the logarithm.
    """

    axis: int
    log: bool = False

    def __call__(self, x: Any) -> Any:
        """Shares of 1, or their logarithms."""
        shifted = x - x.max(axis=self.axis, keepdims=True)
        total = tensor.exp(shifted).sum(axis=self.axis, keepdims=True)
        return shifted - tensor.log(total) if self.log else tensor.exp(shifted) / total


@dataclass(frozen=True)
class Selu:
    """gamma · x above 0, gamma · alpha · (exp(x) - 1) below.

    Parameters
    ----------
    alpha, gamma : float
        By default such that zero mean and unit variance maintain themselves.
    """

    alpha: float = 1.6732632423543772
    gamma: float = 1.0507009873554805

    def __call__(self, x: Any) -> Any:
        """The scaled exponential linear unit."""
        return float(self.gamma) * Elu(self.alpha)(x)


@dataclass(frozen=True)
class ScaledTanH:
    """scale_out · tanh(scale_in · x).

    Parameters
    ----------
    scale_in, scale_out : float, default=1
        LeCun's are 2/3 and 1.7159: with them, inputs of unit variance give outputs of unit
        variance.

    Examples
    --------
    >>> from convnet_features.nonlinearities import ScaledTanH
    >>> round(float(ScaledTanH(scale_in=2 / 3, scale_out=1.7159)(1.0).eval()), 3)
    1.0
    """

    scale_in: float = 1.0
    scale_out: float = 1.0

    def __call__(self, x: Any) -> Any:
        """The hyperbolic tangent between scales."""
        return float(self.scale_out) * tensor.tanh(float(self.scale_in) * x)


def SELU(scale: float = 1.0, scale_neg: float = 1.0) -> Selu:  # noqa: N802  (later Lasagne's name)
    """`Selu` by the arguments that later Lasagne has.

    Parameters
    ----------
    scale : float, default=1
        Of both parts.
    scale_neg : float, default=1
        Of the part below 0.

    Returns
    -------
    Selu

    Examples
    --------
    >>> from convnet_features.nonlinearities import SELU, Selu
    >>> SELU(scale=2.0, scale_neg=0.5) == Selu(alpha=0.5, gamma=2.0)
    True
    """
    return Selu(alpha=scale_neg, gamma=scale)


#: The exponential linear unit.
elu = Elu()
#: The scaled exponential linear unit, whose zero mean and unit variance maintain themselves.
selu = Selu()


def erf(x: Any) -> Any:
    """2 / sqrt(π) · the integral of exp(-t²) from 0 to x: the error function."""
    return tensor.erf(x)


def hard_swish(x: Any) -> Any:
    """x · min(max(x / 6 + 1/2, 0), 1)."""
    return x * HardSigmoid()(x)


def swish(x: Any) -> Any:
    """x · sigmoid(x), which is also called SiLU."""
    return x * tensor.nnet.sigmoid(x)


def softplus(x: Any) -> Any:
    """log(1 + exp(x))."""
    return tensor.nnet.softplus(x)


def softsign(x: Any) -> Any:
    """x / (1 + abs(x))."""
    return x / (1 + abs(x))


def mish(x: Any) -> Any:
    """x · tanh(softplus(x))."""
    return x * tensor.tanh(tensor.nnet.softplus(x))


def gelu(x: Any) -> Any:
    """x · Φ(x), where Φ is the distribution function of the standard normal distribution."""
    return 0.5 * x * (1 + tensor.erf(x * math.sqrt(0.5)))


def gelu_tanh(x: Any) -> Any:
    """`gelu`, approximated by a hyperbolic tangent.

    The formula is 0.5 · x · (1 + tanh(sqrt(2 / π) · (x + 0.044715 · x³))).
    """
    return 0.5 * x * (1 + tensor.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x)))
