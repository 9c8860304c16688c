"""X as images."""

from __future__ import annotations

import numpy as np
import pytest

from convnet_features.validation import automatic_input_scale, infer_input_shape


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((5, 3, 7, 11), (3, 7, 11)),
        ((5, 7, 11), (1, 7, 11)),
        ((5, 49), (1, 7, 7)),
        ((5, 50), (1, 1, 50)),
        ((5, 1), (1, 1, 1)),
        ((5, 2), (1, 1, 2)),
    ],
)
def test_the_shape_of_images_follows_from_that_of_x(shape, expected):
    assert infer_input_shape(shape) == expected


@pytest.mark.parametrize("shape", [(5,), (5, 1, 2, 3, 4)])
def test_other_numbers_of_dimensions_are_refused(shape):
    with pytest.raises(ValueError, match=f"X has {len(shape)} dimensions; expected 2"):
        infer_input_shape(shape)


@pytest.mark.parametrize(
    ("level", "scale"),
    [
        (0.0, 1),
        (0.25, 1),
        (1.99, 1),
        (2.0, 1 / 4),
        (3.99, 1 / 4),
        (255, 1 / 256),
        (0.2499, 4),
        (0.124, 8),
        (1e-30, 2.0**99),
    ],
)
def test_pixels_are_scaled_by_a_power_of_two_where_that_is_needed(level, scale):
    images = np.full((4, 1, 2, 3), level)
    assert automatic_input_scale(images) == scale
    assert automatic_input_scale(-images) == scale
    if scale != 1:
        assert 0.5 <= level * scale < 1


def test_the_scale_counts_images_as_often_as_they_weigh():
    images = np.concatenate([np.full((1, 1, 2, 2), 100.0), np.full((99, 1, 2, 2), 1.0)])
    assert automatic_input_scale(images) < 1
    assert automatic_input_scale(images, np.r_[1e-9, np.ones(99)]) == 1


def test_the_scale_is_taken_from_a_thousand_images_at_most():
    images = np.ones((2999, 1, 1, 1))
    images[1] = 1e6  # not one of every second
    assert automatic_input_scale(images) == 1
