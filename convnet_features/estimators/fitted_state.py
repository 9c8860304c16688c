"""The attributes of a fitted estimator: all of them are set here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..network.model import Model
from ..network.transfer import LoadReport
from ..training.history import History
from ..training.trainer import Trainer
from ..validation import FEATURES_IN, Targets

__all__ = ["set_fitted_state"]

#: Attributes that a fit may leave out, and that an earlier fit must not leave behind.
_OPTIONAL = (*FEATURES_IN, "classes_", "load_report_", "_trainer")


def set_fitted_state(
    estimator: Any,
    model: Model,
    targets: Targets,
    history: History,
    features_in: Mapping[str, Any],
    *,
    load_report: LoadReport | None = None,
    trainer: Trainer | None = None,
) -> None:
    """Make an estimator a fitted one, and forget what an earlier fit left.

    Parameters
    ----------
    estimator : BaseConvNet
    model : Model
        The network and its parameters.
    targets : Targets
        What its outputs stand for.
    history : History
        One record an epoch; empty for a network that was trained elsewhere.
    features_in : mapping
        ``n_features_in_`` and, where X had names, ``feature_names_in_``.
    load_report : LoadReport, optional
        What was taken over from another network.
    trainer : Trainer, optional
        With which the next training goes on.
    """
    scores = history.column("valid_score")
    losses = history.column("train_loss")
    optional = {
        **features_in,
        "classes_": targets.known_classes,
        "load_report_": load_report,
        "_trainer": trainer,
    }
    for name in _OPTIONAL:
        vars(estimator).pop(name, None)
    vars(estimator).update(
        {name: value for name, value in optional.items() if value is not None},
        _model=model,
        _targets_like=targets.without_values(),
        history_=history,
        input_shape_=model.input_shape,
        input_scale_=model.input_scale,
        n_iter_=len(history),
        loss_curve_=losses,
        loss_=losses[-1] if losses else np.nan,
        validation_scores_=None if not scores or None in scores else scores,
    )
