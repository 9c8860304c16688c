"""Colours as a viewer shows them: palettes, transparency, CMYK, profiles."""

from __future__ import annotations

import functools
import io
from typing import Any

import numpy as np

from .depth import WORD, Scales, levels, of_16_bits
from .pillow import pillow

__all__ = ["background_colour", "in_mode", "plain", "shown"]

#: Modes that can be made smaller as they are, colours coming after.
PLAIN = ("L", "LA", "RGB", "RGBA", "CMYK")
#: Pillow's names of `ImageLoader`'s modes.
MODES = {"rgb": "RGB", "gray": "L", "rgba": "RGBA"}
#: Formats that Pillow gives 32 bits a pixel although they have 16 at most.
WORDS = ("JPEG2000", "PNG", "PPM")
#: Profiles longer than this are read anew for each picture.
KEPT_PROFILE = 1 << 20


def plain(image: Any, scales: Scales) -> Any:
    """A picture in one of the modes of `PLAIN`: no palette, 8 bits, transparency as alpha.

    `scales` is told what was taken for black and white where the picture does not say.
    """
    mode = image.mode
    if mode.startswith("I;16"):
        return _of_16_bits(image)
    if mode in ("I", "F"):
        white = WORD if mode == "I" and image.format in WORDS else None
        return pillow().fromarray(levels(np.asarray(image), white, scales))
    if mode in PLAIN:
        if "transparency" not in image.info or mode in ("LA", "RGBA", "CMYK"):
            return image
        return image.convert("RGBA" if mode == "RGB" else "LA")
    if mode == "1":
        return image.convert("LA" if "transparency" in image.info else "L")
    if mode == "La":
        return image.convert("LA")
    if mode == "LAB":
        return _from_lab(image)
    return image.convert("RGBA" if image.has_transparency_data else "RGB")


def _of_16_bits(image: Any) -> Any:
    values = np.asarray(image)
    grey = pillow().fromarray(of_16_bits(values))
    transparent = image.info.get("transparency")
    if isinstance(transparent, int):
        opaque = pillow().fromarray(np.where(values == transparent, 0, 255).astype(np.uint8))
        grey = pillow().merge("LA", (grey, opaque))
    return grey


def _from_lab(image: Any) -> Any:
    from PIL import ImageCms

    lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    return ImageCms.profileToProfile(image, lab, srgb, outputMode="RGB")


def shown(image: Any, profile: bytes | None) -> Any:
    """A plain picture in sRGB, grey or colour, with its alpha if it has any."""
    alpha = image.getchannel("A") if image.mode in ("LA", "RGBA") else None
    base = image if alpha is None else image.convert(image.mode[:-1])
    if profile:
        base = _converted(base, profile)
    if base.mode == "CMYK":
        base = base.convert("RGB")
    if alpha is None:
        return base
    return pillow().merge(f"{base.mode}A", (*base.split(), alpha))


def _converted(base: Any, profile: bytes) -> Any:
    """In sRGB; as it is where the profile is damaged, or one for other colours."""
    try:
        make = _transform if len(profile) <= KEPT_PROFILE else _transform.__wrapped__
        transform = make(profile, base.mode)
        return base if transform is None else transform.apply(base)
    except Exception:  # whatever a damaged profile makes Pillow raise
        return base


@functools.lru_cache(maxsize=16)
def _transform(profile: bytes, mode: str) -> Any:
    """From a profile to sRGB, or None where it is not for pictures of this mode."""
    from PIL import ImageCms

    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    space = source.profile.xcolor_space.strip()
    if {"GRAY": "L", "RGB": "RGB", "CMYK": "CMYK"}.get(space) != mode:
        return None
    return ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, "RGB")


def background_colour(background: Any) -> tuple[int, int, int]:
    """A colour's name, its grey level, or (red, green, blue), as three numbers.

    Raises
    ------
    ValueError
        If it is none of these.
    """
    from PIL import ImageColor

    try:
        if isinstance(background, str):
            return ImageColor.getrgb(background)[:3]
        numbers = np.atleast_1d(np.asarray(background))
        is_colour = numbers.shape in ((1,), (3,)) and numbers.dtype.kind in "iu"
        if is_colour and numbers.min() >= 0 and numbers.max() <= 255:
            red, green, blue = np.broadcast_to(numbers, 3).tolist()
            return red, green, blue
    except ValueError:
        pass
    raise ValueError(
        f"background={background!r} is no colour; give a name ('white', '#ff8800'), a grey level "
        "of 0 to 255, or (red, green, blue) of such numbers."
    )


def in_mode(image: Any, mode: str, background: tuple[int, int, int]) -> Any:
    """A shown picture as grey, RGB or RGBA; where there is no alpha, it lies on the background."""
    wanted = MODES[mode]
    if image.mode in ("LA", "RGBA") and wanted != "RGBA":
        colours = image.convert("RGBA")
        ground = pillow().new("RGBA", image.size, (*background, 255))
        image = pillow().alpha_composite(ground, colours).convert("RGB")
    return image if image.mode == wanted else image.convert(wanted)
