"""Activations of a fitted network as features: a scikit-learn transformer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from sklearn.base import TransformerMixin
from sklearn.utils.validation import check_is_fitted

from ..network.features import feature_layers, feature_names, features
from ..out_of_core import is_dask_array, transform_blocks
from ..training.interruption import of_one_piece
from ..validation import check_scaled_images
from .checked_once import noted
from .cross_fitting import cross_fitted_features
from .layer_outputs import LayerOutputs

__all__ = ["Features"]


class Features(TransformerMixin, LayerOutputs):
    """`transform` and `fit_transform`."""

    feature_layer: str | Sequence[str] | None
    __sklearn_is_fitted__: Callable[[], bool]

    def transform(self, X: Any) -> np.ndarray:
        """The features of X: the activations of `feature_layer`, without dropout.

        With `tta`, the mean of those of X and of each view of it.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Images of the size that the network was fitted to. A dask array
            gives a dask array, of which nothing is computed yet.

        Returns
        -------
        ndarray of shape (n_samples, n_features_out)
            float32; activations of maps are flattened, those of several layers
            stand side by side.
        """
        if not self.__sklearn_is_fitted__():
            check_is_fitted(self)  # which looks at tags first, and raises
        if is_dask_array(X):
            return transform_blocks(self, X)
        return self._features(self._images(X))

    def fit_transform(
        self, X: Any, y: Any = None, *, cross_fit: Any = None, **fit_params: Any
    ) -> np.ndarray:
        """Fit, and give the features of the training rows.

        A network knows the labels of the rows it was trained on, so their
        features are better than those of new rows, and a model that is trained
        on them trusts them too much. With ``cross_fit=k`` the rows are cut into
        k parts, and the features of each part come from a network trained on
        the others, as `sklearn.preprocessing.TargetEncoder` does with its
        encodings. The units of different networks have nothing to do with each
        other; so each part's features are mapped linearly (ridge regression on
        the rows that both networks have seen) to where the network trained on
        everything would have put them. That network is the one that is kept;
        ``fit_transform(X, y, cross_fit=k)`` is not ``fit(X, y).transform(X)``.

        In a Pipeline: ``pipeline.fit(X, y, convnetfeatureextractor__cross_fit=5)``,
        or, with metadata routing, ``set_fit_request(cross_fit=True)``.

        Parameters
        ----------
        X, y
            As in `fit`.
        cross_fit : int, splitter, or iterable of splits, default=None
            How to cut the rows; None does not. An int draws that many parts
            with the `random_state` of the estimator, stratified by class. It
            takes about as many times longer than `fit`.
        **fit_params
            Further arguments of `fit`, such as `sample_weight`.

        Returns
        -------
        ndarray of shape (n_samples, n_features_out)
            float32.

        Raises
        ------
        ValueError
            As `fit` does; or if the parts do not cover each row exactly once.
        """
        if cross_fit is None:
            return self._features(self._fitted_images(X, y, **fit_params))
        with of_one_piece():
            images = self._fitted_images(X, y, **fit_params)
            return cross_fitted_features(self, images, y, cross_fit, **fit_params)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Names of the features: ``dense0`` …, and ``<layer>_<c>_<y>_<x>`` for maps.

        Where two features of several layers would have one name, all of them
        have a point behind the layer's: ``dense.11``, ``dense1.1``.

        Parameters
        ----------
        input_features : ignored
            Present because scikit-learn passes it.

        Returns
        -------
        ndarray of str objects, of shape (n_features_out,)
        """
        check_is_fitted(self)
        network = self._model.network
        return feature_names(network, feature_layers(network, self.feature_layer))

    def _fitted_images(self, X: Any, y: Any, **fit_params: Any) -> Any:
        """Fit, and give the images of X, which the fit has checked."""
        with noted(self, X) as checked:
            self.fit(X, y, **fit_params)
        if checked.images is None:
            return self._images(X)
        # The fit has not looked at samples of weight 0 by its scale.
        check_scaled_images(type(self).__name__, checked.images, self._model.input_scale)
        return checked.images

    def _features(self, images: np.ndarray) -> np.ndarray:
        model = self._current_model()
        layers = feature_layers(model.network, self.feature_layer)
        return features(model.outputs(layers, images, self._views()))
