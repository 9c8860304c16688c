"""Element-wise programs that work in place: what they overwrite, and what they refuse."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytensor.tensor as pt
import pytest

from convnet_features.compilation import compile_in_place
from convnet_features.compilation.blocks import BLOCK
from convnet_features.kernels.registry import get_kernels

PORTABLE = get_kernels("portable")


def compiled(inputs, outputs):
    return compile_in_place(inputs, outputs, PORTABLE)


@pytest.fixture(params=[0, 1, 11, BLOCK, 2 * BLOCK + 3])
def size(request):
    return request.param


def vectors(rng, size, count):
    return [rng.standard_normal(size).astype("float32") for _ in range(count)]


def test_what_has_a_new_value_is_overwritten_and_nothing_else(rng, size):
    x, v, g = pt.fvectors("x", "v", "g")
    a = pt.fscalar("a")
    new = a * v - g
    given = vectors(rng, size, 3)
    before = [value.copy() for value in given]
    rate = np.float32(0.3)
    assert compiled([x, v, g, a], [x + a * new, new])(*given, rate) is None
    expected = rate * before[1] - before[2]
    np.testing.assert_array_equal(given[1], expected)
    np.testing.assert_array_equal(given[0], before[0] + rate * expected)
    np.testing.assert_array_equal(given[2], before[2])


def test_old_values_are_read_before_they_are_overwritten(rng, size):
    """Each new value is ready while the other's old value is still needed."""
    x, y = pt.fvectors("x", "y")
    a, b = vectors(rng, size, 2)
    expected = (a + b) * a, (a - b) * b
    compiled([x, y], [(x + y) * x, (x - y) * y])(a, b)
    np.testing.assert_array_equal(a, expected[0])
    np.testing.assert_array_equal(b, expected[1])


def test_values_with_one_memory_too_many(rng):
    """Long chains, in which scratch is used again, beside a value that lives through them."""
    x, y = pt.fvectors("x", "y")
    long, chain = x * y, y
    for _ in range(5):
        chain = pt.tanh(chain + x) * y
    a, b = vectors(rng, 11, 2)
    expected = b
    for _ in range(5):
        expected = np.tanh(expected + a) * b
    expected = expected - a * b, a * b
    compiled([x, y], [chain - long, long])(a, b)
    np.testing.assert_array_equal(a, expected[0])
    np.testing.assert_array_equal(b, expected[1])


def test_numbers_change_when_every_block_has_read_them(rng, size):
    x, t = pt.fvector("x"), pt.fscalar("t")
    (a,) = vectors(rng, size, 1)
    count, expected = np.array(2, "float32"), a * np.float32(3)
    compiled([x, t], [x * (t + 1), t + 1])(a, count)
    np.testing.assert_array_equal(a, expected)
    assert count == 3


def test_two_that_become_the_same(rng):
    x, y = pt.fvectors("x", "y")
    a, b = vectors(rng, 11, 2)
    total = a + b
    compiled([x, y], [x + y, x + y])(a, b)
    np.testing.assert_array_equal(a, total)
    np.testing.assert_array_equal(b, total)


def test_one_that_stays(rng):
    x, y = pt.fvectors("x", "y")
    a, b = vectors(rng, 11, 2)
    before, expected = a.copy(), b * a
    compiled([x, y], [x, y * x])(a, b)
    np.testing.assert_array_equal(a, before)
    np.testing.assert_array_equal(b, expected)


def test_operations_without_a_ufunc_or_of_another_dtype(rng, size):
    x, y = pt.fvectors("x", "y")
    new = pt.switch(x > y, pt.clip(x, -0.5, 0.5), pt.cast(y, "float64").astype("float32") + 1)
    a, b = vectors(rng, size, 2)
    expected = np.where(a > b, np.clip(a, -0.5, 0.5), b + 1)
    compiled([x, y], [new])(a, b)
    np.testing.assert_array_equal(a, expected)


def test_scratch_is_blocks_whatever_the_size(rng):
    import tracemalloc

    x, y = pt.fvectors("x", "y")
    program = compiled([x, y], [pt.tanh(x * y + y) * y - pt.exp(x)])
    a, b = vectors(rng, 16 * BLOCK, 2)
    tracemalloc.start()
    program(a, b)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert BLOCK * 4 <= peak < 4 * BLOCK * 4


def test_any_number_of_threads_may_be_inside(rng):
    x, y = pt.fvectors("x", "y")
    program = compiled([x, y], [pt.tanh(x * y) - y * x])
    given = [vectors(rng, BLOCK + 5, 2) for _ in range(8)]
    expected = [np.tanh(a * b) - b * a for a, b in given]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda pair: program(*pair), given))
    for (found, _), value in zip(given, expected, strict=True):
        np.testing.assert_array_equal(found, value)


def test_what_is_not_element_wise():
    x = pt.fvector("x")
    with pytest.raises(ValueError, match=r"Sum.* is not element-wise: .*vectors"):
        compiled([x], [x * x.sum()])


def test_a_value_that_becomes_another_ones():
    x, y = pt.fvectors("x", "y")
    with pytest.raises(
        ValueError, match="y, which has a value of its own, cannot become that of x"
    ):
        compiled([x, y], [y, x + y])
