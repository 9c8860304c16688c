"""A word about trainings that end no better than guessing."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import entr

from ..caller import users_level
from ..exceptions import GuessingWarning
from ..network.build import Target
from .batches import Dataset
from .callbacks.early_stopping import EarlyStopping
from .defaults import NORMALISED
from .objectives import Objective, UnitByUnit

if TYPE_CHECKING:
    from .trainer import Trainer

__all__ = ["loss_of_guessing", "warn_of_guessing"]

#: Updates that the shortest automatic training makes: who asks for fewer expects little.
MIN_UPDATES = 200
#: The share of what guessing loses, beside knowing all answers, below which something was learnt,
#: and below which a mean over the epoch's batches, with dropout and penalties, shows that without
#: a closer look.
NOTHING_LEARNT, SUSPICIOUS = 0.99, 0.9
#: Less than this float32 does not tell from nothing.
EPSILON = float(np.finfo(np.float32).eps)
#: Training images that are looked at closely.
N_IMAGES = 2_000

_GUESSES: dict[Target, str] = {
    "classes": "to give every image the classes' frequencies",
    "labels": "to give every image the labels' frequencies",
    "numbers": "to give every image the mean of y",
}


def warn_of_guessing(trainer: Trainer, data: Dataset) -> None:
    """Warn where a network has learnt nothing about the images that it was trained on.

    The warning comes after 200 updates or more (or fewer, where `EarlyStopping` has cut so many
    short), where the network's loss on these images, without dropout and penalties, is at least
    0.99 of the least loss that one answer for all of them has. Weights and label smoothing count
    in both, and both are measured from what smoothing leaves to who knows every answer. Where
    guessing loses too little for float32 to tell more from less, there is none. It looks at
    2,000 images at most, and at none where the training loss of the last epoch is below 0.9 of
    that least loss and no callback has put back other parameters.

    Parameters
    ----------
    trainer : Trainer
        Whose training has ended.
    data : Dataset
        What it was trained on.

    Warns
    -----
    GuessingWarning
    """
    history, stopped_early = trainer.history, _stopped_early(trainer)
    if trainer.n_batches * (trainer.last_epoch if stopped_early else len(history)) < MIN_UPDATES:
        return
    rows = _some(data.rows)
    some = Dataset(data.images, data.targets, data.weights, rows)
    guess, known = _guess_and_least(trainer, some)
    if guess is None or guess - known < _least_told(trainer.model.target):
        return
    ahead = history[-1]["train_loss"] < known + SUSPICIOUS * (guess - known)
    if ahead and not trainer.put_back:
        return
    loss = trainer.loss_as_trained(some)
    if loss < known + NOTHING_LEARNT * (guess - known):
        return
    rate = trainer.learning_rate
    now = "" if rate is None else f" than {rate:g}"
    longer = "more patience (n_iter_no_change)" if stopped_early else "more epochs (max_epochs)"
    smooth = ", label smoothing included," if trainer.settings.label_smoothing else ""
    normalised = getattr(trainer.settings.rule, "__name__", "") in NORMALISED
    adam = "" if normalised else ", update='adam'"
    warnings.warn(
        f"Training ended no better than guessing: after {len(history)} epochs "
        f"({len(history) * trainer.n_batches:,} updates) the loss on the training images"
        f"{smooth} is {loss:.4g}, and {_GUESSES[trainer.model.target]} has a loss of {guess:.4g}. "
        f"Try a smaller update_learning_rate{now}{adam}, {longer}, and batch normalisation in "
        "networks of your own; see that the labels belong to the images, and that input_scale "
        "brings pixels near 1.",
        GuessingWarning,
        stacklevel=users_level(),
    )


def _least_told(target: Target) -> float:
    """What guessing must lose for float32 to tell that something was learnt.

    Logarithms of probabilities near 1 know steps of float32's epsilon, and a hundredth of the
    loss must be one. Weights that leave next to nothing to a class make guessing as good as that.
    """
    return EPSILON if target == "numbers" else EPSILON / (1 - NOTHING_LEARNT)


def _stopped_early(trainer: Trainer) -> bool:
    """Whether it was `EarlyStopping` that ended it, not the number of epochs."""
    watchers = [each for each in trainer.callbacks if isinstance(each, EarlyStopping)]
    return any(each.waited_ >= each.patience for each in watchers)


def _guess_and_least(trainer: Trainer, data: Dataset) -> tuple[float | None, float]:
    """The least losses of who gives one answer for all samples, and of who knows each.

    The second is guessing's for a single sample: by symmetry, for whichever.
    """
    settings, model = trainer.settings, trainer.model
    n_outputs = model.network.output.output_shape[1]
    targets, smoothing = data.targets[data.rows], settings.label_smoothing
    weights = None if data.weights is None else data.weights[data.rows]
    guess, known = (
        loss_of_guessing(settings.objective, model.target, values, n_outputs, counted, smoothing)
        for values, counted in ((targets, weights), (targets[:1], None))
    )
    return guess, known or 0.0


def _some(rows: np.ndarray) -> np.ndarray:
    """All samples, or as many as are looked at, drawn at random: y may repeat itself."""
    if len(rows) <= N_IMAGES:
        return rows
    return np.sort(np.random.default_rng(0).choice(rows, N_IMAGES, replace=False))


def loss_of_guessing(
    objective: Objective,
    target: Target,
    values: np.ndarray,
    n_outputs: int,
    weights: np.ndarray | None = None,
    smoothing: float = 0.0,
) -> float | None:
    """The least mean loss that one answer for all samples has.

    With p the mean of the targets (the frequency of each class, or label; smoothed): the entropy
    -Σ p log p for the categorical cross-entropy, the mean over units of
    -p log p - (1 - p) log(1 - p) for the binary one, and of the variance for the squared error.

    Parameters
    ----------
    objective : callable
    target : {'classes', 'numbers', 'labels'}
    values : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        The targets as the network is trained on them.
    n_outputs : int
    weights : ndarray of shape (n_samples,), optional
    smoothing : float, default=0.0
        The share of each target that is spread over all classes, or over both values of a label.

    Returns
    -------
    float or None
        None where it isn't known: of other losses.

    Examples
    --------
    >>> from lasagne.objectives import categorical_crossentropy
    >>> codes = np.array([0, 1, 1, 1])
    >>> f"{loss_of_guessing(categorical_crossentropy, 'classes', codes, 2):.4f}"
    '0.5623'
    """
    from lasagne import objectives

    if isinstance(objective, UnitByUnit):
        objective = objective.objective
    if target == "classes":
        counts = np.bincount(values, weights, n_outputs)
        mean = counts / counts.sum()
    else:
        mean = np.average(values.astype(np.float64), axis=0, weights=weights)
    if objective is objectives.squared_error:
        if target != "numbers":
            return float((1 - smoothing) ** 2 * (mean * (1 - mean)).mean())
        squares = np.square(values - mean).mean(axis=1)
        return float(np.average(squares, weights=weights))
    mean = mean * (1 - smoothing) + smoothing / (n_outputs if target == "classes" else 2)
    if objective is objectives.binary_crossentropy and target != "numbers":
        return float((entr(mean) + entr(1 - mean)).mean())
    if objective is objectives.categorical_crossentropy and target == "classes":
        return float(entr(mean).sum())
    return None
