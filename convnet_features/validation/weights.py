"""Weights of samples and of classes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.validation import _check_sample_weight

from .targets import Targets

__all__ = ["check_sample_weight", "weights_of_classes"]


def check_sample_weight(images: np.ndarray, sample_weight: Any) -> np.ndarray | None:
    if sample_weight is None:
        return None
    weights = _check_sample_weight(
        sample_weight, images.reshape(len(images), -1), dtype=np.float64, ensure_non_negative=True
    )
    if not weights.any():
        raise ValueError("sample_weight: every weight is 0; there is nothing to learn from.")
    return weights


def weights_of_classes(
    class_weight: Mapping[Any, float] | str, targets: Targets, weights: np.ndarray | None
) -> np.ndarray:
    """The weight of each sample's class; 'balanced' counts samples as often as they weigh."""
    if targets.classes is None:
        raise ValueError(f"class_weight needs classes to weigh; y holds {targets.kind}.")
    codes, classes = targets.values, targets.classes
    if isinstance(class_weight, str) and class_weight == "balanced":
        totals = np.bincount(codes, weights, minlength=len(classes))
        return (totals.sum() / np.count_nonzero(totals) / np.where(totals, totals, 1.0))[codes]
    return compute_sample_weight(class_weight, classes[codes])
