"""Augmentations whose draws are decided by seeds alone."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..batches import Batch
from .base import Augmentation

__all__ = ["seeded"]


def seeded(
    augment: Augmentation | None, seed: int, epoch: int, n_outputs: int
) -> Callable[[Batch, int], Batch] | None:
    """`augment` as a function of a batch and its number; None for None.

    Each batch of each epoch has a generator of its own, so that nothing but
    these three numbers decides the draws. Classes that are to be mixed become
    rows of `n_outputs` probabilities.
    """
    if augment is None:
        return None

    def augmented(batch: Batch, number: int) -> Batch:
        if augment._mixes and batch.targets.ndim == 1:
            batch = batch._replace(targets=_probabilities(batch.targets, n_outputs))
        changed = augment._change(batch, np.random.default_rng([seed, epoch, number]))
        images = checked(changed.images, batch.images.shape)
        return changed._replace(images=images)

    return augmented


def _probabilities(classes: np.ndarray, n_classes: int) -> np.ndarray:
    """float32 of shape (n_samples, n_classes): a one in each row."""
    rows = np.zeros((len(classes), n_classes), dtype=np.float32)
    rows[np.arange(len(classes)), classes] = 1
    return rows


def checked(images: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """What an augmentation made of a batch of this shape.

    Raises
    ------
    ValueError
        If it has another shape.
    """
    changed = np.asarray(images)
    if changed.shape != shape:
        raise ValueError(
            f"augment: it made a batch of shape {changed.shape} from one of {shape}; it "
            "must keep the shape."
        )
    return changed
