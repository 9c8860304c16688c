"""Theano's two kinds of random streams, served with NumPy generators.

Every draw owns a shared NumPy generator, whose `default_update` is the
generator after the draw: a compiled function advances it, and two functions
that hold the same draw advance the same one.
"""

from __future__ import annotations

import math
import warnings
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytensor
import pytensor.tensor as pt
from pytensor.compile.sharedvalue import SharedVariable
from pytensor.graph.basic import Variable
from pytensor.link.basic import Container
from pytensor.raise_op import Assert
from pytensor.tensor.shape import Shape

from ..ops import random as draws
from .config import config
from .scope import within_scope

__all__ = ["MRG_RandomStreams", "RandomStreams"]


class RandomStreams:
    """Symbolic random numbers, as ``theano.tensor.shared_randomstreams.RandomStreams``.

    Parameters
    ----------
    seed : int, default=None
        Two streams of the same seed give the same numbers, draw by draw. None
        takes the seed from the operating system.

    Notes
    -----
    A stream holds the generators of its draws, but no graph: a network that
    holds a stream can be pickled, and what was built with it is let go.
    """

    def __init__(self, seed: Any = None, **ignored: Any) -> None:
        self._seeds = _sequence(seed)
        self._containers: list[Container] = []
        self._generators: list[weakref.ref[SharedVariable]] = []

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_generators": []}

    def seed(self, seed: Any = None) -> None:
        """Start every draw made so far, and those to come, anew from `seed`."""
        self._seeds = _sequence(seed)
        for container in self._containers:
            container.value = self._next_generator()

    @property
    def state_updates(self) -> list[tuple[SharedVariable, Variable]]:
        """The generator of each draw that is still in use, and what it becomes."""
        alive = [each for reference in self._generators if (each := reference()) is not None]
        return [(each, update) for each in alive if (update := each.default_update) is not None]

    def updates(self) -> list[tuple[SharedVariable, Variable]]:
        """The pairs of `state_updates`, which compiled functions apply by themselves."""
        return self.state_updates

    @within_scope
    def binomial(
        self,
        size: Any = None,
        n: int = 1,
        p: Any = 0.5,
        ndim: int | None = None,
        dtype: str = "int64",
        **ignored: Any,
    ) -> Variable:
        """Successes in `n` trials of probability `p`."""
        if not isinstance(n, int) or n < 1:
            raise NotImplementedError(f"binomial: n must be a positive integer; got {n!r}.")
        shape, ndim = _shape(size, ndim, p)
        if n == 1:
            return self._draw(draws.bernoulli, shape, p, dtype=dtype, ndim=ndim)
        trials = [self._draw(draws.bernoulli, shape, p, dtype=dtype, ndim=ndim) for _ in range(n)]
        return sum(trials[1:], trials[0]).astype(dtype)

    @within_scope
    def uniform(
        self,
        size: Any = None,
        low: Any = 0.0,
        high: Any = 1.0,
        ndim: int | None = None,
        dtype: str | None = None,
        **ignored: Any,
    ) -> Variable:
        """Numbers from [low, high), of floatX."""
        shape, ndim = _shape(size, ndim, low, high)
        return self._draw(draws.uniform, shape, low, high, dtype=dtype or config.floatX, ndim=ndim)

    @within_scope
    def normal(
        self,
        size: Any = None,
        avg: Any = 0.0,
        std: Any = 1.0,
        ndim: int | None = None,
        dtype: str | None = None,
        **ignored: Any,
    ) -> Variable:
        """Numbers from a normal distribution, of floatX."""
        shape, ndim = _shape(size, ndim, avg, std)
        return self._draw(draws.normal, shape, avg, std, dtype=dtype or config.floatX, ndim=ndim)

    @within_scope
    def random_integers(
        self,
        size: Any = None,
        low: int = 0,
        high: int = 1,
        ndim: int | None = None,
        dtype: str = "int64",
        **ignored: Any,
    ) -> Variable:
        """Integers from `low` to `high`, both included."""
        shape, ndim = _shape(size, ndim, low, high)
        unit = self._draw(draws.uniform, shape, 0.0, 1.0, dtype="float64", ndim=ndim)
        return (pt.floor(unit * (high - low + 1)) + low).astype(dtype)

    @within_scope
    def multinomial(
        self,
        size: Any = None,
        n: int = 1,
        pvals: Any = None,
        ndim: int | None = None,
        dtype: str = "int64",
        **ignored: Any,
    ) -> Variable:
        """How often each class comes in `n` draws, by the probabilities of the last axis.

        With `size`, so many experiments; without it, one for each row of `pvals`.
        """
        pvals = pt.as_tensor_variable(pvals)
        if pvals.ndim < 1:
            raise ValueError("multinomial: pvals must have an axis of classes; it has none.")
        shape, ndim = _shape(_rows(pvals) if size is None else size, ndim)
        unit = self._draw(
            draws.uniform, [n, *list(shape)], 0.0, 1.0, dtype=str(pvals.dtype), ndim=ndim + 1
        )
        chosen = _fallen(unit, pvals)
        return (
            pt.eq(pt.shape_padright(chosen), pt.arange(pvals.shape[-1])).sum(axis=0).astype(dtype)
        )

    @within_scope
    def multinomial_wo_replacement(
        self,
        size: Any = None,
        n: Any = 1,
        pvals: Any = None,
        ndim: int | None = None,
        dtype: str = "int64",
        **ignored: Any,
    ) -> Variable:
        """For each row of `pvals`, `n` of its classes, none twice, as they were drawn."""
        pvals = pt.as_tensor_variable(pvals)
        if size is not None or pvals.ndim != 2:
            raise ValueError(
                "multinomial_wo_replacement: pvals must be a matrix, and size is that of its "
                f"rows; got {pvals.ndim} dimensions and size={size!r}."
            )
        return self._without_replacement(_rows(pvals), pvals, n)[:, :n].astype(dtype)

    def _without_replacement(self, rows: list[Any], pvals: Any, count: Any) -> Variable:
        """All classes of each row in the order in which they are drawn; `count` are wanted."""
        check = Assert(
            "more are drawn without replacement than there are with a probability above 0."
        )
        pvals = check(pvals, pt.all(pt.sum(pvals > 0, axis=-1) >= count))
        unit = self._draw(
            draws.uniform,
            [*rows, pvals.shape[-1]],
            0.0,
            1.0,
            dtype="float64",
            ndim=len(rows) + 1,
        )
        # Who waits for the shortest time, at the rate of its probability, is drawn first.
        return pt.argsort(-pt.log1p(-unit) / pvals, axis=-1)

    @within_scope
    def truncated_normal(
        self,
        size: Any = None,
        avg: Any = 0.0,
        std: Any = 1.0,
        ndim: int | None = None,
        dtype: str | None = None,
        **ignored: Any,
    ) -> Variable:
        """Numbers from a normal distribution, none farther than two `std` from `avg`."""
        shape, ndim = _shape(size, ndim, avg, std)
        tail = 0.5 * math.erfc(math.sqrt(2.0))
        unit = self._draw(draws.uniform, shape, tail, 1.0 - tail, dtype="float64", ndim=ndim)
        standard = math.sqrt(2.0) * pt.erfinv(2.0 * unit - 1.0)
        return (avg + std * standard).astype(dtype or config.floatX)

    @within_scope
    def poisson(
        self,
        size: Any = None,
        lam: Any = 1.0,
        ndim: int | None = None,
        dtype: str = "int64",
        **ignored: Any,
    ) -> Variable:
        """Counts from a Poisson distribution of mean `lam`."""
        shape, ndim = _shape(size, ndim, lam)
        return self._draw(_poisson, shape, lam, dtype=dtype, ndim=ndim)

    @within_scope
    def permutation(
        self, size: Any = None, n: int = 1, ndim: int | None = None, dtype: str = "int64"
    ) -> Variable:
        """The integers from 0 to n - 1 in a random order, along the last axis."""
        shape, ndim = _shape(() if size is None else size, ndim)
        keys = self._draw(
            draws.uniform, [*list(shape), n], 0.0, 1.0, dtype="float64", ndim=ndim + 1
        )
        return pt.argsort(keys, axis=-1).astype(dtype)

    @within_scope
    def choice(
        self,
        size: Any = None,
        a: Any = 2,
        replace: bool = True,
        p: Any = None,
        ndim: int | None = None,
        dtype: str = "int64",
        **ignored: Any,
    ) -> Variable:
        """Entries of the vector `a`, or integers below the number `a`, with probabilities `p`.

        Without replacement no place of `a` is drawn twice. Where `p` is a matrix, as for
        ``MRG_RandomStreams``, each of its rows is drawn from `size` times.
        """
        if p is not None and pt.as_tensor_variable(p).ndim == 2:
            return self._choice_by_rows(1 if size is None else size, replace, p).astype(dtype)
        shape, ndim = _shape(() if size is None else size, ndim)
        values = pt.as_tensor_variable(a)
        if values.ndim > 1:
            raise ValueError(f"choice: a must be a number or a vector; it has {values.ndim} axes.")
        n = values if values.ndim == 0 else values.shape[0]
        if replace:
            unit = self._draw(draws.uniform, shape, 0.0, 1.0, dtype="float64", ndim=ndim)
            chosen = pt.floor(unit * n) if p is None else _fallen(unit, pt.as_tensor_variable(p))
        else:
            rates = pt.ones(n) if p is None else pt.as_tensor_variable(p)
            count = pt.prod(pt.stack(list(shape))) if ndim else 1
            chosen = self._without_replacement([], rates, count)[:count]
            chosen = chosen.reshape(tuple(shape), ndim=ndim)
        chosen = pt.cast(chosen, "int64")
        return chosen.astype(dtype) if values.ndim == 0 else values[chosen]

    def _choice_by_rows(self, size: Any, replace: bool, p: Any) -> Variable:
        """`size` draws from each row of `p`."""
        pvals = pt.as_tensor_variable(p)
        if not replace:
            return self._without_replacement(_rows(pvals), pvals, size)[:, :size]
        shape = [size, pvals.shape[0]]
        unit = self._draw(draws.uniform, shape, 0.0, 1.0, dtype="float64", ndim=2)
        return _fallen(unit, pvals).T

    @within_scope
    def shuffle_row_elements(self, input: Any) -> Variable:
        """The entries of each row (along the last axis) in a random order of its own."""
        rows = pt.as_tensor_variable(input)
        size = [rows.shape[axis] for axis in range(rows.ndim - 1)]
        order = self.permutation(size=size, n=rows.shape[-1], ndim=rows.ndim - 1)
        return pt.take_along_axis(rows, order, axis=-1)

    def _draw(self, kind: Callable[..., Any], shape: Any, *parameters: Any, **options: Any) -> Any:
        generator = pytensor.shared(self._next_generator())
        following, values = kind(generator, shape, *parameters, **options)
        with warnings.catch_warnings():
            # PyTensor advises its users to pass updates themselves; Theano's never did.
            warnings.simplefilter("ignore", DeprecationWarning)
            generator.default_update = following
        self._containers.append(generator.container)
        self._generators.append(weakref.ref(generator))
        return values

    def _next_generator(self) -> np.random.Generator:
        return np.random.default_rng(self._seeds.spawn(1)[0])


