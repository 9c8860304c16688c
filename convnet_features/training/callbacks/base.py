"""What a callback is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sklearn.base import BaseEstimator

from ...locks import new_lock

if TYPE_CHECKING:
    from ..trainer import Trainer

__all__ = ["Callback", "changes_training", "for_one_training", "in_order", "listening", "notify"]


class Callback(BaseEstimator):
    """Something that is told how training goes, and may stop it.

    Every method is told by its `trainer`, which has the ``model``, the
    ``history``, the ``epoch`` and the ``learning_rate``, which it may set.

    Every method may return True to end training: `on_training_begin` and
    `on_epoch_begin` before the epoch that would follow, `on_batch_end` after
    the batch, `on_epoch_end` after the epoch.

    Parameters are scikit-learn's: the arguments of ``__init__``, kept as they
    came. Whatever else a callback keeps while training runs is its state: set
    it in `on_training_begin`. A clone has the parameters only, so that each
    fit of a grid search begins anew, and a checkpoint holds the state.
    """

    #: Callbacks of a later place are told after the others.
    place = 0
    #: Whether a training depends on it; one that only watches, or writes files, says False.
    changes_training = True
    #: Whether what it does to an epoch depends on how many there are to be.
    depends_on_length = True
    #: What it keeps while training runs that is no state of the training, as places of files.
    not_kept: tuple[str, ...] = ()

    def on_training_begin(self, trainer: Trainer) -> Any:
        """Before the first epoch."""

    def on_epoch_begin(self, trainer: Trainer) -> Any:
        """Before each epoch; ``trainer.epoch`` counts from 1."""

    def on_batch_end(self, trainer: Trainer, loss: float) -> Any:
        """After each batch's update; `loss` is the batch's."""

    def on_epoch_end(self, trainer: Trainer, record: dict[str, Any]) -> Any:
        """After each epoch; `record` is its line in ``trainer.history``, and may be added to."""

    def on_training_end(self, trainer: Trainer) -> Any:
        """After the last epoch, also where training was stopped; not where something raised."""

    def get_state(self) -> dict[str, Any]:
        """What this callback keeps while training runs: numbers, text, arrays, by name."""
        others = {*self.get_params(deep=False), *self.not_kept}
        return {key: value for key, value in vars(self).items() if key not in others}

    def set_state(self, state: dict[str, Any]) -> None:
        """Put back what `get_state` gave.

        Raises
        ------
        ValueError
            If a name is that of a parameter or a method, or of where files are: a
            file of a stranger's says no such thing.
        """
        others = {*self._get_param_names(), *self.not_kept}
        for name in state:
            held = getattr(type(self), name, None)
            if name in others or name.startswith("__") or callable(held) or _is_computed(held):
                raise ValueError(f"{type(self).__name__} keeps no {name!r} while training runs.")
        for name, value in state.items():
            setattr(self, name, value)


def _is_computed(attribute: Any) -> bool:
    """Whether a class's attribute stands between its objects and their values, as properties do."""
    return hasattr(attribute, "__get__")


def changes_training(callback: Any) -> bool:
    """Whether a training depends on a callback; one that does not say so, if its place is 0."""
    return bool(getattr(callback, "changes_training", getattr(callback, "place", 0) < 1))


def in_order(callbacks: Iterable[Any]) -> list[Any]:
    """The callbacks as they are told: in the order given, those that save the state last."""
    return sorted(callbacks, key=lambda callback: getattr(callback, "place", 0))


def listening(callbacks: Iterable[Any], event: str) -> bool:
    """Whether a callback does something of its own at an event."""
    listeners = [getattr(callback, event, None) for callback in callbacks]
    nothing = getattr(Callback, event)
    return any(
        getattr(listener, "__func__", listener) is not nothing
        for listener in listeners
        if listener is not None
    )


def notify(callbacks: Sequence[Any], event: str, *args: Any) -> bool:
    """Tell every callback that has a method of this name; whether one wants training to stop."""
    listeners = [getattr(callback, event, None) for callback in callbacks]
    answers = [listener(*args) for listener in listeners if listener is not None]
    return any(answer is True for answer in answers)


#: The addresses of the callbacks of all trainings that run.
_in_use: set[int] = set()
_claiming = new_lock()


@contextmanager
def for_one_training(callbacks: Iterable[Any]) -> Iterator[None]:
    """Keep our callbacks from other trainings for the duration: their state is of one.

    Raises
    ------
    ValueError
        If another training, of another thread say, has one of them.
    """
    ours = {id(each): each for each in callbacks if isinstance(each, Callback)}
    with _claiming:
        for address, callback in ours.items():
            if address in _in_use:
                raise ValueError(
                    f"callbacks: this {type(callback).__name__} is in use by another training, "
                    "which has not ended, and keeps that one's state; give each estimator "
                    "callbacks of its own, as sklearn.base.clone(estimator) does."
                )
        _in_use.update(ours)
    try:
        yield
    finally:
        with _claiming:
            _in_use.difference_update(ours)
