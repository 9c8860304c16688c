"""Batch size, number of epochs and learning rate where the user leaves them open."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any

from ..network.build import Target

__all__ = ["automatic_batch_size", "automatic_epochs", "automatic_learning_rate"]

#: Parameter updates that a small data set gets, however few batches an epoch has.
MIN_UPDATES = 1500
MIN_EPOCHS, MAX_EPOCHS = 10, 200
#: Rules whose steps are as long as the gradient, and those whose steps are of one length.
GRADIENT_RATE, NORMALISED_RATE = 0.01, 0.001
NORMALISED = ("adam", "adamax", "adamw", "rmsprop")
#: Errors of numbers have no bound; errors of probabilities have one.
RATE_FOR_NUMBERS = 0.003


def automatic_batch_size(n_samples: int) -> int:
    """32 up to 4,000 training samples, 64 up to 16,000, then 128.

    Examples
    --------
    >>> [automatic_batch_size(n) for n in (100, 1_300, 10_000, 50_000)]
    [32, 32, 64, 128]
    """
    if n_samples <= 4_000:
        return 32
    return 64 if n_samples <= 16_000 else 128


def automatic_epochs(n_samples: int, batch_size: int) -> int:
    """As many epochs as make 1,500 updates, but at least 10 and at most 200.

    Examples
    --------
    >>> [automatic_epochs(n, automatic_batch_size(n)) for n in (100, 1_300, 10_000, 50_000)]
    [200, 37, 10, 10]
    """
    updates = max(1, math.ceil(n_samples / batch_size))
    return min(MAX_EPOCHS, max(MIN_EPOCHS, math.ceil(MIN_UPDATES / updates)))


def automatic_learning_rate(rule: Callable[..., Any], target: Target) -> float:
    """The learning rate that suits an update rule and a kind of target.

    0.001 for adam, adamax, adamw and rmsprop; 1 for adadelta, which finds its own
    scale; for the others 0.01, or 0.003 where the target is numbers. A rule of the
    user's own that has a default of its own keeps it.

    Examples
    --------
    >>> from lasagne.updates import adam, nesterov_momentum
    >>> automatic_learning_rate(nesterov_momentum, "classes")
    0.01
    >>> automatic_learning_rate(adam, "classes")
    0.001
    """
    import lasagne.updates

    name = getattr(rule, "__name__", "")
    if name in NORMALISED:
        return NORMALISED_RATE
    if name == "adadelta":
        return 1.0
    if getattr(lasagne.updates, name, None) is not rule:
        parameter = inspect.signature(rule).parameters.get("learning_rate")
        if parameter is not None and isinstance(parameter.default, int | float):
            return float(parameter.default)
    return RATE_FOR_NUMBERS if target == "numbers" else GRADIENT_RATE
