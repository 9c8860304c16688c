"""What networks import when they are first used, and not before."""

from __future__ import annotations

from ..locks import import_whole

__all__ = ["import_for_networks"]

#: Lasagne, what is behind ``theano`` once it is there, and what PyTensor imports in functions.
_MODULES = (
    "lasagne",
    "pytensor.sparse",
    "theano.compile",
    "convnet_features.layers",
    "convnet_features.ops.view",
    "convnet_features.theano_facade.bn",
    "convnet_features.theano_facade.compiled",
    "convnet_features.theano_facade.convolution",
    "convnet_features.theano_facade.functions",
    "convnet_features.theano_facade.gradients",
    "convnet_features.theano_facade.loops",
    "convnet_features.theano_facade.meanings",
    "convnet_features.theano_facade.nnet",
    "convnet_features.theano_facade.random",
    "convnet_features.theano_facade.recipe",
    "convnet_features.theano_facade.signal",
    "convnet_features.theano_facade.tensor",
)


def import_for_networks() -> None:
    """Import Lasagne and what it needs, so that no forked child finds them half imported.

    For functions that say ``import lasagne`` and may be the first to do so.
    """
    import_whole(*_MODULES)
