"""Which axis of X holds what."""

from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn import config_context

from convnet_features import ConvNetClassifier
from convnet_features.exceptions import ConvNetFeaturesWarning
from convnet_features.validation.layout import channels_first

from ..images import quick

RNG = np.random.default_rng(0)
Y = np.arange(24) % 2
#: 24 images of 3 channels, 6 rows and 8 columns, some of which are brighter.
FIRST = (RNG.random((24, 3, 6, 8)) + Y[:, None, None, None]).astype(np.float32)
LAST = np.ascontiguousarray(FIRST.transpose(0, 2, 3, 1))


def fitted(X, **params):
    return quick(ConvNetClassifier, max_epochs=2, **params).fit(X, Y)


@pytest.mark.parametrize(
    ("shape", "data_format", "expected", "result"),
    [
        ((5, 28, 26, 3), "auto", None, (5, 3, 28, 26)),
        ((5, 28, 26, 1), "auto", None, (5, 1, 28, 26)),
        ((5, 28, 26, 4), "auto", None, (5, 4, 28, 26)),
        ((5, 3, 28, 26), "auto", None, (5, 3, 28, 26)),
        ((5, 28, 26, 2), "auto", None, (5, 28, 26, 2)),
        ((5, 28, 26, 2), "channels_last", None, (5, 2, 28, 26)),
        ((5, 28, 26, 3), "channels_first", None, (5, 28, 26, 3)),
        ((5, 3, 28, 4), "auto", (3, 28, 4), (5, 3, 28, 4)),
        ((5, 3, 28, 4), "auto", (4, 3, 28), (5, 4, 3, 28)),
        ((5, 1, 1, 1), "auto", None, (5, 1, 1, 1)),
        ((5, 28, 26), "channels_last", None, (5, 28, 26)),
        ((5, 28), "channels_last", None, (5, 28)),
    ],
)
def test_channels_last_is_recognised_without_a_copy(shape, data_format, expected, result):
    X = np.zeros(shape)
    arranged = channels_first("Net", X, data_format, expected)
    assert arranged.shape == result
    assert np.shares_memory(arranged, X)


@pytest.mark.parametrize(
    ("shape", "expected", "first", "last"),
    [
        ((5, 3, 28, 4), None, "3x28x4", "4x3x28"),
        ((5, 1, 28, 1), None, "1x28x1", "1x1x28"),
        ((5, 64, 4, 4), None, "64x4x4", "4x64x4"),
        ((5, 3, 3, 3), (3, 3, 3), "3x3x3", "3x3x3"),
    ],
)
def test_where_both_readings_are_possible_an_error_asks(shape, expected, first, last):
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        channels_first("Net", np.zeros(shape), "auto", expected)
    assert str(caught.value) == (
        f"Net: X has the shape {shape}, which may be images of {first} with their channels first, "
        f"or of {last} with their channels last (channels x height x width); set "
        "data_format='channels_first' or data_format='channels_last'."
    )


def forms():
    return {
        "channels first": FIRST,
        "channels last": LAST,
        "flat rows": FIRST.reshape(24, -1),
        "a list of arrays": list(LAST),
        "nested lists": LAST.tolist(),
    }


@pytest.mark.parametrize("fitted_to", ["channels first", "channels last", "flat rows"])
def test_a_network_takes_its_images_in_every_form(fitted_to):
    params = {"input_shape": (3, 6, 8)} if fitted_to == "flat rows" else {}
    net, expected = fitted(forms()[fitted_to], **params), fitted(FIRST)
    assert net.input_shape_ == (3, 6, 8)
    features = expected.transform(FIRST)
    for X in forms().values():
        np.testing.assert_array_equal(net.transform(X), features)
        np.testing.assert_array_equal(net.predict(X), expected.predict(FIRST))
        if isinstance(X, np.ndarray):
            single = net.layer_function("dense")(X)
            np.testing.assert_allclose(single, features, rtol=1e-5, atol=1e-5)
            net.partial_fit(X, Y)
            net = fitted(forms()[fitted_to], **params)


@pytest.mark.parametrize("fitted_to", [(24, 1, 6, 8), (24, 6, 8), (24, 48), (24, 6, 8, 1)])
def test_images_of_one_channel_come_in_every_form(fitted_to):
    X = FIRST[:, 0]
    net = fitted(X.reshape(fitted_to), input_shape=(1, 6, 8))
    for shape in [(24, 1, 6, 8), (24, 6, 8), (24, 48), (24, 6, 8, 1)]:
        np.testing.assert_array_equal(
            net.transform(X.reshape(shape)), fitted(X, input_shape=(1, 6, 8)).transform(X)
        )
        assert net.layer_function("dense")(X.reshape(shape)).shape == (24, 16)


def test_cross_fitting_and_validation_data_know_the_layout():
    net = quick(ConvNetClassifier, max_epochs=1, data_format="channels_last")
    assert net.fit(LAST, Y, X_val=LAST, y_val=Y).score(LAST, Y) >= 0
    assert net.fit_transform(LAST, Y, cross_fit=2).shape == (24, 16)


