"""Layers that are being read: what they are, and the weights that came with them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..exceptions import FileFormatError
from ..network.spec import LayerSpec

__all__ = ["Draft", "DraftBoard"]

#: Numbers that one layer may make of one image: 256 megabytes.
MAX_ACTIVATIONS = 1 << 26


@dataclass(eq=False)
class Draft:
    """A layer to be.

    Attributes
    ----------
    name : str
    layer_class : type
    params : dict
        Arguments of the class, weights left out.
    incoming : list of Draft
    weights : dict of str to ndarray
        Arguments of the class whose values come from the file; None for 'no bias'.
    shape : tuple of int
        Of its result for one sample.
    """

    name: str
    layer_class: type
    params: dict[str, Any]
    incoming: list[Draft]
    weights: dict[str, np.ndarray | None] = field(default_factory=dict)
    shape: tuple[int, ...] = ()

    def spec(self, previous: str) -> LayerSpec:
        """As the network's declaration has it, behind the layer called `previous`."""
        from lasagne.layers import MergeLayer

        params = dict(self.params)
        params |= {name: None for name, value in self.weights.items() if value is None}
        names = [draft.name for draft in self.incoming]
        if issubclass(self.layer_class, MergeLayer):
            params["incomings"] = names
        elif names and names != [previous]:
            params["incoming"] = names[0]
        return LayerSpec(self.name, self.layer_class, params)


class DraftBoard:
    """The drafts of a network, in the order in which they can be built.

    Parameters
    ----------
    name : str
        Of the input.
    shape : (int, int, int)
        (channels, height, width).
    """

    def __init__(self, name: str, shape: tuple[int, ...]) -> None:
        from lasagne.layers import InputLayer

        self.drafts: list[Draft] = []
        self.input = Draft(self._unique(name), InputLayer, {}, [], shape=shape)
        self.drafts.append(self.input)

    def add(
        self,
        value: str,
        layer_class: type,
        incoming: Draft | Sequence[Draft],
        weights: dict[str, np.ndarray | None] | None = None,
        **params: Any,
    ) -> Draft:
        """Append a layer called after the value that it computes.

        Raises
        ------
        FileFormatError
            If the layer does not fit what it stands on, or its result is empty
            or immense.
        """
        inputs = [incoming] if isinstance(incoming, Draft) else list(incoming)
        weights = {
            name: None if array is None else _finite(array, value)
            for name, array in (weights or {}).items()
        }
        draft = Draft(self._unique(value), layer_class, params, inputs, weights)
        draft.shape = self._shape(draft, single=isinstance(incoming, Draft))
        self.drafts.append(draft)
        return draft

    def reshape_input(self, shape: Sequence[int]) -> Draft:
        """Let the input be images of another shape: the first thing that some models do."""
        self.input.shape = tuple(shape)
        return self.input

    def rename(self, draft: Draft, value: str) -> Draft:
        """Let `draft` be called after a later value, which it now computes."""
        draft.name = self._unique(value, besides=draft)
        return draft

    def _shape(self, draft: Draft, single: bool) -> tuple[int, ...]:
        shapes = [(None, *each.shape) for each in draft.incoming]
        try:
            # With their own weights layers draw none, and Lasagne compares the sizes.
            layer = draft.layer_class(
                shapes[0] if single else shapes, **draft.params, **draft.weights
            )
            shape = tuple(int(size) for size in layer.output_shape[1:])
        except Exception as error:
            raise FileFormatError(
                f"from_onnx: {draft.layer_class.__name__} {draft.name!r} does not fit an input of "
                f"{' and '.join(str(each.shape) for each in draft.incoming)}: {error}"
            ) from error
        check_activations(shape, draft.name)
        return shape

    def _unique(self, value: str, besides: Draft | None = None) -> str:
        """`value` as a layer's name: letters, digits and underscores, and nobody else's."""
        stem = name = re.sub(r"\W", "_", value)[:100] or "layer"
        taken = {draft.name for draft in self.drafts if draft is not besides}
        serial = 1
        while name in taken:
            serial += 1
            name = f"{stem}_{serial}"
        return name

    def specs(self) -> list[LayerSpec]:
        """The network's declaration."""
        names = ["", *(draft.name for draft in self.drafts)]
        return [draft.spec(previous) for draft, previous in zip(self.drafts, names, strict=False)]


def check_activations(shape: Sequence[int], name: str) -> None:
    """Raise FileFormatError for a result that is empty, or too large to be meant."""
    size = 1
    for extent in shape:
        size *= extent
    if not 0 < size <= MAX_ACTIVATIONS:
        raise FileFormatError(
            f"from_onnx: the value {name!r} would have the shape {tuple(shape)}; its size must be "
            f"between 1 and {MAX_ACTIVATIONS}."
        )


def _finite(array: np.ndarray, value: str) -> np.ndarray:
    if array.dtype.kind != "f" or not np.isfinite(array).all():
        raise FileFormatError(
            f"from_onnx: the weights of {value!r} must be finite floats; they are {array.dtype}"
            f"{'' if array.dtype.kind != 'f' else ' with NaN or infinity'}."
        )
    return np.ascontiguousarray(array, dtype=np.float32)
