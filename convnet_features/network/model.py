"""A network together with the values of its parameters: what a fitted estimator holds."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .build import Network, Target, build_network
from .functions import Program, output_program
from .spec import LayerSpec

__all__ = ["Model"]

#: Bytes that the largest layer's activations of one slice of images may take.
SLICE_BYTES = 8 << 20


@dataclass(eq=False)
class Model:
    """A network's declaration and its parameters as one vector.

    The Lasagne layers are built when they are first asked for; their shared
    variables hold views of `theta`. Pickles hold the declaration and `theta`.

    Parameters
    ----------
    layers : list of LayerSpec, or callable
    input_shape : (int, int, int)
        (channels, height, width).
    n_outputs : int
    target : {'classes', 'numbers', 'labels'}
    input_scale : float
        Pixels are multiplied by it on their way in.
    engine : str
        Whose kernels compute.
    theta : ndarray of shape (n_parameters,), optional
        float32: the trainable parameters, then the others, each group as
        ``lasagne.layers.get_all_params`` orders it.
    seed : int
        Of the initial parameters, where `theta` is not given.
    """

    layers: list[LayerSpec] | Callable[..., Any]
    input_shape: tuple[int, int, int]
    n_outputs: int
    target: Target
    input_scale: float = 1.0
    engine: str = "auto"
    theta: np.ndarray | None = None
    seed: int = 0
    _network: Network | None = field(default=None, repr=False)
    _programs: dict[tuple[str, ...], Program] = field(default_factory=dict, repr=False)
    _building: Any = field(default_factory=threading.RLock, repr=False)

    def __getstate__(self) -> dict[str, Any]:
        hidden = ("_network", "_programs", "_building")
        return {key: value for key, value in vars(self).items() if key not in hidden}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _network=None, _programs={}, _building=threading.RLock())

    @property
    def network(self) -> Network:
        """The Lasagne layers."""
        with self._building:
            if self._network is None:
                self._network = self._build()
            return self._network

    def _build(self) -> Network:
        network = build_network(
            self.layers, self.input_shape, self.n_outputs, self.target, self.seed
        )
        params = _by_trainability(network)
        values = [param.get_value(borrow=True) for param in params]
        if self.theta is None:
            self.theta = np.concatenate([np.ravel(value) for value in values], dtype=np.float32)
        for param, view in zip(params, _views(self.theta, values), strict=True):
            param.set_value(view, borrow=True)
        return network

    @property
    def n_trainable(self) -> int:
        """How many numbers at the front of `theta` are trained."""
        return sum(param.get_value(borrow=True).size for param in self.trainable)

    @property
    def trainable(self) -> list[Any]:
        """The trainable parameters, in the order of `theta`."""
        from lasagne.layers import get_all_params

        return get_all_params(self.network.output, trainable=True)

    @property
    def values(self) -> list[np.ndarray]:
        """Each parameter's value, in the order of ``network.params``: views of `theta`."""
        return [param.get_value(borrow=True) for param in self.network.params]

    def program(self, names: Sequence[str]) -> Program:
        """The compiled function from images and parameters to the outputs of layers."""
        key = tuple(names)
        if key not in self._programs:
            self._programs[key] = output_program(self.network, key, self.engine)
        return self._programs[key]

    def function(self, name: str) -> Callable[[np.ndarray], np.ndarray]:
        """From a float32 batch (already scaled) to one layer's output, with nothing in between."""
        compute, values = self.program((name,)).function, self.values

        def layer_output(batch: np.ndarray) -> np.ndarray:
            return compute(batch, *values)[0]

        return layer_output

    def outputs(self, names: Sequence[str], images: np.ndarray) -> list[np.ndarray]:
        """The deterministic outputs of layers for any number of images.

        Parameters
        ----------
        names : sequence of str
        images : ndarray of shape (n_samples, n_channels, height, width)
            Of any numeric dtype; walked in slices that stay in the cache.

        Returns
        -------
        list of ndarray
            One of shape (n_samples, ...) and dtype float32 for each name.
        """
        compute, values = self.program(names).function, self.values
        shapes = [self.network.layers[name].output_shape[1:] for name in names]
        results = [np.empty((len(images), *shape), dtype=np.float32) for shape in shapes]
        step = self.slice_size
        for start in range(0, len(images), step):
            batch = self.to_network(images[start : start + step])
            for result, value in zip(results, compute(batch, *values), strict=True):
                result[start : start + step] = value
        return results

    @property
    def slice_size(self) -> int:
        """How many images a slice has: as many as let the largest layer stay in the cache."""
        shapes = (layer.output_shape[1:] for layer in self.network.layers.values())
        largest = max(int(np.prod([size or 1 for size in shape])) for shape in shapes)
        return int(np.clip(SLICE_BYTES // (4 * largest), 1, 4096))

    def to_network(self, images: np.ndarray) -> np.ndarray:
        """`images` as float32, scaled: themselves where that changes nothing."""
        batch = np.asarray(images, dtype=np.float32)
        if self.input_scale == 1.0:
            return batch
        return np.multiply(batch, np.float32(self.input_scale))


def _by_trainability(network: Network) -> list[Any]:
    from lasagne.layers import get_all_params

    return [
        *get_all_params(network.output, trainable=True),
        *get_all_params(network.output, trainable=False),
    ]


def _views(theta: np.ndarray, values: Sequence[np.ndarray]) -> list[np.ndarray]:
    total = sum(value.size for value in values)
    if theta.shape != (total,):
        raise ValueError(f"theta holds {theta.size} numbers, and the network has {total}.")
    views, start = [], 0
    for value in values:
        views.append(theta[start : start + value.size].reshape(value.shape))
        start += value.size
    return views
