"""Rectangles that are blotted out."""

from __future__ import annotations

import numpy as np
import pytest

from convnet_features.augmentation import Chain, Cutout, RandomErasing


def holes_of(changed, images):
    """(top, left, height, width) of what differs in each image, which must be a rectangle."""
    found = []
    for differs in (changed != images).all(axis=1):
        rows, columns = (np.flatnonzero(differs.any(axis=axis)) for axis in (1, 0))
        if len(rows):
            assert differs.sum() == len(rows) * len(columns)
            found.append((rows[0], columns[0], len(rows), len(columns)))
    return np.array(found)


@pytest.mark.parametrize("size", [0, 1, 3, 4, 9, 30])
def test_cutout_as_a_slow_loop(rng, size):
    images = rng.uniform(1, 2, size=(50, 2, 7, 11)).astype(np.float32)
    found = Cutout(size, value=-3)(images, np.random.default_rng(0))
    draws = np.random.default_rng(0)
    rows, columns = draws.integers(0, 7, size=50), draws.integers(0, 11, size=50)
    for image, mine, row, column in zip(images, found, rows, columns, strict=True):
        expected = image.copy()
        for y in range(row - size // 2, row - size // 2 + size):
            for x in range(column - size // 2, column - size // 2 + size):
                if 0 <= y < 7 and 0 <= x < 11:
                    expected[:, y, x] = -3
        np.testing.assert_array_equal(mine, expected)


class TestRandomErasing:
    @pytest.fixture
    def images(self):
        return np.ones((400, 2, 30, 40), dtype=np.float32)

    def test_rectangles_are_those_asked_for(self, images):
        erasing = RandomErasing(p=0.5, scale=(0.1, 0.3), ratio=(0.5, 3))
        holes = holes_of(erasing(images, np.random.default_rng(0)), images)
        assert 160 < len(holes) < 240
        tall, wide = holes[:, 2], holes[:, 3]
        area, ratio = tall * wide / 1200, tall / wide
        assert 0.09 < area.min() < 0.12
        assert 0.28 < area.max() < 0.32
        assert 0.45 < ratio.min() < 0.6
        assert 2 < ratio.max() < 3.2
        assert tall.max() < 30
        assert set(holes[:, 0]) > set(range(8))

    def test_none_that_is_as_large_as_the_image(self, images):
        """torchvision leaves the image alone where none of ten fits."""
        erasing = RandomErasing(p=1, scale=(1, 1), ratio=(1, 1))
        np.testing.assert_array_equal(erasing(images, np.random.default_rng(0)), images)

    @pytest.mark.parametrize("value", [5, [5, 6], (5.0, 6.0)])
    def test_values(self, images, value):
        changed = RandomErasing(p=1, value=value)(images, np.random.default_rng(0))
        expected = np.broadcast_to(np.reshape(value, (-1, 1, 1)), images.shape)
        hole = changed != images
        assert hole.any(axis=(1, 2, 3)).all()
        np.testing.assert_array_equal(changed[hole], expected[hole])

    @pytest.mark.parametrize(("dtype", "white"), [(np.uint8, 255), (np.float32, 1)])
    def test_noise(self, dtype, white):
        images = np.zeros((200, 3, 20, 20), dtype=dtype)
        changed = RandomErasing(p=1, value="random")(images, np.random.default_rng(0))
        noise = changed[changed != 0].astype(float) / white
        assert 0.49 < noise.mean() < 0.51
        assert 0.28 < noise.std() < 0.30  # of a uniform distribution: 0.2887
        assert noise.max() <= 1
        assert len({each.tobytes() for each in changed}) == 200

    @pytest.mark.parametrize("value", [-1, 0.5, 300, [0, 0.5, 2]])
    def test_values_that_are_no_bytes(self, value, rng):
        """Images of bytes come as floats then, so that the value is what was asked for."""
        assert not RandomErasing(value=value).on_bytes
        assert RandomErasing(value=255).on_bytes
        if np.ndim(value) == 0:
            assert not Cutout(value=value).on_bytes
            assert Cutout(value=7.0).on_bytes

    @pytest.mark.parametrize("augmentation", [RandomErasing(p=1, value=-1), Cutout(value=0.5)])
    def test_values_that_are_no_bytes_given_bytes(self, augmentation):
        with pytest.raises(ValueError, match="the images hold bytes"):
            augmentation(np.zeros((2, 3, 9, 9), dtype=np.uint8), np.random.default_rng(0))
        changed = Chain([augmentation])(
            np.full((2, 3, 9, 9), 7, dtype=np.uint8), np.random.default_rng(0)
        )
        assert set(np.unique(changed)) == {augmentation.value, 7}

    def test_one_value_a_channel(self, images):
        with pytest.raises(ValueError, match="channels") as caught:
            RandomErasing(value=[1, 2, 3])(images, np.random.default_rng(0))
        assert str(caught.value) == (
            "RandomErasing: value has 3 numbers, and the images have 2 channels; give one number, "
            "or one a channel."
        )

    @pytest.mark.parametrize(
        ("params", "name"),
        [
            ({"p": 1.5}, "p"),
            ({"scale": (0.3, 0.1)}, "scale"),
            ({"ratio": (0, 1)}, "ratio"),
            ({"value": "black"}, "value"),
        ],
    )
    def test_parameters_are_checked(self, images, params, name):
        with pytest.raises(ValueError, match=f"The '{name}' parameter of RandomErasing must be"):
            RandomErasing(**params)(images, np.random.default_rng(0))
