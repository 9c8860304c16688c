"""Grids of images."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from convnet_features.inspection import show_images

pytest.importorskip("matplotlib").use("Agg")


def titles(axes):
    return [each.get_title() for each in np.ravel(axes) if each.images]


def test_every_image_has_its_place_and_its_label(digits):
    X, y = digits
    axes = show_images(X[:7], y[:7], n_columns=3)
    assert axes.shape == (3, 3)
    assert titles(axes) == [str(label) for label in y[:7]]
    np.testing.assert_array_equal(axes[1, 2].images[0].get_array(), X[5, 0] / X[:7].max())
    assert not axes[2, 1].axison
    axes[0, 0].figure.canvas.draw()


def test_of_many_some_are_drawn_evenly_with_their_labels(digits):
    X, _ = digits
    axes = show_images(X, np.arange(len(X)), max_images=4)
    assert titles(axes) == ["0", "133", "266", "399"]


def test_labels_may_have_names(digits):
    axes = show_images(digits[0][:3], [2, 0, 2], display_labels=["dog", "cat"])
    assert titles(axes) == ["cat", "dog", "cat"]
    with pytest.raises(
        ValueError, match=r"display_labels has 2 names, and there are 3 classes \(0, 1, 2\)"
    ):
        show_images(digits[0][:3], [0, 1, 2], display_labels=["dog", "cat"])


def test_labels_are_as_many_as_images(digits):
    with pytest.raises(
        ValueError, match=r"labels has the shape \(2,\); expected one for each of 3 images"
    ):
        show_images(digits[0][:3], ["a", "b"])


def test_long_names_do_not_run_into_each_other(digits):
    long = ["an uncommonly long name of a class of photographs", "$x_1$"] * 2
    axes = show_images(digits[0][:4], long, n_columns=4)
    figure = axes[0, 0].figure
    figure.canvas.draw()
    boxes = [each.title.get_window_extent() for each in axes[0]]
    assert all(left.x1 < right.x0 for left, right in pairwise(boxes))
    assert titles(axes)[0].endswith("…")
    assert titles(axes)[1] == "$x_1$"


def test_photographs_of_several_sizes_are_shown_whole(rng):
    pytest.importorskip("PIL")
    pictures = [rng.integers(0, 256, (side, 30, 3), dtype=np.uint8) for side in (10, 20, 90)]
    assert len(titles(show_images(pictures))) == 3


def test_columns_are_at_least_one(digits):
    with pytest.raises(ValueError, match="n_columns must be at least 1; got 0"):
        show_images(digits[0][:3], n_columns=0)


def test_no_images():
    pytest.importorskip("PIL")
    for none in ([], np.zeros((0, 3, 8, 8)), np.zeros((0, 8, 8))):
        with pytest.raises(ValueError, match="show_images: X holds no images"):
            show_images(none)
