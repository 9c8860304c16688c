"""Callbacks: small objects that watch training and may change or stop it."""

from .base import Callback
from .checkpoint import Checkpoint
from .csv_log import CSVLog
from .early_stopping import EarlyStopping
from .epoch_scoring import EpochScoring
from .progress import ProgressTable
from .reduce_on_plateau import ReduceOnPlateau
from .schedules import Cosine, LearningRateSchedule, Linear, OneCycle, Step
from .tensorboard import TensorBoardLog

__all__ = [
    "CSVLog",
    "Callback",
    "Checkpoint",
    "Cosine",
    "EarlyStopping",
    "EpochScoring",
    "LearningRateSchedule",
    "Linear",
    "OneCycle",
    "ProgressTable",
    "ReduceOnPlateau",
    "Step",
    "TensorBoardLog",
]
