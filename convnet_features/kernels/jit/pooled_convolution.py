"""A convolution of images with few channels, its bias, a max pooling and a rectify, at once.

The first convolution of a network makes much of little: 32 maps of 24×24 of an
image of 28×28. oneDNN writes them all to memory, to read them again and keep a
quarter. Here the pixels of some windows are computed in registers, and what is
written is their maximum::

    y[n, k, i, j] = max over (a, b) of  b[k] + sum over c, r, s of
                    x[n, c, (p·i + a)·d + r - top, (q·j + b)·e + s - left] · w[k, c, r, s]

with (p, q) the pooling's strides and (d, e) the convolution's.
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
from .geometry import Geometry, Layout

__all__ = ["ARGUMENTS", "PooledConvolution"]

#: What the function takes, in this order, as an array of addresses; n_samples as a number.
ARGUMENTS = ("n_samples", "scratch", "x", "w", "b", "y", "positions")
#: Registers for what is not a result: filters, a pixel.
OTHER_REGISTERS = 4


class PooledConvolution:
    """The function ``forward``, in LLVM's language.

    Parameters
    ----------
    geometry : Geometry
        Images come plain, filters as [block][channel][row][column][lane]; the
        number of filters is a multiple of ``geometry.lanes``.
    pooled : Layout
        Of the pooled images, and of one byte for each: which pixel of its window it was.
    rectify : bool
        Whether the maxima are rectified.
    training : bool
        Whether to note, in a byte for each maximum, which pixel of its window it was.
    registers : int
        Vectors of ``geometry.lanes`` numbers that a processor has registers for.
    """

    def __init__(
        self,
        geometry: Geometry,
        pooled: Layout,
        rectify: bool,
        training: bool,
        registers: int,
    ) -> None:
        self.geometry = geometry
        self._pooled = pooled
        self._rectify = rectify
        self._training = training
        self._vector = f"<{geometry.lanes} x float>"
        results = registers - OTHER_REGISTERS
        n_blocks = geometry.filters[0] // geometry.lanes
        # Two blocks of filters share a pixel that was loaded, where there is room for them.
        self._blocks = 2 if n_blocks % 2 == 0 and 4 * geometry.window_size <= results else 1
        self._windows = max(1, results // (self._blocks * geometry.window_size))

    def scratch(self, num_threads: int) -> int:
        """Bytes of scratch memory that it needs: an image with its padding for each thread."""
        return num_threads * 4 * self._padded_size if self._is_padded else 0

    def text(self) -> str:
        """The module."""
        code = Code()
        self._forward(code)
        function = f"define void @forward(ptr %arguments) {{\n{code.text()}\n}}"
        return "\n\n".join([*declarations(self.geometry.lanes), function])

    # Images

    @property
    def _is_padded(self) -> bool:
        return any(map(any, self.geometry.conv.padding))

    @property
    def _padded(self) -> tuple[int, int, int]:
        """Channels, rows and columns with the padding."""
        channels, height, width = self.geometry.image
        (top, bottom), (left, right) = self.geometry.conv.padding
        return channels, top + height + bottom, left + width + right

    @property
    def _padded_size(self) -> int:
        channels, rows, columns = self._padded
        return channels * rows * columns

    def _forward(self, code: Code) -> None:
        channels, height, width = self.geometry.image
        a = taken(code, ARGUMENTS)
        number, first, last = share(code, a["n_samples"])
        room = code.at(a["scratch"], code.mul(number, self._padded_size))
        if self._is_padded:
            with code.loop(0, self._padded_size) as place:
                code.store("float", "0.0", code.at(room, place.index))
        with code.loop(first, last) as image:
            x = code.at(a["x"], code.mul(image.index, channels * height * width))
            if self._is_padded:
                self._copy(code, x, room)
                x = room
            n_blocks = self.geometry.filters[0] // self.geometry.lanes
            with code.loop(0, n_blocks, self._blocks) as block:
                self._convolve(code, a, x, image.index, block.index)

    def _copy(self, code: Code, x: str, room: str) -> None:
        """An image into the middle of its padding."""
        channels, height, width = self.geometry.image
        (top, _), (left, _) = self.geometry.conv.padding
        _, rows, columns = self._padded
        with code.loop(0, channels) as channel, code.loop(0, height) as row:
            source = code.add(code.mul(channel.index, height), row.index)
            target = code.add(code.mul(channel.index, rows), code.add(row.index, top))
            start = code.at(x, code.mul(source, width))
            end = code.at(room, code.add(code.mul(target, columns), left))
            with code.loop(0, width) as column:
                pixel = code.load("float", code.at(start, column.index))
                code.store("float", pixel, code.at(end, column.index))

    # Windows

    def _convolve(self, code: Code, a: dict[str, str], x: str, image: str, block: str) -> None:
        rows, columns = self.geometry.windows
        whole = columns - columns % self._windows
        with code.loop(0, rows) as row:
            with code.loop(0, whole, self._windows) as column:
                self._some_windows(code, a, x, image, block, row.index, column.index, self._windows)
            if whole < columns:
                rest = code.add(whole, 0)
                self._some_windows(code, a, x, image, block, row.index, rest, columns - whole)

    def _some_windows(
        self,
        code: Code,
        a: dict[str, str],
        x: str,
        image: str,
        block: str,
        row: str,
        column: str,
        n_windows: int,
    ) -> None:
        """All pixels of windows side by side, and their maxima."""
        geometry = self.geometry
        (down, right), (height, width) = geometry.pool.stride, geometry.pool.window
        strides, (_, _, n_columns) = geometry.conv.stride, self._padded
        corner = code.add(
            code.mul(row, down * strides[0] * n_columns), code.mul(column, right * strides[1])
        )
        pixels = [
            pixel_row * strides[0] * n_columns + (window * right + pixel_column) * strides[1]
            for window, pixel_row, pixel_column in itertools.product(
                range(n_windows), range(height), range(width)
            )
        ]
        biases = [
            code.load(
                self._vector,
                code.at(a["b"], code.mul(code.add(block, each), geometry.lanes)),
            )
            for each in range(self._blocks)
        ]
        sums = self._sums(code, a["w"], code.at(x, corner), block, pixels, biases)
        place = code.add(code.mul(row, geometry.windows[1]), column)
        for each, window in itertools.product(range(self._blocks), range(n_windows)):
            of_window = [
                sums[(window * geometry.window_size + pixel) * self._blocks + each]
                for pixel in range(geometry.window_size)
            ]
            where = code.add(
                code.add(
                    code.mul(image, self._pooled.sample),
                    code.mul(code.add(block, each), self._pooled.block),
                ),
                code.mul(code.add(place, window), self._pooled.column),
            )
            self._maximum(code, a, of_window, where)

    def _sums(
        self, code: Code, w: str, x: str, block: str, pixels: list[int], biases: list[str]
    ) -> list[str]:
        """The convolution at places `pixels` behind `x`, for each the blocks of filters in turn."""
        geometry, vector = self.geometry, self._vector
        _, n_rows, n_columns = self._padded
        (channels, _, _), (_, rows, columns) = geometry.image, geometry.filters
        taps = rows * columns
        first = code.at(w, code.mul(block, channels * taps * geometry.lanes))
        initial = biases * len(pixels)
        # One tap at a time: unrolled, LLVM would keep more pixels than there are registers for.
        with code.loop(0, channels, kind=vector, initial=initial) as channel:
            plane = code.at(x, code.mul(channel.index, n_rows * n_columns))
            filters = code.at(first, code.mul(channel.index, taps * geometry.lanes))
            with code.loop(0, rows, kind=vector, initial=channel.values) as row:
                line = code.at(plane, code.mul(row.index, n_columns))
                of_row = code.at(filters, code.mul(row.index, columns * geometry.lanes))
                with code.loop(0, columns, kind=vector, initial=row.values) as column:
                    start = code.at(line, column.index)
                    tap = code.at(of_row, code.mul(column.index, geometry.lanes))
                    numbers = [
                        code.load(vector, code.at(tap, each * channels * taps * geometry.lanes))
                        for each in range(self._blocks)
                    ]
                    following = []
                    for index, pixel in enumerate(pixels):
                        value = broadcast(
                            code, geometry.lanes, code.load("float", code.at(start, pixel))
                        )
                        following += [
                            fused(
                                code,
                                geometry.lanes,
                                value,
                                number,
                                column.values[index * self._blocks + each],
                            )
                            for each, number in enumerate(numbers)
                        ]
                    column.values = following
                row.values = column.values
            channel.values = row.values
        return channel.values

    def _maximum(self, code: Code, a: dict[str, str], pixels: list[str], where: str) -> None:
        """The maximum of a window, and which pixel it was."""
        lanes = self.geometry.lanes
        largest, position = greatest(code, lanes, pixels, self._training)
        if self._rectify:
            largest = rectified(code, lanes, largest)
        code.store(self._vector, largest, code.at(a["y"], where))
        if self._training:
            code.store(f"<{lanes} x i8>", position, code.at(a["positions"], where, "i8"), 1)
