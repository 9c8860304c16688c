"""What every parameter of the estimators may be: one table, in scikit-learn's form."""

from __future__ import annotations

import numbers
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sklearn.utils._param_validation import InvalidParameterError, StrOptions

from ..intervals import COUNT, NOT_NEGATIVE, POSITIVE, Number

__all__ = ["CONSTRAINTS", "check_callbacks"]


class NumbersByLayer(Number):
    """A mapping from the names of layers to numbers of an interval."""

    def is_satisfied_by(self, val: Any) -> bool:
        """Whether `val` is a mapping, and each of its values in the interval."""
        return isinstance(val, Mapping) and all(map(super().is_satisfied_by, val.values()))

    def __str__(self) -> str:
        return f"a mapping from layers to {super().__str__().replace('a float', 'floats')}"


_AUTO = StrOptions({"auto"})
_BY_LAYER = NumbersByLayer(numbers.Real, 0, None, closed="left")
_PENALTY = [NOT_NEGATIVE, _BY_LAYER]

CONSTRAINTS: dict[str, Any] = {
    "layers": "no_validation",  # read by whoever builds them, who names the layer
    "feature_layer": [str, list, tuple, None],
    "target": [StrOptions({"auto", "classes", "numbers", "labels"})],
    "input_shape": [tuple, list, None],
    "data_format": [StrOptions({"auto", "channels_first", "channels_last"})],
    "input_scale": [POSITIVE, _AUTO],
    "update": [str, callable],
    "update_learning_rate": [NOT_NEGATIVE, _AUTO],
    "update_momentum": [NOT_NEGATIVE],
    "loss": [str, callable],
    "l1": _PENALTY,
    "l2": _PENALTY,
    "class_weight": [Mapping, StrOptions({"balanced"}), None],
    "max_epochs": [COUNT, _AUTO],
    "batch_size": [COUNT, _AUTO],
    "shuffle": ["boolean"],
    "validation_fraction": [Number(numbers.Real, 0, 1, closed="neither"), None],
    "early_stopping": ["boolean"],
    "n_iter_no_change": [COUNT],
    "tol": [NOT_NEGATIVE],
    "max_grad_norm": [POSITIVE, None],
    "label_smoothing": [Number(numbers.Real, 0, 1, closed="left")],
    "augment": [callable, list, tuple, None],
    "tta": [callable, list, tuple, None],
    "callbacks": "no_validation",  # see `check_callbacks`
    "warm_start": ["boolean"],
    "pretrained": "no_validation",
    "freeze": [str, list, tuple, None],
    "learning_rate_scale": [_BY_LAYER, None],
    "frozen_cache_bytes": [Number(numbers.Integral, 0, None, closed="left")],
    "engine": [str],
    "random_state": ["random_state"],
    "verbose": ["verbose"],
}

_EVENTS = (
    "on_training_begin",
    "on_epoch_begin",
    "on_batch_end",
    "on_epoch_end",
    "on_training_end",
)


def check_callbacks(callbacks: Any) -> None:
    """Raise if `callbacks` is no list of callbacks, nor None, or has a parameter of a wrong value.

    Raises
    ------
    InvalidParameterError
        (A ValueError and a TypeError.) If something else is given; the text says what to write.
    """
    if callbacks is None:
        return
    if _listens(callbacks):
        raise InvalidParameterError(
            f"callbacks must be a list; got one callback. Write callbacks=[{callbacks!r}]."
        )
    if isinstance(callbacks, str) or not isinstance(callbacks, Sequence):
        raise InvalidParameterError(
            f"callbacks must be a list of callbacks, or None; got {callbacks!r}. "
            f"{_remedy(callbacks)}"
        )
    for each in callbacks:
        if isinstance(each, type):
            raise InvalidParameterError(
                f"callbacks holds the class {each.__name__}, not a callback. {_remedy(each)}"
            )
        if not _listens(each):
            raise InvalidParameterError(
                f"callbacks holds {each!r}, which is no callback: it has none of the methods "
                f"{', '.join(_EVENTS)}. {_remedy(each)}"
            )
        _check_parameters(each)


def _check_parameters(each: Any) -> None:
    """Check the parameters of a callback, and of what it holds, where it has a table of them."""
    if hasattr(each, "_parameter_constraints") and hasattr(each, "_validate_params"):
        each._validate_params()
        for held in each.get_params(deep=False).values():
            _check_parameters(held)


def _remedy(each: Any) -> str:
    if isinstance(each, type):
        return f"Write callbacks=[{each.__name__}()]."
    if isinstance(each, Callable):  # type: ignore[arg-type]
        return (
            "A function is called by a class: derive one from "
            "convnet_features.callbacks.Callback, whose method on_epoch_end calls it."
        )
    return "convnet_features.callbacks has some."


def _listens(candidate: Any) -> bool:
    return not isinstance(candidate, type) and any(hasattr(candidate, name) for name in _EVENTS)
