"""Image data sets, and the files that they come in.

Every loader returns images as float32 arrays of shape (n_samples, n_channels,
height, width), which is what the estimators take.
"""

from .digits import load_digits_images
from .idx import read_idx, write_idx
from .mnist import load_fashion_mnist, load_mnist

__all__ = [
    "load_digits_images",
    "load_fashion_mnist",
    "load_mnist",
    "read_idx",
    "write_idx",
]
