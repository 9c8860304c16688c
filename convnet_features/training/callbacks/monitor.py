"""The column of the history that a callback watches."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from .base import Callback

__all__ = ["OF_SCORES", "Monitor", "more_is_better"]

#: How the names of columns end of which more is better.
OF_SCORES = ("score", "accuracy", "acc")


class Monitor(Callback):
    """A callback that watches for the best value of one column.

    Subclasses have the parameters `monitor` and `tol`, and call `improved`
    once an epoch.

    Attributes
    ----------
    best_value_ : float
        The best value so far, as it stands in the history.
    best_epoch_ : int
        Its epoch, from 1; 0 before there is one.
    waited_ : int
        Epochs since the last improvement by more than `tol`.
    """

    monitor: str
    tol: float

    def forget(self) -> None:
        """Begin with nothing seen."""
        self.best_value_, self.best_epoch_, self.waited_ = math.nan, 0, 0
        self._to_beat = math.inf

    def improved(self, record: Mapping[str, Any]) -> bool:
        """Take note of an epoch's `record`; whether it is the best so far."""
        key = self._key(record)
        value, sign = float(record[key]), -1.0 if more_is_better(key) else 1.0
        better = sign * value < self._to_beat - self.tol
        self.waited_ = 0 if better else self.waited_ + 1
        if better:
            self._to_beat = sign * value
        best = not math.isnan(value) and (
            self.best_epoch_ == 0 or sign * value < sign * self.best_value_
        )
        if best:
            self.best_value_, self.best_epoch_ = value, int(record["epoch"])
        return best

    def _key(self, record: Mapping[str, Any]) -> str:
        if self.monitor == "auto":
            return "valid_loss" if "valid_loss" in record else "train_loss"
        if self.monitor not in record:
            raise ValueError(
                f"{type(self).__name__}: there is no {self.monitor!r} in the history, which has "
                f"{', '.join(record)}."
            )
        return self.monitor


def more_is_better(key: str) -> bool:
    """Losses go down; scores and accuracies go up."""
    return key.endswith(OF_SCORES)
