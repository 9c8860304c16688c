"""The history as a file, while training runs."""

from __future__ import annotations

import csv
import io
import os
from typing import TYPE_CHECKING, Any

from ...persistence import write_atomically
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
    """

    changes_training = False

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = path

    def on_epoch_end(self, trainer: Trainer, record: dict[str, Any]) -> None:
        columns = list(dict.fromkeys(key for each in trainer.history for key in each))
        text = io.StringIO()
        writer = csv.DictWriter(text, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(trainer.history)
        write_atomically(self.path, text.getvalue().encode())
