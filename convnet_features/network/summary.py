"""A network as a table of text."""

from __future__ import annotations

import functools
from collections.abc import Sequence

from .build import Network

__all__ = ["network_summary", "summary_table"]


class _Text(str):
    """Text that shows itself, line by line, also at a prompt."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


@functools.singledispatch
def network_summary(network: Network) -> str:
    """The number of learnable parameters, then each layer's position, name, size and parameters.

    Networks of other kinds register their own.
    """
    rows = []
    for position, (name, layer) in enumerate(network.layers.items()):
        count = sum(param.get_value(borrow=True).size for param in layer.get_params(trainable=True))
        size = "x".join(str(size) for size in layer.output_shape[1:])
        rows.append((str(position), name, size, f"{count:,}" if count else ""))
    params = network.params_tagged(trainable=True)  # one that two layers share is there once
    total = sum(param.get_value(borrow=True).size for param in params)
    title = f"Neural network with {total:,} learnable parameters"
    return summary_table(title, ("#", "name", "size", "parameters"), rows)


def summary_table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Text that shows itself: a title and a table, whose numbers stand first and last."""
    columns = list(zip(head, *rows, strict=True))
    widths = [max(map(len, column)) for column in columns]
    right = {0, len(head) - 1}
    lines = [
        "  ".join(
            f"{cell:>{width}}" if column in right else f"{cell:<{width}}"
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in (head, *rows)
    ]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return _Text("\n".join([title, "", *lines]))
