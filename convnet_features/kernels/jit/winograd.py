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
from .winograd_transform import TILE, Tiling

__all__ = ["ARGUMENTS", "FILTERS_ARGUMENTS", "Winograd"]

#: What the functions take, in this order, as an array of addresses; n_samples as a number. The
#: filters that ``forward`` takes are what ``filters`` made of them.
ARGUMENTS = ("n_samples", "scratch", "x", "w", "b", "y", "positions")
FILTERS_ARGUMENTS = ("scratch", "w", "u")
#: Bytes that the tiles of one turn and their products may take together.
NEAR = 352 * 1024
#: Tiles of one step of a product, where there are registers for them.
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
    same array of addresses. The threads divide tiles between them, each of
    which is computed by itself: results depend neither on the number of threads
    nor on the other images.
    """

    def __init__(self, tiling: Tiling, registers: int) -> None:
        self.tiling = tiling
        self._tiles = tiles = Tiles(tiling, NEAR)
        self._blocks = 2 if tiles.count // tiling.lanes % 2 == 0 else 1
        most = min(TILES_AT_ONCE, (registers - self._blocks - 1) // self._blocks)
        at_once = tiles.units * tiles.per_unit
        self._tiles_at_once = max(n for n in range(1, most + 1) if at_once % n == 0)
        self._m_plane = at_once * tiles.count + tiling.lanes
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
        """The filters' side of each product: [product][channel][filter]."""
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
            u = code.at(a["u"], code.add(code.mul(channel, tiles.count), code.mul(block, lanes)))
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
        number, first, last = share(code, total)
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
            self._multiply(code, a["w"], v, m, n_tiles)
            with code.loop(turn.index, stop) as unit:
                self._finish_unit(code, a, m, band, turn.index, unit.index)

    # Products

    def _multiply(self, code: Code, u: str, v: str, m: str, n_tiles: str) -> None:
        """The matrix product of each product's two sides: [product][tile][filter]."""
        tiles = self._tiles
        step = self._blocks * self.tiling.lanes
        with (
            code.loop(0, tiles.n_products) as product,
            code.loop(0, tiles.count, step) as first,
        ):
            filters = code.at(u, code.add(code.mul(product.index, self._u_plane), first.index))
            images = code.at(v, code.mul(product.index, tiles.plane))
            sums = code.at(m, code.add(code.mul(product.index, self._m_plane), first.index))
            with code.loop(0, n_tiles, self._tiles_at_once) as tile:
                self._product(
                    code,
                    filters,
                    code.at(images, code.mul(tile.index, tiles.channels)),
                    code.at(sums, code.mul(tile.index, tiles.count)),
                )

    def _product(self, code: Code, filters: str, images: str, sums: str) -> None:
        """Of some tiles with some filters, the sums in registers."""
        tiles, lanes, vector = self._tiles, self.tiling.lanes, self._tiles.vector
        pairs = list(itertools.product(range(self._tiles_at_once), range(self._blocks)))
        initial = ["zeroinitializer"] * len(pairs)
        with code.loop(0, tiles.channels, kind=vector, initial=initial) as channel:
            line = code.at(filters, code.mul(channel.index, tiles.count))
            numbers = [code.load(vector, code.at(line, b * lanes)) for b in range(self._blocks)]
            start = code.at(images, channel.index)
            values = [
                broadcast(code, lanes, code.load("float", code.at(start, t * tiles.channels)))
                for t in range(self._tiles_at_once)
            ]
            channel.values = [
                fused(code, lanes, values[t], numbers[b], total)
                for (t, b), total in zip(pairs, channel.values, strict=True)
            ]
        for (t, b), total in zip(pairs, channel.values, strict=True):
            code.store(vector, total, code.at(sums, t * tiles.count + b * lanes))

    # Products to results

    def _finish_unit(
        self, code: Code, a: dict[str, str], m: str, band: str, start: str, unit: str
    ) -> None:
        """The results of a unit's tiles."""
        tiling, tiles, lanes = self.tiling, self._tiles, self.tiling.lanes
        image, tile_row = tiles.place(code, unit)
        tile = tiles.first_tile(code, start, unit)
        bin_ = code.at(band, tiles.band_size)
        columns = tiling.tiles[1]
        with code.loop(0, tiles.count // lanes) as block:
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
            if self.tiling.rectify:
                result = rectified(code, self.tiling.lanes, result)
            where = (code.add(row, down), code.add(column, right))
            target = code.at(y, self._at(code, plane, where))
            for index, size, step in zip(where, self.tiling.convolved, (down, right), strict=True):
                if step and size % TILE:
                    # The last tile's second row, or column, is beside the image.
                    inside = code.let(f"icmp slt i64 {index}, {size}")
                    target = code.let(f"select i1 {inside}, ptr {target}, ptr {bin_}")
            code.store(self._tiles.vector, result, target)

    def _at(self, code: Code, plane: str, place: tuple[str, str]) -> str:
        y = self.tiling.y
        row, column = place
        return code.add(plane, code.add(code.mul(row, y.row), code.mul(column, y.column)))
