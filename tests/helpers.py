"""Comparisons that the tests share, with their tolerances."""

from __future__ import annotations

import numpy as np

#: The largest difference, relative to the largest entry, by dtype.
TOLERANCES = {"float32": 2e-5, "float64": 1e-11}
#: The largest relative difference of a central difference to a derivative, in float64.
DIFFERENCE_TOLERANCE = 1e-6


def assert_close(actual, expected, dtype=None):
    """`actual` has the shape of `expected`, and its entries to within `dtype`'s rounding.

    Parameters
    ----------
    actual, expected : array-like
        NaNs and infinities must be at the same places.
    dtype : dtype-like, optional
        Whose tolerance to use, and what `actual` must be; by default the
        dtype that `actual` has.
    """
    actual, expected = np.asarray(actual), np.asarray(expected)
    if dtype is not None:
        assert actual.dtype == np.dtype(dtype), f"{actual.dtype}, not {np.dtype(dtype)}"
    assert actual.shape == expected.shape, f"shape {actual.shape}, not {expected.shape}"
    finite = np.isfinite(expected)
    np.testing.assert_array_equal(actual[~finite], expected[~finite])
    assert np.isfinite(actual[finite]).all(), "not finite where it should be"
    if finite.any():
        scale = np.abs(expected[finite]).max()
        error = np.abs(np.float64(actual[finite]) - np.float64(expected[finite])).max()
        allowed = TOLERANCES[actual.dtype.name] * scale
        assert error <= allowed, f"off by {error:.3g}, more than {allowed:.3g}"


def assert_derivative(function, arrays, gradients, rng, step=1e-6):
    """`gradients` agree with the differences of `function` along a random direction each.

    Parameters
    ----------
    function : callable(*arrays) -> float
    arrays, gradients : sequence of float64 ndarray
    rng : numpy.random.Generator
    step : float
        The length of the longest entry of the step.
    """
    assert len(gradients) == len(arrays)
    for index, (array, gradient) in enumerate(zip(arrays, gradients, strict=True)):
        assert gradient.shape == array.shape
        direction = rng.uniform(-1, 1, array.shape)

        def along(length, index=index, direction=direction):
            moved = [a + length * direction if k == index else a for k, a in enumerate(arrays)]
            return function(*moved)

        difference = (along(step) - along(-step)) / (2 * step)
        derivative = float(np.sum(gradient * direction))
        scale = max(abs(difference), float(np.sqrt(np.sum(gradient**2))))
        error = abs(difference - derivative)
        allowed = DIFFERENCE_TOLERANCE * scale + 1e-9
        assert error <= allowed, f"array {index}: {derivative}, not {difference}"


def frozen(array):
    """A read-only view: writing to it raises."""
    view = array.view()
    view.flags.writeable = False
    return view


def scattered(array):
    """The same values, read-only, with strides that no library would choose."""
    padded = np.full([2 * size + 1 for size in array.shape], np.nan, array.dtype)
    view = padded[tuple(slice(2 * size, 0, -2) for size in array.shape)]
    view[...] = array
    return frozen(view)
