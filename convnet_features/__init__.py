"""Convolutional features inside scikit-learn.

`ConvNetFeatureExtractor` trains a small Lasagne network and gives its dense
layer's activations as features. Importing this package makes ``import theano``
and ``import lasagne`` work.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .environment import readable_environment

with readable_environment():
    import pytensor  # noqa: F401

from . import theano_facade
from ._version import __version__
from .classifier import ConvNetClassifier
from .deferred import deferred
from .extractor import ConvNetFeatureExtractor
from .fusion import get_fusion, set_fusion
from .kernels.registry import available_engines
from .kernels.threads import get_num_threads, set_num_threads
from .regressor import ConvNetRegressor

theano_facade.install()

if TYPE_CHECKING:
    from .pretrained.loading import pretrained_extractor

__all__ = [
    "ConvNetClassifier",
    "ConvNetFeatureExtractor",
    "ConvNetRegressor",
    "__version__",
    "available_engines",
    "get_fusion",
    "get_num_threads",
    "pretrained_extractor",
    "set_fusion",
    "set_num_threads",
]

__getattr__, __dir__ = deferred(__name__, {"pretrained.loading": "pretrained_extractor"})
