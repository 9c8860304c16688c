"""The transforms of Winograd's algorithm, against sums of products."""

from __future__ import annotations

import numpy as np
import pytest

from convnet_features.kernels.jit.winograd_transform import TapTransform


def added(terms, values):
    return sum(sign * values[place] for sign, place in terms)


@pytest.mark.parametrize("n_taps", range(1, 12))
class TestTapTransform:
    def test_gives_two_neighbouring_results(self, n_taps, rng):
        transform = TapTransform(n_taps)
        pixels, taps = rng.integers(-9, 10, n_taps + 1), rng.integers(-9, 10, n_taps)
        products = [
            added(image, pixels) * (factor * added(of_filter, taps))
            for image, (of_filter, factor) in zip(transform.images, transform.filters, strict=True)
        ]
        results = [added(terms, products) for terms in transform.results]
        assert results == np.correlate(pixels, taps).tolist()

    def test_gives_the_gradient_of_the_taps(self, n_taps, rng):
        """Of g0 · y0 + g1 · y1, by the derivatives of the products."""
        transform = TapTransform(n_taps)
        pixels, g = rng.integers(-9, 10, n_taps + 1), rng.integers(-9, 10, 2)
        gradient = np.zeros(n_taps)
        for image, (terms, factor), of_results in zip(
            transform.images, transform.filters, transform.gradients, strict=True
        ):
            for sign, tap in terms:
                gradient[tap] += sign * factor * added(image, pixels) * added(of_results, g)
        expected = g[0] * pixels[:-1] + g[1] * pixels[1:]
        np.testing.assert_array_equal(gradient, expected)

    def test_begins_no_sum_with_a_subtraction(self, n_taps):
        """Which would be one more operation, a change of sign."""
        transform = TapTransform(n_taps)
        sums = [*transform.images, *(terms for terms, _ in transform.filters), *transform.results]
        assert all(terms[0][0] == 1 for terms in sums)

    def test_equal_pixels_give_equal_results(self, n_taps):
        """To the bit, so that of equal maxima the first one counts here too."""
        transform = TapTransform(n_taps)
        pixels = [np.float32(1) / 3] * (n_taps + 1)
        taps = np.random.default_rng(n_taps).standard_normal(n_taps).astype("float32")
        products = [
            added(image, pixels) * np.float32(factor) * added(of_filter, taps)
            for image, (of_filter, factor) in zip(transform.images, transform.filters, strict=True)
        ]
        first, second = (added(terms, products) for terms in transform.results)
        assert first == second


def test_products_are_fewer_than_terms():
    assert [TapTransform(n).n_products for n in (1, 2, 3, 4, 5, 6, 7)] == [2, 3, 4, 6, 7, 8, 10]
