"""Where a model has the channels of its images: second, or last, as Keras and TensorFlow do."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

__all__ = ["channels_last", "data_format", "sizes_in_order", "turned"]

#: Numbers of channels that tell where they stand.
_CHANNELS = (1, 3, 4)
#: Operators that find channels and pixels on axes of their own.
_SPATIAL = {
    "AveragePool",
    "BatchNormalization",
    "Conv",
    "ConvInteger",
    "ConvTranspose",
    "DepthToSpace",
    "GlobalAveragePool",
    "GlobalMaxPool",
    "InstanceNormalization",
    "LRN",
    "MaxPool",
    "QLinearConv",
    "SpaceToDepth",
}
#: Operators whose results have the axes of their operands.
_IN_PLACE = {
    "Add",
    "Cast",
    "Clip",
    "Concat",
    "DequantizeLinear",
    "Div",
    "Gather",
    "Identity",
    "Max",
    "Min",
    "Mul",
    "Neg",
    "Pad",
    "Pow",
    "QuantizeLinear",
    "Relu",
    "Resize",
    "Slice",
    "Split",
    "Sub",
}


def turned(
    name: str,
    nodes: Iterable[tuple[str, Sequence[str], Sequence[str], Any]],
    of_rows: bool = False,
) -> bool | None:
    """Whether a model brings the channels of its images from the last axis to the second.

    Parameters
    ----------
    name : str
        Its input.
    nodes : iterable of (str, list of str, list of str, list of int or None)
        The operator, inputs and outputs of each node, and the order of axes of a transposition.
    of_rows : bool, default=False
        Whether it takes rows of numbers, which become images by a reshaping.

    Returns
    -------
    bool or None
        None where nothing tells.
    """
    reached = {name}
    for operator, inputs, outputs, perm in nodes:
        if reached.isdisjoint(inputs):
            continue
        if operator == "Transpose":
            return perm is not None and list(perm) == [0, 3, 1, 2]
        if operator in _SPATIAL:
            return False
        if operator in _IN_PLACE or (of_rows and operator == "Reshape"):
            reached.update(outputs)
    return None


def channels_last(
    sizes: Sequence[int | None], input_shape: Sequence[int] | None, brought: bool | None
) -> bool:
    """Whether the channels of a model's images come last.

    Parameters
    ----------
    sizes : sequence of (int or None)
        Of one image, as the model declares it.
    input_shape : (int, int, int) or None
        (channels, height, width), as the user says.
    brought : bool or None
        What `turned` says.

    Returns
    -------
    bool
    """
    if len(sizes) != 3:
        return False
    if brought is not None:
        return brought
    as_declared = sizes[2] in _CHANNELS and sizes[0] not in _CHANNELS
    if input_shape is None:
        return as_declared
    first, last = (_agrees(sizes, sizes_in_order(input_shape, 3, order)) for order in (False, True))
    # Sizes that the file fixes may be given anew: those of its channels stay.
    return last if first != last else as_declared


def data_format(image: tuple[int, int, int], last: bool) -> str:
    """How an extractor is to take X: "auto", unless X itself does not tell.

    Parameters
    ----------
    image : (int, int, int)
        (channels, height, width).
    last : bool
        Whether the model has its channels last.

    Returns
    -------
    str
    """
    channels, height, width = image
    tells = channels in _CHANNELS and not channels == height == width
    return "channels_last" if last and not tells else "auto"


def _agrees(sizes: Sequence[int | None], given: Sequence[int | None]) -> bool:
    return all(size in (None, other) for size, other in zip(sizes, given, strict=True))


def sizes_in_order(
    input_shape: Sequence[int], n_sizes: int, last: bool, channels: int | None = None
) -> list[int]:
    """`input_shape`, which is (channels, height, width), as a model has it.

    Parameters
    ----------
    input_shape : (int, int, int)
    n_sizes : int
        How many sizes an image of the model has.
    last : bool
        Whether the channels come last.
    channels : int, optional
        How many the model declares.

    Returns
    -------
    list of int

    Raises
    ------
    ValueError
        If it is no such shape, or the model's images have other channels.
    """
    sizes = [int(size) for size in input_shape]
    if len(sizes) != 3 or min(sizes) < 1:
        raise ValueError(f"input_shape={input_shape!r} must be (channels, height, width).")
    first, height, width = sizes
    if last:
        if channels not in (None, first):
            raise ValueError(
                f"input_shape={tuple(sizes)} must be (channels, height, width), and "
                f"the model's images have {channels} channels, which come last; give "
                f"input_shape=({channels}, height, width)."
            )
        return [height, width, first]
    if n_sizes == 1:
        return [math.prod(sizes)]
    if n_sizes == 2 and first != 1:
        raise ValueError(
            f"input_shape={input_shape!r}: the model takes images of two sizes, height and width; "
            "give (1, height, width)."
        )
    return sizes[3 - n_sizes :]
