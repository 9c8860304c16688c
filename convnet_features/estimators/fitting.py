"""`fit` and `partial_fit`: from data to a trained network."""

from __future__ import annotations

import copy
import functools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Self

import numpy as np

from ..kernels.registry import get_kernels
from ..training.augmentation.seeding import views
from ..training.batches import Dataset
from ..training.callbacks import EarlyStopping, ProgressTable
from ..training.trainer import Trainer
from ..validation import Targets, TrainingData, check_training_data
from .assembly import (
    continuing_trainer,
    new_trainer,
    number_of_epochs,
    resumed_trainer,
    training_sets,
    whole_set,
)
from .checked_once import note_checked
from .constraints import check_callbacks
from .fitted_state import set_fitted_state
from .scikit_learn_callbacks import CallbackSupportMixin, EpochTasks, with_callbacks

__all__ = ["Fitting"]


class Fitting(CallbackSupportMixin):
    """An estimator's training."""

    @with_callbacks
    def fit(
        self,
        X: Any,
        y: Any = None,
        sample_weight: Any = None,
        *,
        X_val: Any = None,
        y_val: Any = None,
    ) -> Self:
        """Train the network.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), (n_samples, height, width), \
                (n_samples, channels, height, width) or (n_samples, height, width, channels)
            Images of any numeric dtype; lists of arrays, or of PIL's images, of one
            size. Where the layers begin with a recurrent layer or an embedding, X is
            sequences: of shape (n_samples, n_steps, ...), or whole numbers. Where they
            have several input layers, X has an array for each: a dictionary or a
            DataFrame with their names, or a tuple in their order.
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

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Self:
        """Train for one epoch on one part of the data, going on where training stopped.

        It also goes on with a network that `fit` has trained. Numbers keep the
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
            # Those of others' networks are in the order of the outputs.
            if like is not None and not np.array_equal(classes, np.unique(np.asarray(known))):
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
        """The trainer of the last training; one that goes on with its network; or a new one."""
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
        """Run the trainer; the epochs that it has finished count, however it ends."""
        finished = len(trainer.history)
        trainer.fitted_estimator = functools.partial(self._as_of_now, trainer, data)
        trainer.as_given = data.targets.as_given
        try:
            trainer.run(training, validation, n_epochs, callbacks, open_ended)
        except BaseException:
            if len(trainer.history) > finished:
                self._set_fitted(trainer, data, keep)
            raise
        finally:
            trainer.fitted_estimator = trainer.as_given = None
        self._set_fitted(trainer, data, keep)

    def _as_of_now(self, trainer: Trainer, data: TrainingData) -> Self:
        """A fitted estimator that shares the network, for images as `data` has them."""
        fitted = copy.copy(self)
        fitted.data_format = "channels_first"
        fitted._set_fitted(trainer, replace(data, features_in={}), keep=False)
        return fitted

    def _callbacks(self) -> list[Any]:
        callbacks = list(self.callbacks or ())
        if self.early_stopping:
            callbacks.append(EarlyStopping(patience=self.n_iter_no_change, tol=self.tol))
        if self.verbose:
            callbacks.append(ProgressTable())
        return callbacks

    def _set_fitted(self, trainer: Trainer, data: TrainingData, keep: bool) -> None:
        """Give this estimator the trained network, with the attributes of a fitted estimator."""
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