@pytest.mark.parametrize("single", [FIRST[0], LAST[0]], ids=["channels first", "channels last"])
def test_a_single_image_is_told_apart(single):
    with pytest.raises(ValueError, match=r"If it is one image, give a batch of it: X\[numpy.newax"):
        fitted(FIRST).predict(single)


def test_rows_of_another_width_are_told_both_shapes():
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        fitted(FIRST).predict(np.zeros((2, 25)))
    assert str(caught.value) == (
        "ConvNetClassifier: X has the shape (2, 25), rows of 25 numbers, and the network was fitted "
        "to images of 3x6x8 (channels x height x width); give the shape (n_samples, 3, 6, 8), or "
        "rows of 144 numbers."
    )


def test_flat_rows_that_may_be_colours_are_warned_of():
    from lasagne.layers import DenseLayer

    X = RNG.random((24, 192)) + Y[:, None]
    layers = [("dense", DenseLayer, {"num_units": 4})]
    output = [("output", DenseLayer)]
    with pytest.warns(ConvNetFeaturesWarning) as caught:
        ConvNetClassifier(layers + output, max_epochs=1).fit(X, Y)
    assert [str(warning.message) for warning in caught] == [
        "ConvNetClassifier: each row of X is taken for one row of 192 pixels. If it is a colour "
        "image of 8x8 pixels, set input_shape=(3, 8, 8), where the channels come one after the "
        "other, or give X.reshape(-1, 8, 8, 3), where the colours of a pixel stand together; "
        "input_shape=(1, 1, 192) says that rows are meant."
    ]
    ConvNetClassifier(layers + output, max_epochs=1, input_shape=(1, 1, 192)).fit(X, Y)


def of_different_sizes():
    return [np.zeros((6, 8, 3)), np.zeros((6, 9, 3))] * 12


def pil_images(sizes):
    image = pytest.importorskip("PIL.Image")
    return [image.new("RGB", size) for size in sizes]


class PairsOfBoth:
    """A data set of other libraries: each item is an image and its target."""

    def __len__(self):
        return len(FIRST)

    def __getitem__(self, index):
        return FIRST[index], Y[index]


