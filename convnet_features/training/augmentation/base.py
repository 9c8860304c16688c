"""What an augmentation is."""

from __future__ import annotations

import copy
from abc import abstractmethod
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator

from ..batches import Batch

__all__ = ["Augmentation", "PerImage", "WithWhite", "in_dtype", "of_shape"]


class Augmentation(BaseEstimator):
    """Base class: parameters as scikit-learn knows them, and a call that draws from a generator.

    Attributes
    ----------
    on_bytes : bool
        Whether images of uint8 come as they are. By default they come as
        float32, on the same scale (0 to 255).
    """

    on_bytes: bool = False
    #: Whether it mixes what is learnt of images, too.
    _mixes: bool = False
    _parameter_constraints: ClassVar[dict[str, Any]] = {}

    def __call__(self, images: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """`images` of shape (n_samples, n_channels, height, width), each changed in its own way."""
        raise NotImplementedError

    def _change(self, batch: Batch, random: np.random.Generator) -> Batch:
        """A batch of training, changed: its images, and whatever else has to follow them."""
        changed = self(self._as_taken(batch.images), random)
        return batch._replace(images=of_shape(changed, batch.images.shape))

    def _alike(self, images: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """`images`, all changed in one way: what an image becomes has nothing to do with others.

        Here each is changed alone, by a generator of the same seed.
        """
        seed = int(random.integers(2**63))
        alone = (images[[k]] for k in range(len(images)))
        return np.concatenate(
            [of_shape(self(each, np.random.default_rng(seed)), each.shape, "tta") for each in alone]
        )

    @property
    def _keeps_white(self) -> bool:
        """Whether what was white stays white: known of what is supplied, and unchanged."""
        return False

    def _check_white(self, images: np.ndarray) -> None:
        """Raise if it has to know which value is white, and all of the `images` do not tell."""

    def _of_bytes(self) -> Self:
        """The same, for images that came as bytes, whatever earlier steps have made of them."""
        return self

    def _validate_params(self) -> None:
        """Check what the table of constraints knows; a user's own class may have none."""
        if self._parameter_constraints:
            super()._validate_params()

    def _as_taken(self, images: np.ndarray) -> np.ndarray:
        """`images` themselves; bytes as float32, unless this takes bytes."""
        if images.dtype == np.uint8 and not self.on_bytes:
            return images.astype(np.float32)
        return images


class PerImage(Augmentation):
    """An augmentation that draws a few numbers for each image, and changes it by these alone."""

    on_bytes: bool = True

    def __call__(self, images: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """`images` of shape (n_samples, n_channels, height, width), each changed in its own way."""
        self._validate_params()
        if images.dtype == np.uint8 and not self.on_bytes:
            raise ValueError(
                f"{self!r}: the images hold bytes (uint8), which have no such value; give it "
                "images.astype(numpy.float32)."
            )
        return self._apply(images, *self._draw(len(images), images.shape[1:], random))

    @property
    def _keeps_white(self) -> bool:
        return self._is_supplied

    @property
    def _is_supplied(self) -> bool:
        """Whether no subclass has a `__call__` of its own, which may do more."""
        return type(self).__call__ is PerImage.__call__

    def _alike(self, images: np.ndarray, random: np.random.Generator) -> np.ndarray:
        always = self._always()
        if not self._is_supplied:
            return Augmentation._alike(always, images, random)
        drawn = always._draw(1, images.shape[1:], random)
        return always._apply(images, *(np.repeat(each, len(images), axis=0) for each in drawn))

    def _always(self) -> Self:
        """The same, with every image changed where that is a matter of chance."""
        if not hasattr(self, "p"):
            return self
        always = copy.copy(self)
        always.p = 1.0
        return always

    @abstractmethod
    def _draw(
        self, n_samples: int, shape: tuple[int, ...], random: np.random.Generator
    ) -> tuple[np.ndarray, ...]:
        """What decides the changes: arrays with one entry for each image of this shape."""

    @abstractmethod
    def _apply(self, images: np.ndarray, *drawn: np.ndarray) -> np.ndarray:
        """`images` of shape (n_samples, n_channels, height, width), changed by what was drawn."""


class WithWhite(PerImage):
    """An augmentation that has to know which value is white."""

    white: float | None

    @abstractmethod
    def _needs_white(self, n_channels: int) -> bool:
        """Whether white matters to what it does with images of so many channels."""

    def _check_white(self, images: np.ndarray) -> None:
        if self._is_supplied and self._needs_white(images.shape[1]):
            self._white_of(images)

    def _of_bytes(self) -> Self:
        if self.white is not None:
            return self
        known = copy.copy(self)
        known.white = 255.0
        return known

    def _white_of(self, images: np.ndarray) -> float:
        """The value of white pixels: as given, 255 for bytes, or 1 where no pixel exceeds it.

        Raises
        ------
        ValueError
            If it is not given, and cannot be told.
        """
        if self.white is not None:
            return float(self.white)
        if images.dtype == np.uint8:
            return 255.0
        darkest, brightest = float(images.min()), float(images.max())
        if darkest >= 0.0 and brightest <= 1.0:
            return 1.0
        name = type(self).__name__
        raise ValueError(
            f"{name}: pixels reach from {darkest:g} to {brightest:g}, and nothing tells which "
            "value is white (bytes: 255; floats from 0 to 1: 1; black is 0); give it: "
            f"{name}(white=255), say, on the scale of X."
        )


def of_shape(images: np.ndarray, shape: tuple[int, ...], name: str = "augment") -> np.ndarray:
    """What an augmentation made of a batch of this shape.

    Raises
    ------
    ValueError
        If it has another shape.
    """
    changed = np.asarray(images)
    if changed.shape != shape:
        raise ValueError(
            f"{name}: it made a batch of shape {changed.shape} from one of {shape}; it "
            "must keep the shape."
        )
    return changed


def in_dtype(pixels: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Computed pixels, which lie between those of images, as images have them: rounded or not."""
    if dtype.kind in "iu" and pixels.dtype != dtype:
        np.rint(pixels, out=pixels)
    return pixels.astype(dtype, copy=False)
