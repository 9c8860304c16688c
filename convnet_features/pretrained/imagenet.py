"""The names of ImageNet's 1,000 classes, in the order of their numbers."""

from __future__ import annotations

from importlib import resources

import numpy as np

__all__ = ["imagenet_classes"]


def imagenet_classes() -> np.ndarray:
    """The names, each of which there is once; the file says where they come from.

    Returns
    -------
    ndarray of str, of shape (1000,)
    """
    text = resources.files(__package__).joinpath("imagenet.txt").read_text(encoding="utf-8")
    return np.array([line for line in text.splitlines() if not line.startswith("#")])
