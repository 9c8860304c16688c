"""Values that are joined number by number, some of them one for all pixels or channels."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ...contract import Pool2DSpec, SizedNode, check_joined, columns_shape
from ..binding.declarations import Arg, Query
from ..binding.objects import MemoryDesc, Primitive, UnsupportedError
from ..binding.primitives import Primitives
from ..plan.layouts import CHANNELS_LAST
from ..program.storage import Value
from .backward import BackwardEmitter
from .forward import ForwardEmitter

__all__ = ["laid_out", "reordered", "spread_order", "summed"]

#: Makes a primitive that joins a whole value and another, of these layouts.
Make = Callable[[MemoryDesc, MemoryDesc], Primitive]


def spread_order(node: SizedNode) -> list[int]:
    """The positions of a node's inputs, those first that are as large as its result."""
    check_joined(node.stage, node.x_shapes)
    whole = [shape == node.y_shape for shape in node.x_shapes]
    if not any(whole):
        raise UnsupportedError(f"oneDNN spreads one of {node.x_shapes} to another, and not both")
    return sorted(range(len(whole)), key=lambda position: not whole[position])


def laid_out(emit: ForwardEmitter, node: SizedNode, make: Make, read_again: bool) -> list[Value]:
    """A node's inputs, in order, in layouts for which `make` has a primitive."""
    primitives, given = emit.primitives, emit.xs(node)
    plain = primitives.strided(node.y_shape)
    # What a convolution made is laid out as the next one wants it.
    whole = [value.desc for value in given if value.desc.shape == node.y_shape]
    desc = next((each for each in whole if each != plain), plain)
    shapes = [columns_shape(shape, len(node.y_shape)) for shape in node.x_shapes]
    descs = [_fitting(primitives, shape, desc, make) for shape in shapes if shape != node.y_shape]
    desc = next((each for each in descs if each != desc), desc)
    return [
        reordered(emit, value, primitives.like(shape, desc), read_again)
        for value, shape in zip(given, shapes, strict=True)
    ]


def _fitting(
    primitives: Primitives, shape: tuple[int, ...], desc: MemoryDesc, make: Make
) -> MemoryDesc:
    """`desc`, or channels last, where there is no code that spreads a smaller value in blocks."""
    try:
        make(desc, primitives.like(shape, desc))
    except UnsupportedError:
        return primitives.images(desc.shape, CHANNELS_LAST)
    return desc


def reordered(
    emit: ForwardEmitter, value: Value, desc: MemoryDesc, read_again: bool = False
) -> Value:
    """A value as a layout of as many axes wants it; seen otherwise where memory is the same."""
    primitives, shape = emit.primitives, desc.shape
    if len(value.desc.shape) < len(shape):
        value = emit.input(value, primitives.strided(value.desc.shape), read_again)
        value = emit.program.view(value, primitives.strided(shape))
    # Of one pixel all layouts are the same, but for padding.
    if set(shape[2:]) == {1} and value.desc.size == desc.size:
        return emit.program.view(value, desc)
    return emit.input(value, desc, read_again)


def summed(emit: BackwardEmitter, value: int, gradient: Value) -> Value:
    """The gradient of a value, of that of what it was spread to."""
    program, primitives = emit.program, emit.primitives
    own = emit.shape(value)
    whole = gradient.desc.shape
    shape = columns_shape(own, len(whole))
    total = gradient
    if shape[2:] != whole[2:]:
        total = _over_pixels(emit, total)
    if shape[1] != whole[1]:
        total = _over_channels(emit, total)
    if len(own) < len(shape):
        total = program.reorder(total, primitives.strided(shape))
        return program.view(total, primitives.strided(own))
    return total


def _over_pixels(emit: BackwardEmitter, gradient: Value) -> Value:
    """The sums of each channel's pixels: their average times their number."""
    program, primitives, shape = emit.program, emit.primitives, gradient.desc.shape
    window = (shape[2], shape[3])
    pooled_shape = (*shape[:2], 1, 1)
    spec = Pool2DSpec(window, window, mode="average_exc_pad")
    pooling = primitives.pooling_forward(spec, gradient.desc, primitives.any(pooled_shape))
    mean = program.temporary(pooling.desc(Query.DST, pooled_shape))
    program.run(pooling, {Arg.SRC: gradient, Arg.DST: mean})
    flat = primitives.flat(mean.desc)
    numbers = program.view(mean, flat)
    program.run(
        primitives.multiple(float(np.prod(window)), flat), {Arg.SRC: numbers, Arg.DST: numbers}
    )
    return mean


def _over_channels(emit: BackwardEmitter, gradient: Value) -> Value:
    """The sums of each pixel's channels, as a product of matrices."""
    program, primitives = emit.program, emit.primitives
    n_samples, n_channels, *size = gradient.desc.shape
    n_pixels = n_samples * int(np.prod(size))
    if size:
        gradient = program.reorder(gradient, primitives.images(gradient.desc.shape, CHANNELS_LAST))
    rows = program.view(gradient, primitives.strided((n_pixels, n_channels)))
    ones = program.constant(np.ones((n_channels, 1), np.float32))
    total = program.temporary(primitives.strided((n_pixels, 1)))
    product = primitives.matmul(rows.desc, ones.desc, total.desc)
    program.run(product, {Arg.SRC: rows, Arg.WEIGHTS: ones, Arg.DST: total})
    return program.view(total, primitives.strided((n_samples, 1, *size)))
