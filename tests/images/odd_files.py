"""One picture in many kinds of files, each with what a viewer shows of it."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
from PIL import Image, ImageCms

#: Neither square, nor of an even shape: turns and swapped axes show.
HEIGHT, WIDTH = 34, 51


def scene():
    """Smooth colours that differ in every corner, of shape (height, width, 3)."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH] / np.array([[[HEIGHT]], [[WIDTH]]])
    return np.stack([40 + 200 * x, 220 - 190 * y, 128 + 100 * np.sin(3 * x + 2 * y)], 2).astype(
        "u1"
    )


def grey():
    """The scene's green, of shape (height, width)."""
    return scene()[..., 1]


def coverage():
    """An alpha channel: opaque on the left, see-through on the right."""
    return np.broadcast_to(np.linspace(255, 0, WIDTH).astype("u1"), (HEIGHT, WIDTH)).copy()


def on(background, colours, alpha):
    """What is seen of colours on a background."""
    share = (alpha / 255.0)[..., np.newaxis]
    return np.rint(colours * share + np.asarray(background) * (1 - share)).astype("u1")


def saved(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def colour():
    return Image.fromarray(scene())


def turned(orientation, kind="JPEG", **options):
    """Stored so that EXIF's orientation turns it back into the scene."""
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    return saved(colour().transpose(undo), kind, exif=exif, **options)


def with_alpha():
    return Image.merge("RGBA", (*colour().split(), Image.fromarray(coverage())))


def grey_with_alpha():
    return Image.merge("LA", (Image.fromarray(grey()), Image.fromarray(coverage())))


def few_colours():
    """Eight colours, and the palette image of them."""
    image = colour().quantize(8)
    return image, np.asarray(image.convert("RGB"))


def seen_through_one_grey():
    level = int(grey()[9, 9])
    shown = np.where(grey() == level, 255, grey())
    return saved(Image.fromarray(grey()), "PNG", transparency=level), np.dstack([shown] * 3)


def seen_through_one_of_many():
    chosen = scene()[9, 9]
    hole = (scene() == chosen).all(axis=2, keepdims=True)
    file = saved(colour(), "PNG", transparency=tuple(chosen.tolist()))
    return file, np.where(hole, 255, scene())


def seen_through_one_colour(kind="PNG"):
    image, shown = few_colours()
    hole = np.asarray(image) == 3
    return saved(image, kind, transparency=3), np.where(hole[..., np.newaxis], 255, shown)


def words(values):
    """A PNG of 16 bits, written by hand: (height, width) or (height, width, 3)."""
    height, width = values.shape[:2]
    rows = values.astype(">u2").reshape(height, -1)
    raw = b"".join(b"\0" + row.tobytes() for row in rows)

    def chunk(name, data):
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    header = struct.pack(">2I5B", width, height, 16, 0 if values.ndim == 2 else 2, 0, 0, 0)
    parts = chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(raw)), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def fine(values):
    """Bytes as 16-bit numbers, with something below a byte's last digit."""
    return values.astype(np.uint16) * 257 + 40


def animated(kind):
    others = [Image.new("RGB", (WIDTH, HEIGHT), each) for each in ("red", "blue")]
    first = few_colours()[0].convert("RGB") if kind == "GIF" else colour()
    options = {} if kind == "GIF" else {"lossless": True} if kind == "WEBP" else {}
    return saved(first, kind, save_all=True, append_images=others, duration=50, **options)


def swapped_profile():
    """The scene stored with red and green exchanged, and a profile that says so.

    sRGB's own profile, with the names of its red and green colorants exchanged.
    """
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    for first, second in ((b"rXYZ", b"gXYZ"),):
        table = profile[132 : 132 + 12 * int.from_bytes(profile[128:132], "big")]
        one, two = table.index(first) + 132, table.index(second) + 132
        profile[one : one + 4], profile[two : two + 4] = second, first
    image = Image.fromarray(scene()[..., [1, 0, 2]])
    return saved(image, "PNG", icc_profile=bytes(profile))


def cmyk():
    """Inks that leave the scene's colours: no black, and the rest what is not there."""
    inks = np.concatenate([255 - scene(), np.zeros((HEIGHT, WIDTH, 1), "u1")], 2)
    return Image.fromarray(inks, "CMYK")


