"""From what users pass to what networks take: images, targets, sample weights."""

from .images import (
    LARGEST_NUMBER,
    automatic_input_scale,
    check_images,
    check_scaled_images,
    infer_input_shape,
    largest_pixel,
)
from .inputs import check_samples
from .targets import Targets, encode_targets, most_probable
from .training_data import (
    FEATURES_IN,
    TrainingData,
    check_training_data,
)

__all__ = [
    "FEATURES_IN",
    "LARGEST_NUMBER",
    "Targets",
    "TrainingData",
    "automatic_input_scale",
    "check_images",
    "check_samples",
    "check_scaled_images",
    "check_training_data",
    "encode_targets",
    "infer_input_shape",
    "largest_pixel",
    "most_probable",
]
