"""Values of parameters: all of them, written to a file, and taken over."""

from __future__ import annotations

import os
import warnings
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..caller import users_level
from ..exceptions import ConvNetFeaturesWarning
from ..files.errors import errors_naming
from ..files.layer_values import read_values, write_values
from ..network.transfer import finite_float32
from .declaration import DeclaredNetwork

__all__ = ["LoadableParameters"]


class LoadableParameters(DeclaredNetwork):
    """A declared network whose parameters can be saved, loaded and taken over."""

    verbose: int

    def get_all_layers(self) -> list[Any]:
        """Every layer, inputs first."""
        return self.layers_.values()

    def get_all_params(self, **tags: bool) -> list[Any]:
        """The shared variables of every layer, as ``lasagne.layers.get_all_params``."""
        from lasagne.utils import unique

        params = [layer.get_params(**tags) for layer in self.get_all_layers()]
        return unique([param for held in params for param in held])

    def get_all_params_values(self) -> OrderedDict[str, list[np.ndarray]]:
        """By layer's name, copies of the values of its parameters."""
        return OrderedDict(
            (name, [param.get_value() for param in layer.get_params()])
            for name, layer in self.layers_.items()
        )

    def save_params_to(self, fname: str | os.PathLike[str]) -> None:
        """Write the values of the parameters to a file, in NumPy's ``.npz`` format.

        Parameters
        ----------
        fname : path
            With any ending, or none.
        """
        write_values(fname, self.get_all_params_values())

    def load_params_from(self, source: Any) -> None:
        """Take over parameters, layer by layer, where names and shapes agree.

        Parameters
        ----------
        source : path, NeuralNet, dict of str to list of ndarray, or list of ndarray
            Arrays of the parameters' own shapes: a file that `save_params_to`
            or nolearn wrote, another net, what `get_all_params_values`
            returned, or the values of
            `get_all_params` in their order. Of a file only arrays of numbers
            are read; nothing in it is run.

        Warns
        -----
        ConvNetFeaturesWarning
            If something in `source` has no place in the network.

        Raises
        ------
        FileFormatError
            If a file holds something else, or is damaged. Nothing has been
            loaded then.
        ValueError
            If another source holds something else than finite numbers.
        """
        self.initialize_layers()
        values = source
        if isinstance(source, str | os.PathLike):
            values = read_values(source, self.get_all_params_values())
        if isinstance(source, LoadableParameters):
            values = source.get_all_params_values()
        if not isinstance(values, Mapping):
            values = self._by_layer(values)
        with errors_naming(source):
            found, left_out = self._matching(values)
        for name, param, value in found:
            param.set_value(value)
            if self.verbose:
                print(f"Loaded parameters to layer {name!r} (shape {_size(value.shape)}).")
        if left_out:
            warnings.warn(
                f"load_params_from: not loaded: {'; '.join(left_out)}.",
                ConvNetFeaturesWarning,
                stacklevel=users_level(),
            )

    def _by_layer(self, values: Sequence[np.ndarray]) -> dict[str, list[np.ndarray]]:
        params = self.get_all_params()
        if len(values) != len(params):
            raise ValueError(
                f"load_params_from: {len(values)} arrays came, and the network has {len(params)} "
                "parameters."
            )
        found = {id(param): value for param, value in zip(params, values, strict=True)}
        return {
            name: [found[id(param)] for param in layer.get_params()]
            for name, layer in self.layers_.items()
        }

    def _matching(
        self, source: Mapping[str, Sequence[Any]]
    ) -> tuple[list[tuple[str, Any, np.ndarray]], list[str]]:
        """(layer, parameter, value) of all that fits, and what does not fit, in words."""
        found: list[tuple[str, Any, np.ndarray]] = []
        left_out = []
        for name, values in source.items():
            layer = self.layers_.get(name)
            params = [] if layer is None else layer.get_params()
            if len(params) < len(values):
                has = f"it has {len(params)} parameters"
                why = "there is no such layer" if layer is None else has
                left_out.append(f"{len(values) - len(params)} arrays of layer {name!r}, as {why}")
            for param, value in zip(params, values, strict=False):
                shape, given = param.get_value(borrow=True).shape, np.shape(value)
                if given == shape:
                    numbers = finite_float32(value, f"a parameter of layer {name!r}")
                    found.append((name, param, numbers))
                else:
                    left_out.append(
                        f"layer {name!r}, whose shape is {_size(shape)}, not {_size(given)}"
                    )
        return found, left_out

    #: The names that nolearn 0.5 had.
    save_weights_to = save_params_to
    load_weights_from = load_params_from


def _size(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape))
