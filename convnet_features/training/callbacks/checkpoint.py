"""A training on the disk, to go on with after anything that may happen."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..saving import resume_training, save_training
from .monitor import Monitor

if TYPE_CHECKING:
    from ..trainer import Trainer

__all__ = ["Checkpoint"]


class Checkpoint(Monitor):
    """Write the training's state after each epoch, and go on from it when asked to.

    In the folder, ``last.safetensors`` is the state after the last epoch, and
    ``best.safetensors`` that after the best one. Each is replaced at once, so
    that a process killed at any moment leaves the old file or the new one. Both
    can be given to `load_params`; neither holds a pickle.

    Parameters
    ----------
    folder : str or path-like
        Made if it does not exist.
    resume : bool, default=False
        Begin with the state in ``last.safetensors``, if the file exists, and
        train for the epochs that are left of `max_epochs`. Needs the same data
        and the same integer `random_state`: the weights at the end are those of
        a training that was never interrupted. The other callbacks go on too,
        those of a kind that was not there before begin anew. Without `resume`
        the file is replaced.
    every : int, default=1
        Write after every so many epochs, and after the last.
    monitor : str, default='auto'
        A key of the history that says which epoch is the best, as for
        `EarlyStopping`.
    tol : float, default=0
        What counts as an improvement: more than this.

    Attributes
    ----------
    best_epoch_, best_value_
        As for `EarlyStopping`.

    Examples
    --------
    >>> import tempfile
    >>> from convnet_features import ConvNetClassifier
    >>> from sklearn.datasets import load_digits
    >>> X, y = load_digits(return_X_y=True)
    >>> folder = tempfile.mkdtemp()
    >>> saving = Checkpoint(folder, resume=True)
    >>> net = ConvNetClassifier(max_epochs=2, callbacks=[saving], random_state=0)
    >>> net = net.fit(X[:200], y[:200])
    >>> longer = net.set_params(max_epochs=3).fit(X[:200], y[:200])  # one epoch more
    >>> len(longer.history_)
    3
    """

    #: The others have done their work when the state is written, and begun when it is read.
    place = 1

    def __init__(
        self,
        folder: str | os.PathLike[str],
        resume: bool = False,
        every: int = 1,
        monitor: str = "auto",
        tol: float = 0.0,
    ) -> None:
        self.folder = folder
        self.resume = resume
        self.every = every
        self.monitor = monitor
        self.tol = tol

    def on_training_begin(self, trainer: Trainer) -> None:
        self.forget()
        Path(self.folder).mkdir(parents=True, exist_ok=True)
        if self.resume and self._path("last").exists():
            resume_training(trainer, self._path("last"))

    def on_epoch_end(self, trainer: Trainer, record: dict[str, Any]) -> None:
        best = self.improved(record)
        if trainer.cut_short:
            return  # an epoch that was not finished is no place to go on from
        if best:
            save_training(trainer, self._path("best"))
        if trainer.epoch % self.every == 0 or trainer.epoch == trainer.last_epoch:
            save_training(trainer, self._path("last"))

    def _path(self, name: str) -> Path:
        return Path(self.folder) / f"{name}.safetensors"
