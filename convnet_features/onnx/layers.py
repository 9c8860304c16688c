"""From a Lasagne layer to ONNX nodes: one function a class of layers.

Each takes the graph, the layer, the names of its inputs' values and the name
for its result. It gives the name of the result: `output`, or an input's name where
the layer does nothing once trained, as dropout does.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..exceptions import NetworkError
from ..kernels.contract import Pool2DSpec
from ..layers.adaptive_pool import window_shares
from .graph import GraphBuilder
from .nonlinearities import write_activated

__all__ = ["supported_layers", "write_layer"]

Writer = Callable[[GraphBuilder, Any, Sequence[str], str], str]
_WRITERS: dict[str, Writer] = {}


def _writes(*names: str) -> Callable[[Writer], Writer]:
    def register(writer: Writer) -> Writer:
        _WRITERS.update(dict.fromkeys(names, writer))
        return writer

    return register


def supported_layers() -> list[str]:
    """The names of the layer classes that have an ONNX form."""
    return sorted(_WRITERS)


def write_layer(graph: GraphBuilder, layer: Any, inputs: Sequence[str], output: str) -> str:
    """Append what computes `layer`; see the module for the arguments.

    Raises
    ------
    NetworkError
        If the layer, or what one of its arguments asks for, has no ONNX form;
        the text names it.
    """
    # A subclass is written as its base, as long as it computes nothing else.
    layer_class: Any = type(layer)
    for base in layer_class.__mro__:
        if base.__name__ in _WRITERS and _is_known(base):
            if layer_class.get_output_for is base.get_output_for:
                return _WRITERS[base.__name__](graph, layer, inputs, output)
            break
    raise NetworkError(
        f"to_onnx: layer {layer.name!r} ({type(layer).__name__}) has no ONNX form; "
        f"those that have are {', '.join(supported_layers())}."
    )


def _is_known(layer_class: type) -> bool:
    return layer_class.__module__.startswith(("lasagne.", "convnet_features."))


def _unsupported(layer: Any, what: str) -> NetworkError:
    return NetworkError(
        f"to_onnx: layer {layer.name!r} ({type(layer).__name__}, {what}) has no ONNX form."
    )


def _value(parameter: Any) -> np.ndarray:
    if not hasattr(parameter, "get_value"):  # computed from another layer's
        return np.asarray(parameter.eval())
    return np.asarray(parameter.get_value(borrow=True))


@_writes("Conv1DLayer", "Conv2DLayer")
def _convolution(graph: GraphBuilder, layer: Any, inputs: Sequence[str], output: str) -> str:
    if not _is_plain_convolution(layer.convolution):
        raise _unsupported(layer, f"convolution={layer.convolution!r}")
    weights = _value(layer.W)
    if getattr(layer, "flip_filters", True):
        # Theano convolves, ONNX correlates.
        weights = np.flip(weights, axis=tuple(range(2, weights.ndim)))
    before, after = zip(*_pads(layer), strict=True)
    attributes: dict[str, Any] = {"pads": (*before, *after), "strides": layer.stride}
    if getattr(layer, "num_groups", 1) != 1:
        attributes["group"] = layer.num_groups
    if max(getattr(layer, "dilation", (1,))) != 1:
        attributes["dilations"] = layer.dilation
    return _convolved(graph, layer, inputs[0], weights, output, **attributes)


@_writes("TransposedConv2DLayer")
def _transposed_convolution(
    graph: GraphBuilder, layer: Any, inputs: Sequence[str], output: str
) -> str:
    weights = _value(layer.W)
    if not layer.flip_filters:
        # The gradient of a convolution; ONNX has that of a correlation.
        weights = np.flip(weights, axis=(2, 3))
    if layer.extra is None:
        raise _unsupported(layer, f"output_size={layer.output_size}")
    before, after = zip(*_pads(layer), strict=True)
    return _convolved(
        graph,
        layer,
        inputs[0],
        weights,
        output,
        "ConvTranspose",
        pads=(*before, *after),
        strides=layer.stride,
        dilations=layer.dilation,
        group=layer.num_groups,
        output_padding=layer.extra,
    )


@_writes("DilatedConv2DLayer")
def _dilated_convolution(
    graph: GraphBuilder, layer: Any, inputs: Sequence[str], output: str
) -> str:
    weights = _value(layer.W).swapaxes(0, 1)  # channels come first in this layer
    return _convolved(graph, layer, inputs[0], weights, output, dilations=layer.dilation)


def _convolved(
    graph: GraphBuilder,
    layer: Any,
    x: str,
    weights: np.ndarray,
    output: str,
    operator: str = "Conv",
    **attributes: Any,
) -> str:
    """nonlinearity(x correlated with weights, or spread over them, + b)."""
    operands = [x, graph.constant(weights, f"{layer.name}.W")]

    def write(name: str) -> None:
        if layer.b is None:
            graph.add(operator, *operands, output=name, **attributes)
            return
        bias = graph.constant(_value(layer.b), f"{layer.name}.b")
        if layer.untie_biases:
            graph.add("Add", graph.add(operator, *operands, **attributes), bias, output=name)
        else:
            graph.add(operator, *operands, bias, output=name, **attributes)

    return write_activated(graph, layer, output, write)


def _is_plain_convolution(function: Any) -> bool:
    """Whether `function` is the facade's convolution, or Lasagne's one-dimensional dress of it."""
    from lasagne.theano_extensions import conv
    from theano import tensor

    one_dimensional = [getattr(conv, name) for name in vars(conv) if name.startswith("conv1d_")]
    return function is tensor.nnet.conv2d or function in one_dimensional


def _pads(layer: Any) -> list[tuple[int, int]]:
    """Zeros before and behind each axis."""
    dilation = getattr(layer, "dilation", (1,) * len(layer.filter_size))
    extents = [
        (taps - 1) * apart + 1 for taps, apart in zip(layer.filter_size, dilation, strict=True)
    ]
    if layer.pad == "full":
        return [(extent - 1, extent - 1) for extent in extents]
    if layer.pad == "same":
        return [(extent // 2, (extent - 1) // 2) for extent in extents]
    return [(pad, pad) for pad in layer.pad]


@_writes("NINLayer")
def _network_in_network(graph: GraphBuilder, layer: Any, inputs: Sequence[str], output: str) -> str:
    spatial = len(layer.input_shape) - 2
    if not spatial:
        raise _unsupported(layer, "on an input of two dimensions")
    weights = _value(layer.W).T.reshape(layer.num_units, -1, *[1] * spatial)
    return _convolved(graph, layer, inputs[0], weights, output)


@_writes("DenseLayer")
def _dense(graph: GraphBuilder, layer: Any, inputs: Sequence[str], output: str) -> str:
    (x,) = inputs
    if getattr(layer, "num_leading_axes", 1) != 1:
        raise _unsupported(layer, f"num_leading_axes={layer.num_leading_axes}")
    if len(layer.input_shape) > 2:
        x = graph.add("Flatten", x, axis=1)
    operands = [x, graph.constant(_value(layer.W), f"{layer.name}.W")]
    if layer.b is not None:
        operands.append(graph.constant(_value(layer.b), f"{layer.name}.b"))
    return write_activated(
        graph, layer, output, lambda name: graph.add("Gemm", *operands, output=name)
    )


@_writes("NonlinearityLayer")
def _nonlinearity(graph: GraphBuilder, layer: Any, inputs: Sequence[str], output: str) -> str:
    return write_activated(
        graph, layer, output, lambda name: graph.add("Identity", inputs[0], output=name)
    )


@_writes("ParametricRectifierLayer")
def _parametric_rectifier(
    graph: GraphBuilder, layer: Any, inputs: Sequence[str], output: str
) -> str:
    if 0 not in layer.shared_axes:
        raise _unsupported(layer, f"shared_axes={layer.shared_axes}")
    sizes = [
        1 if axis in layer.shared_axes else size for axis, size in enumerate(layer.input_shape)
    ]
    slopes = _value(layer.alpha).reshape(sizes[1:])
    return graph.add(
        "PRelu", inputs[0], graph.constant(slopes, f"{layer.name}.alpha"), output=output
    )


@_writes("ScaleLayer")
def _scale(graph: GraphBuilder, layer: Any, inputs: Sequence[str], output: str) -> str:
    scales = graph.constant(_spread(layer, layer.scales), f"{layer.name}.scales")
    return graph.add("Mul", inputs[0], scales, output=output)


@_writes("BiasLayer")
def _bias(graph: GraphBuilder, layer: Any, inputs: Sequence[str], output: str) -> str:
    if layer.b is None:
        return inputs[0]
    bias = graph.constant(_spread(layer, layer.b), f"{layer.name}.b")
    return graph.add("Add", inputs[0], bias, output=output)


def _spread(layer: Any, parameter: Any) -> np.ndarray:
    """A parameter with axes of size 1 where it is shared."""
    return np.expand_dims(_value(parameter), layer.shared_axes)


@_writes("DropoutLayer", "GaussianNoiseLayer")
def _noise(graph: GraphBuilder, layer: Any, inputs: Sequence[str], output: str) -> str:
    return inputs[0]


@_writes("MaxPool1DLayer", "Pool2DLayer", "MaxPool2DLayer")
def _pooling(graph: GraphBuilder, layer: Any, inputs: Sequence[str], output: str) -> str:
    mode = getattr(layer, "mode", "max")
    pads = [
        (pad, pad if layer.ignore_border else _overhang(size, extent, step))
        for size, extent, step, pad in zip(
            layer.input_shape[2:], layer.pool_size, layer.stride, layer.pad, strict=True
        )
    ]
    before, after = zip(*pads, strict=True)
    attributes: dict[str, Any] = {
        "kernel_shape": layer.pool_size,
        "pads": (*before, *after),
        "strides": layer.stride,
    }
    if mode == "max":
        return graph.add("MaxPool", inputs[0], output=output, **attributes)
    # Pixels beyond the border count as zeros in a sum, and not at all in an average.
    counted = mode == "sum" or (mode == "average_inc_pad" and layer.ignore_border)
    attributes["count_include_pad"] = int(counted)
    if mode != "sum":
        return graph.add("AveragePool", inputs[0], output=output, **attributes)
    mean = graph.add("AveragePool", inputs[0], **attributes)
    size = graph.constant(np.float32(math.prod(layer.pool_size)), f"{layer.name}/window")
    return graph.add("Mul", mean, size, output=output)


def _overhang(size: int, extent: int, step: int) -> int:
    """How far the last window reaches beyond the image where windows may."""
    spec = Pool2DSpec((extent, 1), (step, 1), ignore_border=False)
    windows = spec.output_shape((1, 1, size, 1))[2]
    return max(0, (windows - 1) * step + extent - size)


@_writes("FeaturePoolLayer")
def _feature_pooling(graph: GraphBuilder, layer: Any, inputs: Sequence[str], output: str) -> str:
    sizes = [0 if size is None else size for size in layer.input_shape]
    axis = layer.axis
    groups = [*sizes[:axis], sizes[axis] // layer.pool_size, layer.pool_size, *sizes[axis + 1 :]]
    if 0 in groups[1:]:
        raise _unsupported(layer, f"axis={axis}")
    grouped = graph.add("Reshape", inputs[0], graph.sizes(groups, f"{layer.name}/groups"))
    return _reduced(graph, layer, grouped, axis + 1, output)


@_writes("GlobalPoolLayer")
def _global_pooling(graph: GraphBuilder, layer: Any, inputs: Sequence[str], output: str) -> str:
    shape = graph.sizes([0, 0, math.prod(layer.input_shape[2:])], f"{layer.name}/shape")
    flat = graph.add("Reshape", inputs[0], shape)
    return _reduced(graph, layer, flat, 2, output)


def _reduced(graph: GraphBuilder, layer: Any, x: str, axis: int, output: str) -> str:
    from theano import tensor

    function = layer.pool_function
    for known, operator in (
        (tensor.max, "ReduceMax"),
        (tensor.min, "ReduceMin"),
        (tensor.mean, "ReduceMean"),
        (tensor.sum, "ReduceSum"),
    ):
        if function is known:
            return graph.reduce(operator, x, axis, output)
    raise _unsupported(layer, f"pool_function={getattr(function, '__name__', function)}")


def _check_cropping(layer: Any) -> None:
    if getattr(layer, "cropping", None) is not None:
        raise _unsupported(layer, f"cropping={layer.cropping}")


@_writes("ConcatLayer")
def _concatenation(graph: GraphBuilder, layer: Any, inputs: Sequence[str], output: str) -> str:
    _check_cropping(layer)
    return graph.add("Concat", *inputs, output=output, axis=layer.axis)


@_writes("ElemwiseSumLayer")
def _sum(graph: GraphBuilder, layer: Any, inputs: Sequence[str], output: str) -> str:
    _check_cropping(layer)
    terms = [
        x if factor == 1 else graph.add("Mul", x, graph.constant(np.float32(factor), "factor"))
        for x, factor in zip(inputs, layer.coeffs, strict=True)
    ]
    return graph.add("Sum", *terms, output=output)


@_writes("ChoiceLayer")
def _choice(graph: GraphBuilder, layer: Any, inputs: Sequence[str], output: str) -> str:
    condition, *values = inputs
    holds = graph.add("Greater", condition, graph.constant(np.float32(0), "number"))
    first, second = (
        values.pop(0) if number is None else graph.constant(np.float32(number), "number")
        for number in (layer.first, layer.second)
    )
    return graph.add("Where", holds, first, second, output=output)


@_writes("BroadcastMergeLayer", "ElemwiseMergeLayer")
def _merge(graph: GraphBuilder, layer: Any, inputs: Sequence[str], output: str) -> str:
    from theano import tensor

    _check_cropping(layer)

    function = layer.merge_function
    operators = (
        (tensor.add, "Sum"),
        (tensor.maximum, "Max"),
        (tensor.minimum, "Min"),
        (tensor.mul, "Mul"),
        (tensor.sub, "Sub"),
        (tensor.true_div, "Div"),
    )
    operator = next((name for known, name in operators if function is known), None)
    if operator is None:
        raise _unsupported(layer, f"merge_function={getattr(function, '__name__', function)}")
    if operator in ("Sum", "Max", "Min"):
        return graph.add(operator, *inputs, output=output)
    merged = inputs[0]
    for x in inputs[1:-1]:
        merged = graph.add(operator, merged, x)
    return graph.add(operator, merged, inputs[-1], output=output)


@_writes("FlattenLayer", "ReshapeLayer")
def _reshape(graph: GraphBuilder, layer: Any, inputs: Sequence[str], output: str) -> str:
    _, *sizes = layer.output_shape
    if not sizes or None in sizes or None in layer.input_shape[1:]:
        raise _unsupported(layer, f"output_shape={layer.output_shape}")
    if math.prod(sizes) != math.prod(layer.input_shape[1:]):
        raise _unsupported(layer, f"output_shape={layer.output_shape}, which mixes samples")
    shape = graph.sizes([0, *sizes], f"{layer.name}/shape")
    return graph.add("Reshape", inputs[0], shape, output=output)


@_writes("DimshuffleLayer")
def _dimshuffle(graph: GraphBuilder, layer: Any, inputs: Sequence[str], output: str) -> str:
    kept = [axis for axis in layer.pattern if axis != "x"]
    dropped = [axis for axis in range(len(layer.input_shape)) if axis not in kept]
    added = [position for position, axis in enumerate(layer.pattern) if axis == "x"]
    (x,) = inputs
    if dropped:
        x = graph.add("Squeeze", x, graph.sizes(dropped, f"{layer.name}/dropped"))
    x = graph.add(
        "Transpose", x, output=None if added else output, perm=np.argsort(np.argsort(kept)).tolist()
    )
    if added:
        x = graph.add("Unsqueeze", x, graph.sizes(added, f"{layer.name}/added"), output=output)
    return x


@_writes("PadLayer")
def _padding(graph: GraphBuilder, layer: Any, inputs: Sequence[str], output: str) -> str:
    n_padded = len(layer.input_shape) - layer.batch_ndim
    widths = [layer.width] * n_padded if isinstance(layer.width, int) else list(layer.width)
    pairs = [(0, 0)] * layer.batch_ndim
    pairs += [(w, w) if isinstance(w, int) else tuple(w) for w in widths]
    before, after = zip(*pairs, strict=True)
    pads = graph.sizes((*before, *after), f"{layer.name}/pads")
    value = graph.constant(np.float32(layer.val), f"{layer.name}/value")
    return graph.add("Pad", inputs[0], pads, value, output=output)


@_writes("SliceLayer")
def _slice(graph: GraphBuilder, layer: Any, inputs: Sequence[str], output: str) -> str:
    axis = layer.axis % len(layer.input_shape)
    size = layer.input_shape[axis]
    if size is None:
        raise _unsupported(layer, f"axis={layer.axis}, the samples'")
    if not isinstance(layer.slice, slice):
        index = graph.constant(np.int64(layer.slice), f"{layer.name}/index")
        return graph.add("Gather", inputs[0], index, output=output, axis=axis)
    start, stop, step = layer.slice.indices(size)
    # A negative stop would count from the end once more.
    stop = stop if stop >= 0 else -size - 1
    bounds = [graph.sizes([v], f"{layer.name}/bound") for v in (start, stop, axis, step)]
    return graph.add("Slice", inputs[0], *bounds, output=output)


@_writes("LocalResponseNormalization2DLayer")
def _response_normalisation(
    graph: GraphBuilder, layer: Any, inputs: Sequence[str], output: str
) -> str:
    # ONNX divides alpha by the number of channels summed over; Lasagne does not.
    return graph.add(
        "LRN",
        inputs[0],
        output=output,
        alpha=float(layer.alpha * layer.n),
        beta=float(layer.beta),
        bias=float(layer.k),
        size=int(layer.n),
    )


@_writes("PixelScaleLayer")
def _pixel_scale(graph: GraphBuilder, layer: Any, inputs: Sequence[str], output: str) -> str:
    scale, shift = (
        graph.constant(each[:, None, None], f"{layer.name}.{name}")
        for each, name in zip(layer.scale_and_shift, ("scale", "shift"), strict=True)
    )
    return graph.add("Add", graph.add("Mul", inputs[0], scale), shift, output=output)


@_writes("StandardizationLayer")
def _standardisation(graph: GraphBuilder, layer: Any, inputs: Sequence[str], output: str) -> str:
    (x,), shape, rank = inputs, layer.input_shape, len(layer.input_shape)
    if rank > 2 and layer.axes == tuple(range(2, rank)) and None not in shape[1:]:
        return _standardised(graph, layer, x, shape[1], output)
    if rank > 2 and layer.axes == tuple(range(1, rank)) and None not in shape[1:]:
        groups = graph.sizes([0, layer.num_groups, -1], f"{layer.name}/groups")
        y = _standardised(graph, layer, graph.add("Reshape", x, groups), layer.num_groups)
        return graph.add("Reshape", y, graph.sizes([0, *shape[1:]], "shape"), output=output)
    if layer.axes != tuple(range(layer.axes[0], rank)) or None in shape[layer.axes[0] :]:
        raise _unsupported(layer, f"axes={layer.axes}")
    ones = graph.constant(np.ones(shape[layer.axes[0] :], np.float32), "ones")
    return graph.add(
        "LayerNormalization", x, ones, output=output, axis=layer.axes[0], epsilon=layer.epsilon
    )


def _standardised(
    graph: GraphBuilder, layer: Any, x: str, channels: int, output: str | None = None
) -> str:
    """Each channel by itself."""
    ones, zeros = (
        graph.constant(np.full(channels, value, np.float32), "number") for value in (1, 0)
    )
    return graph.add("InstanceNormalization", x, ones, zeros, output=output, epsilon=layer.epsilon)


@_writes("TakeLayer")
def _taken(graph: GraphBuilder, layer: Any, inputs: Sequence[str], output: str) -> str:
    places = graph.sizes(layer.indices, f"{layer.name}/indices")
    return graph.add("Gather", inputs[0], places, output=output, axis=layer.axis)


@_writes("MatMulLayer")
def _product(graph: GraphBuilder, layer: Any, inputs: Sequence[str], output: str) -> str:
    return graph.add("MatMul", *inputs, output=output)


@_writes("ResizeLayer")
def _resize(graph: GraphBuilder, layer: Any, inputs: Sequence[str], output: str) -> str:
    own = layer.input_shape[2:]
    ratios = layer.ratios or [size / after for size, after in zip(own, layer.size, strict=True)]
    scales = np.divide(1, ratios, dtype=np.float32)
    bounds = ["", "", graph.sizes(layer.size, f"{layer.name}/size")]
    if not np.allclose(scales, np.divide(layer.size, own), rtol=1e-6, atol=0):
        if np.floor(np.asarray(own, np.float32) * scales).astype(int).tolist() != list(layer.size):
            raise _unsupported(layer, f"size={layer.size}, ratios={layer.ratios}")
        bounds = ["", graph.constant(scales, f"{layer.name}/scales")]
    attributes: dict[str, Any] = {"mode": "linear"}
    if layer.mode == "bicubic":
        attributes = {"mode": "cubic", "cubic_coeff_a": layer.cubic_coeff}
    align = "align_corners" if layer.align == "corners" else layer.align
    return graph.add(
        "Resize",
        inputs[0],
        *bounds,
        output=output,
        axes=list(range(2, 2 + len(own))),
        coordinate_transformation_mode=align,
        **attributes,
    )


@_writes("Upscale1DLayer", "Upscale2DLayer", "Upscale3DLayer")
def _upscaled(graph: GraphBuilder, layer: Any, inputs: Sequence[str], output: str) -> str:
    factors = layer.scale_factor
    if layer.mode == "repeat":
        scales = graph.constant(np.array([1, 1, *factors], np.float32), f"{layer.name}/scales")
        return graph.add(
            "Resize",
            inputs[0],
            "",
            scales,
            output=output,
            mode="nearest",
            coordinate_transformation_mode="asymmetric",
            nearest_mode="floor",
        )
    # Each pixel on axes of its own, which zeros make longer.
    channels, *sizes = layer.input_shape[1:]
    n = len(factors)
    apart = [size for pair in zip(sizes, [1] * n, strict=True) for size in pair]
    shape = graph.sizes([0, channels, *apart], f"{layer.name}/apart")
    alone = graph.add("Reshape", inputs[0], shape)
    behind = [extra for factor in factors for extra in (0, factor - 1)]
    pads = graph.sizes([0] * (2 + 2 * n) + [0, 0, *behind], f"{layer.name}/pads")
    padded = graph.add("Pad", alone, pads)
    shape = graph.sizes([0, *layer.output_shape[1:]], f"{layer.name}/shape")
    return graph.add("Reshape", padded, shape, output=output)


@_writes("AdaptivePool2DLayer")
def _adaptive_pooling(graph: GraphBuilder, layer: Any, inputs: Sequence[str], output: str) -> str:
    """The shares of pixels in windows, along the columns and then along the rows."""
    x = inputs[0]
    for axis in (1, 0):
        shares = window_shares(layer.input_shape[2 + axis], layer.size[axis])
        weights = graph.constant(shares.T.copy(), f"{layer.name}/shares")
        x = graph.add("MatMul", x, weights)
        last = {"output": output} if axis == 0 else {}
        x = graph.add("Transpose", x, perm=[0, 1, 3, 2], **last)
    return x


@_writes("BatchNormLayer")
def _normalisation(graph: GraphBuilder, layer: Any, inputs: Sequence[str], output: str) -> str:
    if layer.axes != (0, *range(2, len(layer.input_shape))):
        raise _unsupported(layer, f"axes={layer.axes}")
    count = layer.input_shape[1]
    gamma = np.ones(count, np.float32) if layer.gamma is None else _value(layer.gamma)
    beta = np.zeros(count, np.float32) if layer.beta is None else _value(layer.beta)
    # The layer keeps 1 / sqrt(variance + its epsilon).
    variance = (1 / np.square(np.float64(_value(layer.inv_std)))).astype(np.float32)
    statistics = {"gamma": gamma, "beta": beta, "mean": _value(layer.mean), "variance": variance}
    operands = [graph.constant(value, f"{layer.name}.{key}") for key, value in statistics.items()]
    return graph.add("BatchNormalization", inputs[0], *operands, output=output, epsilon=0.0)
