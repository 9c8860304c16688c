"""Changed copies of images for the estimators' `augment`."""

from .training.augmentation import (
    Augmentation,
    Chain,
    ColorJitter,
    CutMix,
    Cutout,
    MixUp,
    RandomChoice,
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
