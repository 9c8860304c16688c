"""The gradients of a convolution behind which a max pooling stands.

With g the gradient of the pooled images, y the convolved ones and p(w) the
place in the image of the pixel that is the maximum of window w::

    gw[k, c, r, s]  = sum over n, w of  g[n, k, w] · x[n, c, p(w) + (r, s)]
    gb[k]           = sum over n, w of  g[n, k, w]
    gx[n, c, · ]   += g[n, k, w] · w[k, c, r, s]   at p(w) + (r, s), for all k, w, r, s

oneDNN, like everyone, writes the gradient of y with its zeros and multiplies
them all; here only those g that are not zero are multiplied. They are gathered
in lists, and a list is worked off with the results in registers: for the
filters, a list holds a filter's places in some images; for the images, the
filters that have a maximum at one place.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .code import Code
from .function import broadcast, declarations, fused, share, taken
from .geometry import Geometry

__all__ = ["FILTERS_ARGUMENTS", "IMAGES_ARGUMENTS", "PooledConvolutionGradient"]

#: What the functions take, in this order, as an array of addresses; n_samples as a number.
FILTERS_ARGUMENTS = ("classes", "starts", "n_samples", "scratch", "x", "g", "positions", "gw", "gb")
IMAGES_ARGUMENTS = ("classes", "starts", "n_samples", "scratch", "w", "g", "positions", "gx")
#: Bytes of images that a list of places may refer to: they shall stay in the nearest cache.
NEAR = 24 * 1024
#: Bytes of lists of filters that are kept for one turn.
LISTS = 32 * 1024


class PooledConvolutionGradient:
    """The two functions, in LLVM's language, and the scratch memory that they need.

    Parameters
    ----------
    geometry : Geometry
    registers : int
        Vectors of ``geometry.lanes`` numbers that a processor has registers for.

    Notes
    -----
    Each function is to be called by all threads of an OpenMP region with the
    same array of addresses. The threads divide filters, respectively images,
    between them, so that results do not depend on how many there are.
    """

    def __init__(self, geometry: Geometry, registers: int) -> None:
        self.geometry = geometry
        _, rows, columns = geometry.filters
        self._most = registers - 5
        self._group = max(
            size
            for size in range(1, geometry.n_blocks + 1)
            if geometry.n_blocks % size == 0 and (size == 1 or size * rows * columns <= self._most)
        )
        self._n_groups = geometry.n_blocks // self._group
        self._n_windows = geometry.windows[0] * geometry.windows[1]
        self._images, self._band = self._tile()
        self._capacity = self._images * self._band * geometry.windows[1]
        per_window = 8 * geometry.window_size * geometry.filters[0]
        self._windows = max(1, min(self._n_windows, LISTS // per_window))

    def filters_scratch(self) -> int:
        """Bytes of scratch memory that the gradient of the filters needs."""
        n_classes = len(self.geometry.classes)
        return self.geometry.filters[0] * n_classes * (8 * self._capacity + 8)

    def images_scratch(self, num_threads: int) -> int:
        """Bytes of scratch memory that the gradient of the images needs."""
        return num_threads * self._images_scratch()

    def _images_scratch(self) -> int:
        lists = self._windows * self.geometry.window_size
        return lists * (8 * self.geometry.filters[0] + 8)

    def _tile(self) -> tuple[int, int]:
        """(images, rows of windows) whose places share a list: near each other in memory."""
        geometry = self.geometry
        line = 4 * self._group * geometry.x.row
        _, height, _ = geometry.image
        if line * height <= NEAR:
            return NEAR // (line * height), geometry.windows[0]
        step = geometry.pool.stride[0] * geometry.conv.stride[0]
        window = geometry.pool.window[0] * geometry.conv.stride[0] + geometry.filters[1]
        return 1, max(1, min(geometry.windows[0], 1 + (NEAR // line - window) // step))

    # The module

    def text(self) -> str:
        """The module: functions ``filters`` and ``images``."""
        parts = declarations(self.geometry.lanes)
        for index, taps in enumerate(self.geometry.classes):
            parts.append(
                self._accumulator(f"filters{index}", self._of_filter(taps), self._of_image(taps))
            )
            parts.append(
                self._accumulator(f"images{index}", self._of_image(taps), self._of_filter(taps))
            )
        parts.append(self._function("filters", self._filters))
        parts.append(self._function("images", self._images_function))
        return "\n\n".join(parts)

    def _of_image(self, taps: Sequence[tuple[int, int]]) -> list[int]:
        """From the first tap's place to each tap's, for each block of a group."""
        x = self.geometry.x
        return [
            block * x.block + row * x.row + column * x.column
            for block in range(self._group)
            for row, column in taps
        ]

    def _of_filter(self, taps: Sequence[tuple[int, int]]) -> list[int]:
        """From a filter's first number to each tap's, for each block of a group."""
        _, rows, columns = self.geometry.filters
        return [
            ((block * rows + row) * columns + column) * self.geometry.lanes
            for block in range(self._group)
            for row, column in taps
        ]

    def _accumulator(self, name: str, results: list[int], factors: list[int]) -> str:
        """result[i] += value · factor[i], for all values of a list, in registers."""
        code, vector = Code(), f"<{self.geometry.lanes} x float>"
        size = -(-len(results) // -(-len(results) // self._most))
        for batch in range(0, len(results), size):
            places = [code.at("%results", each) for each in results[batch : batch + size]]
            initial = [code.load(vector, place) for place in places]
            with code.loop(0, "%count", kind=vector, initial=initial) as loop:
                number = code.load("float", code.at("%values", loop.index))
                value = broadcast(code, self.geometry.lanes, number)
                offset = code.load("i32", code.at("%offsets", loop.index, "i32"))
                start = code.at("%factors", code.let(f"sext i32 {offset} to i64"))
                loop.values = [
                    fused(
                        code,
                        self.geometry.lanes,
                        value,
                        code.load(vector, code.at(start, factor)),
                        before,
                    )
                    for before, factor in zip(
                        loop.values, factors[batch : batch + size], strict=True
                    )
                ]
            for place, after in zip(places, loop.values, strict=True):
                code.store(vector, after, place)
        arguments = "ptr %results, ptr %factors, ptr %offsets, ptr %values, i64 %count"
        return f"define internal void @{name}({arguments}) noinline {{\n{code.text()}\n}}"

    def _function(self, name: str, write: Callable[[Code], None]) -> str:
        code = Code()
        write(code)
        return f"define void @{name}(ptr %arguments) {{\n{code.text()}\n}}"

    def _of_filter_number(self, code: Code, k: str) -> str:
        """Where in a pooled image the numbers of filter k begin."""
        lanes, block = self.geometry.pooled.lanes, self.geometry.pooled.block
        blocks = code.let(f"sdiv i64 {k}, {lanes}")
        return code.add(code.mul(blocks, block), code.let(f"srem i64 {k}, {lanes}"))

    def _look(self, code: Code, a: dict[str, str], where: str) -> tuple[str, str]:
        """The gradient at a place of the pooled images, and which pixel was the maximum."""
        value = code.load("float", code.at(a["g"], where))
        position = code.load("i8", code.at(a["positions"], where, "i8"), 1)
        return value, code.let(f"zext i8 {position} to i64")

    def _append(
        self, code: Code, count_at: str, offsets: str, values: str, offset: str, value: str
    ) -> None:
        """Put (offset, value) at a list's end; it stays only if the value is not zero."""
        count = code.load("i64", count_at, 8)
        short = code.let(f"trunc i64 {offset} to i32")
        code.store("i32", short, code.at(offsets, count, "i32"))
        code.store("float", value, code.at(values, count))
        counts = code.let(f"zext i1 {code.let(f'fcmp une float {value}, 0.0')} to i64")
        code.store("i64", code.add(count, counts), count_at, 8)

    def _place(self, code: Code, a: dict[str, str], place: str) -> tuple[str, str]:
        """The class of a place, and where it begins."""
        return tuple(  # type: ignore[return-value]
            code.let(f"sext i32 {code.load('i32', code.at(a[name], place, 'i32'))} to i64")
            for name in ("classes", "starts")
        )

    # The gradient of the filters

    def _filters(self, code: Code) -> None:
        geometry = self.geometry
        a = taken(code, FILTERS_ARGUMENTS)
        _, first, last = share(code, geometry.filters[0])
        size = geometry.filter_size
        self._clear(code, code.at(a["gw"], code.mul(first, size)), first, last, size)
        with code.loop(first, last) as k:
            code.store("float", "0.0", code.at(a["gb"], k.index))
        with code.loop(0, a["n_samples"], self._images) as image:
            end = code.smaller(code.add(image.index, self._images), a["n_samples"])
            with code.loop(0, geometry.windows[0], self._band) as band:
                rows = code.smaller(code.add(band.index, self._band), geometry.windows[0])
                windows = [code.mul(each, geometry.windows[1]) for each in (band.index, rows)]
                with code.loop(first, last) as k:
                    self._list_places(code, a, k.index, (image.index, end), windows)
                with code.loop(0, self._n_groups) as group, code.loop(first, last) as k:
                    self._work_off_places(code, a, group.index, k.index, image.index)

    def _clear(self, code: Code, start: str, first: str, last: str, size: int) -> None:
        """Zeros for (last - first) · size numbers; `size` is a number of whole vectors."""
        lanes = self.geometry.lanes
        with code.loop(0, code.mul(code.let(f"sub i64 {last}, {first}"), size), lanes) as number:
            code.store(f"<{lanes} x float>", "zeroinitializer", code.at(start, number.index))

    def _places_lists(self, code: Code, a: dict[str, str], k: str) -> tuple[str, str, str]:
        """Addresses of filter k's counts, offsets and values: one list for each class."""
        n_classes, n_filters = len(self.geometry.classes), self.geometry.filters[0]
        counts = code.at(a["scratch"], code.mul(k, n_classes), "i64")
        lists = code.at(a["scratch"], n_filters * n_classes, "i64")
        size = n_classes * self._capacity
        offsets = code.at(lists, code.mul(k, size), "i32")
        return counts, offsets, code.at(offsets, n_filters * size)

    def _list_places(
        self, code: Code, a: dict[str, str], k: str, images: tuple[str, str], windows: list[str]
    ) -> None:
        geometry = self.geometry
        counts, offsets, values = self._places_lists(code, a, k)
        for index in range(len(geometry.classes)):
            code.store("i64", "0", code.at(counts, index, "i64"), 8)
        begin = self._of_filter_number(code, k)
        bias = code.at(a["gb"], k)
        initial = [code.load("float", bias)]
        with code.loop(images[0], images[1], kind="float", initial=initial) as image:
            start = code.add(begin, code.mul(image.index, geometry.pooled.sample))
            inside = code.mul(code.let(f"sub i64 {image.index}, {images[0]}"), geometry.x.sample)
            with code.loop(windows[0], windows[1], kind="float", initial=image.values) as window:
                where = code.add(start, code.mul(window.index, geometry.pooled.column))
                value, position = self._look(code, a, where)
                place = code.add(code.mul(window.index, geometry.window_size), position)
                kind, corner = self._place(code, a, place)
                shift = code.mul(kind, self._capacity)
                self._append(
                    code,
                    code.at(counts, kind, "i64"),
                    code.at(offsets, shift, "i32"),
                    code.at(values, shift),
                    code.add(inside, corner),
                    value,
                )
                window.values = [code.let(f"fadd float {window.values[0]}, {value}")]
            image.values = window.values
        code.store("float", image.values[0], bias)

    def _work_off_places(
        self, code: Code, a: dict[str, str], group: str, k: str, image: str
    ) -> None:
        geometry = self.geometry
        counts, offsets, values = self._places_lists(code, a, k)
        factors = code.at(
            a["x"],
            code.add(
                code.mul(image, geometry.x.sample),
                code.mul(group, self._group * geometry.x.block),
            ),
        )
        results = code.at(
            a["gw"],
            code.add(
                code.mul(k, geometry.filter_size),
                code.mul(group, geometry.filter_size // self._n_groups),
            ),
        )
        for index in range(len(geometry.classes)):
            shift = index * self._capacity
            count = code.load("i64", code.at(counts, index, "i64"), 8)
            code.do(
                f"call void @filters{index}(ptr {results}, ptr {factors}, "
                f"ptr {code.at(offsets, shift, 'i32')}, ptr {code.at(values, shift)}, i64 {count})"
            )

    # The gradient of the images

    def _images_function(self, code: Code) -> None:
        geometry = self.geometry
        a = taken(code, IMAGES_ARGUMENTS)
        number, first, last = share(code, a["n_samples"])
        scratch = code.at(a["scratch"], code.mul(number, self._images_scratch()), "i8")
        size = geometry.x.sample
        self._clear(code, code.at(a["gx"], code.mul(first, size)), first, last, size)
        with (
            code.loop(first, last) as image,
            code.loop(0, self._n_windows, self._windows) as begin,
        ):
            stop = code.smaller(code.add(begin.index, self._windows), self._n_windows)
            with code.loop(begin.index, stop) as window:
                self._list_filters(code, a, scratch, image.index, window.index, begin.index)
            with code.loop(0, self._n_groups) as group, code.loop(begin.index, stop) as window:
                for pixel in range(geometry.window_size):
                    self._work_off_filters(
                        code, a, scratch, image.index, window.index, begin.index, group.index, pixel
                    )

    def _filters_lists(
        self, code: Code, scratch: str, window: str, begin: str
    ) -> tuple[str, str, str]:
        """Addresses of a window's counts, offsets and values: a list for each of its pixels."""
        n_pixels, n_filters = self.geometry.window_size, self.geometry.filters[0]
        inside = code.let(f"sub i64 {window}, {begin}")
        counts = code.at(scratch, code.mul(inside, n_pixels), "i64")
        lists = code.at(scratch, self._windows * n_pixels, "i64")
        offsets = code.at(lists, code.mul(inside, n_pixels * n_filters), "i32")
        return counts, offsets, code.at(offsets, self._windows * n_pixels * n_filters)

    def _list_filters(
        self, code: Code, a: dict[str, str], scratch: str, image: str, window: str, begin: str
    ) -> None:
        geometry = self.geometry
        counts, offsets, values = self._filters_lists(code, scratch, window, begin)
        for pixel in range(geometry.window_size):
            code.store("i64", "0", code.at(counts, pixel, "i64"), 8)
        start = code.add(
            code.mul(image, geometry.pooled.sample), code.mul(window, geometry.pooled.column)
        )
        with code.loop(0, geometry.filters[0]) as k:
            where = code.add(start, self._of_filter_number(code, k.index))
            value, position = self._look(code, a, where)
            shift = code.mul(position, geometry.filters[0])
            self._append(
                code,
                code.at(counts, position, "i64"),
                code.at(offsets, shift, "i32"),
                code.at(values, shift),
                code.mul(k.index, geometry.filter_size),
                value,
            )

    def _work_off_filters(
        self,
        code: Code,
        a: dict[str, str],
        scratch: str,
        image: str,
        window: str,
        begin: str,
        group: str,
        pixel: int,
    ) -> None:
        geometry = self.geometry
        counts, offsets, values = self._filters_lists(code, scratch, window, begin)
        shift = pixel * geometry.filters[0]
        count = code.load("i64", code.at(counts, pixel, "i64"), 8)
        place = code.add(code.mul(window, geometry.window_size), pixel)
        kind, corner = self._place(code, a, place)
        results = code.at(
            a["gx"],
            code.add(
                code.add(code.mul(image, geometry.x.sample), corner),
                code.mul(group, self._group * geometry.x.block),
            ),
        )
        factors = code.at(a["w"], code.mul(group, geometry.filter_size // self._n_groups))
        # No filter has its maximum here: nothing to load and store.
        some = code.let(f"icmp ne i64 {count}, 0")
        kind = code.let(f"select i1 {some}, i64 {kind}, i64 {len(geometry.classes)}")
        for index in code.switch(kind, len(geometry.classes)):
            code.do(
                f"call void @images{index}(ptr {results}, ptr {factors}, "
                f"ptr {code.at(offsets, shift, 'i32')}, ptr {code.at(values, shift)}, i64 {count})"
            )
