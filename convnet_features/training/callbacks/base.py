"""What a callback is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..trainer import Trainer

__all__ = ["Callback"]


class Callback:
    """Something that is told how training goes, and may stop it.

    Every method may return True to end training after the current epoch
    (`on_batch_end`: after the current batch). A callback is an ordinary object
    with parameters and no state that outlives a training: what it keeps while
    training runs belongs in attributes set in `on_training_begin`.
    """

    def on_training_begin(self, trainer: Trainer) -> Any:
        """Before the first epoch."""

    def on_epoch_begin(self, trainer: Trainer) -> Any:
        """Before each epoch; ``trainer.epoch`` counts from 1."""

    def on_batch_end(self, trainer: Trainer, loss: float) -> Any:
        """After each batch's update; `loss` is the batch's."""

    def on_epoch_end(self, trainer: Trainer, record: dict[str, Any]) -> Any:
        """After each epoch; `record` is its line in ``trainer.history``, and may be added to."""

    def on_training_end(self, trainer: Trainer) -> Any:
        """After the last epoch, also where training was stopped."""
