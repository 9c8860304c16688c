"""The history as a file, while training runs."""

from __future__ import annotations

import csv
import io
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from ...files.atomic import write_atomically
from ..fingerprint import digest, fingerprint
from ..interruption import is_one_of_many
from .base import Callback

if TYPE_CHECKING:
    from ..trainer import Trainer

__all__ = ["CSVLog"]


class CSVLog(Callback):
    """Write the history to a CSV file after each epoch.

    The file always holds the whole history so far, under a header, and is
    replaced at once: whoever reads it sees complete rows.

    Parameters
    ----------
    path : str or path-like
        Within a search, a cross-validation or an ensemble each fit has a file of
        its own, with a word in its name that says which training it is of.

    Attributes
    ----------
    path_ : Path
        The file of the last training.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from convnet_features import ConvNetClassifier
    >>> from sklearn.datasets import load_digits
    >>> X, y = load_digits(return_X_y=True)
    >>> log = CSVLog(Path(tempfile.mkdtemp()) / "history.csv")
    >>> net = ConvNetClassifier(max_epochs=2, callbacks=[log], random_state=0)
    >>> net = net.fit(X[:200], y[:200])
    >>> log.path_.name, len(log.path_.read_text().splitlines())
    ('history.csv', 3)
    """

    changes_training = False
    not_kept = ("path_",)

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "path": [str, os.PathLike],
    }

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = path

    def on_training_begin(self, trainer: Trainer) -> None:
        self.path_ = Path(self.path)
        if is_one_of_many():
            length = {"max_epochs": str(trainer.last_epoch)}
            name = digest(fingerprint(trainer) | length)
            self.path_ = self.path_.with_name(f"{self.path_.stem}-{name}{self.path_.suffix}")

    def on_epoch_end(self, trainer: Trainer, record: dict[str, Any]) -> None:
        columns = list(dict.fromkeys(key for each in trainer.history for key in each))
        text = io.StringIO()
        writer = csv.DictWriter(text, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(trainer.history)
        write_atomically(self.path_, text.getvalue().encode())
