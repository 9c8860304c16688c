"""nolearn's handlers: functions of the net and its history, called while it trains."""

from __future__ import annotations

import csv
import math
import os
import pickle
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from ..files.atomic import atomic_file
from ..network.summary import network_summary
from ..training.interruption import is_one_of_many
from .util import get_conv_infos, is_conv2d, table

__all__ = [
    "PrintLayerInfo",
    "PrintLog",
    "RememberBestWeights",
    "RestoreBestWeights",
    "SaveWeights",
    "WeightLog",
]

_COLUMNS = ("epoch", "train_loss", "valid_loss", "valid_accuracy")
_HEADINGS = {"train_loss": "trn loss", "valid_loss": "val loss", "valid_accuracy": "valid acc"}
#: The keys of a record that are not printed as they stand.
_NOT_SCORES = {*_COLUMNS, "train_loss_best", "valid_loss_best", "dur"}


class PrintLog:
    """Prints a line an epoch; a best value so far gets a star.

    ``verbose=1`` puts one behind the handlers of ``on_epoch_finished``.
    """

    def __call__(self, net: Any, train_history: Sequence[Mapping[str, Any]]) -> None:
        print(self.table(net, train_history), flush=True)

    def table(self, net: Any, train_history: Sequence[Mapping[str, Any]]) -> str:
        """The line of the last epoch; that of the first has headings above it.

        Parameters
        ----------
        net : NeuralNet
            Whose ``regression`` is asked for.
        train_history : sequence of dict
            Its `train_history_`.

        Returns
        -------
        str
        """
        record = train_history[-1]
        cells = {"epoch": f"{record['epoch']}"}
        for key in ("train_loss", "valid_loss"):
            cells[_HEADINGS[key]] = f"{'*' if record[f'{key}_best'] else ''}{record[key]:.5f}"
        cells["trn/val"] = f"{_ratio(record['train_loss'], record['valid_loss']):.5f}"
        if not net.regression:
            cells[_HEADINGS["valid_accuracy"]] = f"{record['valid_accuracy']:.5f}"
        scores = {key: f"{record[key]:.5f}" for key in record if key not in _NOT_SCORES}
        cells |= scores
        cells["dur"] = f"{record['dur']:.2f}s"
        lines = table(list(cells), [list(cells.values())], text=[len(cells) - 1]).split("\n")
        return "\n".join(lines if record is train_history[0] else lines[-1:])


def _ratio(above: float, below: float) -> float:
    return above / below if below else math.nan


class PrintLayerInfo:
    """Prints the layers, their sizes and parameters, before the first epoch.

    With ``verbose=2`` also what convolutions see of the image; with 3, in detail.
    """

    def __call__(self, net: Any, train_history: Sequence[Mapping[str, Any]] | None = None) -> None:
        if train_history:
            return
        print(f"{network_summary(net._network())}\n", flush=True)
        if net.verbose > 1 and is_conv2d(net.layers_.values()):
            print(f"{get_conv_infos(net, detailed=net.verbose > 2)}\n", flush=True)


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
    """Keeps the parameters of the best epoch.

    Its attribute `restore`, a `RestoreBestWeights` as a last handler, puts them back.

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

    @property
    def restore(self) -> RestoreBestWeights:
        """The handler that puts the best parameters back."""
        return RestoreBestWeights(self)


class RestoreBestWeights:
    """Puts back the parameters that a `RememberBestWeights` keeps.

    Parameters
    ----------
    remember : RememberBestWeights

    Examples
    --------
    >>> best = RememberBestWeights()
    >>> handlers = {
    ...     "on_epoch_finished": [best],
    ...     "on_training_finished": [RestoreBestWeights(best)],
    ... }
    """

    def __init__(self, remember: RememberBestWeights) -> None:
        self.remember = remember

    def __call__(self, net: Any, train_history: Sequence[Mapping[str, Any]] | None = None) -> None:
        kept = self.remember
        if kept.best_weights is None:
            return
        net.load_params_from(kept.best_weights)
        if kept.verbose:
            value = kept.best_weights_loss * (1 if kept.score is None else -1)
            print(
                f"Loaded best weights from epoch {kept.best_weights_epoch} where "
                f"{kept.score or kept.loss} was {value}"
            )


class WeightLog:
    """Keeps statistics of every parameter, batch by batch: a handler of `on_batch_finished`.

    Parameters
    ----------
    save_to : path, optional
        A CSV file for them.
    write_every : int, default=8
        Batches that are written at once.

    Attributes
    ----------
    history : list of dict
        For each batch, ``"<layer>_<n> wdiff"``, the mean absolute change of the layer's
        parameter n since the batch before, and ``wabsmean`` and ``wmean``, the means of
        its absolute values and of its values.
    last_weights : dict
        The parameters after the last batch.

    Examples
    --------
    >>> log = WeightLog()
    >>> handlers = {"on_batch_finished": [log]}
    """

    def __init__(self, save_to: str | os.PathLike[str] | None = None, write_every: int = 8) -> None:
        self.save_to = save_to
        self.write_every = write_every
        self.last_weights: Any = None
        self.history: list[dict[str, float]] = []

    def __call__(self, net: Any, train_history: Sequence[Mapping[str, Any]] | None = None) -> None:
        weights = net.get_all_params_values()
        before = weights if self.last_weights is None else self.last_weights
        entry: dict[str, float] = {}
        for name, values in weights.items():
            for position, (old, new) in enumerate(zip(before[name], values, strict=True)):
                key = f"{name}_{position}"
                entry[f"{key} wdiff"] = float(np.abs(old - new).mean())
                entry[f"{key} wabsmean"] = float(np.abs(new).mean())
                entry[f"{key} wmean"] = float(new.mean())
        self.history.append(entry)
        self.last_weights = weights
        if self.save_to is not None and len(self.history) % self.write_every == 0:
            self._write(self.save_to)

    def _write(self, path: str | os.PathLike[str]) -> None:
        rows = self.history[-self.write_every :]
        is_first = len(self.history) == len(rows)
        with open(path, "w" if is_first else "a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
            if is_first:
                writer.writeheader()
            writer.writerows(rows)
