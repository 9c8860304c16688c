"""Layers gathered into graphs of stages, which grow layer by layer.

A layer joins the graph in front of it if nothing else reads that graph. So every
graph has a single result here; `merging` puts graphs together.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

from pytensor.compile.sharedvalue import SharedVariable
from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.scalar import basic as scalar
from pytensor.scalar.math import Sigmoid
from pytensor.tensor.basic import Join, constant, make_vector
from pytensor.tensor.elemwise import DimShuffle
from pytensor.tensor.math import Dot
from pytensor.tensor.shape import Reshape, Shape, Shape_i

from ..kernels.contract import (
    Activation,
    ConcatStage,
    Conv2DSpec,
    ConvStage,
    DenseStage,
    ElementwiseStage,
    MaskStage,
    Node,
    NormStage,
    Pool2DSpec,
    PoolStage,
    ProductStage,
    Stage,
    StageGraph,
    SumStage,
)
from ..ops.batch_norm import BatchNorm, ChannelAffine
from ..ops.conv2d import Conv2D
from ..ops.pool2d import Pool2D
from ..ops.random import Bernoulli, Draw
from ..ops.stages import Stages
from ..ops.static import static_vector
from .averages import averaged_maps
from .functions import function_of
from .naming import layers_of
from .patterns import joined_arrays, only_client, rectified, split_by
from .views import seen_through

__all__ = ["OF_STAGES"]


#: A longer run of layers becomes several graphs, which `merging` puts together: a graph is built
#: anew for each stage that it grows by.
LONGEST = 16


def fuse_convolution(fgraph: FunctionGraph, node: Apply) -> Variable | None:
    """conv2d(x, w) as a stage behind the graph that made x, if there is one."""
    if not _float32(node):
        return None
    x, w = node.inputs
    # Averages of maps come as rows: here they are images of one pixel again.
    x = seen_through(x, lambda value: value.type.ndim == 4 and _is_of_stages(value))
    return _extended(fgraph, x, node, ConvStage(node.op.spec, bias=False), w)


def fuse_pooling(fgraph: FunctionGraph, node: Apply) -> Variable | None:
    """pool2d(x) as a stage; a maximum is taken before the nonlinearity in front of it.

    Every nonlinearity that a stage can have is monotone, so it commutes with
    the maximum, and a quarter of the data (for 2×2 windows) goes through it.
    """
    x = node.inputs[0]
    if not _is_of_stages(x) or not _float32(node):
        return None
    pool, inner = PoolStage(node.op.spec), _stages_behind(fgraph, x, node)
    if inner is None:
        return _extended(fgraph, x, node, pool)
    graph = inner.op.graph
    last = graph.last
    if node.op.spec.mode == "max" and last.leaves_activation and last.activation:
        pool = replace(pool, activation=last.activation)
        graph = graph.with_last(last.with_activation("linear"))
    return _rebuilt(fgraph, inner, node, graph.followed_by(pool), *inner.inputs)


def fuse_dense(fgraph: FunctionGraph, node: Apply) -> Variable | None:
    """x @ w as a stage, straight from the images where x is a graph's result, flattened."""
    if any(value.type.ndim != 2 for value in node.inputs) or not _float32(node):
        return None
    x, w = node.inputs
    images = _flattened_images(fgraph, x, node)
    if images is not None:
        return _extended(fgraph, images, x.owner, DenseStage(bias=False), w)
    x = seen_through(x, _is_of_stages)
    return _extended(fgraph, x, node, DenseStage(bias=False), w)


def fuse_bias(fgraph: FunctionGraph, node: Apply) -> Variable | None:
    """y + b, one number a filter or a unit, as part of the stage that made y."""
    parts = split_by(
        list(node.inputs), lambda value: _stages_behind(fgraph, value, node) is not None
    )
    if parts is None:
        return None
    y, addend = parts
    inner = y.owner
    last = inner.op.graph.last
    order = ("x", 0, "x", "x") if y.type.ndim == 4 else ("x", 0)
    if last.units_axis is None or "b" in last.params or last.activation != "linear":
        return None
    shuffle = addend.owner
    if shuffle is None or not isinstance(shuffle.op, DimShuffle):
        return None
    bias = shuffle.inputs[0]
    if tuple(shuffle.op.new_order) != order or bias.type.dtype != "float32":
        return None
    # One bias for all filters, or one filter for all biases, is broadcasting and no bias.
    if bias.type.shape[0] != y.type.shape[1] and 1 in (bias.type.shape[0], y.type.shape[1]):
        return None
    graph = inner.op.graph.with_last(last.with_bias())
    return _rebuilt(fgraph, inner, node, graph, *inner.inputs, bias)


