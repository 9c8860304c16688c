"""What Ops ask of the kernels that compute them.

A *spec* says what is computed, without data: it is small, immutable and
hashable, and owns the shape rule. An engine's *kernels* turn a spec into a *kernel*
once, when a graph is compiled; the kernel is then called with arrays, from any
number of threads at a time.

Conventions that every engine's kernels keep:

- Images are arrays of shape (n_samples, n_channels, height, width) with any
  strides, filters (n_filters, n_channels, rows, columns), dense weights
  (n_inputs, n_units), biases (n,).
- Results are new arrays (a channels-last result is a transposed view) of the
  dtype of the images: float32 stays float32, float64 stays float64. Inputs are
  never written to.
- n_samples may be 0.
- A maximum that occurs several times in a pooling window sends its gradient to
  the first of them in row-major order.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np

from convnet_features.kernels.steps import KernelStep

__all__ = [
    "ACTIVATIONS",
    "Activation",
    "Arrays",
    "ConcatStage",
    "Conv2DKernel",
    "Conv2DSpec",
    "ConvStage",
    "DenseStage",
    "Gradients",
    "GraphKernel",
    "Kernels",
    "MaskStage",
    "Node",
    "NormStage",
    "Pool2DKernel",
    "Pool2DSpec",
    "PoolMode",
    "PoolStage",
    "SizedNode",
    "StackKernel",
    "Stage",
    "StageGraph",
    "StaticShape",
    "SumStage",
    "check_gradient",
    "check_product",
]

Pair = tuple[int, int]
#: A shape some of whose sizes may be unknown (None).
StaticShape = Sequence[int | None]
Arrays = Sequence[np.ndarray]
#: With respect to each input (None where nobody asked), and to each parameter that is learnt.
Gradients = tuple[list[np.ndarray | None], list[np.ndarray]]
Activation = Literal["linear", "rectify", "tanh", "sigmoid"]
#: Each one's derivative can be read from its own output.
ACTIVATIONS: tuple[Activation, ...] = ("linear", "rectify", "tanh", "sigmoid")
PoolMode = Literal["max", "sum", "average_inc_pad", "average_exc_pad"]


@dataclass(frozen=True)
class Conv2DSpec:
    """A two-dimensional convolution over zero-padded images.

    Parameters
    ----------
    stride : (int, int)
        Rows and columns from one output to the next.
    padding : ((top, bottom), (left, right))
        Zeros added around each image.
    flip_filters : bool
        True convolves, as Theano does; False correlates.
    groups : int
        Channels and filters are divided into so many groups, in order; the
        filters of a group read the channels of that group alone, so that they
        have the shape (n_filters, n_channels / groups, rows, columns). As many
        groups as channels make a depthwise convolution.
    dilation : (int, int)
        Pixels from one row of a filter to the next, and from one column to the
        next.
    """

    stride: Pair = (1, 1)
    padding: tuple[Pair, Pair] = ((0, 0), (0, 0))
    flip_filters: bool = True
    groups: int = 1
    dilation: Pair = (1, 1)

    def output_shape(self, x_shape: StaticShape, w_shape: StaticShape) -> tuple[Any, Any, Any, Any]:
        """(n_samples, n_filters, height, width), each (in + pads - extent) // stride + 1.

        A filter extends over (filter - 1) · dilation + 1 pixels. A size that depends
        on an unknown one (None) is unknown.
        """
        rows, columns = (
            None
            if size is None or taps is None
            else max(0, (size + before + after - (taps - 1) * apart - 1) // step + 1)
            for size, taps, step, apart, (before, after) in zip(
                x_shape[2:], w_shape[2:], self.stride, self.dilation, self.padding, strict=True
            )
        )
        return (x_shape[0], w_shape[0], rows, columns)

    @property
    def is_ordinary(self) -> bool:
        """Whether every filter reads every channel, and pixels side by side."""
        return self.groups == 1 and self.dilation == (1, 1)

    def check_channels(
        self, x_shape: StaticShape, w_shape: StaticShape, who: str = "a convolution"
    ) -> None:
        """Raise ValueError unless the filters are for such images; sizes may be unknown (None)."""
        channels, (n_filters, own) = x_shape[1], w_shape[:2]
        if n_filters is not None and n_filters % self.groups:
            raise ValueError(
                f"{who}: {n_filters} filters cannot be divided into {self.groups} groups."
            )
        if channels is None or own is None or channels == own * self.groups:
            return
        expected = f"{own * self.groups}"
        if self.groups > 1:
            expected += f" ({self.groups} groups of {own})"
        raise ValueError(
            f"{who}: the images have {channels} channels, and the filters are for {expected}; "
            f"their shapes are {tuple(x_shape)} and {tuple(w_shape)}."
        )


@dataclass(frozen=True)
class Pool2DSpec:
    """A reduction over windows of each image.

    Parameters
    ----------
    window, stride : (int, int)
        Rows and columns of a window, and from one window to the next.
    padding : (int, int)
        Rows above and below, and columns left and right, that belong to no
        pixel: -inf for ``max``, 0 for the others. Smaller than the window.
    mode : {'max', 'sum', 'average_inc_pad', 'average_exc_pad'}
        The averages divide by the window's size (``inc_pad``; what overhangs
        the padded image is never counted) or by the pixels in it
        (``exc_pad``).
    ignore_border : bool
        True drops windows that overhang the padded image at the bottom or the
        right; False keeps them, clipped (Theano's rule, and only without
        padding).
    """

    window: Pair
    stride: Pair
    padding: Pair = (0, 0)
    mode: PoolMode = "max"
    ignore_border: bool = True

    def output_shape(self, x_shape: StaticShape) -> tuple[Any, Any, Any, Any]:
        """(n_samples, n_channels, out_height, out_width) by Theano's ``Pool.out_shape``.

        A size that depends on an unknown one (None) is unknown.
        """
        rows, columns = (
            None if size is None else self._output_size(size + 2 * pad, extent, step)
            for size, pad, extent, step in zip(
                x_shape[2:], self.padding, self.window, self.stride, strict=True
            )
        )
        return (x_shape[0], x_shape[1], rows, columns)

    def _output_size(self, size: int, extent: int, step: int) -> int:
        if self.ignore_border:
            return max(0, (size - extent) // step + 1)
        if step >= extent:
            return (size - 1) // step + 1
        return max(0, (size - 1 - extent + step) // step) + 1


class Stage:
    """One step of a computation on images or rows: what it computes, without data.

    Each kind knows its own rules: the parameters that it takes, the shape of
    its result, how many multiplications it is, and what its gradient reads.
    """

    #: Parameters that get no gradient.
    constant_params: ClassVar[frozenset[str]] = frozenset()
    #: Whether the gradient reads the stage's input.
    gradient_reads_input: ClassVar[bool] = False
    #: Whether it multiplies by parameters that are learnt: of stage after stage, numbers grow so.
    multiplies: ClassVar[bool] = False
    #: Whether its result is of known size, whatever its input's is: it divides by that.
    normalises: ClassVar[bool] = False
    #: Whether it adds its inputs to each other.
    adds_inputs: ClassVar[bool] = False
    #: Whether each sample is computed from that sample alone.
    by_sample: ClassVar[bool] = True
    #: The axis of the parameter w along which the result's channels or units lie; None without w.
    units_axis: ClassVar[int | None] = None
    #: Whether the activation may be left to a max pooling behind the stage, which it commutes with.
    leaves_activation: ClassVar[bool] = False
    #: What is applied to each number of the result; None where a stage takes no activation.
    activation: Activation | None = None

    @property
    def params(self) -> tuple[str, ...]:
        """The names of the parameters that it takes, in order."""
        return ()

    @property
    def n_params(self) -> int:
        """How many parameters it takes."""
        return len(self.params)

    @property
    def flipped_params(self) -> frozenset[str]:
        """Filters that convolve: who correlates takes them with rows and columns reversed."""
        return frozenset()

    @property
    def largest_params(self) -> tuple[float | None, ...]:
        """For each parameter the largest absolute value, or more; None where it is not known."""
        return (None,) * self.n_params

    def output_shape(
        self, x_shapes: Sequence[StaticShape], param_shapes: Sequence[StaticShape]
    ) -> StaticShape:
        """The shape of the result; sizes may be unknown (None), before and after."""
        return tuple(x_shapes[0])

    def multiplications(
        self, x_shapes: Sequence[Sequence[int]], param_shapes: Sequence[Sequence[int]]
    ) -> int:
        """How many products the formula has."""
        return 0

    def terms(
        self, x_shapes: Sequence[Sequence[int]], param_shapes: Sequence[Sequence[int]]
    ) -> int:
        """How many terms each number of the result is made of."""
        return 1

    @property
    def keeps_size(self) -> bool:
        """Whether no number of the result can be larger than those that it is made of."""
        return False

    def with_activation(self, activation: Activation) -> Stage:
        """The stage with another activation."""
        return replace(self, activation=activation)  # type: ignore[type-var]

    def with_bias(self) -> Stage:
        """The stage with a bias, of those that have a `units_axis`."""
        return replace(self, bias=True)  # type: ignore[type-var]


@dataclass(frozen=True)
class ConvStage(Stage):
    """activation(convolution of the images with w + b); takes the parameters w, and b if `bias`."""

    conv: Conv2DSpec
    bias: bool = True
    activation: Activation = "linear"
    gradient_reads_input: ClassVar[bool] = True
    units_axis: ClassVar[int] = 0
    leaves_activation: ClassVar[bool] = True
    multiplies: ClassVar[bool] = True

    @property
    def params(self) -> tuple[str, ...]:
        """See `Stage.params`."""
        return ("w", "b") if self.bias else ("w",)

    @property
    def flipped_params(self) -> frozenset[str]:
        """See `Stage.flipped_params`."""
        return frozenset({"w"}) if self.conv.flip_filters else frozenset()

    def output_shape(
        self, x_shapes: Sequence[StaticShape], param_shapes: Sequence[StaticShape]
    ) -> StaticShape:
        """See `Stage.output_shape`."""
        return self.conv.output_shape(x_shapes[0], param_shapes[0])

    def multiplications(
        self, x_shapes: Sequence[Sequence[int]], param_shapes: Sequence[Sequence[int]]
    ) -> int:
        """See `Stage.multiplications`."""
        y_shape = self.conv.output_shape(x_shapes[0], param_shapes[0])
        return self.terms(x_shapes, param_shapes) * math.prod(y_shape)

    def terms(
        self, x_shapes: Sequence[Sequence[int]], param_shapes: Sequence[Sequence[int]]
    ) -> int:
        """See `Stage.terms`."""
        return math.prod(param_shapes[0][1:])


@dataclass(frozen=True)
class PoolStage(Stage):
    """activation(pooled images); takes no parameters."""

    pool: Pool2DSpec
    activation: Activation = "linear"

    def output_shape(
        self, x_shapes: Sequence[StaticShape], param_shapes: Sequence[StaticShape]
    ) -> StaticShape:
        """See `Stage.output_shape`."""
        return self.pool.output_shape(x_shapes[0])

    def terms(
        self, x_shapes: Sequence[Sequence[int]], param_shapes: Sequence[Sequence[int]]
    ) -> int:
        """See `Stage.terms`."""
        return math.prod(self.pool.window)

    @property
    def keeps_size(self) -> bool:
        """See `Stage.keeps_size`."""
        return self.pool.mode != "sum"


@dataclass(frozen=True)
class DenseStage(Stage):
    """activation(x @ w + b), images flattened in C order; takes w, and b if `bias`."""

    bias: bool = True
    activation: Activation = "linear"
    gradient_reads_input: ClassVar[bool] = True
    units_axis: ClassVar[int] = 1
    multiplies: ClassVar[bool] = True

    @property
    def params(self) -> tuple[str, ...]:
        """See `Stage.params`."""
        return ("w", "b") if self.bias else ("w",)

    def output_shape(
        self, x_shapes: Sequence[StaticShape], param_shapes: Sequence[StaticShape]
    ) -> StaticShape:
        """See `Stage.output_shape`."""
        return (x_shapes[0][0], param_shapes[0][1])

    def multiplications(
        self, x_shapes: Sequence[Sequence[int]], param_shapes: Sequence[Sequence[int]]
    ) -> int:
        """See `Stage.multiplications`."""
        return x_shapes[0][0] * math.prod(param_shapes[0])

    def terms(
        self, x_shapes: Sequence[Sequence[int]], param_shapes: Sequence[Sequence[int]]
    ) -> int:
        """See `Stage.terms`."""
        return param_shapes[0][0]


@dataclass(frozen=True)
class MaskStage(Stage):
    """x times a mask of its own shape, which is taken as a parameter but gets no gradient.

    `largest` is known where the mask is made of zeros and one other number.
    """

    #: No number of the mask is larger, nor NaN; None where nothing is known of it.
    largest: float | None = None

    constant_params: ClassVar[frozenset[str]] = frozenset({"mask"})

    @property
    def params(self) -> tuple[str, ...]:
        """See `Stage.params`."""
        return ("mask",)

    @property
    def largest_params(self) -> tuple[float | None, ...]:
        """See `Stage.largest_params`."""
        return (self.largest,)


@dataclass(frozen=True)
class NormStage(Stage):
    """activation(gamma · (x - mean) · inv_std + beta), channel by channel; takes gamma and beta.

    The mean and inv_std = 1 / sqrt(variance + epsilon) are the batch's own: over
    all samples, and over all pixels of images.
    """

    epsilon: float
    activation: Activation = "linear"
    gradient_reads_input: ClassVar[bool] = True
    multiplies: ClassVar[bool] = True
    normalises: ClassVar[bool] = True
    by_sample: ClassVar[bool] = False
    leaves_activation: ClassVar[bool] = True

    @property
    def params(self) -> tuple[str, ...]:
        """See `Stage.params`."""
        return ("gamma", "beta")

    def terms(
        self, x_shapes: Sequence[Sequence[int]], param_shapes: Sequence[Sequence[int]]
    ) -> int:
        """See `Stage.terms`: of the mean and the variance."""
        n_samples, _, *sizes = x_shapes[0]
        return n_samples * math.prod(sizes)


@dataclass(frozen=True)
class SumStage(Stage):
    """activation(the sum of two or more inputs of one shape); takes no parameters."""

    activation: Activation = "linear"
    adds_inputs: ClassVar[bool] = True


@dataclass(frozen=True)
class ConcatStage(Stage):
    """Two or more inputs behind each other along the channels; takes no parameters."""

    def output_shape(
        self, x_shapes: Sequence[StaticShape], param_shapes: Sequence[StaticShape]
    ) -> StaticShape:
        """See `Stage.output_shape`."""
        channels = [shape[1] for shape in x_shapes]
        known = [size for size in channels if size is not None]
        total = sum(known) if len(known) == len(channels) else None
        return (x_shapes[0][0], total, *x_shapes[0][2:])

    @property
    def keeps_size(self) -> bool:
        """See `Stage.keeps_size`."""
        return True


@dataclass(frozen=True)
class Node:
    """A stage of a graph, and the numbers of the values that it reads.

    `layers` are names of a network's layers, for people: nothing depends on them, and
    graphs that differ in them alone are equal.
    """

    stage: Stage
    inputs: tuple[int, ...]
    layers: tuple[str, ...] = field(default=(), compare=False)


class SizedNode(NamedTuple):
    """A node, with its place in the graph and the shapes of all that it takes and makes."""

    number: int
    stage: Stage
    inputs: tuple[int, ...]
    value: int
    first_param: int
    x_shapes: tuple[Any, ...]
    param_shapes: tuple[Any, ...]
    y_shape: Any


@dataclass(frozen=True)
class StageGraph:
    """Stages that read each other's results.

    Values are numbered: first the graph's inputs, then the result of each node,
    in order. A node reads only values of smaller numbers.

    Parameters
    ----------
    n_inputs : int
    nodes : tuple of Node
    outputs : tuple of int
        The values that the graph returns.
    """

    n_inputs: int
    nodes: tuple[Node, ...]
    outputs: tuple[int, ...]

    def __post_init__(self) -> None:
        # Graphs are keys of caches, and looked up far more often than made.
        object.__setattr__(self, "_hash", hash((self.n_inputs, self.nodes, self.outputs)))

    def __hash__(self) -> int:
        return self._hash  # type: ignore[attr-defined]

    @classmethod
    def chain(cls, stages: Sequence[Stage]) -> StageGraph:
        """One stage after the other."""
        nodes = tuple(Node(stage, (number,)) for number, stage in enumerate(stages))
        return cls(1, nodes, (len(nodes),))

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The stages of the nodes."""
        return tuple([node.stage for node in self.nodes])

    @property
    def last(self) -> Stage:
        """The stage of the last node."""
        return self.nodes[-1].stage

    def with_last(self, stage: Stage) -> StageGraph:
        """The graph with another stage in its last node, of the same inputs and parameters."""
        return replace(self, nodes=(*self.nodes[:-1], replace(self.nodes[-1], stage=stage)))

    def named(self, layers: Sequence[str]) -> StageGraph:
        """The graph with further names of layers at its last node."""
        last = self.nodes[-1]
        names = tuple(dict.fromkeys((*last.layers, *layers)))
        return replace(self, nodes=(*self.nodes[:-1], replace(last, layers=names)))

    def followed_by(self, stage: Stage) -> StageGraph:
        """The graph with a stage behind its last node, whose result becomes its only one."""
        value = self.n_inputs + len(self.nodes)
        return replace(self, nodes=(*self.nodes, Node(stage, (value - 1,))), outputs=(value,))

    @property
    def params(self) -> tuple[tuple[int, str], ...]:
        """(node, name) of each parameter that the graph takes, in order."""
        return tuple(
            (number, name) for number, node in enumerate(self.nodes) for name in node.stage.params
        )

    def walk(
        self, x_shapes: Sequence[StaticShape], param_shapes: Sequence[StaticShape]
    ) -> Iterator[SizedNode]:
        """The nodes in order, each with the shapes of what it takes and makes.

        Sizes may be unknown (None). `param_shapes` are in the order of `params`.
        """
        shapes = list(x_shapes)
        first = 0
        for number, node in enumerate(self.nodes):
            own = tuple(param_shapes[first : first + node.stage.n_params])
            given = tuple(shapes[value] for value in node.inputs)
            shapes.append(node.stage.output_shape(given, own))
            value = self.n_inputs + number
            yield SizedNode(number, node.stage, node.inputs, value, first, given, own, shapes[-1])
            first += node.stage.n_params

    def output_shapes(
        self, x_shapes: Sequence[StaticShape], param_shapes: Sequence[StaticShape]
    ) -> list[StaticShape]:
        """The shapes of the graph's results."""
        made = [sized.y_shape for sized in self.walk(x_shapes, param_shapes)]
        shapes = [*x_shapes, *made]
        return [shapes[value] for value in self.outputs]

    @property
    def learnt(self) -> list[bool]:
        """For each parameter, whether it has a gradient."""
        return [
            name not in self.nodes[number].stage.constant_params for number, name in self.params
        ]

    def needs_gradient(self, input_grads: Sequence[bool]) -> list[bool]:
        """For each value, whether a gradient goes through it: to a parameter, or a wanted input."""
        needs = list(input_grads)
        for node in self.nodes:
            stage = node.stage
            learns = any(name not in stage.constant_params for name in stage.params)
            needs.append(learns or any(needs[value] for value in node.inputs))
        return needs

    @property
    def readers(self) -> list[list[int]]:
        """For each value the numbers of the nodes that read it, once for each time that they do."""
        found: list[list[int]] = [[] for _ in range(self.n_inputs + len(self.nodes))]
        for number, node in enumerate(self.nodes):
            for value in node.inputs:
                found[value].append(number)
        return found

    @property
    def only_readers(self) -> list[int | None]:
        """For each value the node that alone reads it; None if others do, or the caller."""
        return [
            numbers[0] if len(numbers) == 1 and value not in self.outputs else None
            for value, numbers in enumerate(self.readers)
        ]

    def maker(self, value: int) -> int | None:
        """The node whose result a value is; None for an input."""
        return None if value < self.n_inputs else value - self.n_inputs


