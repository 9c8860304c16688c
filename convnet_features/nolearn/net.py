"""nolearn's `NeuralNet`."""

from __future__ import annotations

import copy
import math
import os
import time
import warnings
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from numbers import Integral
from typing import Any

import numpy as np
from lasagne.objectives import categorical_crossentropy, squared_error
from lasagne.updates import nesterov_momentum
from scipy.sparse import issparse
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError
from sklearn.metrics import accuracy_score, mean_squared_error
from sklearn.preprocessing import LabelEncoder
from sklearn.utils._param_validation import validate_parameter_constraints

from ..estimators.constraints import Number
from ..exceptions import ConvNetFeaturesWarning, NetworkError
from ..files.errors import errors_naming
from ..files.layer_values import read_values, write_values
from ..kernels.magnitude import are_finite
from ..kernels.registry import get_provider
from ..network.build import Network
from ..network.model import Model
from ..network.spec import LayerSpec, parse_layers, with_parameters
from ..network.transfer import finite_float32
from ..training.history import History
from ..training.interruption import is_one_of_many
from ..training.updates import resolve_update, update_arguments
from ..validation import most_probable
from ..validation.images import check_finite
from .batches import BatchIterator
from .engine import Engine, Loss
from .handlers import PrintLayerInfo, PrintLog
from .layers import Layers
from .objective import objective as default_objective
from .split import TrainSplit

__all__ = ["NeuralNet"]

_SEEDS = np.iinfo(np.int32).max


