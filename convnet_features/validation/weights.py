"""Weights of samples and of classes."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real
from typing import Any

import numpy as np
from sklearn.utils.validation import _check_sample_weight

from ..kernels.magnitude import are_finite
from .targets import Targets

__all__ = ["check_sample_weight", "product_of_weights", "weights_of_classes"]


def check_sample_weight(images: Any, sample_weight: Any) -> np.ndarray | None:
    """The weights as float64, or None if there are none."""
    if sample_weight is None:
        return None
    if np.ma.isMaskedArray(sample_weight) and np.ma.getmaskarray(sample_weight).any():
        raise ValueError(
            "sample_weight is a masked array with "
            f"{np.count_nonzero(np.ma.getmaskarray(sample_weight))} masked values; give these "
            "samples weights: sample_weight.filled(0), say."
        )
    weights = _check_sample_weight(
        sample_weight, images, dtype=np.float64, ensure_non_negative=True
    )
    if not weights.any():
        raise ValueError("sample_weight: every weight is 0; there is nothing to learn from.")
    return weights


def weights_of_classes(
    class_weight: Mapping[Any, float] | str, targets: Targets, weights: np.ndarray | None
) -> np.ndarray:
    """The weight of each sample's class; 'balanced' counts samples as often as they weigh.

    Raises
    ------
    ValueError
        If y holds no classes; or a class weighs less than nothing, NaN or infinity.
    """
    if targets.classes is None:
        raise ValueError(f"class_weight needs classes to weigh; y holds {targets.kind}.")
    codes, classes = targets.values, targets.classes
    if isinstance(class_weight, str) and class_weight == "balanced":
        counts = None if weights is None else weights / weights.max()
        totals: Any = np.bincount(codes, counts, minlength=len(classes))
        return (totals.sum() / np.count_nonzero(totals) / np.where(totals, totals, 1.0))[codes]
    assert isinstance(class_weight, Mapping), "as the table of constraints has it"
    chosen = _by_class(class_weight, classes)[codes]
    if not chosen.any():
        raise ValueError(
            f"class_weight={class_weight!r}: every sample weighs 0; there is nothing to learn from."
        )
    return chosen


def _by_class(class_weight: Mapping[Any, float], classes: np.ndarray) -> np.ndarray:
    """The weight of each class: 1 where `class_weight` has none.

    scikit-learn's `compute_class_weight` would look for 0 where the class is "0".
    """
    for label, weight in class_weight.items():
        if not (isinstance(weight, Real) and 0 <= weight < np.inf):
            raise ValueError(
                f"class_weight: class {label!r} weighs {weight!r}; weights must be finite, and at "
                "least 0."
            )
    strange = [label for label in class_weight if label not in classes.tolist()]
    if strange and not all(label in class_weight for label in classes.tolist()):
        raise ValueError(
            f"class_weight: there is no class {strange[0]!r}; the classes of y are "
            f"{', '.join(map(repr, classes.tolist()))}."
        )
    return np.array([class_weight.get(label, 1) for label in classes.tolist()], np.float64)


def product_of_weights(weights: np.ndarray, balance: np.ndarray) -> np.ndarray:
    """Weights of samples times those of their classes.

    Raises
    ------
    ValueError
        If a product is too large for float64, or all of them are 0.
    """
    with np.errstate(over="ignore"):
        product = weights * balance
    if not are_finite(product) or not product.any():
        raise ValueError(
            f"sample_weight, up to {weights.max():g}, times class_weight, up to {balance.max():g}, "
            f"gives weights up to {product.max():g}; they must be finite, and not all of them 0."
        )
    return product
