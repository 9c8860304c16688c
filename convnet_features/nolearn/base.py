"""The names of ``nolearn.lasagne.base``."""

from __future__ import annotations

from .batches import BatchIterator
from .layers import Layers, grad_scale
from .net import NeuralNet
from .objective import Objective, negative_log_likelihood, objective
from .split import LegacyTrainTestSplit, TrainSplit

__all__ = [
    "BatchIterator",
    "Layers",
    "LegacyTrainTestSplit",
    "NeuralNet",
    "Objective",
    "TrainSplit",
    "grad_scale",
    "negative_log_likelihood",
    "objective",
]
