"""The errors and warnings of this library.

Each inherits from the built-in exception that a scikit-learn user would catch,
and from `ConvNetFeaturesError`, so that one ``except`` catches them all.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sklearn.exceptions import ConvergenceWarning

__all__ = [
    "BadImagesError",
    "ConvNetFeaturesError",
    "ConvNetFeaturesWarning",
    "DatasetNotFoundError",
    "DivergenceError",
    "EngineError",
    "EngineWarning",
    "FacadeError",
    "FileFormatError",
    "GuessingWarning",
    "NetworkError",
    "NotANumberError",
]


class ConvNetFeaturesError(Exception):
    """Base class of every error that this library raises on purpose."""


class NetworkError(ConvNetFeaturesError, ValueError):
    """A network that cannot be built: a misfit between layers, or an unknown layer or argument."""


class DivergenceError(ConvNetFeaturesError, ArithmeticError, ValueError):
    """Training that left the finite numbers."""


class NotANumberError(ConvNetFeaturesError, ValueError):
    """A prediction that was asked of a network whose outputs are NaN."""


class EngineError(ConvNetFeaturesError, RuntimeError):
    """An engine that is unknown, absent, of an unknown version, or that reported a failure."""


class FacadeError(ConvNetFeaturesError, ImportError):
    """The name ``theano`` is already taken by something else in this process."""


class DatasetNotFoundError(ConvNetFeaturesError, FileNotFoundError):
    """A data set that is neither on this machine nor to be had from elsewhere."""


class FileFormatError(ConvNetFeaturesError, ValueError):
    """A file whose contents are not what its format promises."""


class BadImagesError(FileFormatError):
    """Images that cannot be read.

    Attributes
    ----------
    bad : list of (int, str, str)
        The row, the name and the reason of every one of them.
    """

    def __init__(self, message: str, bad: Sequence[tuple[int, str, str]] = ()) -> None:
        super().__init__(message)
        self.bad = list(bad)

    def __reduce__(self) -> Any:
        return type(self), (self.args[0], self.bad)


class ConvNetFeaturesWarning(UserWarning):
    """Base class of every warning of this library."""


class EngineWarning(ConvNetFeaturesWarning):
    """An engine that was asked for, or would be the best, is not used, and why."""


class GuessingWarning(ConvNetFeaturesWarning, ConvergenceWarning):
    """Training that ended no better than guessing."""
