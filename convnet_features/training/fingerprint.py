"""What tells one training from another."""

from __future__ import annotations

import functools
import hashlib
import json
import uuid
import warnings
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np

from ..caller import users_level
from ..exceptions import ConvNetFeaturesWarning
from ..identity import UnknownIdentityError, array_identity, identity
from ..network.inputs import Inputs
from ..network.on_demand import ImagesOnDemand
from .batches import Dataset
from .callbacks.base import changes_training
from .state import TrainingState

if TYPE_CHECKING:
    from .trainer import Trainer

__all__ = ["digest", "fingerprint"]


def fingerprint(trainer: Trainer) -> dict[str, str]:
    """What a training that is about to begin depends on: a hash of each part, by its name.

    It is equal for equal trainings, in any process. The number of epochs is part
    of it where something changes with the share of epochs that are done. Callbacks
    that only watch a training are no part of it.
    """
    model = trainer.model
    shaping = [each for each in trainer.callbacks if changes_training(each)]
    length = trainer.last_epoch if any(map(_needs_length, shaping)) else None
    of_array = _each_once()
    parts: dict[str, Callable[[], str]] = {
        "network": _lazily(
            [model.layers, model.input_shape, model.n_outputs, model.target, model.input_scale],
            [model.engine, model.frozen],
        ),
        "settings": _lazily(*(getattr(trainer.settings, f.name) for f in fields(trainer.settings))),
        "random_state": _lazily(trainer.seed),
        "beginning": lambda: _beginning(trainer),
        "callbacks": _lazily(*shaping),
        "max_epochs": _lazily(length),
        "training data": lambda: _of_data(trainer.training, of_array),
        "validation data": lambda: _of_data(trainer.validation, of_array),
        "versions": _versions,
    }
    return {name: _known(name, part) for name, part in parts.items()}


def digest(parts: Mapping[str, Any]) -> str:
    """A fingerprint as one short word."""
    return hashlib.sha256(json.dumps(dict(parts), sort_keys=True).encode()).hexdigest()[:16]


def _lazily(*values: Any) -> Callable[[], str]:
    return lambda: identity(list(values))


def _known(name: str, part: Callable[[], str]) -> str:
    """A part's hash; a value that no other training has, where it cannot be hashed."""
    try:
        return part()
    except (UnknownIdentityError, RecursionError) as error:
        warnings.warn(
            f"Checkpoint: the {name} of this training cannot be compared with another "
            f"one's ({error}), so it begins anew each time. A function of a module, or an object "
            "that can be pickled, can be compared.",
            ConvNetFeaturesWarning,
            stacklevel=users_level(),
        )
        return uuid.uuid4().hex


def _beginning(trainer: Trainer) -> str:
    """The parameters and the update rule's memory, whatever they come from."""
    state = TrainingState.of(trainer)
    parts = [state.theta, state.optimiser, state.arguments, state.order, state.generators]
    return identity([*parts, len(state.history)])


def _each_once() -> Callable[[Any], str]:
    """`array_identity` for arrays that stay: what two sets are rows of is read once.

    Images on demand are not read at all: they say what they are made of.
    """
    known: dict[int, str] = {}

    def of_array(array: Any) -> str:
        if id(array) not in known:
            on_demand = isinstance(array, ImagesOnDemand)
            known[id(array)] = identity(array.identity()) if on_demand else array_identity(array)
        return known[id(array)]

    return of_array


def _of_data(data: Dataset | None, of_array: Callable[[Any], str]) -> str:
    """The hash of the arrays as they lie in memory, and of the rows that are looked at."""
    if data is None:
        return identity(None)
    images = data.images
    inputs = [*images.arrays.values()] if isinstance(images, Inputs) else [images]
    arrays = [*inputs, data.targets, data.rows]
    arrays += [] if data.weights is None else [data.weights]
    return identity([of_array(each) for each in arrays])


@functools.cache
def _versions() -> str:
    """The hash of the versions that decide which numbers come out."""
    import pytensor

    from .._version import __version__

    return identity([__version__, np.__version__, pytensor.__version__])


def _needs_length(callback: Any) -> bool:
    return bool(getattr(callback, "depends_on_length", True))
