"""``theano.tensor.nnet.abstract_conv``: its classes, and the shapes of convolutions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pytensor.graph.basic import Variable

from .convolution import convolution, gradient_of_input, gradient_of_weights
from .scope import within_scope

__all__ = [
    "AbstractConv2d",
    "AbstractConv2d_gradInputs",
    "AbstractConv2d_gradWeights",
    "AbstractConv3d",
    "AbstractConv3d_gradInputs",
    "AbstractConv3d_gradWeights",
    "get_conv_gradinputs_shape",
    "get_conv_gradinputs_shape_1axis",
    "get_conv_gradweights_shape",
    "get_conv_gradweights_shape_1axis",
    "get_conv_output_shape",
    "get_conv_shape_1axis",
]


class _AbstractConv:
    """A convolution, or a gradient of one, that is declared first and called later.

    Parameters
    ----------
    imshp, kshp : tuple of int or None, optional
        The shapes of images and filters, as far as they are known.
    border_mode, subsample, filter_flip, filter_dilation, num_groups, unshared
        As for `convolution.conv2d`.
    """

    n = 2

    def __init__(
        self,
        imshp: Any = None,
        kshp: Any = None,
        border_mode: Any = "valid",
        subsample: Any = None,
        filter_flip: bool = True,
        filter_dilation: Any = None,
        num_groups: int = 1,
        unshared: bool = False,
    ) -> None:
        ones = (1,) * self.n
        self.imshp = None if imshp is None else tuple(imshp)
        self.kshp = None if kshp is None else tuple(kshp)
        self.border_mode = border_mode
        self.subsample = ones if subsample is None else tuple(subsample)
        self.filter_flip = filter_flip
        self.filter_dilation = ones if filter_dilation is None else tuple(filter_dilation)
        self.num_groups = num_groups
        self.unshared = unshared

    def _options(self) -> tuple[Any, ...]:
        return (
            self.border_mode,
            self.subsample,
            self.filter_flip,
            self.filter_dilation,
            self.num_groups,
            self.unshared,
        )

    def _completed(self, known: Any, n_axes: int, last: Any) -> list[Any]:
        """The shape that is `known`, with the sizes `last` at its end."""
        first = [None] * n_axes if known is None else list(known)
        if isinstance(last, Variable):
            last = [last[axis] for axis in range(self.n)]
        return [*first[: -self.n], *last]


class AbstractConv2d(_AbstractConv):
    """A convolution of images: ``AbstractConv2d(...)(images, filters)``."""

    @within_scope
    def __call__(self, img: Any, kern: Any) -> Variable:
        return convolution(self.n, img, kern, self.kshp, *self._options())


class AbstractConv2d_gradInputs(_AbstractConv):  # noqa: N801  (Theano's name)
    """The gradient of the images: ``(filters, gradient, (height, width))``."""

    @within_scope
    def __call__(
        self, kern: Any, topgrad: Any, shape: Any, add_assert_shape: bool = True
    ) -> Variable:
        sizes = self._completed(self.imshp, 2 + self.n, shape)
        return gradient_of_input(self.n, topgrad, kern, sizes, self.kshp, *self._options())


class AbstractConv2d_gradWeights(_AbstractConv):  # noqa: N801  (Theano's name)
    """The gradient of the filters: ``(images, gradient, (rows, columns))``."""

    @within_scope
    def __call__(
        self, img: Any, topgrad: Any, shape: Any, add_assert_shape: bool = True
    ) -> Variable:
        sizes = self._completed(self.kshp, 2 + self.n * (2 if self.unshared else 1), shape)
        return gradient_of_weights(self.n, img, topgrad, sizes, *self._options())


class AbstractConv3d(AbstractConv2d):
    """A convolution of volumes: ``AbstractConv3d(...)(volumes, filters)``."""

    n = 3


class AbstractConv3d_gradInputs(AbstractConv2d_gradInputs):  # noqa: N801  (Theano's name)
    """The gradient of the volumes: ``(filters, gradient, (depth, height, width))``."""

    n = 3


class AbstractConv3d_gradWeights(AbstractConv2d_gradWeights):  # noqa: N801  (Theano's name)
    """The gradient of the filters: ``(volumes, gradient, (slices, rows, columns))``."""

    n = 3


def get_conv_output_shape(
    image_shape: Sequence[Any],
    kernel_shape: Sequence[Any],
    border_mode: Any,
    subsample: Sequence[int],
    filter_dilation: Sequence[int] | None = None,
) -> tuple[Any, ...]:
    """(n_samples, n_filters, ...) of the result of a convolution; None is unknown.

    Parameters
    ----------
    image_shape, kernel_shape : sequence of int, scalar variable or None
    border_mode : {'valid', 'full', 'half'}, int, or tuple with one of them for each axis
    subsample, filter_dilation : sequence of int

    Returns
    -------
    tuple
    """
    n = len(image_shape) - 2
    sizes = _along_axes(
        get_conv_shape_1axis,
        image_shape[2:],
        kernel_shape[-n:],
        border_mode,
        subsample,
        filter_dilation,
    )
    return (image_shape[0], kernel_shape[0], *sizes)


def get_conv_gradinputs_shape(
    kernel_shape: Sequence[Any],
    top_shape: Sequence[Any],
    border_mode: Any,
    subsample: Sequence[int],
    filter_dilation: Sequence[int] | None = None,
) -> tuple[Any, ...]:
    """The shape of the images of a convolution; None along axes where a stride leaves it open."""
    n = len(top_shape) - 2
    sizes = _along_axes(
        get_conv_gradinputs_shape_1axis,
        kernel_shape[-n:],
        top_shape[2:],
        border_mode,
        subsample,
        filter_dilation,
    )
    return (top_shape[0], kernel_shape[1], *sizes)


def get_conv_gradweights_shape(
    image_shape: Sequence[Any],
    top_shape: Sequence[Any],
    border_mode: Any,
    subsample: Sequence[int],
    filter_dilation: Sequence[int] | None = None,
) -> tuple[Any, ...]:
    """The shape of a convolution's filters; None where a stride or 'half' leaves it open."""
    sizes = _along_axes(
        get_conv_gradweights_shape_1axis,
        image_shape[2:],
        top_shape[2:],
        border_mode,
        subsample,
        filter_dilation,
    )
    return (top_shape[1], image_shape[1], *sizes)


