"""Training networks: batches, losses, update rules, the loop, callbacks."""

from .callbacks import Callback, EarlyStopping
from .history import History
from .trainer import Settings, Trainer

__all__ = ["Callback", "EarlyStopping", "History", "Settings", "Trainer"]
