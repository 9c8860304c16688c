"""``theano.tensor.nnet``: convolution, nonlinearities and losses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytensor.tensor as pt
from pytensor.compile.sharedvalue import SharedVariable
from pytensor.graph.basic import Variable

from .. import ops
from ..ops.base import pair_of
from .scope import within_scope

__all__ = [
    "batch_normalization",
    "binary_crossentropy",
    "categorical_crossentropy",
    "conv2d",
    "elu",
    "hard_sigmoid",
    "logsoftmax",
    "relu",
    "selu",
    "sigmoid_binary_crossentropy",
    "softmax",
    "softplus",
    "ultra_fast_sigmoid",
]

#: What Theano's conv2d took to choose among its own implementations.
_CONV2D_HINTS = set(
    """
    bsize direction_hint imshp imshp_logical kshp kshp_logical kshp_logical_top_aligned
    logical_img_hw logical_kern_hw nkern num_threads openmp unroll_batch unroll_kern unroll_patch
    verbose version
    """.split()  # noqa: SIM905
)


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
        Symbolic filters.
    input_shape, image_shape : tuple of 4 int or None, optional
        A hint that is not needed here.
    filter_shape : tuple of 4 int or None, optional
        The shape of `filters`.
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
        Filters of its own for each pixel: not supported.

    Returns
    -------
    tensor of shape (n_samples, n_filters, out_height, out_width)

    Raises
    ------
    NotImplementedError
        For unshared convolution.
    ValueError
        For an unknown border mode.
    """
    _refuse_what_is_missing(unshared, kwargs)
    filters = pt.as_tensor_variable(filters)
    dilation = pair_of(filter_dilation, 1, "conv2d: filter_dilation")

    def extents() -> tuple[int, ...]:
        taps = _filter_size(filters, filter_shape)
        return tuple((n - 1) * apart + 1 for n, apart in zip(taps, dilation, strict=True))

    padding = _padding(border_mode, extents)
    return ops.conv2d(
        input,
        filters,
        stride=(int(subsample[0]), int(subsample[1])),
        padding=padding,
        flip_filters=filter_flip,
        groups=num_groups,
        dilation=dilation,
    )


def _refuse_what_is_missing(unshared: bool, others: dict[str, Any]) -> None:
    unknown = sorted(set(others) - _CONV2D_HINTS)
    if unknown:
        raise TypeError(f"conv2d: unknown argument {unknown[0]!r}.")
    if unshared:
        raise NotImplementedError("conv2d: unshared=True is not supported.")


