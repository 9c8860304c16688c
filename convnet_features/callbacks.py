"""Callbacks for the estimators' `callbacks`: watch training, steer it, write it down."""

from .training.callbacks import (
    Callback,
    Checkpoint,
    Cosine,
    CSVLog,
    EarlyStopping,
    LearningRateSchedule,
    Linear,
    OneCycle,
    ProgressTable,
    ReduceOnPlateau,
    Step,
)

__all__ = [
    "CSVLog",
    "Callback",
    "Checkpoint",
    "Cosine",
    "EarlyStopping",
    "LearningRateSchedule",
    "Linear",
    "OneCycle",
    "ProgressTable",
    "ReduceOnPlateau",
    "Step",
]
