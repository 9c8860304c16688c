"""What y means: classes, numbers or labels, as scikit-learn's `type_of_target` sees it."""

from __future__ import annotations

import warnings
from typing import cast, get_args

import numpy as np
from sklearn.utils.multiclass import type_of_target

from ..caller import users_level
from ..exceptions import ConvNetFeaturesWarning
from ..network.build import Target

__all__ = ["holds_one_hot_rows", "holds_zeros_and_ones", "meaning", "warn_of_another_meaning"]

#: More different whole numbers than this are probably quantities.
MANY = 20


def meaning(name: str, y: np.ndarray, target: str) -> Target:
    """What a network is to learn from y.

    Parameters
    ----------
    name : str
        What errors call the estimator.
    y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
    target : {'auto', 'discrete', 'classes', 'numbers', 'labels'}
        'auto' leaves it to scikit-learn's `type_of_target`; so does 'discrete',
        which rules out numbers.

    Returns
    -------
    {'classes', 'numbers', 'labels'}

    Raises
    ------
    ValueError
        If y holds what cannot be learnt.
    """
    if target in get_args(Target):
        return cast("Target", target)
    kind = _kind_of(y)
    if kind in ("binary", "multiclass"):
        return "classes"
    if kind == "multilabel-indicator":
        return "labels"
    if kind.startswith("continuous") and target == "auto":
        return "numbers"
    if kind == "multiclass-multioutput":
        numbers = "target='numbers'" if target == "auto" else "ConvNetRegressor"
        raise ValueError(
            f"{name}: y has {y.shape[1]} columns and values other than 0 and 1. Classes come in "
            "one column, labels in a matrix of 0 and 1; if they are numbers to be predicted, use "
            f"{numbers}."
        )
    raise ValueError(
        f"{name}: Unknown label type: {kind}. y holds continuous numbers, and classes or labels "
        "are learnt; use ConvNetRegressor to predict numbers."
    )


def _kind_of(y: np.ndarray) -> str:
    with warnings.catch_warnings(), np.errstate(invalid="ignore"):
        # type_of_target warns of many classes in its own way, and casts floats that no integer
        # can hold.
        warnings.simplefilter("ignore", UserWarning)
        return type_of_target(y, input_name="y")


def holds_zeros_and_ones(y: np.ndarray) -> bool:
    """Whether every value is 0 or 1."""
    return y.dtype.kind == "b" or (
        y.dtype.kind in "iuf" and bool(np.logical_or(y == 0, y == 1).all())
    )


def holds_one_hot_rows(y: np.ndarray) -> bool:
    """Whether y is a matrix of several columns, each row of which is one 1 and zeros."""
    return (
        y.ndim == 2
        and y.shape[1] > 1
        and holds_zeros_and_ones(y)
        and bool((np.count_nonzero(y, axis=1) == 1).all())
    )


def warn_of_another_meaning(
    name: str, y: np.ndarray, target: str, understood: Target, classes_given: bool = False
) -> None:
    """Say how y was understood, and how else it could be, where it could be.

    Warns
    -----
    ConvNetFeaturesWarning
        For rows with exactly one 1, whole numbers of many values, and rows of
        shares that sum to 1, unless `target` says which is meant.
    """
    if target not in ("auto", "discrete"):
        return
    text = None
    if understood == "labels" and holds_one_hot_rows(y):
        text = (
            f"every row of y has exactly one 1. Its {y.shape[1]} columns are learnt as labels, "
            "each by itself, and any number of them may be predicted. If each row names one class, "
            "give y.argmax(axis=1), or set target='classes'; target='labels' says that labels are "
            "meant."
        )
    elif understood == "classes" and y.dtype.kind in "iuf" and not classes_given:
        text = _of_many_values(y, target)
    elif understood == "numbers" and _holds_shares(y):
        text = (
            "every row of y sums to 1, as probabilities of classes do. Its "
            f"{y.shape[1]} columns are learnt as numbers. For the most probable class, give "
            "y.argmax(axis=1); target='numbers' says that numbers are meant."
        )
    if text is not None:
        warnings.warn(f"{name}: {text}", ConvNetFeaturesWarning, stacklevel=users_level())


def _of_many_values(y: np.ndarray, target: str) -> str | None:
    """Who asked for a classifier is warned later: where most samples have a class of their own."""
    n_values = len(np.unique(y))
    if n_values <= (MANY if target == "auto" else max(MANY, round(len(y) / 2))):
        return None
    numbers = "set target='numbers' or use ConvNetRegressor"
    return (
        f"y holds {n_values} different whole numbers in {len(y)} samples, which are learnt as "
        "classes. If they are quantities, "
        f"{numbers if target == 'auto' else 'use ConvNetRegressor'}; target='classes' says that "
        "classes are meant."
    )


def _holds_shares(y: np.ndarray) -> bool:
    return (
        y.ndim == 2
        and y.shape[1] > 1
        and bool((y >= 0).all())
        and bool(np.allclose(y.sum(axis=1, dtype=np.float64), 1, rtol=0, atol=1e-3))
    )
