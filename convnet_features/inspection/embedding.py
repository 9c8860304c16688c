"""Features in two dimensions."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.utils import get_tags

from .drawing import Display, one_axes
from .source import Source, find_source

__all__ = ["FeatureEmbeddingDisplay"]

#: More classes than this are told apart by a colour bar.
MAX_LEGEND = 20


class FeatureEmbeddingDisplay(Display):
    """The features of images as points in a plane, coloured by label.

    Parameters
    ----------
    embedding : ndarray of shape (n_samples, 2)
        The points.
    labels : ndarray of shape (n_samples,), optional
        Classes, or numbers.
    name : str, default=""
        What made the points of the features.

    Attributes
    ----------
    figure_ : matplotlib.figure.Figure
        Where it was last drawn.
    axes_ : matplotlib.axes.Axes
        The axes of the last drawing.

    See Also
    --------
    sklearn.manifold.TSNE : A reducer that keeps neighbours together.

    Examples
    --------
    >>> from convnet_features import ConvNetFeatureExtractor
    >>> from convnet_features.datasets import load_digits_images
    >>> from convnet_features.inspection import FeatureEmbeddingDisplay
    >>> X, y = load_digits_images()
    >>> extractor = ConvNetFeatureExtractor(max_epochs=1, random_state=0).fit(X[:300], y[:300])
    >>> FeatureEmbeddingDisplay.from_estimator(extractor, X[300:400], y[300:400])
    <FeatureEmbeddingDisplay: 100 points by PCA; .plot() draws it>
    """

    def __init__(self, embedding: np.ndarray, labels: Any = None, name: str = "") -> None:
        self.embedding = embedding
        self.labels = None if labels is None else np.asarray(labels)
        self.name = name

    def _summary(self) -> str:
        return f"{len(self.embedding)} points by {self.name}"

    @classmethod
    def from_estimator(
        cls, estimator: Any, X: Any, y: Any = None, *, reducer: Any = None, layer: str | None = None
    ) -> FeatureEmbeddingDisplay:
        """Compute features, and bring them into the plane.

        Parameters
        ----------
        estimator : estimator or Pipeline
            A fitted network, or a Pipeline or search with one in it.
        X : array-like of shape (n_samples, n_features), (n_samples, height, width) or \
                (n_samples, channels, height, width)
            Images that the network was not trained on, to see what holds for
            others too.
        y : array-like of shape (n_samples,), optional
            Their labels, for colours, and for a reducer that needs them.
        reducer : transformer with two components, optional
            Any of scikit-learn's form, a clone of which is fitted;
            ``PCA(n_components=2)`` by default.
        layer : str, optional
            The layer whose activations are taken; what ``transform`` gives by
            default.

        Returns
        -------
        FeatureEmbeddingDisplay
            Computed, not yet drawn.

        Raises
        ------
        ValueError
            If the reducer gives another number of components than two.
        """
        source = find_source(estimator)
        features = _features(source, source.images(X), layer)
        if reducer is None:
            from sklearn.decomposition import PCA

            reducer = PCA(n_components=2, random_state=0)
        reducer = clone(reducer)
        # Labels given to a reducer that can do without would colour the picture twice.
        supervised = get_tags(reducer).target_tags.required
        points = np.asarray(reducer.fit_transform(features, y if supervised else None))
        if points.ndim != 2 or points.shape[1] != 2:
            raise ValueError(
                f"reducer: {reducer} gives points of shape {points.shape}; expected "
                f"({len(features)}, 2): set n_components=2."
            )
        return cls(points, y, type(reducer).__name__)

    def plot(
        self,
        ax: Any = None,
        *,
        figsize: tuple[float, float] = (6.4, 5.2),
        **scatter_params: Any,
    ) -> FeatureEmbeddingDisplay:
        """Draw the points.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw; a new figure by default.
        figsize : (float, float), default=(6.4, 5.2)
            Of a new figure, in inches.
        **scatter_params
            For :meth:`matplotlib.axes.Axes.scatter`.

        Returns
        -------
        self
        """
        self.figure_, self.axes_ = one_axes(ax, figsize)
        options = {"s": 12, "alpha": 0.8, "linewidths": 0, **scatter_params}
        if self.labels is None:
            self.axes_.scatter(*self.embedding.T, **options)
        elif _are_classes(self.labels):
            _scatter_classes(self.axes_, self.embedding, self.labels, options)
        else:
            points = self.axes_.scatter(*self.embedding.T, c=self.labels, **options)
            self.figure_.colorbar(points, ax=self.axes_)
        self.axes_.set_xlabel(f"{self.name} 1".strip())
        self.axes_.set_ylabel(f"{self.name} 2".strip())
        return self


def _are_classes(labels: np.ndarray) -> bool:
    return labels.dtype.kind != "f" and len(np.unique(labels)) <= MAX_LEGEND


def _scatter_classes(
    ax: Any, embedding: np.ndarray, labels: np.ndarray, options: dict[str, Any]
) -> None:
    """One colour a class, and a legend beside the axes."""
    from matplotlib import colormaps

    classes = np.unique(labels)
    palette = colormaps["tab10" if len(classes) <= 10 else "tab20"]
    for position, label in enumerate(classes):
        points = embedding[labels == label]
        ax.scatter(*points.T, color=palette(position), label=str(label), **options)
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), markerscale=2.0)


def _features(source: Source, images: np.ndarray, layer: str | None) -> np.ndarray:
    """ndarray of shape (n_samples, n_features)."""
    names = source.feature_layers if layer is None else [layer]
    outputs = [source.output(name, images).reshape(len(images), -1) for name in names]
    return np.concatenate(outputs, axis=1)
