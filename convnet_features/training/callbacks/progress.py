"""Training as it can be watched: a table with a row for each epoch."""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING, Any, TextIO

from ...network.summary import network_summary
from .base import Callback

if TYPE_CHECKING:
    from ..trainer import Trainer

__all__ = ["ProgressTable", "progress_bar"]

#: Title, the record's key, how a value is written, and whether more is better (None: no matter).
_COLUMNS = (
    ("epoch", "epoch", "{:d}", None),
    ("train loss", "train_loss", "{:.5f}", False),
    ("valid loss", "valid_loss", "{:.5f}", False),
    ("train/val", "ratio", "{:.5f}", None),
    ("valid acc", "valid_score", "{:.5f}", True),
    ("dur", "duration", "{:.2f}s", None),
)
_ONLY_VALIDATED = ("valid_loss", "ratio", "valid_score")
_GREEN, _PLAIN = "\033[32m", "\033[0m"


class ProgressTable(Callback):
    """Print the network, then one row for each epoch; what ``verbose=1`` does.

    The best losses and score so far are green in a terminal and in a notebook,
    and marked with a star elsewhere. In epochs of more than a second a progress
    bar shows how far they are, in a terminal and in a notebook, if tqdm is
    installed (``pip install convnet-features[progress]``).

    Parameters
    ----------
    file : text file, optional
        Where to print; standard output if not given.

    Examples
    --------
    >>> from convnet_features import ConvNetClassifier
    >>> from sklearn.datasets import load_digits
    >>> X, y = load_digits(return_X_y=True)
    >>> net = ConvNetClassifier(max_epochs=2, random_state=0, verbose=1)
    >>> net.fit(X[:300], y[:300])  # doctest: +ELLIPSIS, +NORMALIZE_WHITESPACE
    Neural network with 45,162 learnable parameters
    ...
    epoch  train loss  valid loss  train/val  valid acc     dur
    -----  ----------  ----------  ---------  ---------  ------
        1  ...
    """

    changes_training = False

    def __init__(self, file: TextIO | None = None) -> None:
        self.file = file

    def on_training_begin(self, trainer: Trainer) -> None:
        self._bar: Any = None
        self._best: dict[str, float] = {}
        validated = trainer.validation is not None and len(trainer.validation) > 0
        self._columns = [c for c in _COLUMNS if validated or c[1] not in _ONLY_VALIDATED]
        if trainer.model.target == "numbers":
            self._columns = [(t.replace("acc", "R²"), *rest) for t, *rest in self._columns]
        self._print(network_summary(trainer.model.network), "")
        titles = "  ".join(column[0].rjust(_width(column)) for column in self._columns)
        self._print(titles, "  ".join("-" * _width(column) for column in self._columns))

    def on_epoch_begin(self, trainer: Trainer) -> None:
        self._bar = progress_bar(self._stream())

    def on_batch_end(self, trainer: Trainer, loss: float) -> None:
        if self._bar is None:
            return
        if self._bar.total is None:
            self._bar.total = trainer.n_batches
        self._bar.set_description(f"epoch {trainer.epoch}", refresh=False)
        self._bar.update()

    def on_epoch_end(self, trainer: Trainer, record: dict[str, Any]) -> None:
        self._close_bar()
        values = dict(record)
        if "valid_loss" in record:
            losses = record["train_loss"], record["valid_loss"]
            values["ratio"] = losses[0] / losses[1] if losses[1] else math.nan
        self._print("  ".join(self._cell(column, values) for column in self._columns))

    def on_training_end(self, trainer: Trainer) -> None:
        self._close_bar()

    def get_state(self) -> dict[str, Any]:
        return {"_best": self._best} if hasattr(self, "_best") else {}

    def __getstate__(self) -> dict[str, Any]:
        """Neither bars nor streams are pickled."""
        state = super().__getstate__()
        return {k: v for k, v in state.items() if k not in ("_bar", "file")} | {"file": None}

    def _cell(self, column: Any, values: dict[str, Any]) -> str:
        _, key, form, more_is_better = column
        value = values.get(key)
        text = "" if value is None else form.format(value)
        if value is not None and more_is_better is not None and self._is_best(column, value):
            return self._marked(text, _width(column))
        return text.rjust(_width(column))

    def _is_best(self, column: Any, value: float) -> bool:
        sign = -1 if column[3] else 1
        best = sign * value < self._best.get(column[1], math.inf)
        if best:
            self._best[column[1]] = sign * value
        return best

    def _marked(self, text: str, width: int) -> str:
        if _shows_colours(self._stream()):
            return f"{_GREEN}{text.rjust(width)}{_PLAIN}"
        return f"{text}*".rjust(width)

    def _stream(self) -> TextIO:
        return sys.stdout if self.file is None else self.file

    def _print(self, *lines: str) -> None:
        print(*lines, sep="\n", file=self._stream(), flush=True)

    def _close_bar(self) -> None:
        if self._bar is not None:
            self._bar.close()
        self._bar = None


def _width(column: Any) -> int:
    """At least the title's, and room for a number of five decimals with its mark."""
    return max(len(column[0]), {"dur": 6}.get(column[0], 0))


def _in_notebook() -> bool:
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell is not None and hasattr(shell, "kernel")


def _shows_colours(stream: TextIO) -> bool:
    return getattr(stream, "isatty", lambda: False)() or _in_notebook()


def progress_bar(stream: TextIO, unit: str = "batch", total: int | None = None) -> Any:
    """A bar that appears after a second and leaves nothing behind; None where it cannot."""
    if not _shows_colours(stream):
        return None
    try:
        from tqdm import tqdm
    except ImportError:
        return None
    return tqdm(total=total, file=stream, leave=False, delay=1.0, unit=unit, ncols=79)
