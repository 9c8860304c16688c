"""Lists of records that show themselves as tables, in text and in HTML."""

from __future__ import annotations

import html
from collections.abc import Collection, Sequence
from typing import Any, ClassVar, TypeVar

__all__ = ["RecordTable", "ShownText", "text_table"]

R = TypeVar("R", bound=tuple[Any, ...])


class ShownText(str):
    """Text that shows itself, line by line, also at a prompt."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def text_table(
    head: Sequence[str], rows: Sequence[Sequence[str]], numbers: Collection[int] = ()
) -> list[str]:
    """The lines of a table, a line of dashes below its head.

    Parameters
    ----------
    head : sequence of str
    rows : sequence of sequence of str
    numbers : collection of int, default=()
        Columns whose cells stand on the right.

    Returns
    -------
    list of str
    """
    columns = list(zip(head, *rows, strict=True))
    widths = [max(map(len, column)) for column in columns]
    # Nothing stands to the right of the last column, which may hold long sentences.
    dashes = [*widths[:-1], widths[-1] if len(head) - 1 in numbers else len(head[-1])]
    lines = [
        "  ".join(
            cell.rjust(width) if column in numbers else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in (head, *rows)
    ]
    lines.insert(1, "  ".join("-" * width for width in dashes))
    return lines


class RecordTable(list[R]):
    """A list of named tuples of one kind.

    Attributes
    ----------
    HEAD : tuple of str
        The headings of the columns that are shown.
    NUMBERS : tuple of int
        The columns whose cells stand on the right.
    FIELDS : tuple of str
        The names of all fields of a record.
    """

    HEAD: ClassVar[tuple[str, ...]]
    NUMBERS: ClassVar[tuple[int, ...]] = ()
    FIELDS: ClassVar[tuple[str, ...]]

    def cells(self, record: R) -> tuple[str, ...]:
        """What is shown of a record, column by column."""
        raise NotImplementedError

    def to_frame(self) -> Any:
        """A pandas DataFrame of shape (n_records, n_fields)."""
        import pandas as pd

        return pd.DataFrame(list(self), columns=self.FIELDS)

    def __str__(self) -> str:
        return "\n".join(text_table(self.HEAD, [*map(self.cells, self)], self.NUMBERS))

    __repr__ = __str__

    def _repr_html_(self) -> str:
        def row(cells: Sequence[str], tag: str) -> str:
            inner = "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells)
            return f"<tr>{inner}</tr>"

        body = "".join(row(self.cells(record), "td") for record in self)
        return f"<table><thead>{row(self.HEAD, 'th')}</thead><tbody>{body}</tbody></table>"
