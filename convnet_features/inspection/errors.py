"""The images that a classifier gets wrong."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils import check_consistent_length, column_or_1d
from sklearn.utils.multiclass import type_of_target, unique_labels

from .drawing import Display, grid, one_axes
from .pictures import (
    names_of,
    number_of,
    pictures_of,
    read_again,
    some_rows,
    split_loader,
)
from .prediction import check_columns, score_method, scores

__all__ = ["MisclassifiedDisplay"]


class MisclassifiedDisplay(Display):
    """Images that were classified wrongly, the most confident errors first.

    Above each stand how probable the predicted class was thought (or its score, of
    classifiers that know no probabilities), this class, and the true one.

    Parameters
    ----------
    pictures : ndarray of shape (n_pictures, height, width[, colours])
        The images, their pixels shares of white.
    rows : ndarray of shape (n_pictures,)
        Their rows in X.
    y_true : ndarray of shape (n_pictures,)
        Names of their classes.
    y_pred : ndarray of shape (n_pictures,)
        Names of the classes that were predicted.
    probabilities : ndarray of shape (n_pictures,), optional
        Of the predicted classes.
    n_errors : int, optional
        How many errors there are, shown or not.
    n_samples : int, optional
        Among how many images.
    are_scores : bool, default=False
        Whether `probabilities` are scores of a decision function: titles say so.

    Attributes
    ----------
    figure_ : matplotlib.figure.Figure
        Where it was last drawn.
    axes_ : ndarray of shape (n_rows, n_columns)
        The axes of the last drawing.

    See Also
    --------
    sklearn.metrics.ConfusionMatrixDisplay : How often each class is taken for which.
    show_images : Any images in a grid.

    Examples
    --------
    >>> from convnet_features import ConvNetClassifier
    >>> from convnet_features.datasets import load_digits_images
    >>> from convnet_features.inspection import MisclassifiedDisplay
    >>> X, y = load_digits_images()
    >>> classifier = ConvNetClassifier(max_epochs=1, random_state=0).fit(X[:300], y[:300])
    >>> MisclassifiedDisplay.from_estimator(classifier, X[300:400], y[300:400], max_images=9)
    <MisclassifiedDisplay: 9 of ... errors among 100 images; .plot() draws it>
    """

    def __init__(
        self,
        pictures: np.ndarray,
        rows: np.ndarray,
        y_true: np.ndarray,
        y_pred: np.ndarray,
        probabilities: np.ndarray | None = None,
        n_errors: int | None = None,
        n_samples: int | None = None,
        are_scores: bool = False,
    ) -> None:
        self.pictures = pictures
        self.rows = rows
        self.y_true = y_true
        self.y_pred = y_pred
        self.probabilities = probabilities
        self.n_errors = len(rows) if n_errors is None else n_errors
        self.n_samples = n_samples
        self.are_scores = are_scores

    def _summary(self) -> str:
        among = "" if self.n_samples is None else f" among {self.n_samples} images"
        return f"{len(self.rows)} of {self.n_errors} errors{among}"

    @classmethod
    def from_estimator(
        cls, estimator: Any, X: Any, y: Any, *, display_labels: Any = None, max_images: int = 25
    ) -> MisclassifiedDisplay:
        """Classify images, and keep the errors.

        Parameters
        ----------
        estimator : classifier, Pipeline or search
            Fitted, with any classifier at its end. Photographs before an
            `ImageLoader`, its first step, are decoded once to be classified, and
            the errors once more to be shown, larger.
        X : array-like of shape (n_samples, ...)
            Images as the estimator takes them: paths too, where it begins with an
            `ImageLoader`.
        y : array-like of shape (n_samples,)
            Their classes.
        display_labels : sequence of str of shape (n_classes,) or mapping, optional
            What ``estimator.classes_`` are called: in this order, or by class.
        max_images : int, default=25
            The most errors that are kept.

        Returns
        -------
        MisclassifiedDisplay
            Computed, not yet drawn. Errors are ordered by ``predict_proba`` of the
            predicted class, or, of an estimator without it, by
            ``decision_function``, or else as they come.

        Raises
        ------
        ValueError
            If y has not one class a sample, or the estimator's scores stand for pairs
            of classes.
        """
        y, X = _classes("y", y), read_again(X)
        loader, rest = split_loader(estimator)
        images = X if loader is None else loader.transform(X)
        y_pred = rest.predict(images)
        method, probabilities = score_method(rest), None
        if method != "predict":
            probabilities = scores(rest, images)
            check_columns(cls.__name__, rest, probabilities, y_pred, method)
        classes = getattr(rest, "classes_", None)
        return cls._of_errors(
            X, y, y_pred, probabilities, classes, display_labels, max_images, estimator
        )

    @classmethod
    def from_predictions(
        cls,
        X: Any,
        y_true: Any,
        y_pred: Any,
        *,
        probabilities: Any = None,
        labels: Any = None,
        display_labels: Any = None,
        max_images: int = 25,
        data_format: str = "auto",
    ) -> MisclassifiedDisplay:
        """Keep the errors of predictions: of cross-validated ones, say.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Images as `show_images` takes them.
        y_true : array-like of shape (n_samples,)
            Their classes.
        y_pred : array-like of shape (n_samples,)
            The classes that were predicted.
        probabilities : array-like of shape (n_samples,) or (n_samples, n_classes), optional
            Of the predicted classes, or of all. What is not between 0 and 1 is called
            a score.
        labels : array-like of shape (n_classes,), optional
            All classes; by default those of `y_true` and `y_pred`, sorted.
        display_labels : sequence of str of shape (n_classes,) or mapping, optional
            What the classes are called: in their order, or by class.
        max_images : int, default=25
            The most errors that are kept.
        data_format : {'auto', 'channels_first', 'channels_last'}, default='auto'
            Which axis of an array holds the channels; 'auto' finds out, or asks.

        Returns
        -------
        MisclassifiedDisplay
            Computed, not yet drawn.

        Raises
        ------
        ValueError
            If lengths differ, or classes, names and probabilities do not fit together.
        """
        return cls._of_errors(
            X, y_true, y_pred, probabilities, labels, display_labels, max_images, None, data_format
        )

    @classmethod
    def _of_errors(
        cls,
        X: Any,
        y_true: Any,
        y_pred: Any,
        probabilities: Any,
        classes: Any,
        display_labels: Any,
        max_images: int,
        estimator: Any,
        data_format: str = "auto",
    ) -> MisclassifiedDisplay:
        y_true, y_pred = _classes("y_true", y_true), _classes("y_pred", y_pred)
        n_samples = number_of(cls.__name__, X)
        if not len(y_true) == len(y_pred) == n_samples:
            raise ValueError(
                f"there are {n_samples} images, {len(y_true)} true classes and {len(y_pred)} "
                "predicted ones; expected one of each for a sample."
            )
        there = unique_labels(y_true, y_pred)  # which refuses text beside numbers
        classes = there if classes is None else np.asarray(classes)
        certain = _of_predicted(probabilities, y_pred, classes)
        errors = np.flatnonzero(y_true != y_pred)
        if certain is not None:
            errors = errors[np.argsort(-certain[errors], kind="stable")]
        some_rows(n_samples, max_images)
        rows = errors[:max_images]
        pictures = np.zeros((0, 1, 1))
        if len(rows):
            pictures = pictures_of(cls.__name__, X, rows, estimator, data_format)
        true, predicted = (
            np.array(names_of(each[rows], classes, display_labels), dtype=object)
            for each in (y_true, y_pred)
        )
        shown = None if certain is None else certain[rows]
        are_scores = not _are_probabilities(probabilities, estimator)
        return cls(pictures, rows, true, predicted, shown, len(errors), n_samples, are_scores)

    def plot(
        self,
        ax: Any = None,
        *,
        n_columns: int | None = None,
        figsize: tuple[float, float] | None = None,
        **imshow_params: Any,
    ) -> MisclassifiedDisplay:
        """Draw the errors in a grid.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, or one for each place, optional
            Where to draw; one axes is divided; a new figure by default.
        n_columns : int, optional
            Images in a row; five at most by default.
        figsize : (float, float), optional
            Of a new figure, in inches.
        **imshow_params
            For :meth:`matplotlib.axes.Axes.imshow`: ``cmap``, say.

        Returns
        -------
        self
        """
        if not len(self.rows):
            return self._plot_none(ax, figsize)
        self.figure_, self.axes_ = grid(
            ax, self.pictures, self._titles(), n_columns, figsize, **imshow_params
        )
        return self

    def _titles(self) -> list[str]:
        certain = [""] * len(self.rows)
        if self.probabilities is not None:
            what = "score " if self.are_scores else ""
            certain = [f"{what}{value:.2f}: " for value in self.probabilities]
        return [
            f"{value}{predicted}\nis {true}"
            for predicted, value, true in zip(self.y_pred, certain, self.y_true, strict=True)
        ]

    def _plot_none(self, ax: Any, figsize: tuple[float, float] | None) -> MisclassifiedDisplay:
        self.figure_, only = one_axes(ax, figsize or (3.0, 1.0))
        only.set_axis_off()
        among = "" if self.n_samples is None else f" among {self.n_samples} images"
        only.text(0.5, 0.5, f"no errors{among}", ha="center", va="center")
        self.axes_ = np.array([[only]], dtype=object)
        return self


def _classes(name: str, y: Any) -> np.ndarray:
    """One class a sample."""
    kind = type_of_target(y)
    if kind not in ("binary", "multiclass"):
        raise ValueError(
            f"{name}: one class a sample is expected, and these are {kind} targets; errors of "
            "numbers, and of several labels a sample, have no single wrong class."
        )
    return column_or_1d(y)


def _are_probabilities(probabilities: Any, estimator: Any) -> bool:
    """By who gave them; those of nobody in particular by what they may be."""
    if estimator is not None:
        return hasattr(estimator, "predict_proba")
    if probabilities is None:
        return True
    values = np.asarray(probabilities, dtype=np.float64)
    return not ((values < -1e-6) | (values > 1.0 + 1e-6)).any()


def _of_predicted(probabilities: Any, y_pred: np.ndarray, classes: np.ndarray) -> Any:
    """How probable each predicted class was thought, of shape (n_samples,), or None."""
    if probabilities is None:
        return None
    values = np.asarray(probabilities, dtype=np.float64)
    check_consistent_length(values, y_pred)
    if values.ndim == 1:
        return values
    if values.ndim != 2 or values.shape[1] != len(classes):
        raise ValueError(
            f"probabilities has the shape {values.shape}, and there are {len(classes)} classes; "
            "give one column for each, with labels= all classes in this order, or only the "
            "probability of each predicted class."
        )
    strange = np.setdiff1d(y_pred, classes)
    if len(strange):
        raise ValueError(f"y_pred: {strange.tolist()} not among the classes {classes.tolist()}.")
    order = np.argsort(classes)
    columns = order[np.searchsorted(classes, y_pred, sorter=order)]
    return values[np.arange(len(values)), columns]
