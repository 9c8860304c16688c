"""What the three estimators share."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from sklearn.base import TransformerMixin
from sklearn.exceptions import NotFittedError
from sklearn.metrics import accuracy_score, r2_score
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from ..kernels.magnitude import are_finite, magnitude
from ..kernels.registry import get_kernels
from ..network.explanation import Explanation, explain_model
from ..network.features import feature_layers, feature_names, features, layer_names
from ..network.model import Model
from ..network.summary import network_summary
from ..out_of_core import is_dask_array, transform_blocks
from ..training.augmentation import views
from ..training.batches import Dataset
from ..training.callbacks import EarlyStopping, ProgressTable
from ..training.interruption import of_one_piece
from ..training.trainer import Trainer
from ..validation import (
    LARGEST_NUMBER,
    Targets,
    TrainingData,
    check_images,
    check_scaled_images,
    check_training_data,
)
from ..validation.layout import channels_first, describe
from .assembly import (
    check_changeable,
    continuing_trainer,
    new_trainer,
    number_of_epochs,
    resumed_trainer,
    training_sets,
    whole_set,
)
from .checked_once import note_checked, noted
from .constraints import CONSTRAINTS, check_callbacks
from .cross_fitting import cross_fitted_features
from .diagram import Block, estimator_block, network_block
from .fitted_state import set_fitted_state
from .parameters import LayerParameters
from .scikit_learn_callbacks import CallbackSupportMixin, EpochTasks, with_callbacks
from .transfer import TransferableParameters

__all__ = ["BaseConvNet"]


def _learnt(*kinds: str) -> Callable[[Any], bool]:
    """Whether an estimator was fitted to, or is bound to, one of these targets."""

    def check(self: BaseConvNet) -> bool:
        model = getattr(self, "_model", None)
        kind = self._meaning() if model is None else model.target
        if kind not in kinds:
            what = "has no probabilities" if kind == "numbers" else "has no decision_function"
            raise AttributeError(f"{type(self).__name__} with target={kind!r} {what}.")
        return True

    return check


def _in_shape(
    estimator: BaseConvNet, batch: np.ndarray, input_shape: tuple[int, ...]
) -> np.ndarray:
    """Flat rows and images with their channels last as the network takes them."""
    name = type(estimator).__name__
    batch = channels_first(name, batch, estimator.data_format, input_shape)
    flat = batch.ndim == 2 and batch.shape[1] == math.prod(input_shape)
    grey = batch.ndim == 3 and (1, *batch.shape[1:]) == input_shape
    return batch.reshape(len(batch), *input_shape) if flat or grey else batch


#: What has probabilities, or may turn out to have them.
_PROBABLE = ("auto", "discrete", "classes", "labels")


class BaseConvNet(CallbackSupportMixin, TransformerMixin, TransferableParameters, LayerParameters):
    """A network behind scikit-learn's interface; `ConvNetFeatureExtractor` documents it."""

    #: What target="auto" stands for: 'auto', 'discrete' (classes or labels) or 'numbers'.
    _automatic_target = "auto"
    _parameter_constraints: ClassVar[dict[str, Any]] = CONSTRAINTS
    #: `fit_transform` takes it; scikit-learn reads requests off the signature of `fit`.
    __metadata_request__fit: ClassVar = {"cross_fit": None}

    def __init__(
        self,
        layers: Any = None,
        *,
        feature_layer: str | Sequence[str] | None = None,
        target: str = "auto",
        input_shape: tuple[int, int, int] | None = None,
        data_format: str = "auto",
        input_scale: float | str = "auto",
        update: str | Callable[..., Any] = "nesterov_momentum",
        update_learning_rate: float | str = "auto",
        update_momentum: float = 0.9,
        loss: str | Callable[..., Any] = "auto",
        l1: float | Mapping[str, float] = 0.0,
        l2: float | Mapping[str, float] = 0.0,
        class_weight: Mapping[Any, float] | str | None = None,
        max_epochs: int | str = "auto",
        batch_size: int | str = "auto",
        shuffle: bool = True,
        validation_fraction: float | None = 0.2,
        early_stopping: bool = False,
        n_iter_no_change: int = 5,
        tol: float = 1e-4,
        max_grad_norm: float | None = None,
        label_smoothing: float = 0.0,
        augment: Callable[..., Any] | Sequence[Callable[..., Any]] | None = None,
        tta: Callable[..., Any] | Sequence[Callable[..., Any]] | None = None,
        callbacks: Sequence[Any] | None = None,
        warm_start: bool = False,
        pretrained: Any = None,
        freeze: Sequence[str] | None = None,
        engine: str = "auto",
        random_state: Any = None,
        verbose: int = 0,
        **layer_params: Any,
    ) -> None:
        self.layers = layers
        self.feature_layer = feature_layer
        self.target = target
        self.input_shape = input_shape
        self.data_format = data_format
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
        self.max_grad_norm = max_grad_norm
        self.label_smoothing = label_smoothing
        self.augment = augment
        self.tta = tta
        self.callbacks = callbacks
        self.warm_start = warm_start
        self.pretrained = pretrained
        self.freeze = freeze
        self.engine = engine
        self.random_state = random_state
        self.verbose = verbose
        self._give(layer_params)

    # Fitting

    @with_callbacks
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
        X : array-like of shape (n_samples, n_features), (n_samples, height, width), \
                (n_samples, channels, height, width) or (n_samples, height, width, channels)
            Images of any numeric dtype; lists of arrays, or of PIL's images, of one
            size.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Classes (whole numbers, strings or booleans), floats to predict, or a
            0/1 matrix of labels.
        sample_weight : array-like of shape (n_samples,), optional
            Multiplies each sample's loss, relative to the mean weight; samples
            of weight 0 count as absent.
        X_val, y_val : array-like of the shapes of X and y, optional
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
        going_on = self.warm_start and self.__sklearn_is_fitted__()
        like = self._targets_like if going_on else None
        data = self._checked(X, y, sample_weight, like=like, X_val=X_val, y_val=y_val)
        trainer = self._trainer_for(data, going_on)
        training, validation = training_sets(self, data, trainer)
        n_epochs = number_of_epochs(self, trainer, training)
        keep, callbacks = self.warm_start, self._callbacks()
        if EpochTasks.wanted_by(self):
            set_fitted = functools.partial(type(self)._set_fitted, data=data, keep=False)
            callbacks.append(EpochTasks(self, X, y, set_fitted))
        self._train(trainer, data, training, validation, n_epochs, callbacks, keep)
        return self

    def partial_fit(
        self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None
    ) -> BaseConvNet:
        """Train for one epoch on one part of the data, going on where training stopped.

        A network that `fit` has trained is gone on with too. Numbers keep the
        mean and deviation of the first part, pixels its scale.

        Parameters
        ----------
        X, y
            As in `fit`, of the same size of images every time.
        classes : array-like of shape (n_classes,), optional
            All classes there will be; needed in the first call if y lacks some.
        sample_weight : array-like of shape (n_samples,), optional
            Multiplies each sample's loss as it is: it is not brought to a mean
            of 1, since the parts to come are not known.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            As `fit` does; if y or `classes` hold other classes than before; or
            if `class_weight` is "balanced", which needs all of y.
        DivergenceError
            If the loss leaves the finite numbers.
        """
        if isinstance(self.class_weight, str) and self.class_weight == "balanced":
            raise ValueError(
                f"class_weight={self.class_weight!r} needs all of y at once, which partial_fit "
                "does not have; give a dict of weights by class."
            )
        going_on = self.__sklearn_is_fitted__()
        like = self._targets_like if going_on else None
        if classes is not None:
            classes = np.unique(np.asarray(classes))
            known = None if like is None else like.known_classes
            if like is not None and not np.array_equal(classes, np.asarray(known)):
                raise ValueError(
                    f"classes={classes.tolist()} is not the same as on last call to partial_fit, "
                    f"was: {np.asarray(known).tolist()}."
                )
        data = self._checked(X, y, sample_weight, classes, like, reset=not going_on)
        trainer = self._trainer_for(data, going_on)
        training, callbacks = whole_set(data), self._callbacks()
        self._train(trainer, data, training, None, 1, callbacks, keep=True, open_ended=True)
        return self

    def _checked(
        self,
        X: Any,
        y: Any,
        sample_weight: Any,
        classes: np.ndarray | None = None,
        like: Targets | None = None,
        reset: bool = True,
        X_val: Any = None,
        y_val: Any = None,
    ) -> TrainingData:
        self._validate_params()
        check_callbacks(self.callbacks)
        views(self.tta, 0)
        get_kernels(self.engine)
        data = check_training_data(
            self,
            X,
            y,
            sample_weight,
            target=self._meaning(),
            classes=classes,
            like=like,
            reset=reset,
            X_val=X_val,
            y_val=y_val,
        )
        note_checked(self, X, data.all_images)
        return data

    def _meaning(self) -> str:
        """What y may be."""
        return self._automatic_target if self.target == "auto" else self.target

    def _trainer_for(self, data: TrainingData, going_on: bool) -> Trainer:
        """The trainer of the last training, one for what it left behind, or a new one."""
        if not going_on:
            return new_trainer(self, data)
        if hasattr(self, "_trainer"):
            return resumed_trainer(self, self._trainer, data)
        return continuing_trainer(self, data)

    def _train(
        self,
        trainer: Trainer,
        data: TrainingData,
        training: Dataset,
        validation: Dataset | None,
        n_epochs: int,
        callbacks: Sequence[Any],
        keep: bool,
        open_ended: bool = False,
    ) -> None:
        """Run the trainer; what it had finished counts, whatever ended it."""
        finished = len(trainer.history)
        try:
            trainer.run(training, validation, n_epochs, callbacks, open_ended)
        except BaseException:
            if len(trainer.history) > finished:
                self._set_fitted(trainer, data, keep)
            raise
        self._set_fitted(trainer, data, keep)

    def _callbacks(self) -> list[Any]:
        callbacks = list(self.callbacks or ())
        if self.early_stopping:
            callbacks.append(EarlyStopping(patience=self.n_iter_no_change, tol=self.tol))
        if self.verbose:
            callbacks.append(ProgressTable())
        return callbacks

    def _set_fitted(self, trainer: Trainer, data: TrainingData, keep: bool) -> None:
        """Make what was trained this estimator's."""
        set_fitted_state(
            self,
            trainer.model,
            data.targets,
            trainer.history,
            data.features_in,
            load_report=trainer.load_report,
            trainer=trainer if keep else None,
        )

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
        check_is_fitted(self)
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

    def _views(self) -> Sequence[Callable[[np.ndarray], np.ndarray]]:
        """How else images are looked at, the same way in every call."""
        model = self._model
        if self.tta is not None:
            check_changeable("tta", model.input_scale)
        return views(self.tta, model.seed or 0)

    def _current_model(self) -> Model:
        """The network, to be computed by the engine that `engine` names now."""
        get_kernels(self.engine)
        self._model.engine = self.engine
        return self._model

    def _images(self, X: Any) -> Any:
        images, _ = check_images(self, X, self._model.input_shape, reset=False)
        check_scaled_images(type(self).__name__, images, self._model.input_scale)
        return images

    def get_output(self, layer: str, X: Any) -> np.ndarray:
        """The activations of any layer for X as it is, in their own shape.

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
        model = self._current_model()
        layer_names(model.network, layer, "layer")
        return model.outputs([layer], self._images(X))[0]

    def layer_function(
        self, name: str, *, check_finite: bool = True
    ) -> Callable[[Any], np.ndarray]:
        """A compiled function from a batch of images to a layer's output.

        Parameters
        ----------
        name : str
            A layer's name.
        check_finite : bool, default=True
            Whether the function refuses NaN, infinity and pixels too large for
            float32. Without the check they go through the network as any other
            number does, and NaN comes out wherever it would from NumPy's
            arithmetic; it saves a few microseconds a call.

        Returns
        -------
        callable
            Takes images of the size that was fitted, on the scale of the X that was
            fitted: of shape (n_samples, channels, height, width), with their
            channels last, or as flat rows. Gives a float32 array. It checks
            the shape, and that pixels are finite, and nothing else, so it is the
            quickest way to one answer. Errors are ValueErrors.
        """
        check_is_fitted(self)
        model = self._current_model()
        layer_names(model.network, name, "layer")
        compute, to_network, scale = model.function(name), model.to_network, model.input_scale
        input_shape = tuple(model.input_shape)

        def layer_output(batch: Any) -> np.ndarray:
            given = np.asarray(batch)
            if given.shape[1:] != input_shape:
                given = _in_shape(self, given, input_shape)
            with np.errstate(over="ignore"):  # which is what is checked
                batch = to_network(given)
            if batch.shape[1:] != input_shape:
                raise ValueError(
                    f"layer_function({name!r}): expected images of {describe(input_shape)} "
                    f"(channels x height x width): of shape (n_samples, "
                    f"{', '.join(map(str, input_shape))}), with their channels last, or as flat "
                    f"rows of {math.prod(input_shape)} numbers; got an array of shape "
                    f"{given.shape}."
                )
            if check_finite and not are_finite(batch):
                raise ValueError(
                    f"layer_function({name!r}): the batch holds {magnitude(given):g}; pixels must "
                    f"be finite numbers of float32 (up to {LARGEST_NUMBER:g}), also when they are "
                    f"multiplied by input_scale_={scale:g}. check_finite=False lets anything "
                    "through."
                )
            return compute(batch)

        return layer_output

    def _outputs(self, X: Any) -> np.ndarray:
        check_is_fitted(self)
        model = self._current_model()
        return model.outputs([model.network.output.name], self._images(X), self._views())[0]

    def predict(self, X: Any) -> np.ndarray:
        """Predict the target; with `tta`, by the mean over X and each view of it.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_outputs)
            The most probable class; the number; or 1 for each label whose
            probability exceeds one half.
        """
        outputs = self._outputs(X)
        return self._targets_like.predictions(outputs)

    @available_if(_learnt(*_PROBABLE))
    def predict_proba(self, X: Any) -> np.ndarray:
        """Predict probabilities; with `tta`, their mean over X and each view of it.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)

        Returns
        -------
        ndarray of shape (n_samples, n_classes) or (n_samples, n_labels)
            float32. Of each class, summing to 1; or of each label.
        """
        outputs = self._outputs(X)
        return self._targets_like.scores(outputs)

    @available_if(_learnt(*_PROBABLE))
    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Predict the logarithms of probabilities.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)

        Returns
        -------
        ndarray of shape (n_samples, n_classes) or (n_samples, n_labels)
            float32; -inf where a probability is 0.
        """
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))

    @available_if(_learnt("labels"))
    def decision_function(self, X: Any) -> np.ndarray:
        """Each label's probability, less one half: positive where the label is predicted.

        By it scikit-learn's scorers rank labels; where there are two of them,
        probabilities would be taken for those of two classes.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)

        Returns
        -------
        ndarray of shape (n_samples, n_labels)
            float32.
        """
        return self.predict_proba(X) - np.float32(0.5)

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
        like = self._targets_like
        measure = r2_score if like.kind == "numbers" else accuracy_score
        truth = like.compared(type(self).__name__, y)
        return float(measure(truth, predicted, sample_weight=sample_weight))

    def explain(
        self,
        n_samples: int = 128,
        *,
        layers: str | Sequence[str] | None = None,
        training: bool = False,
        time: bool = False,
    ) -> Explanation:
        """Say what runs for each layer of the network, and why.

        `convnet_features.inspection.explain` of this estimator: it describes the arguments and
        the `Explanation`, a list of records that shows itself as a table. `transform` and
        `predict` take slices of as many images as fit the cache, `fit` batches of
        ``batch_size``.

        Parameters
        ----------
        n_samples, layers, training, time
            As in `convnet_features.inspection.explain`.

        Returns
        -------
        Explanation

        Raises
        ------
        NotFittedError
            Before ``fit``.
        ValueError
            `n_samples` is no whole number above 0, or there is no such layer.

        See Also
        --------
        convnet_features.inspection.explain : The same of layers that were never fitted, too.
        """
        self._fitted_model("explanation")
        return explain_model(
            self._current_model(), n_samples, layers, training=training, timed=time
        )

    def summary(self) -> str:
        """The layers, their sizes and parameters, as a table of text."""
        return network_summary(self._fitted_model("summary").network)

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

    def _sk_visual_block_(self) -> Block:
        if self.__sklearn_is_fitted__():
            return network_block(self._model.network)
        return estimator_block(self)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.target_tags.multi_output = self._automatic_target != "discrete"
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = []
        tags.non_deterministic = False
        return tags
