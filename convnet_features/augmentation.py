"""Changed copies of images for the estimators' `augment`."""

from .training.augmentation import (
    Augmentation,
    Chain,
    ColorJitter,
    Cutout,
    RandomCrop,
    RandomErasing,
    RandomFlip,
    RandomGrayscale,
    RandomResizedCrop,
    RandomRotation,
    RandomShift,
)

__all__ = [
    "Augmentation",
    "Chain",
    "ColorJitter",
    "Cutout",
    "RandomCrop",
    "RandomErasing",
    "RandomFlip",
    "RandomGrayscale",
    "RandomResizedCrop",
    "RandomRotation",
    "RandomShift",
]
