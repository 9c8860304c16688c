"""Random draws as symbolic operations on a NumPy generator."""

from __future__ import annotations

import copy
import functools
import math
from typing import Any

import numpy as np
from pytensor.gradient import disconnected_type
from pytensor.graph.basic import Apply, Variable
from pytensor.tensor import TensorType, as_tensor_variable

from ..kernels.contract import Kernels
from .base import Kernel, KernelOp
from .static import static_vector

__all__ = ["Bernoulli", "Draw", "Normal", "Uniform", "bernoulli", "normal", "uniform"]


class Draw(KernelOp):
    """Numbers drawn from a generator: (generator, shape, *parameters) to (next generator, draw).

    Unless `inplace`, the generator is copied, so that the caller's stays where
    it is; a program that owns its generators advances them in place.
    """

    __props__: tuple[str, ...] = ("dtype", "ndim", "inplace")

    def __init__(self, dtype: str, ndim: int, inplace: bool = False) -> None:
        self.dtype = dtype
        self.ndim = ndim
        self.inplace = inplace
        if inplace:
            self.destroy_map = {0: [0]}

    def with_props(self, **changes: Any) -> Draw:
        """The same draw but for some of its properties."""
        props = {name: getattr(self, name) for name in self.__props__}
        return type(self)(**(props | changes))

    def make_node(self, rng: Variable, shape: Any, *parameters: Any) -> Apply:
        shape = as_tensor_variable(shape, ndim=1)
        values = [as_tensor_variable(value) for value in parameters]
        draw = TensorType(self.dtype, shape=static_vector(shape, self.ndim))()
        return Apply(self, [rng, shape, *values], [rng.type(), draw])

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        return [[False, False] for _ in node.inputs]

    def pullback(self, inputs: Any, outputs: Any, output_grads: Any) -> list[Variable]:
        return [disconnected_type() for _ in inputs]

    def draw(self, rng: np.random.Generator, shape: tuple[int, ...], *parameters: Any) -> Any:
        """An array of `shape`, of this Op's dtype where that costs nothing."""
        raise NotImplementedError

    def kernel(self, node: Apply, kernels: Kernels, needed: tuple[bool, ...]) -> Kernel:
        dtype, inplace, draw = self.dtype, self.inplace, self.draw

        def drawn(rng: np.random.Generator, shape: Any, *parameters: Any) -> tuple[Any, Any]:
            if not inplace:
                rng = copy.deepcopy(rng)
            values = draw(rng, tuple(np.asarray(shape).tolist()), *parameters)
            return rng, np.asarray(values, dtype=dtype)

        return drawn


class Bernoulli(Draw):
    """`one` with probability p, otherwise 0."""

    __props__ = ("dtype", "ndim", "inplace", "one")

    def __init__(self, dtype: str, ndim: int, inplace: bool = False, one: float = 1.0) -> None:
        super().__init__(dtype, ndim, inplace)
        self.one = one

    def draw(self, rng: np.random.Generator, shape: tuple[int, ...], *parameters: Any) -> Any:
        (p,) = parameters
        if np.ndim(p) == 0 and p == 0.5:
            return self._toss(rng, shape)
        hits = rng.random(shape, dtype=np.float32) < p
        if self.one == 1.0:
            return hits
        return np.multiply(hits, np.asarray(self.one, self.dtype), dtype=self.dtype)

    def _toss(self, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        """A fair coin is one random bit: eight of them are looked up at once."""
        size = math.prod(shape)
        tosses = _eight_tosses(self.dtype, self.one).take(_random_bytes(rng, -(-size // 8)), axis=0)
        return tosses.reshape(-1)[:size].reshape(shape)


@functools.cache
def _eight_tosses(dtype: str, one: float) -> np.ndarray:
    """What each byte stands for: of shape (256, 8), the byte's first bit first."""
    bits = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1)
    return bits.astype(dtype) * np.asarray(one, dtype)


def _random_bytes(rng: np.random.Generator, size: int) -> np.ndarray:
    """Of dtype uint8; ``rng.bytes``, but for generators of words taken as they come."""
    if isinstance(rng.bit_generator, np.random.PCG64):
        words = rng.bit_generator.random_raw(-(-size // 8))
        return words.astype("<u8", copy=False).view(np.uint8)[:size]
    return np.frombuffer(rng.bytes(size), dtype=np.uint8)


class Uniform(Draw):
    """low ≤ u < high."""

    def draw(self, rng: np.random.Generator, shape: tuple[int, ...], *parameters: Any) -> Any:
        low, high = (np.asarray(value, self.dtype) for value in parameters)
        return low + (high - low) * rng.random(shape, dtype=self._float)

    @property
    def _float(self) -> Any:
        return np.float32 if self.dtype == "float32" else np.float64


class Normal(Draw):
    """mean + std · z, where z is standard normal."""

    def draw(self, rng: np.random.Generator, shape: tuple[int, ...], *parameters: Any) -> Any:
        mean, std = (np.asarray(value, self.dtype) for value in parameters)
        kind = np.float32 if self.dtype == "float32" else np.float64
        return mean + std * rng.standard_normal(shape, dtype=kind)


def bernoulli(
    rng: Variable, shape: Any, p: Any, dtype: str = "float32", ndim: int | None = None
) -> tuple[Variable, Variable]:
    """Draw ones with probability p and zeros otherwise.

    Parameters
    ----------
    rng : variable of a NumPy generator
        As ``pytensor.shared(numpy.random.default_rng(0))``.
    shape : sequence of int or scalar tensors, or an integer vector
        The shape of the draw.
    p : float or tensor
        The probability of a one.
    dtype : str, default='float32'
    ndim : int, optional
        The length of `shape`, where it is a vector of unknown length.

    Returns
    -------
    next_rng, mask : variables
        The generator after the draw, and a tensor of `shape`.
    """
    return _draw(Bernoulli, rng, shape, dtype, ndim, p)


def uniform(
    rng: Variable,
    shape: Any,
    low: Any = 0.0,
    high: Any = 1.0,
    dtype: str = "float32",
    ndim: int | None = None,
) -> tuple[Variable, Variable]:
    """Draw uniformly from [low, high); the other arguments are those of `bernoulli`."""
    return _draw(Uniform, rng, shape, dtype, ndim, low, high)


def normal(
    rng: Variable,
    shape: Any,
    mean: Any = 0.0,
    std: Any = 1.0,
    dtype: str = "float32",
    ndim: int | None = None,
) -> tuple[Variable, Variable]:
    """Draw from a normal distribution; the other arguments are those of `bernoulli`."""
    return _draw(Normal, rng, shape, dtype, ndim, mean, std)


def _draw(
    kind: type[Draw], rng: Variable, shape: Any, dtype: str, ndim: int | None, *parameters: Any
) -> tuple[Variable, Variable]:
    if ndim is None:
        ndim = shape.type.shape[0] if isinstance(shape, Variable) else len(shape)
    if ndim is None:
        raise ValueError("The shape of a random draw has an unknown length: give ndim=.")
    if isinstance(shape, list | tuple):
        shape = as_tensor_variable(np.array([], dtype="int64")) if not shape else list(shape)
    next_rng, values = kind(dtype, ndim)(rng, shape, *parameters)
    return next_rng, values
