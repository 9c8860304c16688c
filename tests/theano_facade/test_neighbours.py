"""Windows of images as rows, against loops."""

from __future__ import annotations

import numpy as np
import pytest
import theano.tensor as T
from theano.tensor.nnet.neighbours import images2neibs, neibs2images


def slow_rows(images, taps, steps):
    rows = []
    for image in images.reshape(-1, *images.shape[2:]):
        for i in range(0, image.shape[0] - taps[0] + 1, steps[0]):
            for j in range(0, image.shape[1] - taps[1] + 1, steps[1]):
                rows.append(image[i : i + taps[0], j : j + taps[1]].ravel())
    return np.array(rows)


@pytest.mark.parametrize(
    ("mode", "taps", "steps", "around"),
    [
        ("valid", (2, 3), None, lambda images: images),
        ("valid", (4, 3), (2, 1), lambda images: images),
        ("ignore_borders", (4, 4), None, lambda images: images),
        ("half", (3, 5), (1, 2), lambda images: np.pad(images, [(0, 0)] * 2 + [(1, 1), (2, 2)])),
        ("full", (3, 2), (1, 1), lambda images: np.pad(images, [(0, 0)] * 2 + [(2, 2), (1, 1)])),
        (
            "wrap_centered",
            (3, 5),
            (1, 1),
            lambda images: np.pad(images, [(0, 0)] * 2 + [(1, 1), (2, 2)], mode="wrap"),
        ),
    ],
)
def test_windows_as_rows(mode, taps, steps, around, rng):
    x = T.tensor4("x")
    images = rng.normal(size=(2, 3, 6, 9)).astype("float32")
    rows = images2neibs(x, taps, steps, mode).eval({x: images})
    np.testing.assert_array_equal(rows, slow_rows(around(images), taps, steps or taps))


def test_windows_of_symbolic_size_and_back(rng):
    x, taps = T.tensor4("x"), T.ivector("taps")
    images = rng.normal(size=(2, 3, 6, 9)).astype("float32")
    rows = images2neibs(x, taps, mode="ignore_borders")
    back = neibs2images(rows, taps, x.shape, mode="ignore_borders")
    np.testing.assert_array_equal(back.eval({x: images, taps: np.int32([2, 3])}), images)
    cut = back.eval({x: images, taps: np.int32([4, 4])})
    np.testing.assert_array_equal(cut[:, :, :4, :8], images[:, :, :4, :8])
    assert not cut[:, :, 4:].any()
    assert not cut[:, :, :, 8:].any()


def test_what_is_refused(rng):
    x = T.tensor4("x")
    with pytest.raises(AssertionError, match="the windows do not cover the images; mode='ignore_b"):
        images2neibs(x, (4, 4)).eval({x: np.zeros((1, 1, 6, 9), "float32")})
    with pytest.raises(NotImplementedError, match=r"mode must be one of .*; got 'same'"):
        images2neibs(x, (2, 2), mode="same")
    with pytest.raises(TypeError, match=r"neib_shape must be a pair of integers; got 3"):
        images2neibs(x, 3)
    with pytest.raises(TypeError, match=r"the images must have 4 dimensions; got 2"):
        images2neibs(T.matrix(), (2, 2))
    with pytest.raises(NotImplementedError, match=r"neibs2images: mode must be .*; got 'half'"):
        neibs2images(T.matrix(), (2, 2), (1, 1, 4, 4), mode="half")
