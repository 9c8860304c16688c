"""Stopping when nothing gets better any more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ...intervals import COUNT, NOT_NEGATIVE
from .monitor import Monitor

if TYPE_CHECKING:
    from ..trainer import Trainer

__all__ = ["EarlyStopping"]


class EarlyStopping(Monitor):
    """Stop when a column of the history has not improved for some epochs.

    Parameters
    ----------
    monitor : str, default='auto'
        A key of the history; 'auto' is ``valid_loss`` where there is validation
        data, otherwise ``train_loss``. Keys that end in ``score``, ``accuracy``
        or ``acc`` are better when larger, others when smaller.
    patience : int, default=5
        Epochs without improvement that end training.
    tol : float, default=1e-4
        What counts as an improvement: more than this.
    restore_best : bool, default=True
        Put back the parameters of the best epoch at the end, whether patience
        ran out or not.

    Attributes
    ----------
    best_epoch_ : int
        The epoch with the best value, from 1.
    best_value_ : float
        That value.
    waited_ : int
        Epochs since the last improvement.

    Examples
    --------
    >>> from convnet_features import ConvNetClassifier
    >>> from sklearn.datasets import load_digits
    >>> X, y = load_digits(return_X_y=True)
    >>> stopping = EarlyStopping(patience=2)
    >>> net = ConvNetClassifier(max_epochs=50, callbacks=[stopping], random_state=0)
    >>> len(net.fit(X[:200], y[:200]).history_) - stopping.best_epoch_ <= 2
    True
    """

    depends_on_length = False

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "monitor": [str],
        "patience": [COUNT],
        "tol": [NOT_NEGATIVE],
        "restore_best": ["boolean"],
    }

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
        self.forget()
        self._best_theta: np.ndarray | None = None

    def on_epoch_begin(self, trainer: Trainer) -> bool:
        # Already so where a checkpoint of a training that was stopped is resumed.
        return self.waited_ >= self.patience

    def on_epoch_end(self, trainer: Trainer, record: dict[str, Any]) -> bool:
        if self.improved(record) and self.restore_best:
            self._best_theta = trainer.theta.copy()
        return self.waited_ >= self.patience

    def on_training_end(self, trainer: Trainer) -> None:
        if self._best_theta is not None:
            np.copyto(trainer.theta, self._best_theta)
        self._best_theta = None