WHITE = (255, 255, 255)
_grey3 = np.repeat(grey()[..., np.newaxis], 3, 2)

#: By kind: the file, what a viewer shows (height, width, 3), and by how many levels it may differ.
ODD = {
    "PNG": (saved(colour(), "PNG"), scene(), 0),
    "BMP": (saved(colour(), "BMP"), scene(), 0),
    "TIFF": (saved(colour(), "TIFF"), scene(), 0),
    "TIFF, deflated": (saved(colour(), "TIFF", compression="tiff_adobe_deflate"), scene(), 0),
    "PPM": (saved(colour(), "PPM"), scene(), 0),
    "TGA": (saved(colour(), "TGA"), scene(), 0),
    "WebP": (saved(colour(), "WEBP", lossless=True), scene(), 0),
    "JPEG": (saved(colour(), "JPEG", quality=98, subsampling=0), scene(), 6),
    "progressive JPEG": (
        saved(colour(), "JPEG", quality=98, subsampling=0, progressive=True),
        scene(),
        6,
    ),
    "grey JPEG": (saved(Image.fromarray(grey()), "JPEG", quality=98), _grey3, 6),
    "CMYK JPEG": (saved(cmyk(), "JPEG", quality=98, subsampling=0), scene(), 8),
    "CMYK TIFF": (saved(cmyk(), "TIFF"), scene(), 1),
    **{
        f"JPEG turned by EXIF {number}": (
            turned(number, quality=98, subsampling=0),
            scene(),
            6,
        )
        for number in range(2, 9)
    },
    "PNG turned by EXIF 6": (turned(6, "PNG"), scene(), 0),
    "TIFF turned by EXIF 8": (turned(8, "TIFF"), scene(), 0),
    "palette": (saved(few_colours()[0], "PNG"), few_colours()[1], 0),
    "palette with a transparent colour": (*seen_through_one_colour(), 0),
    "one grey that is transparent": (*seen_through_one_grey(), 0),
    "one colour that is transparent": (*seen_through_one_of_many(), 0),
    "GIF with a transparent colour": (*seen_through_one_colour("GIF"), 0),
    "GIF": (saved(few_colours()[0], "GIF"), few_colours()[1], 0),
    "animated GIF": (animated("GIF"), few_colours()[1], 0),
    "animated WebP": (animated("WEBP"), scene(), 0),
    "animated PNG": (animated("PNG"), scene(), 0),
    "one bit": (
        saved(Image.fromarray(grey() > 128), "PNG"),
        np.where(_grey3 > 128, 255, 0),
        0,
    ),
    "YCbCr TIFF": (saved(colour().convert("YCbCr"), "TIFF"), scene(), 3),
    "alpha": (saved(with_alpha(), "PNG"), on(WHITE, scene(), coverage()), 1),
    "grey with alpha": (saved(grey_with_alpha(), "PNG"), on(WHITE, _grey3, coverage()), 1),
    "16-bit grey": (words(fine(grey())), _grey3, 1),
    "16-bit colour": (words(fine(scene())), scene(), 1),
    "16-bit TIFF": (saved(Image.fromarray(fine(grey())), "TIFF"), _grey3, 1),
    "16-bit PGM": (
        f"P5 {WIDTH} {HEIGHT} 65535\n".encode() + fine(grey()).astype(">u2").tobytes(),
        _grey3,
        1,
    ),
    "32-bit TIFF": (saved(Image.fromarray(fine(grey()).astype(np.int32)), "TIFF"), _grey3, 1),
    "float TIFF": (saved(Image.fromarray((grey() / 255).astype("f4")), "TIFF"), _grey3, 1),
    "profile": (swapped_profile(), scene(), 3),
    "damaged profile": (saved(colour(), "PNG", icc_profile=b"no profile" * 20), scene(), 0),
}


def _late_truncation():
    return ODD["JPEG"][0][:-300]


#: By kind: the file, and what the error must say of it.
BAD = {
    "an empty file": (b"", "no image in a format that is read"),
    "text": (b"<html>404</html>" * 9, "no image in a format that is read"),
    "a truncated JPEG": (_late_truncation(), "truncated"),
    "a truncated PNG": (ODD["PNG"][0][:-200], "truncated|broken"),
    "EPS, which is a program": (
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n%%EOF",
        "no image in a format that is read",
    ),
}
