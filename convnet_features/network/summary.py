"""A network as a table of text."""

from __future__ import annotations

from .build import Network

__all__ = ["network_summary"]


class _Text(str):
    """Text that shows itself, line by line, also at a prompt."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def network_summary(network: Network) -> str:
    """The number of learnable parameters, then each layer's position, name, size and parameters."""
    rows = [("#", "name", "size", "parameters")]
    for position, (name, layer) in enumerate(network.layers.items()):
        count = sum(param.get_value(borrow=True).size for param in layer.get_params(trainable=True))
        size = "x".join(str(size) for size in layer.output_shape[1:])
        rows.append((str(position), name, size, f"{count:,}" if count else ""))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = [
        f"{row[0]:>{widths[0]}}  {row[1]:<{widths[1]}}  {row[2]:<{widths[2]}}  "
        f"{row[3]:>{widths[3]}}".rstrip()
        for row in rows
    ]
    params = network.params_tagged(trainable=True)  # one that two layers share is there once
    total = sum(param.get_value(borrow=True).size for param in params)
    lines.insert(1, "  ".join("-" * width for width in widths))
    return _Text("\n".join([f"Neural network with {total:,} learnable parameters", "", *lines]))
