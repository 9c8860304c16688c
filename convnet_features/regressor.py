"""The network as a regressor."""

from __future__ import annotations

from typing import Any, ClassVar

from sklearn.base import RegressorMixin
from sklearn.utils._param_validation import StrOptions

from .estimators.base import BaseConvNet
from .estimators.constraints import CONSTRAINTS

__all__ = ["ConvNetRegressor"]


class ConvNetRegressor(RegressorMixin, BaseConvNet):
    """A convolutional network as a scikit-learn regressor. It is a transformer, too.

    Parameters, attributes and methods are those of `ConvNetFeatureExtractor`, which documents
    each of them. y holds numbers, integers included. They are standardised for training, and
    predicted on their original scale.

    Parameters
    ----------
    layers, feature_layer, input_shape, data_format, input_scale
        The network, the layer of the features, and the images.
    target : {"auto", "numbers"}, default="auto"
        Both mean that y holds numbers.
    update, update_learning_rate, update_momentum
        The update rule (optimiser) and its arguments; all others as ``update_<argument>``.
    loss, l1, l2, max_grad_norm
        The loss, penalties and gradient clipping.
    class_weight, label_smoothing
        Only for classification; leave them at their defaults.
    max_epochs, batch_size, shuffle
        The number of epochs, the size of the batches, and the order of the samples.
    validation_fraction, early_stopping, n_iter_no_change, tol
        Validation data and early stopping.
    augment, callbacks, verbose
        Data augmentation, callbacks and output during training.
    tta
        Test-time augmentation.
    warm_start, pretrained, freeze, learning_rate_scale, frozen_cache_bytes
        Continued training, transfer learning and fine-tuning.
    engine, random_state
        The software that computes, and the seed.
    **layer_params
        ``<layer>_<argument>``: ``conv2d1_num_filters=64``.

    Attributes
    ----------
    network_, layers_, input_shape_, input_scale_, n_features_in_, feature_names_in_
        The network and its images.
    history_, loss_curve_, validation_scores_, loss_, n_iter_
        The course of training.

    See Also
    --------
    ConvNetFeatureExtractor : What every parameter means.
    ConvNetClassifier : The same network for classes.

    References
    ----------
    Dieleman et al. (2015), "Lasagne: First release", doi:10.5281/zenodo.27878.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from convnet_features import ConvNetRegressor
    >>> X, _ = load_digits(return_X_y=True)
    >>> ink = X.sum(axis=1)
    >>> regressor = ConvNetRegressor(update="adam", max_epochs=20, random_state=0)
    >>> regressor.fit(X[:1000], ink[:1000]).score(X[1000:], ink[1000:]) > 0.8
    True
    """

    _automatic_target = "numbers"
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **CONSTRAINTS,
        "target": [StrOptions({"auto", "numbers"})],
    }
    #: The mixin's `score` would not take every y that `fit` takes: a sparse matrix, say.
    score = BaseConvNet.score
