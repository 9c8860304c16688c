"""nolearn.lasagne's `NeuralNet`, for code of 2015 to 2018.

``from nolearn.lasagne import NeuralNet, BatchIterator, visualize`` becomes
``from convnet_features.nolearn import NeuralNet, BatchIterator, visualize``; or stays
as it is, behind ``import convnet_features``, where nolearn itself is not installed.
"""

from . import visualize
from .batches import BatchIterator
from .handlers import (
    PrintLayerInfo,
    PrintLog,
    RememberBestWeights,
    RestoreBestWeights,
    SaveWeights,
    WeightLog,
)
from .layers import Layers, grad_scale
from .net import NeuralNet
from .objective import Objective, negative_log_likelihood, objective
from .split import TrainSplit

__all__ = [
    "BatchIterator",
    "Layers",
    "NeuralNet",
    "Objective",
    "PrintLayerInfo",
    "PrintLog",
    "RememberBestWeights",
    "RestoreBestWeights",
    "SaveWeights",
    "TrainSplit",
    "WeightLog",
    "grad_scale",
    "negative_log_likelihood",
    "objective",
    "visualize",
]
