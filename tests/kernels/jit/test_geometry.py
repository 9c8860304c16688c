"""Where maxima lie: by hand, and against loops over an image whose pixels are numbered."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from convnet_features.kernels.contract import Conv2DSpec, Pool2DSpec
from convnet_features.kernels.jit.geometry import Geometry, Layout

from ...robustness import counts

TWO = Pool2DSpec((2, 2), (2, 2))
ALL_OF_2X2 = ((0, 0), (0, 1), (1, 0), (1, 1))


class TestLayout:
    def test_channels_are_rounded_up_to_blocks(self):
        layout = Layout.blocked((11, 3, 5), 8)
        assert layout == Layout(8, sample=2 * 3 * 5 * 8, block=3 * 5 * 8, row=5 * 8, column=8)

    def test_leading_sizes_do_not_matter(self):
        assert Layout.blocked((7, 11, 3, 5), 8) == Layout.blocked((11, 3, 5), 8)


class TestByHand:
    def test_without_padding_there_is_one_class(self):
        geometry = Geometry(Conv2DSpec(), TWO, (3, 5, 7), (2, 2, 2), 4)
        assert geometry.windows == (2, 3)
        assert geometry.window_size == 4
        assert geometry.classes == (ALL_OF_2X2,)
        classes, starts = geometry.places
        assert classes.dtype == starts.dtype == np.int32
        assert not classes.any()
        # Rows of 7 pixels, pixels of 4 numbers; windows of four pixels each, six of them.
        pixels = starts.reshape(2, 3, 2, 2) // 4
        assert pixels[0, 0].tolist() == [[0, 1], [7, 8]]
        assert pixels[0, 2].tolist() == [[4, 5], [11, 12]]
        assert pixels[1, 1].tolist() == [[16, 17], [23, 24]]

    def test_padding_makes_classes_at_the_border(self):
        conv = Conv2DSpec((1, 1), ((1, 0), (0, 0)))
        geometry = Geometry(conv, TWO, (1, 3, 3), (1, 2, 2), 8)
        assert geometry.windows == (1, 1)
        bottom = ((1, 0), (1, 1))
        assert geometry.classes == (bottom, ALL_OF_2X2)
        classes, starts = geometry.places
        assert classes.tolist() == [0, 0, 1, 1]
        # The first row of filters begins one row above the image.
        assert starts.tolist() == [-24, -16, 0, 8]

    def test_clipped_windows_name_a_place_that_nobody_wins(self):
        pool = Pool2DSpec((2, 2), (2, 2), ignore_border=False)
        geometry = Geometry(Conv2DSpec(), pool, (1, 3, 3), (1, 1, 1), 8)
        assert geometry.windows == (2, 2)
        starts = geometry.places[1].reshape(2, 2, 2, 2) // 8
        assert starts[0, 0].tolist() == [[0, 1], [3, 4]]
        assert starts[1, 1].tolist() == [[8, 0], [0, 0]]

    def test_strides_of_both(self):
        conv, pool = Conv2DSpec((2, 1)), Pool2DSpec((1, 2), (3, 2))
        geometry = Geometry(conv, pool, (1, 9, 5), (1, 2, 2), 1)
        # Convolved: 4 rows, every other one of the image's; pooled: the first and the fourth.
        assert geometry.windows == (2, 2)
        assert geometry.places[1].tolist() == [0, 1, 2, 3, 30, 31, 32, 33]

    def test_filters_lie_in_blocks(self):
        geometry = Geometry(Conv2DSpec(), TWO, (17, 9, 9), (5, 3, 2), 8)
        assert geometry.n_blocks == 3
        assert geometry.filter_size == 3 * 3 * 2 * 8
        assert geometry.x == Layout.blocked((17, 9, 9), 8)
        assert geometry.pooled == Layout.blocked((5, 3, 4), 8)


def numbered(geometry):
    """An image whose pixels are numbered, with a border of -1."""
    _, height, width = geometry.image
    numbers = np.arange(height * width).reshape(height, width)
    return np.pad(numbers, geometry.conv.padding, constant_values=-1).tolist()


def taps_by_loops(geometry, padded, row, column):
    """{tap of the filter: number of the pixel under it}, convolving at (row, column)."""
    _, rows, columns = geometry.filters
    down, across = geometry.conv.stride
    found = {}
    for r in range(rows):
        for c in range(columns):
            number = padded[row * down + r][column * across + c]
            if number >= 0:
                found[r, c] = number
    return found


def check_places(geometry):
    """Every pixel of every window: the taps that count, and the pixels that they fall on."""
    lanes, width = geometry.lanes, geometry.image[2]
    convolved = geometry.conv.output_shape(
        (1, *geometry.image), (geometry.filters[0], geometry.image[0], *geometry.filters[1:])
    )
    assert (1, geometry.filters[0], *geometry.windows) == geometry.pool.output_shape(convolved)
    classes, starts = geometry.places
    assert len(classes) == len(starts) == np.prod(geometry.windows) * geometry.window_size
    assert len(set(geometry.classes)) == len(geometry.classes)
    height, breadth = geometry.pool.window
    padded = numbered(geometry)
    used = set()
    pixels = np.ndindex(*geometry.windows, height, breadth)
    for place, (i, j, r, c) in enumerate(pixels):
        row, column = i * geometry.pool.stride[0] + r, j * geometry.pool.stride[1] + c
        if row < convolved[2] and column < convolved[3]:
            expected = taps_by_loops(geometry, padded, row, column)
            found = {
                (a, b): starts[place] // lanes + a * width + b
                for a, b in geometry.classes[classes[place]]
            }
            assert found == expected
            assert starts[place] % lanes == 0
            used.add(int(classes[place]))
        else:
            assert (classes[place], starts[place]) == (0, 0)
    assert used == set(range(len(geometry.classes)))


def test_the_check_rejects_wrong_places():
    geometry = Geometry(Conv2DSpec(), TWO, (3, 6, 7), (2, 2, 2), 4)
    check_places(geometry)
    _, starts = geometry.places
    starts[3] += 4
    with pytest.raises(AssertionError):
        check_places(geometry)
    starts[3] -= 4
    check_places(geometry)
    geometry.__dict__["classes"] = (((0, 0), (0, 1), (1, 0)),)
    with pytest.raises(AssertionError):
        check_places(geometry)


pairs = st.tuples(st.integers(1, 4), st.integers(1, 4))
pads = st.tuples(st.integers(0, 3), st.integers(0, 3))


@settings(max_examples=150, deadline=None)
@given(
    image=st.tuples(st.integers(1, 20), st.integers(1, 12), st.integers(1, 12)),
    filters=st.tuples(st.integers(1, 20), st.integers(1, 5), st.integers(1, 5)),
    conv=st.builds(Conv2DSpec, pairs, st.tuples(pads, pads)),
    pool=st.builds(Pool2DSpec, pairs, pairs, ignore_border=st.booleans()),
    lanes=st.sampled_from([1, 8, 16]),
)
def test_against_loops(image, filters, conv, pool, lanes):
    """Overlapping windows, gaps between them, windows clipped at the border."""
    convolved = conv.output_shape((1, *image), (filters[0], image[0], *filters[1:]))
    assume(0 not in pool.output_shape(convolved) and 0 not in convolved)
    check_places(Geometry(conv, pool, image, filters, lanes))


@pytest.mark.slow
def test_thousands_of_draws_against_loops(rng):
    tried = 0
    while tried < 5000:
        image = tuple(int(rng.integers(1, limit)) for limit in (40, 16, 16))
        filters = tuple(int(rng.integers(1, limit)) for limit in (40, 8, 8))
        padding = rng.integers(0, 4, (2, 2)).tolist()
        stride = tuple(rng.integers(1, 4, 2).tolist())
        conv = Conv2DSpec(stride, (tuple(padding[0]), tuple(padding[1])))
        window, step = (tuple(rng.integers(1, 5, 2).tolist()) for _ in range(2))
        pool = Pool2DSpec(window, step, ignore_border=bool(rng.integers(2)))
        convolved = conv.output_shape((1, *image), (filters[0], image[0], *filters[1:]))
        if 0 in convolved or 0 in pool.output_shape(convolved):
            continue
        check_places(Geometry(conv, pool, image, filters, int(rng.choice([8, 16]))))
        tried += 1
    counts.add("random geometries, against loops", tried)
