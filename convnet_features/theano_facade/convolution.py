"""Convolution by Theano's functions: of images and volumes, transposed, and its gradients."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytensor.gradient as pytensor_gradient
import pytensor.tensor as pt
from pytensor.compile.sharedvalue import SharedVariable
from pytensor.graph.basic import Variable
from pytensor.raise_op import Assert

from .. import ops
from .scope import within_scope
from .windows import number, padded, sizes_of, windows

__all__ = [
    "causal_conv1d",
    "conv2d",
    "conv2d_grad_wrt_inputs",
    "conv2d_grad_wrt_weights",
    "conv2d_transpose",
    "conv3d",
    "conv3d_grad_wrt_inputs",
    "conv3d_grad_wrt_weights",
    "convolution",
    "gradient_of_input",
    "gradient_of_weights",
    "of_2015",
    "separable_conv2d",
    "separable_conv3d",
    "signal_conv2d",
    "video_conv3d",
]

#: What Theano's conv2d took to choose among its own implementations.
_CONV2D_HINTS = set(
    """
    bsize direction_hint imshp imshp_logical kshp kshp_logical kshp_logical_top_aligned
    logical_img_hw logical_kern_hw nkern num_threads openmp unroll_batch unroll_kern unroll_patch
    verbose version
    """.split()  # noqa: SIM905
)

Pads = list[tuple[Any, Any]]


@within_scope
def conv2d(
    input: Any,
    filters: Any,
    input_shape: Sequence[Any] | None = None,
    filter_shape: Sequence[Any] | None = None,
    border_mode: Any = "valid",
    subsample: Sequence[int] = (1, 1),
    filter_flip: bool = True,
    image_shape: Sequence[Any] | None = None,
    filter_dilation: Sequence[int] = (1, 1),
    num_groups: int = 1,
    unshared: bool = False,
    **kwargs: Any,
) -> Variable:
    """Convolve images with filters, by either of Theano's signatures.

    Parameters
    ----------
    input : tensor of shape (n_samples, n_channels, height, width)
        Symbolic images.
    filters : tensor of shape (n_filters, n_channels / num_groups, rows, columns)
        Symbolic filters. With `unshared`, of shape (n_filters, out_height, out_width,
        n_channels / num_groups, rows, columns).
    input_shape, image_shape : tuple of 4 int or None, optional
        A hint that is not needed here.
    filter_shape : tuple of int or None, optional
        The shape of `filters`, as far as it is known.
    border_mode : {'valid', 'full', 'half'}, int, or pair of int or of pairs of int
        No zeros around the image; as many as give every overlap; as many as
        give the image's size with odd filters; or so many rows and columns.
    subsample : (int, int), default=(1, 1)
        Rows and columns from one output to the next.
    filter_flip : bool, default=True
        Convolve; False correlates.
    filter_dilation : (int, int), default=(1, 1)
        Pixels from one row of a filter to the next, and from one column to the next.
    num_groups : int, default=1
        Groups of channels and filters; a filter reads the channels of its own group.
    unshared : bool, default=False
        Take filters of its own for each pixel of the result.

    Returns
    -------
    tensor of shape (n_samples, n_filters, out_height, out_width)

    Raises
    ------
    TypeError
        For an unknown argument, or a wrong number of dimensions.
    ValueError
        For an unknown border mode.
    """
    unknown = sorted(set(kwargs) - _CONV2D_HINTS)
    if unknown:
        raise TypeError(f"conv2d: unknown argument {unknown[0]!r}.")
    return convolution(
        2,
        input,
        filters,
        filter_shape,
        border_mode,
        subsample,
        filter_flip,
        filter_dilation,
        num_groups,
        unshared,
    )


@within_scope
def of_2015(
    input: Any,
    filters: Any,
    input_shape: Any = None,
    filter_shape: Any = None,
    border_mode: Any = "valid",
    subsample: Any = (1, 1),
    filter_flip: bool = True,
    filter_dilation: Any = (1, 1),
    num_groups: int = 1,
    unshared: bool = False,
) -> Variable:
    """`conv2d` with the order of arguments that ``theano.tensor.nnet.abstract_conv`` has."""
    return convolution(
        2,
        input,
        filters,
        filter_shape,
        border_mode,
        subsample,
        filter_flip,
        filter_dilation,
        num_groups,
        unshared,
    )


@within_scope
def conv3d(
    input: Any,
    filters: Any,
    input_shape: Any = None,
    filter_shape: Any = None,
    border_mode: Any = "valid",
    subsample: Any = (1, 1, 1),
    filter_flip: bool = True,
    filter_dilation: Any = (1, 1, 1),
    num_groups: int = 1,
) -> Variable:
    """Convolve volumes with filters, as ``theano.tensor.nnet.conv3d``.

    Parameters
    ----------
    input : tensor of shape (n_samples, n_channels, depth, height, width)
    filters : tensor of shape (n_filters, n_channels / num_groups, slices, rows, columns)
    input_shape, filter_shape, border_mode, subsample, filter_flip, filter_dilation, num_groups
        As for `conv2d`, with three numbers each.

    Returns
    -------
    tensor of shape (n_samples, n_filters, out_depth, out_height, out_width)
    """
    return convolution(
        3,
        input,
        filters,
        filter_shape,
        border_mode,
        subsample,
        filter_flip,
        filter_dilation,
        num_groups,
    )


@within_scope
def video_conv3d(
    signals: Any,
    filters: Any,
    signals_shape: Any = None,
    filters_shape: Any = None,
    border_mode: Any = "valid",
) -> Variable:
    """Convolve films over time, rows and columns, as ``theano.tensor.nnet.conv3d2d.conv3d``.

    Parameters
    ----------
    signals : tensor of shape (n_samples, n_frames, n_channels, height, width)
    filters : tensor of shape (n_filters, frames, n_channels, rows, columns)
    signals_shape, filters_shape : tuple of 5 int or None, optional
        Hints.
    border_mode : 'valid', 'full', 'half', or a triple of them
        For frames, rows and columns.

    Returns
    -------
    tensor of shape (n_samples, out_frames, n_filters, out_height, out_width)
    """
    shape = None if filters_shape is None else [filters_shape[axis] for axis in (0, 2, 1, 3, 4)]
    y = convolution(
        3,
        pt.as_tensor_variable(signals).dimshuffle(0, 2, 1, 3, 4),
        pt.as_tensor_variable(filters).dimshuffle(0, 2, 1, 3, 4),
        shape,
        border_mode,
        (1, 1, 1),
    )
    return y.dimshuffle(0, 2, 1, 3, 4)


@within_scope
def signal_conv2d(
    input: Any,
    filters: Any,
    image_shape: Any = None,
    filter_shape: Any = None,
    border_mode: Any = "valid",
    subsample: Any = (1, 1),
    **kwargs: Any,
) -> Variable:
    """Convolve images without channels, as ``theano.tensor.signal.conv.conv2d``.

    Parameters
    ----------
    input : tensor of shape (height, width) or (n_samples, height, width)
    filters : tensor of shape (rows, columns) or (n_filters, rows, columns)
    image_shape, filter_shape : tuple of int, optional
        The shape of `filters`; that of `input` is not needed.
    border_mode : {'valid', 'full', 'half'}, int or pair
    subsample : (int, int), default=(1, 1)

    Returns
    -------
    tensor
        Of shape ([n_samples,] [n_filters,] out_height, out_width): an axis for each of the
        two that is there.
    """
    input, filters = pt.as_tensor_variable(input), pt.as_tensor_variable(filters)
    if input.ndim not in (2, 3) or filters.ndim not in (2, 3):
        raise TypeError(
            "conv2d: images and filters without channels have two or three dimensions; got "
            f"{input.ndim} and {filters.ndim}."
        )
    shape = None if filter_shape is None else (None, 1, *filter_shape[-2:])
    images = input.dimshuffle(0, "x", 1, 2) if input.ndim == 3 else input.dimshuffle("x", "x", 0, 1)
    kernels = (
        filters.dimshuffle(0, "x", 1, 2)
        if filters.ndim == 3
        else filters.dimshuffle("x", "x", 0, 1)
    )
    y = convolution(2, images, kernels, shape, border_mode, subsample)
    return y[slice(None) if input.ndim == 3 else 0][
        (*([slice(None)] if input.ndim == 3 else []), slice(None) if filters.ndim == 3 else 0)
    ]


@within_scope
def separable_conv2d(
    input: Any,
    depthwise_filters: Any,
    pointwise_filters: Any,
    num_channels: int,
    input_shape: Any = None,
    depthwise_filter_shape: Any = None,
    pointwise_filter_shape: Any = None,
    border_mode: Any = "valid",
    subsample: Any = (1, 1),
    filter_flip: bool = True,
    filter_dilation: Any = (1, 1),
) -> Variable:
    """Convolve each of `num_channels` channels alone, and then mix them by filters of 1x1."""
    y = convolution(
        2,
        input,
        depthwise_filters,
        depthwise_filter_shape,
        border_mode,
        subsample,
        filter_flip,
        filter_dilation,
        num_channels,
    )
    return convolution(2, y, pointwise_filters, pointwise_filter_shape)


@within_scope
def separable_conv3d(
    input: Any,
    depthwise_filters: Any,
    pointwise_filters: Any,
    num_channels: int,
    input_shape: Any = None,
    depthwise_filter_shape: Any = None,
    pointwise_filter_shape: Any = None,
    border_mode: Any = "valid",
    subsample: Any = (1, 1, 1),
    filter_flip: bool = True,
    filter_dilation: Any = (1, 1, 1),
) -> Variable:
    """Convolve each of `num_channels` channels alone, and then mix them by filters of 1x1x1."""
    y = convolution(
        3,
        input,
        depthwise_filters,
        depthwise_filter_shape,
        border_mode,
        subsample,
        filter_flip,
        filter_dilation,
        num_channels,
    )
    return convolution(3, y, pointwise_filters, pointwise_filter_shape)


@within_scope
def causal_conv1d(
    input: Any,
    filters: Any,
    filter_shape: Any,
    input_shape: Any = None,
    subsample: int = 1,
    filter_flip: bool = True,
    filter_dilation: int = 1,
    num_groups: int = 1,
    unshared: bool = False,
) -> Variable:
    """Convolve rows so that no result depends on what comes later in its row.

    Parameters
    ----------
    input : tensor of shape (n_samples, n_channels, length)
    filters : tensor of shape (n_filters, n_channels / num_groups, taps)
    filter_shape : (int, int, int)
        The shape of `filters`.
    subsample, filter_dilation : int, default=1
    input_shape, filter_flip, num_groups, unshared
        As for `conv2d`.

    Returns
    -------
    tensor of shape (n_samples, n_filters, length / subsample)
    """
    input, filters = pt.as_tensor_variable(input), pt.as_tensor_variable(filters)
    taps = number(filter_shape[-1])
    if taps is None:
        taps = filters.shape[filters.ndim - 1]
    before = (taps - 1) * filter_dilation
    shape = (*filter_shape[:-1], 1, filter_shape[-1])
    if unshared:
        filters = filters.dimshuffle(0, "x", 1, 2, "x", 3)
        shape = (filter_shape[0], 1, filter_shape[1], filter_shape[2], 1, filter_shape[3])
    else:
        filters = filters.dimshuffle(0, 1, "x", 2)
    y = convolution(
        2,
        padded(input, [(before, 0)]).dimshuffle(0, 1, "x", 2),
        filters,
        shape,
        "valid",
        (1, subsample),
        filter_flip,
        (1, filter_dilation),
        num_groups,
        unshared,
    )
    return y[:, :, 0]


@within_scope
def conv2d_grad_wrt_inputs(
    output_grad: Any,
    filters: Any,
    input_shape: Any,
    filter_shape: Any = None,
    border_mode: Any = "valid",
    subsample: Any = (1, 1),
    filter_flip: bool = True,
    filter_dilation: Any = (1, 1),
    num_groups: int = 1,
    unshared: bool = False,
) -> Variable:
    """The gradient with respect to the images of a `conv2d` whose result has `output_grad`.

    Parameters
    ----------
    output_grad : tensor of shape (n_samples, n_filters, out_height, out_width)
    filters
        As for `conv2d`.
    input_shape : sequence of 4 int, scalar variables, or None
        The shape of the images. The last two sizes must be given: a stride leaves them open.
    filter_shape, border_mode, subsample, filter_flip, filter_dilation, num_groups, unshared
        As for `conv2d`.

    Returns
    -------
    tensor of shape `input_shape`

    Raises
    ------
    ValueError
        If height or width is not given; when it is computed, if `output_grad` has not the
        shape that images of `input_shape` give.
    """
    options = (border_mode, subsample, filter_flip, filter_dilation, num_groups, unshared)
    return gradient_of_input(2, output_grad, filters, input_shape, filter_shape, *options)


@within_scope
def conv2d_transpose(
    input: Any,
    filters: Any,
    output_shape: Any,
    filter_shape: Any = None,
    border_mode: Any = "valid",
    input_dilation: Any = (1, 1),
    filter_flip: bool = True,
    filter_dilation: Any = (1, 1),
    num_groups: int = 1,
    unshared: bool = False,
) -> Variable:
    """Transposed convolution, as ``theano.tensor.nnet.conv2d_transpose``.

    `conv2d_grad_wrt_inputs` by other names: `input` is the gradient, `output_shape` the shape of
    the images, `input_dilation` the stride. Filters have the shape (channels of `input`, channels
    of the result, rows, columns).
    """
    options = (border_mode, input_dilation, filter_flip, filter_dilation, num_groups, unshared)
    return gradient_of_input(2, input, filters, output_shape, filter_shape, *options)


@within_scope
def conv2d_grad_wrt_weights(
    input: Any,
    output_grad: Any,
    filter_shape: Any,
    input_shape: Any = None,
    border_mode: Any = "valid",
    subsample: Any = (1, 1),
    filter_flip: bool = True,
    filter_dilation: Any = (1, 1),
    num_groups: int = 1,
    unshared: bool = False,
) -> Variable:
    """The gradient with respect to the filters of a `conv2d` whose result has `output_grad`.

    Parameters
    ----------
    input : tensor of shape (n_samples, n_channels, height, width)
    output_grad : tensor of shape (n_samples, n_filters, out_height, out_width)
    filter_shape : sequence of int, scalar variables, or None
        The shape of the filters. The last two sizes must be given.
    input_shape, border_mode, subsample, filter_flip, filter_dilation, num_groups, unshared
        As for `conv2d`.

    Returns
    -------
    tensor of shape `filter_shape`

    Raises
    ------
    ValueError
        As for `conv2d_grad_wrt_inputs`.
    """
    options = (border_mode, subsample, filter_flip, filter_dilation, num_groups, unshared)
    return gradient_of_weights(2, input, output_grad, filter_shape, *options)


@within_scope
def conv3d_grad_wrt_inputs(
    output_grad: Any,
    filters: Any,
    input_shape: Any,
    filter_shape: Any = None,
    border_mode: Any = "valid",
    subsample: Any = (1, 1, 1),
    filter_flip: bool = True,
    filter_dilation: Any = (1, 1, 1),
    num_groups: int = 1,
) -> Variable:
    """`conv2d_grad_wrt_inputs` of volumes."""
    options = (border_mode, subsample, filter_flip, filter_dilation, num_groups)
    return gradient_of_input(3, output_grad, filters, input_shape, filter_shape, *options)


@within_scope
def conv3d_grad_wrt_weights(
    input: Any,
    output_grad: Any,
    filter_shape: Any,
    input_shape: Any = None,
    border_mode: Any = "valid",
    subsample: Any = (1, 1, 1),
    filter_flip: bool = True,
    filter_dilation: Any = (1, 1, 1),
    num_groups: int = 1,
) -> Variable:
    """`conv2d_grad_wrt_weights` of volumes."""
    options = (border_mode, subsample, filter_flip, filter_dilation, num_groups)
    return gradient_of_weights(3, input, output_grad, filter_shape, *options)


def convolution(
    n: int,
    input: Any,
    filters: Any,
    filter_shape: Any = None,
    border_mode: Any = "valid",
    subsample: Any = None,
    filter_flip: bool = True,
    filter_dilation: Any = None,
    num_groups: int = 1,
    unshared: bool = False,
) -> Variable:
    """Convolve over the last `n` axes, 2 or 3, with `conv2d`'s arguments."""
    who = f"conv{n}d"
    input, filters = pt.as_tensor_variable(input), pt.as_tensor_variable(filters)
    _check_axes(who, "the images" if n == 2 else "the volumes", input, 2 + n)
    _check_axes(who, "the filters", filters, 2 + (2 * n if unshared else n))
    strides = _integers(subsample, n, f"{who}: subsample")
    apart = _integers(filter_dilation, n, f"{who}: filter_dilation")
    taps = _taps(filters, filter_shape, n)
    pads = _pads(who, border_mode, taps, apart)
    if unshared:
        return _unshared(input, filters, taps, pads, strides, filter_flip, apart, num_groups)
    compute = _of_images if n == 2 else _of_volumes
    return compute(input, filters, taps, pads, strides, filter_flip, apart, num_groups)


