"""Every layer that has an ONNX form, in small networks for images of 2×9×11."""

from __future__ import annotations

from lasagne import layers as ll
from lasagne import nonlinearities as nl
from lasagne.init import Constant
from lasagne.theano_extensions import conv as conv1d
from theano import tensor

from convnet_features import nonlinearities as own
from convnet_features.layers import (
    AdaptivePool2DLayer,
    BatchNormLayer,
    BiasLayer,
    BroadcastMergeLayer,
    ChoiceLayer,
    Conv2DLayer,
    DilatedConv2DLayer,
    MatMulLayer,
    ParametricRectifierLayer,
    PixelScaleLayer,
    ResizeLayer,
    ScaleLayer,
    StandardizationLayer,
    TakeLayer,
    TransposedConv2DLayer,
    Upscale1DLayer,
    Upscale2DLayer,
    Upscale3DLayer,
)

CONV = ("conv", ll.Conv2DLayer, {"num_filters": 3, "filter_size": (3, 5)})


def _conv(layer=ll.Conv2DLayer, **params):
    return [("conv", layer, {"num_filters": 3, "filter_size": (3, 4), **params})]


def _pool(layer=ll.Pool2DLayer, **params):
    return [("pool", layer, {"pool_size": (2, 3), **params})]


def _after_conv(layer, **params):
    return [CONV, ("layer", layer, params)]


def _merged(layer, **params):
    return [
        ("a", ll.Conv2DLayer, {"num_filters": 3, "filter_size": 3, "incoming": "input"}),
        ("b", ll.Conv2DLayer, {"num_filters": 3, "filter_size": 3, "incoming": "input"}),
        ("merged", layer, {"incomings": ["a", "b"], **params}),
    ]


def _one_dimensional(layer, **params):
    return [
        ("rows", ll.ReshapeLayer, {"shape": ([0], 18, 11)}),
        ("layer", layer, params),
    ]