class NeuralNet(BaseEstimator):
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

    # Parameters

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Parameters by name, those of the layers, the update and the objective included.

        `deep` changes nothing: no parameter is an estimator.
        """
        given = {key: getattr(self, key) for key in self._kwarg_keys}
        declared = {key: getattr(self, key) for key in self._get_param_names()}
        return {**declared, **given}

    def set_params(self, **params: Any) -> NeuralNet:
        """Set parameters by name; what the network is made of only before it is built.

        Raises
        ------
        NetworkError
            If the network is built already and a parameter would change its
            layers.
        """
        declared = set(self._get_param_names())
        changes = [
            key
            for key in params
            if key in ("layers", "more_params")
            or (key not in declared and not key.startswith(("update_", "objective_")))
        ]
        if changes and self._is_built():
            raise NetworkError(
                f"{changes[0]}: the network is built already; set it on sklearn.base.clone(net)."
            )
        self.__dict__.update(params)
        self._kwarg_keys += [k for k in params if k not in declared and k not in self._kwarg_keys]
        return self

    def __sklearn_clone__(self) -> NeuralNet:
        # At once, so that a shared variable that is there twice remains one. Lasagne's layers have
        # a `get_params` that scikit-learn would take for its own.
        return type(self)(**copy.deepcopy(self.get_params()))

    def _params_for(self, prefix: str) -> dict[str, Any]:
        named = {**self.get_params(), **self._assigned(), **(self.more_params or {})}
        return {key[len(prefix) :]: named[key] for key in named if key.startswith(prefix)}

    def _assigned(self) -> dict[str, Any]:
        """Attributes that scripts set where a parameter was left out: net.dropout1_p = 0.3."""
        declared = {*self._get_param_names(), *self._kwarg_keys}
        return {
            key: value
            for key, value in vars(self).items()
            if key not in declared and not key.startswith("_") and not key.endswith("_")
        }

    # Building

    def initialize(self) -> None:
        """Build and compile the network; nothing happens where that was done before.

        Raises
        ------
        NetworkError
            If the layers do not fit each other, or a parameter belongs to none.
        """
        if "_engine" in vars(self):
            return
        self.initialize_layers()
        self._engine = Engine(
            self._model, self._loss(), self._rule(), self._update_arguments(), _drawn_seed()
        )
        if (state := self.__dict__.pop("_optimiser", None)) is not None:
            self._engine.updater.load_state(state)

    def initialize_layers(self) -> Any:
        """Build the network; returns its output layer."""
        if not self._is_built():
            get_provider(self.engine)
            model = Model(
                layers=self._declared_layers(),
                input_shape=self._input_shape(),
                n_outputs=None,
                target="numbers" if self.regression else "classes",
                engine=self.engine,
                seed=None,
            )
            model.network  # noqa: B018  (builds it, or says what does not fit)
            self._model = model
            self.train_history_ = History()
        return self._model.network.output

    def _is_built(self) -> bool:
        return "_model" in vars(self)

    def _declared_layers(self) -> list[LayerSpec] | Any:
        declared = self.layers
        if isinstance(declared, list | tuple) and len(declared) == 1:
            declared = declared[0] if _is_layer(declared[0]) else declared
        given = {key: getattr(self, key) for key in self._kwarg_keys} | dict(self.more_params or {})
        own = {k: v for k, v in given.items() if not k.startswith(("update_", "objective_"))}
        if not _is_layer(declared):
            specs = parse_layers(declared)
            prefixes = tuple(f"{spec.name}_" for spec in specs)
            assigned = {k: v for k, v in self._assigned().items() if k.startswith(prefixes)}
            return with_parameters(specs, {**assigned, **own}, self._get_param_names())
        if own:
            raise NetworkError(
                f"{next(iter(own))}: layers is a network that is built already, which takes no "
                "parameters of layers."
            )
        return declared

    def _input_shape(self) -> tuple[int, ...]:
        from lasagne.layers import InputLayer, get_all_layers

        declared = self._declared_layers()
        if _is_layer(declared):
            inputs = [each for each in get_all_layers(declared) if isinstance(each, InputLayer)]
            return tuple(inputs[0].shape[1:])
        first = declared[0]
        if "shape" not in first.params:
            raise NetworkError(
                f"layer {first.name!r} ({first.layer_class.__name__}): give its shape, as in "
                f"{first.name}_shape=(None, 1, 28, 28)."
            )
        return tuple(first.params["shape"][1:])

    def _loss(self) -> Loss:
        arguments = self._params_for("objective_")
        default = squared_error if self.regression else categorical_crossentropy
        arguments["loss_function"] = arguments.get("loss_function") or default
        return Loss(self.objective, arguments, self.y_tensor_type or self._default_target_type())

    def _default_target_type(self) -> Callable[..., Any]:
        import theano.tensor as T

        return T.fmatrix if self.regression else T.ivector

    def _rule(self) -> Callable[..., Any]:
        return resolve_update(self.update)

    def _update_arguments(self) -> dict[str, Any]:
        """The update rule's arguments as they are now, shared scalars by their values."""
        given = {name: _present(value) for name, value in self._params_for("update_").items()}
        return update_arguments(self._rule(), given)

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

    def train_loop(self, X: Any, y: Any, epochs: int | None = None) -> None:
        """Split the data; train for `epochs` (by default `max_epochs`) or until StopIteration."""
        X_train, X_valid, y_train, y_valid = self._split(X, y)
        self._tell(self._starting_handlers())
        for _ in range(self.max_epochs if epochs is None else epochs):
            before = [value.copy() for value in self._model.values]
            try:
                record = self._run_epoch(X_train, X_valid, y_train, y_valid)
            except BaseException:
                for value, held in zip(self._model.values, before, strict=True):
                    value[...] = held
                raise
            self.train_history_.append(record)
            try:
                self._tell(self._epoch_handlers())
            except StopIteration:
                break
        self._tell(_as_list(self.on_training_finished))

    def _split(self, X: Any, y: Any) -> tuple[Any, Any, Any, Any]:
        legacy = getattr(self, "train_test_split", None)
        if legacy is not None:  # a method of a subclass, as before nolearn 0.6
            return legacy(X, y, 0.2 if self.eval_size is None else self.eval_size)
        if self.train_split is not None:
            return self.train_split(X, y, self)
        return TrainSplit(0.2 if self.eval_size is None else self.eval_size)(X, y, self)

    def _run_epoch(self, X_train: Any, X_valid: Any, y_train: Any, y_valid: Any) -> dict[str, Any]:
        began = time.perf_counter()
        epoch = len(self.train_history_) + 1
        train_loss = self._train_on(X_train, y_train)
        valid_loss, accuracy, scores = self._validate_on(X_valid, y_valid)
        return {
            "epoch": epoch,
            "train_loss": train_loss,
            "train_loss_best": train_loss <= self._best("train_loss"),
            "valid_loss": valid_loss,
            "valid_loss_best": valid_loss <= self._best("valid_loss"),
            "valid_accuracy": accuracy,
            **scores,
            "dur": time.perf_counter() - began,
        }

    def _best(self, key: str) -> float:
        return min((record[key] for record in self.train_history_), default=math.inf)

    def _train_on(self, X: Any, y: Any) -> float:
        engine, handlers = self._engine, _as_list(self.on_batch_finished)
        losses, sizes = [], []
        epoch = len(self.train_history_) + 1
        for batch, (Xb, yb) in enumerate(self.batch_iterator_train(X, y), start=1):
            engine.updater.arguments.update(self._update_arguments())
            where = f"epoch {epoch}, batch {batch}"
            losses.append(engine.step(self._as_input(Xb), engine.target(yb), where))
            sizes.append(len(Xb))
            self._tell(handlers)
        if not losses:
            raise ValueError(f"{type(self).__name__}: there is no sample to train on.")
        return float(np.average(losses, weights=sizes))

    def _validate_on(self, X: Any, y: Any) -> tuple[float, float, dict[str, float]]:
        """(loss, accuracy, custom scores): means over the batches, NaN without data."""
        rows, sizes = [], []
        if len(y):
            for Xb, yb in self.batch_iterator_test(X, y):
                rows.append(self._scores_of(Xb, yb))
                sizes.append(len(Xb))
        names = [name for name, _ in self.custom_scores or ()]
        if not rows:
            return math.nan, math.nan, dict.fromkeys(names, math.nan)
        loss, accuracy, *scores = np.average(rows, weights=sizes, axis=0).tolist()
        return loss, accuracy, dict(zip(names, scores, strict=True))

    def _scores_of(self, Xb: Any, yb: Any) -> list[float]:
        targets = self._engine.target(yb)
        loss, prediction = self._engine.evaluate(self._as_input(Xb), targets)
        accuracy = loss if self.regression else _accuracy(prediction, targets)
        return [loss, accuracy, *(f(yb, prediction) for _, f in self.custom_scores or ())]

    def _tell(self, handlers: Sequence[Callable[..., Any]]) -> None:
        for handler in handlers:
            handler(self, self.train_history_)

    def _starting_handlers(self) -> list[Any]:
        return _as_list(self.on_training_started) + ([PrintLayerInfo()] if self.verbose else [])

    def _epoch_handlers(self) -> list[Any]:
        # First, so that the line of an epoch that ends training is printed too.
        return ([PrintLog()] if self.verbose else []) + _as_list(self.on_epoch_finished)

    # What was learnt

    def __sklearn_is_fitted__(self) -> bool:
        return bool(vars(self).get("train_history_"))

    @property
    def layers_(self) -> Layers:
        """The Lasagne layers by name, inputs first; also by position and slice."""
        return Layers(self._network().layers)

    def _network(self) -> Network:
        if not self._is_built():
            raise NotFittedError(
                f"{type(self).__name__} has no layers_ before fit() or initialize()."
            )
        return self._model.network

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
        """The accuracy; in regression the mean squared error, of which less is better.

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

    # Parameters of the network

    def get_all_layers(self) -> list[Any]:
        """Every layer, inputs first."""
        return self.layers_.values()

    def get_all_params(self, **tags: bool) -> list[Any]:
        """The shared variables of every layer, as ``lasagne.layers.get_all_params``."""
        from lasagne.utils import unique

        params = [layer.get_params(**tags) for layer in self.get_all_layers()]
        return unique([param for held in params for param in held])

    def get_all_params_values(self) -> OrderedDict[str, list[np.ndarray]]:
        """By layer's name, copies of the values of its parameters."""
        return OrderedDict(
            (name, [param.get_value() for param in layer.get_params()])
            for name, layer in self.layers_.items()
        )

    def save_params_to(self, fname: str | os.PathLike[str]) -> None:
        """Write the values of the parameters to a file, in NumPy's ``.npz`` format.

        Parameters
        ----------
        fname : path
            With any ending, or none.
        """
        write_values(fname, self.get_all_params_values())

    def load_params_from(self, source: Any) -> None:
        """Take over parameters, layer by layer, where names and shapes agree.

        Parameters
        ----------
        source : path, NeuralNet, dict of str to list of ndarray, or list of ndarray
            Arrays of the parameters' own shapes: a file that `save_params_to`
            or nolearn wrote, another net, what `get_all_params_values`
            returned, or the values of
            `get_all_params` in their order. Of a file only arrays of numbers
            are read; nothing in it is run.

        Warns
        -----
        ConvNetFeaturesWarning
            If something in `source` has no place in the network.

        Raises
        ------
        FileFormatError
            If a file holds something else, or is damaged. Nothing has been
            loaded then.
        ValueError
            If another source holds something else than finite numbers.
        """
        self.initialize_layers()
        values = source
        if isinstance(source, str | os.PathLike):
            values = read_values(source, self.get_all_params_values())
        if isinstance(source, NeuralNet):
            values = source.get_all_params_values()
        if not isinstance(values, Mapping):
            values = self._by_layer(values)
        with errors_naming(source):
            found, left_out = self._matching(values)
        for name, param, value in found:
            param.set_value(value)
            if self.verbose:
                print(f"Loaded parameters to layer {name!r} (shape {_size(value.shape)}).")
        if left_out:
            warnings.warn(
                f"load_params_from: not loaded: {'; '.join(left_out)}.",
                ConvNetFeaturesWarning,
                stacklevel=2,
            )

    def _by_layer(self, values: Sequence[np.ndarray]) -> dict[str, list[np.ndarray]]:
        params = self.get_all_params()
        if len(values) != len(params):
            raise ValueError(
                f"load_params_from: {len(values)} arrays came, and the network has {len(params)} "
                "parameters."
            )
        found = {id(param): value for param, value in zip(params, values, strict=True)}
        return {
            name: [found[id(param)] for param in layer.get_params()]
            for name, layer in self.layers_.items()
        }

    def _matching(
        self, source: Mapping[str, Sequence[Any]]
    ) -> tuple[list[tuple[str, Any, np.ndarray]], list[str]]:
        """(layer, parameter, value) of all that fits, and what does not fit, in words."""
        found: list[tuple[str, Any, np.ndarray]] = []
        left_out = []
        for name, values in source.items():
            layer = self.layers_.get(name)
            params = [] if layer is None else layer.get_params()
            if len(params) < len(values):
                has = f"it has {len(params)} parameters"
                why = "there is no such layer" if layer is None else has
                left_out.append(f"{len(values) - len(params)} arrays of layer {name!r}, as {why}")
            for param, value in zip(params, values, strict=False):
                shape, given = param.get_value(borrow=True).shape, np.shape(value)
                if given == shape:
                    numbers = finite_float32(value, f"a parameter of layer {name!r}")
                    found.append((name, param, numbers))
                else:
                    left_out.append(
                        f"layer {name!r}, whose shape is {_size(shape)}, not {_size(given)}"
                    )
        return found, left_out

    #: The names that nolearn 0.5 had.
    save_weights_to = save_params_to
    load_weights_from = load_params_from

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

    def _check_parameters(self) -> None:
        """What would fail only in the middle of training, or train what nobody means."""
        name = type(self).__name__
        validate_parameter_constraints(_CONSTRAINTS, {"max_epochs": self.max_epochs}, name)
        for event in _EVENTS:
            for handler in _as_list(getattr(self, event)):
                if not callable(handler):
                    raise TypeError(
                        f"{name}: {event} holds {handler!r}, which cannot be called; give "
                        "functions of the net and its train_history_."
                    )
        rate = self._update_arguments().get("learning_rate", 0.0)
        if not rate >= 0:
            raise ValueError(f"{name}: update_learning_rate must be at least 0; got {rate!r}.")

    def _check_finite(self, what: str, array: Any) -> None:
        # Anything else than an array of floats is for a batch iterator to turn into one.
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
        engine = state.pop("_engine", None)
        return state if engine is None else state | {"_optimiser": engine.updater.state}

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


