"""A row times a matrix that is read once, in the order in which it lies in memory.

Each number of the matrix is multiplied once, so that nothing counts but how fast memory
gives it. Threads divide the columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .code import Code
from .function import broadcast, declarations, fused, rectified, share, taken

__all__ = ["ARGUMENTS", "RowProduct"]

#: What the function takes, in this order, as an array of addresses.
ARGUMENTS = ("scratch", "x", "w", "b", "y")
#: Rows of the matrix that are added to the results at a time.
ROWS_AT_ONCE = 8


@dataclass(frozen=True)
class RowProduct:
    """The function ``forward``, in LLVM's language: y = x w + b, perhaps rectified.

    Parameters
    ----------
    n_inputs, n_units : int
        Rows and columns of w, which lies in C order; columns are a multiple of `lanes`.
    lanes : int
        Numbers of a vector.
    biased, rectify : bool

    Notes
    -----
    Each column is a sum of its own, row by row: results do not depend on the number of threads.
    """

    n_inputs: int
    n_units: int
    lanes: int
    biased: bool
    rectify: bool

    def text(self) -> str:
        """The module."""
        code = Code()
        self._forward(code)
        body = f"define void @forward(ptr %arguments) {{\n{code.text()}\n}}"
        return "\n\n".join([*declarations(self.lanes), body])

    def _forward(self, code: Code) -> None:
        a = taken(code, ARGUMENTS)
        _, first, last = share(code, self.n_units // self.lanes)
        # A thread's columns of results stay in the first cache, however many rows there are.
        full = self.n_inputs - self.n_inputs % ROWS_AT_ONCE
        with code.loop(first, last) as column:
            start = code.mul(column.index, self.lanes)
            bias = self._load(code, a["b"], start) if self.biased else "zeroinitializer"
            code.store(self._vector, bias, code.at(a["y"], start))
        with code.loop(0, full, ROWS_AT_ONCE) as row:
            self._add(code, a, row.index, range(ROWS_AT_ONCE), (first, last))
        if full < self.n_inputs:
            self._add(code, a, code.add(full, 0), range(self.n_inputs - full), (first, last))
        if self.rectify:
            with code.loop(first, last) as column:
                y = code.at(a["y"], code.mul(column.index, self.lanes))
                value = rectified(code, self.lanes, code.load(self._vector, y))
                code.store(self._vector, value, y)

    def _add(
        self,
        code: Code,
        a: dict[str, str],
        row: str,
        rows: Sequence[int],
        columns: tuple[str, str],
    ) -> None:
        """Some rows of w, each times its number of x, to the results."""
        numbers = [
            broadcast(code, self.lanes, code.load("float", code.at(a["x"], code.add(row, each))))
            for each in rows
        ]
        lines = [code.at(a["w"], code.mul(code.add(row, each), self.n_units)) for each in rows]
        with code.loop(*columns) as column:
            start = code.mul(column.index, self.lanes)
            y = code.at(a["y"], start)
            # First to each other: the fewer sums are large, the less is rounded away.
            total = "zeroinitializer"
            for number, line in zip(numbers, lines, strict=True):
                total = fused(code, self.lanes, number, self._load(code, line, start), total)
            before = code.load(self._vector, y)
            code.store(self._vector, code.let(f"fadd {self._vector} {before}, {total}"), y)

    @property
    def _vector(self) -> str:
        return f"<{self.lanes} x float>"

    def _load(self, code: Code, array: str, start: str) -> str:
        return code.load(self._vector, code.at(array, start))