def check_product(left: Sequence[int], right: Sequence[int]) -> None:
    """Raise ValueError unless arrays of these shapes have a matrix product.

    Of more than two axes on the left, all but the first count as one row: a
    dense layer takes images so.
    """
    n_columns = math.prod(left[1:])
    if n_columns != right[0]:
        raise ValueError(
            f"a matrix product (theano.tensor.dot, or a dense layer): the left matrix, of shape "
            f"{tuple(left)}, has {n_columns} columns, and the right one, of shape {tuple(right)}, "
            f"has {right[0]} rows; the two numbers must be equal."
        )


def check_gradient(gy: np.ndarray, y_shape: Sequence[int]) -> None:
    """Raise ValueError unless the gradient `gy` has the shape of the result that it belongs to."""
    if gy.shape != tuple(y_shape):
        raise ValueError(
            f"the gradient has shape {gy.shape}, and the result that it belongs to {tuple(y_shape)}"
        )


class Conv2DKernel(ABC):
    """One convolution and its two gradients."""

    @abstractmethod
    def forward(self, x: np.ndarray, w: np.ndarray) -> np.ndarray:
        """y, of shape ``spec.output_shape(x.shape, w.shape)``."""

    @abstractmethod
    def grad_input(self, x_shape: tuple[int, ...], w: np.ndarray, gy: np.ndarray) -> np.ndarray:
        """The gradient with respect to x, of shape `x_shape`."""

    @abstractmethod
    def grad_weights(self, x: np.ndarray, w_shape: tuple[int, ...], gy: np.ndarray) -> np.ndarray:
        """The gradient with respect to w, of shape `w_shape`."""


