"""How a network is to be trained."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..network.build import Target
from .augmentation import Augmentation
from .objectives import Objective

__all__ = ["Penalty", "Settings", "penalised"]

#: One strength for the whole network, or one for each layer that is named.
Penalty = float | Mapping[str, float]


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
    l1, l2 : float, or dict of str to float
        Strengths of the penalties: of the whole network, or by layer.
    max_norm : float or None
        The longest that a batch's gradient, all parameters together, may be.
    label_smoothing : float
        The share of each target that is spread over all classes.
    augment : Augmentation or None
        Changes batches of training.
    front_bytes : int
        How much of what a frozen front computes is kept in memory.
    scales : dict of str to float, or None
        What steps are multiplied by, layer by layer.
    """

    objective: Objective
    rule: Callable[..., Any]
    arguments: dict[str, float]
    batch_size: int
    shuffle: bool = True
    l1: Penalty = 0.0
    l2: Penalty = 0.0
    max_norm: float | None = None
    label_smoothing: float = 0.0
    augment: Augmentation | None = None
    front_bytes: int = 0
    scales: Mapping[str, float] | None = None

    def mixes_classes(self, target: Target) -> bool:
        """Whether classes reach the loss as rows of probabilities."""
        return target == "classes" and self.augment is not None and self.augment._mixes

    def strengths(self) -> list[Any]:
        """What the gradient program takes for the penalties that there are."""
        return [
            np.asarray(list(each.values()) if isinstance(each, Mapping) else each, np.float32)[()]
            for each in (self.l1, self.l2)
            if each
        ]


def penalised(penalty: Penalty) -> bool | tuple[str, ...]:
    """Which layers a penalty is about: none (False), all (True), or those named."""
    return tuple(penalty) if isinstance(penalty, Mapping) else penalty > 0