def fuse_affine(fgraph: FunctionGraph, node: Apply) -> Variable | None:
    """scale · y + shift, one number each a filter or a unit, as other weights of the layer of y.

    Batch normalisation in inference is such an expression: with w' = scale · w and
    b' = scale · b + shift nothing of it is left but a layer.
    """
    y, scale, shift = node.inputs
    if not _is_of_stages(y) or not _float32(node):
        return None
    inner = _stages_behind(fgraph, y, node)
    if inner is None:
        return _affine_alone(fgraph, node)
    last = inner.op.graph.last
    if last.units_axis is None or last.activation != "linear":
        return _affine_alone(fgraph, node)
    params = inner.inputs[len(inner.inputs) - last.n_params :]
    w = params[0]
    if None in w.type.shape or scale.type.shape != (y.type.shape[1],):
        return None
    axes = [0 if axis == last.units_axis else "x" for axis in range(w.type.ndim)]
    scaled = w * scale.dimshuffle(*axes)
    bias = params[1] * scale + shift if "b" in last.params else shift
    activation: Activation = "rectify" if node.op.rectify else "linear"
    graph = inner.op.graph.with_last(last.with_bias().with_activation(activation))
    kept = inner.inputs[: len(inner.inputs) - last.n_params]
    return _rebuilt(fgraph, inner, node, graph, *kept, scaled, bias)


def _affine_alone(fgraph: FunctionGraph, node: Apply) -> Variable | None:
    """scale · y + shift of images as a convolution of each channel with one number."""
    y, scale, shift = node.inputs
    n_channels = y.type.shape[1]
    if y.type.ndim != 4 or n_channels is None or scale.type.shape != (n_channels,):
        return None
    spec = Conv2DSpec(groups=n_channels, flip_filters=False)
    stage = ConvStage(spec, True, "rectify" if node.op.rectify else "linear")
    return _extended(fgraph, y, node, stage, scale.dimshuffle(0, "x", "x", "x"), shift)


def fuse_global_average(fgraph: FunctionGraph, node: Apply) -> Variable | None:
    """The mean of each channel of a graph's result, as a pooling of one window."""
    found = averaged_maps(node, _is_of_stages) if _float32(node) else None
    if found is None:
        return None
    images, reader = found
    window = images.type.shape[2:]
    stage = PoolStage(Pool2DSpec(window, window, mode="average_exc_pad"))
    pooled = _extended(fgraph, images, reader, stage)
    if node.outputs[0].type.ndim == 4:
        return pooled
    # The number of channels stays known, or newer PyTensor asserts it in a node of its own.
    return pooled.reshape((pooled.shape[0], images.type.shape[1]), ndim=2)


def fuse_normalisation(fgraph: FunctionGraph, node: Apply) -> Variable | None:
    """Batch normalisation as a stage behind the graph that made x, if there is one."""
    x, gamma, beta = node.inputs
    if not _is_of_stages(x) or not _float32(node) or None in (*gamma.type.shape, *beta.type.shape):
        return None
    stage = NormStage(node.op.epsilon, "rectify" if node.op.rectify else "linear")
    y = _extended(fgraph, x, node, stage, gamma, beta)
    for old, new in zip(node.outputs[1:], y.owner.outputs[-2:], strict=True):
        fgraph.replace(old, new, reason="fuse_normalisation", import_missing=True)
    return y


def fuse_nonlinearity(fgraph: FunctionGraph, node: Apply) -> Variable | None:
    """rectify(y), tanh(y) or sigmoid(y) as part of the stage that made y."""
    activation, y = _nonlinearity(fgraph, node)
    if y is None or y.owner is None or not isinstance(y.owner.op, Stages):
        return None
    graph = y.owner.op.graph
    if graph.last.activation != "linear":
        return None
    graph = graph.with_last(graph.last.with_activation(activation))
    return _rebuilt(fgraph, y.owner, node, graph, *y.owner.inputs)


def fuse_function(fgraph: FunctionGraph, node: Apply) -> Variable | None:
    """A function of each number of a graph's result, as a stage behind it."""
    if node.outputs[0].type.dtype != "float32":
        return None
    found = function_of(fgraph, node, _is_of_stages)
    if found is None:
        return None
    stage, y = found
    inner = y.owner
    if len(inner.op.graph.nodes) >= LONGEST:
        return _stages(StageGraph.chain((stage,)), node)(y)[0]
    return _rebuilt(fgraph, inner, node, _applied(inner.op.graph, stage), *inner.inputs)


