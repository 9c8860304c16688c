"""Augmentations whose draws are decided by seeds alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..batches import Batch, own_copy
from .base import Augmentation, of_shape
from .chain import as_augment

__all__ = ["seeded", "views"]


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
        return augment._change(batch, np.random.default_rng([seed, epoch, number]))

    return augmented


def views(tta: Any, seed: int) -> list[Callable[[np.ndarray], np.ndarray]]:
    """What users give as `tta`, as functions from images to as many others.

    Each changes all images in one way, by draws that nothing but the seed and its
    number decides: so what is predicted for an image has nothing to do with the others.

    Parameters
    ----------
    tta : callable, sequence of callables, or None
        Augmentations, or lists of them that are applied one after the other.
    seed : int

    Returns
    -------
    list of callables

    Raises
    ------
    ValueError
        If one of them is none, has unsound parameters, or mixes images.
    """
    if tta is None:
        return []
    given = tta if isinstance(tta, list | tuple) else [tta]
    return [_view(as_augment(each, "tta"), seed, number) for number, each in enumerate(given)]


def _view(augment: Augmentation, seed: int, number: int) -> Callable[[np.ndarray], np.ndarray]:
    if augment._mixes:
        raise ValueError(
            f"tta: {augment!r} mixes images with one another; give what changes each image alone."
        )

    def view(images: np.ndarray) -> np.ndarray:
        taken = augment._as_taken(own_copy(images))
        changed = augment._alike(taken, np.random.default_rng([seed, number]))
        return of_shape(changed, images.shape, "tta")

    return view


def _probabilities(classes: np.ndarray, n_classes: int) -> np.ndarray:
    """float32 of shape (n_samples, n_classes): a one in each row."""
    rows = np.zeros((len(classes), n_classes), dtype=np.float32)
    rows[np.arange(len(classes)), classes] = 1
    return rows
