"""Steps that move pixels, and steps that do not."""

from __future__ import annotations

import numpy as np
import pytest
from lasagne import layers
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, StandardScaler

from convnet_features import ConvNetClassifier
from convnet_features.images import ImageLoader
from convnet_features.inspection import GradCAMDisplay
from convnet_features.inspection.drawing import viewable
from convnet_features.inspection.fitted_network import find_fitted_network
from convnet_features.inspection.places import stand_alike


def small(X, y, *steps):
    specs = [
        ("input", layers.InputLayer),
        ("conv", layers.Conv2DLayer, {"num_filters": 2, "filter_size": 3, "pad": "same"}),
        ("output", layers.DenseLayer, {}),
    ]
    net = ConvNetClassifier(specs, max_epochs=1, random_state=0)
    return make_pipeline(*steps, net).fit(X, y)


def changing(function):
    return FunctionTransformer(function)


def lit(images):
    """Without what all pixels of an image share."""
    return images - images.mean(axis=(1, 2, 3), keepdims=True)


@pytest.fixture
def images(rng):
    return rng.uniform(size=(12, 3, 5, 7)), np.arange(12) % 2


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda X: X, True),
        (np.sqrt, True),
        (lambda X: 1 - X, True),
        (lambda X: X > 0.5, True),
        (lambda X: X[:, ::-1], True),  # the colours
        (lambda X: np.moveaxis(X, 1, -1), True),
        (lambda X: X.mean(axis=1, keepdims=True), True),
        (lambda X: X[..., ::-1], False),
        (lambda X: X[..., ::-1, :], False),
        (lambda X: X[..., ::-1, ::-1], False),
        (lambda X: np.roll(X, 1, axis=3), False),
        (lambda X: np.roll(X, 1, axis=2), False),
        (lambda X: X.swapaxes(2, 3), False),
        (lambda X: X.swapaxes(2, 3).reshape(X.shape), False),
        (lambda X: X[:, :, 1:, :-1], False),
        (lambda X: np.pad(X[:, :, 1:], [(0, 0), (0, 0), (0, 1), (0, 0)]), False),
        (lambda X: X.repeat(2, axis=2).repeat(2, axis=3), False),
        (lit, False),
        (lambda X: X[:, :, [0, 1, 2, 4, 3]], False),
    ],
)
def test_what_moves_pixels(function, expected, images):
    X, y = images
    fitted = find_fitted_network(small(X, y, changing(function)))
    assert stand_alike("test", X, fitted) is expected
    flat = small(X, y, changing(lambda X: X.reshape(-1, 3, 5, 7)), changing(function))
    assert stand_alike("test", X, find_fitted_network(flat)) is expected


@pytest.mark.parametrize(
    ("steps", "expected"),
    [([StandardScaler()], True), ([MinMaxScaler(), StandardScaler()], True), ([PCA(64)], False)],
)
@pytest.mark.parametrize("library", [None, "pandas"])
def test_rows_of_pixels(library, steps, expected, digits):
    X, y = digits[0][:70].reshape(70, 64), digits[1][:70]
    if library is not None:
        names = [f"pixel {i}" for i in range(64)]
        X = pytest.importorskip(library).DataFrame(X, columns=names)
    fitted = find_fitted_network(small(X, y, *steps))
    assert stand_alike("test", X[:2], fitted) is expected


def test_without_steps_nothing_moves(extractor, digits):
    assert stand_alike("test", digits[0][:2], find_fitted_network(extractor))


@pytest.mark.parametrize("blank", [0, 9, 255])
def test_blank_images_will_do(blank, images):
    X, y = (images[0] * 255).astype(np.uint8), images[1]
    blank = np.full_like(X[:1], blank)
    for axis, expected in ((1, True), (3, False)):
        model = small(X, y, changing(lambda X, axis=axis: np.flip(X, axis)))
        assert stand_alike("test", blank, find_fitted_network(model)) is expected


def test_steps_that_refuse_other_images(images):
    X, y = images
    model = small(X, y, FunctionTransformer())

    def only_these(given):
        if len(np.unique(given)) == 2:
            raise KeyError("two values")
        return 1 - given

    model[0].set_params(func=only_these)
    display = GradCAMDisplay.from_estimator(model, X[:2])
    np.testing.assert_allclose(display.pictures, viewable(1 - X[:2]), atol=1e-6)


def test_the_heat_lies_over_what_reached_the_network(images):
    X, y = images
    turned = small(X, y, changing(lambda X: X[..., ::-1]))
    display = GradCAMDisplay.from_estimator(turned, X[:2])
    np.testing.assert_allclose(display.pictures, X[:2, :, :, ::-1].transpose(0, 2, 3, 1), atol=1e-6)
    np.testing.assert_array_equal(
        display.heat, GradCAMDisplay.from_estimator(turned[1:], X[:2, :, :, ::-1]).heat
    )
    darker = GradCAMDisplay.from_estimator(small(X, y, changing(np.square)), X[:2])
    np.testing.assert_allclose(darker.pictures, X[:2].transpose(0, 2, 3, 1))


def test_photographs_that_are_turned_behind_their_loader(tmp_path):
    image_module = pytest.importorskip("PIL.Image")
    rng = np.random.default_rng(0)
    paths = [tmp_path / f"{number}.png" for number in range(8)]
    for path in paths:
        image_module.fromarray(rng.integers(0, 256, (30, 40, 3), dtype=np.uint8)).save(path)
    y = np.arange(8) % 2
    for axis, size in ((3, (12, 16)), (1, (144, 192))):
        step = changing(lambda X, axis=axis: np.flip(X, axis))
        model = small(paths, y, ImageLoader((12, 16)), step)
        display = GradCAMDisplay.from_estimator(model, paths[:2])
        assert display.pictures.shape == (2, *size, 3)
        if axis == 3:
            reached = np.flip(model[0].transform(paths[:2]), 3)
            np.testing.assert_allclose(display.pictures, reached.transpose(0, 2, 3, 1) / 255)


def test_images_that_a_step_reads_are_shown_as_it_reads_them(tmp_path, images):
    image_module = pytest.importorskip("PIL.Image")
    X, y = (images[0] * 255).astype(np.uint8), images[1]
    paths = np.array([str(tmp_path / f"{number}.png") for number in range(12)])
    for path, image in zip(paths, X, strict=True):
        image_module.fromarray(image.transpose(1, 2, 0)).save(path)

    def read_turned(paths):
        return np.stack([np.asarray(image_module.open(path)).transpose(2, 0, 1) for path in paths])[
            ..., ::-1
        ]

    display = GradCAMDisplay.from_estimator(small(paths, y, changing(read_turned)), paths[:2])
    np.testing.assert_allclose(
        display.pictures, X[:2, :, :, ::-1].transpose(0, 2, 3, 1) / 255, atol=1e-6
    )
