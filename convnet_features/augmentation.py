"""Changed copies of images for the estimators' `augment`."""

from .training.augmentation import (
    Augmentation,
    Chain,
    Cutout,
    RandomCrop,
    RandomFlip,
    RandomRotation,
    RandomShift,
)

__all__ = [
    "Augmentation",
    "Chain",
    "Cutout",
    "RandomCrop",
    "RandomFlip",
    "RandomRotation",
    "RandomShift",
]