def _applied(graph: StageGraph, stage: ElementwiseStage) -> StageGraph:
    """The graph with a function of its result; a maximum and then a minimum become one stage."""
    last, is_minimum = graph.last, stage.function == "clip" and stage.alpha == -math.inf
    if is_minimum and last.activation == "rectify" and stage.beta >= 0:
        graph = graph.with_last(last.with_activation("linear"))
        stage = replace(stage, alpha=0.0)
    elif is_minimum and isinstance(last, ElementwiseStage) and last.function == "clip":
        both = replace(last, beta=min(last.beta, stage.beta))
        return graph.with_last(both) if both.alpha <= both.beta else graph.followed_by(stage)
    return graph.followed_by(stage)


def fuse_mask(fgraph: FunctionGraph, node: Apply) -> Variable | None:
    """y * (a mask drawn in y's shape), which is dropout, as a stage behind the graph that made y.

    A draw has no gradient, and neither has a stage's mask.
    """
    parts = split_by(
        list(node.inputs), lambda value: _stages_behind(fgraph, value, node) is not None
    )
    if parts is None or not _float32(node):
        return None
    y, mask = parts
    drawn = mask.owner is not None and isinstance(mask.owner.op, Draw)
    if not drawn or mask.type.shape[1:] != y.type.shape[1:] or None in mask.type.shape[1:]:
        return None
    if mask.type.shape[0] not in (None, y.type.shape[0]):
        return None
    draw = mask.owner.op
    largest = abs(draw.one) if isinstance(draw, Bernoulli) else None
    return _extended(fgraph, y, node, MaskStage(largest), mask)


def fuse_sum(fgraph: FunctionGraph, node: Apply) -> Variable | None:
    """a + b + ... of results of graphs, as a stage: the join of a residual block, say.

    Some may be one number a channel or a pixel.
    """
    values = _spread(node)
    return None if values is None else _stages(_join(SumStage(), len(values)), node)(*values)[0]


def fuse_product(fgraph: FunctionGraph, node: Apply) -> Variable | None:
    """a · b · ... of results of graphs, as stages: images and their channels' gates, say."""
    values = _spread(node)
    if values is None:
        return None
    first, *others = values
    for other in others:
        first = _stages(_join(ProductStage(), 2), node)(first, other)[0]
    return first


def _spread(node: Apply) -> list[Variable] | None:
    """The values that a node joins, those first that are as large as its result; None for others.

    They are graphs' results or inputs, rows among them where they are one number a channel.
    """
    whole = node.outputs[0].type.shape[1:]
    if len(whole) not in (1, 3) or len(node.inputs) < 2 or None in whole:
        return None
    if len({value.type.broadcastable[0] for value in node.inputs}) > 1:
        return None
    parts = {whole}
    if len(whole) == 3:
        parts |= {(whole[0], 1, 1), (1, *whole[1:])}
    shapes = [value.type.shape[1:] for value in node.inputs]
    if whole not in shapes or not set(shapes) <= parts:
        return None
    values = [seen_through(value, _is_of_stages) for value in node.inputs]
    if not _joined(values):
        return None
    return sorted(values, key=lambda value: value.type.shape[1:] != whole)


def fuse_concatenation(fgraph: FunctionGraph, node: Apply) -> Variable | None:
    """Results of graphs behind each other along the channels, as a stage."""
    axis, values = joined_arrays(node)
    sizes = {(value.type.shape[0], *value.type.shape[2:]) for value in values}
    if axis != 1 or not _joined(values) or len(sizes) > 1:
        return None
    return _stages(_join(ConcatStage(), len(values)), node)(*values)[0]


def _joined(values: Sequence[Variable]) -> bool:
    """Whether a stage can join these values: graphs of stages made them, or they are inputs."""
    of_stages = [_is_of_stages(value) for value in values]
    return (
        len(values) > 1
        and any(of_stages)
        and all(own or value.owner is None for own, value in zip(of_stages, values, strict=True))
        and all(
            value.type.dtype == "float32"
            and value.type.ndim in (2, 4)
            and None not in value.type.shape[1:]
            for value in values
        )
        and not any(isinstance(value, Constant | SharedVariable) for value in values)
    )


def _join(stage: Stage, n_inputs: int) -> StageGraph:
    return StageGraph(n_inputs, (Node(stage, tuple(range(n_inputs))),), (n_inputs,))


