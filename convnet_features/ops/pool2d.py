"""Pooling of batches of images, with its gradient."""

from __future__ import annotations

from typing import Any, get_args

from pytensor.graph.basic import Apply, Variable
from pytensor.tensor import cast

from ..kernels.contract import Kernels, Pool2DSpec, PoolMode
from ..kernels.portable.pooling import PortablePool2D
from .base import Kernel, KernelOp, image_tensor, pair_of, tensor_of

__all__ = ["AtMaxima", "Pool2D", "Pool2DGrad", "pool2d"]


class Pool2D(KernelOp):
    """The maximum, sum or average of windows of each image."""

    __props__ = ("spec",)

    def __init__(self, spec: Pool2DSpec) -> None:
        self.spec = spec

    def make_node(self, x: Any) -> Apply:
        x = image_tensor(x, "pool2d")
        shape = self.spec.output_shape(x.type.shape)
        return Apply(self, [x], [tensor_of(x.dtype, shape)()])

    def pullback(self, inputs: Any, outputs: Any, output_grads: Any) -> list[Variable]:
        return [Pool2DGrad(self.spec)(inputs[0], output_grads[0])]

    def kernel(self, node: Apply, kernels: Kernels, needed: tuple[bool, ...]) -> Kernel:
        forward = kernels.pool2d(self.spec).forward
        return lambda x: (forward(x),)


class Pool2DGrad(KernelOp):
    """The gradient of a pooling with respect to its images."""

    __props__ = ("spec",)

    def __init__(self, spec: Pool2DSpec) -> None:
        self.spec = spec

    def make_node(self, x: Any, gy: Any) -> Apply:
        return Apply(self, [x, gy], [tensor_of(x.type.dtype, x.type.shape)()])

    def pullback(self, inputs: Any, outputs: Any, output_grads: Any) -> list[Variable]:
        x, _ = inputs
        (ggx,) = output_grads
        if self.spec.mode == "max":
            return [x.zeros_like(), AtMaxima(self.spec)(x, ggx)]
        return [x.zeros_like(), Pool2D(self.spec)(ggx)]

    def kernel(self, node: Apply, kernels: Kernels, needed: tuple[bool, ...]) -> Kernel:
        grad = kernels.pool2d(self.spec).grad
        return lambda x, gy: (grad(x, gy),)


class AtMaxima(KernelOp):
    """Of other images, what lies where each window of `x` has its maximum."""

    __props__ = ("spec",)

    def __init__(self, spec: Pool2DSpec) -> None:
        self.spec = spec

    def make_node(self, x: Any, values: Any) -> Apply:
        shape = self.spec.output_shape(x.type.shape)
        return Apply(self, [x, cast(values, x.dtype)], [tensor_of(x.dtype, shape)()])

    def pullback(self, inputs: Any, outputs: Any, output_grads: Any) -> list[Variable]:
        x, _ = inputs
        return [x.zeros_like(), Pool2DGrad(self.spec)(x, output_grads[0])]

    def kernel(self, node: Apply, kernels: Kernels, needed: tuple[bool, ...]) -> Kernel:
        at_maxima = PortablePool2D(self.spec).at_maxima
        return lambda x, values: (at_maxima(x, values),)


def pool2d(
    input: Any,
    *,
    window: tuple[int, int],
    stride: tuple[int, int] | None = None,
    padding: tuple[int, int] = (0, 0),
    mode: PoolMode = "max",
    ignore_border: bool = True,
) -> Variable:
    """Reduce windows of each image to one number.

    Parameters
    ----------
    input : tensor of shape (n_samples, n_channels, height, width)
        Symbolic images, float32 or float64.
    window : (int, int)
        Rows and columns of a window.
    stride : (int, int), default=window
        Rows and columns from one window to the next.
    padding : (int, int), default=(0, 0)
        Rows above and below, and columns left and right, outside the image.
    mode : {'max', 'sum', 'average_inc_pad', 'average_exc_pad'}, default='max'
        See `convnet_features.kernels.contract.Pool2DSpec`. The gradient of a
        maximum goes to its first occurrence in the window.
    ignore_border : bool, default=True
        Drop windows that overhang the bottom or the right.

    Returns
    -------
    tensor of shape (n_samples, n_channels, out_height, out_width)
        The reduced images.

    Raises
    ------
    TypeError
        If `input` is not a 4-dimensional float tensor.
    ValueError
        If `window`, `stride` or `padding` are not two integers, or too small, or
        `mode` is unknown; if padding is not smaller than the window, or comes with
        ``ignore_border=False``, as in Theano.

    Examples
    --------
    >>> import pytensor.tensor as pt
    >>> pool2d(pt.tensor4("x", shape=(None, 32, 24, 24)), window=(2, 2)).type.shape
    (None, 32, 12, 12)
    """
    window = pair_of(window, 1, "pool2d: window")
    stride = window if stride is None else pair_of(stride, 1, "pool2d: stride")
    padding = pair_of(padding, 0, "pool2d: padding")
    if mode not in get_args(PoolMode):
        known = ", ".join(map(repr, get_args(PoolMode)))
        raise ValueError(f"pool2d: mode must be one of {known}; got {mode!r}.")
    if any(pad >= extent for pad, extent in zip(padding, window, strict=True)):
        raise ValueError(f"pool2d: padding {padding} must be smaller than the window {window}.")
    if any(padding) and not ignore_border:
        raise ValueError(f"pool2d: padding {padding} works only with ignore_border=True.")
    return Pool2D(Pool2DSpec(window, stride, padding, mode, bool(ignore_border)))(input)
