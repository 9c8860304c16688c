"""The frozen front of a network: computed once for each sample, not once an epoch."""

from __future__ import annotations

import inspect
import os
import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..caller import users_level
from ..exceptions import ConvNetFeaturesWarning
from ..kernels.memory import empty
from ..network.build import Network
from ..network.model import Model
from .batches import Dataset
from .freezing import inputs_of, without_learning

__all__ = ["Front", "KnownOutputs", "front_of", "known_outputs"]

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

        Raises
        ------
        OSError
            If the disk has no room for them.
        """
        rows = data.rows
        shape = (len(rows), *self.model.network.layers[self.layer].output_shape[1:])
        kept = _room(shape, self.n_bytes)
        self.compute(data, kept)
        weights = None if data.weights is None else data.weights[rows]
        return Dataset(kept, data.targets[rows], weights, np.arange(len(rows)), self.layer)

    def compute(self, data: Dataset, kept: Any) -> None:
        """Write the outputs of the front for `data` into an array.

        Parameters
        ----------
        data : Dataset
        kept : ndarray of shape (n_samples, ...)
        """
        rows = data.rows
        for start in range(0, len(rows), _PART):
            part = slice(start, start + _PART)
            (kept[part],) = self.model.outputs([self.layer], data.images[rows[part]])

    def values(self) -> list[np.ndarray]:
        """The parameters of frozen layers, on which the outputs depend: views."""
        named, frozen = self.model.named_values, self.model.frozen
        return [value for name, value in named.items() if name.rpartition(".")[0] in frozen]


class KnownOutputs:
    """Sets of data, and the outputs of a front for each.

    Parameters
    ----------
    front : Front
    sets : sequence of Dataset

    Raises
    ------
    OSError
        If the disk has no room for them.
    """

    def __init__(self, front: Front, sets: Sequence[Dataset]) -> None:
        self.front = front
        self._values = [value.copy() for value in front.values()]
        self._pairs = [(each, front.activations(each)) for each in sets]

    def of(self, data: Dataset) -> Dataset:
        """`data` with the outputs in the images' place; itself, where they are not known."""
        return next((outputs for images, outputs in self._pairs if images is data), data)

    def renew(self) -> None:
        """Compute them anew if somebody has changed a frozen parameter: a callback, say."""
        values = self.front.values()
        if all(map(np.array_equal, values, self._values)):
            return
        self._values = [value.copy() for value in values]
        for data, outputs in self._pairs:
            self.front.compute(data, outputs.images)


def known_outputs(model: Model, n_bytes: int, sets: Sequence[Dataset]) -> KnownOutputs | None:
    """The outputs of a model's frozen front, if it has one, and there is room for them.

    A full disk is warned of.

    Parameters
    ----------
    model : Model
    n_bytes : int
        As of `Front`.
    sets : sequence of Dataset

    Returns
    -------
    KnownOutputs or None
    """
    front = front_of(model, n_bytes)
    if front is None:
        return None
    try:
        return KnownOutputs(front, sets)
    except OSError as error:
        warnings.warn(
            f"frozen_cache_bytes={n_bytes}: the outputs of the frozen layers are more than that, "
            f"and the disk has no room for them in {tempfile.gettempdir()} ({error}); so they are "
            "computed anew in every epoch, which takes longer. Let TMPDIR name a folder with "
            "room, or give memory more bytes.",
            ConvNetFeaturesWarning,
            stacklevel=users_level(),
        )
        return None


def _room(shape: tuple[int, ...], n_bytes: int) -> np.ndarray:
    """An array in memory, or in a file that has no name."""
    size = 4 * int(np.prod(shape, dtype=np.int64))
    if size <= n_bytes:
        return empty(shape)
    with tempfile.TemporaryFile() as file:
        if hasattr(os, "posix_fallocate"):
            # A full disk would kill the process on writing to the memory that stands for it.
            os.posix_fallocate(file.fileno(), 0, size)
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
        if not (usable and _stands_between(layer, layers, network)):
            continue
        if not model.program((layer.name,)).n_generators:  # none draws, even if it is frozen
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
    from ..layers import ExpressionLayer

    if isinstance(layer, ExpressionLayer):  # a function of the user's
        return True
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
