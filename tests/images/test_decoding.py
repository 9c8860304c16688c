"""Odd files: what a viewer shows, or a reason."""

from __future__ import annotations

import io
import os
import struct
import time
import warnings
import zlib

import numpy as np
import pytest

pytest.importorskip("PIL")

from PIL import Image, ImageFile
from sklearn.datasets import load_sample_images

from convnet_features.exceptions import BadImagesError
from convnet_features.images import ImageLoader, decoding, limits

from .odd_files import BAD, HEIGHT, ODD, WIDTH, colour, coverage, grey, on, saved, scene, with_alpha


def as_it_is(**params):
    """A loader that changes no picture's size."""
    return ImageLoader((HEIGHT, WIDTH), **params)


def read(source, **params):
    """One picture, with its channels last."""
    return as_it_is(**params).transform([source])[0].transpose(1, 2, 0)


def assert_shows(actual, expected, tolerance):
    assert actual.dtype == np.uint8
    assert actual.shape == expected.shape
    difference = np.abs(actual.astype(int) - expected.astype(int)).max()
    assert difference <= tolerance, difference


@pytest.mark.parametrize("kind", ODD)
def test_odd_files(kind):
    file, shown, tolerance = ODD[kind]
    assert_shows(read(file), shown, tolerance)


@pytest.mark.parametrize("kind", ODD)
def test_odd_files_as_grey(kind):
    file, shown, tolerance = ODD[kind]
    expected = np.asarray(Image.fromarray(shown.astype("u1")).convert("L"))[..., np.newaxis]
    assert_shows(read(file, mode="gray"), expected, tolerance + 1)


@pytest.mark.parametrize("kind", ODD)
def test_odd_files_at_another_size(kind):
    """As the plain picture at that size; smaller than a JPEG's reduced decoding begins."""
    file, shown, tolerance = ODD[kind]
    plain = saved(Image.fromarray(shown.astype("u1")), "PNG")
    for fit in ("crop", "pad", "stretch"):
        both = ImageLoader(12, fit=fit).transform([file, plain])
        difference = np.abs(both[0].astype(int) - both[1].astype(int)).max()
        assert difference <= max(tolerance + 2, 4 if "transparent" in kind else 0), (
            fit,
            difference,
        )


@pytest.mark.parametrize("background", ["black", 0, (10, 200, 30), "#0ac81e"])
def test_what_is_transparent_lies_on_the_background(background):
    colour = (0, 0, 0) if background in ("black", 0) else (10, 200, 30)
    shown = on(colour, scene(), coverage())
    assert_shows(read(saved(with_alpha(), "PNG"), background=background), shown, 1)


def test_rgba_keeps_what_is_transparent():
    alpha = read(saved(with_alpha(), "PNG"), mode="rgba")
    np.testing.assert_array_equal(alpha[..., 3], coverage())
    np.testing.assert_array_equal(alpha[:, :-1, :3], scene()[:, :-1])
    assert (read(ODD["PNG"][0], mode="rgba")[..., 3] == 255).all()


def test_a_shared_picture_is_turned_for_each_thread(monkeypatch):
    """Pillow says that it has read EXIF before it has: a second thread would find no turn."""
    load = Image.Exif.load

    def slow(self, data):
        time.sleep(0.05)
        load(self, data)

    monkeypatch.setattr(Image.Exif, "load", slow)
    picture = Image.open(io.BytesIO(ODD["PNG turned by EXIF 6"][0]))
    images = as_it_is(n_jobs=4).transform([picture] * 8)
    for image in images:
        assert_shows(image.transpose(1, 2, 0), scene(), 0)


def test_colours_under_what_is_transparent_do_not_shine_through():
    """A green that nobody sees does not tint its red neighbours when pixels are averaged."""
    pixels = np.zeros((8, 8, 4), "u1")
    pixels[:, :4] = (255, 0, 0, 255)
    pixels[:, 4:] = (0, 255, 0, 0)
    (image,) = ImageLoader(3, background="red").transform([pixels])
    np.testing.assert_array_equal(image[1], 0)


def test_crop_takes_the_middle():
    (image,) = ImageLoader((HEIGHT, WIDTH - 11)).transform([scene()])
    expected = Image.fromarray(scene()).resize(
        (WIDTH - 11, HEIGHT), Image.Resampling.BILINEAR, box=(5.5, 0, WIDTH - 5.5, HEIGHT)
    )
    np.testing.assert_array_equal(image.transpose(1, 2, 0), expected)


