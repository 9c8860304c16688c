"""The network as a classifier."""

from __future__ import annotations

from typing import Any, ClassVar

from sklearn.base import ClassifierMixin
from sklearn.utils._param_validation import StrOptions

from .estimators.base import BaseConvNet
from .estimators.constraints import CONSTRAINTS

__all__ = ["ConvNetClassifier"]


class ConvNetClassifier(ClassifierMixin, BaseConvNet):
    """A convolutional network as a scikit-learn classifier, which also transforms.

    Parameters, attributes and methods are those of `ConvNetFeatureExtractor`,
    whose documentation explains each. Here y holds classes, or is a matrix of 0
    and 1: one yes-or-no label a column. `target` says which, where it is not
    "auto".

    Parameters
    ----------
    layers, feature_layer, input_shape, data_format, input_scale
        The network, the layer that `transform` gives, and its images.
    target : {"auto", "classes", "labels"}, default="auto"
        What y means. "auto" leaves it to scikit-learn's `type_of_target`, and
        warns where every row of a matrix has exactly one 1: "classes" takes each
        row for the number of its column.
    update, update_learning_rate, update_momentum
        The update rule and its arguments; any other as ``update_<argument>``.
    loss, l1, l2, max_grad_norm, label_smoothing
        What is minimised.
    class_weight
        What the samples of each class weigh.
    max_epochs, batch_size, shuffle
        How the samples are walked through.
    validation_fraction, early_stopping, n_iter_no_change, tol
        What is held out, and whether to stop by it.
    augment, callbacks, verbose
        What else happens while training.
    tta
        How else images are looked at to predict.
    warm_start, pretrained, freeze, learning_rate_scale, frozen_cache_bytes
        What training begins with, and how far it moves each layer.
    engine, random_state
        What computes, and every seed.
    **layer_params
        ``<layer>_<argument>``: ``conv2d1_num_filters=64``.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The classes, sorted; the numbers of the columns, where y was labels.
    network_, layers_, input_shape_, input_scale_, n_features_in_, feature_names_in_
        The network, and the images it takes.
    history_, loss_curve_, validation_scores_, loss_, n_iter_
        How training went.

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
