"""Convolutions by Winograd's algorithm, and their images' gradients: convolutions too.

For each of the products of `winograd_transform` the sum over the channels is a
product of two matrices. What is done here is ``forward``: transform some
tiles, multiply, transform back, add biases, and rectify or take the maximum of
each 2×2 results, which are one tile's; and ``filters``: the filters' side of
the products, once a call.
"""

from __future__ import annotations

import itertools

from .code import Code
from .function import (
    broadcast,
    declarations,
    fused,
    greatest,
    rectified,
    share,
    taken,
)
from .winograd_tiles import Tiles
from .winograd_transform import TILE, Tiling, n_products

__all__ = ["ARGUMENTS", "FILTERS_ARGUMENTS", "Winograd"]

#: What the functions take, in this order, as an array of addresses; n_samples as a number. The
#: filters that ``forward`` takes are what ``filters`` made of them.
ARGUMENTS = ("n_samples", "scratch", "x", "w", "b", "y", "positions")
FILTERS_ARGUMENTS = ("scratch", "w", "u")
#: Bytes that the tiles of one unit, and their products, may take together.
NEAR = 352 * 1024
#: Bytes that those of one turn may take. Filters are gone through once a turn: the more they are,
#: the more tiles shall use them, up to half of their bytes.
FAR = 7 << 19
#: Tiles of one step of a product, where there are registers for them; of the last steps a third.
TILES_AT_ONCE = 12


