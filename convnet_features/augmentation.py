"""Changed copies of images for the estimators' `augment`."""

from .training.augmentation import *
from .training.augmentation import __all__ as __all__
