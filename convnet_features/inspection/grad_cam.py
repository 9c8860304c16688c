"""Where a convolution found what speaks for a class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline

from .drawing import Display, panels, show_picture, viewable, write_title
from .fields import map_extent
from .fitted_network import FittedNetwork, as_batch, find_fitted_network
from .gradients import gradients
from .pictures import names_of, number_of, pictures_of, read_again
from .places import stand_alike
from .prediction import check_columns, chosen_columns, known_classes
from .slopes import of_features, score_slopes

__all__ = ["GradCAMDisplay"]

#: What to do where scores stand for pairs of classes.
INSTEAD = (
    "Put LogisticRegression or LinearSVC behind the features; OcclusionDisplay explains "
    "decision_function_shape='ovr', too, which counts votes."
)


class GradCAMDisplay(Display):
    r"""Gradient-weighted class activation maps of a convolution.

    Each map :math:`A^k` of the layer is weighted by the mean slope of the score
    :math:`y` with respect to it; what the sum has above zero speaks for the
    class, where it stands:

    .. math::
        \mathrm{heat} = \max\left(0, \sum_k \alpha_k A^k\right), \qquad
        \alpha_k = \frac{1}{hw} \sum_{ij} \frac{\partial y}{\partial A^k_{ij}}.

    The score of a network is that before its softmax. Of a Pipeline with a
    linear model behind the network's features it is the score of this model.

    Parameters
    ----------
    heat : ndarray of shape (n_samples, map_height, map_width)
        One map for each image, as large as the layer's.
    pictures : ndarray of shape (n_samples, height, width[, colours])
        The images, their pixels shares of white. Where steps in front of the network
        move pixels (turn, cut or resize images), they are the images that reached it.
    extent : (float, float, float, float), default=(0, 1, 1, 0)
        The left, right, lower and upper edge of the maps, as shares of the image's
        width and height.
    titles : sequence of str, optional
        What is explained, for each image.
    layer_name : str, default=""
        The layer.

    Attributes
    ----------
    figure_ : matplotlib.figure.Figure
        Where it was last drawn.
    axes_ : ndarray of shape (n_samples, 2)
        The axes of the image, and of the heat over it.

    See Also
    --------
    OcclusionDisplay : Asks any Pipeline, by covering parts of the image.
    SaliencyDisplay : The gradient with respect to the pixels.

    References
    ----------
    R. R. Selvaraju et al., *Grad-CAM: Visual explanations from deep networks via
    gradient-based localization*, ICCV 2017, https://arxiv.org/abs/1610.02391.

    Examples
    --------
    >>> from convnet_features import ConvNetClassifier
    >>> from convnet_features.datasets import load_digits_images
    >>> from convnet_features.inspection import GradCAMDisplay
    >>> X, y = load_digits_images()
    >>> classifier = ConvNetClassifier(max_epochs=1, random_state=0).fit(X[:300], y[:300])
    >>> GradCAMDisplay.from_estimator(classifier, X[:2], layer="conv2d1").heat.shape
    (2, 8, 8)
    """

    def __init__(
        self,
        heat: np.ndarray,
        pictures: np.ndarray,
        extent: tuple[float, float, float, float] = (0.0, 1.0, 1.0, 0.0),
        titles: Sequence[str] | None = None,
        layer_name: str = "",
    ) -> None:
        self.heat = heat
        self.pictures = pictures
        self.extent = extent
        self.titles = titles
        self.layer_name = layer_name

    def _summary(self) -> str:
        n, height, width = self.heat.shape
        return f"{n} maps of {height}x{width} of {self.layer_name!r}"

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        target: Any = None,
        *,
        layer: str | None = None,
        display_labels: Any = None,
    ) -> GradCAMDisplay:
        """Weigh a layer's maps by the slopes of the score.

        Parameters
        ----------
        estimator : estimator, Pipeline or search
            Fitted. A Pipeline may have steps in front of its network (an `ImageLoader`,
            say: X holds paths then), and behind it a linear classifier or regression,
            with scalers between.
        X : array-like of shape (n_samples, n_features), (n_samples, height, width) or \
                (n_samples, channels, height, width)
            Images as the estimator takes them.
        target : array-like of shape (n_samples,) or scalar, optional
            The classes whose score is explained (for regressors and labels, the
            number of the output); by default the predicted class, the most probable
            label, or the first number. Of a network with ``tta`` it is the class that
            is predicted for the images themselves, without views of them: that of
            ``predict``, the mean over views, may be another; give
            ``target=estimator.predict(X)`` to explain it.
        layer : str, optional
            The name of a convolution, or of any layer with maps that what is explained
            stands on. Default: the last convolution, with the normalisation and the
            nonlinearity that follow it.
        display_labels : sequence of str of shape (n_classes,) or mapping, optional
            What the classes are called: in their order, or by class.

        Returns
        -------
        GradCAMDisplay
            Computed, not yet drawn.

        Raises
        ------
        ValueError
            If `target` fits neither the samples nor the classes, there is no such layer
            below what is explained, the scores behind the network are no weighted
            sums of its features (those of forests and of kernels have no slopes), or
            stand for pairs of classes.
        """
        X = read_again(X)
        fitted = find_fitted_network(estimator)
        images = fitted.images(X)
        targets, weights, titles = _explained(cls.__name__, fitted, images, target, display_labels)
        name = _layer(fitted, targets, layer)
        maps, slopes = gradients(fitted.model, name, images, targets, weights)
        heat = np.einsum("nk,nkij->nij", slopes.mean(axis=(2, 3)), maps)
        left, right, bottom, top = map_extent(fitted.model.network.layers[name])
        height, width = images.shape[2:]
        extent = (left / width, right / width, bottom / height, top / height)
        pictures = _pictures(cls.__name__, X, images, estimator, fitted)
        return cls(np.maximum(heat, 0.0), pictures, extent, titles, name)

    def plot(
        self,
        ax: Any = None,
        *,
        figsize: tuple[float, float] | None = None,
        **imshow_params: Any,
    ) -> GradCAMDisplay:
        """Draw each image, and the heat over it, from nothing to its own largest value.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, or two for each image, optional
            Where to draw; one axes is divided; a new figure by default.
        figsize : (float, float), optional
            Of a new figure, in inches.
        **imshow_params
            For :meth:`matplotlib.axes.Axes.imshow`, of the heat.

        Returns
        -------
        self
        """
        n_images, height, width = self.pictures.shape[:3]
        figsize = figsize or (5.0, n_images * min(2.5 * height / width, 5.0) + 0.3)
        self.figure_, self.axes_ = panels(ax, n_images, 2, figsize)
        left, right, bottom, top = self.extent
        edges = np.array([left * width, right * width, bottom * height, top * height]) - 0.5
        options = {"cmap": "plasma", "interpolation": "bilinear", **imshow_params}
        rows = zip(self.axes_, self.pictures, self.heat, strict=True)
        for (plain, covered), picture, heat in rows:
            for each in (plain, covered):
                show_picture(each, picture, vmin=0.0, vmax=1.0)
            highest = float(heat.max()) or 1.0
            # What says nothing for the class stays as it is.
            drawn = {"vmin": 0.0, "vmax": highest, "alpha": 0.8 * heat / highest, "extent": edges}
            show_picture(covered, heat, **{**drawn, **options})
            covered.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5))
        for each, title in zip(self.axes_[:, 0], self.titles or (), strict=False):
            write_title(each, title)
        write_title(self.axes_[0, 1], self.layer_name)
        return self


def _explained(
    name: str, fitted: FittedNetwork, images: np.ndarray, target: Any, display_labels: Any
) -> tuple[list[str], np.ndarray, list[str]]:
    """Layers, the weights of their outputs in the score, and what is explained."""
    if fitted.behind is None:
        targets = [fitted.net.network_.name]
        values = fitted.output(targets[0], images)
        classes = np.arange(values.shape[1]) if fitted.model.target == "labels" else fitted.classes
        slopes = np.eye(values.shape[1])
    else:
        targets = fitted.feature_layers
        behind, features = fitted.behind, fitted.features(images)
        values, slopes = _scores_behind(name, fitted, behind, features)
        classes = known_classes(behind)
        if classes is not None:
            predicted = of_features(behind.predict, features)
            check_columns(name, behind, values, predicted, "decision_function", INSTEAD)
            if target is None and predicted.ndim == 1:
                target = predicted  # by the threshold that a classifier may have chosen
    columns = chosen_columns(target, classes, values)
    if classes is None:
        return targets, slopes.T[columns], [f"output {column}" for column in columns]
    return (
        targets,
        slopes.T[columns],
        names_of(np.asarray(classes)[columns], classes, display_labels),
    )


def _scores_behind(
    name: str, fitted: FittedNetwork, behind: Pipeline, features: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    found = score_slopes(behind, features)
    if found is None:
        before = [] if fitted.before is None else fitted.before.steps
        alone = f"from_estimator(pipeline[:{1 + len(before)}], X)"
        if any("__" in step for step, _ in [*before, *behind.steps]):
            alone = "give the steps up to the network as one Pipeline"
        last = type(behind.steps[-1][1]).__name__
        raise ValueError(
            f"{name}: the scores of {last} are no weighted sums of the network's features, "
            f"so they have no slopes. Explain what the network itself predicts ({alone}), "
            "put a linear model behind it (LogisticRegression, LinearSVC, with scalers before "
            "them), or cover parts of the images: OcclusionDisplay explains any Pipeline."
        )
    return found


def _layer(fitted: FittedNetwork, targets: list[str], name: str | None) -> str:
    """The layer with maps that is wanted, or the last convolution with what completes it."""
    from lasagne.layers import NINLayer, get_all_layers

    layers = fitted.model.network.layers
    names = {id(layer): each for each, layer in layers.items()}
    below = [
        (names[id(layer)], layer)
        for layer in get_all_layers([layers[target] for target in targets])
        if id(layer) in names and len(layer.output_shape) == 4 and _computes(layer)
    ]
    convolutions = [
        each
        for each, layer in below
        if hasattr(layer, "num_filters") or isinstance(layer, NINLayer)
    ]
    if name is None and convolutions:
        return _completed(convolutions[-1], below)
    if name not in dict(below):
        asked = "there is no convolution" if name is None else f"{name!r} is no layer with maps"
        there = f"; those are {', '.join(dict(below))}" if below else ""
        raise ValueError(
            f"layer: {asked} that {' and '.join(map(repr, targets))} of this network stands on"
            f"{there}."
        )
    return name


def _completed(name: str, layers: list[tuple[str, Any]]) -> str:
    """The last of the normalisation and the nonlinearity that stand on a convolution alone."""
    from lasagne.layers import NonlinearityLayer

    from ..layers import BatchNormLayer

    current = dict(layers)[name]
    for each, layer in layers:
        completes = isinstance(layer, BatchNormLayer | NonlinearityLayer)
        if completes and layer.input_layer is current:
            name, current = each, layer
    return name


def _computes(layer: Any) -> bool:
    return hasattr(layer, "input_layer") or hasattr(layer, "input_layers")


def _pictures(
    name: str, X: Any, images: np.ndarray, estimator: Any, fitted: FittedNetwork
) -> np.ndarray:
    """X itself; what reached the network where steps moved its pixels.

    And where X cannot be shown, as of a table with paths.
    """
    try:
        if number_of(name, X) != len(images):
            X = as_batch(X, fitted.net.input_shape_)
        if stand_alike(name, X, fitted):
            return pictures_of(name, X, np.arange(len(images)), estimator)
    except ValueError:
        pass
    return viewable(images)
