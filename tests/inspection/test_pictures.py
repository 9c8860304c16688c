"""X of every form as pictures: the same picture, whatever holds it."""

from __future__ import annotations

import io
from typing import ClassVar

import numpy as np
import pytest
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler

from convnet_features.images import ImageLoader
from convnet_features.inspection.drawing import as_picture, viewable
from convnet_features.inspection.pictures import (
    names_of,
    number_of,
    pictures_of,
    some_rows,
    split_loader,
)


@pytest.fixture
def colours(rng):
    """Bytes of shape (n, height, width, 3), all sizes different."""
    return rng.integers(0, 256, (4, 7, 11, 3), dtype=np.uint8)


def shown(X, rows=(0, 2), **options):
    return pictures_of("test", X, np.array(rows), **options)


@pytest.mark.parametrize(
    "form",
    [
        lambda X: X,
        lambda X: X.transpose(0, 3, 1, 2),
        list,
        lambda X: [x.transpose(2, 0, 1) for x in X],
        lambda X: X / 255,
        lambda X: (X / 255).astype(np.float32).transpose(0, 3, 1, 2),
    ],
    ids=["last", "first", "list", "list, first", "float64", "float32, first"],
)
def test_every_array_is_the_same_picture(form, colours):
    np.testing.assert_allclose(shown(form(colours)), colours[[0, 2]] / 255, atol=1e-6)


def test_rows_that_are_not_shown_stay_where_they_are(colours):
    """As in a file, in blocks, or on a device."""

    class Rows:
        shape, dtype = colours.shape, colours.dtype
        read: ClassVar[list[int]] = []

        def __len__(self):
            return len(colours)

        def __getitem__(self, row):
            self.read.append(row)
            return colours[row]

        def __array__(self, dtype=None, copy=None):
            raise AssertionError("all of it was asked for")

    rows = Rows()
    assert number_of("test", rows) == 4
    np.testing.assert_array_equal(shown(rows), colours[[0, 2]] / 255)
    assert rows.read == [0, 2]


def test_grey_images_of_every_form(rng):
    grey = rng.integers(0, 17, (5, 8, 8)).astype(float)
    for form in (grey, grey[:, None], grey[..., None], grey.reshape(5, 64), grey.tolist()):
        np.testing.assert_allclose(shown(form), grey[[0, 2]] / grey[[0, 2]].max())


def test_files_bytes_and_images_keep_their_colours_and_their_shape(tmp_path):
    image_module = pytest.importorskip("PIL.Image")
    image = image_module.new("RGB", (40, 20), (250, 100, 0))
    image.save(tmp_path / "a.png")
    memory = io.BytesIO()
    image.save(memory, "PNG")
    for X in ([str(tmp_path / "a.png")], [memory.getvalue()], [image], [memory]):
        assert number_of("test", X) == 1
        (picture,) = shown(X, [0])
        # Whole, with nothing to be seen above and below it.
        assert picture.shape == (192, 192, 4)
        np.testing.assert_allclose(picture[96, 5], np.array([250, 100, 0, 255]) / 255)
        assert picture[5, 96, 3] == picture[-5, 96, 3] == 0
        assert picture[:, :, 3].mean() == pytest.approx(0.5, abs=0.01)


def test_photographs_are_cut_as_the_loader_cuts_them(tmp_path, fitted_loader):
    image_module = pytest.importorskip("PIL.Image")
    picture = image_module.new("RGB", (300, 100), "red")
    picture.paste("blue", (100, 0, 200, 100))  # the middle, which is all that "crop" keeps
    picture.save(tmp_path / "a.png")
    (cut,) = shown([tmp_path / "a.png"], [0], estimator=fitted_loader(ImageLoader((30, 20))))
    assert cut.shape == (210, 140, 3)
    np.testing.assert_array_equal(cut[..., 2].min(), 1)
    (whole,) = shown(
        [tmp_path / "a.png"],
        [0],
        estimator=fitted_loader(ImageLoader(8, mode="gray", fit="stretch")),
    )
    assert whole.shape == (192, 192)


@pytest.fixture
def fitted_loader():
    return lambda loader: make_pipeline(loader, FunctionTransformer())


def test_a_lazy_loaders_images_are_shown_too(colours, fitted_loader):
    pytest.importorskip("PIL")
    images = ImageLoader(9, lazy=True).fit_transform(colours)
    np.testing.assert_array_equal(shown(images), shown(np.asarray(images)))
    lazy = fitted_loader(ImageLoader(64, lazy=True, cache_bytes=100_000))
    assert shown(colours, estimator=lazy).shape == (2, 192, 192, 3)


def test_flat_rows_are_shown_by_the_networks_image_size(fitted, digits):
    X, _ = digits
    estimator = fitted["classifier in a Pipeline"]
    np.testing.assert_allclose(
        shown(X.reshape(len(X), -1), estimator=estimator), X[[0, 2], 0] / X[[0, 2]].max()
    )


def test_flat_rows_of_no_square_are_asked_about():
    with pytest.raises(ValueError, match="flat rows say nothing of their height"):
        shown(np.ones((3, 60)))


