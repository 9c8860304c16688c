"""Training epoch by epoch, with handlers that are told of it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.utils._param_validation import validate_parameter_constraints

from ..intervals import Number
from ..kernels.magnitude import are_finite
from .batches import n_rows
from .declaration import EVENTS, DeclaredNetwork, as_list
from .handlers import PrintLayerInfo, PrintLog

__all__ = ["TrainingLoop"]

_CONSTRAINTS = {"max_epochs": [Number(Integral, 0, None, closed="left")]}


class TrainingLoop(DeclaredNetwork):
    """A declared network that is trained by epochs and batches."""

    batch_iterator_train: Any
    batch_iterator_test: Any
    max_epochs: int
    train_split: Callable[..., Any]
    custom_scores: Sequence[tuple[str, Callable[..., Any]]] | None
    on_batch_finished: Any
    on_epoch_finished: Any
    on_training_started: Any
    on_training_finished: Any
    verbose: int
    _as_input: Callable[[Any], list[np.ndarray]]

    def _check_parameters(self) -> None:
        """Raise for parameters that would fail in the middle of training, or make no sense."""
        name = type(self).__name__
        validate_parameter_constraints(_CONSTRAINTS, {"max_epochs": self.max_epochs}, name)
        for event in EVENTS:
            for handler in as_list(getattr(self, event)):
                if not callable(handler):
                    raise TypeError(
                        f"{name}: {event} holds {handler!r}, which cannot be called; give "
                        "functions of the net and its train_history_."
                    )
        rate = self._update_arguments().get("learning_rate", 0.0)
        if not rate >= 0:
            raise ValueError(f"{name}: update_learning_rate must be at least 0; got {rate!r}.")

    def train_loop(self, X: Any, y: Any, epochs: int | None = None) -> None:
        """Split the data; train for `epochs` (by default `max_epochs`) or until StopIteration."""
        X_train, X_valid, y_train, y_valid = self.train_split(X, y, self)
        self._tell(self._starting_handlers())
        for _ in range(self.max_epochs if epochs is None else epochs):
            before = [value.copy() for value in self._model.values]
            try:
                record = self._run_epoch(X_train, X_valid, y_train, y_valid)
            except BaseException:
                for value, held in zip(self._model.values, before, strict=True):
                    value[...] = held
                raise
            self.train_history_.append(record)
            try:
                self._tell(self._epoch_handlers())
            except StopIteration:
                break
        self._tell(as_list(self.on_training_finished))

    def _run_epoch(self, X_train: Any, X_valid: Any, y_train: Any, y_valid: Any) -> dict[str, Any]:
        began = time.perf_counter()
        epoch = len(self.train_history_) + 1
        train_loss, train_scores = self._train_on(X_train, y_train)
        valid_loss, accuracy, scores = self._validate_on(X_valid, y_valid)
        return {
            "epoch": epoch,
            "train_loss": train_loss,
            "train_loss_best": train_loss <= self._best("train_loss"),
            "valid_loss": valid_loss,
            "valid_loss_best": valid_loss <= self._best("valid_loss"),
            "valid_accuracy": accuracy,
            **train_scores,
            **scores,
            "dur": time.perf_counter() - began,
        }

    def _best(self, key: str) -> float:
        return min((record[key] for record in self.train_history_), default=math.inf)

    def _train_on(self, X: Any, y: Any) -> tuple[float, dict[str, float]]:
        """(loss, scores of training): means over the batches, before each update."""
        handlers = as_list(self.on_batch_finished)
        rows, sizes = [], []
        epoch = len(self.train_history_) + 1
        for batch, (Xb, yb) in enumerate(self.batch_iterator_train(X, y), start=1):
            rows.append(self._train_on_batch(Xb, yb, f"epoch {epoch}, batch {batch}"))
            sizes.append(n_rows(Xb))
            self._tell(handlers)
        if not rows:
            raise ValueError(f"{type(self).__name__}: there is no sample to train on.")
        loss, *scores = np.average(rows, weights=sizes, axis=0).tolist()
        names = [name for name, _ in self.scores_train]
        return loss, dict(zip(names, scores, strict=True))

    def _train_on_batch(self, Xb: Any, yb: Any, where: str = "a batch") -> list[float]:
        """[loss, *scores of training] of a batch, before an update with it."""
        learner = self._learner
        learner.updater.arguments.update(self._update_arguments())
        loss, scores = learner.step(self._as_input(Xb), learner.target(yb), where)
        return [loss, *scores]

    def _validate_on(self, X: Any, y: Any) -> tuple[float, float, dict[str, float]]:
        """(loss, accuracy, scores): means over the batches, NaN without data."""
        rows, sizes = [], []
        if n_rows(y):
            for Xb, yb in self.batch_iterator_test(X, y):
                measured, outputs = self._evaluated(Xb, yb)
                output = outputs[0] if len(outputs) == 1 else tuple(outputs)
                custom = [score(yb, output) for _, score in self.custom_scores or ()]
                rows.append([*measured, *custom])
                sizes.append(n_rows(Xb))
        names = [name for name, _ in (*self.scores_valid, *(self.custom_scores or ()))]
        if not rows:
            return math.nan, math.nan, dict.fromkeys(names, math.nan)
        loss, accuracy, *scores = np.average(rows, weights=sizes, axis=0).tolist()
        return loss, accuracy, dict(zip(names, scores, strict=True))

    def _evaluated(self, Xb: Any, yb: Any) -> tuple[list[float], list[np.ndarray]]:
        """([loss, accuracy, *scores of validation], outputs) of a batch, without dropout."""
        targets = self._learner.target(yb)
        loss, outputs, scores = self._learner.evaluate(self._as_input(Xb), targets)
        accuracy = loss if self.regression else _accuracy(outputs[0], targets)
        return [loss, accuracy, *scores], outputs

    def _tell(self, handlers: Sequence[Callable[..., Any]]) -> None:
        for handler in handlers:
            handler(self, self.train_history_)

    def _starting_handlers(self) -> list[Any]:
        return as_list(self.on_training_started) + ([PrintLayerInfo()] if self.verbose else [])

    def _epoch_handlers(self) -> list[Any]:
        # First, so that the line of an epoch that ends training is printed too.
        return ([PrintLog()] if self.verbose else []) + as_list(self.on_epoch_finished)


def _accuracy(prediction: np.ndarray, targets: np.ndarray) -> float:
    """The share of samples whose largest output is the target's; NaN for targets of other kinds."""
    if targets.shape == prediction.shape and targets.ndim == 2:
        targets = targets.argmax(axis=1)
    if targets.ndim != 1 or prediction.ndim != 2:
        return math.nan
    if not are_finite(prediction):
        return math.nan
    return float(np.mean(prediction.argmax(axis=1) == targets))
