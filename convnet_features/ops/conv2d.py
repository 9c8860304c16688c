"""Two-dimensional convolution of batches of images, with its gradients."""

from __future__ import annotations

from numbers import Integral
from typing import Any

from pytensor.graph.basic import Apply, Variable
from pytensor.scalar import upcast
from pytensor.tensor import cast

from ..kernels.contract import Conv2DSpec, Kernels
from .base import Kernel, KernelOp, float_tensor, image_tensor, pair_of, tensor_of

__all__ = ["Conv2D", "Conv2DGradInput", "Conv2DGradWeights", "checked_spec", "conv2d"]

StaticShape = tuple[int | None, ...]


class Conv2D(KernelOp):
    """y = x * w: images (n, c, h, w) with filters (k, c / groups, rows, columns)."""

    __props__ = ("spec",)

    def __init__(self, spec: Conv2DSpec) -> None:
        self.spec = spec

    def make_node(self, x: Any, w: Any) -> Apply:
        x, w = image_tensor(x, "conv2d"), float_tensor(w, 4, "the filters", "conv2d")
        self.spec.check_channels(x.type.shape, w.type.shape, "conv2d")
        shape = self.spec.output_shape(x.type.shape, w.type.shape)
        # Kernels compute in the dtype of the images.
        dtype = upcast(x.dtype, w.dtype)
        return Apply(self, [cast(x, dtype), cast(w, dtype)], [tensor_of(dtype, shape)()])

    def pullback(self, inputs: Any, outputs: Any, output_grads: Any) -> list[Variable]:
        x, w = inputs
        (gy,) = output_grads
        return [
            Conv2DGradInput(self.spec)(x, w, gy),
            Conv2DGradWeights(self.spec)(x, w, gy),
        ]

    def kernel(self, node: Apply, kernels: Kernels, needed: tuple[bool, ...]) -> Kernel:
        forward = kernels.conv2d(self.spec).forward
        return lambda x, w: (forward(x, w),)


class Conv2DGradInput(KernelOp):
    """The gradient of a convolution with respect to its images, whose shape `x` lends."""

    __props__ = ("spec",)

    def __init__(self, spec: Conv2DSpec) -> None:
        self.spec = spec

    def make_node(self, x: Any, w: Any, gy: Any) -> Apply:
        return Apply(self, [x, w, gy], [tensor_of(x.type.dtype, x.type.shape)()])

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        return [[False], [True], [True]]

    def pullback(self, inputs: Any, outputs: Any, output_grads: Any) -> list[Variable]:
        from pytensor.gradient import disconnected_type

        _, w, gy = inputs
        (ggx,) = output_grads
        return [
            disconnected_type(),
            Conv2DGradWeights(self.spec)(ggx, w, gy),
            Conv2D(self.spec)(ggx, w),
        ]

    def kernel(self, node: Apply, kernels: Kernels, needed: tuple[bool, ...]) -> Kernel:
        grad_input = kernels.conv2d(self.spec).grad_input
        return lambda x, w, gy: (grad_input(x.shape, w, gy),)


class Conv2DGradWeights(KernelOp):
    """The gradient of a convolution with respect to its filters, whose shape `w` lends."""

    __props__ = ("spec",)

    def __init__(self, spec: Conv2DSpec) -> None:
        self.spec = spec

    def make_node(self, x: Any, w: Any, gy: Any) -> Apply:
        return Apply(self, [x, w, gy], [tensor_of(w.type.dtype, w.type.shape)()])

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        return [[True], [False], [True]]

    def pullback(self, inputs: Any, outputs: Any, output_grads: Any) -> list[Variable]:
        from pytensor.gradient import disconnected_type

        x, _, gy = inputs
        (ggw,) = output_grads
        return [
            Conv2DGradInput(self.spec)(x, ggw, gy),
            disconnected_type(),
            Conv2D(self.spec)(x, ggw),
        ]

    def kernel(self, node: Apply, kernels: Kernels, needed: tuple[bool, ...]) -> Kernel:
        grad_weights = kernels.conv2d(self.spec).grad_weights
        return lambda x, w, gy: (grad_weights(x, w.shape, gy),)


