"""Everything that changes while a network trains, as values."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from .trainer import Trainer

__all__ = ["TrainingState"]


@dataclass(frozen=True)
class TrainingState:
    """A moment of a training: put back, training goes on from it to the same bits.

    Attributes
    ----------
    theta : ndarray of shape (n_parameters,)
    optimiser : list of ndarray
        What the update rule remembers.
    arguments : dict of str to float
        The update rule's arguments, such as the learning rate.
    order : dict
        The state of the generator that shuffles.
    generators : list of dict
        The states of the network's own generators, dropout's for instance.
    history : list of dict
        The finished epochs' records.
    """

    theta: np.ndarray
    optimiser: list[np.ndarray]
    arguments: dict[str, float]
    order: dict[str, Any]
    generators: list[dict[str, Any]]
    history: list[dict[str, Any]]

    @classmethod
    def of(cls, trainer: Trainer) -> TrainingState:
        """The present state of a prepared trainer, copied."""
        return cls(
            theta=trainer.theta.copy(),
            optimiser=[array.copy() for array in trainer.updater.state],
            arguments=dict(trainer.updater.arguments),
            order=dict(copy.deepcopy(trainer.order.bit_generator.state)),
            generators=[dict(copy.deepcopy(g.bit_generator.state)) for g in trainer.generators],
            history=[dict(record) for record in trainer.history],
        )

    def restore(self, trainer: Trainer) -> None:
        """Bring a prepared trainer, of the same network and rule, to this state.

        Raises
        ------
        ValueError
            If the state is another network's or another rule's.
        """
        if self.theta.shape != trainer.theta.shape:
            raise ValueError(
                f"The state holds {self.theta.size} parameters, and the network has "
                f"{trainer.theta.size}."
            )
        trainer.updater.load_state(self.optimiser)
        trainer.updater.arguments.update(self.arguments)
        np.copyto(trainer.theta, self.theta)
        trainer.order.bit_generator.state = self.order
        for generator, state in zip(trainer.generators, self.generators, strict=True):
            generator.bit_generator.state = state
        trainer.history[:] = [dict(record) for record in self.history]
        trainer.epoch = len(trainer.history)
