"""Convolutions by fewer multiplications than they have terms.

Two neighbouring results of a filter of three taps are six products; Winograd's
minimal filtering makes them of four, of two taps three instead of four::

    y0 = a + b + c      a = (x0 - x2) w0                   b = (x1 + x2) (w0 + w1 + w2) / 2
    y1 = b - c - d      c = (x2 - x1) (w0 - w1 + w2) / 2   d = (x1 - x3) w2

    y0 = a + b          a = (x0 - x1) w0                   b = x1 (w0 + w1)
    y1 = b - c          c = (x1 - x2) w1

In two dimensions that is 16 instead of 36 for a filter of 3×3. Five taps are
three and two: 49 instead of 100. Larger tiles would need fewer still, but
divide by larger numbers, and lose digits; this is as exact as the sum of
products (the halves are exact), which is why it can stand in for it.

For each of the places of such a product the sum over the channels is a matrix
product: what is done here is ``forward``: transform some tiles, multiply,
transform back, add biases, and rectify or take the maximum of each 2×2 results,
which are one tile's; and ``filters``: the filters' side of the products, once
a call.

References
----------
S. Winograd (1980), "Arithmetic complexity of computations". A. Lavin and S. Gray (2016),
"Fast algorithms for convolutional neural networks".
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from convnet_features.kernels.jit.code import Code
from convnet_features.kernels.jit.function import (
    broadcast,
    declarations,
    fused,
    greatest,
    rectified,
    share,
    taken,
)
from convnet_features.kernels.jit.geometry import Layout

__all__ = ["ARGUMENTS", "FILTERS_ARGUMENTS", "TapTransform", "Tiling", "Winograd"]

#: What the functions take, in this order, as an array of addresses; n_samples as a number. The
#: filters that ``forward`` takes are what ``filters`` made of them.
ARGUMENTS = ("n_samples", "scratch", "x", "w", "b", "y", "winners")
FILTERS_ARGUMENTS = ("scratch", "w", "u")
#: Bytes that the tiles of one turn and their products may take together.
NEAR = 352 * 1024
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


class Winograd:
    """The functions ``filters`` and ``forward``, in LLVM's language.

    Parameters
    ----------
    tiling : Tiling
        Filters come as [block][channel][row][column][lane], with the lanes of a
        block of filters; if they are transposed, as [channel][block][row][column][lane].
    registers : int
        Vectors of ``tiling.lanes`` numbers that a processor has registers for.
    openmp : (int, int)
        Addresses of OpenMP's ``omp_get_thread_num`` and ``omp_get_num_threads``.

    Notes
    -----
    Each function is to be called by all threads of an OpenMP region with the
    same array of addresses. The threads divide tiles between them, each of
    which is computed by itself: results depend neither on the number of threads
    nor on the other images.
    """

    def __init__(self, tiling: Tiling, registers: int, openmp: tuple[int, int]) -> None:
        self.tiling = tiling
        self._openmp = openmp
        self._vector = f"<{tiling.lanes} x float>"
        (self._channels, self._height, self._width) = tiling.image
        (self._count, rows, columns) = tiling.filters
        self._down, self._right = TapTransform(rows), TapTransform(columns)
        self._products = self._down.n_products * self._right.n_products
        self._blocks = 2 if self._count // tiling.lanes % 2 == 0 else 1
        self._rows_of_tiles, self._units = self._turn()
        self._per_unit = self._rows_of_tiles * tiling.tiles[1]
        self._bands = tiling.tiles[0] // self._rows_of_tiles
        most = (registers - self._blocks - 1) // self._blocks
        at_once = self._units * self._per_unit
        self._tiles_at_once = max(n for n in range(1, min(most, 12) + 1) if at_once % n == 0)
        # Planes a power of two apart would all fall on the same lines of a cache.
        self._v_plane = at_once * self._channels + tiling.lanes
        self._m_plane = at_once * self._count + tiling.lanes
        self._u_plane = self._channels * self._count + tiling.lanes

    @property
    def u_size(self) -> int:
        """How many numbers the filters become."""
        return self._products * self._u_plane

    def scratch(self, num_threads: int) -> int:
        """Bytes of scratch memory that ``forward`` needs."""
        return num_threads * 4 * self._room

    @property
    def _room(self) -> int:
        """Numbers of one thread's own: tiles, products, a band with its padding, zeros, a bin."""
        return (
            self._products * (self._v_plane + self._m_plane)
            + self._band_size
            + self._line_size
            + self.tiling.lanes
        )

    def _turn(self) -> tuple[int, int]:
        """(rows of tiles of a unit, units of a turn): so many that they stay near."""
        rows, columns = self.tiling.tiles
        most = NEAR // (4 * self._products * (self._channels + self._count))
        fitting = [n for n in range(1, rows + 1) if rows % n == 0 and n * columns <= most]
        if not fitting:
            return 1, 1
        per_unit = fitting[-1] * columns
        if fitting[-1] < rows:
            return fitting[-1], 1
        units = max(1, most // per_unit)
        # Full registers in each step of the product matter more than a few tiles.
        even = [n for n in range(-(-units // 2), units + 1) if n * per_unit % 12 == 0]
        return rows, max(even, default=units)

    # The module

    def text(self) -> str:
        """The module."""
        parts = declarations(self.tiling.lanes)
        for name, write in (("filters", self._filters), ("forward", self._forward)):
            code = Code()
            write(code)
            parts.append(f"define void @{name}(ptr %arguments) {{\n{code.text()}\n}}")
        return "\n\n".join(parts)

    def _filters(self, code: Code) -> None:
        """The filters' side of each product: [product][channel][filter]."""
        lanes = self.tiling.lanes
        _, rows, columns = self.tiling.filters
        a = taken(code, FILTERS_ARGUMENTS)
        _, first, last = share(code, self._openmp, self._count // lanes * self._channels)
        n_blocks, taps = self._count // lanes, rows * columns
        with code.loop(first, last) as each:
            if self.tiling.transposed:
                channel, block = self._divided(code, each.index, n_blocks)
            else:
                block, channel = self._divided(code, each.index, self._channels)
            w = code.at(a["w"], code.mul(each.index, taps * lanes))
            u = code.at(a["u"], code.add(code.mul(channel, self._count), code.mul(block, lanes)))
            order = range(taps)[:: -1 if self.tiling.transposed else 1]
            vectors = [code.load(self._vector, code.at(w, tap * lanes)) for tap in order]
            numbers = [vectors[n : n + columns] for n in range(0, taps, columns)]
            for i, (terms, factor) in enumerate(self._down.filters):
                line = [
                    self._scaled(code, self._sum(code, terms, each_column), factor)
                    for each_column in zip(*numbers, strict=True)
                ]
                for j, (across, share_) in enumerate(self._right.filters):
                    value = self._scaled(code, self._sum(code, across, line), share_)
                    product = i * self._right.n_products + j
                    code.store(self._vector, value, code.at(u, product * self._u_plane))

    def _forward(self, code: Code) -> None:
        a = taken(code, ARGUMENTS)
        total = code.mul(a["n_samples"], self._bands)
        number, first, last = share(code, self._openmp, total)
        v = code.at(a["scratch"], code.mul(number, self._room))
        m = code.at(v, self._products * self._v_plane)
        band = code.at(m, self._products * self._m_plane)
        if self._is_copied:
            with code.loop(0, self._band_size + self._line_size) as place:
                code.store("float", "0.0", code.at(band, place.index))
        with code.loop(first, last, self._units) as turn:
            stop = code.smaller(code.add(turn.index, self._units), last)
            with code.loop(turn.index, stop) as unit:
                self._transform_unit(code, a["x"], v, band, turn.index, unit.index)
            n_tiles = code.mul(code.let(f"sub i64 {stop}, {turn.index}"), self._per_unit)
            self._multiply(code, a["w"], v, m, n_tiles)
            with code.loop(turn.index, stop) as unit:
                self._finish_unit(code, a, m, band, turn.index, unit.index)

    # Images to tiles

    @property
    def _is_copied(self) -> bool:
        """Whether tiles reach beyond the image."""
        return any(map(any, self.tiling.padding)) or any(
            TILE * n + taps - 1 > size
            for n, taps, size in zip(
                self.tiling.tiles, self.tiling.filters[1:], self.tiling.image[1:], strict=True
            )
        )

    @property
    def _band(self) -> tuple[int, int]:
        """Rows and columns of pixels that a unit's tiles see."""
        _, rows, columns = self.tiling.filters
        return (
            TILE * self._rows_of_tiles + rows - 1,
            TILE * self.tiling.tiles[1] + columns - 1,
        )

    @property
    def _band_size(self) -> int:
        rows, columns = self._band
        return rows * columns * self.tiling.lanes if self._is_copied else 0

    @property
    def _line_size(self) -> int:
        """A line of the image where there is none."""
        x = self.tiling.x
        return (self._width - 1) * x.column + x.lanes if self._is_copied else 0

    def _divided(self, code: Code, number: str, divisor: int) -> tuple[str, str]:
        """The quotient and the remainder."""
        return (
            code.let(f"sdiv i64 {number}, {divisor}"),
            code.let(f"srem i64 {number}, {divisor}"),
        )

    def _place(self, code: Code, unit: str) -> tuple[str, str]:
        """A unit's image, and its first row of tiles."""
        if self._bands == 1:
            return unit, code.add(0, 0)
        image, band = self._divided(code, unit, self._bands)
        return image, code.mul(band, self._rows_of_tiles)

    def _transform_unit(self, code: Code, x: str, v: str, band: str, start: str, unit: str) -> None:
        """The images' side of each product of a unit's tiles: [product][tile][channel]."""
        layout, lanes = self.tiling.x, self.tiling.lanes
        image, tile_row = self._place(code, unit)
        image = code.at(x, code.mul(image, layout.sample))
        pixel_row = code.mul(tile_row, TILE)
        tile = code.mul(code.let(f"sub i64 {unit}, {start}"), self._per_unit)
        with code.loop(0, self._channels // lanes) as block:
            source = code.at(image, code.mul(block.index, layout.block))
            steps = (layout.row, layout.column)
            if self._is_copied:
                self._copy(code, source, band, pixel_row)
                source, steps = band, (self._band[1] * lanes, lanes)
            else:
                source = code.at(source, code.mul(pixel_row, layout.row))
            target = code.at(
                v, code.add(code.mul(tile, self._channels), code.mul(block.index, lanes))
            )
            columns = self.tiling.tiles[1]
            with (
                code.loop(0, self._rows_of_tiles) as row,
                code.loop(0, columns) as column,
            ):
                corner = code.add(
                    code.mul(row.index, TILE * steps[0]), code.mul(column.index, TILE * steps[1])
                )
                of_tile = code.mul(
                    code.add(code.mul(row.index, columns), column.index), self._channels
                )
                self._transform(code, code.at(source, corner), steps, code.at(target, of_tile))

    def _copy(self, code: Code, plane: str, band: str, first_row: str) -> None:
        """What a unit sees of a plane, into the middle of zeros."""
        layout, lanes = self.tiling.x, self.tiling.lanes
        (top, _), (left, _) = self.tiling.padding
        rows, columns = self._band
        zeros = code.at(band, self._band_size)
        with code.loop(0, rows) as row:
            source = code.add(code.add(first_row, row.index), -top)
            inside = code.let(f"icmp ult i64 {source}, {self._height}")
            line = code.at(plane, code.mul(source, layout.row))
            line = code.let(f"select i1 {inside}, ptr {line}, ptr {zeros}")
            target = code.at(band, code.mul(row.index, columns * lanes))
            with code.loop(0, min(self._width, columns - left)) as column:
                pixels = code.load(
                    self._vector, code.at(line, code.mul(column.index, layout.column))
                )
                place = code.mul(code.add(column.index, left), lanes)
                code.store(self._vector, pixels, code.at(target, place))

    def _transform(self, code: Code, source: str, steps: tuple[int, int], target: str) -> None:
        """One tile of a block of channels."""
        _, _, columns = self.tiling.filters
        for i, terms in enumerate(self._down.images):
            line = []
            for column in range(columns + TILE - 1):
                pixels = {
                    row: code.load(
                        self._vector, code.at(source, row * steps[0] + column * steps[1])
                    )
                    for _, row in terms
                }
                line.append(self._sum(code, terms, pixels))
            for j, across in enumerate(self._right.images):
                product = i * self._right.n_products + j
                value = self._sum(code, across, line)
                code.store(self._vector, value, code.at(target, product * self._v_plane))

    # Products

    def _multiply(self, code: Code, u: str, v: str, m: str, n_tiles: str) -> None:
        """The matrix product of each product's two sides: [product][tile][filter]."""
        step = self._blocks * self.tiling.lanes
        with (
            code.loop(0, self._products) as product,
            code.loop(0, self._count, step) as first,
        ):
            filters = code.at(u, code.add(code.mul(product.index, self._u_plane), first.index))
            tiles = code.at(v, code.mul(product.index, self._v_plane))
            sums = code.at(m, code.add(code.mul(product.index, self._m_plane), first.index))
            with code.loop(0, n_tiles, self._tiles_at_once) as tile:
                self._product(
                    code,
                    filters,
                    code.at(tiles, code.mul(tile.index, self._channels)),
                    code.at(sums, code.mul(tile.index, self._count)),
                )

    def _product(self, code: Code, filters: str, tiles: str, sums: str) -> None:
        """Of some tiles with some filters, the sums in registers."""
        lanes, vector = self.tiling.lanes, self._vector
        pairs = list(itertools.product(range(self._tiles_at_once), range(self._blocks)))
        initial = ["zeroinitializer"] * len(pairs)
        with code.loop(0, self._channels, kind=vector, initial=initial) as channel:
            line = code.at(filters, code.mul(channel.index, self._count))
            numbers = [code.load(vector, code.at(line, b * lanes)) for b in range(self._blocks)]
            start = code.at(tiles, channel.index)
            values = [
                broadcast(code, lanes, code.load("float", code.at(start, t * self._channels)))
                for t in range(self._tiles_at_once)
            ]
            channel.values = [
                fused(code, lanes, values[t], numbers[b], total)
                for (t, b), total in zip(pairs, channel.values, strict=True)
            ]
        for (t, b), total in zip(pairs, channel.values, strict=True):
            code.store(vector, total, code.at(sums, t * self._count + b * lanes))

    # Products to results

    def _finish_unit(
        self, code: Code, a: dict[str, str], m: str, band: str, start: str, unit: str
    ) -> None:
        """The results of a unit's tiles."""
        tiling, lanes = self.tiling, self.tiling.lanes
        image, tile_row = self._place(code, unit)
        tile = code.mul(code.let(f"sub i64 {unit}, {start}"), self._per_unit)
        bin_ = code.at(band, self._band_size + self._line_size)
        columns = tiling.tiles[1]
        with code.loop(0, self._count // lanes) as block:
            first = code.mul(block.index, lanes)
            bias = code.load(self._vector, code.at(a["b"], first)) if tiling.biased else ""
            source = code.at(m, code.add(code.mul(tile, self._count), first))
            plane = code.add(
                code.mul(image, tiling.y.sample), code.mul(block.index, tiling.y.block)
            )
            with (
                code.loop(0, self._rows_of_tiles) as row,
                code.loop(0, columns) as column,
            ):
                of_tile = code.mul(
                    code.add(code.mul(row.index, columns), column.index), self._count
                )
                results = self._results(code, code.at(source, of_tile), bias)
                place = (code.add(tile_row, row.index), column.index)
                if tiling.pooled:
                    self._keep_maximum(code, a, results, plane, place)
                else:
                    self._keep_all(code, a["y"], results, plane, place, bin_)

    def _results(self, code: Code, source: str, bias: str) -> list[str]:
        """The four results of one tile."""
        lines: list[list[str]] = []
        for i in range(self._down.n_products):
            products = [
                code.load(
                    self._vector,
                    code.at(source, (i * self._right.n_products + j) * self._m_plane),
                )
                for j in range(self._right.n_products)
            ]
            lines.append([self._sum(code, terms, products) for terms in self._right.results])
        results = [
            self._sum(code, terms, [line[column] for line in lines])
            for terms in self._down.results
            for column in range(TILE)
        ]
        if not bias:
            return results
        return [code.let(f"fadd {self._vector} {result}, {bias}") for result in results]

    def _keep_maximum(
        self,
        code: Code,
        a: dict[str, str],
        results: list[str],
        plane: str,
        place: tuple[str, str],
    ) -> None:
        tiling = self.tiling
        largest, winner = greatest(code, tiling.lanes, results, tiling.training)
        if tiling.rectify:
            largest = rectified(code, tiling.lanes, largest)
        where = self._at(code, plane, place)
        code.store(self._vector, largest, code.at(a["y"], where))
        if tiling.training:
            code.store(f"<{tiling.lanes} x i8>", winner, code.at(a["winners"], where, "i8"), 1)

    def _keep_all(
        self,
        code: Code,
        y: str,
        results: list[str],
        plane: str,
        place: tuple[str, str],
        bin_: str,
    ) -> None:
        height, width = self.tiling.convolved
        row, column = (code.mul(index, TILE) for index in place)
        for (down, right), result in zip(
            itertools.product(range(TILE), repeat=2), results, strict=True
        ):
            if self.tiling.rectify:
                result = rectified(code, self.tiling.lanes, result)
            where = (code.add(row, down), code.add(column, right))
            target = code.at(y, self._at(code, plane, where))
            for index, size, step in zip(where, (height, width), (down, right), strict=True):
                if step and size % TILE:
                    # The last tile's second row, or column, is beside the image.
                    inside = code.let(f"icmp slt i64 {index}, {size}")
                    target = code.let(f"select i1 {inside}, ptr {target}, ptr {bin_}")
            code.store(self._vector, result, target)

    def _at(self, code: Code, plane: str, place: tuple[str, str]) -> str:
        y = self.tiling.y
        row, column = place
        return code.add(plane, code.add(code.mul(row, y.row), code.mul(column, y.column)))

    # Sums

    def _sum(self, code: Code, terms: Terms, values: Sequence[str] | dict[int, str]) -> str:
        """The terms one after the other; the first is never subtracted."""
        (_, first), *others = terms
        total = values[first]
        for sign, place in others:
            operation = "fadd" if sign > 0 else "fsub"
            total = code.let(f"{operation} {self._vector} {total}, {values[place]}")
        return total

    def _scaled(self, code: Code, value: str, factor: float) -> str:
        if factor == 1.0:
            return value
        constant = ", ".join([f"float {factor:e}"] * self.tiling.lanes)
        return code.let(f"fmul {self._vector} {value}, <{constant}>")
