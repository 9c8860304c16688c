"""Stopping when nothing gets better any more."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from .base import Callback

if TYPE_CHECKING:
    from ..trainer import Trainer

__all__ = ["EarlyStopping"]


class EarlyStopping(Callback):
    """Stop when a column of the history has not improved for some epochs.

    Parameters
    ----------
    monitor : str, default='auto'
        A key of the history; 'auto' is ``valid_loss`` where there is validation
        data, otherwise ``train_loss``.
    patience : int, default=5
        Epochs without improvement that end training.
    tol : float, default=1e-4
        What counts as an improvement.
    restore_best : bool, default=True
        Put back the parameters of the best epoch at the end, whether patience
        ran out or not.

    Attributes
    ----------
    best_epoch_ : int
        The epoch with the best value, from 1.
    best_value_ : float
        That value.
    """

    def __init__(
        self,
        monitor: str = "auto",
        patience: int = 5,
        tol: float = 1e-4,
        restore_best: bool = True,
    ) -> None:
        self.monitor = monitor
        self.patience = patience
        self.tol = tol
        self.restore_best = restore_best

    def on_training_begin(self, trainer: Trainer) -> None:
        self.best_value_ = math.inf
        self.best_epoch_ = 0
        self._waited = 0
        self._best_theta: np.ndarray | None = None

    def on_epoch_end(self, trainer: Trainer, record: dict[str, Any]) -> bool:
        value = self._value(record)
        improved = value < self.best_value_ - self.tol
        self._waited = 0 if improved else self._waited + 1
        if value < self.best_value_:
            self.best_value_, self.best_epoch_ = value, record["epoch"]
            if self.restore_best:
                self._best_theta = trainer.model.theta.copy()
        return self._waited >= self.patience

    def on_training_end(self, trainer: Trainer) -> None:
        if self._best_theta is not None:
            trainer.model.theta[...] = self._best_theta
        self._best_theta = None

    def _value(self, record: dict[str, Any]) -> float:
        if self.monitor == "auto":
            return record.get("valid_loss", record["train_loss"])
        if self.monitor not in record:
            raise ValueError(
                f"EarlyStopping: there is no {self.monitor!r} in the history, which has "
                f"{', '.join(record)}."
            )
        value = record[self.monitor]
        return -value if self.monitor.endswith("score") else value
