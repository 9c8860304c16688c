"""Theano's names for a GPU: what they compute is computed here, without one."""

from __future__ import annotations

from typing import Any

import pytensor.tensor as pt
from pytensor.graph.basic import Variable

from .convolution import convolution
from .scope import within_scope
from .signal import pool_2d, pool_3d

__all__ = ["as_it_is", "dnn_available", "dnn_conv", "dnn_conv_of_2015", "dnn_pool"]


def dnn_available() -> bool:
    """Whether cuDNN can be used: no."""
    return False


@within_scope
def as_it_is(x: Any) -> Variable:
    """`x`: there is no other device to bring it to, and every kernel takes any strides."""
    return pt.as_tensor_variable(x)


@within_scope
def dnn_conv(
    img: Any,
    kerns: Any,
    border_mode: Any = "valid",
    subsample: Any = None,
    dilation: Any = None,
    conv_mode: str = "conv",
    direction_hint: Any = None,
    workmem: Any = None,
    algo: Any = None,
    precision: Any = None,
    num_groups: int = 1,
) -> Variable:
    """Convolve images or volumes, as ``theano.gpuarray.dnn.dnn_conv`` and ``dnn_conv3d``.

    Parameters
    ----------
    img : tensor of shape (n_samples, n_channels, ...)
        With two or three more axes.
    kerns : tensor of shape (n_filters, n_channels / num_groups, ...)
    border_mode, subsample, dilation, num_groups
        As for ``theano.tensor.nnet.conv2d``; ``dilation`` is its ``filter_dilation``.
    conv_mode : {'conv', 'cross'}
        Whether filters are flipped.
    direction_hint, workmem, algo, precision
        How cuDNN was to compute it; not needed here.

    Returns
    -------
    tensor of shape (n_samples, n_filters, ...)

    Raises
    ------
    ValueError
        For another `conv_mode`.
    """
    if conv_mode not in ("conv", "cross"):
        raise ValueError(f"dnn_conv: conv_mode must be 'conv' or 'cross'; got {conv_mode!r}.")
    img = pt.as_tensor_variable(img)
    n = img.ndim - 2
    if n not in (2, 3):
        raise TypeError(f"dnn_conv: img must have 4 or 5 dimensions; got {img.ndim}.")
    flip = conv_mode == "conv"
    return convolution(n, img, kerns, None, border_mode, subsample, flip, dilation, num_groups)


def dnn_conv_of_2015(
    img: Any,
    kerns: Any,
    border_mode: Any = "valid",
    subsample: Any = None,
    conv_mode: str = "conv",
    direction_hint: Any = None,
    workmem: Any = None,
    algo: Any = None,
    precision: Any = None,
) -> Variable:
    """`dnn_conv` with the order of arguments that ``theano.sandbox.cuda.dnn`` has."""
    return dnn_conv(img, kerns, border_mode, subsample, conv_mode=conv_mode)


def dnn_pool(img: Any, ws: Any, stride: Any = None, mode: str = "max", pad: Any = None) -> Variable:
    """Pool images or volumes, as ``theano.gpuarray.dnn.dnn_pool``.

    Parameters
    ----------
    img : tensor with two or three axes behind samples and channels
    ws : pair or triple of int
    stride : pair or triple of int, default=ones
    mode : {'max', 'sum', 'average_inc_pad', 'average_exc_pad'}
    pad : pair or triple of int, default=zeros

    Returns
    -------
    tensor with as many dimensions as `img`
    """
    pool = pool_3d if pt.as_tensor_variable(img).ndim == 5 else pool_2d
    return pool(img, ws, True, 1 if stride is None else stride, 0 if pad is None else pad, mode)
