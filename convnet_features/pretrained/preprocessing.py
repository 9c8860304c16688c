"""What a network that others have trained wants to see."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..caller import users_level
from ..exceptions import ConvNetFeaturesWarning
from ..network.on_demand import ImagesOnDemand

__all__ = ["Preprocessing"]


@dataclass(frozen=True)
class Preprocessing:
    """What becomes of photographs in front of a network, as those who trained it did it.

    Pixels of 0 to 255 become (pixel - mean) / std, channel by channel: inside the extractor,
    which takes pixels as they are. Size and filter are those of its `image_loader`.

    Parameters
    ----------
    mean : tuple of float
        One for each channel, of pixels from 0 to 255.
    std : tuple of float
        Likewise; above 0.
    resample : str, default="bilinear"
        Pillow's filter, as `~convnet_features.images.ImageLoader` takes it.
    fit : {"crop", "pad", "stretch"}, default="crop"
        How a photograph of another shape fills the image.
    crop : float, default=1.0
        The share of each side that is kept then, in the middle: above 0, and at most 1.

    Raises
    ------
    ValueError
        If there are not as many means as deviations, one of these is not above 0, or `crop` is no
        such share.

    Examples
    --------
    >>> from convnet_features.pretrained import Preprocessing
    >>> Preprocessing(mean=(127.0,) * 3, std=(128.0,) * 3, resample="bicubic")
    Preprocessing(mean=(127.0, 127.0, 127.0), std=(128.0, 128.0, 128.0), resample='bicubic', \
fit='crop', crop=1.0)
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    resample: str = "bilinear"
    fit: str = "crop"
    crop: float = 1.0

    def __post_init__(self) -> None:
        if len(self.mean) != len(self.std) or not all(each > 0 for each in self.std):
            raise ValueError(
                f"Preprocessing: mean={self.mean} and std={self.std} must have one number for each "
                "channel, and deviations are above 0."
            )
        if not 0 < self.crop <= 1:
            raise ValueError(
                f"Preprocessing: crop={self.crop} must be a share of the sides: above 0, at most 1."
            )

    def check_pixels(self, name: str, images: Any) -> None:
        """Warn of pixels that somebody has scaled already: they are no photographs here.

        Parameters
        ----------
        name : str
            What the warning calls the estimator.
        images : ndarray or ImagesOnDemand, of shape (n_samples, channels, height, width)
        """
        if isinstance(images, ImagesOnDemand) or images.dtype == np.uint8 or not images.size:
            return
        smallest, largest = float(images.min()), float(images.max())
        if smallest >= 0 and 1 < largest <= _WHITE:
            return
        remedy = "multiply X by 255" if 0 <= smallest <= largest <= 1 else "give pixels unscaled"
        warnings.warn(
            f"{name}: X holds pixels from {smallest:g} to {largest:g}, and this network takes "
            f"those of photographs, from 0 to 255, which it scales itself; {remedy}, or give "
            "photographs to the extractor's image_loader(), which makes the right images of them.",
            ConvNetFeaturesWarning,
            stacklevel=users_level(),
        )


_WHITE = 255
