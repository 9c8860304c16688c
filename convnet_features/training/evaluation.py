"""The loss and the score of a network on samples that it is not trained on."""

from __future__ import annotations

import math

import numpy as np
from sklearn.metrics import r2_score

from ..kernels.magnitude import are_finite
from ..network.build import Target
from ..network.functions import Program
from ..network.model import Model
from .batches import Dataset, iterate_batches

__all__ = ["evaluate"]


def evaluate(
    model: Model, program: Program, data: Dataset, weighted: bool = False
) -> tuple[float, float]:
    """(mean loss, accuracy or R²) on `data`, without dropout.

    Parameters
    ----------
    model : Model
    program : Program
        An evaluation program.
    data : Dataset
    weighted : bool, default=False
        Whether the samples' weights count in the mean loss.

    Returns
    -------
    loss, score : float
    """
    losses, predictions, targets = [], [], []
    weights: list[np.ndarray] = []
    size = min(model.slice_size, max(1, len(data)))
    for images, target, weight in iterate_batches(data, size, model.input_scale, None):
        generators = model.streams(program.n_generators)
        loss, prediction = program.function(
            *model.arguments(images), target, *model.values, *generators
        )
        losses.append(loss)
        predictions.append(prediction)
        targets.append(target)
        if weighted and weight is not None:
            weights.append(weight)
    counts = np.concatenate(weights) if weights else None
    loss = float(np.average(np.concatenate(losses).astype(np.float64), weights=counts))
    return loss, _score(model.target, np.concatenate(predictions), np.concatenate(targets))


def _score(kind: Target, prediction: np.ndarray, target: np.ndarray) -> float:
    """NaN where a prediction is not a number: no class, and no error, can be read off it."""
    if not are_finite(prediction):
        return math.nan
    match kind:
        case "classes":
            return float(np.mean(prediction.argmax(axis=1) == target))
        case "labels":
            return float(np.mean(np.all((prediction > 0.5) == (target > 0.5), axis=1)))
    return float(r2_score(target, prediction)) if len(target) > 1 else math.nan
