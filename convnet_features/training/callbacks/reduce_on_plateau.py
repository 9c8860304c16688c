"""A smaller learning rate when nothing gets better any more."""

from __future__ import annotations

from numbers import Real
from typing import TYPE_CHECKING, Any, ClassVar

from ...intervals import COUNT, NOT_NEGATIVE, Number
from .monitor import Monitor

if TYPE_CHECKING:
    from ..trainer import Trainer

__all__ = ["ReduceOnPlateau"]


class ReduceOnPlateau(Monitor):
    """Multiply the learning rate by a factor when a column has not improved for some epochs.

    Parameters
    ----------
    monitor : str, default='auto'
        A key of the history, as for `EarlyStopping`.
    factor : float, default=0.1
    patience : int, default=3
        Epochs without improvement before the rate falls, and before it falls again.
    tol : float, default=1e-4
        What counts as an improvement: more than this.
    min_rate : float, default=0
        The rate does not fall below it.

    Attributes
    ----------
    best_epoch_, best_value_, waited_
        As for `EarlyStopping`.
    """

    depends_on_length = False

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "monitor": [str],
        "factor": [Number(Real, 0, 1, closed="neither")],
        "patience": [COUNT],
        "tol": [NOT_NEGATIVE],
        "min_rate": [NOT_NEGATIVE],
    }

    def __init__(
        self,
        monitor: str = "auto",
        factor: float = 0.1,
        patience: int = 3,
        tol: float = 1e-4,
        min_rate: float = 0.0,
    ) -> None:
        self.monitor = monitor
        self.factor = factor
        self.patience = patience
        self.tol = tol
        self.min_rate = min_rate

    def on_training_begin(self, trainer: Trainer) -> None:
        self.forget()

    def on_epoch_end(self, trainer: Trainer, record: dict[str, Any]) -> None:
        self.improved(record)
        if self.waited_ < self.patience:
            return
        self.waited_ = 0
        rate = trainer.learning_rate
        if rate is None:
            raise ValueError("ReduceOnPlateau: the update rule has no learning_rate.")
        trainer.learning_rate = min(rate, max(self.min_rate, rate * self.factor))
