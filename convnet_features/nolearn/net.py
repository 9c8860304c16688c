"""nolearn's `NeuralNet`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from lasagne.updates import nesterov_momentum
from scipy.sparse import issparse
from sklearn.metrics import accuracy_score, mean_squared_error
from sklearn.preprocessing import LabelEncoder

from ..training.history import History
from ..training.interruption import is_one_of_many
from ..validation import most_probable
from ..validation.images import check_finite
from .batches import BatchIterator
from .loading import LoadableParameters
from .loop import TrainingLoop
from .objective import objective as default_objective

__all__ = ["NeuralNet"]


class NeuralNet(TrainingLoop, LoadableParameters):
    """A Lasagne network, declared and trained as with ``nolearn.lasagne.NeuralNet``.

    For code of 2015 and 2016, nolearn 0.5 and 0.6; new code has
    `ConvNetClassifier` and its siblings. What differs from nolearn is in the
    notes.

    Parameters
    ----------
    layers : list, or lasagne.layers.Layer
        ``[(name, LayerClass), ...]``, ``[(LayerClass, {...}), ...]``, or the
        output layer of a network that is built already.
    update : callable or str, default=lasagne.updates.nesterov_momentum
        Its arguments are ``update_learning_rate``, ``update_momentum`` and so on:
        numbers, or scalars made with ``theano.shared``, which handlers may set.
    objective : callable, default=nolearn.objective
        (layers, loss_function, target, deterministic, ...) to a scalar
        expression; or a class with ``get_loss``, as before nolearn 0.6. Its
        further arguments are ``objective_*``.
    objective_loss_function : callable, optional
        (prediction, target) to losses; by default the categorical
        cross-entropy, or the squared error in regression.
    batch_iterator_train, batch_iterator_test : BatchIterator, optional
        By default batches of 128.
    regression : bool, default=False
        Predict numbers.
    max_epochs : int, default=100
    train_split : callable, default=TrainSplit(eval_size=0.2)
        (X, y, net) to X_train, X_valid, y_train, y_valid.
    eval_size : float, optional
        The share of validation data, as before nolearn 0.6; instead of
        `train_split`.
    custom_scores : list of (str, callable), optional
        Scores of (y_true, output), averaged over the batches of validation.
    X_tensor_type : optional
        Accepted and not needed, as the layers know their input.
    y_tensor_type : callable, optional
        From a name to the symbolic target: ``T.imatrix``, say. By default an
        integer vector, or a float matrix in regression.
    use_label_encoder : bool, default=False
        Take any labels, not only the integers from 0 on.
    on_training_started, on_batch_finished, on_epoch_finished, \
            on_training_finished : callable or list of callable, optional
        Called with the net and its history. One of `on_epoch_finished` ends
        training by raising StopIteration.
    more_params : dict, optional
        More of ``<layer>_<argument>``.
    check_input : bool, default=True
        Compare the lengths and shapes of X and y with each other and the network, and
        refuse NaN, infinity and numbers too large for float32.
    verbose : int, default=0
        Print the layers and a line an epoch.
    engine : {'auto', 'onednn', 'portable', 'jax'}, default='auto'
        What computes.
    **kwargs
        ``<layer>_<argument>``, ``update_<argument>`` and ``objective_<argument>``:
        ``conv2d1_num_filters=32``.

    Attributes
    ----------
    layers_ : Layers
        The Lasagne layers by name, inputs first; also by position and slice.
    train_history_ : list of dict
        One record an epoch: ``epoch``, ``train_loss``, ``valid_loss``,
        ``valid_accuracy``, ``train_loss_best``, ``valid_loss_best``, ``dur``,
        and custom scores.
    classes_ : ndarray of shape (n_classes,)
        Labels by class, unless in regression.
    enc_ : LabelEncoder
        With `use_label_encoder`.

    Notes
    -----
    As in nolearn, pixels reach the network as they are, an output layer
    has the nonlinearity that Lasagne gives it if none is named (rectify), initial
    weights come from ``lasagne.random``, and a second `fit` goes on training:
    take ``sklearn.base.clone(net)`` to begin anew.

    Differently from nolearn, `get_output` is without dropout; the caller's arrays
    and lists stay as they are, also where a `transform` writes to its batch; a loss
    that is not finite is a `DivergenceError`;
    `load_params_from` warns of what it could not load and runs nothing that a
    file says; an interrupted `fit` goes back to the last finished epoch. X is
    one array, not a dictionary of inputs.

    Examples
    --------
    >>> from lasagne.layers import DenseLayer, InputLayer
    >>> from lasagne.nonlinearities import softmax
    >>> from convnet_features.datasets import load_digits_images
    >>> X, y = load_digits_images()
    >>> net = NeuralNet(
    ...     layers=[("input", InputLayer), ("hidden", DenseLayer), ("output", DenseLayer)],
    ...     input_shape=(None, 1, 8, 8),
    ...     hidden_num_units=32,
    ...     output_num_units=10,
    ...     output_nonlinearity=softmax,
    ...     update_learning_rate=0.01,
    ...     max_epochs=5,
    ... )
    >>> net.fit(X / 16, y.astype("int32")).predict(X[:3] / 16).shape
    (3,)
    >>> len(net.train_history_)
    5
    """

    def __init__(
        self,
        layers: Any,
        update: str | Callable[..., Any] = nesterov_momentum,
        objective: Callable[..., Any] = default_objective,
        objective_loss_function: Callable[..., Any] | None = None,
        batch_iterator_train: Any = None,
        batch_iterator_test: Any = None,
        regression: bool = False,
        max_epochs: int = 100,
        train_split: Callable[..., Any] | None = None,
        eval_size: float | None = None,
        custom_scores: Sequence[tuple[str, Callable[..., Any]]] | None = None,
        X_tensor_type: Any = None,
        y_tensor_type: Callable[..., Any] | None = None,
        use_label_encoder: bool = False,
        on_batch_finished: Any = None,
        on_epoch_finished: Any = None,
        on_training_started: Any = None,
        on_training_finished: Any = None,
        more_params: Mapping[str, Any] | None = None,
        check_input: bool = True,
        verbose: int = 0,
        engine: str = "auto",
        **kwargs: Any,
    ) -> None:
        self.layers = layers
        self.update = update
        self.objective = objective
        self.objective_loss_function = objective_loss_function
        # Scripts reach for these: net.batch_iterator_train.batch_size.
        self.batch_iterator_train = batch_iterator_train or BatchIterator(batch_size=128)
        self.batch_iterator_test = batch_iterator_test or BatchIterator(batch_size=128)
        self.regression = regression
        self.max_epochs = max_epochs
        self.train_split = train_split
        self.eval_size = eval_size
        self.custom_scores = custom_scores
        self.X_tensor_type = X_tensor_type
        self.y_tensor_type = y_tensor_type
        self.use_label_encoder = use_label_encoder
        self.on_batch_finished = on_batch_finished
        self.on_epoch_finished = on_epoch_finished
        self.on_training_started = on_training_started
        self.on_training_finished = on_training_finished
        self.more_params = more_params
        self.check_input = check_input
        self.verbose = verbose
        self.engine = engine
        self.__dict__.update(kwargs)
        self._kwarg_keys = list(kwargs)

    # Training

    def fit(self, X: Any, y: Any, epochs: int | None = None) -> NeuralNet:
        """Train the network, or go on training it.

        Parameters
        ----------
        X : ndarray of shape (n_samples, ...)
            As the input layer's shape says.
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
            Classes from 0 on (any labels with `use_label_encoder`), or numbers.
        epochs : int, optional
            Instead of `max_epochs`.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If X and y do not fit each other or the network, or a parameter is not
            what it must be.
        DivergenceError
            If the loss or a parameter leaves the finite numbers.
        """
        self._check_parameters()
        X, y = self._checked(X, y)
        if self.use_label_encoder:
            self.enc_ = LabelEncoder()
            y = self.enc_.fit_transform(y).astype(np.int32)
        self.initialize()
        self._check_shape(X)
        if not self.regression:
            self.classes_ = self.enc_.classes_ if self.use_label_encoder else self._all_classes()
        try:
            self.train_loop(X, y, epochs)
        except KeyboardInterrupt:
            if is_one_of_many():  # the user means the whole search
                raise
        return self

    def partial_fit(self, X: Any, y: Any, classes: Any = None) -> NeuralNet:
        """Train for one more epoch; `classes` is there for scikit-learn, and not needed."""
        return self.fit(X, y, epochs=1)

    # What was learnt

    def __sklearn_is_fitted__(self) -> bool:
        return bool(vars(self).get("train_history_"))

    # What `convnet_features.inspection` asks of a network.

    @property
    def network_(self) -> Any:
        """The output layer, a Lasagne layer."""
        return self._network().output

    @property
    def input_shape_(self) -> tuple[int, ...]:
        """The shape of one sample."""
        return self._network().input_shape

    @property
    def history_(self) -> History:
        """`train_history_`."""
        return self.train_history_

    def _images(self, X: Any) -> np.ndarray:
        return self._as_input(X)

    def predict_proba(self, X: Any) -> np.ndarray:
        """The output layer's activations, without dropout.

        Parameters
        ----------
        X : ndarray of shape (n_samples, ...)

        Returns
        -------
        ndarray of shape (n_samples, n_outputs)
            float32.
        """
        return self._activations(list(self.layers_)[-1], X)

    def predict(self, X: Any) -> np.ndarray:
        """The most probable class; in regression, the output layer's activations.

        Parameters
        ----------
        X : ndarray of shape (n_samples, ...)

        Returns
        -------
        ndarray of shape (n_samples,), or (n_samples, n_outputs) in regression
        """
        if self.regression:
            return self.predict_proba(X)
        classes = most_probable(self.predict_proba(X))
        return self.enc_.inverse_transform(classes) if self.use_label_encoder else classes

    def get_output(self, layer: Any, X: Any) -> np.ndarray:
        """The activations of any layer, without dropout.

        Parameters
        ----------
        layer : str, int or lasagne.layers.Layer
            Its name, its position, or itself.
        X : ndarray of shape (n_samples, ...)

        Returns
        -------
        ndarray of shape (n_samples, ...)
            float32.
        """
        layers = self.layers_
        names = [name for name, each in layers.items() if each is layer or name == layer]
        if isinstance(layer, int):
            names = [layers.keys()[layer]]
        if not names:
            raise ValueError(f"layer: there is no {layer!r}; the network has {', '.join(layers)}.")
        return self._activations(names[0], X)

    def _activations(self, name: str, X: Any) -> np.ndarray:
        self._network()
        X, _ = self._checked(X)
        batches = self.batch_iterator_test(X)
        return np.concatenate(
            [self._model.outputs([name], self._as_input(Xb))[0] for Xb, _ in batches]
        )

    def score(self, X: Any, y: Any) -> float:
        """The accuracy; in regression the mean squared error: less is better.

        Parameters
        ----------
        X : ndarray of shape (n_samples, ...)
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs)

        Returns
        -------
        float
        """
        measure = mean_squared_error if self.regression else accuracy_score
        return float(measure(y, self.predict(X)))

    # Input

    def _checked(self, X: Any, y: Any = None) -> tuple[Any, Any]:
        """X and y as arrays of one length; numbers to predict as a matrix."""
        if isinstance(X, Mapping):
            raise TypeError("X is a dictionary of inputs; NeuralNet takes one array.")
        X = X if hasattr(X, "shape") else np.asarray(X)
        self._check_finite("X", X)
        if y is None:
            return X, None
        y = self._as_target(y)
        self._check_finite("y", y)
        if self.check_input and len(X) != len(y):
            raise ValueError(f"X and y are not of equal length: {len(X)} and {len(y)}.")
        return X, y.reshape(-1, 1) if self.regression and y.ndim == 1 else y

    def _as_target(self, y: Any) -> np.ndarray:
        """y as an array, which has the form that the network is to learn.

        Raises
        ------
        ValueError
            If it has not; the text says what to give.
        """
        y = y.toarray() if issparse(y) else np.asarray(y)
        if not self.check_input or self.regression or self.y_tensor_type is not None:
            return y
        if y.dtype.kind in "OSTU" and not self.use_label_encoder:
            raise ValueError(
                f"{type(self).__name__}: y holds {y.flat[0]!r}; classes are numbers from 0 on. Set "
                "use_label_encoder=True to have any others."
            )
        if y.ndim != 1:
            raise ValueError(
                f"{type(self).__name__}: y has the shape {y.shape}, and one class a sample is "
                f"learnt; give {'y.ravel()' if y.shape[1:] == (1,) else 'y.argmax(axis=1)'}. For "
                "numbers, or labels that are each 0 or 1, set regression=True, and "
                "objective_loss_function to what suits them."
            )
        return y

    def _check_finite(self, what: str, array: Any) -> None:
        # A batch iterator may turn anything else into an array of floats.
        if self.check_input and isinstance(array, np.ndarray) and array.dtype.kind == "f":
            check_finite(type(self).__name__, what, array)

    def _check_shape(self, X: Any) -> None:
        wanted, given = self._model.input_shape, tuple(X.shape[1:])
        fits = len(wanted) == len(given) and all(
            size is None or size == other for size, other in zip(wanted, given, strict=True)
        )
        if self.check_input and not fits:
            raise ValueError(
                f"X has samples of shape {given}; the input layer's shape is {(None, *wanted)}."
            )

    def _as_input(self, Xb: Any) -> np.ndarray:
        batch = np.asarray(Xb, dtype=np.float32)
        self._check_shape(batch)
        return batch

    def _all_classes(self) -> np.ndarray:
        return np.arange(self._network().output.output_shape[1])

    def __getstate__(self) -> dict[str, Any]:
        """Everything but what is compiled."""
        state = dict(super().__getstate__())
        learner = state.pop("_learner", None)
        return state if learner is None else state | {"_optimiser": learner.updater.state}

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import ClassifierTags, RegressorTags

        tags = super().__sklearn_tags__()
        tags.estimator_type = "regressor" if self.regression else "classifier"
        if self.regression:
            tags.regressor_tags = RegressorTags()
        else:
            tags.classifier_tags = ClassifierTags()
        tags.target_tags.required = True
        return tags
