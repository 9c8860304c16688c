"""Several augmentations as one, one of several, and functions of users as augmentations."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np

from ...intervals import NOT_NEGATIVE
from ..batches import Batch
from .base import Augmentation

__all__ = ["Chain", "RandomChoice", "as_augment"]


class Steps(Augmentation):
    """Several augmentations, each of which gets images as it takes them."""

    on_bytes: bool = True
    steps: Sequence[Callable[..., np.ndarray]]

    @property
    def _mixes(self) -> bool:  # type: ignore[override]
        return any(step._mixes for step in self._each())

    def _each(self) -> list[Augmentation]:
        return [as_augment(step) for step in self.steps]

    @property
    def _keeps_white(self) -> bool:
        return not self._is_own and all(step._keeps_white for step in self._each())

    def _of_bytes(self) -> Self:
        same = copy.copy(self)
        same.steps = [step._of_bytes() for step in self._each()]
        return same

    def _for(self, images: np.ndarray) -> Self:
        """Itself, as it is for images that come as these do."""
        return self._of_bytes() if images.dtype == np.uint8 else self

    @property
    def _is_own(self) -> bool:
        """Whether a subclass has a `__call__` of its own, which may do more than the steps do."""
        return type(self).__call__ not in (Chain.__call__, RandomChoice.__call__)

    def _validate_params(self) -> None:
        super()._validate_params()
        mixing = next((step for step in self._each() if step._mixes), None)
        if mixing is not None and self._is_own:
            raise ValueError(
                f"{type(self).__name__}: it has a __call__ of its own, which does not tell what is "
                f"learnt of images that {mixing!r} mixes; list that beside it: "
                f"augment=[{type(self).__name__}(...), {mixing!r}]."
            )


class Chain(Steps):
    """Several augmentations, one after the other.

    Parameters
    ----------
    steps : sequence of callables
        Augmentations, or functions of a batch (and a generator, if they take
        a second argument).
    """

    def __init__(self, steps: Sequence[Callable[..., np.ndarray]]) -> None:
        self.steps = steps

    def __call__(self, images: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """`images` of shape (n_samples, n_channels, height, width), changed by every step."""
        for step in self._for(images)._each():
            images = step(step._as_taken(images), random)
        return images

    def _change(self, batch: Batch, random: np.random.Generator) -> Batch:
        if self._is_own:
            return super()._change(batch, random)
        for step in self._for(batch.images)._each():
            batch = step._change(batch, random)
        return batch

    def _check_white(self, images: np.ndarray) -> None:
        """Of the steps that get pixels on X's own scale: behind others nobody knows it."""
        for step in [] if self._is_own else self._each():
            step._check_white(images)
            if not step._keeps_white:
                return

    def _alike(self, images: np.ndarray, random: np.random.Generator) -> np.ndarray:
        if self._is_own:
            return super()._alike(images, random)
        for step in self._for(images)._each():
            images = step._alike(step._as_taken(images), random)
        return images


class RandomChoice(Steps):
    """One of several augmentations, drawn for each batch.

    Parameters
    ----------
    steps : sequence of callables
        As `Chain` takes them; a list among them is a chain of its own.
    p : sequence of float, default=None
        How often each is drawn, relative to the others. None draws all alike.

    Examples
    --------
    >>> from convnet_features.augmentation import CutMix, MixUp, RandomFlip
    >>> augment = [RandomFlip(), RandomChoice([MixUp(0.2), CutMix()])]
    """

    def __init__(
        self, steps: Sequence[Callable[..., np.ndarray]], p: Sequence[float] | None = None
    ) -> None:
        self.steps = steps
        self.p = p

    def __call__(self, images: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """`images` of shape (n_samples, n_channels, height, width), changed by one step."""
        step = self._for(images)._drawn(random)
        return step(step._as_taken(images), random)

    def _change(self, batch: Batch, random: np.random.Generator) -> Batch:
        if self._is_own:
            return super()._change(batch, random)
        return self._for(batch.images)._drawn(random)._change(batch, random)

    def _alike(self, images: np.ndarray, random: np.random.Generator) -> np.ndarray:
        if self._is_own:
            return super()._alike(images, random)
        step = self._for(images)._drawn(random)
        return step._alike(step._as_taken(images), random)

    def _check_white(self, images: np.ndarray) -> None:
        for step in [] if self._is_own else self._each():
            step._check_white(images)

    def _drawn(self, random: np.random.Generator) -> Augmentation:
        return self._each()[random.choice(len(self.steps), p=self._probabilities())]

    def _probabilities(self) -> np.ndarray | None:
        if self.p is None:
            return None
        p = np.asarray(self.p, dtype=np.float64)
        return p / p.sum()

    def _validate_params(self) -> None:
        super()._validate_params()
        p = [1.0] * len(self.steps) if self.p is None else list(self.p)
        if len(p) != len(self.steps) or not all(map(NOT_NEGATIVE.is_satisfied_by, p)) or not sum(p):
            raise ValueError(
                f"RandomChoice: p must be one number of at least 0 for each of the "
                f"{len(self.steps)} steps, of which there must be one, and not all of them 0; got "
                f"p={self.p!r}."
            )


class Function(Augmentation):
    """A callable of a batch, or of a batch and a generator, as an augmentation."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function

    def __call__(self, images: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """What the function makes of `images`, of shape (n_samples, ...)."""
        return np.asarray(
            self.function(images, random) if self.is_random else self.function(images)
        )

    @property
    def is_random(self) -> bool:
        """Whether it takes a generator."""
        return _takes_generator(self.function)


def as_augment(augment: Any, name: str = "augment") -> Augmentation:
    """What users give as `augment`, as one augmentation whose parameters are sound.

    Parameters
    ----------
    augment : callable or sequence of callables
        A callable may take the batch alone.
    name : str, default='augment'
        What errors call it.

    Raises
    ------
    ValueError
        If it is neither, or a parameter of an augmentation is not what it must be.
    """
    if isinstance(augment, Augmentation):
        augment._validate_params()
        return augment
    if isinstance(augment, list | tuple):
        return Chain([as_augment(step, name) for step in augment])
    if isinstance(augment, type) and issubclass(augment, Augmentation):
        raise ValueError(
            f"{name} holds the class {augment.__name__}, not an augmentation. Write "
            f"{augment.__name__}()."
        )
    if not callable(augment):
        raise ValueError(
            f"{name} must be a function of a batch of images, or a list of such; got {augment!r}."
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
