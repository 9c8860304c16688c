"""The table of later Lasagne's names: what each is here.

Lasagne 0.1 is of August 2015. Its development version, 0.2.dev1, never reached the package
index, and most public code was written against it. The modules of Lasagne 0.1 have its names
besides their own once they are imported; `convnet_features.theano_facade.lasagne_modules` sees to
that. One dictionary a module, name to `Later`.

What Lasagne 0.1 has under a name stays. Where the later version only takes more arguments, a
subclass of Lasagne 0.1's class has the name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["LATER", "NEW_MODULES", "OF_GRAPHICS_CARDS", "Later"]


@dataclass(frozen=True)
class Later:
    """A name that Lasagne has since `since`.

    Parameters
    ----------
    module : str
        Where it is: a module of this package (``layers.batch_norm``), or of Lasagne 0.1.
    name : str
        What it is called there.
    since : str
        The version of Lasagne.
    """

    module: str
    name: str
    since: str = "0.2.dev1"


def _of(module: str, names: str) -> dict[str, Later]:
    return {name: Later(module, name) for name in names.split()}


def _layers(module: str, names: str) -> dict[str, Later]:
    return _of(f"layers.{module}", names)


_CONV = {
    **_layers("base_conv", "BaseConvLayer conv_input_length"),
    **_layers("conv1d", "Conv1DLayer"),
    **_layers("conv2d", "Conv2DLayer"),
    **_layers("conv3d", "Conv3DLayer"),
    **_layers("dilated_conv2d", "DilatedConv2DLayer"),
    **_layers("transposed_conv1d", "Deconv1DLayer TransposedConv1DLayer"),
    **_layers("transposed_conv2d", "Deconv2DLayer TransposedConv2DLayer"),
    **_layers("transposed_conv3d", "Deconv3DLayer TransposedConv3DLayer"),
}
_SPECIAL = {
    **_layers("expression", "ExpressionLayer"),
    **_layers("inverse", "InverseLayer"),
    **_layers("parametric_rectifier", "ParametricRectifierLayer prelu"),
    **_layers("randomized_rectifier", "RandomizedRectifierLayer rrelu"),
    **_layers("scale_bias", "BiasLayer ScaleLayer standardize"),
    **_layers("transformer", "TPSTransformerLayer TransformerLayer"),
    "NonlinearityLayer": Later("lasagne.layers.dense", "NonlinearityLayer"),
}
_DNN = """
BatchNormDNNLayer Conv2DDNNLayer Conv3DDNNLayer MaxPool2DDNNLayer MaxPool3DDNNLayer Pool2DDNNLayer
Pool3DDNNLayer SpatialPyramidPoolingDNNLayer batch_norm_dnn
"""
_CUDA_CONVNET = """
CCLayer Conv2DCCLayer MaxPool2DCCLayer NINLayer_c01b ShuffleBC01ToC01BLayer ShuffleC01BToBC01Layer
bc01_to_c01b c01b_to_bc01
"""

_LAYERS: dict[str, dict[str, Later]] = {
    "conv": _CONV,
    "corrmm": _layers("dnn", "Conv2DMMLayer"),
    "cuda_convnet": _layers("cuda_convnet", _CUDA_CONVNET),
    "dense": _layers("dense", "DenseLayer"),
    "dnn": _layers("dnn", _DNN),
    "local": _layers("locally_connected2d", "LocallyConnected2DLayer"),
    "merge": {
        **_layers("merging", "ConcatLayer ElemwiseMergeLayer ElemwiseSumLayer"),
        **_layers("merging", "autocrop autocrop_array_shapes"),
        "concat": Later("layers.merging", "ConcatLayer"),
    },
    "noise": {
        **_layers("dropout", "AlphaDropoutLayer DropoutLayer alpha_dropout dropout_channels"),
        **_layers("dropout", "dropout_locations spatial_dropout"),
        "dropout": Later("layers.dropout", "DropoutLayer"),
    },
    "normalization": {
        **_layers("batch_norm", "BatchNormLayer batch_norm"),
        **_layers("standardization", "StandardizationLayer instance_norm layer_norm"),
    },
    "pool": {
        **_layers("pooling", "MaxPool3DLayer Pool1DLayer Pool3DLayer SpatialPyramidPoolingLayer"),
        **_layers("upscale", "Upscale1DLayer Upscale2DLayer Upscale3DLayer"),
    },
    "recurrent": _layers("recurrent", "CustomRecurrentLayer GRULayer LSTMLayer RecurrentLayer"),
    "special": _SPECIAL,
}

#: Modules that want a graphics card in Lasagne, and compute here.
OF_GRAPHICS_CARDS = frozenset(
    f"lasagne.layers.{module}" for module in ("corrmm", "cuda_convnet", "dnn")
)
#: Modules that Lasagne 0.1 does not have, or does not let anyone import without such a card.
NEW_MODULES = OF_GRAPHICS_CARDS | {"lasagne.layers.local", "lasagne.layers.special"}

#: Names that later Lasagne has in the module alone.
_PRIVATE = {"conv_input_length"}

#: Every module that later Lasagne has more names in, and these names.
LATER: Mapping[str, Mapping[str, Later]] = {
    **{f"lasagne.layers.{module}": names for module, names in _LAYERS.items()},
    "lasagne.layers": {
        name: later
        for module, names in _LAYERS.items()
        if f"lasagne.layers.{module}" not in OF_GRAPHICS_CARDS
        for name, later in names.items()
        if name not in _PRIVATE and not later.module.startswith("lasagne.")
    },
    "lasagne.nonlinearities": {
        **_of("nonlinearities", "SELU ScaledTanH elu selu softplus"),
        "ScaledTanh": Later("nonlinearities", "ScaledTanH"),
    },
    "lasagne.objectives": _of(
        "training.objectives",
        "binary_accuracy binary_crossentropy binary_hinge_loss categorical_accuracy huber_loss "
        "multiclass_hinge_loss squared_error",
    ),
    "lasagne.updates": _of("training.updates", "adamax amsgrad"),
    "lasagne.utils": {
        **_of("theano_facade.lasagne_parameters", "create_param"),
        **_of("theano_facade.lasagne_utils", "collect_shared_vars inspect_kwargs"),
    },
}
