"""The tiles of Winograd's algorithm: how images are walked, and what products take of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .code import Code
from .winograd_transform import TILE, TapTransform, Terms, Tiling, n_products

__all__ = ["Tiles"]

#: Tiles that the last step of a turn's products may go beyond it.
SPARE = 3


class Tiles:
    """The tiles of a convolution in turns, and code that several kernels share.

    A *unit* is an image or, of a large one, a band of rows of tiles; a *turn*
    is what a thread transforms before it multiplies: some units.

    Parameters
    ----------
    tiling : Tiling
    near, far : int
        Bytes that the two sides of the products of one unit, and of one turn, may
        take together.

    Attributes
    ----------
    down, right : TapTransform
        Of columns, and of rows.
    n_products : int
        Of a tile and a pair of channels.
    units, per_unit : int
        Units of a turn, and tiles of a unit.
    bands : int
        Units of an image.
    room : int
        Tiles that there is room for: a turn's, and some that its last step may go beyond them.
    plane : int
        From one product's images' side to the next, in numbers.
    """

    def __init__(self, tiling: Tiling, near: int, far: int) -> None:
        self.tiling = tiling
        self.vector = f"<{tiling.lanes} x float>"
        self.channels, self._height, self._width = tiling.image
        self.count, rows, columns = tiling.filters
        self.down, self.right = TapTransform(rows), TapTransform(columns)
        self.n_products = n_products(tiling)
        self.rows, self.units = self._turn(near, far)
        self.per_unit = self.rows * tiling.tiles[1]
        self.bands = tiling.tiles[0] // self.rows
        self.room = self.units * self.per_unit + SPARE
        # Planes a power of two apart would all fall on the same lines of a cache.
        self.plane = self.room * self.channels + tiling.lanes

    def _turn(self, near: int, far: int) -> tuple[int, int]:
        """(rows of tiles of a unit, units of a turn)."""
        rows, columns = self.tiling.tiles
        of_tile = 4 * self.n_products * (self.channels + self.count)
        most = near // of_tile
        fitting = [n for n in range(1, rows + 1) if rows % n == 0 and n * columns <= most]
        unit = max(fitting, default=1)
        units = max(1, far // (of_tile * unit * columns))
        # Full registers in each step of the product matter more than a few tiles.
        even = [n for n in range(-(-units // 2), units + 1) if n * unit * columns % 12 == 0]
        return unit, max(even, default=units)

    @property
    def band_size(self) -> int:
        """Numbers of scratch memory that `transform` needs, to be filled with zeros before."""
        if not self._is_copied:
            return 0
        rows, columns = self._band
        x = self.tiling.x
        return rows * columns * x.lanes + (self._width - 1) * x.column + x.lanes

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
        return TILE * self.rows + rows - 1, TILE * self.tiling.tiles[1] + columns - 1

    # Code

    def place(self, code: Code, unit: str) -> tuple[str, str]:
        """A unit's image, and its first row of tiles."""
        if self.bands == 1:
            return unit, code.add(0, 0)
        image, band = self.divided(code, unit, self.bands)
        return image, code.mul(band, self.rows)

    def first_tile(self, code: Code, start: str, unit: str) -> str:
        """The number of a unit's first tile in the turn that begins with unit `start`."""
        return code.mul(code.let(f"sub i64 {unit}, {start}"), self.per_unit)

    def transform(self, code: Code, x: str, v: str, band: str, start: str, unit: str) -> None:
        """The images' side of each product of a unit's tiles: [product][tile][channel]."""
        layout, lanes = self.tiling.x, self.tiling.lanes
        image, tile_row = self.place(code, unit)
        image = code.at(x, code.mul(image, layout.sample))
        pixel_row = code.mul(tile_row, TILE)
        tile = self.first_tile(code, start, unit)
        with code.loop(0, self.channels // lanes) as block:
            source = code.at(image, code.mul(block.index, layout.block))
            steps = (layout.row, layout.column)
            if self._is_copied:
                self._copy(code, source, band, pixel_row)
                source, steps = band, (self._band[1] * lanes, lanes)
            else:
                source = code.at(source, code.mul(pixel_row, layout.row))
            target = code.at(
                v, code.add(code.mul(tile, self.channels), code.mul(block.index, lanes))
            )
            columns = self.tiling.tiles[1]
            with code.loop(0, self.rows) as row, code.loop(0, columns) as column:
                corner = code.add(
                    code.mul(row.index, TILE * steps[0]), code.mul(column.index, TILE * steps[1])
                )
                of_tile = code.mul(
                    code.add(code.mul(row.index, columns), column.index), self.channels
                )
                self._transform_tile(code, code.at(source, corner), steps, code.at(target, of_tile))

    def _copy(self, code: Code, plane: str, band: str, first_row: str) -> None:
        """What a unit sees of a plane, into the middle of zeros."""
        layout, lanes = self.tiling.x, self.tiling.lanes
        (top, _), (left, _) = self.tiling.padding
        rows, columns = self._band
        zeros = code.at(band, rows * columns * lanes)
        with code.loop(0, rows) as row:
            source = code.add(code.add(first_row, row.index), -top)
            inside = code.let(f"icmp ult i64 {source}, {self._height}")
            line = code.at(plane, code.mul(source, layout.row))
            line = code.let(f"select i1 {inside}, ptr {line}, ptr {zeros}")
            target = code.at(band, code.mul(row.index, columns * lanes))
            with code.loop(0, min(self._width, columns - left)) as column:
                pixels = code.load(
                    self.vector, code.at(line, code.mul(column.index, layout.column))
                )
                place = code.mul(code.add(column.index, left), lanes)
                code.store(self.vector, pixels, code.at(target, place))

    def _transform_tile(self, code: Code, source: str, steps: tuple[int, int], target: str) -> None:
        """One tile of a block of channels."""
        _, _, columns = self.tiling.filters
        for i, terms in enumerate(self.down.images):
            line = []
            for column in range(columns + TILE - 1):
                pixels = {
                    row: code.load(self.vector, code.at(source, row * steps[0] + column * steps[1]))
                    for _, row in terms
                }
                line.append(self.summed(code, terms, pixels))
            for j, across in enumerate(self.right.images):
                product = i * self.right.n_products + j
                value = self.summed(code, across, line)
                code.store(self.vector, value, code.at(target, product * self.plane))

    # What sums are made of

    def summed(self, code: Code, terms: Terms, values: Sequence[str] | Mapping[int, str]) -> str:
        """The terms one after the other."""
        (sign, first), *others = terms
        total = values[first]
        if sign < 0:
            total = code.let(f"fneg {self.vector} {total}")
        for sign, place in others:
            operation = "fadd" if sign > 0 else "fsub"
            total = code.let(f"{operation} {self.vector} {total}, {values[place]}")
        return total

    def scaled(self, code: Code, value: str, factor: float) -> str:
        """value · factor"""
        if factor == 1.0:
            return value
        constant = ", ".join([f"float {factor:e}"] * self.tiling.lanes)
        return code.let(f"fmul {self.vector} {value}, <{constant}>")

    def divided(self, code: Code, number: str, divisor: int) -> tuple[str, str]:
        """The quotient and the remainder."""
        return (
            code.let(f"sdiv i64 {number}, {divisor}"),
            code.let(f"srem i64 {number}, {divisor}"),
        )