class Pool2DKernel(ABC):
    """One pooling and its gradient."""

    @abstractmethod
    def forward(self, x: np.ndarray) -> np.ndarray:
        """y, of shape ``spec.output_shape(x.shape)``."""

    @abstractmethod
    def grad(self, x: np.ndarray, gy: np.ndarray) -> np.ndarray:
        """The gradient with respect to x."""


class GraphKernel(ABC):
    """A graph of stages as one computation, free to keep values inside in a layout of its own."""

    @abstractmethod
    def forward(self, xs: Arrays, params: Arrays) -> list[np.ndarray]:
        """The graph's results. Inputs are 4-D, or 2-D where only dense stages read them."""

    def prepare(self, params: Arrays) -> Callable[[Arrays], list[np.ndarray]]:
        """`forward` for parameters that will never change again, as a function of the inputs alone.

        What can be done to them beforehand is done once. `params` must not be
        written to afterwards.
        """
        return lambda xs: self.forward(xs, params)

    @abstractmethod
    def explain(
        self,
        xs: Arrays,
        params: Arrays,
        *,
        training: bool = False,
        input_grads: Sequence[bool] = (),
        timed: bool = False,
    ) -> list[KernelStep]:
        """What is done for such inputs and parameters: the forward steps, then the gradients'.

        Gradients are there with `training`: those with respect to what is learnt, and
        to the inputs that `input_grads` marks. `timed` runs the steps some times.
        """

    @abstractmethod
    def forward_training(self, xs: Arrays, params: Arrays) -> tuple[list[np.ndarray], Any]:
        """The graph's results, and a workspace for one call of `backward`.

        The workspace keeps what it needs of the stages' results; it holds
        references to arrays, never to `self`'s mutable state, so that any
        number of forward passes may be under way.
        """

    @abstractmethod
    def statistics(self, workspace: Any) -> list[np.ndarray]:
        """The mean and inv_std of each `NormStage`, of shape (n_channels,), in order."""

    @abstractmethod
    def backward(
        self,
        workspace: Any,
        xs: Arrays,
        params: Arrays,
        ys: Arrays,
        gys: Sequence[np.ndarray | None],
        input_grads: Sequence[bool],
    ) -> Gradients:
        """The gradients with respect to each input and to each parameter that is `learnt`.

        `ys` and `workspace` are what `forward_training` returned for `xs` and
        `params`; each of `gys` has the shape of its result, or is None where
        nothing depends on that result. Gradients of inputs are None where
        `input_grads` is False.
        """