def test_channels_that_may_be_either_axis_are_asked_about():
    with pytest.raises(ValueError, match="set data_format='channels_first'"):
        shown(np.ones((3, 3, 9, 3)))
    assert shown(np.ones((3, 3, 9, 3)), data_format="channels_last").shape == (2, 3, 9, 3)
    assert shown(np.ones((3, 3, 9, 3)), data_format="channels_first").shape == (2, 9, 3, 3)


def test_one_image_is_asked_about():
    pytest.importorskip("PIL")
    with pytest.raises(ValueError, match=r"which may be one image, its channels last"):
        number_of("show_images", np.ones((8, 9, 3), np.uint8))


@pytest.mark.parametrize(
    ("images", "expected"),
    [
        (np.array([0, 51], np.uint8), [0, 0.2]),
        (np.array([0.1, 0.2]), [0.1, 0.2]),
        (np.array([0.0, 8.0, 16.0]), [0, 0.5, 1]),
        (np.array([-1.0, 0.0, 3.0]), [0, 0.25, 1]),
        (np.array([-0.5, 0.5]), [0, 1]),
        (np.array([20, 40], np.int64), [0.5, 1]),
        (np.array([False, True]), [0, 1]),
        (np.zeros(2), [0, 0]),
        (np.array([0.0, np.nan, 0.5, np.inf]), [0, 0, 0.5, 1]),
        (np.array([np.nan, 4.0, -np.inf]), [0, 1, 0]),
    ],
)
def test_what_is_black_and_white(images, expected):
    np.testing.assert_allclose(viewable(images.reshape(1, 1, 1, -1)).ravel(), expected)


def test_channels_that_are_no_colours_are_shown_as_their_mean(rng):
    for n_channels in (2, 5):
        images = rng.uniform(size=(3, n_channels, 4, 6))
        np.testing.assert_allclose(viewable(images), images.mean(axis=1))
    assert viewable(rng.uniform(size=(3, 4, 4, 6))).shape == (3, 4, 6, 4)
    assert viewable(rng.normal(size=(3, 4, 4, 6))).shape == (3, 4, 6)


def test_photographs_beside_explanations_keep_their_colours(colours):
    np.testing.assert_array_equal(as_picture(colours[0].transpose(2, 0, 1)), colours[0] / 255)


def test_names_by_class():
    classes = np.array([3, 5, 8])
    names = {8: "cat", 3: "ant", 5: "bee", 9: "dog"}
    assert names_of(classes, classes, names) == ["ant", "bee", "cat"]
    assert names_of([8, 9, 77], classes, names) == ["cat", "dog", "77"]
    assert names_of([8, 77], classes, ["ant", "bee", "cat"]) == ["cat", "77"]
    assert names_of(["b"], np.array(["a", "b"]), {"a": "ant", "b": "bee"}) == ["bee"]
    for given, text in (
        ({3: "ant"}, r"^display_labels has no name for 5, 8; its keys are 3\.$"),
        (dict.fromkeys("358", ""), r"has no name for 3, 5, 8; its keys are '3', '5', '8'\.$"),
    ):
        with pytest.raises(ValueError, match=text):
            names_of(classes, classes, given)


@pytest.mark.parametrize("given", [{"a", "b"}, frozenset("ab"), "ab", {"a": 0, "b": 1}.keys()])
def test_names_in_no_order_are_refused(given):
    kind = type(given).__name__
    with pytest.raises(TypeError, match=rf"display_labels is a {kind} .*give a list of names"):
        names_of([0], np.array([0, 1]), given)


def test_rows_are_thinned_evenly():
    np.testing.assert_array_equal(some_rows(4, 9), [0, 1, 2, 3])
    np.testing.assert_array_equal(some_rows(101, 5), [0, 25, 50, 75, 100])
    with pytest.raises(ValueError, match="max_images must be at least 1; got 0"):
        some_rows(3, 0)


def test_the_loader_is_found_where_a_pipeline_begins(colours):
    pytest.importorskip("PIL")
    y = [0, 1, 0, 1]
    loader, flat = ImageLoader(4), FunctionTransformer(lambda X: X.reshape(len(X), -1) / 255)
    plain = make_pipeline(loader, flat, LogisticRegression())
    nested = make_pipeline(make_pipeline(loader, flat), LogisticRegression())
    deep = make_pipeline(
        make_pipeline(make_pipeline(loader, flat), MinMaxScaler()), LogisticRegression()
    )
    search = GridSearchCV(plain, {"logisticregression__C": [1.0]}, cv=2)
    for estimator in (plain, nested, deep, search):
        estimator.fit(list(colours), y)
        for each in (estimator, FrozenEstimator(estimator)):
            found, rest = split_loader(each)
            assert isinstance(found, ImageLoader)
            np.testing.assert_array_equal(
                rest.predict_proba(found.transform(list(colours))),
                estimator.predict_proba(list(colours)),
            )
    assert split_loader(plain[1:])[0] is None
    assert split_loader(make_pipeline(loader))[0] is None