def _of_images(
    input: Any,
    filters: Any,
    taps: Any,
    pads: Pads,
    strides: Any,
    flip: bool,
    apart: Any,
    groups: int,
) -> Variable:
    if not all(isinstance(side, int) for pad in pads for side in pad):
        input, pads = padded(input, pads), [(0, 0), (0, 0)]
    return ops.conv2d(
        input,
        filters,
        stride=tuple(strides),
        padding=tuple(pads),  # type: ignore[arg-type]
        flip_filters=flip,
        groups=groups,
        dilation=tuple(apart),
    )


def _of_volumes(
    input: Any,
    filters: Any,
    taps: Any,
    pads: Pads,
    strides: Any,
    flip: bool,
    apart: Any,
    groups: int,
) -> Variable:
    """The slices that a filter reads become the channels of one image."""
    slices, *pads = pads
    input = padded(input, [slices, (0, 0), (0, 0)])
    n_samples, n_channels, depth, height, width = sizes_of(input, 5)
    n_slices = (depth - (taps[0] - 1) * apart[0] - 1) // strides[0] + 1
    read = _slices(input, n_slices, taps[0], strides[0], apart[0], flip)
    images = read.dimshuffle(0, 2, 1, 3, 4, 5)
    n_filters, of_group, *_ = sizes_of(filters, 5)
    y = _of_images(
        images.reshape((n_samples * n_slices, n_channels * taps[0], height, width), ndim=4),
        filters.reshape((n_filters, of_group * taps[0], *taps[1:]), ndim=4),
        taps[1:],
        pads,
        strides[1:],
        flip,
        apart[1:],
        groups,
    )
    shape = (n_samples, n_slices, n_filters, y.shape[2], y.shape[3])
    return y.reshape(shape, ndim=5).dimshuffle(0, 2, 1, 3, 4)


