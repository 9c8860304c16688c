"""Features from a convolutional network."""

from __future__ import annotations

from .estimators.base import BaseConvNet

__all__ = ["ConvNetFeatureExtractor"]


class ConvNetFeatureExtractor(BaseConvNet):
    """Train a convolutional network, and use the activations of its dense layer as features.

    The default network depends on the size of the images. For grey images of up to 28×28
    pixels it is the network of the Lasagne tutorials of 2015: two convolutions of 32 filters of
    5×5 with ReLU activations, each with 2×2 max pooling, then a dense layer of 256 units between
    two dropout layers. Smaller images get smaller filters and less pooling. Larger images get
    more blocks of convolution, pooling and batch normalisation, until at most 8×8 pixels are
    left. The default optimiser is Nesterov momentum.

    Parameters
    ----------
    layers : list, tuple or callable, default=None
        The network. None is the default network, with the layers input, conv2d1, maxpool1,
        conv2d2, maxpool2, dropout1, dense, dropout2 and output. Images of more than 28 pixels
        along an axis (15 with several channels) also get batchnorm1, batchnorm2, conv2d3, ...
        and meanpool: see `network.presets.default_network`.
        A list has the form ``[(name, LayerClass), ...]`` or ``[(LayerClass, {"argument":
        value}), ...]``, as in nolearn, or holds `LayerSpec` objects. A function takes the input
        layer (and ``n_outputs``, if it has an argument of this name) and returns the output
        layer. An output layer that is a DenseLayer gets its number of units and its
        nonlinearity from y.
    feature_layer : str or list of str, default=None
        The name of the layer whose activations are the features. The features of several
        layers are put side by side. None is the layer ``dense`` if there is one, and otherwise
        the last layer with weights before the output layer. Only `transform` uses it.
    target : {"auto", "classes", "numbers", "labels"}, default="auto"
        The task: classification, regression or multi-label classification. "auto" decides by
        scikit-learn's `type_of_target`, and warns if y can be read in two ways: see the notes.
    input_shape : tuple of int, default=None
        (channels, height, width) of the images. None takes the shape from X: a 3-D X has one
        channel; a 2-D X holds square images if the number of columns is a square number, and
        otherwise one row of pixels.
    data_format : {"auto", "channels_first", "channels_last"}, default="auto"
        The position of the channels of a 4-D X. "auto" recognises (n_samples, height, width,
        channels) with 1, 3 or 4 channels if the second axis cannot be the channels. An error
        asks if both readings are possible. No copy is made.
    input_scale : float or "auto", default="auto"
        A factor for the pixels, applied batch by batch. "auto" is 1 if the root mean square of
        the training pixels is at least ¼ and less than 2. Otherwise "auto" is the power of two
        that brings it to at least ½ and less than 1. Integer pixels become float32 without
        another scaling: ``input_scale=1/255`` divides uint8 by 255.
    update : str or callable, default="nesterov_momentum"
        The update rule (optimiser): the name of a function of ``lasagne.updates``, or a function
        like these. Its arguments are hyperparameters with the prefix ``update_``:
        ``update="adam", update_beta1=0.8``.
    update_learning_rate : float or "auto", default="auto"
        "auto" is 0.001 for adam, adamax, adamw and rmsprop, 1 for adadelta, and 0.01 for the
        other rules (0.003 in regression). Ignored if the update rule has no such argument.
    update_momentum : float, default=0.9
        Ignored if the update rule has no such argument.
    loss : str or callable, default="auto"
        The name of a function of ``lasagne.objectives``, or a function like these: from
        (prediction, target) to one loss for each sample. Classes are integers; smoothed or
        combined classes are rows of probabilities. "auto" is the categorical cross-entropy in
        classification, the squared error in regression, and the binary cross-entropy in
        multi-label classification.
    l1, l2 : float or dict of str to float, default=0.0
        Strength of the penalty on the absolute (`l1`) and the squared (`l2`) weights: of all
        layers, or of each layer by name.
    class_weight : dict or "balanced", default=None
        Factors for the sample weights of each class. "balanced" gives all classes the same
        total weight.
    max_epochs : int or "auto", default="auto"
        "auto" is the number of epochs for 1,500 batches, at least 10 and at most 200: 10 for
        data of MNIST's size.
    batch_size : int or "auto", default="auto"
        "auto" is 32 for up to 4,000 training samples, 64 for up to 16,000, then 128.
        The last batch of an epoch may be smaller.
    shuffle : bool, default=True
        Whether each epoch has its own random order of the samples.
    validation_fraction : float, default=0.2
        The share of the samples that is held out for validation, stratified by class. None
        trains on all samples.
    early_stopping : bool, default=False
        Whether to stop when the validation loss (or the training loss, without validation data)
        has not improved for some epochs. The parameters of the best epoch are restored.
    n_iter_no_change : int, default=5
        The number of epochs without improvement before `early_stopping` stops.
    tol : float, default=1e-4
        The smallest change of the loss that is an improvement.
    max_grad_norm : float, default=None
        Gradient clipping: the largest norm of the gradient of all parameters together.
    label_smoothing : float, default=0.0
        The share of each class's probability that is spread over all classes.
    augment : callable or list of callable, default=None
        Data augmentation: changes each batch of training images. See
        `convnet_features.augmentation`. `MixUp` and `CutMix` combine the targets, too.
    tta : callable or list of callable, default=None
        Test-time augmentation: `transform`, `predict` and `predict_proba` return the mean over
        the unchanged images and one view for each augmentation of the list. A list of
        augmentations inside the list is one view. Random numbers are drawn once, for all images
        and all calls. Augmentations that are applied by chance (`p`) are always applied. May be
        changed after `fit`.
    callbacks : list of Callback, default=None
        Observe training, and can change or stop it: see `convnet_features.callbacks`.
    warm_start : bool, default=False
        Whether the next `fit` continues training the network of the last one.
    pretrained : estimator, path or mapping, default=None
        Transfer learning: the initial parameters come from a fitted estimator, a file of
        `save_params`, or a mapping of arrays by name, if layer, name and shape agree. The output
        layer keeps its random parameters if the classes of the source differ, and a warning says
        so. If `layers` is None and the estimator has its own network of layers (that of
        `pretrained_extractor` or `from_onnx`, for example), this network is used with a new
        output layer for y.
    freeze : "features" or list of str, default=None
        Layers whose parameters do not change: random parameters, or those of `pretrained`. A
        warning names frozen layers that `pretrained` did not fill. "features" is all layers
        before the output layers. Frozen layers compute as in inference: batch normalisation
        uses its averages and does not change them.
    learning_rate_scale : dict of str to float, default=None
        Factors for the learning rates of layers, by name; other layers have the factor 1.
        "features" is all layers before the output layers, as in `freeze`, and a named layer has
        its own factor. 0 freezes a layer. The factor multiplies the steps of the layer, with
        every update rule. It also multiplies the weight decay of `adamw`, which is part of the
        step. It does not change the averages of batch normalisation.
    frozen_cache_bytes : int, default=268435456
        The outputs of frozen first layers are computed once for all epochs, unless `augment`
        changes the images. They are stored in memory up to this size, and in a temporary file
        beyond. 0 computes them in every epoch.
    engine : {"auto", "onednn", "portable", "jax"}, default="auto"
        The software that computes: oneDNN; NumPy and BLAS; or JAX, if it is installed.
        "auto" is oneDNN if it works, and otherwise "portable".
    random_state : int, RandomState instance or None, default=None
        Seed of the initial parameters, the validation split, the order of the samples, dropout,
        augmentation and the views of `tta`. The same seed, engine, number of threads and kind of
        processor give the same bits.
    verbose : int, default=0
        1 prints one line for each epoch.
    **layer_params
        ``<layer>_<argument>``: ``conv2d1_num_filters=64``, ``dense_num_units=128``,
        ``dropout1_p=0.2``. They are
        parameters in ``get_params``, ``set_params``, ``clone`` and searches.

    Attributes
    ----------
    network_ : lasagne.layers.Layer
        The output layer.
    layers_ : dict of str to lasagne.layers.Layer
        Every layer by name, inputs first.
    classes_ : ndarray of shape (n_classes,)
        The sorted classes; the numbers of the columns in multi-label classification.
    history_ : list of dict
        One record for each epoch: epoch, train_loss, valid_loss, valid_score,
        learning_rate, duration. It has a ``to_frame()``.
    loss_curve_ : list of float
        The training loss of each epoch.
    validation_scores_ : list of float, or None
        Accuracy (R² in regression) on the validation data after each epoch.
    loss_ : float
        The training loss of the last epoch.
    n_iter_ : int
        The number of epochs of training.
    input_shape_ : tuple of int
        (channels, height, width).
    input_scale_ : float
        The factor for the pixels.
    n_features_in_ : int
        The number of columns of X, or of channels if X was 4-D.
    feature_names_in_ : ndarray of shape (n_features,)
        The names of the columns, if X had names.

    See Also
    --------
    ConvNetClassifier : The same network as a classifier.
    ConvNetRegressor : The same network as a regressor.

    Notes
    -----
    The task depends on y. Integers of any dtype (also floats with integer values), strings and
    booleans are classes. Floats with fractions are numbers (regression), in one or several
    columns; they are standardised for training. A 0/1 matrix with several columns, dense or
    sparse, is multi-label classification. A `ConvNetFeaturesWarning` names the other meaning if
    every row has exactly one 1 (``target="classes"`` reads each row as the number of its
    column), if there are more than 20 different integers, and if rows sum to 1.

    The network has seen the labels of its training data, so their features are better than the
    features of new data. ``fit_transform(X, y, cross_fit=5)`` returns, for each sample, the
    features of a network that did not see the sample.

    Sample weights multiply the losses. They are scaled to a mean of 1 over the training samples,
    so that the learning rate keeps its meaning. Integer weights have the same effect, on average
    over mini-batches, as repeated samples. A weight of 0 is the same as leaving the sample out.
    `partial_fit` does not scale the weights.

    References
    ----------
    LeCun, Bottou, Bengio and Haffner (1998), "Gradient-based learning applied to
    document recognition", Proceedings of the IEEE 86.

    Dieleman et al. (2015), "Lasagne: First release", doi:10.5281/zenodo.27878.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.model_selection import train_test_split
    >>> from sklearn.pipeline import make_pipeline
    >>> from convnet_features import ConvNetFeatureExtractor
    >>> X, y = load_digits(return_X_y=True)
    >>> X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
    >>> extractor = ConvNetFeatureExtractor(max_epochs=10, random_state=0)
    >>> model = make_pipeline(extractor, LogisticRegression(max_iter=1000))
    >>> model.fit(X_train, y_train).score(X_test, y_test) > 0.95
    True
    >>> extractor.transform(X_test).shape
    (450, 256)
    >>> extractor.get_feature_names_out()[:3]
    array(['dense0', 'dense1', 'dense2'], dtype=object)
    """
