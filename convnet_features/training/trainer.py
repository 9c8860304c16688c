"""The training loop."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, cast

import numpy as np

from ..caller import users_level
from ..exceptions import ConvNetFeaturesWarning, DivergenceError
from ..kernels.registry import get_engine
from ..network.functions import Program
from ..network.inputs import Inputs
from ..network.model import Model
from ..network.transfer import LoadReport
from .augmentation.seeding import seeded
from .batches import Batch, Dataset, iterate_batches, processor_to_spare
from .callbacks.base import Callback, for_one_training, in_order, listening, notify
from .divergence import divergence
from .evaluation import evaluate
from .front import KnownOutputs, known_outputs
from .gradients import evaluation_program, gradient_program
from .guessing import warn_of_guessing
from .history import History
from .interruption import Interruption, ends_the_whole, interruptible
from .learning_rates import factors_of
from .objectives import (
    Objective,
    TargetVariable,
    for_evaluation,
    of_probabilities,
    smoothed,
)
from .settings import Settings, penalised
from .state import TrainingState
from .step import Step, loaded
from .updates import make_updater

__all__ = ["Settings", "Trainer"]

_TRANSIENT = (
    "_evaluations",
    "_outputs",
    "_step",
    "_finished",
    "updater",
    "callbacks",
    "training",
    "validation",
)


@dataclass(eq=False)
class Trainer:
    """A model being trained: what changes from batch to batch, and the loop that changes it.

    Attributes
    ----------
    model : Model
        Its parameters are updated in place.
    settings : Settings
    seed : int
        Of the samples' order, the network's own generators, and augmentation.
    history : History
        One record for each finished epoch.
    epoch : int
        The current epoch, from 1; 0 before the first.
    load_report : LoadReport or None
        What the network began with instead of random parameters.
    batch, n_batches : int
        The current batch of the epoch, from 1, and how many there are.
    last_epoch : int
        The epoch that this run ends with, if nothing stops it.
    cut_short : bool
        Whether the current epoch was stopped before its last batch.
    stopping : bool
        Whether a callback has asked this run to end.
    open_ended : bool
        Whether nobody knows how many epochs there are to be, as in `partial_fit`.
    put_back : bool
        Whether callbacks have given the network other parameters than the last epoch left.
    declared : Settings
        The settings as the user last gave them.
    callbacks : list of Callback
        Those of this run.
    training, validation : Dataset
        The data of this run; `validation` may be None.
    fitted_estimator : callable or None
        Makes an estimator fitted as of now, which shares the model; None where an
        estimator of another kind trains.
    as_given : callable or None
        From encoded targets to those that the estimator was given.
    """

    model: Model
    settings: Settings
    seed: int
    history: History = field(default_factory=History)
    epoch: int = 0
    load_report: LoadReport | None = None

    #: What the frozen front makes of the data of this run, where that is known.
    _outputs: ClassVar[KnownOutputs | None] = None

    def __post_init__(self) -> None:
        self.order, self._seeds = _streams(self.seed)
        self.generators: list[np.random.Generator] = []
        self.batch = self.n_batches = self.last_epoch = 0
        self.cut_short = self.stopping = self.open_ended = self.put_back = False
        self.callbacks: list[Callback] = []
        self.fitted_estimator: Callable[[], Any] | None = None
        self.as_given: Callable[[np.ndarray], np.ndarray] | None = None
        self.declared = self.settings
        self._optimiser: list[np.ndarray] | None = None
        self._ready = False

    def __getstate__(self) -> dict[str, Any]:
        """Everything but what is compiled, and the data."""
        state = {key: value for key, value in vars(self).items() if key not in _TRANSIENT}
        if self._ready:
            state["_optimiser"] = self.updater.state
            state["settings"] = self._live_settings()
        return state | {
            "_ready": False,
            "callbacks": [],
            "fitted_estimator": None,
            "as_given": None,
        }

    def _live_settings(self) -> Settings:
        """The settings, with what callbacks made of the update rule's arguments."""
        return replace(self.settings, arguments=dict(self.updater.arguments))

    def prepare(self) -> None:
        """Compile what does not depend on the data; the first thing that `run` does."""
        if self._ready:
            return
        model, settings = self.model, self.settings
        # Compiled at the end of the first epoch, so that the first batch need not wait for it.
        self._evaluations: dict[str | None, Program] = {}
        shapes = [param.get_value(borrow=True).shape for param in model.trainable]
        names = [param.name for param in model.trainable]
        trained = self.theta[: model.n_trainable]
        factors = factors_of(model.network, settings.scales or {}, model.trainable)
        rules = get_engine(model.engine).rules
        self.updater = make_updater(
            settings.rule, settings.arguments, trained, shapes, names, rules, factors
        )
        if self._optimiser is not None:
            self.updater.load_state(self._optimiser)
        self._ready = True

    def _prepare_step(self, weighted: bool) -> None:
        """Compile the gradients; data with sample weights may follow data without."""
        model, settings = self.model, self.settings
        objective, target = settings.objective, cast(TargetVariable, model.target)
        if mixed := settings.mixes_classes(model.target):
            objective, target = of_probabilities(objective), "probabilities"
        gradients = gradient_program(
            model.network,
            smoothed(objective, settings.label_smoothing, mixed),
            target,
            self._n_outputs,
            weighted=weighted,
            l1=penalised(settings.l1),
            l2=penalised(settings.l2),
            engine=model.engine,
            frozen=model.frozen,
            front=self._front,
        )
        self._n_generators = gradients.n_generators  # frozen layers draw nothing
        missing = gradients.n_generators - len(self.generators)
        self.generators += [np.random.default_rng(s) for s in self._seeds.spawn(max(0, missing))]
        make_step = get_engine(model.engine).part("step")
        self._step: Step = make_step(
            gradients, self.updater, self.theta, model.values, settings.max_norm
        )

    def reconfigure(self, settings: Settings) -> None:
        """Go on with other settings.

        Of the rule's arguments only those change that the user changed since
        the last time: what callbacks made of the others holds. What the rule
        remembers is kept, unless it is another rule now.
        """
        before, self.declared = self.declared, settings
        if settings == before:
            return
        live = self._live_settings() if self._ready else self.settings
        if self._ready:
            self._optimiser = self.updater.state
        arguments = dict(settings.arguments)
        if settings.rule is before.rule and set(arguments) == set(before.arguments):
            kept = {k for k, value in arguments.items() if value == before.arguments[k]}
            arguments.update((name, live.arguments[name]) for name in kept)
        else:
            self._optimiser = None
        self.settings, self._ready = replace(settings, arguments=arguments), False

    def freeze(self, names: Sequence[str]) -> None:
        """Train all layers but these from now on; if that is new, the rule forgets its past."""
        if tuple(names) == self.model.frozen:
            return
        self.settings = self._live_settings() if self._ready else self.settings
        self.model.freeze(names)
        self._optimiser, self._ready = None, False

    @property
    def _n_outputs(self) -> int:
        return self.model.network.output.output_shape[1]

    @property
    def theta(self) -> np.ndarray:
        """The model's parameters, which `run` changes in place."""
        assert self.model.theta is not None, "the network is built before it is trained"
        return self.model.theta

    @property
    def learning_rate(self) -> float | None:
        """The update rule's learning rate, which callbacks may set; None where it has none."""
        return self.updater.arguments.get("learning_rate")

    @learning_rate.setter
    def learning_rate(self, value: float) -> None:
        self.set_argument("learning_rate", value)

    def set_argument(self, name: str, value: float) -> None:
        """Set an argument of the update rule for the batches to come.

        Raises
        ------
        ValueError
            If the rule has no such argument; the text lists those it has.
        """
        if name not in self.updater.arguments:
            raise ValueError(
                f"The update rule {self.settings.rule.__name__!r} has no {name} to set; it has "
                f"{', '.join(self.updater.arguments) or 'no arguments'}."
            )
        self.updater.arguments[name] = float(value)

    def run(
        self,
        training: Dataset,
        validation: Dataset | None,
        n_epochs: int,
        callbacks: Sequence[Callback] = (),
        open_ended: bool = False,
    ) -> None:
        """Train for `n_epochs` more epochs, or until a callback or Ctrl-C ends it.

        Ctrl-C ends training after the current batch, with a warning; where
        this training is one of many, it ends all of them. If something raises,
        everything is left as of the last finished epoch.

        Parameters
        ----------
        training : Dataset
        validation : Dataset or None
        n_epochs : int
        callbacks : sequence of Callback
        open_ended : bool, default=False
            Whether more epochs may follow in other runs, nobody knows how many.

        Raises
        ------
        ValueError
            If a callback is in use by another training that has not ended.
        """
        self.prepare()
        self._outputs = self._outputs_of_front([training, validation], n_epochs)  # type: ignore[misc]
        self._prepare_step(training.weights is not None)
        self.training, self.validation = training, validation
        self.callbacks = in_order(callbacks)
        self.last_epoch, self.open_ended = len(self.history) + n_epochs, open_ended
        self._finished = TrainingState.of(self)
        try:
            with for_one_training(self.callbacks):
                interrupted = self._run_epochs()
        except BaseException as error:
            self._finished.restore(self)
            interrupted = isinstance(error, KeyboardInterrupt) and bool(self.history)
            if not interrupted or ends_the_whole():
                raise
        finally:
            del self.training, self.validation, self._finished
            del self._outputs, self._step  # which holds the parameters
        if interrupted:
            warnings.warn(
                f"Training was interrupted in epoch {self.epoch} of {self.last_epoch}; the network "
                "is as it was then, and can be used.",
                ConvNetFeaturesWarning,
                stacklevel=users_level(),
            )
        elif not open_ended:
            warn_of_guessing(self, training)

    def _outputs_of_front(
        self, sets: Sequence[Dataset | None], n_epochs: int
    ) -> KnownOutputs | None:
        """The outputs of the frozen front for the data of a run, where it has one.

        Augmented images differ in every epoch, and a single epoch looks at each once.
        """
        settings = self.settings
        known = [each for each in sets if each is not None and len(each)]
        if settings.augment is not None or n_epochs < 2:
            return None
        if any(isinstance(each.images, Inputs) for each in known):
            return None
        return known_outputs(self.model, settings.front_bytes, known)

    @property
    def _front(self) -> str | None:
        """The last layer of the front that is computed already."""
        return None if self._outputs is None else self._outputs.front.layer

    def _without_front(self, data: Dataset) -> Dataset:
        """`data` with the outputs of the front in the images' place, where they are known."""
        if self._outputs is None:
            return data
        self._outputs.renew()
        return self._outputs.of(data)

    def _run_epochs(self) -> bool:
        """The run itself; whether the user interrupted it."""
        with interruptible() as interruption:
            self.stopping = self.put_back = interrupted = False
            self._tell("on_training_begin")
            while not (self.stopping or interrupted) and len(self.history) < self.last_epoch:
                interrupted = self._run_epoch(interruption)
            self._tell("on_training_end")
        self.put_back |= not np.array_equal(self.theta, self._finished.theta)
        return interruption.requested

    def _tell(self, event: str, *args: Any) -> bool:
        """Tell the callbacks, each knowing what those before it want; whether to stop."""
        for callback in self.callbacks:
            if notify([callback], event, self, *args):
                self.stopping = True
        return self.stopping

    def _run_epoch(self, interruption: Interruption) -> bool:
        """Train for one epoch and write it down; whether the user interrupted it."""
        began = time.perf_counter()
        self.epoch, self.batch = len(self.history) + 1, 0
        if self._tell("on_epoch_begin"):
            return False
        train_loss = self._train_on_batches(interruption)
        record = self._record(train_loss, began)
        self.history.append(record)
        self._finished = TrainingState.of(self)
        trained = self._finished.theta
        self._tell("on_epoch_end", record)
        self._finished = TrainingState.of(self)
        self.put_back = not np.array_equal(self._finished.theta, trained)
        return interruption.requested

    def _train_on_batches(self, interruption: Interruption) -> float:
        """One pass over the training data, or as much as there is time for; the mean loss."""
        losses, sizes = [], []
        self.model.sync_values()  # what callbacks gave parameters with set_value
        heard = listening(self.callbacks, "on_batch_end")
        with closing(self._batches()) as batches, loaded(self._step):
            for self.batch, batch in enumerate(batches, start=1):
                losses.append(self._train_on(batch))
                sizes.append(len(batch[0]))
                if (heard and self._tell_of_batch(losses[-1])) or interruption.requested:
                    break
        self.cut_short = self.batch < self.n_batches
        return float(np.average(losses, weights=sizes))

    def _train_on(self, batch: Batch) -> float:
        """One update of the parameters; the batch's loss before it."""
        images, *others = batch
        inputs = self.model.arguments(images)
        data = [*inputs, *(each for each in others if each is not None)]
        generators = self.generators[: self._n_generators]
        loss = self._step(data, self.settings.strengths(), generators)
        if not (math.isfinite(loss) and self._step.is_sound()):
            self._step.fetch()
            raise self._divergence(loss, inputs if self._front is None else None)
        return loss

    def _tell_of_batch(self, loss: float) -> bool:
        """Tell callbacks of a batch, with the parameters where they can look at them."""
        self._step.fetch()
        stop = self._tell("on_batch_end", loss)
        self.model.sync_values()
        self._step.load()
        if not np.isfinite(self.theta).all():  # noticed later, other layers would be lost as well
            raise self._divergence()
        return stop

    def _batches(self) -> Generator[Batch]:
        settings, data = self.settings, self._without_front(self.training)
        self.n_batches = -(-len(data) // settings.batch_size)
        return iterate_batches(
            data,
            settings.batch_size,
            self.model.input_scale,
            self.order if settings.shuffle else None,
            seeded(settings.augment, self.seed, self.epoch, self._n_outputs),
            ahead=settings.augment is not None and (self._step.on_device or processor_to_spare()),
        )

    def _record(self, train_loss: float, began: float) -> dict[str, Any]:
        record: dict[str, Any] = {"epoch": self.epoch, "train_loss": train_loss}
        if self.validation is not None and len(self.validation):
            record["valid_loss"], record["valid_score"] = self.evaluate(self.validation)
        if self.learning_rate is not None:
            record["learning_rate"] = self.learning_rate
        record["duration"] = time.perf_counter() - began
        return record

    def evaluate(self, data: Dataset) -> tuple[float, float]:
        """(mean loss, accuracy or R²) on `data`, without dropout, weights and label smoothing."""
        self.prepare()
        data = self._without_front(data)
        if data.layer not in self._evaluations:
            settings, target = self.settings, self.model.target
            of_rows = settings.mixes_classes(target) or (
                target == "classes" and settings.label_smoothing > 0
            )
            objective = for_evaluation(settings.objective, of_rows)
            self._evaluations[data.layer] = self._evaluation_of(objective, data.layer)
        return evaluate(self.model, self._evaluations[data.layer], data)

    def loss_as_trained(self, data: Dataset) -> float:
        """The mean loss on `data` that training lowers, but for dropout, mixing and penalties.

        Weights count, and targets are smoothed.
        """
        objective = smoothed(self.settings.objective, self.settings.label_smoothing)
        return evaluate(self.model, self._evaluation_of(objective), data, weighted=True)[0]

    def _evaluation_of(self, objective: Objective, front: str | None = None) -> Program:
        model = self.model
        return evaluation_program(
            model.network, objective, model.target, self._n_outputs, model.engine, front=front
        )

    def _divergence(self, loss: float = 0.0, images: Any = None) -> DivergenceError:
        where = f"epoch {self.epoch}, batch {self.batch}"
        return divergence(where, self.model, loss, images, self.learning_rate)


def _streams(seed: int) -> tuple[np.random.Generator, np.random.SeedSequence]:
    """The generator of the samples' order, and the seeds of the network's own generators."""
    order, network = np.random.SeedSequence(seed).spawn(2)
    return np.random.default_rng(order), network
