"""A `NeuralNet`'s model, objective and update rule: compiled, and applied batch by batch."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping
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

__all__ = ["Learner", "Loss"]


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
        layers = Layers(network.layers)
        if not hasattr(self.objective, "get_loss"):
            return self.objective(
                layers, target=target, deterministic=deterministic, **self.arguments
            )
        made = self.objective(network.output, **self.arguments)
        made.layers = layers
        # Objectives of 2015 know `deterministic` only where nolearn passed it.
        options = {"deterministic": True} if deterministic else {}
        return made.get_loss(network.input.input_var, target, **options)


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
    """

    def __init__(
        self,
        model: Model,
        loss: Loss,
        rule: Callable[..., Any],
        arguments: Mapping[str, Any],
        seed: int,
    ) -> None:
        self.model = model
        self.loss = loss
        gradients = gradient_program(model, loss)
        self._evaluation = evaluation_program(model, loss)
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

    def step(self, images: np.ndarray, targets: np.ndarray, where: str) -> float:
        """Update the parameters with one batch; the loss before the update.

        Parameters
        ----------
        images, targets : ndarray
        where : str
            The epoch and the batch, for the error.

        Raises
        ------
        DivergenceError
            If the loss is not finite, and then nothing is updated; or a parameter, afterwards.
        """
        self.model.sync_values()  # what handlers gave parameters with set_value
        loss = self._step([images, targets], [], self.generators)
        if not (math.isfinite(loss) and self._step.is_sound()):
            raise divergence(where, self.model, loss, images)
        return loss

    def evaluate(self, images: np.ndarray, targets: np.ndarray) -> tuple[float, np.ndarray]:
        """(loss, the output layer's activations) of one batch, without dropout."""
        generators = self.model.streams(self._evaluation.n_generators)
        loss, prediction = self._evaluation.function(
            images, targets, *self.model.values, *generators
        )
        return float(loss), prediction

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
            return differentiated(
                network, [network.input.input_var, target], expression, model.engine
            )

    return cached_program(_key("gradients", model, loss), make)


def evaluation_program(model: Model, loss: Loss) -> Program:
    """From (images, targets, *params) to the loss and the output, dropout off."""
    from lasagne.layers import get_output

    def make() -> Program:
        network = model.network
        with theano_scope():
            target = loss.target_type("y")
            outputs = [
                loss.expression(network, target, deterministic=True),
                get_output(network.output, deterministic=True),
            ]
            data = [network.input.input_var, target]
            return compile_with_params(network, data, outputs, get_kernels(model.engine), True)

    return cached_program(_key("evaluation", model, loss), make)


def _key(kind: str, model: Model, loss: Loss) -> Hashable | None:
    parts = (network_signature(model.network), loss.key())
    return None if None in parts else ("nolearn", kind, *parts, model.engine)
