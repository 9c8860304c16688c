"""Upsampling of images by bilinear interpolation, as in ``theano.tensor.nnet.abstract_conv``."""

from __future__ import annotations

from typing import Any

import pytensor.tensor as pt
from pytensor.graph.basic import Variable

from .config import config
from .scope import within_scope

__all__ = ["bilinear_kernel_1D", "bilinear_kernel_2D", "bilinear_upsampling"]


@within_scope
def bilinear_upsampling(
    input: Any,
    ratio: Any = None,
    frac_ratio: Any = None,
    batch_size: Any = None,
    num_input_channels: Any = None,
    use_1D_kernel: bool = True,
) -> Variable:
    """Images `ratio` times as high and as wide, interpolated between pixels.

    Row i of the result is interpolated at (i - (ratio - 1) // 2) / ratio, and columns likewise;
    beyond the first and the last pixel their values go on.

    Parameters
    ----------
    input : tensor of shape (n_samples, n_channels, height, width)
    ratio : int, or scalar variable of integers
    frac_ratio : optional
        Ratios that are no integers are not supported.
    batch_size, num_input_channels, use_1D_kernel
        Hints that are not needed here.

    Returns
    -------
    tensor of shape (n_samples, n_channels, height * ratio, width * ratio)

    Raises
    ------
    NotImplementedError
        For `frac_ratio`.
    """
    if frac_ratio is not None or ratio is None:
        raise NotImplementedError(
            f"bilinear_upsampling: ratio must be an integer; got frac_ratio={frac_ratio!r}. "
            "TransformerLayer resamples by any factor."
        )
    images = pt.as_tensor_variable(input)
    rows, columns = (_between_pixels(images.shape[axis], ratio, images.dtype) for axis in (2, 3))
    return pt.matmul(pt.matmul(rows, images), columns.T)


def _between_pixels(size: Any, ratio: Any, dtype: str) -> Variable:
    """The weight of each pixel of an axis in each of its interpolated values."""
    places = (pt.arange(size * ratio) - (ratio - 1) // 2) / pt.cast(ratio, "float64")
    places = pt.minimum(pt.maximum(places, 0), size - 1)
    distances = abs(places.dimshuffle(0, "x") - pt.arange(size))
    return pt.cast(pt.maximum(0.0, 1.0 - distances), dtype)


@within_scope
def bilinear_kernel_1D(ratio: Any, normalize: bool = True) -> Variable:  # noqa: N802
    """1, 2, …, ratio, …, 2, 1; divided by `ratio` with `normalize`."""
    weights = ratio - abs(pt.arange(2 * ratio - 1) - (ratio - 1))
    weights = weights / pt.cast(ratio, "float64") if normalize else weights
    return pt.cast(weights, config.floatX)


@within_scope
def bilinear_kernel_2D(ratio: Any, normalize: bool = True) -> Variable:  # noqa: N802
    """The outer product of `bilinear_kernel_1D` with itself."""
    kernel = bilinear_kernel_1D(ratio, normalize)
    return pt.outer(kernel, kernel)