def _slices(input: Any, n_slices: Any, taps: Any, step: int, apart: int, flip: bool) -> Variable:
    """(n_samples, n_channels, n_slices, taps, height, width); the last tap first with `flip`."""
    if isinstance(taps, int):  # views are quicker than places
        last = (n_slices - 1) * step + 1
        order = range(taps - 1, -1, -1) if flip else range(taps)
        read = [input[:, :, k * apart : k * apart + last : step] for k in order]
        return pt.stack(read, axis=3)
    deep = input.dimshuffle(0, 1, 3, 4, 2)
    read = windows(deep, [n_slices], [taps], [step], [apart]).dimshuffle(0, 1, 4, 5, 2, 3)
    return read[:, :, :, ::-1] if flip else read


def _unshared(
    input: Any,
    filters: Any,
    taps: Any,
    pads: Pads,
    strides: Any,
    flip: bool,
    apart: Any,
    groups: int,
) -> Variable:
    """Each pixel's window times the filters of that pixel."""
    input = padded(input, pads)
    n_samples, _, *sizes = sizes_of(input, 4)
    n_filters, rows, columns, of_group, *_ = sizes_of(filters, 6)
    counts = [
        (size - (extent - 1) * between - 1) // step + 1
        for size, extent, between, step in zip(sizes, taps, apart, strides, strict=True)
    ]
    filters = _checked(
        filters,
        [pt.eq(rows, counts[0]), pt.eq(columns, counts[1])],
        "conv2d: unshared filters must have the rows and columns of the result as their second and "
        "third axis.",
    )
    seen = windows(input, [rows, columns], taps, strides, apart)
    if flip:
        filters = filters[:, :, :, :, ::-1, ::-1]
    pixels, tapped = rows * columns, of_group * taps[0] * taps[1]
    seen = seen.reshape((n_samples, groups, of_group, pixels, taps[0] * taps[1]), ndim=5)
    seen = seen.dimshuffle(1, 3, 0, 2, 4).reshape((groups, pixels, n_samples, tapped), ndim=4)
    shape = (groups, n_filters // groups, pixels, tapped)
    theirs = filters.reshape(shape, ndim=4).dimshuffle(0, 2, 3, 1)
    y = pt.matmul(seen, theirs).dimshuffle(2, 0, 3, 1)
    return y.reshape((n_samples, n_filters, rows, columns), ndim=4)


def _checked(value: Variable, conditions: Sequence[Any], message: str) -> Variable:
    """`value`; an AssertionError where a condition does not hold when it is computed."""
    return Assert(message)(value, *conditions)


def gradient_of_input(
    n: int, output_grad: Any, filters: Any, input_shape: Any, filter_shape: Any, *options: Any
) -> Variable:
    """The gradient of `convolution`'s images, of shape `input_shape`; `options` are its last."""
    gradient, filters = map(pt.as_tensor_variable, (output_grad, filters))
    sizes = [*map(number, input_shape)]
    _check_sizes(f"conv{n}d_grad_wrt_inputs: input_shape", sizes, n, 2 + n)
    unshared = len(options) > 5 and options[5]
    channels = filters.shape[1 + n if unshared else 1] * options[4]
    shape = _completed(sizes, [gradient.shape[0], channels])
    images = pt.zeros(shape, dtype=gradient.dtype)
    return _pulled_back(n, images, filters, filter_shape, images, gradient, options)


def gradient_of_weights(
    n: int, input: Any, output_grad: Any, filter_shape: Any, *options: Any
) -> Variable:
    """The gradient of `convolution`'s filters, of shape `filter_shape`; `options` are its last."""
    input, gradient = map(pt.as_tensor_variable, (input, output_grad))
    sizes = [*map(number, filter_shape)]
    unshared = len(options) > 5 and options[5]
    n_sizes = 2 + (2 * n if unshared else n)
    _check_sizes(f"conv{n}d_grad_wrt_weights: filter_shape", sizes, n, n_sizes)
    positions = [gradient.shape[2 + axis] for axis in range(n)] if unshared else []
    shape = _completed(sizes, [gradient.shape[1], *positions, input.shape[1] // options[4]])
    filters = pt.zeros(shape, dtype=gradient.dtype)
    return _pulled_back(n, input, filters, sizes, filters, gradient, options)


def _pulled_back(
    n: int,
    images: Any,
    filters: Any,
    filter_shape: Any,
    wrt: Any,
    gradient: Any,
    options: Sequence[Any],
) -> Variable:
    """The gradient with respect to `wrt` of a convolution whose result has `gradient`."""
    from .abstract_conv import get_conv_output_shape

    _check_axes(f"conv{n}d", "the gradient of the result", gradient, 2 + n)
    strides, apart = (_integers(options[i], n, f"conv{n}d") for i in (1, 3))
    taps = _taps(filters, filter_shape, n)
    pads = _pads(f"conv{n}d", options[0], taps, apart)
    expected = get_conv_output_shape(
        (None, None, *sizes_of(images, n)), (None, None, *taps), tuple(pads), strides, apart
    )
    gradient = _checked(
        gradient,
        [pt.eq(gradient.shape[2 + axis], expected[2 + axis]) for axis in range(n)],
        f"conv{n}d: the gradient of the result has not the shape that images and filters of these "
        "shapes give.",
    )
    y = convolution(n, images, filters, filter_shape, *options)
    return pytensor_gradient.pullback(y, wrt, gradient.astype(y.dtype))


def _check_axes(who: str, what: str, value: Variable, n_axes: int) -> None:
    if value.ndim != n_axes:
        raise TypeError(f"{who}: {what} must have {n_axes} dimensions; got {value.ndim}.")


def _check_sizes(what: str, sizes: Sequence[Any], n: int, n_sizes: int) -> None:
    if len(sizes) != n_sizes or None in sizes[-n:]:
        raise ValueError(
            f"{what} must be {n_sizes} sizes, of which the last {n} are known; got {tuple(sizes)}."
        )


def _completed(sizes: Sequence[Any], others: Sequence[Any]) -> list[Any]:
    """`sizes`, of which the first, where they are None, are those of `others`."""
    first = [
        other if size is None else size
        for size, other in zip(sizes[: len(others)], others, strict=True)
    ]
    return [*first, *sizes[len(others) :]]


def _integers(value: Any, n: int, what: str) -> list[int]:
    """`n` integers of at least 1; by default ones."""
    if value is None:
        return [1] * n
    numbers = [*map(number, value)] if isinstance(value, Sequence) else [number(value)]
    if len(numbers) != n or not all(isinstance(each, int) and each >= 1 for each in numbers):
        how_many = {2: "two", 3: "three"}[n]
        raise ValueError(f"{what} must be {how_many} integers of at least 1; got {value!r}.")
    return numbers


def _taps(filters: Variable, filter_shape: Any, n: int) -> list[Any]:
    """The last `n` sizes of the filters: integers where anybody knows them."""
    known: list[Sequence[Any]] = [filters.type.shape]
    if filter_shape is not None:
        known.append([*map(number, filter_shape)])
    if isinstance(filters, SharedVariable):
        known.append(filters.get_value(borrow=True).shape)
    found = []
    for axis in range(-n, 0):
        sizes = [shape[axis] for shape in known if isinstance(shape[axis], int)]
        found.append(sizes[0] if sizes else filters.shape[filters.ndim + axis])
    return found


#: Zeros on one side, of the extent of a filter, by the name of a border mode.
_BORDERS: dict[str, Callable[[Any], Any]] = {
    "valid": lambda extent: 0,
    "full": lambda extent: extent - 1,
    "half": lambda extent: extent // 2,
    "same": lambda extent: extent // 2,
}


def _pads(who: str, border_mode: Any, taps: Sequence[Any], apart: Sequence[int]) -> Pads:
    """(before, behind) for each axis, of one of Theano's border modes."""
    n = len(taps)
    several = isinstance(border_mode, list | tuple)
    modes = list(border_mode) if several else [border_mode] * n
    extents = [(n_taps - 1) * between + 1 for n_taps, between in zip(taps, apart, strict=True)]
    if len(modes) != n or not all(map(_is_border, modes)):
        what = {2: "pair", 3: "triple"}[n]
        raise ValueError(
            f"{who}: border_mode must be 'valid', 'full', 'half', an integer or a {what} of them; "
            f"got {border_mode!r}."
        )
    if "same" in modes and any(isinstance(tap, int) and tap % 2 == 0 for tap in taps):
        raise ValueError(
            f"{who}: border_mode='same' needs odd filters; got {'x'.join(map(str, taps))}."
        )
    pads: Pads = []
    for mode, extent in zip(modes, extents, strict=True):
        if isinstance(mode, str):
            zeros = _BORDERS[mode](extent)
            pads.append((zeros, zeros))
        else:
            sides = mode if isinstance(mode, list | tuple) else (mode, mode)
            pads.append((int(sides[0]), int(sides[1])))
    if any(isinstance(side, int) and side < 0 for pad in pads for side in pad):
        raise ValueError(f"{who}: border_mode must not be negative; got {border_mode!r}.")
    return pads


def _is_border(mode: Any) -> bool:
    if isinstance(mode, str):
        return mode in _BORDERS
    sides = mode if isinstance(mode, list | tuple) else (mode, mode)
    return len(sides) == 2 and all(hasattr(side, "__index__") for side in sides)