def conv2d(
    input: Any,
    filters: Any,
    *,
    stride: tuple[int, int] = (1, 1),
    padding: tuple[tuple[int, int], tuple[int, int]] = ((0, 0), (0, 0)),
    flip_filters: bool = True,
    groups: int = 1,
    dilation: tuple[int, int] = (1, 1),
) -> Variable:
    """Convolve a batch of images with filters.

    y[n, k, i, j] = Σ x[n, c, i·s + a·d - top, j·t + b·e - left] · w'[k, c, a, b]

    where w' is w with rows and columns reversed if `flip_filters`, and x is 0
    outside the image. With `groups`, c runs over the channels of the filter's own
    group, of which the first is k // (n_filters / groups) · (n_channels / groups).

    Parameters
    ----------
    input : tensor of shape (n_samples, n_channels, height, width)
        Symbolic images, float32 or float64.
    filters : tensor of shape (n_filters, n_channels / groups, rows, columns)
        Symbolic filters.
    stride : (int, int), default=(1, 1)
        (s, t), rows and columns from one output to the next.
    padding : ((top, bottom), (left, right)), default=((0, 0), (0, 0))
        Zeros around each image.
    flip_filters : bool, default=True
        Convolve as Theano does; False correlates.
    groups : int, default=1
        Groups that channels and filters are divided into, in order: a filter reads the
        channels of its own group. `n_channels` of them make a depthwise convolution.
    dilation : (int, int), default=(1, 1)
        (d, e), pixels between a filter's rows and between its columns.

    Returns
    -------
    tensor of shape (n_samples, n_filters, out_height, out_width)
        Where out = (in + pads - (filter - 1) · dilation - 1) // stride + 1.

    Raises
    ------
    TypeError
        If an argument is not a 4-dimensional float tensor.
    ValueError
        If images and filters are known to differ in channels, if the filters
        cannot be divided into the groups, or if stride, padding, groups or
        dilation are not integers, or too small.

    Examples
    --------
    >>> import pytensor.tensor as pt
    >>> y = conv2d(pt.tensor4("x", shape=(None, 1, 28, 28)), pt.tensor4("w", shape=(32, 1, 5, 5)))
    >>> y.type.shape
    (None, 32, 24, 24)
    """
    spec, _ = checked_spec("conv2d", stride, padding, flip_filters, groups, dilation)
    return Conv2D(spec)(input, filters)


def checked_spec(
    who: str,
    stride: Any,
    padding: Any,
    flip_filters: bool,
    groups: Any,
    dilation: Any,
    extra: Any = (0, 0),
) -> tuple[Conv2DSpec, tuple[int, int]]:
    """The spec that these arguments of `who` make, and `extra`; a ValueError says what is wrong."""
    stride = pair_of(stride, 1, f"{who}: stride")
    dilation = pair_of(dilation, 1, f"{who}: dilation")
    if not isinstance(groups, Integral) or groups < 1:
        raise ValueError(f"{who}: groups must be an integer of at least 1; got {groups!r}.")
    extra = pair_of(extra, 0, f"{who}: extra")
    if any(more >= step for more, step in zip(extra, stride, strict=True)):
        raise ValueError(f"{who}: extra={extra} must be smaller than stride={stride}.")
    padding = _checked_padding(who, padding)
    return Conv2DSpec(stride, padding, bool(flip_filters), int(groups), dilation), extra


def _checked_padding(who: str, padding: Any) -> tuple[tuple[int, int], tuple[int, int]]:
    try:
        rows, columns = padding
        return pair_of(rows, 0, "rows"), pair_of(columns, 0, "columns")
    except (TypeError, ValueError):
        raise ValueError(
            f"{who}: padding must be ((top, bottom), (left, right)), integers of at least 0; "
            f"got {padding!r}."
        ) from None
