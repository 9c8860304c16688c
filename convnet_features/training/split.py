"""Which samples are held out for validation."""

from __future__ import annotations

import numpy as np
from sklearn.model_selection import train_test_split

from ..network.build import Target

__all__ = ["split_rows"]


def split_rows(
    targets: np.ndarray, kind: Target, fraction: float | None, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Rows to train on, and rows to validate with, each in ascending order.

    Classes keep their shares in both; a class with a single sample stays in
    training. Where the held-out part would have fewer samples than there are
    classes, the split is random.

    Parameters
    ----------
    targets : ndarray of shape (n_samples, ...)
    kind : {'classes', 'numbers', 'labels'}
    fraction : float or None
        The share held out, between 0 and 1; None holds nothing out.
    seed : int

    Returns
    -------
    training, validation : ndarray of int
    """
    rows = np.arange(len(targets))
    if fraction is None:
        return rows, rows[:0]
    if kind != "classes":
        return _split(rows, fraction, seed, None)
    counts = np.bincount(targets)
    alone = counts[targets] < 2
    training, validation = _split(rows[~alone], fraction, seed, targets[~alone])
    return np.sort(np.concatenate([training, rows[alone]])), validation


def _split(
    rows: np.ndarray, fraction: float, seed: int, classes: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    n_held_out = round(fraction * len(rows))
    if n_held_out < 1 or len(rows) - n_held_out < 1:
        return rows, rows[:0]
    if classes is not None:
        n_classes = len(np.unique(classes))
        if min(n_held_out, len(rows) - n_held_out) < n_classes:
            classes = None
    training, validation = train_test_split(
        rows, test_size=n_held_out, random_state=seed, stratify=classes
    )
    return np.sort(training), np.sort(validation)
