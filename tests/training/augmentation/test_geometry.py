"""Rectangles cut out and enlarged, against Pillow and a slow loop."""

from __future__ import annotations

import math

import numpy as np
import pytest

from convnet_features.augmentation import RandomResizedCrop


def enlarged(part, height, width):
    """`part` of shape (channels, h, w), interpolated linearly between the centres of its pixels."""
    _, tall, wide = part.shape
    result = np.empty((len(part), height, width))
    for y in range(height):
        for x in range(width):
            v = min(max((y + 0.5) * tall / height - 0.5, 0), tall - 1)
            u = min(max((x + 0.5) * wide / width - 0.5, 0), wide - 1)
            top, left = math.floor(v), math.floor(u)
            bottom, right = min(top + 1, tall - 1), min(left + 1, wide - 1)
            result[:, y, x] = (1 - (v - top)) * (
                (1 - (u - left)) * part[:, top, left] + (u - left) * part[:, top, right]
            ) + (v - top) * (
                (1 - (u - left)) * part[:, bottom, left] + (u - left) * part[:, bottom, right]
            )
    return result


class TestRandomResizedCrop:
    @pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
    def test_as_a_slow_loop(self, rng, dtype):
        images = rng.uniform(0, 255, size=(12, 2, 7, 11)).astype(dtype)
        crop = RandomResizedCrop()
        found = crop(images, np.random.default_rng(1))
        assert found.dtype == dtype
        drawn = crop._draw(12, (2, 7, 11), np.random.default_rng(1))
        for image, mine, top, left, tall, wide in zip(images, found, *drawn, strict=True):
            part = image[:, top : top + tall, left : left + wide].astype(float)
            atol = 0.5001 if dtype == np.uint8 else 1e-3
            np.testing.assert_allclose(mine, enlarged(part, 7, 11), atol=atol)

    def test_as_pillow(self, rng):
        """Pillow works on bytes by whole numbers, whose last place may differ."""
        pil = pytest.importorskip("PIL.Image")
        images = rng.integers(0, 256, size=(10, 3, 16, 24), dtype=np.uint8)
        crop = RandomResizedCrop()
        found = crop(images, np.random.default_rng(2))
        drawn = crop._draw(10, (3, 16, 24), np.random.default_rng(2))
        for image, mine, top, left, tall, wide in zip(images, found, *drawn, strict=True):
            part = image[:, top : top + tall, left : left + wide].transpose(1, 2, 0)
            whole = pil.fromarray(np.ascontiguousarray(part))
            theirs = np.asarray(whole.resize((24, 16), pil.Resampling.BILINEAR))
            assert np.abs(mine.astype(int) - theirs.transpose(2, 0, 1)).max() <= 1

    def test_areas_and_ratios_are_those_asked_for(self):
        crop = RandomResizedCrop(scale=(0.2, 0.6), ratio=(0.5, 2))
        top, left, tall, wide = crop._draw(2000, (3, 200, 300), np.random.default_rng(0))
        area, ratio = tall * wide / 60000, wide / tall
        assert 0.195 < area.min() < 0.21
        assert 0.59 < area.max() < 0.605
        assert 0.49 < ratio.min() < 0.52
        assert 1.9 < ratio.max() < 2.05
        assert 0.9 < np.exp(np.log(ratio).mean()) < 1.1
        assert (top >= 0).all()
        assert (top + tall <= 200).all()
        assert (left >= 0).all()
        assert (left + wide <= 300).all()
        rest = (200 - tall)[200 - tall > 50]
        assert 0.45 < (top[200 - tall > 50] / rest).mean() < 0.55

    @pytest.mark.parametrize(
        ("shape", "expected"),
        [((20, 90), (0, 31, 20, 27)), ((90, 20), (31, 0, 27, 20)), ((1, 1), (0, 0, 1, 1))],
    )
    def test_where_none_fits_the_middle_is_taken(self, shape, expected):
        """torchvision: the whole of the shorter side, and 4/3 (or 3/4) of it."""
        drawn = RandomResizedCrop(scale=(1, 1))._draw(4, (3, *shape), np.random.default_rng(0))
        np.testing.assert_array_equal(np.stack(drawn, axis=1), [expected] * 4)

    def test_the_whole_image_stays(self, rng):
        images = rng.integers(0, 256, size=(3, 3, 8, 8), dtype=np.uint8)
        whole = RandomResizedCrop(scale=(1, 1), ratio=(1, 1))
        np.testing.assert_array_equal(whole(images, np.random.default_rng(0)), images)

    @pytest.mark.parametrize(
        ("params", "name"),
        [
            ({"scale": (0, 1)}, "scale"),
            ({"scale": 0.5}, "scale"),
            ({"scale": (0.5, 1.5)}, "scale"),
            ({"ratio": (2, 1)}, "ratio"),
            ({"ratio": (0, 1)}, "ratio"),
        ],
    )
    def test_parameters_are_checked(self, params, name):
        with pytest.raises(ValueError, match=f"The '{name}' parameter of RandomResizedCrop must"):
            RandomResizedCrop(**params)(np.zeros((2, 3, 4, 4)), np.random.default_rng(0))