class MRG_RandomStreams(RandomStreams):  # noqa: N801
    """As ``theano.sandbox.rng_mrg.MRG_RandomStreams``, with its default seed.

    The numbers are NumPy's, not those of Theano's MRG31k3p generator.
    """

    def __init__(self, seed: Any = 12345, **ignored: Any) -> None:
        super().__init__(seed, **ignored)


def _sequence(seed: Any) -> np.random.SeedSequence:
    return np.random.SeedSequence(None if seed is None else np.abs(np.asarray(seed)).tolist())


def _shape(size: Any, ndim: Any, *parameters: Any) -> tuple[Any, int]:
    """The symbolic shape of a draw and its length; without `size`, that of its parameters."""
    if size is None:
        tensors: list[Any] = [pt.as_tensor_variable(each) for each in parameters]
        size = max(tensors, key=lambda each: each.ndim).shape
    if isinstance(size, Variable):
        if size.type.ndim == 0:
            return [size], 1
        if ndim is None:
            ndim = _length(size)
        return size, ndim
    shape: Sequence[Any] = list(size) if isinstance(size, list | tuple | np.ndarray) else [size]
    return shape, len(shape)


def _rows(pvals: Any) -> list[Any]:
    """The sizes of all axes but the last."""
    return [pvals.shape[axis] for axis in range(pvals.ndim - 1)]


def _fallen(unit: Any, pvals: Any) -> Variable:
    """The class that each number of [0, 1) falls into, by the probabilities of the last axis."""
    # The last bound is left out: rounding must not let a draw fall behind it.
    bounds = pt.cumsum(pvals, axis=-1)[..., :-1]
    return pt.sum(pt.shape_padright(unit) >= bounds, axis=-1)


def _poisson(generator: Any, shape: Any, lam: Any, *, dtype: str, ndim: int) -> tuple[Any, Any]:
    size = shape if isinstance(shape, Variable) else list(shape)
    following, counts = pt.random.poisson(lam, size=size, rng=generator, return_next_rng=True)
    return following, counts.astype(dtype)


def _length(shape: Any) -> int:
    if shape.owner is not None and isinstance(shape.owner.op, Shape):
        return shape.owner.inputs[0].ndim
    return pt.get_vector_length(shape)