SIZES = (
    "X has images of different sizes, such as (6, 8, 3) and (6, 9, 3); a network takes one size. "
    "convnet_features.images.ImageLoader reads them, and gives them one: "
    "make_pipeline(ImageLoader(96), ConvNetFeatureExtractor(), LogisticRegression())."
)
REMEDY = (
    ", and pixels are expected. If these are images, or the names of their files, "
    "convnet_features.images.ImageLoader reads them: make_pipeline(ImageLoader(96), "
    "ConvNetFeatureExtractor(), LogisticRegression())."
)
FILES = f"X holds text, such as 'a.png'{REMEDY}"
REFUSED = {
    "different sizes": (of_different_sizes, SIZES),
    "different sizes in an array of objects": (
        lambda: np.array([*of_different_sizes(), None], object)[:-1],
        SIZES,
    ),
    "different sizes in a series": (lambda: pd.Series(of_different_sizes()), SIZES),
    "PIL's images of different sizes": (lambda: pil_images([(8, 6), (9, 6)] * 12), SIZES),
    "names of files": (lambda: ["a.png"] * 24, FILES),
    "names of files in an array": (lambda: np.array(["a.png"] * 24), FILES),
    "paths": (lambda: [Path("a.png")] * 24, FILES),
    "the name of a folder": (lambda: "photographs", "X holds text, such as 'photographs', and"),
    "names of files in a series": (lambda: pd.Series(["a.png"] * 24), FILES),
    "names of files in a frame": (lambda: pd.DataFrame({"path": ["a.png"] * 24}), FILES),
    "names of files in a column": (lambda: np.array([["a.png"]] * 24, object), FILES),
    "images in bytes": (
        lambda: [b"\xff\xd8\xff\xe0 and so on"] * 24,
        rf"X holds bytes, such as b'\xff\xd8\xff\xe0 and'…{REMEDY}",
    ),
    "open files": (lambda: [io.BytesIO(b"GIF89a")] * 24, f"X holds open files{REMEDY}"),
    "bytearrays": (
        lambda: [bytearray(b"GIF89a")] * 24,
        f"X holds bytes, such as b'GIF89a'…{REMEDY}",
    ),
    "memoryviews": (
        lambda: [memoryview(b"GIF89a")] * 24,
        f"X holds bytes, such as b'GIF89a'…{REMEDY}",
    ),
    "one bytearray": (lambda: bytearray(b"GIF89a"), f"X holds bytes, such as b'GIF89a'…{REMEDY}"),
    "one path": (lambda: Path("a.png"), FILES),
    "one of PIL's images": (
        lambda: pil_images([(8, 6)])[0],
        "X is one image; give a list of images: [X].",
    ),
    "PIL's images of two modes": (
        lambda: [*pil_images([(8, 6)]), pil_images([(8, 6)])[0].convert("L")] * 12,
        "X has images of different modes, such as 'L' and 'RGB'; a network takes one number of "
        "channels: [image.convert('RGB') for image in X].",
    ),
    "PIL's images with a palette": (
        lambda: [image.convert("P") for image in pil_images([(8, 6)] * 24)],
        "X has images of the mode 'P', whose pixels are numbers of colours in a palette, not "
        "colours; give [image.convert('RGB') for image in X].",
    ),
    "a generator": (
        lambda: (image for image in FIRST),
        "X is a generator, which NumPy cannot read as an array; give numpy.stack(list(X)).",
    ),
    "pairs of images and targets": (
        PairsOfBoth,
        "X is a PairsOfBoth, which NumPy cannot read as an array; give an array of images",
    ),
    "a dict": (lambda: {"X": FIRST}, "X is a dict, which NumPy cannot read as an array; give"),
    "nothing": (lambda: None, "X is a NoneType, which NumPy cannot read as an array; give"),
    "a masked array": (
        lambda: np.ma.masked_greater(FIRST, 1.5),
        "masked values; give these pixels values: X.filled(0), say.",
    ),
    "arrays in the cells of a frame": (
        lambda: pd.DataFrame({"image": list(LAST)}),
        "the cells of column 'image' hold arrays; give these as X: numpy.stack(list(X['image'])).",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.parametrize("method", ["fit", "predict"])
def test_what_are_no_images_yet_is_told_what_to_do(case, method):
    make, message = REFUSED[case]
    net = quick(ConvNetClassifier) if method == "fit" else fitted(FIRST)
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        net.fit(make(), Y) if method == "fit" else net.predict(make())
    assert message in str(caught.value)
    assert str(caught.value).startswith("ConvNetClassifier: ")


def test_pil_images_of_one_size_are_images():
    assert fitted(pil_images([(8, 6)] * 24)).input_shape_ == (3, 6, 8)


@pytest.mark.parametrize(
    ("mode", "size", "shape"),
    [
        ("L", (8, 6), (1, 6, 8)),
        ("LA", (8, 6), (2, 6, 8)),
        ("RGBA", (8, 6), (4, 6, 8)),
        ("RGB", (3, 6), (3, 6, 3)),  # of an array, both readings would be possible
        ("RGB", (8, 3), (3, 3, 8)),
    ],
)
@pytest.mark.parametrize("data_format", ["auto", "channels_first"])
def test_the_channels_of_pil_images_are_last_whatever_their_number(mode, size, shape, data_format):
    image = pytest.importorskip("PIL.Image")
    noise = RNG.integers(0, 256, (24, size[1], size[0], 3), dtype=np.uint8)
    pictures = [image.fromarray(each).convert(mode) for each in noise]
    net = quick(ConvNetClassifier, layers=None, max_epochs=1, data_format=data_format)
    net.fit(pictures, Y)
    assert net.input_shape_ == shape
    stacked = np.stack([np.asarray(each) for each in pictures])
    first = stacked.transpose(0, 3, 1, 2) if stacked.ndim == 4 else stacked[:, np.newaxis]
    expected = net.set_params(data_format="channels_first").predict_proba(first)
    np.testing.assert_array_equal(net.predict_proba(pictures), expected)


def test_one_image_is_told_so_whatever_was_fitted():
    rows = FIRST.reshape(len(FIRST), -1)[:, :48]
    net = quick(ConvNetClassifier, input_shape=(1, 6, 8)).fit(rows, Y)
    with pytest.raises(ValueError, match=r"X has the shape \(6, 8\), .* give a batch of it: X\[n"):
        net.predict(rows[0].reshape(6, 8))


def test_tensors_under_array_api_dispatch(monkeypatch):
    namespace = pytest.importorskip("array_api_strict")
    monkeypatch.setenv("SCIPY_ARRAY_API", "1")
    expected = fitted(FIRST).transform(FIRST)
    with config_context(array_api_dispatch=True):
        net = fitted(namespace.asarray(FIRST))
        np.testing.assert_array_equal(net.transform(namespace.asarray(FIRST)), expected)


def test_a_tensor_that_numpy_cannot_read_is_told_what_to_do():
    class Tensor:
        shape = FIRST.shape
        __dlpack__ = None

        def __array__(self, dtype=None, copy=None):
            raise RuntimeError("requires grad")

    with pytest.raises(ValueError, match=r"X is a Tensor that NumPy cannot read \(requires grad\)"):
        fitted(Tensor())


@pytest.mark.parametrize("shape", [(24, 5, 6, 3), (24, 3, 5, 6), (24, 5, 6)])
def test_images_of_another_size_than_declared(shape):
    """The first fit does not speak of a network that was fitted."""
    declared = (
        "and input_shape=(3, 7, 8) (channels, height, width) asks for images of another size."
    )
    with pytest.raises(ValueError, match=re.escape(f"X has the shape {shape}, {declared}")):
        ConvNetClassifier(input_shape=(3, 7, 8)).fit(np.zeros(shape), np.arange(24) % 2)
