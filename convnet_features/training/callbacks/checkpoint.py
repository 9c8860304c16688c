"""A training on the disk, to go on with after anything that may happen."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...exceptions import FileFormatError
from ...persistence import read_arrays, write_arrays
from ..fingerprint import fingerprint
from ..state import TrainingState
from .monitor import Monitor

if TYPE_CHECKING:
    from ..trainer import Trainer

__all__ = ["Checkpoint"]

_VERSION = 1


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
            self._restore(trainer)

    def on_epoch_end(self, trainer: Trainer, record: dict[str, Any]) -> None:
        best = self.improved(record)
        if trainer.cut_short:
            return  # an epoch that was not finished is no place to go on from
        if best:
            self._write(trainer, "best")
        if trainer.epoch % self.every == 0 or trainer.epoch == trainer.last_epoch:
            self._write(trainer, "last")

    def _path(self, name: str) -> Path:
        return Path(self.folder) / f"{name}.safetensors"

    def _write(self, trainer: Trainer, name: str) -> None:
        state = TrainingState.of(trainer)
        arrays = {**trainer.model.named_values, "training/theta": state.theta}
        arrays |= {f"training/optimiser/{i}": each for i, each in enumerate(state.optimiser)}
        callbacks: dict[str, dict[str, Any]] = {}
        for which, callback in _named(trainer.callbacks):
            kept: dict[str, Any] = getattr(callback, "get_state", dict)()
            held = {key: value for key, value in kept.items() if isinstance(value, np.ndarray)}
            arrays |= {f"callback/{which}/{key}": value for key, value in held.items()}
            callbacks[which] = {k: v for k, v in kept.items() if k not in held}
        model = trainer.model
        notes = {
            "kind": "checkpoint",
            "version": _VERSION,
            "input_shape": list(model.input_shape),
            "n_outputs": model.n_outputs,
            "target": model.target,
            "fingerprint": fingerprint(trainer),
            "state": {
                each.name: getattr(state, each.name)
                for each in fields(state)
                if each.name not in ("theta", "optimiser")
            },
            "callbacks": callbacks,
        }
        write_arrays(self._path(name), arrays, notes)

    def _restore(self, trainer: Trainer) -> None:
        path = self._path("last")
        arrays, notes = read_arrays(path)
        if not isinstance(notes, dict) or notes.get("kind") != "checkpoint":
            raise FileFormatError(f"{path}: this is no checkpoint; remove it, or set resume=False.")
        if notes["version"] != _VERSION:
            raise FileFormatError(
                f"{path}: version {notes['version']} of checkpoints is not the present one "
                f"({_VERSION}); remove the file, or set resume=False."
            )
        self._check_fingerprint(trainer, notes["fingerprint"])
        optimiser = [arrays[f"training/optimiser/{i}"] for i in range(len(trainer.updater.state))]
        state = TrainingState(arrays["training/theta"], optimiser, **notes["state"])
        state.restore(trainer)
        for name, callback in _named(trainer.callbacks):
            if name not in notes["callbacks"]:
                continue  # one that was not there before begins anew
            prefix = f"callback/{name}/"
            held = {k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)}
            getattr(callback, "set_state", _ignore)({**notes["callbacks"][name], **held})

    def _check_fingerprint(self, trainer: Trainer, known: dict[str, Any]) -> None:
        present = fingerprint(trainer)
        different = [key for key, value in present.items() if known.get(key) != value]
        if different:
            raise ValueError(
                f"Checkpoint(resume=True): {self._path('last')} belongs to a training with another "
                f"{', another '.join(different)}; give the same data and parameters (random_state "
                "an integer), remove the file, or set resume=False."
            )


def _named(callbacks: Sequence[Any]) -> list[tuple[str, Any]]:
    """Each callback with its class's name, and how many of that class came before it."""
    names = [type(callback).__name__ for callback in callbacks]
    return [(f"{name}/{names[:i].count(name)}", callbacks[i]) for i, name in enumerate(names)]


def _ignore(state: dict[str, Any]) -> None:
    """What callbacks without a state do with it."""
