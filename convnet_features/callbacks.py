"""Callbacks for the estimators' `callbacks`: watch training, steer it, write it down."""

from .training.callbacks import *
from .training.callbacks import __all__ as __all__
