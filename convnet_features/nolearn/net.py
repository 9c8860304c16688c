"""nolearn's `NeuralNet`."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from lasagne.updates import nesterov_momentum
from scipy.sparse import issparse
from sklearn.metrics import accuracy_score, mean_squared_error
from sklearn.preprocessing import LabelEncoder

from ..network.inputs import Inputs, InputShape, check_input_names
from ..training.history import History
from ..training.interruption import is_one_of_many
from ..validation import most_probable
from ..validation.images import check_finite
from .batch_function import BatchFunction
from .batches import BatchIterator, n_rows
from .declaration import as_list
from .loading import LoadableParameters
from .loop import TrainingLoop
from .objective import objective as default_objective
from .split import LegacyTrainTestSplit, TrainSplit

__all__ = ["NeuralNet"]


class NeuralNet(TrainingLoop, LoadableParameters):
    """A Lasagne network, declared and trained as with ``nolearn.lasagne.NeuralNet``.

    For code of 2015 and 2016, nolearn 0.5 and 0.6; new code has
    `ConvNetClassifier` and its siblings. What differs from nolearn is in the
    notes.

    Parameters
    ----------
    layers : list, or lasagne.layers.Layer
        ``[(name, LayerClass), ...]``, ``[(LayerClass, {...}), ...]`` (a class may be
        text: ``"lasagne.layers.DenseLayer"``, or ``"DenseLayer"``), or the output layer
        of a network that is built already, or a list of its output layers. Where an
        argument is a layer (``incoming``, ``mask_input``), it is given by name; ``W`` or
        ``b`` may name an earlier layer, whose parameter both then share; and
        ``layer_wrapper`` is a function, such as `batch_norm`, of the layer.
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
        That of `train_split`, as before nolearn 0.6.
    custom_scores : list of (str, callable), optional
        Scores of (y_true, output), averaged over the batches of validation. The outputs
        of several output layers come as a tuple. One alone may be given as
        `custom_score`.
    scores_train, scores_valid : list of (str, callable), optional
        Symbolic scores of (outputs, target), without dropout, averaged over the batches
        of training and of validation; `outputs` is a list, with one expression for each
        output layer.
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
        training by raising StopIteration. The net keeps lists of its own:
        ``net.on_epoch_finished.append(handler)``.
    more_params : dict, optional
        More of ``<layer>_<argument>``. One that belongs to no layer is warned of.
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
    train_iter_, eval_iter_, predict_iter_ : callable
        Functions of one batch: (Xb, yb) to ``[loss, *scores_train]``, with an update of
        the parameters; (Xb, yb) to ``[loss, accuracy, *scores_valid]``; and Xb to the
        output layer's activations, of several a tuple. Several inputs are a dictionary.

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
    file says; an interrupted `fit` goes back to the last finished epoch.

    Of a network with several inputs, X is a dictionary with an array for each input
    layer, by its name. An input that an `EmbeddingLayer` reads, or whose ``input_var``
    is of integers, takes whole numbers, which stay integers.

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
        scores_train: Sequence[tuple[str, Callable[..., Any]]] | None = None,
        scores_valid: Sequence[tuple[str, Callable[..., Any]]] | None = None,
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
        self.train_split = self._split_of(train_split)
        self.eval_size = eval_size
        one_score = kwargs.pop("custom_score", None)  # its name before nolearn 0.6
        self.custom_scores = [*_pairs(custom_scores), *_pairs(one_score)]
        self.scores_train = _pairs(scores_train)
        self.scores_valid = _pairs(scores_valid)
        self.X_tensor_type = X_tensor_type
        self.y_tensor_type = y_tensor_type
        self.use_label_encoder = use_label_encoder
        # Lists of its own, which scripts append to.
        self.on_batch_finished = as_list(on_batch_finished)
        self.on_epoch_finished = as_list(on_epoch_finished)
        self.on_training_started = as_list(on_training_started)
        self.on_training_finished = as_list(on_training_finished)
        self.more_params = more_params
        self.check_input = check_input
        self.verbose = verbose
        self.engine = engine
        self.__dict__.update(kwargs)
        self._kwarg_keys = list(kwargs)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__({**_LATER_PARAMETERS, **state})
        # What a pickle of before the split knew its share holds.
        old_share = self.__dict__.pop("eval_size", None)
        self.train_split = self._split_of(self.train_split)
        if old_share is not None:
            self.eval_size = old_share

    def _split_of(self, given: Any) -> Any:
        """What splits: a method of the class, as before nolearn 0.6; `given`; or a fifth."""
        if hasattr(self, "train_test_split"):
            return given if isinstance(given, LegacyTrainTestSplit) else LegacyTrainTestSplit()
        return TrainSplit(0.2) if given is None else given

    @property
    def eval_size(self) -> float | None:
        """The share of validation data, that of `train_split`; None where it has none."""
        return getattr(self.train_split, "eval_size", None)

    @eval_size.setter
    def eval_size(self, share: float | None) -> None:
        if share is None or share == self.eval_size:
            return
        if not hasattr(self.train_split, "eval_size"):
            raise ValueError(
                f"{type(self).__name__}: eval_size={share!r} belongs to a TrainSplit, and "
                f"train_split is {self.train_split!r}, which decides by itself; leave one out."
            )
        self.train_split = copy.deepcopy(self.train_split)
        self.train_split.eval_size = share

    # Training

    def fit(self, X: Any, y: Any, epochs: int | None = None) -> NeuralNet:
        """Train the network, or go on training it.

        Parameters
        ----------
        X : ndarray of shape (n_samples, ...), or dict of them
            As the input layer's shape says; for several input layers, an array for
            each by its name.
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
    def input_shape_(self) -> InputShape:
        """The shape of one sample; of several inputs, the shape of each by name."""
        return self._network().input_shape

    @property
    def history_(self) -> History:
        """`train_history_`."""
        return self.train_history_

    def _images(self, X: Any) -> np.ndarray:
        (images,) = self._as_input(X)
        return images

    def predict_proba(self, X: Any) -> Any:
        """The output layer's activations, without dropout.

        Parameters
        ----------
        X : ndarray of shape (n_samples, ...), or dict of them

        Returns
        -------
        ndarray of shape (n_samples, n_outputs), or tuple of them
            float32; a tuple of several output layers.
        """
        return _alone(self._activations(self._output_names(), X))

    def _output_names(self) -> list[str]:
        network = self._network()
        names = {id(layer): name for name, layer in network.layers.items()}
        return [names[id(output)] for output in network.outputs]

    def predict(self, X: Any) -> Any:
        """The most probable class; in regression, the output layer's activations.

        Parameters
        ----------
        X : ndarray of shape (n_samples, ...), or dict of them

        Returns
        -------
        ndarray of shape (n_samples,), or (n_samples, n_outputs) in regression, or tuple of them
            A tuple of several output layers.
        """
        if self.regression:
            return self.predict_proba(X)
        outputs = self.predict_proba(X)
        if isinstance(outputs, tuple):
            return tuple(most_probable(each) for each in outputs)
        classes = most_probable(outputs)
        return self.enc_.inverse_transform(classes) if self.use_label_encoder else classes

    def get_output(self, layer: Any, X: Any) -> np.ndarray:
        """The activations of any layer, without dropout.

        Parameters
        ----------
        layer : str, int or lasagne.layers.Layer
            Its name, its position, or itself.
        X : ndarray of shape (n_samples, ...), or dict of them

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
        return self._activations(names[:1], X)[0]

    def _activations(self, names: Sequence[str], X: Any) -> list[np.ndarray]:
        self._network()
        X, _ = self._checked(X)
        batches = [self._outputs_of(names, Xb) for Xb, _ in self.batch_iterator_test(X)]
        return [np.concatenate(parts) for parts in zip(*batches, strict=True)]

    def _outputs_of(self, names: Sequence[str], Xb: Any) -> list[np.ndarray]:
        data = dict(zip(self._network().inputs, self._as_input(Xb), strict=True))
        return self._model.outputs(names, Inputs(data))

    def score(self, X: Any, y: Any) -> float:
        """The accuracy; in regression the mean squared error: less is better.

        Parameters
        ----------
        X : ndarray of shape (n_samples, ...), or dict of them
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
            X = Inputs({name: self._checked_input(each) for name, each in X.items()}).arrays
        else:
            X = self._checked_input(X)
        if y is None:
            return X, None
        y = self._as_target(y)
        self._check_finite("y", y)
        if self.check_input and n_rows(X) != len(y):
            raise ValueError(f"X and y are not of equal length: {n_rows(X)} and {len(y)}.")
        return X, y.reshape(-1, 1) if self.regression and y.ndim == 1 else y

    def _checked_input(self, X: Any) -> Any:
        X = X if hasattr(X, "shape") else np.asarray(X)
        self._check_finite("X", X)
        return X

    def _as_target(self, y: Any) -> np.ndarray:
        """y as an array, which has the form that the network is to learn.

        Raises
        ------
        ValueError
            If it has not; the text says what to give.
        """
        if isinstance(y, Mapping):
            raise ValueError(
                f"{type(self).__name__}: y is a dictionary ({', '.join(map(str, y))}), and an "
                "objective has one target. Give one array, such as np.column_stack(list("
                "y.values())), a y_tensor_type (theano.tensor.matrix), and an objective that takes "
                "each output's columns of the target."
            )
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
        inputs = self._network().inputs
        arrays = X if isinstance(X, Mapping) else {next(iter(inputs)): X}
        check_input_names(arrays, inputs)
        for name, layer in inputs.items():
            wanted, given = layer.shape[1:], tuple(arrays[name].shape[1:])
            fits = len(wanted) == len(given) and all(
                size is None or size == other for size, other in zip(wanted, given, strict=True)
            )
            if self.check_input and not fits:
                what = f"X[{name!r}]" if isinstance(X, Mapping) else "X"
                raise ValueError(
                    f"{what} has samples of shape {given}; the input layer's shape is "
                    f"{(None, *wanted)}."
                )

    def _as_input(self, Xb: Any) -> list[np.ndarray]:
        """A batch as the network takes it: an array for each input layer."""
        self._check_shape(Xb if isinstance(Xb, Mapping) else np.asarray(Xb))
        return self._network().data(Xb)

    def _all_classes(self) -> np.ndarray:
        return np.arange(self._network().output.output_shape[1])

    @staticmethod
    def apply_batch_func(func: Callable[..., Any], Xb: Any, yb: Any = None) -> Any:
        """A function of a batch, `train_iter_` for instance, of Xb, and of yb if there is one.

        Of a dictionary Xb, the inputs are given by name, and yb as ``y``.
        """
        if isinstance(Xb, Mapping):
            return func(**(dict(Xb) if yb is None else {**Xb, "y": yb}))
        return func(Xb) if yb is None else func(Xb, yb)

    @property
    def train_iter_(self) -> Callable[..., list[float]]:
        """(Xb, yb) to ``[loss, *scores_train]``, and an update of the parameters."""
        self.initialize()
        return BatchFunction(self._train_on_batch)

    @property
    def eval_iter_(self) -> Callable[..., list[float]]:
        """(Xb, yb) to ``[loss, accuracy, *scores_valid]``, without dropout."""
        self.initialize()
        return BatchFunction(lambda Xb, yb: self._evaluated(Xb, yb)[0])

    @property
    def predict_iter_(self) -> Callable[..., Any]:
        """Xb to the output layer's activations, without dropout; of several layers a tuple."""
        self.initialize()
        names = self._output_names()
        return BatchFunction(lambda Xb: _alone(self._outputs_of(names, Xb)))

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


def _pairs(scores: Any) -> list[Any]:
    """Scores as a list of pairs: of none, one pair or several."""
    if not scores:
        return []
    return [scores] if isinstance(scores, tuple) and isinstance(scores[0], str) else list(scores)


#: Parameters that older pickles lack.
_LATER_PARAMETERS: dict[str, Any] = {"scores_train": [], "scores_valid": []}


def _alone(outputs: Sequence[np.ndarray]) -> Any:
    """The only one; several as a tuple."""
    return outputs[0] if len(outputs) == 1 else tuple(outputs)
