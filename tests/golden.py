"""The golden cases: values of the original stack, Lasagne 0.1 on Theano 1.0.5.

One ``.npz`` a case, with the keys that ``tests/data/golden/README.md`` explains.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent / "data" / "golden"
NAMES = sorted(path.stem for path in FOLDER.glob("*.npz"))


@dataclass(frozen=True)
class GoldenCase:
    """One recorded network: its declaration, its batch, and what the original stack computed."""

    name: str

    @cached_property
    def values(self):
        with np.load(FOLDER / f"{self.name}.npz", allow_pickle=False) as file:
            return dict(file)

    @cached_property
    def spec(self):
        return json.loads(str(self.values["spec"]))

    def numbered(self, letter):
        """The arrays ``p0``, ``p1``, … in order."""
        count = sum(key[:1] == letter and key[1:].isdigit() for key in self.values)
        return [self.values[f"{letter}{index}"] for index in range(count)]

    @property
    def batch(self):
        return self.values["X"], self.values["y"]

    @property
    def input_shape(self):
        return self.values["X"].shape[1:]

    def layers(self):
        """(name, class, arguments) of every layer, without dropout."""
        import lasagne

        for layer in self.spec["layers"]:
            params = {key: _value(key, value) for key, value in layer["params"].items()}
            if layer["type"] == "DropoutLayer":
                params["p"] = 0
            if "incoming" in layer:
                params["incoming"] = layer["incoming"]
            yield layer["name"], getattr(lasagne.layers, layer["type"]), params

    def update_rule(self):
        """The update rule, which also limits the gradients' total norm if the case does."""
        import lasagne

        options = dict(self.spec["update"])
        rule = getattr(lasagne.updates, options.pop("name"))
        total_norm = options.pop("total_norm", None)
        if total_norm is None:
            return rule, options

        def limited(gradients, params, **arguments):
            clipped = lasagne.updates.total_norm_constraint(gradients, total_norm)
            return rule(clipped, params, **arguments)

        return limited, options


def _value(key, value):
    import lasagne
    import theano.tensor

    if key == "nonlinearity":
        if isinstance(value, list):
            return getattr(lasagne.nonlinearities, value[0])(*value[1:])
        return getattr(lasagne.nonlinearities, value)
    if key == "pool_function":
        return getattr(theano.tensor, value)
    if isinstance(value, list):
        return tuple(_value("", item) for item in value)
    return value
