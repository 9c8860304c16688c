"""Features in two dimensions."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.utils import get_tags

from .drawing import Display, one_axes
from .fitted_network import as_batch, find_fitted_network
from .pictures import number_of, pictures_of, read_again

__all__ = ["FeatureEmbeddingDisplay"]

#: More classes than this are told apart by a colour bar.
MAX_LEGEND = 20
#: Sides of the axes that a thumbnail takes, its frame included.
THUMBNAIL = 1 / 12


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
    pictures : ndarray of shape (n_pictures, height, width[, colours]), optional
        Some of the images, their pixels shares of white.
    picture_rows : ndarray of shape (n_pictures,), optional
        Their rows among the points.

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

    def __init__(
        self,
        embedding: np.ndarray,
        labels: Any = None,
        name: str = "",
        pictures: np.ndarray | None = None,
        picture_rows: np.ndarray | None = None,
    ) -> None:
        self.embedding = embedding
        self.labels = None if labels is None else np.asarray(labels)
        self.name = name
        self.pictures = pictures
        self.picture_rows = picture_rows

    def _summary(self) -> str:
        some = "" if self.pictures is None else f", {len(self.pictures)} thumbnails"
        return f"{len(self.embedding)} points by {self.name}{some}"

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any = None,
        *,
        reducer: Any = None,
        layer: str | None = None,
        thumbnails: int = 0,
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
        thumbnails : int, default=0
            At most so many images are drawn at their points: those that lie far
            apart, so that none covers another.

        Returns
        -------
        FeatureEmbeddingDisplay
            Computed, not yet drawn.

        Raises
        ------
        ValueError
            If the reducer gives another number of components than two, or
            `thumbnails` is negative.
        """
        if thumbnails < 0:
            raise ValueError(f"thumbnails must be at least 0; got {thumbnails!r}.")
        X = read_again(X)
        fitted = find_fitted_network(estimator)
        features = fitted.features(fitted.images(X), layer)
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
        name = type(reducer).__name__
        if not thumbnails:
            return cls(points, y, name)
        rows = _far_apart(points, thumbnails)
        if number_of(cls.__name__, X) != len(points):  # one image, not a batch of it
            X = as_batch(X, fitted.net.input_shape_)
        return cls(points, y, name, pictures_of(cls.__name__, X, rows, estimator), rows)

    def plot(
        self,
        ax: Any = None,
        *,
        figsize: tuple[float, float] = (6.4, 5.2),
        **scatter_params: Any,
    ) -> FeatureEmbeddingDisplay:
        """Draw the points, and the thumbnails in frames of their points' colours.

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
            drawn = [self.axes_.scatter(*self.embedding.T, **options)]
        elif _are_classes(self.labels):
            drawn = _scatter_classes(self.axes_, self.embedding, self.labels, options)
        else:
            drawn = [self.axes_.scatter(*self.embedding.T, c=self.labels, **options)]
            self.figure_.colorbar(drawn[0], ax=self.axes_)
        if self.pictures is not None and self.picture_rows is not None:
            self.axes_.margins(THUMBNAIL)
            colours = _colours(drawn, self.labels, len(self.embedding))
            _draw_thumbnails(
                self.axes_,
                self.pictures,
                self.embedding[self.picture_rows],
                colours[self.picture_rows],
            )
        self.axes_.set_xlabel(f"{self.name} 1".strip())
        self.axes_.set_ylabel(f"{self.name} 2".strip())
        return self


def _are_classes(labels: np.ndarray) -> bool:
    return labels.dtype.kind != "f" and len(np.unique(labels)) <= MAX_LEGEND


def _scatter_classes(
    ax: Any, embedding: np.ndarray, labels: np.ndarray, options: dict[str, Any]
) -> list[Any]:
    """One colour a class, and a legend beside the axes; what was drawn, class by class."""
    from matplotlib import colormaps

    classes = np.unique(labels)
    palette = colormaps["tab10" if len(classes) <= 10 else "tab20"]
    drawn = [
        ax.scatter(
            *embedding[labels == label].T, color=palette(position), label=str(label), **options
        )
        for position, label in enumerate(classes)
    ]
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), markerscale=2.0)
    return drawn


def _far_apart(points: np.ndarray, at_most: int) -> np.ndarray:
    """Rows of points, each as far as possible from those before it, and none too near another."""
    low, high = points.min(axis=0), points.max(axis=0)
    places = (points - low) / np.where(high > low, high - low, 1.0)
    # Their limits are wider than the points by a thumbnail on each side.
    near = THUMBNAIL * (1.0 + 2.0 * THUMBNAIL)
    rows: list[int] = []
    distances = np.abs(places - 0.5).max(axis=1) + 1.0
    while len(rows) < min(at_most, len(places)) and distances.max() >= near:
        rows.append(int(distances.argmax()))
        distances = np.minimum(distances, np.abs(places - places[rows[-1]]).max(axis=1))
    return np.array(rows, dtype=np.intp)


def _colours(drawn: list[Any], labels: Any, n_points: int) -> np.ndarray:
    """The colour of each point, of shape (n_points, 4)."""
    colours = np.zeros((n_points, 4))
    for points, label in zip(drawn, np.unique(labels) if len(drawn) > 1 else [None], strict=True):
        points.update_scalarmappable()
        colours[slice(None) if label is None else labels == label] = points.get_facecolor()
    return colours


def _draw_thumbnails(
    ax: Any, pictures: np.ndarray, points: np.ndarray, colours: np.ndarray
) -> None:
    """Pictures at points, as large as leaves room for all."""
    from matplotlib.colors import Normalize
    from matplotlib.offsetbox import AnnotationBbox, OffsetImage

    place = ax.get_position()
    width, height = ax.figure.get_size_inches() * (place.width, place.height)
    frame = 1.5
    side = 72.0 * THUMBNAIL * min(width, height) - 4.0 * frame
    for picture, point, colour in zip(pictures, points, colours, strict=True):
        image = OffsetImage(
            picture, zoom=side / max(picture.shape[:2]), cmap="gray", norm=Normalize(0.0, 1.0)
        )
        style = {"edgecolor": colour, "linewidth": frame, "boxstyle": "square,pad=0.1"}
        ax.add_artist(AnnotationBbox(image, point, bboxprops=style))
