"""A fitted network in scikit-learn's HTML diagrams: one box a layer.

scikit-learn asks an estimator for ``_sk_visual_block_()`` and reads the
attributes below off what it gets, in the same way from version 1.6 on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..network.build import Network

__all__ = ["Block", "estimator_block", "network_block"]


@dataclass
class Block:
    """One box, or several below each other.

    Attributes
    ----------
    kind : {'single', 'serial'}
    estimators : object, or list of Block
    names, name_details : str, or list of str or None
        The boxes' labels, and what unfolding them shows.
    name_caption : str or None
        A second line; not before scikit-learn 1.7.
    doc_link_label : None
    dash_wrapped : bool
    """

    kind: str
    estimators: Any
    names: Any
    name_details: Any
    name_caption: str | None = None
    doc_link_label: str | None = None
    dash_wrapped: bool = True

    def _sk_visual_block_(self) -> Block:
        return self


def estimator_block(estimator: Any) -> Block:
    """The box of an estimator that is not fitted, as scikit-learn would draw it."""
    return Block("single", estimator, type(estimator).__name__, str(estimator))


def network_block(network: Network) -> Block:
    """The layers from the input to the output, each with the size of what it gives."""
    layers = [_layer_block(name, layer) for name, layer in network.layers.items()]
    return Block("serial", layers, [None] * len(layers), [None] * len(layers))


def _layer_block(name: str, layer: Any) -> Block:
    size = "×".join(str(extent) for extent in layer.output_shape[1:])
    count = sum(param.get_value(borrow=True).size for param in layer.get_params())
    details = f"{type(layer).__name__}, output {size}, {count:,} parameters"
    return Block("single", layer, f"{name}: {size}", details)