def test_pad_keeps_everything():
    (image,) = ImageLoader(60, fit="pad", background=(1, 2, 3)).transform([scene()])
    inner = Image.fromarray(scene()).resize((60, 40), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(image[:, 10:50].transpose(1, 2, 0), inner)
    for border in (image[:, :10], image[:, 50:]):
        np.testing.assert_array_equal(border, np.broadcast_to([[[1]], [[2]], [[3]]], border.shape))
    (clear,) = ImageLoader(60, fit="pad", mode="rgba").transform([scene()])
    assert (clear[3, :10] == 0).all()
    assert (clear[3, 10:50] == 255).all()
    (shade,) = ImageLoader(60, fit="pad", mode="gray", background="#00ff00").transform([scene()])
    assert (shade[0, :10] == 150).all()  # 0.587 of white


def test_a_share_of_the_middle():
    """Pillow's, of the box that torchvision's `Resize` and `CenterCrop` leave, in one step."""
    (image,) = ImageLoader(32, crop=0.875).transform([scene()])
    side = min(HEIGHT, WIDTH) * 0.875
    left, top = (WIDTH - side) / 2, (HEIGHT - side) / 2
    box = (left, top, WIDTH - left, HEIGHT - top)
    expected = Image.fromarray(scene()).resize((32, 32), Image.Resampling.BILINEAR, box=box)
    np.testing.assert_array_equal(image.transpose(1, 2, 0), expected)


def test_a_share_of_the_middle_is_as_torchvision_has_it():
    """Resized to 256 pixels and cut to 224 in two steps, but for what is rounded between."""
    picture = Image.fromarray(load_sample_images().images[1])
    width, height = picture.size
    short = picture.resize((round(256 * width / height), 256), Image.Resampling.BILINEAR)
    left, top = round((short.width - 224) / 2), 16
    expected = np.asarray(short.crop((left, top, left + 224, top + 224)), int)
    (image,) = ImageLoader(224, crop=224 / 256).transform([picture])
    assert np.abs(image.transpose(1, 2, 0) - expected).mean() < 2


@pytest.mark.parametrize("fit", ["pad", "stretch"])
def test_a_share_of_whole_pictures(fit):
    box = (WIDTH / 4, HEIGHT / 4, WIDTH * 3 / 4, HEIGHT * 3 / 4)
    half = Image.fromarray(scene()).resize((WIDTH, HEIGHT), Image.Resampling.BILINEAR, box=box)
    (image,) = ImageLoader((HEIGHT, WIDTH), fit=fit, crop=0.5).transform([scene()])
    np.testing.assert_array_equal(image.transpose(1, 2, 0), half)


def test_stretch():
    (image,) = ImageLoader((20, 90), fit="stretch", resample="lanczos").transform([scene()])
    expected = Image.fromarray(scene()).resize((90, 20), Image.Resampling.LANCZOS)
    np.testing.assert_array_equal(image.transpose(1, 2, 0), expected)


@pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
@pytest.mark.parametrize(("size", "crop"), [(17, 1), ((32, 48), 0.875), (64, 1), (96, 1)])
def test_reduced_decoding_is_as_good(fit, size, crop):
    """Of photographs: less than two levels on average, and 40 at the sharpest edges."""
    for picture in load_sample_images().images:
        file = saved(Image.fromarray(picture), "JPEG", quality=90)
        whole = np.asarray(Image.open(io.BytesIO(file)))
        both = ImageLoader(size, fit=fit, crop=crop).transform([file, whole]).astype(int)
        difference = np.abs(both[0] - both[1])
        assert difference.mean() < 2
        assert difference.max() < 40


def test_a_jpeg_is_decoded_at_a_reduced_size(monkeypatch):
    seen = []
    load = ImageFile.ImageFile.load
    monkeypatch.setattr(
        ImageFile.ImageFile, "load", lambda image: seen.append(image.size) or load(image)
    )
    file = saved(Image.fromarray(load_sample_images().images[0]), "JPEG")
    ImageLoader(24, n_jobs=1).transform([file])
    assert min(seen) == (80, 54)
    seen.clear()
    ImageLoader(300, n_jobs=1).transform([file])
    assert min(seen) == (640, 427)


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_large_files_are_read_as_small_ones(kind, tmp_path, monkeypatch):
    """A file of a gigabyte is not put into memory; what it shows is the same."""
    path = tmp_path / "image"
    path.write_bytes(saved(Image.fromarray(scene()), kind))
    expected = read(path)
    monkeypatch.setattr(decoding, "READ_AT_ONCE", 10)
    np.testing.assert_array_equal(read(path), expected)


ARRAYS = {
    "channels last": lambda: scene(),
    "channels first": lambda: scene().transpose(2, 0, 1),
    "shares of white": lambda: (scene() / 255).astype("f4"),
    "float64 of 0 to 255": lambda: scene().astype(float),
    "int64": lambda: scene().astype(int),
    "uint16": lambda: scene().astype(np.uint16) * 257,
    "upside down in memory": lambda: scene()[::-1].copy()[::-1],
    "Fortran's order": lambda: np.asfortranarray(scene()),
    "another order of bytes": lambda: (scene().astype(">u2") * 257).astype(">u2"),
    "a list": lambda: scene().tolist(),
}


@pytest.mark.parametrize("kind", ARRAYS)
def test_arrays(kind):
    assert_shows(read(ARRAYS[kind]()), scene(), 0)


def test_grey_arrays():
    shown = np.repeat(grey()[..., np.newaxis], 3, 2)
    for array in (grey(), grey()[..., np.newaxis], grey()[np.newaxis], grey() / 255.0):
        assert_shows(read(array), shown, 0)
    black_and_white = np.where(shown > 128, 255, 0)
    assert_shows(read(grey() > 128), black_and_white, 0)


NO_PICTURES = {
    "two layouts": (np.zeros((3, 5, 3)), "whose channels may be first or last"),
    "five channels": (np.zeros((9, 9, 5)), "no axis of 1, 3 or 4 channels"),
    "one axis": (np.zeros(9), r"expected \(height, width\)"),
    "four axes": (np.zeros((1, 9, 9, 3)), r"expected \(height, width\)"),
    "no pixels": (np.zeros((0, 9)), r"it has the shape \(0, 9\)"),
    "negative": (np.full((9, 9), -1), "its pixels go from -1 to -1"),
    "too large": (np.full((9, 9), 1e6), "its pixels go from 1e[+]06"),
    "NaN": (np.full((9, 9), np.nan), "it holds NaN or infinity"),
    "text": (np.full((9, 9), "a"), "pixels are numbers"),
    "complex": (np.full((9, 9), 1j), "its dtype is complex128, and pixels are numbers"),
    "None": (None, "None is no image"),
    "a number": (7, "7 is no image"),
    "no pixels in a picture": (Image.new("RGB", (0, 5)), "it has 0x5 pixels"),
    "text mode": (io.StringIO("a"), "it was opened as text; open it with mode 'rb'"),
}


NAMES = {
    b"/etc/none.JPG": "it seems to be the name of a file; give it as text: os.fsdecode(name)",
    "https://example.org/a.jpg": "it is an address; give the bytes of what is there: "
    "urllib.request.urlopen(address).read()",
    "data:image/png;base64,AAAA": "it is an address; give the bytes of what is there: "
    "urllib.request.urlopen(address).read()",
    "~/none.jpg": "there is no such file: ~ stays as it is; give os.path.expanduser(path)",
    "none.jpg": "there is no such file",
    b"none": "no image in a format that is read",
}


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_names_that_lead_nowhere(name, lazy):
    with pytest.raises(BadImagesError) as caught:
        np.asarray(as_it_is(lazy=lazy).transform([name]))
    assert [reason for _, _, reason in caught.value.bad] == [NAMES[name]]


def test_bytes_do_not_tell_which_files_there_are(tmp_path):
    """An upload of a name is answered alike whether the file is there or not."""
    path = tmp_path / "secret"
    path.write_bytes(b"")
    reasons = []
    for name in (path, tmp_path / "none"):
        with pytest.raises(BadImagesError) as caught:
            as_it_is().transform([os.fsencode(name)])
        reasons.append(caught.value.bad[0][2])
    assert reasons == ["no image in a format that is read"] * 2


def test_a_file_that_was_opened_as_text(tmp_path):
    path = tmp_path / "image.jpg"
    path.write_bytes(saved(Image.fromarray(scene()), "JPEG"))
    with open(path, encoding="utf-8") as file, pytest.raises(BadImagesError) as caught:
        as_it_is().transform([file])
    assert caught.value.bad[0][2] == "it was opened as text; open it with mode 'rb'"


@pytest.mark.parametrize("kind", NO_PICTURES)
def test_what_is_no_picture(kind):
    source, reason = NO_PICTURES[kind]
    with pytest.raises(BadImagesError, match=reason):
        as_it_is().transform([source])


@pytest.mark.parametrize("kind", BAD)
def test_bad_files(kind):
    file, reason = BAD[kind]
    with pytest.raises(BadImagesError, match=reason):
        as_it_is().transform([file])


def test_paths_that_are_no_files(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "folder.jpg").mkdir()
    with pytest.raises(BadImagesError) as caught:
        as_it_is().transform([tmp_path / name for name in ("pipe.jpg", "folder.jpg", "none.jpg")])
    assert [reason for _, _, reason in caught.value.bad] == [
        "it is a folder, or another thing that is no file",
        "it is a folder, or another thing that is no file",
        "there is no such file",
    ]


def promising(width, height, data=b""):
    """A PNG whose header promises so many pixels."""

    def chunk(name, data):
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    header = struct.pack(">2I5B", width, height, 8, 2, 0, 0, 0)
    parts = chunk(b"IHDR", header), chunk(b"IDAT", data), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@pytest.mark.parametrize(
    ("size", "reason"),
    [
        ((30_000, 30_000), "DecompressionBombError"),
        ((2**31 - 1, 2**31 - 1), "DecompressionBombError"),
        ((9_000, 9_000), "unfold into 308 MiB, as those of decompression bombs do"),
    ],
)
def test_pictures_beyond_all_bounds(size, reason):
    before = Image.MAX_IMAGE_PIXELS
    with pytest.raises(BadImagesError, match=reason):
        as_it_is().transform([promising(*size)])
    assert before == Image.MAX_IMAGE_PIXELS


def tiled(side):
    """The header of a TIFF of 16 by 16 pixels with one tile."""
    tags = [(256, 16), (257, 16), (258, 8), (259, 8), (262, 1), (277, 1), (322, side), (323, side)]
    tags += [(324, 8), (325, 8)]
    entries = b"".join(struct.pack("<2H2I", tag, 4, 1, value) for tag, value in tags)
    return b"II*\0" + struct.pack("<IQH", 16, 0, len(tags)) + entries + bytes(4)


@pytest.mark.parametrize(
    ("side", "reason"),
    [(9_000, "unfold into 154 MiB, as those of"), (16_384, "it has 16384x16384 pixels, and PIL")],
)
def test_a_tile_that_is_larger_than_its_picture(side, reason, monkeypatch):
    monkeypatch.setattr(limits, "ROOM", 100 << 20)
    with pytest.raises(BadImagesError, match=reason):
        as_it_is().transform([tiled(side)])


def test_icons_are_not_opened():
    """Pillow decodes what is in them before their size can be looked at."""
    png = ODD["PNG"][0].ljust((8 << 16) + 5, b"\0")  # so long that it looks like a TGA
    icon = struct.pack("<3H4B2H2I", 0, 1, 1, 51, 34, 0, 0, 1, 32, len(png), 22) + png
    for file in (saved(colour(), "ICO"), icon):
        with pytest.raises(BadImagesError, match="it is an ICO, which is never opened; save it"):
            as_it_is().transform([file])


HEIC = b"\0\0\0\x18ftypheic" + bytes(12)


def test_formats_that_are_registered_later(monkeypatch):
    monkeypatch.delitem(Image.OPEN, "HEIF", raising=False)
    with pytest.raises(
        BadImagesError, match=r"HEIF image; pip install pillow-heif, and call pillow"
    ):
        as_it_is().transform([HEIC])

    def opener(file, name):
        image = colour()
        image.format = "HEIF"
        return image

    monkeypatch.setitem(Image.OPEN, "HEIF", (opener, lambda start: start[4:12] == b"ftypheic"))
    if "HEIF" not in Image.ID:
        monkeypatch.setattr(Image, "ID", [*Image.ID, "HEIF"])
    assert_shows(read(HEIC), scene(), 0)


def test_pillows_limit_is_an_error(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", HEIGHT * WIDTH - 1)
    file = ODD["PNG"][0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        with pytest.raises(BadImagesError, match=r"it has 51x34 pixels, and .*MAX_IMAGE_PIXELS"):
            as_it_is().transform([file])
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    assert_shows(read(file), scene(), 0)
