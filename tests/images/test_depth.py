"""Which number is white, and that pictures beside one another have the same."""

from __future__ import annotations

import io
import warnings

import numpy as np
import pytest

pytest.importorskip("PIL")

from PIL import Image

from convnet_features.exceptions import ConvNetFeaturesWarning
from convnet_features.images import ImageLoader


def flat(value, dtype):
    return np.full((4, 5), value, dtype)


def shown(sources, lazy=False):
    """The grey of each picture, all of which are of one colour."""
    images = np.asarray(ImageLoader((4, 5), mode="gray", lazy=lazy).transform(sources))
    assert (images == images[:, :, :1, :1]).all()
    return images[:, 0, 0, 0].tolist()


def tiff(values):
    file = io.BytesIO()
    Image.fromarray(values).save(file, "TIFF")
    return file.getvalue()


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("dtype", ["f2", "f4", ">f4", "f8", "i2", "i4", ">i4", "i8", "u4", "u8"])
def test_one_white_for_all_of_X(dtype, lazy):
    """A dark picture beside bright ones is dark."""
    for values, expected in (([200, 1], [200, 1]), ([255, 0, 1, 100], [255, 0, 1, 100])):
        pictures = [flat(value, dtype) for value in values]
        assert shown(pictures, lazy) == expected
        assert shown(np.stack(pictures), lazy) == expected


@pytest.mark.parametrize("dtype", ["f4", "f8", "i4", "u4", "i8"])
def test_bytes_beside_words(dtype):
    pictures = [flat(value, dtype) for value in (255, 256, 65535)]
    assert shown(pictures) == [1, 1, 255]
    assert shown(pictures[::-1]) == [255, 1, 1]


def test_kinds_say_it_for_themselves():
    pictures = [flat(200, "i4"), flat(1.0, "f4"), flat(60000, "u2"), flat(7, "u1"), flat(1, "?")]
    assert shown(pictures) == [200, 255, 233, 7, 255]
    assert shown([[[0.5, 0.5]], flat(1, float)]) == [128, 255]


def test_what_is_no_picture_says_nothing_of_others():
    loader = ImageLoader((4, 5), mode="gray", on_error="blank")
    strange = [flat(1e9, "f4"), flat(np.nan, "f4"), flat(-5, "f4"), "none.jpg", None]
    with pytest.warns(ConvNetFeaturesWarning, match="5 of 6 images"):
        images = loader.transform([flat(1, "f4"), *strange])
    assert (images == 255).all()


@pytest.mark.parametrize("order", ["<", ">", "="])
def test_words_in_either_order_of_bytes(order):
    """Not more than 255 in a uint16 is nearly black, whatever the order of its bytes."""
    assert shown([flat(200, f"{order}u2")]) == [1]
    assert shown([flat(65535, f"{order}u2")]) == [255]


def test_floats_of_16_bits():
    assert shown([flat(1, "f2")]) == [255]
    assert shown([flat(65504, "f2")]) == [255]
    assert shown([flat(32752, "f2")]) == [127]


@pytest.mark.parametrize(("value", "dtype"), [(70_000, "i4"), (-3, "i4"), (1e9, "f4"), (-1, "f4")])
def test_stretching_one_colour(value, dtype):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert shown([tiff(flat(value, dtype))]) == [0]


def test_stretching_goes_from_black_to_white():
    values = np.array([[70_000, 80_000], [90_000, 70_000]], "i4")
    image = ImageLoader(2, mode="gray").transform([tiff(values)])[0, 0]
    assert image.tolist() == [[0, 128], [255, 0]]


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize(
    "values", [[flat(200, "f4"), flat(1, "f4")], [flat(255, "i4"), flat(256, "i4")]]
)
def test_files_that_are_read_by_different_whites(values, lazy):
    """No file says it: each is read as a viewer shows it, and one warning says so."""
    files = [tiff(each) for each in values]
    with pytest.warns(
        ConvNetFeaturesWarning, match=r"(ImageLoader|LazyImages): pictures .*compared"
    ) as seen:
        images = np.asarray(ImageLoader((4, 5), mode="gray", lazy=lazy).transform(files))
    assert len(seen) == 1
    assert images[0].flat[0] != images[1].flat[0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.asarray(ImageLoader((4, 5), lazy=lazy).transform(files[:1] * 3))


def test_lazy_images_say_it_once():
    files = [tiff(flat(200, "f4")), tiff(flat(1, "f4"))]
    images = ImageLoader((4, 5), lazy=True).transform(files)
    with pytest.warns(ConvNetFeaturesWarning, match="LazyImages: pictures .*0 and 1, 0 and 255"):
        np.asarray(images)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.asarray(images[::-1])


def test_a_dark_pgm_of_16_bits():
    """Pillow gives it 32 bits a pixel: its white is 65535 all the same."""
    words = flat(200, ">u2")
    assert shown([b"P5 5 4 65535\n" + words.tobytes()]) == [1]
