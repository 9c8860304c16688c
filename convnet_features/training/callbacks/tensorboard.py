"""The history for TensorBoard, while training runs."""

from __future__ import annotations

import os
import time
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from ..fingerprint import digest, fingerprint
from ..interruption import is_one_of_many
from .base import Callback

if TYPE_CHECKING:
    from ..trainer import Trainer

__all__ = ["TensorBoardLog"]

#: How long an epoch may stay in memory: the writer's own thread brings it to the disk.
FLUSH_SECONDS = 1

#: Columns that TensorBoard shows together, in one chart each for losses and scores.
TAGS = {
    "train_loss": "loss/train",
    "valid_loss": "loss/validation",
    "valid_score": "score/validation",
}


class TensorBoardLog(Callback):
    """Write the history to files that TensorBoard shows, within a second after each epoch.

    ``tensorboard --logdir folder`` shows them. tensorboardX writes the files:
    ``pip install "convnet-features[tensorboard]"``.

    Parameters
    ----------
    folder : str or path-like
        Within a search, a cross-validation or an ensemble each fit has a folder of its own
        in it.

    Attributes
    ----------
    folder_ : Path
        The folder of the last training.

    See Also
    --------
    CSVLog : The history as a table of text.

    Examples
    --------
    >>> import tempfile
    >>> from sklearn.datasets import load_digits
    >>> from convnet_features import ConvNetClassifier
    >>> X, y = load_digits(return_X_y=True)
    >>> log = TensorBoardLog(tempfile.mkdtemp())
    >>> net = ConvNetClassifier(max_epochs=2, callbacks=[log], random_state=0)
    >>> net = net.fit(X[:200], y[:200])
    >>> len(list(log.folder_.glob("events.out.tfevents.*")))
    1
    """

    changes_training = False
    not_kept = ("folder_", "_writer")

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "folder": [str, os.PathLike],
    }

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = folder

    def __getstate__(self) -> dict[str, Any]:
        """Everything but the open file."""
        state: dict[str, Any] = super().__getstate__()
        return {name: value for name, value in state.items() if name != "_writer"}

    def on_training_begin(self, trainer: Trainer) -> None:
        """Open a file of events.

        Raises
        ------
        ImportError
            tensorboardX is not installed; the text says how to install it.
        """
        try:
            from tensorboardX import SummaryWriter
        except ImportError as error:
            raise ImportError(
                "TensorBoardLog needs tensorboardX: pip install 'convnet-features[tensorboard]'."
            ) from error
        self.folder_ = Path(self.folder)
        if is_one_of_many():
            length = {"max_epochs": str(trainer.last_epoch)}
            self.folder_ /= digest(fingerprint(trainer) | length)
        # What an earlier training of the same folder wrote of the epochs to come is hidden.
        first = len(trainer.history) + 1
        self._close()  # a training that failed has left one open
        self._writer = SummaryWriter(
            str(self.folder_),
            purge_step=first,
            flush_secs=FLUSH_SECONDS,
            # Files are named by the second; another of the same name would take its place.
            filename_suffix=f".{os.getpid()}.{time.time_ns()}",
        )

    def on_epoch_end(self, trainer: Trainer, record: dict[str, Any]) -> None:
        for column, value in record.items():
            if column != "epoch" and isinstance(value, Real):
                self._writer.add_scalar(TAGS.get(column, column), float(value), record["epoch"])

    def on_training_end(self, trainer: Trainer) -> None:
        self._close()

    def _close(self) -> None:
        writer = self.__dict__.pop("_writer", None)
        if writer is not None:
            writer.close()
