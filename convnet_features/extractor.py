"""Features from a convolutional network."""

from __future__ import annotations

from .estimators.base import BaseConvNet

__all__ = ["ConvNetFeatureExtractor"]


class ConvNetFeatureExtractor(BaseConvNet):
    """Train a convolutional network, and give its dense layer's activations as features.

    With every parameter at its default this is, for grey images of up to 28×28 pixels,
    the network of the 2015 Lasagne tutorials: two convolutions of 32 filters of
    5×5 pixels, each with 2×2 max pooling, then a dense layer of 256 units between
    two dropouts, trained by Nesterov momentum. Images too small for it get filters
    and pooling that fit; larger ones get more blocks of convolution, pooling and
    batch normalisation, until at most 8×8 pixels are left.

    Parameters
    ----------
    layers : list, tuple or callable, default=None
        The network. None is the one above, with the layers input, conv2d1,
        maxpool1, conv2d2, maxpool2, dropout1, dense, dropout2 and output; for
        images of more than 28 pixels along an axis (15, where they have several
        channels) also batchnorm1, batchnorm2, conv2d3, ... and meanpool:
        `network.presets.default_network` has the rule.
        Otherwise nolearn's lists of Lasagne layers, ``[(name, LayerClass), ...]``
        or ``[(LayerClass, {"argument": value}), ...]``, or of `LayerSpec`; or a
        function from the input layer (and ``n_outputs``, if it has an argument
        of that name) to the output layer. An output layer that is a DenseLayer
        gets its number of units and its nonlinearity from y.
    feature_layer : str or list of str, default=None
        The layer whose activations are the features, by name. Those of several
        layers stand side by side. None is the layer ``dense`` where there is
        one; otherwise the last before the layer that predicts (the last with
        weights), without dropout and noise. Only `transform` needs it.
    target : {"auto", "classes", "numbers", "labels"}, default="auto"
        What y means. "auto" leaves it to scikit-learn's `type_of_target`, and
        warns where y could be read in two ways: see the notes.
    input_shape : tuple of int, default=None
        (channels, height, width) of the images. None takes it from X: 4-D as it
        is; 3-D has one channel; 2-D is a square image if the number of columns
        is a square number, and otherwise one row of pixels.
    data_format : {"auto", "channels_first", "channels_last"}, default="auto"
        Where a 4-D X has its channels. "auto" takes (n_samples, height, width,
        channels) for what it is where there are 1, 3 or 4 channels and the
        second axis cannot be channels, and asks where both readings are
        possible. No copy is made.
    input_scale : float or "auto", default="auto"
        Pixels are multiplied by it, batch by batch, and X is never copied as a
        whole. "auto" is 1 where the root mean square of the training pixels is
        at least ¼ and less than 2; otherwise the power of two that brings it to
        at least ½ and less than 1. Integer pixels become float32 as they are:
        uint8 is *not* divided by 255, unless ``input_scale=1/255`` asks for it.
    update : str or callable, default="nesterov_momentum"
        A function of ``lasagne.updates``, or one like them. Its arguments are
        parameters too, with ``update_`` before their names:
        ``update="adam", update_beta1=0.8``.
    update_learning_rate : float or "auto", default="auto"
        "auto" is 0.001 for adam, adamax, adamw and rmsprop, 1 for adadelta, and
        for the other rules 0.01, or 0.003 where y holds numbers. Dropped where
        the update rule has no such argument.
    update_momentum : float, default=0.9
        Dropped where the update rule has no such argument.
    loss : str or callable, default="auto"
        A function of ``lasagne.objectives``, or one like them, from (prediction,
        target) to one loss a sample; classes reach it as integers, or as rows of
        probabilities where they are smoothed or mixed. "auto" is the categorical
        cross-entropy for classes, the squared error for numbers, and the binary
        cross-entropy for 0/1 matrices.
    l1, l2 : float or dict of str to float, default=0.0
        Strength of the penalty on absolute, or squared, weights; of the whole
        network, or of each layer named.
    class_weight : dict or "balanced", default=None
        Multiplies the weights of samples by their classes'. "balanced" has all
        classes weigh the same.
    max_epochs : int or "auto", default="auto"
        "auto" is as many epochs as make 1,500 batches, but at least 10 and at
        most 200: 10 for data of MNIST's size.
    batch_size : int or "auto", default="auto"
        "auto" is 32 up to 4,000 training samples, 64 up to 16,000, then 128.
        The last batch of an epoch may be smaller.
    shuffle : bool, default=True
        Draw the order of the samples anew for each epoch.
    validation_fraction : float, default=0.2
        The share of the samples that is held out to validate with, stratified
        by class; None trains on everything.
    early_stopping : bool, default=False
        Stop when the validation loss (without validation data, the training
        loss) has not improved for some epochs, and keep the best epoch's
        parameters.
    n_iter_no_change : int, default=5
        How many epochs `early_stopping` waits.
    tol : float, default=1e-4
        What `early_stopping` takes for an improvement.
    max_grad_norm : float, default=None
        The longest that a batch's gradient may be, all parameters together.
    label_smoothing : float, default=0.0
        The share of each class's probability that is spread over all classes.
    augment : callable or list of callable, default=None
        Changes each batch of training images: `convnet_features.augmentation`
        has some. Those that mix images (`MixUp`, `CutMix`) mix y alike.
    tta : callable or list of callable, default=None
        Test-time augmentation: `transform`, `predict` and `predict_proba` give
        the mean over the images and each view of them that is listed: what an
        augmentation makes of them, or a list of augmentations one after the
        other. Whatever is drawn is drawn once, for all images and all calls; what
        happens by chance (`p`) always happens. May be changed after `fit`.
    callbacks : list of Callback, default=None
        Watch training, and may stop it: see `convnet_features.callbacks`.
    warm_start : bool, default=False
        Whether another `fit` goes on with the network of the last one.
    pretrained : estimator, path or mapping, default=None
        Parameters to begin with where layer, name and shape agree: of a fitted
        estimator, of a file of `save_params`, or by name. The layers that
        predict are left alone, with a warning, where the source's outputs stand
        for other classes. Where `layers` is None and the estimator has a network
        of layers of its own (that of `pretrained_extractor` or `from_onnx`, say),
        that network is taken over, with an output layer for y in the place of
        its own.
    freeze : "features" or list of str, default=None
        Layers that keep their parameters: the initial ones, which are random,
        or those of `pretrained`. A warning says which of them it did not fill.
        "features" is all layers in front of those that predict. Frozen layers
        compute as in inference: normalisations use and keep their averages.
    learning_rate_scale : dict of str to float, default=None
        What the learning rate of a layer is multiplied by, by the layer's name; of others it is
        1. "features" stands for all layers in front of those that predict, as for `freeze`;
        layers named beside it have factors of their own. 0 freezes a layer. A layer's steps
        are multiplied, so that it works with every update rule: decay of `adamw`, which is part
        of the step, is multiplied as well, and averages of normalisations are not.
    frozen_cache_bytes : int, default=268435456
        What a frozen front makes of each sample is computed once for all epochs,
        unless `augment` changes the images: in memory up to so many bytes, in a
        temporary file beyond. 0 computes it in every epoch.
    engine : {"auto", "onednn", "portable", "jax"}, default="auto"
        What computes: oneDNN; NumPy and BLAS; or JAX, where it is installed.
        "auto" is oneDNN where it works, else "portable".
    random_state : int, RandomState instance or None, default=None
        Decides the initial parameters, the held-out samples, the order of the
        samples, dropout, augmentation and the views of `tta`. The same seed, engine, number of
        threads and kind of processor give the same bits.
    verbose : int, default=0
        1 prints a line an epoch.
    **layer_params
        ``<layer>_<argument>``: ``conv2d1_num_filters=64``, ``dense_num_units=128``,
        ``dropout1_p=0.2``. They take part in ``get_params``, ``set_params``,
        ``clone`` and searches as any other parameter.

    Attributes
    ----------
    network_ : lasagne.layers.Layer
        The output layer.
    layers_ : dict of str to lasagne.layers.Layer
        Every layer by name, inputs first.
    classes_ : ndarray of shape (n_classes,)
        The classes, sorted, where y was classes; the numbers of the columns,
        where it was labels.
    history_ : list of dict
        One record an epoch: epoch, train_loss, valid_loss, valid_score,
        learning_rate, duration. It has a ``to_frame()``.
    loss_curve_ : list of float
        The training loss of each epoch.
    validation_scores_ : list of float, or None
        Accuracy (R² for numbers) on the held-out samples after each epoch.
    loss_ : float
        The training loss of the last epoch.
    n_iter_ : int
        How many epochs the network was trained for.
    input_shape_ : tuple of int
        (channels, height, width).
    input_scale_ : float
        What pixels are multiplied by.
    n_features_in_ : int
        The number of columns of X; of channels, where X was 4-D.
    feature_names_in_ : ndarray of shape (n_features,)
        The columns' names, where X had names.

    See Also
    --------
    ConvNetClassifier : The same network as a classifier.
    ConvNetRegressor : The same network as a regressor.

    Notes
    -----
    What is learnt depends on y. Whole numbers of any dtype (floats too),
    strings and booleans are classes. Floats that are not whole are numbers,
    which are standardised for training; several columns of them are learnt
    together. A matrix of 0 and 1 with several columns, dense or sparse, is one
    yes-or-no label a column. A `ConvNetFeaturesWarning` says how else y could
    be meant where every row has exactly one 1 (``target="classes"`` takes each
    row for the number of its column), where there are more than 20 different
    whole numbers, and where rows sum to 1.

    A network has seen the labels of its training rows, whose features are
    therefore better than those of new rows. ``fit_transform(X, y, cross_fit=5)``
    gives each row the features of a network that did not see it.

    Sample weights scale the losses. They are brought to a mean of 1 over the
    training samples, so that the learning rate keeps its meaning and integer
    weights have the same effect, on average over mini-batches, as repeating
    samples. To weigh 0 is to be absent. `partial_fit` uses weights as they are.

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
