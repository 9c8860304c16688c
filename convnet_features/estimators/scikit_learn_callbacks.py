"""Tells scikit-learn's own callbacks, which exist from version 1.9 on, of each epoch.

They are set with ``set_callbacks`` on the estimator, or on a search or Pipeline
around it, and know tasks within tasks: here `fit`, and in it one for each epoch.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from ..training.callbacks import Callback

if TYPE_CHECKING:
    from ..training.trainer import Trainer

try:
    from sklearn.callback import CallbackSupportMixin
    from sklearn.callback import with_callbacks as _with_callbacks
except ImportError:  # before scikit-learn 1.9

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Nothing: this scikit-learn has no callbacks."""

    def _with_callbacks(method: Callable[..., Any]) -> Callable[..., Any]:
        """`method` itself: this scikit-learn has no callbacks."""
        return method


Method = TypeVar("Method", bound=Callable[..., Any])


def with_callbacks(method: Method) -> Method:
    """`fit`, which calls scikit-learn's callbacks where this scikit-learn has them."""
    return _with_callbacks(method)


__all__ = ["CallbackSupportMixin", "EpochTasks", "with_callbacks"]


class EpochTasks(Callback):
    """Passes the events of a training on to the scikit-learn callbacks of an estimator.

    Parameters
    ----------
    estimator : BaseConvNet
    X, y : array-like
        What `fit` was given.
    fitted_as_of : callable
        From an estimator and a trainer; makes the estimator fitted as of now.
    """

    changes_training = False

    def __init__(
        self, estimator: Any, X: Any, y: Any, fitted_as_of: Callable[[Any, Trainer], None]
    ) -> None:
        self.estimator = estimator
        self.X = X
        self.y = y
        self.fitted_as_of = fitted_as_of

    @staticmethod
    def wanted_by(estimator: Any) -> bool:
        """Whether there are such callbacks."""
        return bool(getattr(estimator, "_skl_callbacks", None)) or hasattr(
            estimator, "_parent_callback_ctx"
        )

    def on_training_begin(self, trainer: Trainer) -> None:
        n_epochs = trainer.last_epoch - len(trainer.history)
        self._fit = self.estimator._init_callback_context(max_subtasks=n_epochs)
        self._fit.call_on_fit_task_begin(estimator=self.estimator, X=self.X, y=self.y)

    def on_epoch_begin(self, trainer: Trainer) -> None:
        self._epoch = self._fit.subcontext(task_name="epoch")
        self._epoch.call_on_fit_task_begin(estimator=self.estimator, X=self.X, y=self.y)

    def on_epoch_end(self, trainer: Trainer, record: dict[str, Any]) -> bool:
        return self._end(self._epoch, trainer)

    def on_training_end(self, trainer: Trainer) -> None:
        self._end(self._fit, trainer)

    def get_state(self) -> dict[str, Any]:
        return {}

    def _end(self, task: Any, trainer: Trainer) -> bool:
        return task.call_on_fit_task_end(
            estimator=self.estimator,
            X=self.X,
            y=self.y,
            reconstruction_attributes=lambda: self._fitted_attributes(trainer),
        )

    def _fitted_attributes(self, trainer: Trainer) -> dict[str, Any]:
        """The attributes of a fitted copy of the estimator; training does not change them."""
        fitted = copy.copy(self.estimator)
        self.fitted_as_of(fitted, trainer)
        fitted._model = copy.deepcopy(trainer.model)
        parameters = self.estimator.get_params(deep=False)
        return {k: v for k, v in vars(fitted).items() if k not in parameters}
