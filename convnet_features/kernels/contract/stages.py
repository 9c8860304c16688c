"""The kinds of stages, each with its own rules."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from .joins import joined_shape
from .specs import Conv2DSpec, Pool2DSpec, StaticShape

__all__ = [
    "ACTIVATIONS",
    "Activation",
    "ConcatStage",
    "ConvStage",
    "DenseStage",
    "ElementFunction",
    "ElementwiseStage",
    "MaskStage",
    "NormStage",
    "PoolStage",
    "ProductStage",
    "Stage",
    "SumStage",
]

Activation = Literal["linear", "rectify", "tanh", "sigmoid"]
#: Each one's derivative can be read from its own output.
ACTIVATIONS: tuple[Activation, ...] = ("linear", "rectify", "tanh", "sigmoid")

#: Their derivatives are computed from what they are applied to.
ElementFunction = Literal[
    "clip",
    "elu",
    "gelu",
    "gelu_tanh",
    "hard_sigmoid",
    "hard_swish",
    "leaky_rectify",
    "mish",
    "swish",
]


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
    #: Whether it adds its inputs to each other, or multiplies them.
    adds_inputs: ClassVar[bool] = False
    multiplies_inputs: ClassVar[bool] = False
    #: Whether each sample is computed from that sample alone.
    by_sample: ClassVar[bool] = True
    #: The axis of the parameter w along which the result's channels or units lie; None without w.
    units_axis: ClassVar[int | None] = None
    #: Whether the activation may be left to a max pooling behind the stage, which it commutes with.
    leaves_activation: ClassVar[bool] = False
    #: What is applied to each number of the result; None where a stage takes no activation.
    activation: Activation | None = None

    @property
    def convolution(self) -> ConvStage | None:
        """The stage itself if it is a convolution: there are special kernels for some."""
        return None

    @property
    def pooling(self) -> PoolStage | None:
        """The stage itself if it is a pooling: a convolution's kernel may compute it too."""
        return None

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

    @property
    def growth(self) -> tuple[float, float]:
        """(a, b) where the last that it does makes of a number x at most a · abs(x) + b."""
        return 1.0, 0.0

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
    def convolution(self) -> ConvStage:
        """See `Stage.convolution`."""
        return self

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

    @property
    def pooling(self) -> PoolStage:
        """See `Stage.pooling`."""
        return self

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
class ElementwiseStage(Stage):
    """A function of each number, with its derivative from what it is applied to; no parameters.

    Parameters
    ----------
    function : str
        clip: min(max(x, alpha), beta). elu: x above 0, alpha · (exp(x) - 1) below. gelu and
        gelu_tanh: x times the normal distribution's function, and what resembles it.
        hard_sigmoid: min(max(alpha · x + beta, 0), 1). hard_swish: x times that.
        leaky_rectify: x above 0, alpha · x below. mish: x · tanh(log(1 + exp(x))).
        swish: x · sigmoid(x).
    alpha, beta : float
        0 where the function has none.
    """

    function: ElementFunction
    alpha: float = 0.0
    beta: float = 0.0
    gradient_reads_input: ClassVar[bool] = True

    @property
    def growth(self) -> tuple[float, float]:
        """See `Stage.growth`."""
        match self.function:
            case "clip":
                finite = [abs(each) for each in (self.alpha, self.beta) if math.isfinite(each)]
                return float(len(finite) < 2), max(finite, default=0.0)
            case "hard_sigmoid":
                return 0.0, 1.0
            case "elu" | "leaky_rectify":
                return max(1.0, abs(self.alpha)), 0.0
        return 1.0, 0.0

    @property
    def keeps_zero(self) -> bool:
        """Whether it makes 0 of 0."""
        if self.function == "clip":
            return self.alpha <= 0 <= self.beta
        return self.function != "hard_sigmoid" or self.beta <= 0


@dataclass(frozen=True)
class SumStage(Stage):
    """activation(the sum of two or more inputs); takes no parameters.

    Axes of size 1 count for all; rows of (n_samples, n_channels) are images of one pixel.
    """

    activation: Activation = "linear"
    adds_inputs: ClassVar[bool] = True

    def output_shape(
        self, x_shapes: Sequence[StaticShape], param_shapes: Sequence[StaticShape]
    ) -> StaticShape:
        """See `Stage.output_shape`."""
        return joined_shape(x_shapes)


@dataclass(frozen=True)
class ProductStage(Stage):
    """activation(the product of two inputs), of shapes as those of `SumStage`; no parameters.

    Images times one number a channel are squeeze-and-excitation.
    """

    activation: Activation = "linear"
    multiplies_inputs: ClassVar[bool] = True
    gradient_reads_input: ClassVar[bool] = True

    def output_shape(
        self, x_shapes: Sequence[StaticShape], param_shapes: Sequence[StaticShape]
    ) -> StaticShape:
        """See `Stage.output_shape`."""
        return joined_shape(x_shapes)


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
