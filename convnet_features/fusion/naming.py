"""Names of layers on the nodes of a graph, so that people see what became of their layers."""

from __future__ import annotations

from collections.abc import Iterable

from pytensor.graph.basic import Apply, Variable

__all__ = ["hand_on_layers", "layers_of", "name_layers"]


def layers_of(node: Apply) -> tuple[str, ...]:
    """The names that `name_layers` gave a node; empty where it gave none."""
    return getattr(node.tag, "layers", ())


def name_layers(outputs: Iterable[tuple[str, Variable]]) -> None:
    """Give each node of a graph the name of the layer that it is part of.

    Parameters
    ----------
    outputs : iterable of (str, variable)
        Layers' names and outputs; those in front come first.
    """
    for name, output in outputs:
        _name_unnamed(output, (name,))


def hand_on_layers(node: Apply, replacement: Variable) -> None:
    """Give the nodes that replace a node its names, where they have none."""
    if layers_of(node):
        _name_unnamed(replacement, layers_of(node))


def _name_unnamed(output: Variable, layers: tuple[str, ...]) -> None:
    """Name the nodes that a value is computed by, back to those that have names."""
    waiting = [output.owner]
    while waiting:
        node = waiting.pop()
        if node is not None and not layers_of(node):
            node.tag.layers = layers
            waiting += [value.owner for value in node.inputs]
