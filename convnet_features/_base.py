"""What the three estimators share."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.exceptions import NotFittedError
from sklearn.metrics import accuracy_score, r2_score
from sklearn.utils import check_random_state
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from .exceptions import NetworkError
from .kernels.registry import get_provider
from .network.model import Model
from .network.presets import seed_network
from .network.spec import LayerSpec, parse_layers, with_parameters
from .network.summary import network_summary
from .training.batches import Dataset
from .training.callbacks import EarlyStopping
from .training.objectives import resolve_loss
from .training.schedule import automatic_batch_size, automatic_epochs, resolve_count
from .training.split import split_rows
from .training.trainer import Settings, Trainer
from .training.updates import resolve_update, update_arguments
from .validation import (
    Targets,
    automatic_input_scale,
    check_images,
    check_weights,
    encode_targets,
)

__all__ = ["BaseConvNet"]

_SEEDS = np.iinfo(np.int32).max


def _learnt(*kinds: str) -> Callable[[Any], bool]:
    """Whether an estimator was fitted (or is bound) to one of these targets."""

    def check(self: BaseConvNet) -> bool:
        model = getattr(self, "_model", None)
        kind = self._kind if model is None else model.target
        if kind != "auto" and kind not in kinds:
            raise AttributeError(
                f"{type(self).__name__} learnt {kind}, which have no probabilities."
            )
        return True

    return check


class BaseConvNet(TransformerMixin, BaseEstimator):
    """A network behind scikit-learn's interface; `ConvNetFeatureExtractor` documents it."""

    #: What y may be: 'auto', 'classes' or 'numbers'.
    _kind = "auto"

    def __init__(
        self,
        layers: Any = None,
        *,
        feature_layer: str | Sequence[str] = "dense",
        input_shape: tuple[int, int, int] | None = None,
        input_scale: float | str = "auto",
        update: str | Callable[..., Any] = "nesterov_momentum",
        update_learning_rate: float = 0.01,
        update_momentum: float = 0.9,
        loss: str | Callable[..., Any] = "auto",
        l1: float = 0.0,
        l2: float = 0.0,
        class_weight: Mapping[Any, float] | str | None = None,
        max_epochs: int | str = "auto",
        batch_size: int | str = "auto",
        shuffle: bool = True,
        validation_fraction: float | None = 0.2,
        early_stopping: bool = False,
        n_iter_no_change: int = 5,
        tol: float = 1e-4,
        augment: Callable[..., Any] | None = None,
        callbacks: Sequence[Any] | None = None,
        warm_start: bool = False,
        engine: str = "auto",
        random_state: Any = None,
        verbose: int = 0,
        **layer_params: Any,
    ) -> None:
        self.layers = layers
        self.feature_layer = feature_layer
        self.input_shape = input_shape
        self.input_scale = input_scale
        self.update = update
        self.update_learning_rate = update_learning_rate
        self.update_momentum = update_momentum
        self.loss = loss
        self.l1 = l1
        self.l2 = l2
        self.class_weight = class_weight
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.validation_fraction = validation_fraction
        self.early_stopping = early_stopping
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.augment = augment
        self.callbacks = callbacks
        self.warm_start = warm_start
        self.engine = engine
        self.random_state = random_state
        self.verbose = verbose
        vars(self).update(layer_params)

    # Parameters: scikit-learn reads the signature, which does not list those
    # of the layers. Any other public attribute without a trailing underscore
    # is one of them.

    def _extra_params(self) -> dict[str, Any]:
        declared = self._get_param_names()
        return {
            key: value
            for key, value in vars(self).items()
            if key not in declared and not key.startswith("_") and not key.endswith("_")
        }

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Parameters by name, those of the layers and of the update rule included.

        Parameters
        ----------
        deep : bool, default=True
            As in scikit-learn.

        Returns
        -------
        dict
        """
        return {**super().get_params(deep=deep), **self._extra_params()}

    def set_params(self, **params: Any) -> BaseConvNet:
        """Set parameters by name: ``set_params(conv2d1_num_filters=64, update_momentum=0.95)``.

        Returns
        -------
        self

        Raises
        ------
        NetworkError
            If a parameter is none of the estimator's, the update rule's or the
            layers'; the text names the nearest. Nothing is set then.
        """
        declared = set(self._get_param_names())
        own = {key: value for key, value in params.items() if key.partition("__")[0] in declared}
        extra = {key: value for key, value in params.items() if key not in own}
        layers = own.get("layers", self.layers)
        self._check_extra({**self._extra_params(), **extra} if extra else {}, layers)
        super().set_params(**own)
        vars(self).update(extra)
        return self

    def _check_extra(self, extra: Mapping[str, Any], layers: Any) -> None:
        layer_params = {k: v for k, v in extra.items() if not k.startswith("update_")}
        if not layer_params:
            return
        if callable(layers):
            raise NetworkError(
                f"unknown parameter {next(iter(layer_params))!r}: layers is a function, which takes "
                "no layer parameters."
            )
        # The names and arguments of the seed network's layers are the same for every size.
        specs = seed_network((1, 28, 28)) if layers is None else parse_layers(layers)
        try:
            with_parameters(specs, layer_params)
        except NetworkError as error:
            declared = ", ".join(self._get_param_names())
            raise NetworkError(
                f"{error} {type(self).__name__}'s own parameters are {declared}."
            ) from None

    # Fitting

    def fit(
        self,
        X: Any,
        y: Any = None,
        sample_weight: Any = None,
        *,
        X_val: Any = None,
        y_val: Any = None,
    ) -> BaseConvNet:
        """Train the network.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), (n_samples, height, width) or \
                (n_samples, channels, height, width)
            Images of any numeric dtype.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Classes (integers, strings or booleans), floats to predict, or a 0/1
            matrix of labels.
        sample_weight : array-like of shape (n_samples,), optional
            Scales each sample's loss.
        X_val, y_val : array-like, optional
            Validation data; `validation_fraction` is not held out then.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If X, y or a parameter is not what it must be; the estimator stays
            as it was.
        NetworkError
            If the layers do not fit each other, the images or y.
        DivergenceError
            If the loss leaves the finite numbers.
        """
        images, targets, weights, input_shape = self._read(X, y, sample_weight)
        trainer = self._warm_trainer(targets, input_shape) or self._fresh_trainer(
            images, targets, weights, input_shape
        )
        training, validation = self._split(images, targets, weights, trainer.seed, X_val, y_val)
        n_epochs = resolve_count(
            "max_epochs",
            self.max_epochs,
            automatic_epochs(len(training), trainer.settings.batch_size),
        )
        self._train(trainer, targets, training, validation, n_epochs)
        return self

    def partial_fit(
        self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None
    ) -> BaseConvNet:
        """Train for one epoch on one part of the data, going on where training stopped.

        Parameters
        ----------
        X, y, sample_weight
            As in `fit`.
        classes : array-like of shape (n_classes,), optional
            All classes there will be; needed in the first call if y lacks some.

        Returns
        -------
        self
        """
        known = getattr(self, "classes_", None) if hasattr(self, "_trainer") else None
        if classes is not None:
            classes = np.unique(np.asarray(classes))
            if known is not None and not np.array_equal(classes, known):
                raise ValueError(
                    f"classes={classes.tolist()} is not the same as on last call to partial_fit, "
                    f"was: {known.tolist()}."
                )
        images, targets, weights, input_shape = self._read(
            X, y, sample_weight, classes=known if classes is None else classes
        )
        trainer = getattr(self, "_trainer", None) or self._fresh_trainer(
            images, targets, weights, input_shape
        )
        rows = np.arange(len(images))
        training = Dataset(images, targets.values, weights, rows)
        self._train(trainer, targets, training, None, 1, keep=True)
        return self

    def _read(
        self, X: Any, y: Any, sample_weight: Any, classes: np.ndarray | None = None
    ) -> tuple[np.ndarray, Targets, np.ndarray | None, tuple[int, int, int]]:
        """Validated images, targets, weights, and the images' size; sets nothing but features in."""
        get_provider(self.engine)
        before = {
            k: v for k, v in vars(self).items() if k in ("n_features_in_", "feature_names_in_")
        }
        try:
            images, input_shape = check_images(self, X, self.input_shape, reset=True)
            targets = encode_targets(
                type(self).__name__, y, self._kind, len(images), classes=classes
            )
            weights = check_weights(sample_weight, self.class_weight, images, y, targets)
        except BaseException:
            for name in ("n_features_in_", "feature_names_in_"):
                vars(self).pop(name, None)
            vars(self).update(before)
            raise
        return images, targets, weights, input_shape

    def _fresh_trainer(
        self,
        images: np.ndarray,
        targets: Targets,
        weights: np.ndarray | None,
        input_shape: tuple[int, int, int],
    ) -> Trainer:
        random = check_random_state(self.random_state)
        init_seed, seed = (int(each) for each in random.randint(_SEEDS, size=2))
        model = Model(
            layers=self._network_layers(input_shape),
            input_shape=input_shape,
            n_outputs=targets.n_outputs,
            target=targets.kind,
            input_scale=self._input_scale(images),
            engine=self.engine,
            seed=init_seed,
        )
        self._check_feature_layers(model)
        return Trainer(model, self._settings(targets, len(images), weights is not None), seed)

    def _network_layers(
        self, input_shape: tuple[int, int, int]
    ) -> list[LayerSpec] | Callable[..., Any]:
        extra = {k: v for k, v in self._extra_params().items() if not k.startswith("update_")}
        if callable(self.layers):
            self._check_extra(extra, self.layers)
            return self.layers
        specs = seed_network(input_shape) if self.layers is None else parse_layers(self.layers)
        return with_parameters(specs, extra)

    def _input_scale(self, images: np.ndarray) -> float:
        if isinstance(self.input_scale, str):
            if self.input_scale != "auto":
                raise ValueError(f"input_scale must be 'auto' or a number; got {self.input_scale!r}.")
            return automatic_input_scale(images)
        return float(self.input_scale)

    def _settings(self, targets: Targets, n_samples: int, weighted: bool) -> Settings:
        held_out = self.validation_fraction or 0.0
        n_training = max(1, round(n_samples * (1 - held_out)))
        rule = resolve_update(self.update)
        declared = set(inspect.signature(BaseConvNet.__init__).parameters)
        given = {
            key.removeprefix("update_"): value
            for key, value in self.get_params(deep=False).items()
            if key.startswith("update_")
        }
        defaulted = [name for name in given if f"update_{name}" in declared]
        for name in ("l1", "l2"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} must be at least 0; got {getattr(self, name)!r}.")
        return Settings(
            objective=resolve_loss(self.loss, targets.kind),
            rule=rule,
            arguments=update_arguments(rule, given, defaulted),
            batch_size=resolve_count(
                "batch_size", self.batch_size, automatic_batch_size(n_training)
            ),
            shuffle=self.shuffle,
            l1=float(self.l1),
            l2=float(self.l2),
            weighted=weighted,
        )

    def _warm_trainer(self, targets: Targets, input_shape: tuple[int, int, int]) -> Trainer | None:
        """The trainer of the last fit, where training is to go on."""
        trainer = getattr(self, "_trainer", None)
        if not self.warm_start or trainer is None:
            return None
        model = trainer.model
        if (model.input_shape, model.target, model.n_outputs) != (
            input_shape,
            targets.kind,
            targets.n_outputs,
        ):
            raise ValueError(
                f"warm_start=True goes on with a network for images of {model.input_shape} and "
                f"{model.n_outputs} outputs; X and y have {input_shape} and {targets.n_outputs}. "
                "Set warm_start=False to begin anew."
            )
        return trainer

    def _split(
        self,
        images: np.ndarray,
        targets: Targets,
        weights: np.ndarray | None,
        seed: int,
        X_val: Any,
        y_val: Any,
    ) -> tuple[Dataset, Dataset | None]:
        if weights is not None:
            weights = weights / weights.mean(dtype=np.float64).astype(np.float32)
        if X_val is not None:
            rows = np.arange(len(images))
            validation = self._validation_set(X_val, y_val, images, targets)
            return Dataset(images, targets.values, weights, rows), validation
        training, held_out = split_rows(
            targets.values, targets.kind, self.validation_fraction, seed
        )
        return (
            Dataset(images, targets.values, weights, training),
            Dataset(images, targets.values, None, held_out) if len(held_out) else None,
        )

    def _validation_set(
        self, X_val: Any, y_val: Any, images: np.ndarray, targets: Targets
    ) -> Dataset:
        if y_val is None:
            raise ValueError("X_val needs y_val.")
        shape = (images.shape[1], images.shape[2], images.shape[3])
        validation, _ = check_images(self, X_val, shape, reset=False)
        encoded = encode_targets(
            type(self).__name__, y_val, self._kind, len(validation), like=targets
        )
        return Dataset(validation, encoded.values, None, np.arange(len(validation)))

    def _train(
        self,
        trainer: Trainer,
        targets: Targets,
        training: Dataset,
        validation: Dataset | None,
        n_epochs: int,
        keep: bool = False,
    ) -> None:
        """Run the trainer; what it had finished counts, whatever ended it."""
        finished = len(trainer.history)
        try:
            trainer.run(training, validation, n_epochs, self._callbacks())
        except BaseException:
            if len(trainer.history) > finished:
                self._adopt(trainer, targets, keep)
            raise
        self._adopt(trainer, targets, keep)

    def _callbacks(self) -> list[Any]:
        callbacks = list(self.callbacks or ())
        if self.early_stopping:
            callbacks.append(EarlyStopping(patience=self.n_iter_no_change, tol=self.tol))
        return callbacks

    def _adopt(self, trainer: Trainer, targets: Targets, keep: bool) -> None:
        """Make what was trained this estimator's."""
        self._model = trainer.model
        self._targets_like = targets.without_values()
        self.history_ = trainer.history
        self.input_shape_ = trainer.model.input_shape
        self.input_scale_ = trainer.model.input_scale
        self.n_iter_ = len(trainer.history)
        self.loss_ = trainer.history[-1]["train_loss"]
        vars(self).pop("classes_", None)
        if targets.classes is not None:
            self.classes_ = targets.classes
        vars(self).pop("_trainer", None)
        if self.warm_start or keep:
            self._trainer = trainer

    def __sklearn_is_fitted__(self) -> bool:
        return "_model" in vars(self)

    # What was learnt

    @property
    def network_(self) -> Any:
        """The output layer, a Lasagne layer."""
        return self._fitted_model("network_").network.output

    @property
    def layers_(self) -> dict[str, Any]:
        """Every Lasagne layer by name, inputs first."""
        return dict(self._fitted_model("layers_").network.layers)

    def _fitted_model(self, wanted: str) -> Model:
        if "_model" not in vars(self):
            raise NotFittedError(f"{type(self).__name__} has no {wanted} before fit.")
        return self._model

    def transform(self, X: Any) -> np.ndarray:
        """The features of X: the activations of `feature_layer`, without dropout.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Images of the size that the network was fitted to.

        Returns
        -------
        ndarray of shape (n_samples, n_features_out)
            float32; activations of maps are flattened, those of several layers
            stand side by side.
        """
        check_is_fitted(self)
        names = self._check_feature_layers(self._model)
        outputs = self._model.outputs(names, self._images(X))
        if len(outputs) == 1:
            return outputs[0].reshape(len(outputs[0]), -1)
        return np.concatenate([output.reshape(len(output), -1) for output in outputs], axis=1)

    def _check_feature_layers(self, model: Model) -> list[str]:
        layers = self.feature_layer
        names = [layers] if isinstance(layers, str) else list(layers)
        for name in names:
            self._check_layer(name, model, "feature_layer")
        if not names:
            raise ValueError("feature_layer: give the name of at least one layer.")
        return names

    def _check_layer(self, name: str, model: Model, what: str) -> None:
        if name not in model.network.layers:
            raise ValueError(
                f"{what}: there is no layer {name!r}; the network has "
                f"{', '.join(model.network.layers)}."
            )

    def _images(self, X: Any) -> np.ndarray:
        return check_images(self, X, self._model.input_shape, reset=False)[0]

    def get_output(self, layer: str, X: Any) -> np.ndarray:
        """The activations of any layer, in their own shape.

        Parameters
        ----------
        layer : str
            A layer's name.
        X : array-like of shape (n_samples, ...)

        Returns
        -------
        ndarray of shape (n_samples, ...)
            float32; (n_samples, n_channels, height, width) for maps.
        """
        check_is_fitted(self)
        self._check_layer(layer, self._model, "layer")
        return self._model.outputs([layer], self._images(X))[0]

    def layer_function(self, name: str) -> Callable[[Any], np.ndarray]:
        """A compiled function from a batch of images to a layer's output.

        Parameters
        ----------
        name : str
            A layer's name.

        Returns
        -------
        callable
            Takes an array of shape (n_samples, channels, height, width), on the
            scale of the X that was fitted, and gives a float32 array. It checks
            the shape and nothing else, so it is the quickest way to one answer.
        """
        check_is_fitted(self)
        self._check_layer(name, self._model, "layer")
        model = self._model
        compute, to_network = model.function(name), model.to_network
        input_shape = tuple(model.input_shape)

        def layer_output(batch: Any) -> np.ndarray:
            batch = to_network(batch)
            if batch.shape[1:] != input_shape:
                raise ValueError(
                    f"layer_function({name!r}): expected a batch of shape (n_samples, "
                    f"{', '.join(map(str, input_shape))}); got {batch.shape}."
                )
            return compute(batch)

        return layer_output

    def _scores(self, X: Any) -> np.ndarray:
        """The output layer's activations: probabilities, or numbers on y's own scale."""
        check_is_fitted(self)
        model, like = self._model, self._targets_like
        (scores,) = model.outputs([model.network.output.name], self._images(X))
        if like.kind == "numbers":
            return scores * like.scale + like.offset
        return scores

    def predict(self, X: Any) -> np.ndarray:
        """Predict the target.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_outputs)
            The most probable class; the number; or 1 for each label whose
            probability exceeds one half.
        """
        scores = self._scores(X)
        like = self._targets_like
        if like.kind == "classes":
            return self.classes_[scores.argmax(axis=1)]
        if like.kind == "labels":
            return (scores > 0.5).astype(np.int64)
        return scores[:, 0] if like.one_dimensional else scores

    @available_if(_learnt("classes", "labels"))
    def predict_proba(self, X: Any) -> np.ndarray:
        """Predict probabilities.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)

        Returns
        -------
        ndarray of shape (n_samples, n_classes) or (n_samples, n_labels)
            float32. Of each class, summing to 1; or of each label.
        """
        return self._scores(X)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Accuracy (of classes, or of whole rows of labels), or R² of numbers.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        sample_weight : array-like of shape (n_samples,), optional

        Returns
        -------
        float
        """
        predicted = self.predict(X)
        measure = r2_score if self._targets_like.kind == "numbers" else accuracy_score
        return float(measure(y, predicted, sample_weight=sample_weight))

    def summary(self) -> str:
        """The layers, their sizes and parameters, as a table of text."""
        return network_summary(self._fitted_model("summary").network)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Names of the features: ``dense0`` …, and ``<layer>_<c>_<y>_<x>`` for maps.

        Parameters
        ----------
        input_features : ignored
            Present because scikit-learn passes it.

        Returns
        -------
        ndarray of str objects, of shape (n_features_out,)
        """
        check_is_fitted(self)
        names: list[str] = []
        for name in self._check_feature_layers(self._model):
            shape = self._model.network.layers[name].output_shape[1:]
            for index in np.ndindex(*shape):
                suffix = "_".join(map(str, index))
                names.append(f"{name}{suffix}" if len(shape) == 1 else f"{name}_{suffix}")
        return np.asarray(names, dtype=object)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.target_tags.multi_output = self._kind != "classes"
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = []
        tags.non_deterministic = False
        return tags
