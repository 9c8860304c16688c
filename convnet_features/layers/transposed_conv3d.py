"""Transposed convolution of volumes."""

from __future__ import annotations

from typing import Any

from theano import tensor

from ..ops import transposed_conv2d
from .base_transposed_conv import BaseTransposedConvLayer
from .transposed_conv2d import spread

__all__ = ["Deconv3DLayer", "TransposedConv3DLayer"]


class TransposedConv3DLayer(BaseTransposedConvLayer):
    """Spread each voxel over the filters: `TransposedConv2DLayer` of three dimensions.

    The kernels of two-dimensional transposed convolution spread each slice over all slices of the
    filters at once; then what falls on one slice of the result is added up.

    Parameters
    ----------
    incoming : Layer, or tuple
        What it stands on, of shape (n_samples, n_channels, depth, height, width).
    num_filters : int
        Channels of the result.
    filter_size : int or (int, int, int)
        Slices, rows and columns of a filter.
    stride : int or (int, int, int), default=(1, 1, 1)
        From one voxel of the input to the next, in the result.
    crop : int, (int, int, int), 'same', 'full' or 'valid', default=0
        Slices, rows and columns that are cut off on either side of the result.
    untie_biases, W, b, nonlinearity, flip_filters
        As for `TransposedConv2DLayer`; `W` has the shape
        (n_channels, num_filters / num_groups, slices, rows, columns).
    output_size : int, (int, int, int) or symbolic vector, optional
        The sizes of the result, if they are not the smallest: each less than a stride more.
    num_groups, dilation
        As for `TransposedConv2DLayer`.
    **kwargs
        Further arguments of ``lasagne.layers.Layer``, such as ``name``.

    Attributes
    ----------
    W, b : shared variables
        Filters and biases.

    Raises
    ------
    NotImplementedError
        For ``crop='same'`` with filters of an even size.
    ValueError
        If `output_size` is smaller than the smallest size, or a stride larger.

    Examples
    --------
    >>> from convnet_features.layers import TransposedConv3DLayer
    >>> TransposedConv3DLayer((None, 8, 4, 7, 7), 4, 4, stride=2, crop=1).output_shape
    (None, 4, 8, 14, 14)
    """

    n = 3
    dilation = (1, 1, 1)

    def convolve(self, input: Any, **kwargs: Any) -> Any:
        """`input` spread over the filters, without biases."""
        if self.extra is None:
            size, *others = self._sizes(input)
        else:
            before, behind = self._pads[0]
            smallest = (input.shape[2] - 1) * self.stride[0] + self._extents[0] - before - behind
            size, others = smallest + self.extra[0], []
        return self._added(self._spread_slices(input, others), size)

    def _spread_slices(self, input: Any, sizes: list[Any]) -> Any:
        """Each slice spread over each slice of the filters, one beside the other.

        Of shape (n_samples, depth, num_filters, slices of a filter, height, width); `sizes` are the
        last two where only the run knows them.
        """
        n_samples, channels, depth, height, width = (input.shape[axis] for axis in range(5))
        slices = input.dimshuffle(0, 2, 1, 3, 4)
        images = slices.reshape((n_samples * depth, channels, height, width), ndim=4)
        taps, rows, columns = self.filter_size
        # A filter's slices beside the filters.
        filters = self.W.reshape((self.input_shape[1], -1, rows, columns), ndim=4)
        geometry: dict[str, Any] = {
            "stride": self.stride[1:],
            "padding": self._pads[1:],
            "flip_filters": not self.flip_filters,
            "groups": self.num_groups,
            "dilation": self.dilation[1:],
        }
        if self.extra is None:
            found = spread(images, filters, (self.num_filters * taps, *sizes), geometry)
        else:
            _, rows_more, columns_more = self.extra
            extra = (rows_more, columns_more)
            found = transposed_conv2d(images, filters, extra=extra, **geometry)
        shape = (n_samples, depth, self.num_filters, taps, found.shape[2], found.shape[3])
        return found.reshape(shape, ndim=6)

    def _added(self, found: Any, size: Any) -> Any:
        """What falls on each slice of the result, added up."""
        depth, taps = found.shape[1], self.filter_size[0]
        step, apart, (before, _) = self.stride[0], self.dilation[0], self._pads[0]
        last = (depth - 1) * step + 1
        # An output size may have less than a stride of slices more.
        whole = last + self._extents[0] - 1 + step - 1
        shape = (found.shape[0], whole, *(found.shape[axis] for axis in (2, 4, 5)))
        total = tensor.zeros(shape, dtype=found.dtype)
        for k in range(taps):
            at = (k if self.flip_filters else taps - 1 - k) * apart
            total = tensor.inc_subtensor(total[:, at : at + last : step], found[:, :, :, k])
        return total[:, before : before + size].dimshuffle(0, 2, 1, 3, 4)


Deconv3DLayer = TransposedConv3DLayer
