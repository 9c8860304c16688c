"""A network as a table of text."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from .build import Network
from .tables import ShownText, text_table

__all__ = ["Layers", "layer_label", "network_summary", "summary_table"]


class Layers(dict[str, Any]):
    """Lasagne's layers by name, shown as one a line: ``conv2d1: Conv2DLayer 32×24×24``."""

    def __repr__(self) -> str:
        width = max(map(len, self), default=0)
        return "\n".join(f"{name:<{width}}  {layer_label(layer)}" for name, layer in self.items())


def layer_label(layer: Any) -> str:
    """A layer's class, and the size of what it gives for a sample."""
    # Values of networks that onnxruntime computes have an operator and a shape.
    kind = getattr(layer, "operator", None) or type(layer).__name__
    shape = layer.shape if hasattr(layer, "operator") else layer.output_shape
    return f"{kind} {_size(shape, '×')}".rstrip()


def _size(shape: Sequence[int | None], between: str) -> str:
    return between.join("?" if extent is None else str(extent) for extent in shape[1:])


@functools.singledispatch
def network_summary(network: Network, undecided: str | None = None) -> str:
    """The number of learnable parameters, then each layer's name, class, size and parameters.

    Networks of other kinds register their own.

    Parameters
    ----------
    network : Network
    undecided : str, optional
        The name of an output layer whose number of units is not known yet: the table says so,
        and does not count its parameters.

    Returns
    -------
    str
    """
    rows = []
    for position, (name, layer) in enumerate(network.layers.items()):
        size, n_params = _size(layer.output_shape, "x"), _n_learnable(layer)
        shown = (size, f"{n_params:,}" if n_params else "")
        if name == undecided:
            shown = ("from y", "from y")
        rows.append((str(position), name, *shown, type(layer).__name__))
    total = sum(
        _n_numbers(param)
        for param in network.params_tagged(trainable=True)  # one that two layers share once
        if undecided is None or param not in network.layers[undecided].get_params()
    )
    title = f"Neural network with {total:,} learnable parameters"
    if undecided is not None:
        title += f", and those of {undecided!r}, whose number of units comes from y"
    return summary_table(title, ("#", "name", "size", "parameters", "layer"), rows)


def _n_learnable(layer: Any) -> int:
    return sum(_n_numbers(param) for param in layer.get_params(trainable=True))


def _n_numbers(param: Any) -> int:
    return int(param.get_value(borrow=True).size)


def summary_table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Text that shows itself: a title and a table, in which positions and counts are numbers."""
    numbers = [column for column, name in enumerate(head) if name in ("#", "numbers", "parameters")]
    return ShownText("\n".join([title, "", *text_table(head, rows, numbers)]))
