"""How images reach a model's input."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import helper

from ...exceptions import FileFormatError

__all__ = ["ImageInput", "declare_sizes", "image_input"]

#: Numbers of channels that tell where they stand.
_CHANNELS = (1, 3, 4)


@dataclass(frozen=True)
class ImageInput:
    """The input of a model that takes images.

    Attributes
    ----------
    name : str
    dtype : numpy.dtype
    sizes : tuple of int
        Of one sample, in the model's order.
    channels_last : bool
    n_samples : int or None
        How many the model takes at a time; None for any number.
    """

    name: str
    dtype: np.dtype
    sizes: tuple[int, ...]
    channels_last: bool = False
    n_samples: int | None = None

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channels, height, width)."""
        first, second, third = (1,) * (3 - len(self.sizes)) + self.sizes
        return (third, first, second) if self.channels_last else (first, second, third)

    def arranged(self, images: np.ndarray) -> np.ndarray:
        """Images as the model takes them.

        Parameters
        ----------
        images : ndarray of shape (n_samples, channels, height, width)
            float32.

        Returns
        -------
        ndarray of shape (n_samples, ...)

        Raises
        ------
        ValueError
            If the model's type of pixels does not hold them.
        """
        ordered = images.transpose(0, 2, 3, 1) if self.channels_last else images
        batch = np.ascontiguousarray(ordered).reshape(len(images), *self.sizes)
        if batch.dtype == self.dtype:
            return batch
        with np.errstate(over="ignore", invalid="ignore"):
            cast = batch.astype(self.dtype)
        exact = self.dtype.kind != "f"
        lost = cast != batch if exact else np.isinf(cast) & np.isfinite(batch)
        if lost.any():
            limits = np.iinfo(self.dtype) if exact else np.finfo(self.dtype)
            what = "whole numbers" if exact else "numbers"
            raise ValueError(
                f"X holds {batch[lost][0]:g}, and the model takes pixels of {self.dtype}: {what} "
                f"from {limits.min:g} to {limits.max:g}. It wants pixels as its training had them"
                f"{', not divided by 255' if exact else ''}."
            )
        return cast


def image_input(model: onnx.ModelProto, input_shape: tuple[int, ...] | None) -> ImageInput:
    """The one input of a model.

    Parameters
    ----------
    model : onnx.ModelProto
        Whose constants are no inputs.
    input_shape : (int, int, int) or None
        (channels, height, width), where the model leaves them open.

    Raises
    ------
    FileFormatError
        If there is not one input of images, or if its sizes are not known.
    """
    inputs = model.graph.input
    if len(inputs) != 1:
        names = ", ".join(repr(value.name) for value in inputs[:10]) or "none"
        raise FileFormatError(
            f"from_onnx: the model must have one input; it has {names}. Make the others constants "
            "of the model (initializers), or export the part that takes images."
        )
    name, kind = inputs[0].name, inputs[0].type.tensor_type
    dtype = _dtype(name, kind.elem_type)
    declared = [size.dim_value if size.dim_value > 0 else None for size in kind.shape.dim]
    if not 2 <= len(declared) <= 4:
        raise FileFormatError(
            f"from_onnx: the input {name!r:.80} has {len(declared)} dimensions; images have 4: "
            "samples, and channels, height and width in the model's order; rows of numbers 2."
        )
    n_samples, sizes = declared[0], declared[1:]
    last = _channels_last(sizes, input_shape)
    if input_shape is not None:
        sizes = _given(input_shape, len(sizes), last)
    known = tuple(size for size in sizes if size is not None)
    if len(known) < len(sizes):
        raise FileFormatError(
            f"from_onnx: the input {name!r:.80} is declared with the shape {tuple(declared)}; give "
            "input_shape=(channels, height, width)."
        )
    return ImageInput(name, dtype, known, last, n_samples)


def declare_sizes(model: onnx.ModelProto, images: ImageInput, n_samples: int | None) -> None:
    """Write into a model how large its input is."""
    shape = model.graph.input[0].type.tensor_type.shape
    for size, known in zip(shape.dim, (n_samples, *images.sizes), strict=True):
        size.Clear()
        if known is None:
            size.dim_param = "n_samples"
        else:
            size.dim_value = known


def _dtype(name: str, element: int) -> np.dtype:
    try:
        dtype = np.dtype(helper.tensor_dtype_to_np_dtype(element))
    except (KeyError, TypeError, ValueError):
        dtype = np.dtype(object)
    if dtype.kind not in "fiu":
        raise FileFormatError(
            f"from_onnx: the input {name!r:.80} takes {dtype}, not pixels: those are float16, "
            "float32, float64, or integers."
        )
    return dtype


def _channels_last(sizes: list[int | None], input_shape: tuple[int, ...] | None) -> bool:
    """Whether the channels of a model's images come last."""
    if len(sizes) != 3:
        return False
    if input_shape is None:
        return sizes[2] in _CHANNELS and sizes[0] not in _CHANNELS
    first, last = (_agrees(sizes, _given(input_shape, 3, order)) for order in (False, True))
    # Sizes that the file fixes may be given anew: those of its channels stay.
    return last if first != last else sizes[2] in _CHANNELS and sizes[0] not in _CHANNELS


def _agrees(sizes: list[int | None], given: list[int | None]) -> bool:
    return all(size in (None, other) for size, other in zip(sizes, given, strict=True))


def _given(input_shape: tuple[int, ...], n_sizes: int, channels_last: bool) -> list[int | None]:
    """`input_shape` in the model's order."""
    sizes = [int(size) for size in input_shape]
    if len(sizes) != 3 or min(sizes) < 1:
        raise ValueError(f"input_shape={input_shape!r} must be (channels, height, width).")
    channels, height, width = sizes
    if channels_last:
        return [height, width, channels]
    if n_sizes == 1:
        return [math.prod(sizes)]
    if n_sizes == 2 and channels != 1:
        raise ValueError(
            f"input_shape={input_shape!r}: the model takes images of two sizes, height and width; "
            "give (1, height, width)."
        )
    return list(sizes[3 - n_sizes :])
