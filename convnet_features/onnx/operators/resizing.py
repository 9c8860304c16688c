"""Images of another size."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...layers import ResizeLayer, Upscale1DLayer, Upscale2DLayer, Upscale3DLayer
from ..plan import MAX_ACTIVATIONS, PlannedLayer, check_activations
from ..reading import Node
from .arrangement import taken
from .nodes import axes_of, integers, number, reads, unsupported

_MODES = {"linear": "bilinear", "cubic": "bicubic"}
_ALIGNMENTS = {
    "align_corners": "corners",
    "asymmetric": "asymmetric",
    "half_pixel": "half_pixel",
    "pytorch_half_pixel": "half_pixel",
}
_ROUNDED: dict[str, Callable[[Any], Any]] = {
    "ceil": np.ceil,
    "floor": np.floor,
    "round_prefer_ceil": lambda places: np.floor(places + np.float32(0.5)),
    "round_prefer_floor": lambda places: np.ceil(places - np.float32(0.5)),
}
#: How far from a half a place may be by rounding in float32.
_UNCERTAIN = 1e-3


@reads("Resize", "Upsample")
def _resize(reader: Any, node: Node) -> PlannedLayer:
    x = reader.layer(node, 0)
    sizes, scales = _target(reader, node, x)
    check_activations(sizes, node.outputs[0])
    policy = node.attributes.get("keep_aspect_ratio_policy", "stretch")
    if policy != "stretch" or (sizes[0] != x.shape[0] and len(x.shape) > 1):
        raise unsupported(node, f"values of shape {x.shape} resized to {sizes}, {policy!r},")
    if tuple(sizes) == x.shape:
        return x
    mode = node.attributes.get("mode", "nearest")
    # Before opset 11 there was one way.
    old = node.operator == "Upsample" or reader.graph.opset < 11
    attributes = {} if old else node.attributes
    places = attributes.get("coordinate_transformation_mode", "asymmetric" if old else "half_pixel")
    if mode == "nearest":
        rounding = attributes.get("nearest_mode", "floor" if old else "round_prefer_floor")
        return _nearest(reader, node, x, sizes, scales, places, rounding)
    shrinks = any(size < own for size, own in zip(sizes, x.shape, strict=True))
    odd = (attributes.get("antialias", 0) and shrinks) or attributes.get("exclude_outside", 0)
    if mode not in _MODES or places not in _ALIGNMENTS or odd:
        raise unsupported(node, f"mode={mode!r}, coordinate_transformation_mode={places!r}")
    # Weights are a matrix along each axis.
    if any(own * size > MAX_ACTIVATIONS for own, size in zip(x.shape[1:], sizes[1:], strict=True)):
        raise unsupported(node, f"values of shape {x.shape} resized to {sizes}")
    # PyTorch takes the first pixel where there is one in the result.
    ratios = tuple(
        1.0 if size == 1 and places == "pytorch_half_pixel" else float(1 / scale)
        for size, scale in zip(sizes[1:], scales[1:], strict=True)
    )
    natural = [own / size for own, size in zip(x.shape[1:], sizes[1:], strict=True)]
    params: dict[str, Any] = {}
    if not np.allclose(ratios, natural, rtol=1e-6, atol=0):
        params["ratios"] = ratios
    if mode == "cubic":
        params["cubic_coeff"] = number(node, "cubic_coeff_a", -0.75)
    return reader.plan.add(
        node.outputs[0],
        ResizeLayer,
        x,
        size=tuple(sizes[1:]),
        mode=_MODES[mode],
        align=_ALIGNMENTS[places],
        **params,
    )


def _target(reader: Any, node: Node, x: PlannedLayer) -> tuple[list[int], np.ndarray]:
    """The sizes of the result for one sample, and the result's pixels for one of x's."""
    rank = 1 + len(x.shape)
    given = node.attributes.get("axes")
    axes = list(range(rank)) if given is None else axes_of(node, given, rank)
    position = 1 if node.operator == "Upsample" or reader.graph.opset < 11 else 2
    factors = reader.optional_constant(node, position)
    factors = node.attributes.get("scales") if factors is None else factors
    if factors is not None and np.size(factors):
        scales = np.asarray(factors, np.float32).ravel()
        if not np.isfinite(scales).all() or scales.min() <= 0 or len(scales) != len(axes):
            raise unsupported(node, f"scales={scales.tolist()}")
        whole = np.ones(rank, np.float32)
        whole[axes] = scales
        if whole[0] != 1:
            raise unsupported(node, "more samples")
        sizes = np.floor(np.asarray(x.shape, np.float32) * whole[1:]).astype(np.int64).tolist()
        return sizes, whole[1:]
    targets = integers(node, reader.constant(node, 3), "sizes")
    if len(targets) != len(axes):
        raise unsupported(node, f"sizes={targets}")
    sizes = [0, *x.shape]
    for axis, size in zip(axes, targets, strict=True):
        if axis > 0:
            sizes[axis] = size
    return sizes[1:], np.divide(sizes[1:], x.shape, dtype=np.float32)


def _nearest(
    reader: Any,
    node: Node,
    x: PlannedLayer,
    sizes: list[int],
    scales: np.ndarray,
    places: str,
    rounding: str,
) -> PlannedLayer:
    if rounding not in _ROUNDED:
        raise unsupported(node, f"nearest_mode={rounding!r}")
    chosen = [
        _places(node, *axis, places, rounding) for axis in zip(x.shape, sizes, scales, strict=True)
    ]
    factors = [_factor(*axis) for axis in zip(chosen, x.shape, strict=True)]
    upscale = {2: Upscale1DLayer, 3: Upscale2DLayer, 4: Upscale3DLayer}.get(len(factors))
    if upscale is not None and factors[0] == 1 and None not in factors:
        return reader.plan.add(node.outputs[0], upscale, x, scale_factor=tuple(factors[1:]))
    for axis, each in enumerate(chosen, 1):
        if not np.array_equal(each, np.arange(x.shape[axis - 1])):
            x = taken(reader, node, x, each, axis)
    return x


def _places(
    node: Node, own: int, size: int, scale: np.float32, places: str, rounding: str
) -> np.ndarray:
    """Which pixel of `own` along an axis each of `size` is."""
    targets = np.arange(size, dtype=np.float32)
    if size == own and scale == 1:
        return targets.astype(int)
    match places:
        case "asymmetric":
            wanted = targets / scale
        case "align_corners":
            wanted = targets * np.float32(own - 1) / np.float32(max(1, size - 1))
        case "tf_half_pixel_for_nn":
            wanted = (targets + np.float32(0.5)) / scale
        case "half_pixel" | "pytorch_half_pixel":
            wanted = (targets + np.float32(0.5)) / scale - np.float32(0.5)
            if size == 1 and places != "half_pixel":
                wanted = np.zeros(1, np.float32)
        case _:
            raise unsupported(node, f"coordinate_transformation_mode={places!r}")
    halves = np.abs(wanted - np.floor(wanted) - np.float32(0.5)) < _UNCERTAIN
    if (places, rounding) == ("asymmetric", "round_prefer_ceil") and halves.any():
        # Runtimes compute the place in other ways, and so round up or down.
        raise unsupported(node, "pixels that lie halfway between two")
    return np.clip(_ROUNDED[rounding](wanted).astype(int), 0, own - 1)


def _factor(places: np.ndarray, own: int) -> int | None:
    """How often each pixel of an axis is repeated; None where that differs."""
    factor, rest = divmod(len(places), own)
    if rest or not np.array_equal(places, np.repeat(np.arange(own), factor)):
        return None
    return factor
