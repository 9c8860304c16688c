"""A training as a file, and a file as a training that goes on.

The file is safetensors. Parameters are under ``<layer>.<parameter>``, so that the
file can also be loaded as parameters. Everything else that changes while training
runs is under names without a point. Numbers and text are JSON in the header.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from numbers import Real
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import numpy as np

from ..exceptions import FileFormatError
from ..files.safetensors import read_arrays, write_arrays
from ..network.inputs import plain_shape
from ..network.transfer import finite_float32
from .state import TrainingState

if TYPE_CHECKING:
    from .trainer import Trainer

__all__ = ["epochs_in", "fingerprint_in", "resume_training", "save_training"]

_VERSION = 1
_ARRAYS = ("theta", "optimiser")


def save_training(trainer: Trainer, path: str | os.PathLike[str], known: Mapping[str, str]) -> None:
    """Write everything that a running training needs to go on, atomically.

    `known` is the fingerprint with which it began.
    """
    state = TrainingState.of(trainer)
    arrays = {**trainer.model.named_values, "training/theta": state.theta}
    arrays |= {f"training/optimiser/{i}": each for i, each in enumerate(state.optimiser)}
    callbacks = {}
    for name, kept in _states(trainer.callbacks).items():
        held = {key: value for key, value in kept.items() if isinstance(value, np.ndarray)}
        arrays |= {f"callback/{name}/{_pointless(key)}": value for key, value in held.items()}
        callbacks[name] = {key: value for key, value in kept.items() if key not in held}
    write_arrays(path, arrays, _notes(trainer, state, callbacks, known))


def _pointless(key: str) -> str:
    """`key` without points, by which parameters are known; `unquote` gives it back."""
    return key.replace("%", "%25").replace(".", "%2E")


def _notes(
    trainer: Trainer,
    state: TrainingState,
    callbacks: dict[str, Any],
    known: Mapping[str, str],
) -> dict[str, Any]:
    model = trainer.model
    names = [each.name for each in fields(state) if each.name not in _ARRAYS]
    return {
        "kind": "checkpoint",
        "version": _VERSION,
        "input_shape": plain_shape(model.input_shape),
        "n_outputs": model.n_outputs,
        "target": model.target,
        "classes": model.classes,
        "fingerprint": dict(known),
        "stopped": trainer.stopping,
        "state": {name: getattr(state, name) for name in names},
        "callbacks": callbacks,
    }


def fingerprint_in(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The fingerprint of the training that a checkpoint is of; raises FileFormatError."""
    _, notes = read_arrays(path)
    _check_format(path, notes)
    return dict(notes["fingerprint"])


def epochs_in(path: str | os.PathLike[str]) -> int:
    """How many epochs a checkpoint has behind it; raises FileFormatError."""
    _, notes = read_arrays(path)
    _check_format(path, notes)
    try:
        return len(notes["state"]["history"])
    except (TypeError, KeyError):
        return 0  # which is no checkpoint, as resuming it says


def resume_training(
    trainer: Trainer, path: str | os.PathLike[str], present: Mapping[str, str]
) -> None:
    """Bring a training that has just begun to where a file says it was.

    Raises
    ------
    FileFormatError
        If the file is no checkpoint of this version, or holds something else
        than one does. The training is as before.
    ValueError
        If it is another training's; the text says in what it differs.
    """
    arrays, notes = read_arrays(path)
    _check_format(path, notes)
    _check_fingerprint(path, present, notes["fingerprint"])
    before = TrainingState.of(trainer), _states(trainer.callbacks)
    try:
        _restore(trainer, _state(trainer, arrays, notes), _callback_states(arrays, notes))
        trainer.stopping = notes.get("stopped") is True  # a callback had ended it
    except Exception as error:  # anything may stand where a number is expected
        _restore(trainer, *before)
        raise FileFormatError(
            f"{path}: parts of the checkpoint are missing or make no sense ({error}); remove the "
            "file, or set resume=False."
        ) from error


def _restore(trainer: Trainer, state: TrainingState, callbacks: Mapping[str, Any]) -> None:
    state.restore(trainer)
    for name, callback in _named(trainer.callbacks):
        if name in callbacks:  # one that was not there before begins anew
            getattr(callback, "set_state", _ignore)(callbacks[name])


def _state(trainer: Trainer, arrays: Mapping[str, np.ndarray], notes: Any) -> TrainingState:
    """The training's state in a file, checked to hold numbers where numbers belong."""
    optimiser = [arrays[f"training/optimiser/{i}"] for i in range(len(trainer.updater.state))]
    theta = finite_float32(arrays["training/theta"], "training/theta")
    state = TrainingState(theta, optimiser, **notes["state"])
    if state.arguments.keys() != trainer.updater.arguments.keys():
        raise ValueError(f"arguments of another update rule: {', '.join(state.arguments):.200}")
    for name, value in state.arguments.items():
        finite_float32(value, name)
    if not isinstance(state.history, list):
        raise TypeError("the history is no list")
    for number, record in enumerate(state.history, 1):
        losses = [record["train_loss"], record.get("valid_loss", 0.0)]
        if record["epoch"] != number or not all(isinstance(each, Real) for each in losses):
            raise ValueError(f"the history's record {number}")
    return state


def _states(callbacks: Sequence[Any]) -> dict[str, dict[str, Any]]:
    """The states that callbacks keep while training runs, by their names."""
    named = _named(callbacks)
    return {name: getattr(callback, "get_state", dict)() for name, callback in named}


def _callback_states(arrays: Mapping[str, np.ndarray], notes: Any) -> dict[str, dict[str, Any]]:
    """The states of callbacks in a file, by their names."""
    states = {name: dict(state) for name, state in notes["callbacks"].items()}
    for key, array in arrays.items():
        if "." not in key and key.startswith("callback/"):
            _, kind, number, attribute = key.split("/", 3)
            states[f"{kind}/{number}"][unquote(attribute)] = array
    return states


def _check_format(path: str | os.PathLike[str], notes: Any) -> None:
    if not isinstance(notes, dict) or notes.get("kind") != "checkpoint":
        raise FileFormatError(f"{path}: this is no checkpoint; remove it, or set resume=False.")
    if notes.get("version") != _VERSION:
        raise FileFormatError(
            f"{path}: version {notes.get('version')} of checkpoints is not the present one "
            f"({_VERSION}); remove the file, or set resume=False."
        )
    if not isinstance(notes.get("fingerprint"), dict):
        raise FileFormatError(
            f"{path}: the checkpoint does not say what training it is of; remove the file, or set "
            "resume=False."
        )


def _check_fingerprint(
    path: str | os.PathLike[str], present: Mapping[str, str], known: dict[str, Any]
) -> None:
    different = [key for key, value in present.items() if known.get(key) != value]
    if different:
        raise ValueError(
            f"Checkpoint(resume=True): {path} belongs to a training with another "
            f"{', another '.join(different)}; give the same data and parameters (random_state an "
            "integer), remove the file, or set resume=False."
        )


def _named(callbacks: Sequence[Any]) -> Iterator[tuple[str, Any]]:
    """Each callback with its class's name, and how many of that class came before it."""
    names = [type(callback).__name__ for callback in callbacks]
    for position, (name, callback) in enumerate(zip(names, callbacks, strict=True)):
        yield f"{name}/{names[:position].count(name)}", callback


def _ignore(state: dict[str, Any]) -> None:
    """Stands for the `set_state` that callbacks without a state lack."""
