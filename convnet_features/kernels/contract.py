"""What Ops ask of the kernels that compute them.

A *spec* says what is computed, without data: it is small, immutable and
hashable, and owns the shape rule. A *provider* turns a spec into a *kernel*
once, when a graph is compiled; the kernel is then called with arrays, from any
number of threads at a time.

Conventions that every provider keeps:

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
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

__all__ = [
    "ACTIVATIONS",
    "Activation",
    "Conv2DKernel",
    "Conv2DSpec",
    "ConvStage",
    "DenseStage",
    "MaskStage",
    "NormStage",
    "Pool2DKernel",
    "Pool2DSpec",
    "PoolMode",
    "PoolStage",
    "Provider",
    "StackKernel",
    "Stage",
    "check_gradient",
    "check_product",
    "learnt",
    "stack_output_shape",
    "stack_params",
]

Pair = tuple[int, int]
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
    """

    stride: Pair = (1, 1)
    padding: tuple[Pair, Pair] = ((0, 0), (0, 0))
    flip_filters: bool = True

    def output_shape(
        self, x_shape: Sequence[int], w_shape: Sequence[int]
    ) -> tuple[int, int, int, int]:
        """(n_samples, n_filters, height, width), each (in + pads - filter) // stride + 1."""
        rows, columns = (
            max(0, (size + before + after - extent) // step + 1)
            for size, extent, step, (before, after) in zip(
                x_shape[2:], w_shape[2:], self.stride, self.padding, strict=True
            )
        )
        return (x_shape[0], w_shape[0], rows, columns)


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

    def output_shape(self, x_shape: Sequence[int]) -> tuple[int, int, int, int]:
        """(n_samples, n_channels, out_height, out_width) by Theano's ``Pool.out_shape``."""
        rows, columns = (
            self._output_size(size + 2 * pad, extent, step)
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


@dataclass(frozen=True)
class ConvStage:
    """activation(convolution of the images with w + b); takes the parameters w, and b if `bias`."""

    conv: Conv2DSpec
    bias: bool = True
    activation: Activation = "linear"

    @property
    def n_params(self) -> int:
        """How many parameters it takes."""
        return 1 + self.bias


@dataclass(frozen=True)
class PoolStage:
    """activation(pooled images); takes no parameters."""

    pool: Pool2DSpec
    activation: Activation = "linear"

    @property
    def n_params(self) -> int:
        """How many parameters it takes."""
        return 0


@dataclass(frozen=True)
class DenseStage:
    """activation(x @ w + b), images flattened in C order; takes w, and b if `bias`."""

    bias: bool = True
    activation: Activation = "linear"

    @property
    def n_params(self) -> int:
        """How many parameters it takes."""
        return 1 + self.bias


@dataclass(frozen=True)
class MaskStage:
    """x times a mask of its own shape, which is taken as a parameter but gets no gradient.

    `largest` is known where the mask is made of zeros and one other number.
    """

    #: No number of the mask is larger, nor NaN; None where nothing is known of it.
    largest: float | None = None

    @property
    def n_params(self) -> int:
        """How many parameters it takes."""
        return 1


@dataclass(frozen=True)
class NormStage:
    """activation(gamma · (x - mean) · inv_std + beta), channel by channel; takes gamma and beta.

    The mean and inv_std = 1 / sqrt(variance + epsilon) are the batch's own: over
    all samples, and over all pixels of images.
    """

    epsilon: float
    activation: Activation = "linear"

    @property
    def n_params(self) -> int:
        """How many parameters it takes."""
        return 2


Stage = ConvStage | PoolStage | DenseStage | MaskStage | NormStage


def stack_params(stages: Sequence[Stage]) -> list[tuple[int, str]]:
    """(stage index, name) of each parameter that a stack takes, in order.

    Names are 'w' and 'b', 'gamma' and 'beta', or 'mask'.
    """
    return [(index, name) for index, stage in enumerate(stages) for name in _names(stage)]


def _names(stage: Stage) -> tuple[str, ...]:
    if isinstance(stage, MaskStage):
        return ("mask",)
    if isinstance(stage, NormStage):
        return ("gamma", "beta")
    return ("w", "b")[: stage.n_params]


def learnt(stages: Sequence[Stage]) -> list[bool]:
    """For each parameter that a stack takes, whether it has a gradient."""
    return [name != "mask" for _, name in stack_params(stages)]


def stack_output_shape(
    stages: Sequence[Stage], x_shape: Sequence[int], param_shapes: Sequence[Sequence[int]]
) -> tuple[int, ...]:
    """The shape of a stack's result; `param_shapes` in the order of `stack_params`."""
    shape = tuple(x_shape)
    shapes = iter(param_shapes)
    for stage in stages:
        own = [next(shapes) for _ in range(stage.n_params)]
        if isinstance(stage, PoolStage):
            shape = stage.pool.output_shape(shape)
        elif isinstance(stage, ConvStage):
            shape = stage.conv.output_shape(shape, own[0])
        elif isinstance(stage, DenseStage):
            shape = (shape[0], own[0][1])
    return shape


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


class StackKernel(ABC):
    """A run of stages as one computation, free to keep what lies between them in its own layout."""

    @abstractmethod
    def forward(self, x: np.ndarray, params: Sequence[np.ndarray]) -> np.ndarray:
        """The last stage's result. `x` is 4-D, or 2-D where the first stage is dense."""

    def prepare(self, params: Sequence[np.ndarray]) -> Callable[[np.ndarray], np.ndarray]:
        """`forward` for parameters that will never change again, as a function of x alone.

        What can be done to them beforehand is done once. `params` must not be
        written to afterwards.
        """
        return lambda x: self.forward(x, params)

    @abstractmethod
    def forward_training(
        self, x: np.ndarray, params: Sequence[np.ndarray]
    ) -> tuple[np.ndarray, Any]:
        """The last stage's result, and a workspace for one call of `backward`.

        The workspace keeps what it needs of the stages' results; it holds
        references to arrays, never to `self`'s mutable state, so that any
        number of forward passes may be under way.
        """

    def statistics(self, workspace: Any) -> list[np.ndarray]:
        """The mean and inv_std of each `NormStage`, of shape (n_channels,), in order."""
        return []

    @abstractmethod
    def backward(
        self,
        workspace: Any,
        x: np.ndarray,
        params: Sequence[np.ndarray],
        y: np.ndarray,
        gy: np.ndarray,
        input_grad: bool,
    ) -> tuple[np.ndarray | None, list[np.ndarray]]:
        """The gradients with respect to x (None unless `input_grad`) and to each that is `learnt`.

        `y` and `workspace` are what `forward_training` returned for `x` and
        `params`; `gy` has the shape of `y`.
        """


class Provider(ABC):
    """A family of kernels: a way of computing everything that the Ops need.

    A provider that cannot, or had better not, compute a certain spec, dtype or
    size hands it to the portable provider itself: callers never need to ask.
    """

    #: What ``engine=`` calls it.
    name: str

    @abstractmethod
    def conv2d(self, spec: Conv2DSpec) -> Conv2DKernel:
        """The kernel of a convolution."""

    @abstractmethod
    def pool2d(self, spec: Pool2DSpec) -> Pool2DKernel:
        """The kernel of a pooling."""

    @abstractmethod
    def stack(self, stages: tuple[Stage, ...]) -> StackKernel:
        """The kernel of a run of stages."""

    @abstractmethod
    def dot(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """The product of two matrices, with this provider's threads."""

    @abstractmethod
    def softmax(self, x: np.ndarray) -> np.ndarray:
        """softmax over the rows of a matrix: exp(x - max) / sum."""

    @abstractmethod
    def log_softmax(self, x: np.ndarray) -> np.ndarray:
        """Its logarithm, finite wherever x is."""

    @abstractmethod
    def clear_caches(self) -> None:
        """Forget everything that can be made again."""
