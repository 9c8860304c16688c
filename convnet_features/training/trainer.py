"""The training loop."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..exceptions import DivergenceError
from ..network.model import Model
from .batches import Dataset, iterate_batches
from .callbacks.base import Callback
from .gradients import evaluation_program, gradient_program
from .history import History
from .objectives import Objective
from .updates import make_updater

__all__ = ["Settings", "Trainer"]

_COMPILED = ("_gradients", "_evaluation", "updater", "_gradient", "_n_trainable")


@dataclass(frozen=True)
class Settings:
    """How to train.

    Attributes
    ----------
    objective : callable
        (prediction, target) to losses, symbolic.
    rule : callable
        An update rule of ``lasagne.updates``, or one of that form.
    arguments : dict of str to float
        The rule's.
    batch_size : int
    shuffle : bool
    l1, l2 : float
        Strengths of the penalties.
    """

    objective: Objective
    rule: Callable[..., Any]
    arguments: dict[str, float]
    batch_size: int
    shuffle: bool = True
    l1: float = 0.0
    l2: float = 0.0


@dataclass(eq=False)
class Trainer:
    """A model being trained: what changes from batch to batch, and the loop that changes it.

    Attributes
    ----------
    model : Model
        Its parameters are updated in place.
    history : History
        One record for each finished epoch.
    epoch : int
        The current epoch, from 1; 0 before the first.
    """

    model: Model
    settings: Settings
    seed: int
    history: History = field(default_factory=History)
    epoch: int = 0

    def __post_init__(self) -> None:
        self._state: list[np.ndarray] | None = None
        self.order, self._seeds = _streams(self.seed)
        self.generators: list[np.random.Generator] = []
        self._ready = False

    def __getstate__(self) -> dict[str, Any]:
        """Everything but what is compiled."""
        state = {key: value for key, value in vars(self).items() if key not in _COMPILED}
        if self._ready:
            state["_state"] = self.updater.state
            state["settings"] = replace(self.settings, arguments=dict(self.updater.arguments))
        return state | {"_ready": False}

    def prepare(self) -> None:
        """Compile what does not depend on the data; the first thing that `run` does."""
        if self._ready:
            return
        model, settings = self.model, self.settings
        options = (model.network, settings.objective, model.target, model.n_outputs)
        self._evaluation = evaluation_program(*options, model.engine)
        trainable = [param.get_value(borrow=True) for param in model.trainable]
        self._n_trainable = sum(value.size for value in trainable)
        self.updater = make_updater(
            settings.rule,
            settings.arguments,
            model.theta[: self._n_trainable],
            [value.shape for value in trainable],
        )
        if self._state is not None:
            self.updater.load_state(self._state)
            self._state = None
        self._gradient = np.empty(self._n_trainable, dtype=np.float32)
        self._ready = True

    def _prepare_gradients(self, weighted: bool) -> None:
        """Compile the gradients; data with sample weights may follow data without."""
        model, settings = self.model, self.settings
        self._gradients = gradient_program(
            model.network,
            settings.objective,
            model.target,
            model.n_outputs,
            weighted=weighted,
            l1=settings.l1 > 0,
            l2=settings.l2 > 0,
            engine=model.engine,
        )
        missing = self._gradients.n_generators - len(self.generators)
        self.generators += [np.random.default_rng(s) for s in self._seeds.spawn(max(0, missing))]

    @property
    def learning_rate(self) -> float | None:
        """The update rule's learning rate, which callbacks may set; None where it has none."""
        return self.updater.arguments.get("learning_rate")

    @learning_rate.setter
    def learning_rate(self, value: float) -> None:
        if "learning_rate" not in self.updater.arguments:
            raise AttributeError("The update rule has no learning_rate to set.")
        self.updater.arguments["learning_rate"] = float(value)

    def run(
        self,
        training: Dataset,
        validation: Dataset | None,
        n_epochs: int,
        callbacks: Sequence[Callback] = (),
    ) -> None:
        """Train for `n_epochs` more epochs, or until a callback returns True.

        Whatever ends training (an error too), the model is left as of the last
        finished epoch.
        """
        self.prepare()
        self._prepare_gradients(training.weights is not None)
        finished = self.model.theta.copy()
        try:
            stop = _told(callbacks, "on_training_begin", self)
            for _ in range(n_epochs):
                if stop:
                    break
                record, stop = self._run_epoch(training, validation, callbacks)
                self.history.append(record)
                stop |= _told(callbacks, "on_epoch_end", self, record)
                np.copyto(finished, self.model.theta)
            _told(callbacks, "on_training_end", self)
        except BaseException:
            np.copyto(self.model.theta, finished)
            raise

    def _run_epoch(
        self, training: Dataset, validation: Dataset | None, callbacks: Sequence[Callback]
    ) -> tuple[dict[str, Any], bool]:
        began = time.perf_counter()
        self.epoch = len(self.history) + 1
        stop = _told(callbacks, "on_epoch_begin", self)
        losses, sizes = [], []
        batches = iterate_batches(
            training,
            self.settings.batch_size,
            self.model.input_scale,
            self.order if self.settings.shuffle else None,
        )
        for images, targets, weights in batches:
            losses.append(self._step(images, targets, weights, len(losses) + 1))
            sizes.append(len(images))
            if _told(callbacks, "on_batch_end", self, losses[-1]):
                stop = True
                break
        record = {"epoch": self.epoch, "train_loss": float(np.average(losses, weights=sizes))}
        if validation is not None and len(validation):
            record["valid_loss"], record["valid_score"] = self.evaluate(validation)
        if self.learning_rate is not None:
            record["learning_rate"] = self.learning_rate
        record["duration"] = time.perf_counter() - began
        return record, stop

    def _step(
        self, images: np.ndarray, targets: np.ndarray, weights: np.ndarray | None, batch: int
    ) -> float:
        settings = self.settings
        optional = [] if weights is None else [weights]
        optional += [np.float32(strength) for strength in (settings.l1, settings.l2) if strength > 0]
        loss, *results = self._gradients.function(
            images, targets, *optional, *self.model.values, *self.generators
        )
        loss = float(loss)
        if not math.isfinite(loss):
            raise DivergenceError(self._divergence(loss, batch))
        n_gradients = len(results) - len(self._gradients.updated)
        np.concatenate([np.ravel(g) for g in results[:n_gradients]], out=self._gradient)
        self.updater.apply(self.model.theta[: self._n_trainable], self._gradient)
        for position, value in zip(self._gradients.updated, results[n_gradients:], strict=True):
            self.model.values[position][...] = value
        return loss

    def _divergence(self, loss: float, batch: int) -> str:
        rate = self.learning_rate
        now = "" if rate is None else f" than {rate:g}"
        return (
            f"The loss became {loss} at epoch {self.epoch}, batch {batch}: training diverged. "
            f"Use a smaller update_learning_rate{now}, or scale X so that its values are near 1."
        )

    def evaluate(self, data: Dataset) -> tuple[float, float]:
        """(mean loss, accuracy or R²) on `data`, without dropout."""
        self.prepare()
        from sklearn.metrics import r2_score

        compute, values = self._evaluation.function, self.model.values
        losses, predictions, targets = [], [], []
        size = min(self.model.slice_size, max(1, len(data)))
        for images, target, _ in iterate_batches(data, size, self.model.input_scale, None):
            loss, prediction = compute(images, target, *values)
            losses.append(loss)
            predictions.append(prediction)
            targets.append(target)
        prediction, target = np.concatenate(predictions), np.concatenate(targets)
        loss = float(np.concatenate(losses).mean(dtype=np.float64))
        match self.model.target:
            case "classes":
                score = float(np.mean(prediction.argmax(axis=1) == target))
            case "labels":
                score = float(np.mean(np.all((prediction > 0.5) == (target > 0.5), axis=1)))
            case "numbers":
                score = float(r2_score(target, prediction)) if len(target) > 1 else math.nan
        return loss, score


def _streams(seed: int) -> tuple[np.random.Generator, np.random.SeedSequence]:
    """The generator of the samples' order, and the seeds of the network's own generators."""
    order, network = np.random.SeedSequence(seed).spawn(2)
    return np.random.default_rng(order), network


def _told(callbacks: Sequence[Callback], event: str, *args: Any) -> bool:
    """Tell every callback; whether one of them wants training to stop."""
    return any([getattr(callback, event)(*args) is True for callback in callbacks])
