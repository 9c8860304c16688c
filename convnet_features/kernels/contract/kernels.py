"""What computes: kernels, made of specs and graphs by an engine."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..steps import KernelStep
from .graph import StageGraph
from .specs import Conv2DSpec, Pool2DSpec

__all__ = [
    "Arrays",
    "Call",
    "Conv2DKernel",
    "Gradients",
    "GraphKernel",
    "Kernels",
    "Pool2DKernel",
]

Arrays = Sequence[np.ndarray]
#: With respect to each input (None where nobody asked), and to each parameter that is learnt.
Gradients = tuple[list[np.ndarray | None], list[np.ndarray]]


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


class Call(NamedTuple):
    """What `GraphKernel.explain` is asked about."""

    xs: Arrays
    params: Arrays
    training: bool
    input_grads: tuple[bool, ...]
    timed: bool


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
        wanted = tuple(input_grads) or (False,) * len(xs)
        return self.explain_call(Call(xs, params, training, wanted, timed))

    @abstractmethod
    def explain_call(self, call: Call) -> list[KernelStep]:
        """See `explain`."""

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
