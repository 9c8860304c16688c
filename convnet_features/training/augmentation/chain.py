"""Several augmentations as one, and functions of users as augmentations."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..batches import Batch
from .base import Augmentation

__all__ = ["Chain", "as_augment"]


class Chain(Augmentation):
    """Several augmentations, one after the other.

    Parameters
    ----------
    steps : sequence of callables
        Augmentations, or functions of a batch (and a generator, if they take
        a second argument).
    """

    on_bytes = True  # each step gets what it takes

    def __init__(self, steps: Sequence[Callable[..., np.ndarray]]) -> None:
        self.steps = steps

    def __call__(self, images: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """`images` of shape (n_samples, n_channels, height, width), changed by every step."""
        for step in map(as_augment, self.steps):
            images = step(step._as_taken(images), random)
        return images

    def _validate_params(self) -> None:
        for step in self.steps:
            as_augment(step)

    def _change(self, batch: Batch, random: np.random.Generator) -> Batch:
        """A batch of training, changed by every step."""
        for step in map(as_augment, self.steps):
            batch = step._change(batch, random)
        return batch


class Function(Augmentation):
    """A callable of a batch, or of a batch and a generator, as an augmentation."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function

    def __call__(self, images: np.ndarray, random: np.random.Generator) -> np.ndarray:
        return self.function(images, random) if self.is_random else self.function(images)

    @property
    def is_random(self) -> bool:
        """Whether it takes a generator."""
        return _takes_generator(self.function)


def as_augment(augment: Any) -> Augmentation:
    """What users give as `augment`, as one augmentation whose parameters are sound.

    Parameters
    ----------
    augment : callable or sequence of callables
        A callable may take the batch alone.

    Raises
    ------
    ValueError
        If it is neither, or a parameter of an augmentation is not what it must be.
    """
    if isinstance(augment, Augmentation):
        augment._validate_params()
        return augment
    if isinstance(augment, list | tuple):
        return Chain([as_augment(step) for step in augment])
    if isinstance(augment, type) and issubclass(augment, Augmentation):
        raise ValueError(
            f"augment holds the class {augment.__name__}, not an augmentation. Write "
            f"{augment.__name__}()."
        )
    if not callable(augment):
        raise ValueError(
            f"augment must be a function of a batch of images, or a list of such; got {augment!r}."
        )
    return Function(augment)


def _takes_generator(augment: Callable[..., Any]) -> bool:
    try:
        inspect.signature(augment).bind(None, None)
    except TypeError:
        return False
    except ValueError:  # a built-in function without a signature, such as some of NumPy's
        return False
    return not _has_default(augment)


def _has_default(augment: Callable[..., Any]) -> bool:
    """Whether the second argument is optional: an option of the function's own, no generator."""
    parameters = [
        each
        for each in inspect.signature(augment).parameters.values()
        if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)
    ]
    return len(parameters) > 1 and parameters[1].default is not inspect.Parameter.empty
