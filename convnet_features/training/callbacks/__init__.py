"""Callbacks: small objects that watch training and may stop it."""

from .base import Callback
from .early_stopping import EarlyStopping

__all__ = ["Callback", "EarlyStopping"]
