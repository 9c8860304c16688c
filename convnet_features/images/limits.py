"""How large a picture may be: files from strangers must not fill the memory."""

from __future__ import annotations

from typing import Any

from ..locks import new_lock
from .pillow import pillow

__all__ = ["check_decoded", "check_size", "decoded_bytes", "one_large_at_a_time"]

#: Decoded bytes for each byte of a file that are believed, and how large any file may become.
RATIO = 160
ROOM = RATIO << 20
#: Pictures that take more than this are decoded one after the other.
LARGE = 64 << 20
#: Bytes a pixel while a picture is decoded, brought into a plain mode and made smaller, as
#: measured (tests/robustness/bombs.py).
DEPTHS = {"1": 1, "L": 1, "RGB": 4, "CMYK": 4, "I;16": 7, "RGBA": 8}
OTHER_DEPTH = 9
#: How often formats' decoders hold the picture.
COPIES = {"AVIF": 3, "HEIF": 3, "JPEG2000": 2, "TIFF": 2, "WEBP": 3}
#: Bytes a pixel of the coefficients that a progressive JPEG is collected in, at full size.
PROGRESSIVE = 6

#: TIFF's tags of how wide and how long a tile is.
TILE = (322, 323)

one_large_at_a_time = new_lock()


def check_size(image: Any) -> None:
    """Check that a picture has pixels, and no more than Pillow allows.

    Raises
    ------
    ValueError
        If not.
    """
    width, height = image.size
    if width < 1 or height < 1:
        raise ValueError(f"it has {width}x{height} pixels")
    width, height = _decoded_size(image)
    limit = pillow().MAX_IMAGE_PIXELS
    if limit is not None and width * height > limit:
        raise ValueError(
            f"it has {width}x{height} pixels, and PIL.Image.MAX_IMAGE_PIXELS allows {limit}; set "
            "that to None if you trust the file"
        )


def _decoded_size(image: Any) -> tuple[int, int]:
    """What is decoded at once: the picture, or a tile of a TIFF that is larger than it."""
    width, height = image.size
    tags = getattr(image, "tag_v2", None)
    if tags is None:
        return width, height
    across, down = (_number(tags.get(tag, 0)) for tag in TILE)
    return (across, down) if across * down > width * height else (width, height)


def _number(tag: Any) -> int:
    """A tag's value; Pillow refuses a value that is no number."""
    return tag if isinstance(tag, int) else 0


def decoded_bytes(image: Any, full_size: tuple[int, int]) -> int:
    """The memory that decoding takes, about; `full_size` is the one before `draft`."""
    width, height = _decoded_size(image)
    depth = DEPTHS.get(image.mode, OTHER_DEPTH)
    n_bytes = width * height * depth * COPIES.get(image.format, 1)
    if image.info.get("progressive"):
        n_bytes += PROGRESSIVE * full_size[0] * full_size[1]
    return n_bytes


def check_decoded(n_bytes: int, file_size: int) -> None:
    """Check that a small file does not unfold into a large picture.

    Raises
    ------
    ValueError
        If it does; ``PIL.Image.MAX_IMAGE_PIXELS = None`` allows it.
    """
    if pillow().MAX_IMAGE_PIXELS is None or n_bytes <= max(ROOM, RATIO * file_size):
        return
    raise ValueError(
        f"its {file_size} bytes unfold into {n_bytes >> 20} MiB, as those of decompression bombs "
        "do; set PIL.Image.MAX_IMAGE_PIXELS to None if you trust the file"
    )
