"""The images that a fit has checked, for the rest of the same call: X is checked once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

__all__ = ["CheckedImages", "note_checked", "noted"]


class CheckedImages:
    """The images that one estimator made of one X, once its fit has checked them.

    Parameters
    ----------
    estimator : BaseConvNet
    X : array-like
        What `fit` is to be called with.

    Attributes
    ----------
    images : ndarray or ImagesOnDemand, of shape (n_samples, n_channels, height, width), or None
        None where no fit has checked X yet: a subclass may give another X to its base's `fit`.
    """

    def __init__(self, estimator: Any, X: Any) -> None:
        self.estimator = estimator
        self.X = X
        self.images: Any = None


#: An attribute of the estimator would get into copies and pickles that are made during a fit.
_noting: ContextVar[CheckedImages | None] = ContextVar("checked_images", default=None)


@contextmanager
def noted(estimator: Any, X: Any) -> Iterator[CheckedImages]:
    """A block in which `note_checked` leaves the images of `estimator`'s fit on X."""
    checked = CheckedImages(estimator, X)
    token = _noting.set(checked)
    try:
        yield checked
    finally:
        _noting.reset(token)


def note_checked(estimator: Any, X: Any, images: Any) -> None:
    """Leave the images of X where a block of `noted` waits for them."""
    checked = _noting.get()
    if checked is not None and checked.estimator is estimator and checked.X is X:
        checked.images = images
