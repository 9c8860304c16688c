"""Images of another size."""

from __future__ import annotations

import numpy as np
import pytest

from convnet_features.layers import ResizeLayer

from .checked import assert_computes


def interpolated(x, size, places):
    """Bilinear interpolation, one pixel after the other."""
    y = np.zeros((*x.shape[:2], *size))
    for i, row in enumerate(places(size[0], x.shape[2])):
        for j, column in enumerate(places(size[1], x.shape[3])):
            top, left = int(np.floor(row)), int(np.floor(column))
            for a, p in ((top, 1 - (row - top)), (top + 1, row - top)):
                for b, q in ((left, 1 - (column - left)), (left + 1, column - left)):
                    a_in, b_in = np.clip(a, 0, x.shape[2] - 1), np.clip(b, 0, x.shape[3] - 1)
                    y[:, :, i, j] += p * q * x[:, :, a_in, b_in]
    return y


PLACES = {
    "half_pixel": lambda after, before: (np.arange(after) + 0.5) * before / after - 0.5,
    "corners": lambda after, before: np.linspace(0, before - 1, after),
    "asymmetric": lambda after, before: np.arange(after) * before / after,
}


@pytest.mark.parametrize("size", [(8, 10), (7, 3), (2, 9), (1, 5)])
@pytest.mark.parametrize("align", PLACES)
def test_bilinear(align, size, rng):
    assert_computes(
        lambda incoming: ResizeLayer(incoming, size, align=align),
        lambda x: interpolated(x, size, PLACES[align]),
        [rng.normal(size=(2, 3, 4, 5))],
        rng,
    )


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
def test_as_pillow_enlarges(mode, rng):
    pil = pytest.importorskip("PIL.Image")
    x = rng.uniform(size=(1, 1, 6, 7)).astype(np.float32)
    kind = pil.Resampling[mode.upper()]
    expected = np.asarray(pil.fromarray(x[0, 0]).resize((14, 12), kind))
    layer = ResizeLayer((None, 1, 6, 7), (12, 14), mode, cubic_coeff=-0.5)
    y = layer.get_output_for(x).eval()
    # Pillow leaves out what lies beyond the border, which counts as the border's pixel here.
    np.testing.assert_allclose(y[0, 0, 3:-3, 3:-3], expected[3:-3, 3:-3], rtol=0, atol=1e-6)


def test_rows(rng):
    assert_computes(
        lambda incoming: ResizeLayer(incoming, 6, mode="bicubic", ratios=(0.5,)),
        lambda x: _cubic_rows(x, 6, 0.5),
        [rng.normal(size=(2, 3, 4))],
        rng,
    )


def _cubic_rows(x, after, ratio, a=-0.75):
    """The cubic convolution of Keys, tap by tap."""
    y = np.zeros((*x.shape[:2], after))
    for i in range(after):
        place = (i + 0.5) * ratio - 0.5
        for tap in range(int(np.floor(place)) - 1, int(np.floor(place)) + 3):
            d = abs(place - tap)
            weight = (
                (a + 2) * d**3 - (a + 3) * d**2 + 1
                if d <= 1
                else a * d**3 - 5 * a * d**2 + 8 * a * d - 4 * a
            )
            y[:, :, i] += weight * x[:, :, min(max(tap, 0), x.shape[2] - 1)]
    return y


@pytest.mark.parametrize(
    ("shape", "params", "text"),
    [
        ((None, 3, 4, 5), {"mode": "nearest"}, "mode='nearest', .*mode must be one of bilinear"),
        ((None, 3, 4, 5), {"align": "left"}, "align one of half_pixel, corners, asymmetric"),
        ((None, 3, None, 5), {}, r"of an input of shape \(None, 3, None, 5\); sizes must be known"),
        ((None, 3, 4, 5), {"size": 0}, "size=0 of an input"),
        ((None, 3), {}, "of an input of shape"),
    ],
)
def test_what_does_not_fit(shape, params, text):
    with pytest.raises(ValueError, match=f"ResizeLayer: .*{text}"):
        ResizeLayer(shape, **{"size": 6, **params})