_CONSTRAINTS = {"max_epochs": [Number(Integral, 0, None, closed="left")]}
_EVENTS = (
    "on_training_started",
    "on_batch_finished",
    "on_epoch_finished",
    "on_training_finished",
)


def _as_list(handlers: Any) -> list[Any]:
    if handlers is None:
        return []
    return list(handlers) if isinstance(handlers, list | tuple) else [handlers]


def _is_layer(value: Any) -> bool:
    return hasattr(value, "output_shape") and not isinstance(value, type)


def _present(value: Any) -> Any:
    """The number that a shared scalar holds now; anything else as it is."""
    if hasattr(value, "get_value") and np.ndim(value.get_value(borrow=True)) == 0:
        return float(value.get_value(borrow=True))
    return value


def _drawn_seed() -> int:
    """A seed out of Lasagne's source, so that ``lasagne.random.set_rng`` decides everything."""
    from lasagne.random import get_rng

    return int(get_rng().randint(_SEEDS))


def _accuracy(prediction: np.ndarray, targets: np.ndarray) -> float:
    """The share of samples whose largest output is the target's; NaN for targets of other kinds."""
    if targets.shape == prediction.shape and targets.ndim == 2:
        targets = targets.argmax(axis=1)
    if targets.ndim != 1 or prediction.ndim != 2:
        return math.nan
    if not are_finite(prediction):
        return math.nan
    return float(np.mean(prediction.argmax(axis=1) == targets))


def _size(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape))