class StackKernel:
    """The kernel of a chain of stages: one array of images or rows in, one result out.

    Parameters
    ----------
    kernel : GraphKernel
        Of a chain.
    """

    def __init__(self, kernel: GraphKernel) -> None:
        self.kernel = kernel

    def forward(self, x: np.ndarray, params: Arrays) -> np.ndarray:
        """See `GraphKernel.forward`."""
        return self.kernel.forward((x,), params)[0]

    def prepare(self, params: Arrays) -> Callable[[np.ndarray], np.ndarray]:
        """See `GraphKernel.prepare`."""
        prepared = self.kernel.prepare(params)
        return lambda x: prepared((x,))[0]

    def explain(self, x: np.ndarray, params: Arrays, **options: Any) -> list[KernelStep]:
        """See `GraphKernel.explain`."""
        return self.kernel.explain((x,), params, **options)

    def forward_training(self, x: np.ndarray, params: Arrays) -> tuple[np.ndarray, Any]:
        """See `GraphKernel.forward_training`."""
        (y,), workspace = self.kernel.forward_training((x,), params)
        return y, workspace

    def statistics(self, workspace: Any) -> list[np.ndarray]:
        """See `GraphKernel.statistics`."""
        return self.kernel.statistics(workspace)

    def backward(
        self,
        workspace: Any,
        x: np.ndarray,
        params: Arrays,
        y: np.ndarray,
        gy: np.ndarray,
        input_grad: bool,
    ) -> tuple[np.ndarray | None, list[np.ndarray]]:
        """See `GraphKernel.backward`."""
        (gx,), gradients = self.kernel.backward(workspace, (x,), params, (y,), (gy,), (input_grad,))
        return gx, gradients


