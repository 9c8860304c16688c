"""Padding before a convolution, and cropping behind it, as the convolution's own padding.

Lasagne 0.1 pads by writing the images into an array of zeros, and makes a
'same' convolution by cropping a full one: Theano's convolution could do no more
at the time.
"""

from __future__ import annotations

from dataclasses import replace

from pytensor.graph.basic import Apply, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.scalar import basic as scalar
from pytensor.tensor.basic import Alloc
from pytensor.tensor.subtensor import IncSubtensor

from ..kernels.contract import Conv2DSpec
from ..ops.conv2d import Conv2D
from ..ops.static import static_slice
from .patterns import constant_value, elemwise_inputs, only_client

__all__ = ["crop_of_convolution", "padded_convolution"]

Pads = tuple[tuple[int, int], tuple[int, int]]


def padded_convolution(fgraph: FunctionGraph, node: Apply) -> Variable | None:
    """conv2d(zeros with x written into them, w) as conv2d(x, w) with more padding."""
    padded, w = node.inputs
    writing = padded.owner
    if writing is None or not isinstance(writing.op, IncSubtensor):
        return None
    if not writing.op.set_instead_of_inc or not _is_zero(writing.inputs[0]):
        return None
    x, x_shape = writing.inputs[1], writing.inputs[1].type.shape
    window = _spatial_window(writing, padded.type.shape, first_index_input=2)
    # An image array of one sample or channel would be repeated over the array of zeros.
    if window is None or None in x_shape[1:] or x_shape[:2] != padded.type.shape[:2]:
        return None
    if any(stop - start != size for (start, stop), size in zip(window, x_shape[2:], strict=True)):
        return None
    extra = [
        (start, size - stop)
        for (start, stop), size in zip(window, padded.type.shape[2:], strict=True)
    ]
    return Conv2D(_with_padding(node.op.spec, extra, sign=1))(x, w)


def crop_of_convolution(fgraph: FunctionGraph, node: Apply) -> Variable | None:
    """conv2d(x, w)[:, :, a:-b, c:-d] as conv2d(x, w) with less padding, for unit stride."""
    conved = node.inputs[0]
    convolution = conved.owner
    if convolution is None or not isinstance(convolution.op, Conv2D):
        return None
    spec = convolution.op.spec
    if spec.stride != (1, 1) or not only_client(fgraph, conved, node):
        return None
    window = _spatial_window(node, conved.type.shape, first_index_input=1)
    if window is None:
        return None
    cropped = [
        (start, size - stop)
        for (start, stop), size in zip(window, conved.type.shape[2:], strict=True)
    ]
    if any(
        crop > pad
        for crops, pads in zip(cropped, spec.padding, strict=True)
        for crop, pad in zip(crops, pads, strict=True)
    ):
        return None
    return Conv2D(_with_padding(spec, cropped, sign=-1))(*convolution.inputs)


def _is_zero(base: Variable) -> bool:
    factors = elemwise_inputs(base, scalar.Mul)
    if factors is not None:
        return any(constant_value(factor) == 0 for factor in factors)
    if base.owner is not None and isinstance(base.owner.op, Alloc):
        return constant_value(base.owner.inputs[0]) == 0
    return constant_value(base) == 0


def _spatial_window(
    node: Apply, shape: tuple[int | None, ...], first_index_input: int
) -> list[tuple[int, int]] | None:
    """[start, stop) of the rows and columns that `node` takes, if it takes all of the others."""
    index = node.op.idx_list
    if len(index) > 4 or None in shape[2:] or any(not isinstance(i, slice) for i in index):
        return None
    if any(entry != slice(None, None, None) for entry in index[:2]):
        return None
    window = []
    for axis in (2, 3):
        entry = index[axis] if axis < len(index) else slice(None)
        if entry.step is not None:
            return None
        start, stop = (
            None if position is None else node.inputs[first_index_input + position]
            for position in (entry.start, entry.stop)
        )
        size = shape[axis]
        bounds = None if size is None else static_slice(start, stop, size)
        if bounds is None:
            return None
        window.append(bounds)
    return window


def _with_padding(spec: Conv2DSpec, extra: list[tuple[int, int]], sign: int) -> Conv2DSpec:
    (top, bottom), (left, right) = spec.padding
    (a, b), (c, d) = extra
    padding: Pads = (
        (top + sign * a, bottom + sign * b),
        (left + sign * c, right + sign * d),
    )
    return replace(spec, padding=padding)
