"""LLVM's language, written line by line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

__all__ = ["Code", "Loop"]


class Loop:
    """A loop being written: its index, and values that one turn hands to the next.

    Attributes
    ----------
    index : str
        The name of the index.
    values : list of str
        On entry to the body the values at the beginning of a turn; the body
        replaces them; behind the loop, what the last turn left.
    """

    def __init__(self, index: str, values: list[str]) -> None:
        self.index = index
        self.values = values


class Code:
    """The body of one function.

    Every value is assigned once and has a name of its own; whole numbers are
    written as ``i64``.
    """

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._count = 0
        self._block = self._new_label()
        self.lines.append(f"{self._block}:")

    def let(self, expression: str) -> str:
        """The name of a new value."""
        self._count += 1
        name = f"%v{self._count}"
        self.lines.append(f"  {name} = {expression}")
        return name

    def do(self, statement: str) -> None:
        """Something done for its effect."""
        self.lines.append(f"  {statement}")

    # Whole numbers

    def add(self, a: str | int, b: str | int) -> str:
        """a + b"""
        return self.let(f"add i64 {a}, {b}")

    def mul(self, a: str | int, b: str | int) -> str:
        """a · b"""
        return self.let(f"mul i64 {a}, {b}")

    def smaller(self, a: str | int, b: str | int) -> str:
        """min(a, b)"""
        return self.let(f"call i64 @llvm.smin.i64(i64 {a}, i64 {b})")

    # Memory

    def at(self, pointer: str, index: str | int, kind: str = "float") -> str:
        """The address of the element `index` of an array of `kind`."""
        return self.let(f"getelementptr {kind}, ptr {pointer}, i64 {index}")

    def load(self, kind: str, pointer: str, align: int = 4) -> str:
        """What lies at an address."""
        return self.let(f"load {kind}, ptr {pointer}, align {align}")

    def store(self, kind: str, value: str, pointer: str, align: int = 4) -> None:
        """Put a value at an address."""
        self.do(f"store {kind} {value}, ptr {pointer}, align {align}")

    def fetch(self, pointer: str) -> None:
        """Have what lies at an address, wherever that is, come to the second cache."""
        self.do(f"call void @llvm.prefetch.p0(ptr {pointer}, i32 0, i32 2, i32 1)")

    # Control

    @contextmanager
    def loop(
        self,
        start: str | int,
        stop: str | int,
        step: str | int = 1,
        *,
        kind: str = "",
        initial: Sequence[str] = (),
    ) -> Iterator[Loop]:
        """``for index in range(start, stop, step)``, `initial` values of `kind` carried along."""
        before, head, body, after = self._block, *(self._new_label() for _ in range(3))
        self.do(f"br label %{head}")
        self._begin(head)
        phis = len(self.lines)
        index = self.let("phi i64")
        carried = [self.let(f"phi {kind}") for _ in initial]
        more = self.let(f"icmp slt i64 {index}, {stop}")
        self.do(f"br i1 {more}, label %{body}, label %{after}")
        self._begin(body)
        loop = Loop(index, list(carried))
        yield loop
        following = self.add(index, step)
        sources = zip([start, *initial], [following, *loop.values], strict=True)
        for line, (first, later) in enumerate(sources, start=phis):
            self.lines[line] += f" [ {first}, %{before} ], [ {later}, %{self._block} ]"
        self.do(f"br label %{head}")
        self._begin(after)
        loop.values = carried

    def switch(self, value: str, cases: int) -> Iterator[int]:
        """Each case in turn, for its code to be written; `value` is one of range(cases)."""
        labels = [self._new_label() for _ in range(cases)]
        after = self._new_label()
        table = " ".join(f"i64 {case}, label %{label}" for case, label in enumerate(labels))
        self.do(f"switch i64 {value}, label %{after} [ {table} ]")
        for case, label in enumerate(labels):
            self._begin(label)
            yield case
            self.do(f"br label %{after}")
        self._begin(after)

    def text(self) -> str:
        """The lines, with the end."""
        return "\n".join([*self.lines, "  ret void"])

    def _begin(self, label: str) -> None:
        self._block = label
        self.lines.append(f"{label}:")

    def _new_label(self) -> str:
        self._count += 1
        return f"b{self._count}"
