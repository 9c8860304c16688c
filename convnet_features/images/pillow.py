"""Pillow, where it is installed, and the formats that it may open for us."""

from __future__ import annotations

import functools
from typing import Any

__all__ = ["FORMATS", "SUFFIXES", "formats", "pillow"]

#: Formats of pictures, and the endings of their files. What runs a program (EPS), is decoded
#: before its size can be looked at (ICO), or is no picture, is not among them. HEIF is there where
#: pillow-heif has been registered.
SUFFIXES = {
    "AVIF": (".avif",),
    "BMP": (".bmp", ".dib"),
    "GIF": (".gif",),
    "HEIF": (".heic", ".heif"),
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "JPEG2000": (".jp2", ".j2k", ".jpf", ".jpx"),
    "MPO": (".mpo",),
    "PNG": (".png", ".apng"),
    "PPM": (".ppm", ".pgm", ".pbm", ".pnm"),
    "TGA": (".tga",),
    "TIFF": (".tif", ".tiff"),
    "WEBP": (".webp",),
}
FORMATS = tuple(SUFFIXES)


@functools.cache
def pillow() -> Any:
    """``PIL.Image``.

    Raises
    ------
    ImportError
        If Pillow is not installed; the text says how to get it.
    """
    try:
        from PIL import Image
    except ImportError as error:
        raise ImportError(
            "ImageLoader decodes images with Pillow, which is not installed; "
            "pip install convnet-features[images] brings it.",
            name="PIL",
        ) from error
    return Image


def formats() -> tuple[str, ...]:
    """Those of `FORMATS` that Pillow reads now, the commonest first.

    A plugin may be registered at any time.
    """
    image = pillow()
    image.init()
    usual = ("JPEG", "PNG")
    return (*usual, *(each for each in FORMATS if each in image.OPEN and each not in usual))
