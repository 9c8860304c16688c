"""An extractor whose weights come from others, and stay."""

from __future__ import annotations

import copy
from typing import Any, Self

import numpy as np

from ..exceptions import NetworkError
from ..extractor import ConvNetFeatureExtractor
from ..network.layer_parameters import LayerParameterTable
from ..network.transfer import LoadReport
from ..validation.layout import describe
from .preprocessing import Preprocessing

__all__ = ["LayerList", "PretrainedExtractor"]


class LayerList(list[Any]):
    """The layers of a network, of which an estimator's text shows how many there are."""

    def __repr__(self) -> str:
        return f"<{len(self)} layers>"


class PretrainedExtractor(ConvNetFeatureExtractor):
    """Features of a network that others have trained.

    `pretrained_extractor` and `from_onnx` make them. It is fitted from the beginning: `fit`
    looks at X and trains nothing, and a clone has the same weights. So it stands in a Pipeline,
    a search or a cross-validation as it is. To train its network further, give it to
    ``ConvNetClassifier(pretrained=extractor)``.

    The parameters are those of `~convnet_features.ConvNetFeatureExtractor`, whose documentation
    explains each.

    Parameters
    ----------
    layers, input_shape, input_scale
        The network, and its images; they stay.
    feature_layer, data_format, tta, engine
        The layer that `transform` gives, how images come, how else they are looked at, and what
        computes; they may be changed at any time.
    target, update, update_learning_rate, update_momentum, loss, l1, l2, class_weight, max_epochs, \
            batch_size, shuffle, validation_fraction, early_stopping, n_iter_no_change, tol, \
            max_grad_norm, label_smoothing, augment, callbacks, warm_start, pretrained, freeze, \
            learning_rate_scale, frozen_cache_bytes, random_state, verbose
        About training, which only `partial_fit` does.
    **layer_params
        Not used: the layers are there.

    Attributes
    ----------
    preprocessing : Preprocessing or None
        What the network was trained to see; None where nobody said, and pixels come as they are.
    classes_ : ndarray of shape (n_classes,)
        What the outputs stand for, where that is known: `predict` gives one of them.

    See Also
    --------
    convnet_features.pretrained_extractor : Make one.
    """

    preprocessing: Preprocessing | None = None
    _shares_model = False

    def _listed(self, name: str | None = None) -> LayerParameterTable:
        """None as attributes: the layers stay as they are."""
        return LayerParameterTable()

    def __sklearn_clone__(self) -> Self:
        """An extractor with the same weights, whose parameters may be changed."""
        self._shares_model = True
        return copy.copy(self)

    def _take_own_model(self) -> None:
        """Have weights that are no clone's, so that they may change."""
        if not self._shares_model:
            return
        if "_trainer" in vars(self):  # it trains the model that it holds
            trainer = copy.deepcopy(vars(self)["_trainer"])
            self._trainer, self._model = trainer, trainer.model
        else:
            self._model = copy.deepcopy(self._model)
        self._shares_model = False

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None, **ignored: Any) -> Self:
        """Check that X holds images of the network's size; nothing is trained.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
        y, sample_weight, **ignored
            Not used: what is given to a Pipeline's last step comes by here.

        Returns
        -------
        self
        """
        self._images(X)
        return self

    def fit_transform(self, X: Any, y: Any = None, **ignored: Any) -> np.ndarray:
        """The features of X, as `transform` gives them.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
        y, **ignored
            Not used.

        Returns
        -------
        ndarray of shape (n_samples, n_features_out)
        """
        return self.transform(X)

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Self:
        """Train the network as it is, its outputs included, for one epoch.

        Clones made before keep their weights. For other outputs than the network has, see
        ``ConvNetClassifier(pretrained=extractor)``.

        Parameters
        ----------
        X, y, classes, sample_weight
            As of `ConvNetFeatureExtractor.partial_fit`; y holds what the network predicts.

        Returns
        -------
        self

        Raises
        ------
        NetworkError
            If the network gives maps, say, and not one row of numbers for each image.
        """
        output = self.network_
        if len(output.output_shape) != 2:
            raise NetworkError(
                f"{type(self).__name__}.partial_fit trains the outputs that the network has, and "
                f"its last layer, {output.name!r}, gives values of shape "
                f"{describe(output.output_shape[1:])} for each image, not a row. "
                "ConvNetClassifier(pretrained=extractor) puts an output layer for y behind them."
            )
        self._take_own_model()
        return super().partial_fit(X, y, classes, sample_weight)

    def load_params(self, source: Any, *, strict: bool | str = "auto") -> LoadReport:
        """Take over other parameters, as `ConvNetFeatureExtractor.load_params` does.

        Clones made before keep theirs.

        Parameters
        ----------
        source, strict
            As of `ConvNetFeatureExtractor.load_params`.

        Returns
        -------
        LoadReport
        """
        self._take_own_model()
        return super().load_params(source, strict=strict)

    def image_loader(self, **params: Any) -> Any:
        """An `ImageLoader` that makes of photographs what the network wants to see.

        Parameters
        ----------
        **params
            Further parameters of `~convnet_features.images.ImageLoader`: ``lazy=True``, say.

        Returns
        -------
        ImageLoader

        Raises
        ------
        ValueError
            If the network is for images that are no photographs: of 2 channels, say.
        """
        from ..images import ImageLoader
        from ..images.decoding import CHANNELS

        channels, height, width = self.input_shape_
        modes = {len(names): mode for mode, names in CHANNELS.items()}
        if channels not in modes:
            raise ValueError(
                f"{type(self).__name__}: the network is for images of {channels} channels, and "
                "photographs have 1 (grey), 3 (colours) or 4 (with transparency)."
            )
        wanted = self.preprocessing
        names = () if wanted is None else ("resample", "fit", "crop")
        chosen = {name: getattr(wanted, name) for name in names}
        return ImageLoader((height, width), mode=modes[channels], **{**chosen, **params})

    def _images(self, X: Any) -> Any:
        try:
            images = super()._images(X)
        except ValueError as error:
            if getattr(X, "ndim", 0) == 4 and describe(self.input_shape_) in str(error):
                raise ValueError(
                    f"{error} image_loader() of this extractor makes them of photographs."
                ) from error
            raise
        if self.preprocessing is not None:
            self.preprocessing.check_pixels(type(self).__name__, images)
        return images
