"""What tells one training from another."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from .batches import Dataset

if TYPE_CHECKING:
    from .trainer import Trainer

__all__ = ["fingerprint"]

#: Rows whose pixels are looked at.
_SAMPLE = 1000


def fingerprint(trainer: Trainer) -> dict[str, Any]:
    """A training's network, settings and data, as JSON: equal for equal trainings.

    The number of epochs is not part of it, and neither are callbacks.
    """
    model, settings = trainer.model, trainer.settings
    return {
        "parameters": {name: list(value.shape) for name, value in model.named_values.items()},
        "frozen": list(model.frozen),
        "input_shape": list(model.input_shape),
        "input_scale": model.input_scale,
        "target": model.target,
        "random_state": trainer.seed,
        "update": settings.rule.__name__,
        "batch_size": settings.batch_size,
        "shuffle": bool(settings.shuffle),
        "training data": _of_data(trainer.training),
        "validation data": None if trainer.validation is None else _of_data(trainer.validation),
    }


def _of_data(data: Dataset) -> list[int]:
    """The number of rows, and checksums of targets, weights and some of the images."""
    sample = data.rows[:: max(1, len(data) // _SAMPLE)]
    weights = np.zeros(0) if data.weights is None else data.weights[data.rows]
    return [len(data), *map(_checksum, (data.targets[data.rows], weights, data.images[sample]))]


def _checksum(array: np.ndarray) -> int:
    return zlib.crc32(np.ascontiguousarray(array).tobytes())
