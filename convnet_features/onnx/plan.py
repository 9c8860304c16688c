"""The plan of a network that is being read: its layers, and the weights that came with them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..exceptions import FileFormatError, NetworkError
from ..network.sketch import without_values
from ..network.spec import LayerSpec
from .budget import Budget
from .reading import MAX_DIMENSIONS

__all__ = ["LayerPlan", "PlannedLayer", "check_activations", "finite_weights"]

#: Numbers that one layer may make of one image: 256 megabytes.
MAX_ACTIVATIONS = 1 << 26
#: Layers behind one another; graphs are compiled by functions that call themselves.
MAX_DEPTH = 800


@dataclass(eq=False)
class PlannedLayer:
    """A layer to be built.

    Attributes
    ----------
    name : str
    layer_class : type
    params : dict
        Arguments of the class, weights left out.
    incoming : list of PlannedLayer
    weights : dict of str to ndarray
        Arguments of the class whose values come from the file; None for 'no bias'.
    shape : tuple of int
        Of its result for one sample.
    depth : int
        How many layers there are from the input to it.
    """

    name: str
    layer_class: type
    params: dict[str, Any]
    incoming: list[PlannedLayer]
    weights: dict[str, np.ndarray | None] = field(default_factory=dict)
    shape: tuple[int, ...] = ()
    depth: int = 0

    def spec(self, previous: str) -> LayerSpec:
        """As the network's declaration has it, behind the layer called `previous`."""
        from lasagne.layers import MergeLayer

        params = dict(self.params)
        params |= {name: None for name, value in self.weights.items() if value is None}
        names = [planned.name for planned in self.incoming]
        if issubclass(self.layer_class, MergeLayer):
            params["incomings"] = names
        elif names and names != [previous]:
            params["incoming"] = names[0]
        return LayerSpec(self.name, self.layer_class, params)


class LayerPlan:
    """The layers of a network to be, in the order in which they can be built.

    Parameters
    ----------
    value : str
        The input.
    shape : (int, int, int)
        (channels, height, width).
    budget : Budget
        For the layers' weights.
    names : mapping of str to str
        What layers are called, by the values that they compute, where it is known.
    """

    def __init__(
        self, value: str, shape: tuple[int, ...], budget: Budget, names: Mapping[str, str]
    ) -> None:
        from lasagne.layers import InputLayer

        self.budget = budget
        self.layers: list[PlannedLayer] = []
        self.names = {value: "input", **names}
        self._taken: dict[str, int] = {}
        self.input = PlannedLayer(self._unique(value), InputLayer, {}, [], shape=shape)
        check_activations(shape, self.input.name)
        self.layers.append(self.input)

    def add(
        self,
        value: str,
        layer_class: type,
        incoming: PlannedLayer | Sequence[PlannedLayer],
        weights: dict[str, np.ndarray | None] | None = None,
        **params: Any,
    ) -> PlannedLayer:
        """Append a layer called after the value that it computes.

        Raises
        ------
        FileFormatError
            If the layer does not fit what it stands on, or its result is empty
            or immense.
        """
        inputs = [incoming] if isinstance(incoming, PlannedLayer) else list(incoming)
        depth = 1 + max(each.depth for each in inputs)
        if depth > MAX_DEPTH:
            raise FileFormatError(
                f"from_onnx: {value!r:.80} would be layer {depth} of a row; at most {MAX_DEPTH} "
                "are read."
            )
        for array in (weights or {}).values():
            self.budget.spend(
                0 if array is None else 4 * array.size, f"the weights of {value!r:.80}"
            )
        weights = {
            name: None if array is None else finite_weights(array, value)
            for name, array in (weights or {}).items()
        }
        planned = PlannedLayer(
            self._unique(value), layer_class, params, inputs, weights, depth=depth
        )
        planned.shape = self._shape(planned, single=isinstance(incoming, PlannedLayer))
        self.layers.append(planned)
        return planned

    def reshape_input(self, shape: Sequence[int]) -> PlannedLayer:
        """Let the input be images of another shape: the first thing that some models do."""
        check_activations(shape, self.input.name)
        self.input.shape = tuple(shape)
        return self.input

    def rename(self, planned: PlannedLayer, value: str) -> PlannedLayer:
        """Name `planned` after a later value, which it now computes."""
        planned.name = self._unique(value, besides=planned)
        return planned

    def drop(self, planned: PlannedLayer) -> None:
        """Leave out a layer that nothing stands on."""
        self.layers.remove(planned)

    def keep(self, last: PlannedLayer) -> None:
        """Leave out what `last` does not stand on, so that it is the last of all."""
        needed, remaining = set(), [last]
        while remaining:
            planned = remaining.pop()
            if id(planned) not in needed:
                needed.add(id(planned))
                remaining += planned.incoming
        self.layers = [each for each in self.layers if each is self.input or id(each) in needed]

    def _shape(self, planned: PlannedLayer, single: bool) -> tuple[int, ...]:
        shapes = [(None, *each.shape) for each in planned.incoming]
        try:
            with without_values():  # Lasagne compares the sizes of the weights
                layer = planned.layer_class(
                    shapes[0] if single else shapes, **planned.params, **planned.weights
                )
            shape = tuple(int(size) for size in layer.output_shape[1:])
        except Exception as error:
            raise FileFormatError(
                f"from_onnx: {planned.layer_class.__name__} {planned.name!r} does not fit an input "
                f"of {' and '.join(str(each.shape) for each in planned.incoming)}: {error}"
            ) from error
        check_activations(shape, planned.name)
        return shape

    def _unique(self, value: str, besides: PlannedLayer | None = None) -> str:
        """The name of the layer that computes `value`, which is nobody else's.

        Where it is not known, it is `value` in letters, digits and underscores.
        """
        taken = {planned.name for planned in self.layers if planned is not besides}
        if value not in self.names:
            taken.update(self.names.values())
        stem = name = self.names.get(value) or re.sub(r"\W", "_", value)[:100] or "layer"
        while name in taken:
            self._taken[stem] = self._taken.get(stem, 1) + 1
            name = f"{stem}_{self._taken[stem]}"
        return name

    def specs(self) -> list[LayerSpec]:
        """The network's declaration."""
        names = ["", *(planned.name for planned in self.layers)]
        return [
            planned.spec(previous) for planned, previous in zip(self.layers, names, strict=False)
        ]


def check_activations(shape: Sequence[int], name: str) -> None:
    """Raise FileFormatError for a result that is empty, or too large to be meant.

    One number a sample, without an axis, makes sense, but no layer: it is a NetworkError.
    """
    if not shape:
        raise NetworkError(
            f"from_onnx: the value {name!r} is one number a sample, without an axis."
        )
    size = math.prod(shape)
    if min(shape, default=0) < 1 or size > MAX_ACTIVATIONS or len(shape) > MAX_DIMENSIONS:
        raise FileFormatError(
            f"from_onnx: the value {name!r} would have the shape {tuple(shape)}; its size must be "
            f"between 1 and {MAX_ACTIVATIONS}, in at most {MAX_DIMENSIONS} dimensions."
        )


def finite_weights(array: np.ndarray, value: str) -> np.ndarray:
    """`array` as float32; a FileFormatError for anything but finite floats."""
    with np.errstate(over="ignore"):
        weights = np.asarray(array, np.float32) if array.dtype.kind == "f" else array
    if array.dtype.kind != "f" or not np.isfinite(weights).all():
        raise FileFormatError(
            f"from_onnx: the weights of {value!r} must be finite floats; they are {array.dtype}"
            f"{'' if array.dtype.kind != 'f' else ' with NaN or infinity'}."
        )
    return weights