class Kernels(ABC):
    """The kernels of one engine: a way of computing everything that the Ops need.

    Kernels that cannot, or had better not, compute a certain spec, dtype or size
    hand it to the portable ones themselves: callers never need to ask.
    """

    #: What ``engine=`` calls it.
    name: str
    #: Whether `GraphKernel.prepare` saves more than it costs where parameters serve several calls.
    lays_out_parameters = False

    @abstractmethod
    def conv2d(self, spec: Conv2DSpec) -> Conv2DKernel:
        """The kernel of a convolution."""

    @abstractmethod
    def pool2d(self, spec: Pool2DSpec) -> Pool2DKernel:
        """The kernel of a pooling."""

    @abstractmethod
    def graph(self, graph: StageGraph) -> GraphKernel:
        """The kernel of a graph of stages."""

    def stack(self, stages: Sequence[Stage]) -> StackKernel:
        """The kernel of stages one after the other."""
        return StackKernel(self.graph(StageGraph.chain(stages)))

    @abstractmethod
    def dot(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """The product of two matrices, with this engine's threads."""

    @abstractmethod
    def softmax(self, x: np.ndarray) -> np.ndarray:
        """softmax over the rows of a matrix: exp(x - max) / sum."""

    @abstractmethod
    def log_softmax(self, x: np.ndarray) -> np.ndarray:
        """Its logarithm, finite wherever x is."""

    @abstractmethod
    def clear_caches(self) -> None:
        """Forget everything that can be made again."""
