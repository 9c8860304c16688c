"""Numbers that change with the epoch, and the callback that puts them to use."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from numbers import Real
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator

from ...intervals import COUNT, NOT_NEGATIVE, Number
from .base import Callback

if TYPE_CHECKING:
    from ..trainer import Trainer

__all__ = ["Cosine", "LearningRateSchedule", "Linear", "OneCycle", "Step"]


class Schedule(BaseEstimator):
    """Base class: parameters as scikit-learn knows them, and a call."""

    def __call__(self, epoch: float, n_epochs: int) -> float:
        """The value at `epoch`, from 1 to `n_epochs`."""
        raise NotImplementedError


class Step(Schedule):
    """start · factorᵏ after k times `every` epochs.

    Parameters
    ----------
    start : float
    factor : float, default=0.1
    every : int, default=10

    Examples
    --------
    >>> schedule = Step(0.1, factor=0.5, every=2)
    >>> [schedule(epoch, 6) for epoch in range(1, 7)]
    [0.1, 0.1, 0.05, 0.05, 0.025, 0.025]
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "start": [NOT_NEGATIVE],
        "factor": [NOT_NEGATIVE],
        "every": [COUNT],
    }

    def __init__(self, start: float, factor: float = 0.1, every: int = 10) -> None:
        self.start = start
        self.factor = factor
        self.every = every

    def __call__(self, epoch: float, n_epochs: int) -> float:
        return self.start * self.factor ** ((math.floor(epoch) - 1) // self.every)


class Linear(Schedule):
    """From `start` in the first epoch to `stop` in the last, as nolearn's AdjustVariable.

    Parameters
    ----------
    start, stop : float

    Examples
    --------
    >>> [round(Linear(0.9, 0.99)(epoch, 4), 3) for epoch in range(1, 5)]
    [0.9, 0.93, 0.96, 0.99]
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "start": [NOT_NEGATIVE],
        "stop": [NOT_NEGATIVE],
    }

    def __init__(self, start: float, stop: float) -> None:
        self.start = start
        self.stop = stop

    def __call__(self, epoch: float, n_epochs: int) -> float:
        return _between(self.start, self.stop, _progress(epoch, n_epochs))


class Cosine(Schedule):
    """From `start` to `stop` along half a cosine (Loshchilov and Hutter, 2017).

    Parameters
    ----------
    start : float
    stop : float, default=0

    Examples
    --------
    >>> [round(Cosine(0.1)(epoch, 5), 4) for epoch in range(1, 6)]
    [0.1, 0.0854, 0.05, 0.0146, 0.0]
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "start": [NOT_NEGATIVE],
        "stop": [NOT_NEGATIVE],
    }

    def __init__(self, start: float, stop: float = 0.0) -> None:
        self.start = start
        self.stop = stop

    def __call__(self, epoch: float, n_epochs: int) -> float:
        return _half_cosine(self.start, self.stop, _progress(epoch, n_epochs))


class OneCycle(Schedule):
    """Up to `peak` and down to nearly nothing, each along half a cosine (Smith, 2018).

    Parameters
    ----------
    peak : float
    start : float, optional
        ``peak / 25`` if not given.
    stop : float, optional
        ``peak / 10000`` if not given.
    rise : float, default=0.3
        The share of the epochs until the peak.
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "peak": [NOT_NEGATIVE],
        "start": [NOT_NEGATIVE, None],
        "stop": [NOT_NEGATIVE, None],
        "rise": [Number(Real, 0, 1, closed="left")],
    }

    def __init__(
        self,
        peak: float,
        start: float | None = None,
        stop: float | None = None,
        rise: float = 0.3,
    ) -> None:
        self.peak = peak
        self.start = start
        self.stop = stop
        self.rise = rise

    def __call__(self, epoch: float, n_epochs: int) -> float:
        start = self.peak / 25 if self.start is None else self.start
        stop = self.peak / 10_000 if self.stop is None else self.stop
        progress = _progress(epoch, n_epochs)
        if progress < self.rise:
            return _half_cosine(start, self.peak, progress / self.rise)
        return _half_cosine(self.peak, stop, (progress - self.rise) / (1 - self.rise))


def _half_cosine(start: float, stop: float, done: float) -> float:
    return _between(start, stop, (1 - math.cos(math.pi * done)) / 2)


def _between(start: float, stop: float, done: float) -> float:
    return start * (1 - done) + stop * done


def _progress(epoch: float, n_epochs: int) -> float:
    """0 in the first epoch, 1 in the last."""
    return min(1.0, (epoch - 1) / max(1, n_epochs - 1))


class LearningRateSchedule(Callback):
    """Set the learning rate, or another argument of the update rule, epoch by epoch.

    Parameters
    ----------
    schedule : callable
        From the epoch (from 1), and the number of epochs if it takes a second
        argument, to the value: `Step`, `Linear`, `Cosine`, `OneCycle`, or any
        function.
    argument : str, default='learning_rate'
        The update rule's argument; ``'momentum'`` for instance.
    by_batch : bool, default=False
        Set it after each batch too; the epoch is a fraction then.

    Examples
    --------
    >>> from convnet_features import ConvNetClassifier
    >>> from sklearn.datasets import load_digits
    >>> X, y = load_digits(return_X_y=True)
    >>> falling = LearningRateSchedule(Linear(0.03, 0.01))
    >>> net = ConvNetClassifier(max_epochs=3, callbacks=[falling], random_state=0)
    >>> net.fit(X[:100], y[:100]).history_.column("learning_rate")
    [0.03, 0.02, 0.01]
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "schedule": [callable],
        "argument": [str],
        "by_batch": ["boolean"],
    }

    def __init__(
        self,
        schedule: Callable[..., float],
        argument: str = "learning_rate",
        by_batch: bool = False,
    ) -> None:
        self.schedule = schedule
        self.argument = argument
        self.by_batch = by_batch

    @property
    def depends_on_length(self) -> bool:  # type: ignore[override]
        """Whether the schedule asks how many epochs there are."""
        return _n_arguments(self.schedule) == 2 and not isinstance(self.schedule, Step)

    def on_training_begin(self, trainer: Trainer) -> None:
        if trainer.open_ended and self.depends_on_length:
            raise ValueError(
                f"LearningRateSchedule: {self.schedule!r} depends on the number of epochs, which "
                "partial_fit does not know; give a schedule of the epoch alone (Step, or a "
                "function of one argument), or train with fit."
            )

    def on_epoch_begin(self, trainer: Trainer) -> None:
        self._set(trainer, trainer.epoch)

    def on_batch_end(self, trainer: Trainer, loss: float) -> None:
        if self.by_batch and trainer.batch < trainer.n_batches:
            self._set(trainer, trainer.epoch + trainer.batch / trainer.n_batches)

    def _set(self, trainer: Trainer, epoch: float) -> None:
        arguments: tuple[Any, ...] = (epoch, trainer.last_epoch)
        value = self.schedule(*arguments[: _n_arguments(self.schedule)])
        is_number = isinstance(value, Real | np.ndarray) and np.ndim(value) == 0
        if not (is_number and 0 <= value < np.inf):
            raise ValueError(
                f"LearningRateSchedule: {self.schedule!r} gave {value!r} for epoch {epoch:g}; "
                f"update_{self.argument} must be a finite number of at least 0."
            )
        trainer.set_argument(self.argument, value)


def _n_arguments(schedule: Callable[..., Any]) -> int:
    """2 where a schedule wants the number of epochs too."""
    parameters = inspect.signature(schedule).parameters.values()
    wanted = [each for each in parameters if each.default is each.empty]
    return 2 if len(wanted) > 1 else 1