def _padding(border_mode: Any, filter_size: Any) -> tuple[tuple[int, int], tuple[int, int]]:
    """((top, bottom), (left, right)) of one of Theano's border modes."""
    if border_mode == "valid":
        sizes: tuple[Any, Any] = (0, 0)
    elif border_mode in ("full", "half", "same"):
        rows, columns = filter_size()
        sizes = (rows - 1, columns - 1) if border_mode == "full" else (rows // 2, columns // 2)
        if border_mode == "same" and not rows % 2 == columns % 2 == 1:
            raise ValueError(f"conv2d: border_mode='same' needs odd filters; got {rows}x{columns}.")
    elif isinstance(border_mode, int):
        sizes = (border_mode, border_mode)
    elif isinstance(border_mode, list | tuple) and len(border_mode) == 2:
        sizes = (border_mode[0], border_mode[1])
    else:
        raise ValueError(
            "conv2d: border_mode must be 'valid', 'full', 'half', an integer or a pair of them; "
            f"got {border_mode!r}."
        )
    top, left = (tuple(size) if isinstance(size, list | tuple) else (size, size) for size in sizes)
    if min(*top, *left) < 0:
        raise ValueError(f"conv2d: border_mode must not be negative; got {border_mode!r}.")
    return (int(top[0]), int(top[1])), (int(left[0]), int(left[1]))


def _filter_size(filters: Variable, filter_shape: Sequence[Any] | None) -> tuple[int, int]:
    """Rows and columns of `filters`, from whoever knows them."""
    known: list[Any] = [filter_shape, filters.type.shape]
    if isinstance(filters, SharedVariable):
        known.append(filters.get_value(borrow=True).shape)
    for shape in known:
        if shape is not None and isinstance(shape[2], int) and isinstance(shape[3], int):
            return shape[2], shape[3]
    raise ValueError(
        "conv2d: border_mode='full' and 'half' need the size of the filters; pass filter_shape, "
        "or the number of rows and columns as border_mode."
    )


@within_scope
def softmax(x: Any) -> Variable:
    """exp(x) / Σ exp(x) over the rows of a matrix; a vector is one row."""
    return ops.softmax(x)


@within_scope
def logsoftmax(x: Any) -> Variable:
    """The logarithm of `softmax`, without taking one of 0."""
    return ops.log_softmax(x)


@within_scope
def softplus(x: Any) -> Variable:
    """log(1 + exp(x)), finite for every finite x."""
    return pt.softplus(x)


@within_scope
def relu(x: Any, alpha: Any = 0) -> Variable:
    """max(x, 0), or max(x, alpha · x)."""
    x = pt.as_tensor_variable(x)
    if isinstance(alpha, int | float) and alpha == 0:
        return 0.5 * (x + abs(x))
    return 0.5 * (1 + alpha) * x + 0.5 * (1 - alpha) * abs(x)


@within_scope
def elu(x: Any, alpha: float = 1) -> Variable:
    """x where it is positive, otherwise alpha · (exp(x) - 1)."""
    x = pt.as_tensor_variable(x)
    # The minimum keeps the branch that is not taken from overflowing.
    return pt.switch(x > 0, x, alpha * pt.expm1(pt.minimum(x, 0)))


@within_scope
def selu(x: Any) -> Variable:
    """The scaled `elu` of self-normalising networks (Klambauer et al., 2017)."""
    return 1.0507009873554804934193349852946 * elu(x, 1.6732632423543772848170429916717)


@within_scope
def hard_sigmoid(x: Any) -> Variable:
    """0.2 · x + 0.5, clipped to [0, 1]."""
    return pt.minimum(pt.maximum(pt.as_tensor_variable(x) * 0.2 + 0.5, 0.0), 1.0)


@within_scope
def ultra_fast_sigmoid(x: Any) -> Variable:
    """Theano's piecewise approximation of the sigmoid; slower here than the sigmoid itself."""
    half = 0.5 * abs(pt.as_tensor_variable(x))
    near = 1.5 * half / (1 + half)
    far = 0.935409070603099 + 0.0458812946797165 * (half - 1.7)
    value = pt.switch(half < 1.7, near, pt.switch(half < 3, far, 0.99505475368673))
    return 0.5 * (pt.sign(x) * value + 1)


@within_scope
def categorical_crossentropy(coding_dist: Any, true_dist: Any) -> Variable:
    """-Σ t · log(p) for each row p of `coding_dist`, or -log p[t] for integer labels t.

    Parameters
    ----------
    coding_dist : tensor of shape (n_samples, n_classes)
        Probabilities.
    true_dist : tensor of the same shape, or integer vector of shape (n_samples,)
        Distributions, or labels.

    Returns
    -------
    tensor of shape (n_samples,)
    """
    coding_dist, true_dist = map(pt.as_tensor_variable, (coding_dist, true_dist))
    if true_dist.ndim == coding_dist.ndim:
        return -pt.sum(true_dist * pt.log(coding_dist), axis=coding_dist.ndim - 1)
    if true_dist.ndim == coding_dist.ndim - 1:
        return ops.categorical_crossentropy(coding_dist, true_dist)
    raise TypeError(
        "categorical_crossentropy: the targets must have as many dimensions as the probabilities "
        f"({coding_dist.ndim}), or one less; got {true_dist.ndim}."
    )


@within_scope
def binary_crossentropy(output: Any, target: Any) -> Variable:
    """-(t · log(o) + (1 - t) · log(1 - o)), element by element.

    Of a sigmoid it comes to be computed from the sigmoid's input, as Theano's
    optimiser did: finite, with finite gradients, however far that is from 0.
    """
    output, target = map(pt.as_tensor_variable, (output, target))
    return -(target * pt.log(output) + (1.0 - target) * pt.log(1.0 - output))


@within_scope
def sigmoid_binary_crossentropy(output: Any, target: Any) -> Variable:
    """`binary_crossentropy` of sigmoid(`output`): softplus(z) - t · z."""
    return softplus(output) - pt.as_tensor_variable(target) * output


@within_scope
def batch_normalization(
    inputs: Any, gamma: Any, beta: Any, mean: Any, std: Any, mode: str = "low_mem"
) -> Variable:
    """(inputs - mean) / std · gamma + beta."""
    return (pt.as_tensor_variable(inputs) - mean) * (gamma / std) + beta
