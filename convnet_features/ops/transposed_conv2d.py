"""Transposed convolution: what a convolution has as the gradient of its images."""

from __future__ import annotations

from typing import Any

from pytensor.graph.basic import Apply, Variable
from pytensor.scalar import upcast
from pytensor.tensor import cast

from ..kernels.contract import Conv2DSpec, Kernels, Pair
from .base import Kernel, KernelOp, float_tensor, image_tensor, tensor_of
from .conv2d import Conv2D, Conv2DGradWeights, checked_spec

__all__ = ["TransposedConv2D", "transposed_conv2d"]


class TransposedConv2D(KernelOp):
    """Images that a convolution of `spec` would make x from, as its gradient has them."""

    __props__ = ("spec", "extra")

    def __init__(self, spec: Conv2DSpec, extra: Pair = (0, 0)) -> None:
        self.spec = spec
        self.extra = extra

    def make_node(self, x: Any, w: Any) -> Apply:
        who = "transposed_conv2d"
        x, w = image_tensor(x, who), float_tensor(w, 4, "the filters", who)
        channels, filters = x.type.shape[1], w.type.shape[0]
        if None not in (channels, filters) and channels != filters:
            raise ValueError(
                f"{who}: the images have {channels} channels, and the filters are for {filters}; "
                f"their shapes are {x.type.shape} and {w.type.shape}."
            )
        # Kernels compute in the dtype of the images.
        dtype = upcast(x.dtype, w.dtype)
        shape = self.spec.input_shape(x.type.shape, w.type.shape, self.extra)
        return Apply(self, [cast(x, dtype), cast(w, dtype)], [tensor_of(dtype, shape)()])

    def pullback(self, inputs: Any, outputs: Any, output_grads: Any) -> list[Variable]:
        x, w = inputs
        (gy,) = output_grads
        return [Conv2D(self.spec)(gy, w), Conv2DGradWeights(self.spec)(gy, w, x)]

    def kernel(self, node: Apply, kernels: Kernels, needed: tuple[bool, ...]) -> Kernel:
        grad_input = kernels.conv2d(self.spec).grad_input
        spec, extra = self.spec, self.extra
        return lambda x, w: (grad_input(spec.input_shape(x.shape, w.shape, extra), w, x),)


def transposed_conv2d(
    input: Any,
    filters: Any,
    *,
    stride: tuple[int, int] = (1, 1),
    padding: tuple[tuple[int, int], tuple[int, int]] = ((0, 0), (0, 0)),
    extra: tuple[int, int] = (0, 0),
    flip_filters: bool = True,
    groups: int = 1,
    dilation: tuple[int, int] = (1, 1),
) -> Variable:
    """Spread each pixel of a batch of images over the filters.

    y[n, c, i·s + a·d - top, j·t + b·e - left] += x[n, k, i, j] · w'[k, c, a, b]

    where w' is w with rows and columns reversed if `flip_filters`. It is what
    `convnet_features.ops.conv2d` of the same arguments has as its gradient with respect to
    its images.

    Parameters
    ----------
    input : tensor of shape (n_samples, n_channels, height, width)
        Symbolic images, float32 or float64.
    filters : tensor of shape (n_channels, n_filters / groups, rows, columns)
        Symbolic filters.
    stride : (int, int), default=(1, 1)
        (s, t), rows and columns of the result from one pixel of the images to the next.
    padding : ((top, bottom), (left, right)), default=((0, 0), (0, 0))
        Rows and columns that are cut off the result.
    extra : (int, int), default=(0, 0)
        Rows at the bottom and columns at the right that no pixel needs, fewer than the stride.
    flip_filters : bool, default=True
        Whether the convolution is one; False is the gradient of a correlation.
    groups : int, default=1
        Groups that channels and filters are divided into, in order.
    dilation : (int, int), default=(1, 1)
        (d, e), pixels between a filter's rows and between its columns.

    Returns
    -------
    tensor of shape (n_samples, n_filters, out_height, out_width)
        Where out = (in - 1) · stride + (filter - 1) · dilation + 1 - pads + extra.

    Raises
    ------
    TypeError
        If an argument is not a 4-dimensional float tensor.
    ValueError
        If images and filters are known to differ in channels, if nothing is left after
        cutting, or if an argument is not integers, or too small or too large.

    Examples
    --------
    >>> import pytensor.tensor as pt
    >>> x, w = pt.tensor4("x", shape=(None, 8, 7, 7)), pt.tensor4("w", shape=(8, 3, 4, 4))
    >>> transposed_conv2d(x, w, stride=(2, 2), padding=((1, 1), (1, 1))).type.shape
    (None, 3, 14, 14)
    """
    spec, extra = checked_spec(
        "transposed_conv2d", stride, padding, flip_filters, groups, dilation, extra
    )
    return TransposedConv2D(spec, extra)(input, filters)
