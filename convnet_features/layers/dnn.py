"""Layers by their names on graphics cards: what they compute is computed here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lasagne.init import Constant, GlorotUniform
from lasagne.layers import Pool2DLayer
from lasagne.nonlinearities import rectify

from .batch_norm import BatchNormLayer, batch_norm
from .conv2d import Conv2DLayer
from .conv3d import Conv3DLayer
from .pooling import Pool3DLayer, SpatialPyramidPoolingLayer

__all__ = [
    "BatchNormDNNLayer",
    "Conv2DDNNLayer",
    "Conv2DMMLayer",
    "Conv3DDNNLayer",
    "MaxPool2DDNNLayer",
    "MaxPool3DDNNLayer",
    "Pool2DDNNLayer",
    "Pool3DDNNLayer",
    "SpatialPyramidPoolingDNNLayer",
    "batch_norm_dnn",
]

BatchNormDNNLayer = BatchNormLayer
batch_norm_dnn = batch_norm


class Conv2DDNNLayer(Conv2DLayer):
    """`Conv2DLayer`, which correlates unless it is told to flip its filters.

    Parameters
    ----------
    incoming, num_filters, filter_size, stride, pad, untie_biases, W, b, nonlinearity
        As for `Conv2DLayer`.
    flip_filters : bool, default=False
        Convolve, as Theano does.
    **kwargs
        Further arguments of `Conv2DLayer`.
    """

    def __init__(
        self,
        incoming: Any,
        num_filters: int,
        filter_size: Any,
        stride: Any = (1, 1),
        pad: Any = 0,
        untie_biases: bool = False,
        W: Any = GlorotUniform(),  # noqa: B008  (as Lasagne writes defaults)
        b: Any = Constant(0.0),  # noqa: B008
        nonlinearity: Any = rectify,
        flip_filters: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            incoming,
            num_filters,
            filter_size,
            stride,
            pad,
            untie_biases,
            W,
            b,
            nonlinearity,
            flip_filters,
            **kwargs,
        )


class Conv2DMMLayer(Conv2DDNNLayer):
    """`Conv2DLayer`, which correlates unless it is told to flip its filters.

    Parameters
    ----------
    incoming, num_filters, filter_size, stride, pad, untie_biases, W, b, nonlinearity
        As for `Conv2DLayer`.
    flip_filters : bool, default=False
        Convolve, as Theano does.
    **kwargs
        Further arguments of `Conv2DLayer`.
    """


class Conv3DDNNLayer(Conv3DLayer):
    """`Conv3DLayer`, which correlates unless it is told to flip its filters.

    Parameters
    ----------
    incoming, num_filters, filter_size, stride, pad, untie_biases, W, b, nonlinearity
        As for `Conv3DLayer`.
    flip_filters : bool, default=False
        Convolve, as Theano does.
    **kwargs
        Further arguments of `Conv3DLayer`.
    """

    def __init__(
        self,
        incoming: Any,
        num_filters: int,
        filter_size: Any,
        stride: Any = (1, 1, 1),
        pad: Any = 0,
        untie_biases: bool = False,
        W: Any = GlorotUniform(),  # noqa: B008  (as Lasagne writes defaults)
        b: Any = Constant(0.0),  # noqa: B008
        nonlinearity: Any = rectify,
        flip_filters: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            incoming,
            num_filters,
            filter_size,
            stride,
            pad,
            untie_biases,
            W,
            b,
            nonlinearity,
            flip_filters,
            **kwargs,
        )


class _WithinBorders:
    """A pooling whose windows lie within the image."""

    def __init__(
        self,
        incoming: Any,
        pool_size: Any,
        stride: Any = None,
        pad: Any = 0,
        ignore_border: bool = True,
        mode: str = "max",
        **kwargs: Any,
    ) -> None:
        if not ignore_border:
            raise NotImplementedError(
                f"{type(self).__name__} does not support ignore_border=False; "
                "the layer without DNN in its name does."
            )
        super().__init__(incoming, pool_size, stride, pad, True, mode, **kwargs)  # type: ignore[call-arg]


class Pool2DDNNLayer(_WithinBorders, Pool2DLayer):
    """``Pool2DLayer`` with ``ignore_border=True``.

    Parameters
    ----------
    incoming, pool_size, stride, pad, ignore_border, mode
        As for ``Pool2DLayer``.
    **kwargs
        Further arguments of ``lasagne.layers.Layer``, such as ``name``.
    """


class MaxPool2DDNNLayer(Pool2DDNNLayer):
    """The maximum of windows that lie within the image.

    Parameters
    ----------
    incoming, pool_size, stride, pad, ignore_border
        As for ``MaxPool2DLayer``.
    **kwargs
        Further arguments of ``lasagne.layers.Layer``, such as ``name``.
    """

    def __init__(
        self,
        incoming: Any,
        pool_size: Any,
        stride: Any = None,
        pad: Any = (0, 0),
        ignore_border: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(incoming, pool_size, stride, pad, ignore_border, "max", **kwargs)


class Pool3DDNNLayer(_WithinBorders, Pool3DLayer):
    """`Pool3DLayer` with ``ignore_border=True``.

    Parameters
    ----------
    incoming, pool_size, stride, pad, ignore_border, mode
        As for `Pool3DLayer`.
    **kwargs
        Further arguments of ``lasagne.layers.Layer``, such as ``name``.
    """


class MaxPool3DDNNLayer(Pool3DDNNLayer):
    """The maximum of windows that lie within the volume.

    Parameters
    ----------
    incoming, pool_size, stride, pad, ignore_border
        As for `MaxPool3DLayer`.
    **kwargs
        Further arguments of ``lasagne.layers.Layer``, such as ``name``.
    """

    def __init__(
        self,
        incoming: Any,
        pool_size: Any,
        stride: Any = None,
        pad: Any = (0, 0, 0),
        ignore_border: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(incoming, pool_size, stride, pad, ignore_border, "max", **kwargs)


class SpatialPyramidPoolingDNNLayer(SpatialPyramidPoolingLayer):
    """`SpatialPyramidPoolingLayer` by windows of one size.

    Parameters
    ----------
    incoming, pool_dims, mode
        As for `SpatialPyramidPoolingLayer`.
    **kwargs
        Further arguments of ``lasagne.layers.Layer``, such as ``name``.
    """

    def __init__(
        self,
        incoming: Any,
        pool_dims: Sequence[int] = (4, 2, 1),
        mode: str = "max",
        **kwargs: Any,
    ) -> None:
        super().__init__(incoming, pool_dims, mode, "fast", **kwargs)
