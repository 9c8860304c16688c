"""nolearn.lasagne's `NeuralNet`, for code of 2015 and 2016.

``from nolearn.lasagne import NeuralNet, BatchIterator, visualize`` becomes
``from convnet_features.nolearn import NeuralNet, BatchIterator, visualize``.
"""

from . import visualize
from .batches import BatchIterator
from .handlers import PrintLayerInfo, PrintLog, RememberBestWeights, SaveWeights
from .layers import Layers
from .net import NeuralNet
from .objective import Objective, objective
from .split import TrainSplit

__all__ = [
    "BatchIterator",
    "Layers",
    "NeuralNet",
    "Objective",
    "PrintLayerInfo",
    "PrintLog",
    "RememberBestWeights",
    "SaveWeights",
    "TrainSplit",
    "objective",
    "visualize",
]
