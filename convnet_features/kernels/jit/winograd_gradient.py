"""The gradient of a convolution's filters by Winograd's algorithm.

With V the images' side of a tile's products and W the gradient of the products,
which the results' gradients are added up to, the gradient of the filters' side
is the sum of V[p, t, c] · W[p, t, k] over all tiles t. ``accumulate`` does
that, part by part of the images; ``finish`` adds the parts and gives the
filters' gradient, and that of the biases.
"""

from __future__ import annotations

import itertools

from .code import Code
from .function import broadcast, declarations, fused, share, taken
from .winograd_tiles import Tiles
from .winograd_transform import TILE, Tiling

__all__ = ["ACCUMULATE_ARGUMENTS", "FINISH_ARGUMENTS", "WinogradGradient"]

#: What the functions take, in this order, as an array of addresses; n_samples as a number.
ACCUMULATE_ARGUMENTS = ("n_samples", "scratch", "x", "g", "sums")
FINISH_ARGUMENTS = ("scratch", "sums", "gw", "gb")
#: Bytes that the two sides of one turn's products may take together.
NEAR = 900 * 1024
#: Channels of one step of a product, where there are registers for them.
CHANNELS_AT_ONCE = 12


class WinogradGradient:
    """The functions ``accumulate`` and ``finish``, in LLVM's language.

    Parameters
    ----------
    tiling : Tiling
        Of the convolution; ``y`` is the layout of the results' gradients. The
        filters' gradient comes as [block][channel][row][column][lane].
    n_parts : int
        Into how many the images are divided: as many as there are threads. Sums
        depend on it by their rounding.
    registers : int
        Vectors of ``tiling.lanes`` numbers that a processor has registers for.
    """

    def __init__(self, tiling: Tiling, n_parts: int, registers: int) -> None:
        self.tiling = tiling
        self._n_parts = n_parts
        self._tiles = tiles = Tiles(tiling, NEAR, NEAR)
        self._blocks = 2 if tiles.count // tiling.lanes % 2 == 0 else 1
        most = min(CHANNELS_AT_ONCE, (registers - self._blocks - 1) // self._blocks)
        self._channels_at_once = max(n for n in range(1, most + 1) if tiles.channels % n == 0)
        self._w_plane = tiles.units * tiles.per_unit * tiles.count + tiling.lanes
        self._s_plane = tiles.channels * tiles.count + tiling.lanes

    @property
    def _part(self) -> int:
        """Numbers of one part's sums: of the products, then of the biases."""
        return self._tiles.n_products * self._s_plane + self._tiles.count

    @property
    def sums_size(self) -> int:
        """How many numbers ``accumulate`` leaves to ``finish``."""
        return self._n_parts * self._part

    def scratch(self, num_threads: int) -> int:
        """Bytes of scratch memory that ``accumulate`` needs."""
        return num_threads * 4 * self._room

    @property
    def _room(self) -> int:
        """Numbers of one thread's own: both sides, a band of images with its padding, zeros."""
        tiles = self._tiles
        sides = tiles.n_products * (tiles.plane + self._w_plane)
        return sides + tiles.band_size + self.tiling.lanes

    # The module

    def text(self) -> str:
        """The module."""
        parts = declarations(self.tiling.lanes)
        for name, write in (("accumulate", self._accumulate), ("finish", self._finish)):
            code = Code()
            write(code)
            parts.append(f"define void @{name}(ptr %arguments) {{\n{code.text()}\n}}")
        return "\n\n".join(parts)

    def _accumulate(self, code: Code) -> None:
        tiles = self._tiles
        a = taken(code, ACCUMULATE_ARGUMENTS)
        total = code.mul(a["n_samples"], tiles.bands)
        # A thread's share of as many parts as there are threads is one; fewer threads take more.
        number, first, last = share(code, self._n_parts)
        v = code.at(a["scratch"], code.mul(number, self._room))
        w = code.at(v, tiles.n_products * tiles.plane)
        band = code.at(w, tiles.n_products * self._w_plane)
        zeros = code.at(band, tiles.band_size)
        with code.loop(0, tiles.band_size + self.tiling.lanes) as place:
            code.store("float", "0.0", code.at(band, place.index))
        with code.loop(first, last) as part:
            begin, end = (
                code.let(f"sdiv i64 {code.mul(total, each)}, {self._n_parts}")
                for each in (part.index, code.add(part.index, 1))
            )
            sums = code.at(a["sums"], code.mul(part.index, self._part))
            with code.loop(0, self._part) as place:
                code.store("float", "0.0", code.at(sums, place.index))
            of_biases = code.at(sums, tiles.n_products * self._s_plane)
            with code.loop(begin, end, tiles.units) as turn:
                stop = code.smaller(code.add(turn.index, tiles.units), end)
                with code.loop(turn.index, stop) as unit:
                    tiles.transform(code, a["x"], v, band, turn.index, unit.index)
                    self._transform(code, a["g"], w, of_biases, zeros, turn.index, unit.index)
                n_tiles = tiles.first_tile(code, turn.index, stop)
                self._multiply(code, v, w, sums, n_tiles)

    # Gradients to tiles

    def _transform(
        self, code: Code, g: str, w: str, of_biases: str, zeros: str, start: str, unit: str
    ) -> None:
        """The gradients of each product of a unit's tiles: [product][tile][filter]."""
        tiles, lanes, layout = self._tiles, self.tiling.lanes, self.tiling.y
        image, tile_row = tiles.place(code, unit)
        tile = tiles.first_tile(code, start, unit)
        columns = self.tiling.tiles[1]
        with code.loop(0, tiles.count // lanes) as block:
            plane = code.at(
                g, code.add(code.mul(image, layout.sample), code.mul(block.index, layout.block))
            )
            first = code.mul(block.index, lanes)
            bias = code.at(of_biases, first)
            target = code.at(w, code.add(code.mul(tile, tiles.count), first))
            with code.loop(0, tiles.rows) as row, code.loop(0, columns) as column:
                place = (code.add(tile_row, row.index), column.index)
                gradients = self._gradients(code, plane, place, zeros)
                total = code.load(tiles.vector, bias)
                for each in itertools.chain(*gradients):
                    total = code.let(f"fadd {tiles.vector} {total}, {each}")
                code.store(tiles.vector, total, bias)
                of_tile = code.mul(
                    code.add(code.mul(row.index, columns), column.index), tiles.count
                )
                self._transform_tile(code, gradients, code.at(target, of_tile))

    def _gradients(
        self, code: Code, plane: str, place: tuple[str, str], zeros: str
    ) -> list[list[str]]:
        """Of one tile's results; zero beside the image."""
        layout = self.tiling.y
        row, column = (code.mul(index, TILE) for index in place)
        lines = []
        for down in range(TILE):
            line = []
            for right in range(TILE):
                where = (code.add(row, down), code.add(column, right))
                source = code.at(
                    plane,
                    code.add(code.mul(where[0], layout.row), code.mul(where[1], layout.column)),
                )
                for index, size, step in zip(
                    where, self.tiling.convolved, (down, right), strict=True
                ):
                    if step and size % TILE:
                        inside = code.let(f"icmp slt i64 {index}, {size}")
                        source = code.let(f"select i1 {inside}, ptr {source}, ptr {zeros}")
                line.append(code.load(self._tiles.vector, source))
            lines.append(line)
        return lines

    def _transform_tile(self, code: Code, gradients: list[list[str]], target: str) -> None:
        tiles = self._tiles
        for i, terms in enumerate(tiles.down.gradients):
            line = [
                tiles.summed(code, terms, of_column) for of_column in zip(*gradients, strict=True)
            ]
            for j, across in enumerate(tiles.right.gradients):
                product = i * tiles.right.n_products + j
                value = tiles.summed(code, across, line)
                code.store(tiles.vector, value, code.at(target, product * self._w_plane))

    # Products

    def _multiply(self, code: Code, v: str, w: str, sums: str, n_tiles: str) -> None:
        """Add a turn's tiles to the sums: [product][channel][filter]."""
        tiles = self._tiles
        step = self._blocks * self.tiling.lanes
        with (
            code.loop(0, tiles.n_products) as product,
            code.loop(0, tiles.count, step) as first,
            code.loop(0, tiles.channels, self._channels_at_once) as channel,
        ):
            images = code.at(v, code.add(code.mul(product.index, tiles.plane), channel.index))
            gradients = code.at(w, code.add(code.mul(product.index, self._w_plane), first.index))
            place = code.add(code.mul(channel.index, tiles.count), first.index)
            result = code.at(sums, code.add(code.mul(product.index, self._s_plane), place))
            self._product(code, images, gradients, result, n_tiles)

    def _product(self, code: Code, images: str, gradients: str, result: str, n_tiles: str) -> None:
        """Of some channels with some filters, the sums in registers."""
        tiles, lanes, vector = self._tiles, self.tiling.lanes, self._tiles.vector
        pairs = list(itertools.product(range(self._channels_at_once), range(self._blocks)))
        places = [code.at(result, c * tiles.count + b * lanes) for c, b in pairs]
        initial = [code.load(vector, place) for place in places]
        with code.loop(0, n_tiles, kind=vector, initial=initial) as tile:
            line = code.at(gradients, code.mul(tile.index, tiles.count))
            numbers = [code.load(vector, code.at(line, b * lanes)) for b in range(self._blocks)]
            start = code.at(images, code.mul(tile.index, tiles.channels))
            values = [
                broadcast(code, lanes, code.load("float", code.at(start, c)))
                for c in range(self._channels_at_once)
            ]
            tile.values = [
                fused(code, lanes, values[c], numbers[b], total)
                for (c, b), total in zip(pairs, tile.values, strict=True)
            ]
        for place, total in zip(places, tile.values, strict=True):
            code.store(vector, total, place)

    # Sums to gradients

    def _finish(self, code: Code) -> None:
        tiles, lanes = self._tiles, self.tiling.lanes
        _, rows, columns = self.tiling.filters
        a = taken(code, FINISH_ARGUMENTS)
        n_blocks = tiles.count // lanes
        _, first, last = share(code, n_blocks * tiles.channels)
        with code.loop(first, last) as each:
            block, channel = tiles.divided(code, each.index, tiles.channels)
            place = code.add(code.mul(channel, tiles.count), code.mul(block, lanes))
            lines = [
                self._back(code, tiles.right.filters, columns, line)
                for line in self._sums(code, a["sums"], place)
            ]
            target = code.at(a["gw"], code.mul(each.index, rows * columns * lanes))
            for column, of_column in enumerate(zip(*lines, strict=True)):
                down = self._back(code, tiles.down.filters, rows, list(of_column))
                for row, value in enumerate(down):
                    tap = (row * columns + column) * lanes
                    code.store(tiles.vector, value, code.at(target, tap))
        _, first, last = share(code, n_blocks)
        with code.loop(first, last) as of_block:
            place = code.add(code.mul(of_block.index, lanes), tiles.n_products * self._s_plane)
            total = self._added(code, a["sums"], place)
            code.store(tiles.vector, total, code.at(a["gb"], code.mul(of_block.index, lanes)))

    def _sums(self, code: Code, sums: str, place: str) -> list[list[str]]:
        """All products of one channel and a block of filters."""
        tiles = self._tiles
        return [
            [
                self._added(
                    code,
                    sums,
                    code.add(place, (i * tiles.right.n_products + j) * self._s_plane),
                )
                for j in range(tiles.right.n_products)
            ]
            for i in range(tiles.down.n_products)
        ]

    def _added(self, code: Code, sums: str, place: str) -> str:
        """What the parts have at a place, in their order."""
        start, vector = code.at(sums, place), self._tiles.vector
        total = code.load(vector, start)
        for part in range(1, self._n_parts):
            value = code.load(vector, code.at(start, part * self._part))
            total = code.let(f"fadd {vector} {total}, {value}")
        return total

    def _back(
        self,
        code: Code,
        filters: list[tuple[tuple[tuple[int, int], ...], float]],
        n_taps: int,
        products: list[str],
    ) -> list[str]:
        """From the gradients of products to those of taps: a tap's is of each that it is in."""
        scaled = [
            self._tiles.scaled(code, value, factor)
            for value, (_, factor) in zip(products, filters, strict=True)
        ]
        return [
            self._tiles.summed(
                code,
                tuple(
                    (sign, product)
                    for product, (terms, _) in enumerate(filters)
                    for sign, place in terms
                    if place == tap
                ),
                scaled,
            )
            for tap in range(n_taps)
        ]
