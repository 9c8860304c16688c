"""Augmentations that blot out a part of each image."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from sklearn.utils._param_validation import StrOptions

from ...intervals import SHARE, Number, Pair
from .base import PerImage, WithWhite
from .rectangles import draw_rectangles

__all__ = ["Cutout", "RandomErasing"]

_ANY = Number(Real, None, None, closed="neither")


class Cutout(PerImage):
    """Blot out one square of each image (DeVries and Taylor, 2017).

    Parameters
    ----------
    size : int, default=8
        The square's side; its centre falls anywhere, so part of it may lie outside.
    value : float, default=0.0
        What is put there, on the scale of X.
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "size": [Number(Integral, 0, None, closed="left")],
        "value": [_ANY],
    }

    def __init__(self, size: int = 8, value: float = 0.0) -> None:
        self.size = size
        self.value = value

    @property
    def on_bytes(self) -> bool:  # type: ignore[override]
        """Whether `value` is a byte."""
        return _is_byte(self.value)

    def _draw(
        self, n_samples: int, shape: tuple[int, ...], random: np.random.Generator
    ) -> tuple[np.ndarray, ...]:
        """Where the squares begin: row and column."""
        _, height, width = shape
        top, left = (random.integers(0, side, size=(n_samples, 1)) for side in (height, width))
        return top[:, 0] - self.size // 2, left[:, 0] - self.size // 2

    def _apply(self, images: np.ndarray, *drawn: np.ndarray) -> np.ndarray:
        """`images` of shape (n_samples, n_channels, height, width), with their holes."""
        changed = images.copy()
        for image, top, left in zip(changed, *drawn, strict=True):
            bottom, right = max(0, top + self.size), max(0, left + self.size)
            image[:, max(0, top) : bottom, max(0, left) : right] = self.value
        return changed


class RandomErasing(WithWhite):
    """Blot out a rectangle in some of the images (Zhong et al., 2020).

    Parameters
    ----------
    p : float, default=0.5
        The probability for each image.
    scale : (float, float), default=(0.02, 0.33)
        The least and the largest area of the rectangle, as a share of the image's.
    ratio : (float, float), default=(0.3, 3.3)
        The least and the largest height, as a multiple of the width.
    value : float, sequence of float or "random", default=0.0
        What is put there, on the scale of X: one value, or one a channel.
        "random" draws each pixel's channels between black and white.
    white : float, default=None
        The value of a white pixel, for "random". None is 255 for uint8, and 1
        for floats from 0 to 1; other pixels are an error that asks for it.

    Notes
    -----
    As `torchvision.transforms.v2.RandomErasing`: a rectangle is smaller than
    the image along both axes; where none of ten drawn is, the image stays as it is.

    References
    ----------
    Zhong, Zheng, Kang, Li and Yang (2020), "Random erasing data augmentation", AAAI.

    Examples
    --------
    >>> import numpy as np
    >>> image = np.full((1, 1, 4, 4), 9, dtype=np.uint8)
    >>> RandomErasing(p=1, scale=(0.2, 0.3))(image, np.random.default_rng(0))[0, 0]
    array([[9, 9, 0, 9],
           [9, 9, 0, 9],
           [9, 9, 0, 9],
           [9, 9, 9, 9]], dtype=uint8)
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "p": [SHARE],
        "scale": [Pair(Real, 0, 1, closed="both")],
        "ratio": [Pair(Real, 0, None, closed="neither")],
        "value": [_ANY, "array-like", StrOptions({"random"})],
        "white": [Number(Real, 0, None, closed="neither"), None],
    }

    def __init__(
        self,
        p: float = 0.5,
        scale: tuple[float, float] = (0.02, 0.33),
        ratio: tuple[float, float] = (0.3, 3.3),
        value: float | Sequence[float] | str = 0.0,
        white: float | None = None,
    ) -> None:
        self.p = p
        self.scale = scale
        self.ratio = ratio
        self.value = value
        self.white = white

    @property
    def on_bytes(self) -> bool:  # type: ignore[override]
        """Whether `value` is made of bytes."""
        if isinstance(self.value, str):
            return self.white is None or _is_byte(self.white)
        return _is_byte(self.value)

    def _draw(
        self, n_samples: int, shape: tuple[int, ...], random: np.random.Generator
    ) -> tuple[np.ndarray, ...]:
        """Whether an image is changed; the rectangle; the seed of what is put there."""
        _, height, width = shape
        chosen = random.random(n_samples) < self.p
        wide_by_tall = 1 / self.ratio[1], 1 / self.ratio[0]
        found, *rectangle = draw_rectangles(
            n_samples,
            height,
            width,
            self.scale,
            wide_by_tall,
            lambda heights, widths: (heights < height) & (widths < width),
            random,
        )
        return chosen & found, *rectangle, random.integers(0, 2**32, size=n_samples)

    def _apply(self, images: np.ndarray, *drawn: np.ndarray) -> np.ndarray:
        """`images` of shape (n_samples, n_channels, height, width), with their holes."""
        fill = self._fill(images)
        changed = images.copy()
        for row in np.flatnonzero(drawn[0]):
            top, left, tall, wide, seed = (int(each[row]) for each in drawn[1:])
            hole = changed[row, :, top : top + tall, left : left + wide]
            hole[...] = fill(seed, hole.shape)
        return changed

    def _needs_white(self, n_channels: int) -> bool:
        return isinstance(self.value, str)

    def _fill(self, images: np.ndarray) -> Any:
        """From a seed and a shape to what is put into a hole."""
        if isinstance(self.value, str):
            white = self._white_of(images)
            whole = images.dtype.kind in "iu"

            def noise(seed: int, shape: tuple[int, ...]) -> np.ndarray:
                random = np.random.default_rng(seed)
                if whole:
                    return random.integers(0, int(white) + 1, size=shape)
                return random.random(shape, dtype=np.float32) * np.float32(white)

            return noise
        value = np.asarray(self.value, dtype=np.float64).reshape(-1, 1, 1)
        if len(value) not in (1, images.shape[1]):
            raise ValueError(
                f"RandomErasing: value has {len(value)} numbers, and the images have "
                f"{images.shape[1]} channels; give one number, or one a channel."
            )
        return lambda seed, shape: value.astype(images.dtype)


def _is_byte(value: Any) -> bool:
    """Whether numbers are whole, and from 0 to 255."""
    numbers = np.asarray(value)
    return bool(
        numbers.dtype.kind in "biuf"
        and ((numbers >= 0) & (numbers <= 255) & (numbers == np.floor(numbers))).all()
    )