def shape_of_stages(fgraph: FunctionGraph, node: Apply) -> Variable | None:
    """The shape of a graph's result, or a size of it, without the result.

    The shape of a mask, or of a flattened image, would otherwise hold on to a result
    that is to disappear in a larger graph.
    """
    y = node.inputs[0]
    if y.owner is None or not isinstance(y.owner.op, Stages) or None in y.type.shape[1:]:
        return None
    sizes = [Shape_i(0)(y.owner.inputs[0]), *(constant(size) for size in y.type.shape[1:])]
    return sizes[node.op.i] if isinstance(node.op, Shape_i) else make_vector(*sizes)


def _nonlinearity(fgraph: FunctionGraph, node: Apply) -> tuple[Activation, Variable | None]:
    match node.op.scalar_op:
        case scalar.Tanh():
            activation: Activation = "tanh"
        case Sigmoid():
            activation = "sigmoid"
        case _:
            return "rectify", rectified(fgraph, node)
    y = node.inputs[0]
    return activation, y if only_client(fgraph, y, node) else None


def _stages(graph: StageGraph, node: Apply) -> Stages:
    """The operation; its last stage has the names of the layers that `node` is part of."""
    layers = layers_of(node)
    return Stages(graph.named(layers) if layers else graph)


def _float32(node: Apply) -> bool:
    return all(value.type.dtype == "float32" for value in (*node.inputs, *node.outputs))


def _stages_behind(fgraph: FunctionGraph, x: Variable, client: Apply) -> Apply | None:
    """The graph of stages that made x, if x is used by nothing but `client`."""
    inner = x.owner
    if inner is None or not isinstance(inner.op, Stages) or x is not inner.outputs[0]:
        return None
    return inner if only_client(fgraph, x, client) else None


def _is_of_stages(x: Variable) -> bool:
    """Whether a graph of stages made x, whoever else uses it."""
    return x.owner is not None and isinstance(x.owner.op, Stages) and x is x.owner.outputs[0]


def _extended(
    fgraph: FunctionGraph, x: Variable, client: Apply, stage: Stage, *params: Variable
) -> Variable:
    inner = _stages_behind(fgraph, x, client)
    if inner is None or len(inner.op.graph.nodes) >= LONGEST:
        return _stages(StageGraph.chain((stage,)), client)(x, *params)[0]
    graph = inner.op.graph.followed_by(stage)
    return _rebuilt(fgraph, inner, client, graph, *inner.inputs, *params)


def _rebuilt(
    fgraph: FunctionGraph, inner: Apply, client: Apply, graph: StageGraph, *inputs: Variable
) -> Variable:
    """The result of a graph that takes the place of `inner`; its statistics do so at once."""
    y, _, *statistics = _stages(graph, client)(*inputs, return_list=True)
    for old, new in zip(inner.outputs[2:], statistics, strict=False):
        fgraph.replace(old, new, reason="stages", import_missing=True)
    return y


def _flattened_images(fgraph: FunctionGraph, x: Variable, client: Apply) -> Variable | None:
    """The images behind ``images.flatten(2)``, if a graph of stages made them."""
    node = x.owner
    if node is None or not isinstance(node.op, Reshape) or not only_client(fgraph, x, client):
        return None
    images = seen_through(node.inputs[0], _is_of_stages)
    return images if _is_of_stages(images) and _is_flat(node.inputs[1], images) else None


def _is_flat(target: Variable, images: Variable) -> bool:
    columns = static_vector(target, 2)[1]
    sizes = images.type.shape[1:]
    return columns == -1 or (None not in sizes and columns == math.prod(sizes))


#: What is tried on which Ops (or, of element-wise nodes, scalar operations), in this order.
OF_STAGES: Sequence[tuple[tuple[type, ...], Callable[[FunctionGraph, Apply], Variable | None]]] = (
    ((Conv2D,), fuse_convolution),
    ((Pool2D,), fuse_pooling),
    ((Dot,), fuse_dense),
    ((scalar.Add,), fuse_bias),
    ((scalar.Add,), fuse_sum),
    ((Join,), fuse_concatenation),
    ((ChannelAffine,), fuse_affine),
    ((BatchNorm,), fuse_normalisation),
    ((scalar.TrueDiv,), fuse_global_average),
    ((scalar.Mul,), fuse_mask),
    ((Shape, Shape_i), shape_of_stages),
    (
        (scalar.Mul, scalar.Maximum, scalar.ScalarMaximum, scalar.Tanh, Sigmoid),
        fuse_nonlinearity,
    ),
    (
        (
            scalar.Add,
            scalar.Clip,
            scalar.Maximum,
            scalar.Minimum,
            scalar.Mul,
            scalar.ScalarMaximum,
            scalar.ScalarMinimum,
            scalar.Switch,
            scalar.TrueDiv,
        ),
        fuse_function,
    ),
    ((scalar.Mul,), fuse_product),
)
