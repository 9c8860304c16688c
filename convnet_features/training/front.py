"""The frozen front of a network: computed once for each sample, not once an epoch."""

from __future__ import annotations

import inspect
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..kernels.memory import empty
from ..network.build import Network
from ..network.model import Model
from .batches import Dataset
from .freezing import inputs_of, without_learning

__all__ = ["Front", "front_of"]

#: Samples whose activations are computed together on their way to the disk.
_PART = 256


@dataclass(frozen=True)
class Front:
    """The part of a network that training does not change.

    Attributes
    ----------
    model : Model
    layer : str
        The last of it, on which all others stand.
    n_bytes : int
        How many bytes of activations memory may hold; more of them lie in a file, which goes with
        the process.
    """

    model: Model
    layer: str
    n_bytes: int

    def activations(self, data: Dataset) -> Dataset:
        """The same samples, with the outputs of the front in place of their images.

        Parameters
        ----------
        data : Dataset

        Returns
        -------
        Dataset
        """
        rows = data.rows
        shape = (len(rows), *self.model.network.layers[self.layer].output_shape[1:])
        kept = _room(shape, self.n_bytes)
        for start in range(0, len(rows), _PART):
            part = slice(start, start + _PART)
            (kept[part],) = self.model.outputs([self.layer], data.images[rows[part]])
        weights = None if data.weights is None else data.weights[rows]
        return Dataset(kept, data.targets[rows], weights, np.arange(len(rows)), self.layer)


def _room(shape: tuple[int, ...], n_bytes: int) -> np.ndarray:
    """An array in memory, or in a file that has no name."""
    if 4 * np.prod(shape, dtype=np.int64) <= n_bytes:
        return empty(shape)
    with tempfile.TemporaryFile() as file:
        return np.memmap(file, np.float32, "w+", shape=shape)


def front_of(model: Model, n_bytes: int) -> Front | None:
    """The longest frozen front that all of the rest stands on by one layer; None without one.

    Parameters
    ----------
    model : Model
    n_bytes : int
        As of `Front`; with 0 there is none.

    Returns
    -------
    Front or None
    """
    from lasagne.layers import InputLayer, get_all_layers

    network = model.network
    if not (model.frozen and n_bytes) or len(network.input_vars) != 1:
        return None
    layers = get_all_layers(network.output)
    constant = _constant(layers, model.frozen)
    for layer in reversed(layers):
        usable = layer in constant and not isinstance(layer, InputLayer)
        if usable and _stands_between(layer, layers, network):
            return Front(model, layer.name, n_bytes)
    return None


def _constant(layers: Sequence[Any], frozen: Sequence[str]) -> set[Any]:
    """The layers whose outputs are the same in every epoch."""
    still = without_learning(layers, frozen)
    constant: set[Any] = set()
    for layer in layers:
        drawn = layer.name not in frozen and _depends_on_training(layer)
        inputs = [each for each in inputs_of(layer) if each is not None]
        if layer in still and not drawn and all(each in constant for each in inputs):
            constant.add(layer)
    return constant


def _depends_on_training(layer: Any) -> bool:
    """Whether it may compute something else in training: dropout, noise, normalisation."""
    if not type(layer).__module__.startswith(("lasagne.", "convnet_features.")):
        return True
    return "deterministic" in inspect.signature(type(layer).get_output_for).parameters


def _stands_between(layer: Any, layers: Sequence[Any], network: Network) -> bool:
    """Whether every way from the images to the output goes through a layer of known size."""
    if None in layer.output_shape[1:]:
        return False
    reached = {network.input}
    for each in layers:
        if each is not layer and any(under in reached for under in inputs_of(each)):
            reached.add(each)
    return network.output not in reached
