"""A `NeuralNet`'s model, objective and update rule: compiled, and applied batch by batch."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..kernels.registry import get_kernels
from ..network.build import Network
from ..network.functions import Program, cached_program, compile_with_params
from ..network.model import Model
from ..network.signature import description, network_signature
from ..theano_facade import theano_scope
from ..training.divergence import divergence
from ..training.gradients import GradientProgram, differentiated
from ..training.step import HostStep
from ..training.updates import make_updater
from .layers import Layers

__all__ = ["Learner", "Loss", "Scores"]

#: Names, and functions of (list of outputs, target) to expressions.
Scores = Sequence[tuple[str, Callable[..., Any]]]


@dataclass(frozen=True)
class Loss:
    """nolearn's objective of a network, as an expression.

    Attributes
    ----------
    objective : callable
        A function (layers, target=..., deterministic=..., **arguments) to a
        scalar, or a class whose instances have ``get_loss``.
    arguments : dict
        ``loss_function`` and other ``objective_*`` parameters.
    target_type : callable
        From a name to the symbolic target.
    """

    objective: Callable[..., Any]
    arguments: Mapping[str, Any]
    target_type: Callable[[str], Any]

    def key(self) -> Hashable | None:
        """A key that tells it from another loss; None where there is no such key."""
        return description((self.objective, self.arguments, self.target_type("y").type))

    def expression(self, network: Network, target: Any, deterministic: bool) -> Any:
        """The loss of a batch, a scalar."""
        layers = Layers(_outputs_last(network))
        if not hasattr(self.objective, "get_loss"):
            return self.objective(
                layers, target=target, deterministic=deterministic, **self.arguments
            )
        made = self.objective(network.output, **self.arguments)
        made.layers = layers
        # Objectives of 2015 know `deterministic` only where nolearn passed it.
        options = {"deterministic": True} if deterministic else {}
        return made.get_loss(network.input.input_var, target, **options)


def _outputs_last(network: Network) -> dict[str, Any]:
    """The layers by name, of which the last is the output."""
    layers = dict(network.layers)
    last = next(name for name, layer in layers.items() if layer is network.output)
    layers[last] = layers.pop(last)
    return layers


class Learner:
    """A model, its compiled loss, and an update rule at work on it.

    Parameters
    ----------
    model : Model
        Its parameters are updated in place.
    loss : Loss
    rule : callable
        An update rule of ``lasagne.updates``, or one of that form.
    arguments : dict
        The rule's.
    seed : int
        Of the network's own random generators, dropout's for instance.
    scores_train, scores_valid : sequence of (str, callable)
        Further expressions to compute of a batch, dropout off: of the outputs, a list,
        and the target.
    """

    def __init__(
        self,
        model: Model,
        loss: Loss,
        rule: Callable[..., Any],
        arguments: Mapping[str, Any],
        seed: int,
        scores_train: Scores = (),
        scores_valid: Scores = (),
    ) -> None:
        self.model = model
        self.loss = loss
        gradients = gradient_program(model, loss)
        self._evaluation = evaluation_program(model, loss, scores_valid)
        self._scores = score_program(model, loss, scores_train) if scores_train else None
        trainable = model.trainable
        shapes = [param.get_value(borrow=True).shape for param in trainable]
        names = [param.name for param in trainable]
        theta = model.theta
        assert theta is not None, "the network is built"
        trained = theta[: model.n_trainable]
        self.updater = make_updater(rule, arguments, trained, shapes, names)
        self._step = HostStep(gradients, self.updater, theta, model.values, None)
        seeds = np.random.SeedSequence(seed).spawn(gradients.n_generators)
        self.generators = [np.random.default_rng(each) for each in seeds]

    def step(
        self, data: Sequence[np.ndarray], targets: np.ndarray, where: str
    ) -> tuple[float, list[float]]:
        """Update the parameters with one batch; the loss, and the scores, before the update.

        Parameters
        ----------
        data : sequence of ndarray
            The batch of each input.
        targets : ndarray
        where : str
            The epoch and the batch, for the error.

        Raises
        ------
        DivergenceError
            If the loss is not finite, and then nothing is updated; or a parameter, afterwards.
        """
        self.model.sync_values()  # what handlers gave parameters with set_value
        scores = [] if self._scores is None else self._computed(self._scores, data, targets)
        loss = self._step([*data, targets], [], self.generators)
        if not (math.isfinite(loss) and self._step.is_sound()):
            raise divergence(where, self.model, loss, data)
        return loss, [float(np.mean(score)) for score in scores]

    def evaluate(
        self, data: Sequence[np.ndarray], targets: np.ndarray
    ) -> tuple[float, list[np.ndarray], list[float]]:
        """(loss, each output layer's activations, the scores) of one batch, without dropout."""
        loss, *results = self._computed(self._evaluation, data, targets)
        n_outputs = len(self.model.network.outputs)
        scores = [float(np.mean(score)) for score in results[n_outputs:]]
        return float(loss), results[:n_outputs], scores

    def _computed(
        self, program: Program, data: Sequence[np.ndarray], targets: np.ndarray
    ) -> tuple[Any, ...]:
        generators = self.model.streams(program.n_generators)
        return program.function(*data, targets, *self.model.values, *generators)

    def target(self, y: Any) -> np.ndarray:
        """Targets as the compiled functions take them."""
        return np.asarray(y, dtype=self.loss.target_type("y").type.dtype)


def gradient_program(model: Model, loss: Loss) -> GradientProgram:
    """From (images, targets, *params, *generators) to the loss and its gradients."""

    def make() -> GradientProgram:
        network = model.network
        with theano_scope():
            target = loss.target_type("y")
            expression = loss.expression(network, target, deterministic=False)
            return differentiated(network, [*network.input_vars, target], expression, model.engine)

    return cached_program(_key("gradients", model, loss), make)


def evaluation_program(model: Model, loss: Loss, scores: Scores = ()) -> Program:
    """From (*inputs, targets, *params) to the loss, the outputs and the scores, dropout off."""

    def expressions(outputs: list[Any], target: Any) -> list[Any]:
        value = loss.expression(model.network, target, deterministic=True)
        return [value, *outputs, *(score(outputs, target) for _, score in scores)]

    return _of_outputs("evaluation", model, loss, scores, expressions)


def score_program(model: Model, loss: Loss, scores: Scores) -> Program:
    """From (*inputs, targets, *params) to the scores, dropout off."""

    def expressions(outputs: list[Any], target: Any) -> list[Any]:
        return [score(outputs, target) for _, score in scores]

    return _of_outputs("scores", model, loss, scores, expressions)


def _of_outputs(
    kind: str,
    model: Model,
    loss: Loss,
    scores: Scores,
    expressions: Callable[[list[Any], Any], list[Any]],
) -> Program:
    """The program of `expressions` of all output layers and the target."""
    from lasagne.layers import get_output

    def make() -> Program:
        network = model.network
        with theano_scope():
            target = loss.target_type("y")
            outputs = get_output(list(network.outputs), deterministic=True)
            data = [*network.input_vars, target]
            made = expressions(outputs, target)
            return compile_with_params(network, data, made, get_kernels(model.engine), True)

    return cached_program(_key(kind, model, loss, description(tuple(scores))), make)


def _key(kind: str, model: Model, loss: Loss, *further: Hashable) -> Hashable | None:
    parts = (network_signature(model.network), loss.key(), *further)
    return None if None in parts else ("nolearn", kind, *parts, model.engine)
