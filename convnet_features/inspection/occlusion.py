"""What a prediction depends on: cover a part of the image, and see what becomes of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..kernels.memory import empty
from .drawing import Display, as_picture, panels, show_picture
from .fitted_network import as_batch, find_fitted_network, image_view, in_form, like
from .pictures import split_loader
from .prediction import check_columns, chosen_columns, known_classes, score_method, scores

__all__ = ["OcclusionDisplay"]


class OcclusionDisplay(Display):
    """How much of the prediction is lost where a square covers the image.

    A square is moved over every pixel; at each place the estimator predicts
    anew. Where the score of the class falls (red), there was something that
    speaks for it; where it rises (blue), something that speaks against it.

    Parameters
    ----------
    images : ndarray of shape (n_samples, channels, height, width)
        The images, as the estimator takes them.
    covered_scores : ndarray of shape (n_samples, height, width)
        The score while a square covers the image, by the square's centre.
    scores : ndarray of shape (n_samples,)
        The score of the image as it is.

    Attributes
    ----------
    drops : ndarray of shape (n_samples, height, width)
        How much of the score is lost.
    figure_ : matplotlib.figure.Figure
        Where it was last drawn.
    axes_ : ndarray of shape (n_samples, 3)
        The axes of the image, the drops, and both.

    See Also
    --------
    SaliencyDisplay : The same question asked of the gradient, in one pass.

    References
    ----------
    M. D. Zeiler and R. Fergus, *Visualizing and understanding convolutional
    networks*, ECCV 2014, https://arxiv.org/abs/1311.2901.

    Examples
    --------
    >>> from convnet_features import ConvNetClassifier
    >>> from convnet_features.datasets import load_digits_images
    >>> from convnet_features.inspection import OcclusionDisplay
    >>> X, y = load_digits_images()
    >>> classifier = ConvNetClassifier(max_epochs=1, random_state=0).fit(X[:300], y[:300])
    >>> OcclusionDisplay.from_estimator(classifier, X[:2], y[:2], square=3).drops.shape
    (2, 8, 8)
    """

    def __init__(self, images: np.ndarray, covered_scores: np.ndarray, scores: np.ndarray) -> None:
        self.images = images
        self.covered_scores = covered_scores
        self.scores = scores

    @property
    def drops(self) -> np.ndarray:
        """How much of the score is lost, an ndarray of shape (n_samples, height, width)."""
        return self.scores[:, np.newaxis, np.newaxis] - self.covered_scores

    def _summary(self) -> str:
        n, _, height, width = self.images.shape
        return f"{n} images of {height}x{width}"

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        target: Any = None,
        *,
        square: int | None = None,
        fill: float = 0.0,
        batch_size: int = 1024,
    ) -> OcclusionDisplay:
        """Cover the images everywhere, and predict.

        Parameters
        ----------
        estimator : estimator or Pipeline
            A fitted network, or a Pipeline or search with one in it. What is
            explained is its own prediction: of a Pipeline that ends in a
            LogisticRegression, that of the LogisticRegression.
        X : array-like of shape (n_samples, n_features), (n_samples, height, width) or \
                (n_samples, channels, height, width)
            A few images, as the estimator takes them: paths too, before an
            `ImageLoader`. Each costs height × width predictions.
        target : array-like of shape (n_samples,) or scalar, optional
            The classes whose score is watched (for regressors and labels, the
            number of the output); by default the most probable class or label, or
            the first number.
        square : int, optional
            The side of the square in pixels; a quarter of the image's shorter
            side by default.
        fill : float, default=0
            The value that covers.
        batch_size : int, default=1024
            How many covered images there are at a time.

        Returns
        -------
        OcclusionDisplay
            Computed, not yet drawn.

        Raises
        ------
        ValueError
            If `square` is not between 1 and the image's shorter side, `target`
            fits neither the samples nor the classes, several classes a sample are
            predicted, or scores stand for pairs of classes.
        """
        loader, estimator = split_loader(estimator)
        X = X if loader is None else loader.transform(X)
        fitted = find_fitted_network(estimator)
        given, X = X, np.asarray(as_batch(X, fitted.net.input_shape_))
        images = image_view(fitted, X)
        square = _checked_square(square, images.shape[2:])
        before = scores(estimator, like(given, X))
        method = score_method(estimator)
        if method == "decision_function":
            predicted = estimator.predict(like(given, X))
            check_columns(cls.__name__, estimator, before, predicted, method)
        columns = chosen_columns(target, known_classes(estimator), before)
        covered = empty((len(X), images.shape[2] * images.shape[3]), np.float64)
        for row, column in enumerate(columns):
            batches = _covered(images[row], square, fill, batch_size)
            rows = (like(given, in_form(batch, X)) for batch in batches)
            each = [scores(estimator, batch)[:, column] for batch in rows]
            covered[row] = np.concatenate(each)
        return cls(
            images,
            covered.reshape(len(X), *images.shape[2:]),
            before[np.arange(len(X)), columns],
        )

    def plot(
        self,
        ax: Any = None,
        *,
        figsize: tuple[float, float] | None = None,
        **imshow_params: Any,
    ) -> OcclusionDisplay:
        """Draw each image, what its prediction depends on, and both.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, or three for each image, optional
            Where to draw; one axes is divided; a new figure by default.
        figsize : (float, float), optional
            Of a new figure, in inches.
        **imshow_params
            For :meth:`matplotlib.axes.Axes.imshow`, of the drops.

        Returns
        -------
        self
        """
        limit = np.abs(self.drops).max() or 1.0
        options = {"cmap": "RdBu_r", "vmin": -limit, "vmax": limit, **imshow_params}
        self.figure_, self.axes_ = draw_explanations(
            ax, self.images, self.drops, "score lost", figsize, options
        )
        return self


def draw_explanations(
    ax: Any,
    images: np.ndarray,
    heat: np.ndarray,
    title: str,
    figsize: tuple[float, float] | None,
    imshow_params: dict[str, Any],
) -> tuple[Any, np.ndarray]:
    """(figure, axes): a row of image, heat, and heat over the image, for each image."""
    height, width = images.shape[2:]
    row_height = max(1.3, min(2.2 * height / width, 6.0) + 0.3)
    figure, axes = panels(ax, len(images), 3, figsize or (7.5, row_height * len(images)))
    for (left, middle, right), image, warmth in zip(axes, images, heat, strict=True):
        picture = as_picture(image)
        show_picture(left, picture, cmap="gray_r")
        figure.colorbar(show_picture(middle, warmth, **imshow_params), ax=middle, shrink=0.8)
        show_picture(right, picture, cmap="gray_r")
        show_picture(right, warmth, **{**imshow_params, "alpha": 0.6})
    for each, text in zip(axes[0], ("image", title, "both"), strict=True):
        each.set_title(text)
    return figure, axes


def _checked_square(square: int | None, size: tuple[int, ...]) -> int:
    shorter = min(size)
    if square is None:
        return max(1, shorter // 4)
    if not 1 <= square <= shorter:
        raise ValueError(f"square must be from 1 to {shorter}, the shorter side; got {square!r}.")
    return square


def _covered(image: np.ndarray, square: int, fill: float, batch_size: int) -> Iterator[np.ndarray]:
    """Batches of `image` with a square around one pixel after another."""
    height, width = image.shape[1:]
    rows, columns = np.arange(height), np.arange(width)
    centres = np.stack(np.unravel_index(np.arange(height * width), (height, width)), axis=1)
    for start in range(0, len(centres), batch_size):
        tops, lefts = (centres[start : start + batch_size] - square // 2).T[:, :, np.newaxis]
        in_rows = (rows >= tops) & (rows < tops + square)
        in_columns = (columns >= lefts) & (columns < lefts + square)
        hidden = in_rows[:, np.newaxis, :, np.newaxis] & in_columns[:, np.newaxis, np.newaxis, :]
        yield np.where(hidden, np.asarray(fill, dtype=image.dtype), image)