class Winograd:
    """The functions ``filters`` and ``forward``, in LLVM's language.

    Parameters
    ----------
    tiling : Tiling
        Filters come as [block][channel][row][column][lane], with the lanes of a
        block of filters; if they are transposed, as [channel][block][row][column][lane].
    registers : int
        Vectors of ``tiling.lanes`` numbers that a processor has registers for.

    Notes
    -----
    Each function is to be called by all threads of an OpenMP region with the
    same array of addresses. The threads divide tiles between them, or filters
    where these are more to read: the results of each tile and filter are
    computed by themselves, and depend neither on the number of threads nor on
    the other images.
    """

    def __init__(self, tiling: Tiling, registers: int) -> None:
        self.tiling = tiling
        of_filters = n_products(tiling) * tiling.image[0] * tiling.filters[0] * 4
        self._tiles = tiles = Tiles(tiling, NEAR, min(max(NEAR, of_filters // 2), FAR))
        self._blocks = 2 if tiles.count // tiling.lanes % 2 == 0 else 1
        self._tiles_at_once = min(TILES_AT_ONCE, (registers - self._blocks - 1) // self._blocks)
        self._m_plane = tiles.room * tiles.count + tiling.lanes
        self._u_plane = tiles.channels * tiles.count + tiling.lanes

    @property
    def u_size(self) -> int:
        """How many numbers the filters become."""
        return self._tiles.n_products * self._u_plane

    def scratch(self, num_threads: int) -> int:
        """Bytes of scratch memory that ``forward`` needs."""
        return num_threads * 4 * self._room

    @property
    def _room(self) -> int:
        """Numbers of one thread's own: tiles, products, a band with its padding, a bin."""
        tiles = self._tiles
        planes = tiles.n_products * (tiles.plane + self._m_plane)
        return planes + tiles.band_size + self.tiling.lanes

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
        """The filters' side of each product: [product][filters of a step][channel][filter]."""
        tiles, lanes = self._tiles, self.tiling.lanes
        _, rows, columns = self.tiling.filters
        a = taken(code, FILTERS_ARGUMENTS)
        n_blocks, taps = tiles.count // lanes, rows * columns
        _, first, last = share(code, n_blocks * tiles.channels)
        with code.loop(first, last) as each:
            if self.tiling.transposed:
                channel, block = tiles.divided(code, each.index, n_blocks)
            else:
                block, channel = tiles.divided(code, each.index, tiles.channels)
            w = code.at(a["w"], code.mul(each.index, taps * lanes))
            step, number = tiles.divided(code, block, self._blocks)
            place = code.add(code.mul(step, tiles.channels), channel)
            place = code.add(code.mul(place, self._blocks), number)
            u = code.at(a["u"], code.mul(place, lanes))
            order = range(taps)[:: -1 if self.tiling.transposed else 1]
            vectors = [code.load(tiles.vector, code.at(w, tap * lanes)) for tap in order]
            numbers = [vectors[n : n + columns] for n in range(0, taps, columns)]
            for i, (terms, factor) in enumerate(tiles.down.filters):
                line = [
                    tiles.scaled(code, tiles.summed(code, terms, of_column), factor)
                    for of_column in zip(*numbers, strict=True)
                ]
                for j, (across, factor_across) in enumerate(tiles.right.filters):
                    value = tiles.scaled(code, tiles.summed(code, across, line), factor_across)
                    product = i * tiles.right.n_products + j
                    code.store(tiles.vector, value, code.at(u, product * self._u_plane))

    def _forward(self, code: Code) -> None:
        tiles = self._tiles
        a = taken(code, ARGUMENTS)
        total = code.mul(a["n_samples"], tiles.bands)
        number, units, steps = self._shares(code, total)
        first, last = units
        v = code.at(a["scratch"], code.mul(number, self._room))
        m = code.at(v, tiles.n_products * tiles.plane)
        band = code.at(m, tiles.n_products * self._m_plane)
        with code.loop(0, tiles.band_size) as place:
            code.store("float", "0.0", code.at(band, place.index))
        with code.loop(first, last, tiles.units) as turn:
            stop = code.smaller(code.add(turn.index, tiles.units), last)
            with code.loop(turn.index, stop) as unit:
                tiles.transform(code, a["x"], v, band, turn.index, unit.index)
            n_tiles = tiles.first_tile(code, turn.index, stop)
            self._multiply(code, a["w"], v, m, n_tiles, steps)
            with code.loop(turn.index, stop) as unit:
                self._finish_unit(code, a, m, band, turn.index, unit.index, steps)

    def _shares(self, code: Code, total: str) -> tuple[str, tuple[str, str], tuple[str, str]]:
        """This thread's number, the units that it computes, and the steps of filters.

        Of filters a part, or of units: whichever leaves it less to read.
        """
        tiles = self._tiles
        n_steps = tiles.count // (self._blocks * self.tiling.lanes)
        number, *units = share(code, total)
        _, *steps = share(code, n_steps)
        few = tiles.channels * tiles.count // ((tiles.channels + tiles.count) * tiles.per_unit)
        is_few = code.let(f"icmp sle i64 {total}, {few}")
        begin, end = (
            code.let(f"select i1 {is_few}, i64 {whole}, i64 {part}")
            for whole, part in zip((0, total), units, strict=True)
        )
        start, stop = (
            code.let(f"select i1 {is_few}, i64 {part}, i64 {whole}")
            for whole, part in zip((0, n_steps), steps, strict=True)
        )
        return number, (begin, end), (start, stop)

    # Products

    def _multiply(
        self, code: Code, u: str, v: str, m: str, n_tiles: str, steps: tuple[str, str]
    ) -> None:
        """The matrix product of each product's two sides: [product][tile][filter]."""
        tiles = self._tiles
        of_step = self._blocks * self.tiling.lanes
        many = self._tiles_at_once
        few = max(1, many // 3)
        full = code.mul(code.let(f"sdiv i64 {n_tiles}, {many}"), many)
        # While a step's filters are multiplied, the next one's come from memory, evenly.
        pace = code.let(f"sdiv i64 {4 * of_step * many}, {n_tiles}")
        pace = code.smaller(pace, 4 * of_step)
        with (
            code.loop(0, tiles.n_products) as product,
            code.loop(*steps) as step,
        ):
            of_product = code.at(u, code.mul(product.index, self._u_plane))
            filters = code.at(of_product, code.mul(step.index, tiles.channels * of_step))
            following = code.at(filters, tiles.channels * of_step)
            images = code.at(v, code.mul(product.index, tiles.plane))
            first = code.mul(step.index, of_step)
            sums = code.at(m, code.add(code.mul(product.index, self._m_plane), first))
            for begin, end, at_once in ((0, full, many), (full, n_tiles, few)):
                with code.loop(begin, end, at_once) as tile:
                    done = code.mul(code.let(f"sdiv i64 {tile.index}, {many}"), tiles.channels)
                    self._product(
                        code,
                        at_once,
                        filters,
                        code.at(images, code.mul(tile.index, tiles.channels)),
                        code.at(sums, code.mul(tile.index, tiles.count)),
                        (code.at(following, code.mul(done, pace), "i8"), pace),
                    )

    def _product(
        self,
        code: Code,
        at_once: int,
        filters: str,
        images: str,
        sums: str,
        ahead: tuple[str, str],
    ) -> None:
        """Of `at_once` tiles with some filters, the sums in registers.

        What lies `ahead`, from an address on so many bytes a channel, is fetched meanwhile.
        """
        tiles, lanes, vector = self._tiles, self.tiling.lanes, self._tiles.vector
        pairs = list(itertools.product(range(at_once), range(self._blocks)))
        initial = ["zeroinitializer"] * len(pairs)
        following, pace = ahead
        with code.loop(0, tiles.channels, kind=vector, initial=initial) as channel:
            code.fetch(code.at(following, code.mul(channel.index, pace), "i8"))
            line = code.at(filters, code.mul(channel.index, self._blocks * lanes))
            numbers = [code.load(vector, code.at(line, b * lanes)) for b in range(self._blocks)]
            start = code.at(images, channel.index)
            values = [
                broadcast(code, lanes, code.load("float", code.at(start, t * tiles.channels)))
                for t in range(at_once)
            ]
            channel.values = [
                fused(code, lanes, values[t], numbers[b], total)
                for (t, b), total in zip(pairs, channel.values, strict=True)
            ]
        for (t, b), total in zip(pairs, channel.values, strict=True):
            code.store(vector, total, code.at(sums, t * tiles.count + b * lanes))

    # Products to results

    def _finish_unit(
        self,
        code: Code,
        a: dict[str, str],
        m: str,
        band: str,
        start: str,
        unit: str,
        steps: tuple[str, str],
    ) -> None:
        """The results of a unit's tiles with the filters of some steps."""
        tiling, tiles, lanes = self.tiling, self._tiles, self.tiling.lanes
        image, tile_row = tiles.place(code, unit)
        tile = tiles.first_tile(code, start, unit)
        bin_ = code.at(band, tiles.band_size)
        columns = tiling.tiles[1]
        blocks = [code.mul(each, self._blocks) for each in steps]
        with code.loop(*blocks) as block:
            first = code.mul(block.index, lanes)
            bias = code.load(tiles.vector, code.at(a["b"], first)) if tiling.biased else ""
            source = code.at(m, code.add(code.mul(tile, tiles.count), first))
            plane = code.add(
                code.mul(image, tiling.y.sample), code.mul(block.index, tiling.y.block)
            )
            with code.loop(0, tiles.rows) as row, code.loop(0, columns) as column:
                of_tile = code.mul(
                    code.add(code.mul(row.index, columns), column.index), tiles.count
                )
                results = self._results(code, code.at(source, of_tile), bias)
                place = (code.add(tile_row, row.index), column.index)
                if tiling.pooled:
                    self._keep_maximum(code, a, results, plane, place)
                else:
                    self._keep_all(code, a["y"], results, plane, place, bin_)

    def _results(self, code: Code, source: str, bias: str) -> list[str]:
        """The four results of one tile."""
        tiles = self._tiles
        lines: list[list[str]] = []
        for i in range(tiles.down.n_products):
            products = [
                code.load(
                    tiles.vector,
                    code.at(source, (i * tiles.right.n_products + j) * self._m_plane),
                )
                for j in range(tiles.right.n_products)
            ]
            lines.append([tiles.summed(code, terms, products) for terms in tiles.right.results])
        results = [
            tiles.summed(code, terms, [line[column] for line in lines])
            for terms in tiles.down.results
            for column in range(TILE)
        ]
        if not bias:
            return results
        return [code.let(f"fadd {tiles.vector} {result}, {bias}") for result in results]

    def _keep_maximum(
        self,
        code: Code,
        a: dict[str, str],
        results: list[str],
        plane: str,
        place: tuple[str, str],
    ) -> None:
        tiling = self.tiling
        largest, position = greatest(code, tiling.lanes, results, tiling.training)
        if tiling.rectify:
            largest = rectified(code, tiling.lanes, largest)
        where = self._at(code, plane, place)
        code.store(self._tiles.vector, largest, code.at(a["y"], where))
        if tiling.training:
            code.store(f"<{tiling.lanes} x i8>", position, code.at(a["positions"], where, "i8"), 1)

    def _keep_all(
        self,
        code: Code,
        y: str,
        results: list[str],
        plane: str,
        place: tuple[str, str],
        bin_: str,
    ) -> None:
        row, column = (code.mul(index, TILE) for index in place)
        for (down, right), result in zip(
            itertools.product(range(TILE), repeat=2), results, strict=True
        ):
            where = (code.add(row, down), code.add(column, right))
            target = code.at(y, self._at(code, plane, where))
            for index, size, step in zip(where, self.tiling.convolved, (down, right), strict=True):
                if step and size % TILE:
                    # The last tile's second row, or column, is beside the image.
                    inside = code.let(f"icmp slt i64 {index}, {size}")
                    target = code.let(f"select i1 {inside}, ptr {target}, ptr {bin_}")
            if self.tiling.adds:
                before = code.load(self._tiles.vector, target)
                result = code.let(f"fadd {self._tiles.vector} {result}, {before}")
            if self.tiling.rectify:
                result = rectified(code, self.tiling.lanes, result)
            code.store(self._tiles.vector, result, target)

    def _at(self, code: Code, plane: str, place: tuple[str, str]) -> str:
        y = self.tiling.y
        row, column = place
        return code.add(plane, code.add(code.mul(row, y.row), code.mul(column, y.column)))
