"""Convolutions by fewer multiplications than they have terms: the sums that make it so.

Two neighbouring results of a filter of three taps are six products; Winograd's
algorithm makes them of four, of two taps three instead of four::

    y0 = a + b + c      a = (x0 - x2) w0                   b = (x1 + x2) (w0 + w1 + w2) / 2
    y1 = b - c - d      c = (x2 - x1) (w0 - w1 + w2) / 2   d = (x1 - x3) w2

    y0 = a + b          a = (x0 - x1) w0                   b = x1 (w0 + w1)
    y1 = b - c          c = (x1 - x2) w1

In two dimensions that is 16 instead of 36 for a filter of 3×3. Five taps are
three and two: 49 instead of 100. Larger tiles would need fewer still, but
divide by larger numbers, and lose digits; this is as exact as the sum of
products (the halves are exact), which is why it can stand in for it.

A product's derivative by the filter is its other factor, so that the filters'
gradient needs as few: of each tile the images' side as above and, from the
results' gradients, the sums that `TapTransform.gradients` says.

References
----------
S. Winograd (1980), "Arithmetic complexity of computations". A. Lavin and S. Gray (2016),
"Fast algorithms for convolutional neural networks".
"""

from __future__ import annotations

from dataclasses import dataclass

from .geometry import Layout

__all__ = ["TILE", "TapTransform", "Terms", "Tiling", "n_products"]

#: Results of one tile, in each dimension.
TILE = 2

#: (sign, place) of each term of a sum.
Terms = tuple[tuple[int, int], ...]


class TapTransform:
    """How the products for two neighbouring results of a filter of `n_taps` are made.

    Attributes
    ----------
    images : list of Terms
        For each product, what of the tile's pixels is added up.
    filters : list of (Terms, float)
        For each product, what of the filter is added up, and by what the sum is multiplied.
    results : (Terms, Terms)
        For each of the two results, what of the products is added up.
    gradients : list of Terms
        For each product, what of the two results' gradients its own is.
    """

    def __init__(self, n_taps: int) -> None:
        self.images: list[Terms] = []
        self.filters: list[tuple[Terms, float]] = []
        first: list[tuple[int, int]] = []
        second: list[tuple[int, int]] = []
        tap = 0
        for size in _parts(n_taps):
            p, t = len(self.images), tap
            if size == 3:
                self.images += [
                    ((1, t), (-1, t + 2)),
                    ((1, t + 1), (1, t + 2)),
                    ((1, t + 2), (-1, t + 1)),
                    ((1, t + 1), (-1, t + 3)),
                ]
                self.filters += [
                    (((1, t),), 1.0),
                    (((1, t), (1, t + 1), (1, t + 2)), 0.5),
                    (((1, t), (-1, t + 1), (1, t + 2)), 0.5),
                    (((1, t + 2),), 1.0),
                ]
                first += [(1, p), (1, p + 1), (1, p + 2)]
                second += [(1, p + 1), (-1, p + 2), (-1, p + 3)]
            elif size == 2:
                self.images += [((1, t), (-1, t + 1)), ((1, t + 1),), ((1, t + 1), (-1, t + 2))]
                self.filters += [
                    (((1, t),), 1.0),
                    (((1, t), (1, t + 1)), 1.0),
                    (((1, t + 1),), 1.0),
                ]
                first += [(1, p), (1, p + 1)]
                second += [(1, p + 1), (-1, p + 2)]
            else:
                self.images += [((1, t),), ((1, t + 1),)]
                self.filters += [(((1, t),), 1.0), (((1, t),), 1.0)]
                first += [(1, p)]
                second += [(1, p + 1)]
            tap += size
        self.results = (tuple(first), tuple(second))
        self.gradients: list[Terms] = [
            tuple(
                (sign, result)
                for result, terms in enumerate(self.results)
                for sign, place in terms
                if place == product
            )
            for product in range(self.n_products)
        ]

    @property
    def n_products(self) -> int:
        """How many products there are."""
        return len(self.images)


def _parts(n_taps: int) -> list[int]:
    """Threes, and twos for what is left: a single tap saves nothing."""
    threes, rest = divmod(n_taps, 3)
    if rest == 1 and threes:
        return [3] * (threes - 1) + [2, 2]
    return [3] * threes + [rest] * (rest > 0)


@dataclass(frozen=True)
class Tiling:
    """A convolution of stride 1, without the number of samples, and what follows it.

    Parameters
    ----------
    image : (int, int, int)
        Channels, a multiple of `lanes`, height and width.
    filters : (int, int, int)
        How many there are, a multiple of `lanes`, their rows and columns.
    padding : ((int, int), (int, int))
        Rows above and below, columns left and right.
    x, y : Layout
        Of the images, and of the results or their maxima.
    pooled : bool
        Whether the maximum of each 2×2 results is asked for; an odd row or
        column is left out.
    biased, rectify : bool
        Whether biases are added, and whether what comes out is rectified.
    training : bool
        Whether to note, in a byte for each maximum, which pixel of its window it was.
    transposed : bool, default=False
        Whether filters come as a convolution has them whose images' gradient
        this is: from results to channels, and to be turned by 180 degrees.
    adds : bool, default=False
        Whether results are added to what is there, before they are rectified.
    """

    image: tuple[int, int, int]
    filters: tuple[int, int, int]
    padding: tuple[tuple[int, int], tuple[int, int]]
    x: Layout
    y: Layout
    pooled: bool
    biased: bool
    rectify: bool
    training: bool
    transposed: bool = False
    adds: bool = False

    @property
    def lanes(self) -> int:
        """Channels that are neighbours."""
        return self.x.lanes

    @property
    def convolved(self) -> tuple[int, int]:
        """Rows and columns of results."""
        (_, height, width), (_, rows, columns) = self.image, self.filters
        (top, bottom), (left, right) = self.padding
        return top + height + bottom - rows + 1, left + width + right - columns + 1

    @property
    def tiles(self) -> tuple[int, int]:
        """Rows and columns of tiles."""
        height, width = self.convolved
        odd = 0 if self.pooled else TILE - 1
        return (height + odd) // TILE, (width + odd) // TILE


def n_products(tiling: Tiling) -> int:
    """How many products a tile and a pair of channels have."""
    _, rows, columns = tiling.filters
    return TapTransform(rows).n_products * TapTransform(columns).n_products
