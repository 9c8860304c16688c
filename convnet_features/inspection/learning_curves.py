"""How training went."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..training.callbacks.monitor import more_is_better
from .drawing import Display, one_axes
from .fitted_network import find_fitted_network

__all__ = ["LearningCurvesDisplay"]

_CURVES = {
    "loss": {"train_loss": "training", "valid_loss": "validation"},
    "score": {"valid_score": "validation", "valid_accuracy": "validation"},
}


#: Of training, and of validation: told apart by line and by colours of Okabe and Ito (2008),
#: which the colour-blind tell apart.
_STYLES = ({"color": "#0072B2", "linestyle": "--"}, {"color": "#D55E00", "linestyle": "-"})


class LearningCurvesDisplay(Display):
    """Loss and score, epoch by epoch.

    Parameters
    ----------
    history : sequence of dict
        One record an epoch, as in an estimator's ``history_``.
    score_name : str, default="score"
        What the score of the history is: "accuracy" or "R²", say.

    Attributes
    ----------
    figure_ : matplotlib.figure.Figure
        Where it was last drawn.
    axes_ : matplotlib.axes.Axes
        The axes of the last drawing.

    See Also
    --------
    sklearn.model_selection.LearningCurveDisplay : The score against the number of samples.

    Examples
    --------
    >>> from convnet_features.inspection import LearningCurvesDisplay
    >>> history = [{"epoch": 1, "train_loss": 0.8}, {"epoch": 2, "train_loss": 0.3}]
    >>> LearningCurvesDisplay(history).curve("train_loss")
    array([0.8, 0.3])
    """

    def __init__(self, history: Sequence[Mapping[str, Any]], score_name: str = "score") -> None:
        self.history = list(history)
        self.score_name = score_name

    def _summary(self) -> str:
        return f"{len(self.history)} epochs"

    @classmethod
    def from_estimator(cls, estimator: Any) -> LearningCurvesDisplay:
        """Take the history of a fitted network.

        Parameters
        ----------
        estimator : estimator or Pipeline
            A fitted network, or a Pipeline or search with one in it.

        Returns
        -------
        LearningCurvesDisplay
            Not yet drawn.
        """
        net = find_fitted_network(estimator).net
        return cls(net.history_, "R²" if net._model.target == "numbers" else "accuracy")

    def curve(self, key: str) -> np.ndarray:
        """One value an epoch.

        Parameters
        ----------
        key : str
            A key of the history.

        Returns
        -------
        ndarray of shape (n_epochs,)
            float64; NaN where a record lacks the key.
        """
        values = [record.get(key) for record in self.history]
        return np.array([np.nan if value is None else value for value in values], dtype=np.float64)

    def plot(
        self,
        metric: str = "loss",
        ax: Any = None,
        *,
        log: bool = False,
        mark_best: bool = True,
        figsize: tuple[float, float] = (6.4, 4.0),
        **line_params: Any,
    ) -> LearningCurvesDisplay:
        """Draw the curves of training and validation.

        Parameters
        ----------
        metric : {'loss', 'score'} or str, default='loss'
            Or any key of the history: ``learning_rate``, say.
        ax : matplotlib.axes.Axes, optional
            Where to draw; a new figure by default.
        log : bool, default=False
            Whether the vertical axis is logarithmic.
        mark_best : bool, default=True
            Whether the best epoch of validation has a dot, and is named in the legend.
        figsize : (float, float), default=(6.4, 4)
            Of a new figure, in inches.
        **line_params
            For :meth:`matplotlib.axes.Axes.plot`.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If the history has no such values; the text lists what it has.
        """
        curves = _CURVES.get(metric, {metric: metric})
        present = [key for key in curves if np.isfinite(self.curve(key)).any()]
        if not present:
            known = sorted({key for record in self.history for key in record})
            raise ValueError(
                f"metric: the history has no {metric!r}; it has {', '.join(known)}. "
                "Scores need validation data."
                if known
                else "The history is empty: the network was not trained here."
            )
        self.figure_, self.axes_ = one_axes(ax, figsize)
        epochs = np.arange(1, len(self.history) + 1)
        line_params = _full_names(line_params)
        for key in present:
            values = self.curve(key)
            style = _STYLES[key.startswith("valid_")]
            (line,) = self.axes_.plot(
                epochs, values, **{"label": curves[key], **style, **line_params}
            )
            if mark_best and key.startswith("valid_"):
                best = np.nanargmax(values) if more_is_better(key) else np.nanargmin(values)
                label = f"best: {values[best]:.4g} in epoch {epochs[best]}"
                self.axes_.plot(
                    epochs[best], values[best], "o", color=line.get_color(), label=label
                )
        self._label(metric, log)
        return self

    def _label(self, metric: str, log: bool) -> None:
        from matplotlib.ticker import MaxNLocator

        self.axes_.xaxis.set_major_locator(MaxNLocator(integer=True))
        self.axes_.set_xlabel("epoch")
        name = self.score_name if metric == "score" else metric.replace("_", " ")
        self.axes_.set_ylabel(name)
        if log:
            self.axes_.set_yscale("log")
        self.axes_.legend()


def _full_names(line_params: dict[str, Any]) -> dict[str, Any]:
    """Matplotlib's short names of a line's properties as the long ones: ``c`` as ``color``."""
    from matplotlib.cbook import normalize_kwargs
    from matplotlib.lines import Line2D

    return dict(normalize_kwargs(line_params, Line2D))
