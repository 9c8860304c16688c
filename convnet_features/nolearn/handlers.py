"""nolearn's handlers: functions of the net and its history, called while it trains."""

from __future__ import annotations

import math
import os
import pickle
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from ..files.atomic import atomic_file
from ..network.summary import network_summary
from ..training.interruption import is_one_of_many

__all__ = ["PrintLayerInfo", "PrintLog", "RememberBestWeights", "SaveWeights"]

_COLUMNS = ("epoch", "train_loss", "valid_loss", "valid_accuracy")
_HEADINGS = {"train_loss": "trn loss", "valid_loss": "val loss", "valid_accuracy": "valid acc"}
#: The keys of a record that are not printed as they stand.
_NOT_SCORES = {*_COLUMNS, "train_loss_best", "valid_loss_best", "dur"}


class PrintLog:
    """Prints a line an epoch; a best value so far gets a star.

    ``verbose=1`` puts one behind the handlers of ``on_epoch_finished``.
    """

    def __call__(self, net: Any, train_history: Sequence[Mapping[str, Any]]) -> None:
        record = train_history[-1]
        cells = {"epoch": f"{record['epoch']:>5}"}
        for key in ("train_loss", "valid_loss"):
            cells[_HEADINGS[key]] = f"{record[key]:>9.5f}{'*' if record[f'{key}_best'] else ' '}"
        cells["trn/val"] = f"{_ratio(record['train_loss'], record['valid_loss']):>9.5f}"
        if not net.regression:
            cells[_HEADINGS["valid_accuracy"]] = f"{record['valid_accuracy']:>9.5f}"
        for key, value in record.items():
            if key not in _NOT_SCORES:
                cells[key] = f"{value:>9.5f}"
        cells["dur"] = f"{record['dur']:.2f}s"
        widths = {name: max(len(name), len(cell)) for name, cell in cells.items()}
        if record is train_history[0]:
            print("  ".join(f"{name:>{width}}" for name, width in widths.items()))
            print("  ".join("-" * width for width in widths.values()))
        print("  ".join(f"{cell:>{widths[name]}}" for name, cell in cells.items()), flush=True)


def _ratio(above: float, below: float) -> float:
    return above / below if below else math.nan


class PrintLayerInfo:
    """Prints the layers, their sizes and parameters, before the first epoch."""

    def __call__(self, net: Any, train_history: Sequence[Mapping[str, Any]] | None = None) -> None:
        if not train_history:
            print(f"{network_summary(net._network())}\n", flush=True)


class SaveWeights:
    """Saves the parameters after an epoch.

    Parameters
    ----------
    path : str
        May have ``{epoch}``, ``{loss}`` (of validation) and ``{timestamp}`` in it.
        Within a search, a cross-validation or an ensemble each fit has files of its
        own, with a word in their names that no other has.
    every_n_epochs : int, default=1
    only_best : bool, default=False
        Only after an epoch whose validation loss is the lowest so far.
    pickle : bool, default=False
        Pickle the whole net instead of its parameters.
    verbose : int, default=0
        Print the path of what is written.

    Attributes
    ----------
    path_ : Path
        The file that was written last.
    """

    _word = ""

    def __init__(
        self,
        path: str,
        every_n_epochs: int = 1,
        only_best: bool = False,
        pickle: bool = False,
        verbose: int = 0,
    ) -> None:
        self.path = path
        self.every_n_epochs = every_n_epochs
        self.only_best = only_best
        self.pickle = pickle
        self.verbose = verbose

    def __call__(self, net: Any, train_history: Sequence[Mapping[str, Any]]) -> None:
        record = train_history[-1]
        if record["epoch"] == 1:
            self._word = f"-{uuid.uuid4().hex[:16]}" if is_one_of_many() else ""
        best = min(each["valid_loss"] for each in train_history)
        if self.only_best and record["valid_loss"] > best:
            return
        if record["epoch"] % self.every_n_epochs:
            return
        path = self.path.format(
            loss=record["valid_loss"],
            epoch=f"{record['epoch']:04d}",
            timestamp=datetime.now().strftime("%Y-%m-%d-%H-%M-%S"),
        )
        self.path_ = Path(path)
        self.path_ = self.path_.with_name(f"{self.path_.stem}{self._word}{self.path_.suffix}")
        if self.verbose:
            print(f"Writing {self.path_}")
        self._write(net, self.path_)

    def _write(self, net: Any, path: str | os.PathLike[str]) -> None:
        if not self.pickle:
            net.save_params_to(path)
            return
        with atomic_file(path) as file:
            pickle.dump(net, file, -1)


class RememberBestWeights:
    """Keeps the parameters of the best epoch; `restore`, as a last handler, puts them back.

    Parameters
    ----------
    loss : str, default='valid_loss'
        The key of the history that is to be low.
    score : str, optional
        A key that is to be high, instead.
    verbose : int, default=1
        Print which epoch's parameters are put back.

    Examples
    --------
    >>> best = RememberBestWeights()
    >>> handlers = {"on_epoch_finished": [best], "on_training_finished": [best.restore]}
    """

    def __init__(
        self, loss: str = "valid_loss", score: str | None = None, verbose: int = 1
    ) -> None:
        self.loss = loss
        self.score = score
        self.verbose = verbose
        self._forget()

    def _forget(self) -> None:
        self.best_weights: Any = None
        self.best_weights_loss = math.inf
        self.best_weights_epoch: int | None = None

    def __call__(self, net: Any, train_history: Sequence[Mapping[str, Any]]) -> None:
        record = train_history[-1]
        if record["epoch"] == 1:  # of another network: a clone's handler is a copy, memory and all
            self._forget()
        value = record[self.loss] if self.score is None else -record[self.score]
        if value < self.best_weights_loss:
            self.best_weights = net.get_all_params_values()
            self.best_weights_loss = value
            self.best_weights_epoch = record["epoch"]

    def restore(self, net: Any, train_history: Sequence[Mapping[str, Any]]) -> None:
        """Put the best parameters back into `net`; `train_history` is what handlers are given."""
        if self.best_weights is None:
            return
        net.load_params_from(self.best_weights)
        if self.verbose:
            value = self.best_weights_loss * (1 if self.score is None else -1)
            print(
                f"Loaded best weights from epoch {self.best_weights_epoch} where "
                f"{self.score or self.loss} was {value}"
            )
