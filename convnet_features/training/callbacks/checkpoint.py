"""A training on the disk, to go on with after anything that may happen."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from sklearn.utils import check_random_state

from ...files.atomic import write_atomically
from ...intervals import COUNT, NOT_NEGATIVE
from ..fingerprint import digest, fingerprint
from ..interruption import is_one_of_many
from ..saving import epochs_in, fingerprint_in, resume_training, save_training
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
        Begin where the same training stopped, if it has left a file, and train
        for the epochs that are left of `max_epochs`: the weights at the end are
        those of a training that was never interrupted. Another training begins
        anew, in a subfolder of its own, so that each fit of a search goes on by
        itself. Without `resume` the files in the folder are replaced; within a
        search, a cross-validation or an ensemble each fit has its subfolder then
        too.
    every : int, default=1
        Write after every so many epochs, and after the last, also where a callback
        ends training before `max_epochs`. What is resumed then has ended already.
    monitor : str, default='auto'
        A key of the history that says which epoch is the best, as for
        `EarlyStopping`.
    tol : float, default=0
        What counts as an improvement: more than this.

    Attributes
    ----------
    best_epoch_, best_value_
        As for `EarlyStopping`.
    folder_ : Path
        Where the files of the last training are: `folder`, or a subfolder.

    Notes
    -----
    The same training has the same network, settings, data, weights,
    `random_state` and callbacks, and the same versions of this library, NumPy
    and PyTensor. Users' functions and classes are compared by their code.
    Of callbacks those count that may change a training: `CSVLog` and others
    that say ``changes_training = False`` do not, and neither do those that
    are told after the state is written. `verbose` does not count, and neither
    does `max_epochs`, so that a training can be made longer, unless a callback
    depends on it, such as a schedule that ends with the last epoch. A training
    that is to be shorter than what is there begins anew. What cannot be
    compared begins anew too, with a warning.

    With ``random_state=None`` the seed is drawn once and kept in the folder, so
    that all trainings there have the same one and can be gone on with.

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
    changes_training = False
    not_kept = ("folder_", "_fingerprint")

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "folder": [str, os.PathLike],
        "resume": ["boolean"],
        "every": [COUNT],
        "monitor": [str],
        "tol": [NOT_NEGATIVE],
    }

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

    def kept_seed(self) -> int | None:
        """The seed of trainings in this folder that are given none; None if nothing is resumed."""
        if not self.resume:
            return None
        drawn = int(check_random_state(None).randint(np.iinfo(np.int32).max))
        return int(_written_once(self._made() / "seed.txt", str(drawn)))

    def on_training_begin(self, trainer: Trainer) -> None:
        self.forget()
        folder = self._made()
        self._fingerprint = fingerprint(trainer)
        if self.resume or is_one_of_many():
            folder = self._place(folder, trainer.last_epoch, digest(self._fingerprint))
        self.folder_ = folder
        if self.resume and self._path("last").exists():
            resume_training(trainer, self._path("last"), self._fingerprint)

    def on_epoch_end(self, trainer: Trainer, record: dict[str, Any]) -> None:
        best = self.improved(record)
        if trainer.cut_short:
            return  # an epoch that was not finished is no place to go on from
        if best:
            save_training(trainer, self._path("best"), self._fingerprint)
        last = trainer.stopping or trainer.epoch == trainer.last_epoch
        if last or trainer.epoch % self.every == 0:
            save_training(trainer, self._path("last"), self._fingerprint)

    def _place(self, folder: Path, n_epochs: int, name: str) -> Path:
        """The folder itself for the first training in it, and a subfolder for any other.

        Two processes may ask at once, and one of them gets the folder.
        """
        if (folder / "last.safetensors").exists():
            first = digest(fingerprint_in(folder / "last.safetensors"))
        else:
            first = _written_once(folder / "training.txt", name)
        place = folder if first == name else folder / name
        last = place / "last.safetensors"
        if last.exists() and epochs_in(last) > n_epochs:
            place = folder / f"{name}-{n_epochs}"
        place.mkdir(exist_ok=True)
        return place

    def _made(self) -> Path:
        folder = Path(self.folder)
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _path(self, name: str) -> Path:
        return self.folder_ / f"{name}.safetensors"


def _written_once(path: Path, text: str) -> str:
    """What the file says: `text`, unless somebody has written it before.

    It is never there half written: it comes under its name when it is complete.
    """
    if not path.exists():
        descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
        try:
            with contextlib.suppress(FileExistsError):
                os.link(temporary, path)
        except OSError:  # a file system without links
            write_atomically(path, text.encode())
        finally:
            os.unlink(temporary)
    return path.read_text()
