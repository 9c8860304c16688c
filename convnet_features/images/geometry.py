"""Cropping and padding of pictures that get another size."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Placement", "place"]

Size = tuple[int, int]


class Placement(NamedTuple):
    """The part of a picture that is kept, its new size, and its place in the result.

    Attributes
    ----------
    box : (float, float, float, float)
        Left, top, right and bottom of what is cut out.
    size : (int, int)
        Width and height that this becomes.
    corner : (int, int)
        Left and top of where it lies in the result.
    """

    box: tuple[float, float, float, float]
    size: Size
    corner: Size


def place(picture: Size, result: Size, fit: str, crop: float = 1.0) -> Placement:
    """How a picture fills a result; both as (width, height).

    "crop" cuts off what is too long, alike on both sides; "pad" keeps all of it, and leaves
    room on both sides; "stretch" changes its shape. Of what is kept so, `crop` is the share of
    each side that remains, in the middle.
    """
    whole = _placed(picture, result, fit)
    if crop == 1.0:
        return whole
    left, top, right, bottom = whole.box
    across, down = (right - left) * (1 - crop) / 2, (bottom - top) * (1 - crop) / 2
    return whole._replace(box=(left + across, top + down, right - across, bottom - down))


def _placed(picture: Size, result: Size, fit: str) -> Placement:
    (width, height), (wide, high) = picture, result
    whole = (0.0, 0.0, float(width), float(height))
    if fit == "stretch":
        return Placement(whole, result, (0, 0))
    if fit == "crop":
        scale = max(wide / width, high / height)
        left = max(0.0, (width - wide / scale) / 2)
        top = max(0.0, (height - high / scale) / 2)
        return Placement((left, top, width - left, height - top), result, (0, 0))
    scale = min(wide / width, high / height)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return Placement(whole, size, ((wide - size[0]) // 2, (high - size[1]) // 2))
