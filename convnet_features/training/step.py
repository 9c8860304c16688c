"""One update of the parameters, from a batch, in the memory that the model lives in."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar, Protocol

import numpy as np

from ..kernels.memory import empty_like
from .gradients import GradientProgram
from .updates import Updater

__all__ = ["HostStep", "Step", "loaded"]


class Step(Protocol):
    """What the loop does with a batch; between `load` and `fetch` it may keep the parameters."""

    #: Whether it computes on another device, so that this process's threads may do something else.
    on_device: ClassVar[bool]

    def load(self) -> None:
        """Take the parameters and the rule's state."""

    def fetch(self) -> None:
        """Bring them back."""

    def __call__(
        self, data: Sequence[Any], strengths: Sequence[Any], generators: Sequence[Any]
    ) -> float:
        """One update; the loss before it. Nothing is updated where that is not finite."""

    def is_sound(self) -> bool:
        """Whether all parameters are finite numbers after the last update."""


@contextmanager
def loaded(step: Step) -> Iterator[Step]:
    """`step` with the parameters; they are back afterwards, whatever happens."""
    step.load()
    try:
        yield step
    finally:
        step.fetch()


class HostStep:
    """A step on the parameters where they are.

    Parameters
    ----------
    gradients : GradientProgram
    updater : Updater
    theta : ndarray of shape (n_parameters,)
        All parameters: those that are trained first.
    values : sequence of ndarray
        Views of `theta`, in the order in which `gradients` takes them.
    max_norm : float or None

    Attributes
    ----------
    gradient : ndarray of shape (n_trained,)
        That of the last batch.
    """

    on_device: ClassVar[bool] = False

    def __init__(
        self,
        gradients: GradientProgram,
        updater: Updater,
        theta: np.ndarray,
        values: Sequence[np.ndarray],
        max_norm: float | None,
    ) -> None:
        self.gradients = gradients
        self.updater = updater
        self.theta = theta
        self.values = values
        self.max_norm = max_norm
        self.trained = theta[: sum(math.prod(shape) for shape in updater.shapes)]
        self.gradient = empty_like(self.trained)

    def load(self) -> None:
        """Nothing: they are here."""

    def fetch(self) -> None:
        """Nothing: they never left."""

    def __call__(
        self, data: Sequence[Any], strengths: Sequence[Any], generators: Sequence[Any]
    ) -> float:
        """One update; the loss before it. Nothing is updated where that is not finite."""
        loss, *results = self.gradients.function(*data, *strengths, *self.values, *generators)
        if not math.isfinite(loss):
            return float(loss)
        n_gradients = len(results) - len(self.gradients.updated)
        np.concatenate([g.reshape(-1) for g in results[:n_gradients]], out=self.gradient)
        self._limit_norm()
        self.updater.apply(self.trained, self.gradient)
        for position, value in zip(self.gradients.updated, results[n_gradients:], strict=True):
            self.values[position][...] = value
        return float(loss)

    def is_sound(self) -> bool:
        """Whether all parameters are finite numbers."""
        return bool(np.isfinite(self.theta).all())

    def _limit_norm(self) -> None:
        """Shorten the gradient to `max_norm`, as ``lasagne.updates.total_norm_constraint`` does."""
        if self.max_norm is None:
            return
        with np.errstate(over="ignore"):
            norm = math.sqrt(float(np.dot(self.gradient, self.gradient)))
        if not math.isfinite(norm):  # of numbers whose squares float32 does not hold, perhaps
            norm = float(np.linalg.norm(self.gradient.astype(np.float64)))
        if norm > self.max_norm:
            self.gradient *= np.float32(self.max_norm / (norm + 1e-7))
