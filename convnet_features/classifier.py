"""The network as a classifier."""

from __future__ import annotations

from typing import Any, ClassVar

from sklearn.base import ClassifierMixin
from sklearn.utils._param_validation import StrOptions

from .estimators.base import BaseConvNet
from .estimators.constraints import CONSTRAINTS

__all__ = ["ConvNetClassifier"]


class ConvNetClassifier(ClassifierMixin, BaseConvNet):
    """A convolutional network as a scikit-learn classifier. It is a transformer, too.

    Parameters, attributes and methods are those of `ConvNetFeatureExtractor`, which documents
    each of them. y holds classes, or is a 0/1 matrix for multi-label classification. `target`
    sets one of the two explicitly.

    Parameters
    ----------
    layers, feature_layer, input_shape, data_format, input_scale
        The network, the layer of the features, and the images.
    target : {"auto", "classes", "labels"}, default="auto"
        The task. "auto" decides by scikit-learn's `type_of_target`, and warns if every row of a
        matrix has exactly one 1: "classes" reads each row as the number of its column.
    update, update_learning_rate, update_momentum
        The update rule (optimiser) and its arguments; all others as ``update_<argument>``.
    loss, l1, l2, max_grad_norm, label_smoothing
        The loss, penalties, gradient clipping and label smoothing.
    class_weight
        The weights of the classes.
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
    classes_ : ndarray of shape (n_classes,)
        The sorted classes; the numbers of the columns in multi-label classification.
    network_, layers_, input_shape_, input_scale_, n_features_in_, feature_names_in_
        The network and its images.
    history_, loss_curve_, validation_scores_, loss_, n_iter_
        The course of training.

    See Also
    --------
    ConvNetFeatureExtractor : What every parameter means.
    ConvNetRegressor : The same network for numbers.

    References
    ----------
    Dieleman et al. (2015), "Lasagne: First release", doi:10.5281/zenodo.27878.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.model_selection import cross_val_score
    >>> from convnet_features import ConvNetClassifier
    >>> X, y = load_digits(n_class=4, return_X_y=True)
    >>> classifier = ConvNetClassifier(max_epochs=5, dense_num_units=64, random_state=0)
    >>> cross_val_score(classifier, X, y, cv=3).mean() > 0.9
    np.True_
    """

    _automatic_target = "discrete"
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **CONSTRAINTS,
        "target": [StrOptions({"auto", "classes", "labels"})],
    }
    #: The mixin's `score` would not take rows with one 1 for the classes that they stand for.
    score = BaseConvNet.score

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