NETWORKS = {
    "conv valid": _conv(),
    "conv same": _conv(pad="same"),
    "conv same, strided": _conv(pad="same", stride=(2, 3)),
    "conv full": _conv(pad="full"),
    "conv padded, strided": _conv(pad=(1, 2), stride=(2, 1)),
    "conv without bias": _conv(b=None),
    "conv grouped": _conv(layer=Conv2DLayer, num_filters=4, num_groups=2, pad="same"),
    "conv depthwise, strided": _conv(
        layer=Conv2DLayer, num_filters=2, num_groups=2, stride=2, flip_filters=False
    ),
    "conv grouped, untied biases": _conv(
        layer=Conv2DLayer, num_filters=4, num_groups=2, untie_biases=True
    ),
    "conv dilated": _conv(layer=Conv2DLayer, dilation=(2, 1), pad="same"),
    "conv dilated, full": _conv(layer=Conv2DLayer, dilation=(1, 2), pad="full", b=None),
    "conv untied biases": _conv(untie_biases=True),
    "conv 1d": _one_dimensional(
        ll.Conv1DLayer, num_filters=4, filter_size=3, pad="same", convolution=conv1d.conv1d_mc0
    ),
    "transposed conv": _conv(layer=TransposedConv2DLayer, stride=(2, 3), crop=(1, 0)),
    "transposed conv of a correlation, grouped": _conv(
        layer=TransposedConv2DLayer, num_filters=4, num_groups=2, flip_filters=True, b=None
    ),
    "transposed conv, larger": _conv(
        layer=TransposedConv2DLayer, stride=(2, 3), output_size=(20, 35), untie_biases=True
    ),
    "transposed conv, dilated": _conv(layer=TransposedConv2DLayer, dilation=(2, 1), crop="full"),
    "nin": [CONV, ("nin", ll.NINLayer, {"num_units": 5})],
    "nin untied": [CONV, ("nin", ll.NINLayer, {"num_units": 5, "untie_biases": True})],
    "nin without bias": [CONV, ("nin", ll.NINLayer, {"num_units": 5, "b": None})],
    "max pool": _pool(ll.MaxPool2DLayer),
    "max pool, strided, padded": _pool(ll.MaxPool2DLayer, pool_size=3, stride=2, pad=(1, 1)),
    "max pool to the border": _pool(ll.MaxPool2DLayer, ignore_border=False),
    "max pool to the border, overlapping": _pool(
        ll.MaxPool2DLayer, pool_size=4, stride=3, ignore_border=False
    ),
    "max pool to the border, gaps": _pool(
        ll.MaxPool2DLayer, pool_size=2, stride=4, ignore_border=False
    ),
    "max pool 1d": _one_dimensional(ll.MaxPool1DLayer, pool_size=3, ignore_border=False),
    "sum pool": _pool(mode="sum"),
    "sum pool to the border": _pool(mode="sum", ignore_border=False),
    "average pool": _pool(mode="average_inc_pad", pad=(1, 2)),
    "average pool without pads": _pool(mode="average_exc_pad", pad=(1, 2)),
    "average pool to the border": _pool(mode="average_inc_pad", ignore_border=False),
    "average pool to the border without pads": _pool(
        mode="average_exc_pad", pool_size=(4, 4), ignore_border=False
    ),
    "feature pool": _after_conv(ll.FeaturePoolLayer, pool_size=3),
    "feature pool, mean of rows": _after_conv(
        ll.FeaturePoolLayer, pool_size=7, axis=2, pool_function=tensor.mean
    ),
    "global mean": _after_conv(ll.GlobalPoolLayer),
    "global max": _after_conv(ll.GlobalPoolLayer, pool_function=tensor.max),
    "global sum": _after_conv(ll.GlobalPoolLayer, pool_function=tensor.sum),
    "concat": _merged(ll.ConcatLayer),
    "concat rows": _merged(ll.ConcatLayer, axis=2),
    "elemwise sum": _merged(ll.ElemwiseSumLayer),
    "elemwise sum, weighted": _merged(ll.ElemwiseSumLayer, coeffs=[0.5, -2.0]),
    "elemwise maximum": _merged(ll.ElemwiseMergeLayer, merge_function=tensor.maximum),
    "elemwise product": _merged(ll.ElemwiseMergeLayer, merge_function=tensor.mul),
    "elemwise difference": _merged(ll.ElemwiseMergeLayer, merge_function=tensor.sub),
    "squeeze and excitation": [
        CONV,
        ("pooled", ll.GlobalPoolLayer),
        ("gates", ll.DenseLayer, {"num_units": 3, "nonlinearity": own.HardSigmoid()}),
        ("columns", ll.DimshuffleLayer, {"pattern": (0, 1, "x", "x")}),
        (
            "excited",
            BroadcastMergeLayer,
            {"incomings": ["conv", "columns"], "merge_function": tensor.mul},
        ),
    ],
    "adaptive pool": _after_conv(AdaptivePool2DLayer, size=(4, 3)),
    "dilated conv": _conv(layer=DilatedConv2DLayer, dilation=(2, 1)),
    "dilated conv, untied biases": _conv(
        layer=DilatedConv2DLayer, dilation=(1, 2), untie_biases=True
    ),
    "upscale": _after_conv(Upscale2DLayer, scale_factor=(2, 3)),
    "upscale with zeros": _after_conv(Upscale2DLayer, scale_factor=(2, 3), mode="dilate"),
    "upscale rows": _one_dimensional(Upscale1DLayer, scale_factor=2),
    "upscale rows with zeros": _one_dimensional(Upscale1DLayer, scale_factor=3, mode="dilate"),
    "upscale volumes": [
        CONV,
        ("volumes", ll.ReshapeLayer, {"shape": ([0], 1, 3, 7, 7)}),
        ("layer", Upscale3DLayer, {"scale_factor": (1, 2, 2)}),
    ],
    "choice": [
        CONV,
        ("condition", ll.NonlinearityLayer, {"nonlinearity": own.Comparison(">", 0.1)}),
        ("bent", ll.NonlinearityLayer, {"nonlinearity": nl.tanh, "incoming": "conv"}),
        ("chosen", ChoiceLayer, {"incomings": ["condition", "conv", "bent"]}),
    ],
    "choice, a number": [
        CONV,
        ("condition", ll.NonlinearityLayer, {"nonlinearity": own.Comparison("<=", 0.1)}),
        ("chosen", ChoiceLayer, {"incomings": ["condition", "conv"], "second": -0.5}),
    ],
    "parametric rectifier": _after_conv(ParametricRectifierLayer, alpha=Constant(0.3)),
    "parametric rectifier of units": [
        *_after_conv(ll.DenseLayer, num_units=6, nonlinearity=None),
        ("rectifier", ParametricRectifierLayer),
    ],
    "flatten": _after_conv(ll.FlattenLayer),
    "flatten maps": _after_conv(ll.FlattenLayer, outdim=3),
    "reshape": _after_conv(ll.ReshapeLayer, shape=([0], 7, -1)),
    "dimshuffle": _after_conv(ll.DimshuffleLayer, pattern=(0, 3, 1, 2)),
    "dimshuffle, new axis": _after_conv(ll.DimshuffleLayer, pattern=(0, "x", 2, 1, 3)),
    "pad": _after_conv(ll.PadLayer, width=[(1, 2), (0, 3)], val=0.5),
    "slice": _after_conv(ll.SliceLayer, indices=slice(1, -1), axis=2),
    "slice backwards": _after_conv(ll.SliceLayer, indices=slice(None, None, -2), axis=3),
    "one of a slice": _after_conv(ll.SliceLayer, indices=1, axis=1),
    "response normalisation": _after_conv(
        ll.LocalResponseNormalization2DLayer, alpha=0.1, k=1.5, n=3
    ),
    "batch normalisation": _after_conv(BatchNormLayer),
    "batch normalisation of units": [
        *_after_conv(ll.DenseLayer, num_units=6, nonlinearity=None),
        ("norm", BatchNormLayer, {"gamma": None, "beta": None}),
    ],
    "instance normalisation": _after_conv(StandardizationLayer, epsilon=0.1),
    "layer normalisation": _after_conv(StandardizationLayer, axes="features"),
    "layer normalisation of units": [
        *_after_conv(ll.DenseLayer, num_units=6),
        ("norm", StandardizationLayer),
    ],
    "layer normalisation of columns": _after_conv(StandardizationLayer, axes=-1),
    "group normalisation": [
        ("conv", ll.Conv2DLayer, {"num_filters": 6, "filter_size": 3}),
        ("norm", StandardizationLayer, {"axes": "features", "num_groups": 2}),
    ],
    "taken": _after_conv(TakeLayer, indices=[2, 0, 0, -1]),
    "taken columns": _after_conv(TakeLayer, indices=[6, 1, 2], axis=3),
    "product of two": [
        CONV,
        ("turned", ll.DimshuffleLayer, {"pattern": (0, 1, 3, 2)}),
        ("product", MatMulLayer, {"incomings": ["conv", "turned"]}),
    ],
    **{
        f"resize {mode}, {align}": _after_conv(ResizeLayer, size=(5, 13), mode=mode, align=align)
        for mode in ("bilinear", "bicubic")
        for align in ("half_pixel", "corners", "asymmetric")
    },
    "resize by a ratio": _after_conv(ResizeLayer, size=(10, 15), ratios=(0.65, 0.45)),
    "softmax of channels": _after_conv(ll.NonlinearityLayer, nonlinearity=own.SoftmaxAlong(1)),
    "log softmax of columns": _after_conv(
        ll.NonlinearityLayer, nonlinearity=own.SoftmaxAlong(3, log=True)
    ),
    "pixels scaled": [
        ("scaled", PixelScaleLayer, {"mean": [0.1, 0.4], "std": [0.3, 0.2]}),
        CONV,
    ],
    "scales": _after_conv(ScaleLayer),
    "scales of pixels": _after_conv(ScaleLayer, shared_axes=(0, 1)),
    "biases": [CONV, ("pooled", ll.MaxPool2DLayer, {"pool_size": 2}), ("moved", BiasLayer)],
    "biases of rows": _after_conv(BiasLayer, shared_axes=(0, 1, 3)),
    "no biases": _after_conv(BiasLayer, b=None),
    "dense": _after_conv(ll.DenseLayer, num_units=6),
    "dense without bias": _after_conv(ll.DenseLayer, num_units=6, b=None),
    "dropout": [CONV, ("noise", ll.DropoutLayer), ("dense", ll.DenseLayer, {"num_units": 6})],
    "gaussian noise": [CONV, ("noise", ll.GaussianNoiseLayer)],
    **{
        f"nonlinearity {name}": _after_conv(ll.DenseLayer, num_units=6, nonlinearity=function)
        for name, function in {
            "identity": nl.identity,
            "leaky": nl.LeakyRectify(0.2),
            "none": None,
            "sigmoid": nl.sigmoid,
            "softmax": nl.softmax,
            "tanh": nl.tanh,
            "celu": own.Celu(0.7),
            "clip": own.Clip(-0.3, 0.4),
            "clip above": own.Clip(high=0.4),
            "clip below": own.Clip(low=-0.4),
            "elu": own.Elu(0.7),
            "erf": own.erf,
            "gelu": own.gelu,
            "gelu_tanh": own.gelu_tanh,
            "hard sigmoid": own.HardSigmoid(0.3, 0.4),
            "hard_swish": own.hard_swish,
            "mish": own.mish,
            "relu6": own.relu6,
            "selu": own.Selu(),
            "softplus": own.softplus,
            "softsign": own.softsign,
            "swish": own.swish,
        }.items()
    },
    **{
        f"function {name}": [
            *_after_conv(ll.DenseLayer, num_units=6, nonlinearity=own.HardSigmoid(1e-3)),
            ("function", ll.NonlinearityLayer, {"nonlinearity": function}),
        ]
        for name, function in {
            "absolute": tensor.abs_,
            "exponential": tensor.exp,
            "logarithm": tensor.log,
            "negated": tensor.neg,
            "power": own.Power(1.7),
            "reciprocal": tensor.inv,
            **{relation: own.Comparison(relation, 0.5) for relation in (">", ">=", "<", "!=")},
            "root": tensor.sqrt,
            "sine": tensor.sin,
            "square": tensor.sqr,
        }.items()
    },
    "nonlinearity alone": _after_conv(ll.NonlinearityLayer, nonlinearity=nl.tanh),
    "nonlinearity twice": [
        *_after_conv(ll.NonlinearityLayer, nonlinearity=nl.tanh),
        ("again", ll.NonlinearityLayer, {"nonlinearity": nl.sigmoid}),
    ],
}
