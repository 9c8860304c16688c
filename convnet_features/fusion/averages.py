"""Means of whole maps, in the ways in which people write them."""

from __future__ import annotations

import math
from collections.abc import Callable

from pytensor.graph.basic import Apply, Variable
from pytensor.scalar import basic as scalar
from pytensor.tensor.elemwise import DimShuffle
from pytensor.tensor.math import Sum
from pytensor.tensor.shape import Reshape, Shape
from pytensor.tensor.subtensor import Subtensor

from ..ops.static import static_int, static_vector
from .patterns import constant_value, elemwise_inputs

__all__ = ["averaged_maps"]


def averaged_maps(
    node: Apply, is_images: Callable[[Variable], bool]
) -> tuple[Variable, Apply] | None:
    """The images of which a quotient is the mean of each channel's map, and who reads them for it.

    None if it is no such mean.
    """
    total, count = node.inputs
    while total.owner is not None and isinstance(total.owner.op, DimShuffle):
        if [axis for axis in total.owner.op.new_order if axis != "x"] != [0, 1]:
            return None
        (total,) = total.owner.inputs
    if total.owner is None or not isinstance(total.owner.op, Sum):
        return None
    images = _summed_maps(total.owner, is_images)
    if images is None:
        return None
    pixels, n_pixels = total.owner.inputs[0], math.prod(images.type.shape[2:])
    if pixels is images:
        return (images, total.owner) if _number(count) == n_pixels else None
    # The last size of maps that were flattened, which types may not know.
    is_size = _is_size_of(count, pixels, 2) or _number(count) == n_pixels
    return (images, pixels.owner) if is_size else None


def _summed_maps(node: Apply, is_images: Callable[[Variable], bool]) -> Variable | None:
    """The images of which a sum is over all pixels of each channel."""
    (pixels,) = node.inputs
    axes = tuple(sorted(node.op.axis or ()))
    images = pixels
    if axes == (2,) and pixels.type.ndim == 3:
        if pixels.owner is None or not isinstance(pixels.owner.op, Reshape):
            return None
        images = pixels.owner.inputs[0]
    elif axes != (2, 3):
        return None
    if not is_images(images) or images.type.ndim != 4 or None in images.type.shape[1:]:
        return None
    if images is not pixels:
        _, n_channels, *size = images.type.shape
        flat = static_vector(pixels.owner.inputs[1], 3)[1:]
        if flat[0] != n_channels or flat[1] not in (-1, math.prod(size)):
            return None
    return images


def _number(value: Variable) -> float | None:
    """The number that is computed from constants and sizes; None where it is not known."""
    while value.owner is not None and isinstance(value.owner.op, DimShuffle):
        (value,) = value.owner.inputs
    factors = elemwise_inputs(value, scalar.Mul)
    if factors is not None:
        numbers = [_number(factor) for factor in factors]
        known = [number for number in numbers if number is not None]
        return math.prod(known) if len(known) == len(numbers) else None
    cast = elemwise_inputs(value, scalar.Cast)
    if cast is not None:
        return _number(cast[0])
    size = value.owner
    if size is not None and isinstance(size.op, Subtensor) and len(size.inputs) == 2:
        return _size(*size.inputs)
    number = constant_value(value)
    return static_int(value) if number is None else number


def _is_size_of(value: Variable, array: Variable, axis: int) -> bool:
    """Whether a value is one of an array's sizes, which may have been made a floating number."""
    while value.owner is not None and isinstance(value.owner.op, DimShuffle):
        (value,) = value.owner.inputs
    node = value.owner
    if node is None or not isinstance(node.op, Subtensor) or len(node.inputs) != 2:
        return False
    cast = elemwise_inputs(node.inputs[0], scalar.Cast)
    sizes = (node.inputs[0] if cast is None else cast[0]).owner
    of_array = sizes is not None and isinstance(sizes.op, Shape) and sizes.inputs[0] is array
    return of_array and static_int(node.inputs[1]) == axis


def _size(sizes: Variable, position: Variable) -> int | None:
    """One of an array's sizes, which may have been made floating-point numbers."""
    cast, index = elemwise_inputs(sizes, scalar.Cast), static_int(position)
    found = static_vector(sizes if cast is None else cast[0], 0)
    return found[index] if index is not None and -len(found) <= index < len(found) else None
