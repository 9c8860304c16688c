"""Features of training rows from networks that did not see them.

A network has seen the labels of the rows it was trained on. Its features of
these rows are better than its features of other rows, and a model that is
trained on them trusts them too much. So the rows are cut into k parts, and the
features of each part come from a network trained on the other parts.

Unit 7 of one network has nothing to do with unit 7 of another. The parts would be
in k different coordinate systems, and a linear model trained on all of them is no
better than chance on the features of a single network. So the features of each of
the k networks are mapped linearly to those of the network that was trained on
everything; ridge regression on the rows that both have seen finds the map.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.linear_model import Ridge
from sklearn.model_selection import KFold, StratifiedKFold

from ..kernels.memory import empty_like
from ..network.inputs import Inputs
from ..training.callbacks.base import changes_training

__all__ = ["cross_fitted_features"]

#: The ridge penalty, as a share of the mean variance of a feature, times the number of rows.
SHRINKAGE = 0.01


def cross_fitted_features(
    fitted: Any,
    images: np.ndarray,
    y: Any,
    cross_fit: Any,
    sample_weight: Any = None,
    **fit_params: Any,
) -> np.ndarray:
    """Features of every row, of a network that was trained without it.

    Parameters
    ----------
    fitted : BaseConvNet
        Fitted to all rows; stays as it is.
    images : ndarray of shape (n_samples, n_channels, height, width)
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
    cross_fit : int, splitter, or iterable of (training rows, other rows)
        An int is the number of parts, drawn with the estimator's random_state,
        stratified by class.
    sample_weight : array-like of shape (n_samples,), optional
    **fit_params
        More arguments of `fit`, the same for each network.

    Returns
    -------
    ndarray of shape (n_samples, n_features_out)
        float32, in the coordinates of `fitted`.

    Raises
    ------
    ValueError
        If the parts do not cover every row exactly once.
    """
    like = fitted._targets_like
    y = like.compared(type(fitted).__name__, y)
    weights = None if sample_weight is None else np.asarray(sample_weight)
    target = fitted._features(images)
    result = empty_like(target)
    times_seen = np.zeros(len(images), dtype=int)
    if fit_params.get("X_val") is not None:
        fit_params["X_val"] = fitted._images(fit_params["X_val"])
    for seen, unseen in _parts(fitted, images, y, cross_fit):
        part = clone(fitted)
        vars(part).update(  # not all of them are parameters of a subclass
            target=like.kind,
            input_shape=None if isinstance(images, Inputs) else fitted.input_shape_,
            data_format="channels_first",
            input_scale=fitted.input_scale_,
            warm_start=False,
            callbacks=_without_files(fitted.callbacks),
        )
        kept = None if weights is None else weights[seen]
        part.fit(images[seen], y[seen], sample_weight=kept, **fit_params)
        align = _alignment(part._features(images[seen]), target[seen])
        result[unseen] = align.predict(part._features(images[unseen]))
        times_seen[unseen] += 1
    if not (times_seen == 1).all():
        raise ValueError(
            "cross_fit must leave out every row exactly once; it leaves out "
            f"{np.count_nonzero(times_seen != 1)} of {len(images)} rows never or more than once."
        )
    return result


def _without_files(callbacks: Iterable[Any] | None) -> list[Any]:
    """The callbacks that a training depends on: the kept network's fit writes the others' files."""
    return [clone(each, safe=False) for each in callbacks or () if changes_training(each)]


def _parts(
    fitted: Any, images: np.ndarray, y: np.ndarray, cross_fit: Any
) -> Iterable[tuple[np.ndarray, np.ndarray]]:
    if hasattr(cross_fit, "split") and not isinstance(cross_fit, str):
        return cross_fit.split(images, y)
    if isinstance(cross_fit, Iterable) and not isinstance(cross_fit, str):
        return cross_fit
    if not hasattr(cross_fit, "__index__") or not 2 <= cross_fit <= len(images):
        raise ValueError(
            f"cross_fit must be at least 2 and at most the number of samples ({len(images)}), "
            f"a splitter, or an iterable of splits; got {cross_fit!r}."
        )
    has_classes = fitted._targets_like.kind == "classes"
    splitter = (StratifiedKFold if has_classes else KFold)(
        int(cross_fit), shuffle=True, random_state=fitted.random_state
    )
    return splitter.split(images, y)


def _alignment(features: np.ndarray, target: np.ndarray) -> Ridge:
    """The linear map from one network's features to another's."""
    variance = float(features.var(axis=0, dtype=np.float64).mean())
    alpha = SHRINKAGE * len(features) * variance
    return Ridge(alpha=alpha or 1.0, solver="cholesky").fit(features, target)