def _along_axes(
    rule: Any, first: Any, second: Any, border_mode: Any, subsample: Any, dilation: Any
) -> list[Any]:
    n = len(subsample)
    modes = border_mode if isinstance(border_mode, list | tuple) else [border_mode] * n
    return [
        rule(*each)
        for each in zip(first, second, modes, subsample, dilation or [1] * n, strict=True)
    ]


def get_conv_shape_1axis(
    image_shape: Any, kernel_shape: Any, border_mode: Any, subsample: Any, dilation: Any = 1
) -> Any:
    """The size of the result along one axis."""
    if any(each is None for each in (image_shape, kernel_shape, border_mode, subsample, dilation)):
        return None
    extent = (kernel_shape - 1) * dilation + 1
    return (image_shape + _zeros(border_mode, extent) - extent) // subsample + 1


def get_conv_gradinputs_shape_1axis(
    kernel_shape: Any, top_shape: Any, border_mode: Any, subsample: Any, dilation: Any
) -> Any:
    """The size of the images along one axis."""
    if any(each is None for each in (kernel_shape, top_shape, border_mode, subsample, dilation)):
        return None
    if subsample != 1:
        return None
    extent = (kernel_shape - 1) * dilation + 1
    return top_shape - 1 + extent - _zeros(border_mode, extent)


def get_conv_gradweights_shape_1axis(
    image_shape: Any, top_shape: Any, border_mode: Any, subsample: Any, dilation: Any
) -> Any:
    """The size of the filters along one axis."""
    if any(each is None for each in (image_shape, top_shape, border_mode, subsample, dilation)):
        return None
    if subsample != 1 or border_mode == "half":
        return None
    if isinstance(border_mode, str) and border_mode == "full":
        return (top_shape - image_shape) // dilation + 1
    return (image_shape + _zeros(border_mode, 1) - top_shape) // dilation + 1


def _zeros(border_mode: Any, extent: Any) -> Any:
    """Zeros on both sides of an axis."""
    if isinstance(border_mode, str):
        return {"valid": 0, "half": 2 * (extent // 2), "full": 2 * (extent - 1)}[border_mode]
    sides = border_mode if isinstance(border_mode, list | tuple) else (border_mode, border_mode)
    if any(isinstance(side, int) and side < 0 for side in sides):
        raise ValueError(f"border_mode must be >= 0; got {border_mode!r}.")
    return sides[0] + sides[1]
