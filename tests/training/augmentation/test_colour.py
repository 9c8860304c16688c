"""Colours and light against Pillow, colorsys and closed forms of float64."""

from __future__ import annotations

import colorsys
import itertools
from typing import ClassVar

import numpy as np
import pytest

from convnet_features import ConvNetClassifier
from convnet_features.augmentation import (
    Chain,
    ColorJitter,
    MixUp,
    RandomChoice,
    RandomErasing,
    RandomFlip,
    RandomGrayscale,
)
from convnet_features.training.augmentation import colour

from ...helpers import assert_close

LUMA = np.array([0.299, 0.587, 0.114])


@pytest.fixture
def colours(rng):
    """Floats from 0 to 1, with grey, black, white and pure colours among them."""
    images = rng.uniform(size=(6, 3, 5, 7))
    images[0, :, 0] = images[0, :1, 0]
    images[1, :, 1] = np.array([[0, 0, 0], [1, 1, 1], [1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [0, 1, 1]]).T  # fmt: skip
    return images


def grey(image):
    return np.tensordot(LUMA, image, axes=1)


def brightened(image, factor):
    return np.clip(image * factor, 0, 1)


def contrasted(image, factor):
    return np.clip(factor * image + (1 - factor) * grey(image).mean(), 0, 1)


def saturated(image, factor):
    return np.clip(factor * image + (1 - factor) * grey(image), 0, 1)


def turned(image, turn):
    result = np.empty_like(image)
    for place in np.ndindex(image.shape[1:]):
        hue, saturation, value = colorsys.rgb_to_hsv(*image[(slice(None), *place)])
        result[(slice(None), *place)] = colorsys.hsv_to_rgb((hue + turn) % 1, saturation, value)
    return result


class TestEachChange:
    @pytest.mark.parametrize("dtype", [np.float64, np.float32])
    @pytest.mark.parametrize("factor", [0.0, 0.3, 1.7])
    @pytest.mark.parametrize(
        ("name", "expected"),
        [("brightness", brightened), ("contrast", contrasted), ("saturation", saturated)],
    )
    def test_factors(self, colours, name, factor, expected, dtype):
        jitter = ColorJitter(**{name: (factor, factor)})
        found = jitter(colours.astype(dtype), np.random.default_rng(0))
        assert found.dtype == dtype
        assert_close(found, np.stack([expected(image, factor) for image in colours]), dtype)

    @pytest.mark.parametrize("turn", [-0.5, -0.31, -0.1, 0.2, 0.5])
    def test_hue_as_colorsys(self, colours, turn):
        found = ColorJitter(hue=(turn, turn))(colours, np.random.default_rng(0))
        np.testing.assert_allclose(found, [turned(each, turn) for each in colours], atol=1e-14)

    @pytest.mark.parametrize("factor", [0.25, 1.0, 1.8])
    @pytest.mark.parametrize(
        ("name", "of_pillow"),
        [("brightness", "Brightness"), ("contrast", "Contrast"), ("saturation", "Color")],
    )
    def test_bytes_as_pillow(self, rng, name, of_pillow, factor):
        """Pillow rounds the mean grey and cuts fractions off: up to two steps."""
        pil = pytest.importorskip("PIL.Image")
        enhance = pytest.importorskip("PIL.ImageEnhance")
        images = rng.integers(0, 256, size=(4, 3, 9, 6), dtype=np.uint8)
        found = ColorJitter(**{name: (factor, factor)})(images, np.random.default_rng(0))
        for image, mine in zip(images, found, strict=True):
            enhancer = getattr(enhance, of_pillow)(pil.fromarray(image.transpose(1, 2, 0)))
            theirs = np.asarray(enhancer.enhance(factor)).transpose(2, 0, 1)
            assert np.abs(mine.astype(int) - theirs).max() <= 2

    def test_grey_bytes_as_pillow(self, rng):
        pil = pytest.importorskip("PIL.Image")
        images = rng.integers(0, 256, size=(5, 3, 9, 6), dtype=np.uint8)
        found = RandomGrayscale(p=1)(images, np.random.default_rng(0))
        for image, mine in zip(images, found, strict=True):
            theirs = np.asarray(pil.fromarray(image.transpose(1, 2, 0)).convert("L"))
            assert np.abs(mine.astype(int) - theirs).max() <= 1


CHANGES = (brightened, contrasted, saturated, turned)


def test_numbers_and_order_are_each_images_own(rng, monkeypatch):
    """Each image is what one of the 24 orders makes of it; groups of alike ones are cut, too."""
    monkeypatch.setattr(colour, "BLOCK", 3 * 4 * 5 * 2)
    images = rng.uniform(size=(60, 3, 4, 5))
    jitter = ColorJitter(0.8, 0.8, 0.8, 0.3)
    found = jitter(images, np.random.default_rng(3))
    order, *strengths = jitter._draw(60, (3, 4, 5), np.random.default_rng(3))
    orders = list(itertools.permutations(range(4)))
    for k, image in enumerate(images):
        for number in orders[order[k]]:
            image = CHANGES[number](image, strengths[number][k])
        np.testing.assert_allclose(found[k], image, atol=1e-12)
    assert len(set(order)) > 15
    for strength, (low, high) in zip(strengths, [(0.2, 1.8)] * 3 + [(-0.3, 0.3)], strict=True):
        assert low <= strength.min() < low + 0.2 * (high - low)
        assert high - 0.2 * (high - low) < strength.max() <= high


def test_a_strength_above_one_never_turns_negative():
    drawn = ColorJitter(brightness=3.0)._draw(200, (3, 2, 2), np.random.default_rng(0))
    assert 0 <= drawn[1].min() < 0.2
    assert 3.8 < drawn[1].max() <= 4


def test_nothing_asked_for_changes_nothing(colours):
    found = ColorJitter()(colours * 300, np.random.default_rng(0))
    np.testing.assert_array_equal(found, colours * 300)


class TestChannels:
    def test_grey_images_have_no_colour(self, rng):
        images = rng.uniform(size=(4, 1, 3, 5))
        jitter = ColorJitter(brightness=(0.5, 0.5), saturation=0.9, hue=0.5)
        np.testing.assert_allclose(jitter(images, np.random.default_rng(0)), images * 0.5)
        contrast = ColorJitter(contrast=(0.5, 0.5))(images, np.random.default_rng(0))
        means = images.mean(axis=(1, 2, 3), keepdims=True)
        np.testing.assert_allclose(contrast, (images + means) / 2)
        np.testing.assert_array_equal(RandomGrayscale(1)(images, np.random.default_rng(0)), images)

    def test_alpha_stays(self, rng):
        images = rng.integers(0, 256, size=(9, 4, 3, 5), dtype=np.uint8)
        for augmentation in (ColorJitter(0.5, 0.5, 0.5, 0.5), RandomGrayscale(1)):
            found = augmentation(images, np.random.default_rng(0))
            np.testing.assert_array_equal(found[:, 3], images[:, 3])
            of_colours = augmentation(images[:, :3], np.random.default_rng(0))
            np.testing.assert_array_equal(found[:, :3], of_colours)

    @pytest.mark.parametrize("augmentation", [ColorJitter(0.5), RandomGrayscale()])
    def test_other_numbers_of_channels(self, augmentation):
        name = type(augmentation).__name__
        with pytest.raises(ValueError, match="5 channels") as caught:
            augmentation(np.zeros((2, 5, 3, 3)), np.random.default_rng(0))
        assert str(caught.value) == (
            f"{name}: the images have 5 channels, and 1 (grey), 3 (red, green, blue) or 4 (and "
            "alpha) are needed to know their colours."
        )


class TestWhite:
    def test_bytes_and_floats_up_to_one_are_known(self, rng):
        images = rng.uniform(size=(3, 3, 4, 4)).astype(np.float32)
        assert ColorJitter(brightness=(5, 5))(images, rng).max() == 1
        as_bytes = (images * 255).astype(np.uint8)
        assert ColorJitter(brightness=(5, 5))(as_bytes, rng).max() == 255
        assert ColorJitter(brightness=(5, 5), white=16)(images * 16, rng).max() == 16

    def test_a_white_that_is_no_byte(self):
        """Images of bytes come as floats then; those given by hand are an error."""
        jitter = ColorJitter(brightness=(2, 2), white=1000)
        assert not jitter.on_bytes
        images = np.full((1, 3, 2, 2), 200, dtype=np.uint8)
        assert Chain([jitter])(images, np.random.default_rng(0)).max() == 400
        with pytest.raises(ValueError, match="the images hold bytes") as caught:
            jitter(images, np.random.default_rng(0))
        assert str(caught.value) == (
            "ColorJitter(brightness=(2, 2), white=1000): the images hold bytes (uint8), which have "
            "no such value; give it images.astype(numpy.float32)."
        )

    def test_words(self):
        images = np.full((1, 3, 2, 2), 60_000, dtype=np.uint16)
        for white in (65_535, 1e6):
            found = ColorJitter(brightness=(2, 2), white=white)(images, np.random.default_rng(0))
            assert found.dtype == np.uint16
            assert (found == 65_535).all()

    @pytest.mark.parametrize(("low", "high"), [(0, 255), (-1, 1)])
    def test_other_pixels_ask(self, low, high):
        images = np.linspace(low, high, 12, dtype=np.float32).reshape(1, 3, 2, 2)
        with pytest.raises(ValueError, match="white") as caught:
            ColorJitter(brightness=0.5)(images, np.random.default_rng(0))
        assert str(caught.value) == (
            f"ColorJitter: pixels reach from {low} to {high}, and nothing tells which value is "
            "white (bytes: 255; floats from 0 to 1: 1; black is 0); give it: "
            "ColorJitter(white=255), say, on the scale of X."
        )


class TestWhiteOfTheDataSet:
    """Which value is white is asked of all of X, before training: a batch may be dark by chance."""

    STEPS: ClassVar = {
        "alone": lambda jitter: jitter,
        "behind a flip and a mixture": lambda jitter: [RandomFlip(), MixUp(), jitter],
        "one of several": lambda jitter: RandomChoice([RandomFlip(), jitter]),
    }

    @staticmethod
    def fit(X, **params):
        net = ConvNetClassifier(
            conv2d1_num_filters=2,
            conv2d2_num_filters=2,
            dense_num_units=4,
            max_epochs=1,
            batch_size=4,
            shuffle=False,
            validation_fraction=None,
            random_state=0,
            **params,
        )
        return net.fit(X, np.arange(len(X)) % 2)

    @pytest.fixture
    def images(self, rng):
        """Floats of 0 to 255 whose first images are nearly black."""
        X = rng.uniform(0, 255, size=(12, 3, 8, 8)).astype(np.float32)
        X[:8] /= 300
        X[-1, 0, 0, 0], X[0, 0, 0, 0] = 255, 0
        return X

    @pytest.mark.parametrize("kind", STEPS)
    @pytest.mark.parametrize(
        "jitter", [ColorJitter(0.4), RandomErasing(value="random")], ids=["colour", "erasing"]
    )
    def test_floats_beyond_one_ask_before_the_first_batch(self, images, kind, jitter):
        seen = []

        class Watcher:
            def on_batch_end(self, trainer, loss):
                seen.append(trainer.batch)

        augment = self.STEPS[kind](jitter)
        with pytest.raises(ValueError, match="pixels reach from 0 to 255, and nothing tells"):
            self.fit(images, augment=augment, callbacks=[Watcher()])
        assert not seen
        with pytest.raises(ValueError, match="pixels reach from 0 to 255, and nothing tells"):
            self.fit(images[:, :, ::-1], tta=[RandomFlip(), augment] if kind == "alone" else jitter)

    def test_white_that_is_known(self, images):
        self.fit(images, augment=ColorJitter(0.4, white=255), tta=ColorJitter(0.4, white=255))
        self.fit(images.astype(np.uint8), augment=ColorJitter(0.4), tta=ColorJitter(0.4))
        self.fit(images / 255, augment=ColorJitter(0.4))

    def test_what_has_no_need_of_it(self, images):
        self.fit(images, augment=[ColorJitter(), RandomErasing(value=3.0)])
        self.fit(images[:, :1], augment=ColorJitter(hue=0.1))

    def test_what_another_scale_comes_to(self, images):
        """A function's pixels are its own; so are those of a subclass that does more."""

        class Darker(ColorJitter):
            def __call__(self, images, random):
                return super().__call__(images / 255, random)

        self.fit(images, augment=[lambda batch: batch / 255, ColorJitter(0.4)])
        self.fit(images, augment=Darker(0.4))


@pytest.mark.parametrize(
    ("params", "name"),
    [
        ({"brightness": -0.1}, "brightness"),
        ({"contrast": (0.9, 0.5)}, "contrast"),
        ({"saturation": (-0.1, 0.5)}, "saturation"),
        ({"saturation": "much"}, "saturation"),
        ({"hue": 0.6}, "hue"),
        ({"hue": (-0.6, 0)}, "hue"),
        ({"white": 0}, "white"),
    ],
)
def test_parameters_are_checked(params, name, colours):
    with pytest.raises(ValueError, match=f"The '{name}' parameter of ColorJitter must be"):
        ColorJitter(**params)(colours, np.random.default_rng(0))


def test_a_share_of_the_images_becomes_grey(rng):
    images = rng.uniform(size=(500, 3, 2, 2))
    found = RandomGrayscale(0.2)(images, np.random.default_rng(0))
    greyed = (found[:, :1] == found).all(axis=(1, 2, 3))
    assert 70 < greyed.sum() < 130
    expected = np.stack([grey(each) for each in images])[:, None]
    np.testing.assert_allclose(found[greyed], np.repeat(expected, 3, axis=1)[greyed])
    np.testing.assert_array_equal(found[~greyed], images[~greyed])
