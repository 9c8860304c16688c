"""How images reach a model's input."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import helper

from ...exceptions import FileFormatError
from ..channels import channels_last, sizes_in_order, turned

__all__ = ["ImageInput", "declare_sizes", "image_input"]


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
    last = channels_last(sizes, input_shape, turned(name, _summaries(model.graph)))
    if input_shape is not None:
        sizes = list(sizes_in_order(input_shape, len(sizes), last, sizes[-1]))
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


def _summaries(graph: onnx.GraphProto) -> Iterator[tuple[str, Any, Any, Any]]:
    """Of each node what tells where channels stand."""
    for node in graph.node:
        orders = (list(each.ints) for each in node.attribute if each.name == "perm")
        yield node.op_type, node.input, node.output, next(orders, None)
