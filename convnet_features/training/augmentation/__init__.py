"""Changed copies of images, so that training sees more than there is.

Each takes a batch of images (n_samples, n_channels, height, width) and a NumPy
generator, and gives a batch of the same shape and dtype. They belong in the
estimators' `augment`, one by one or as a list, and see training images only.
"""

from .base import Augmentation
from .chain import Chain, RandomChoice
from .colour import ColorJitter, RandomGrayscale
from .erasing import Cutout, RandomErasing
from .geometry import RandomCrop, RandomFlip, RandomResizedCrop, RandomRotation, RandomShift
from .mixing import CutMix, MixUp

__all__ = [
    "Augmentation",
    "Chain",
    "ColorJitter",
    "CutMix",
    "Cutout",
    "MixUp",
    "RandomChoice",
    "RandomCrop",
    "RandomErasing",
    "RandomFlip",
    "RandomGrayscale",
    "RandomResizedCrop",
    "RandomRotation",
    "RandomShift",
]
