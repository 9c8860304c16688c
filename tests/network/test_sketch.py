"""The shapes of parameters, without their values."""

from __future__ import annotations

from threading import Barrier, Thread

import numpy as np
import pytest

from convnet_features.exceptions import NetworkError
from convnet_features.layers import BatchNormLayer
from convnet_features.network.model import Model
from convnet_features.network.presets import seed_network, small_resnet
from convnet_features.network.sketch import parameter_shapes
from convnet_features.network.spec import parse_layers

import lasagne  # isort: skip
from lasagne.layers import DenseLayer  # isort: skip


class Doubled(DenseLayer):
    """Looks at the values that it was given."""

    def __init__(self, incoming, **params):
        super().__init__(incoming, **params)
        rows, columns = self.W.get_value(borrow=True).shape
        self.V = self.add_param(lambda shape: np.ones(shape), (columns, rows), name="V")


@pytest.mark.parametrize(
    "layers",
    [
        seed_network((3, 17, 11)),
        small_resnet(),
        lambda images, n_outputs: DenseLayer(images, n_outputs),
        parse_layers(
            [
                ("hidden", Doubled, {"num_units": 5}),
                ("bn", BatchNormLayer),
                ("output", DenseLayer, {"b": np.zeros(7, np.float32)}),
            ]
        ),
    ],
    ids=["default", "residual", "callable", "own"],
)
def test_are_those_of_the_network(layers):
    shapes = parameter_shapes(layers, (3, 17, 11), 7, "classes")
    built = Model(layers, (3, 17, 11), 7, "classes").named_values
    assert shapes == {name: value.shape for name, value in built.items()}


def test_sizes_are_no_memory():
    layers = seed_network((1, 30_000, 30_000))
    assert parameter_shapes(layers, (1, 30_000, 30_000), 9, "classes")["dense.W"] == (
        32 * 7497**2,
        256,
    )


def test_lasagne_is_as_before():
    create = lasagne.utils.create_param
    with pytest.raises(NetworkError):
        parameter_shapes(
            parse_layers([("d", DenseLayer, {"num_units": -1})]), (1, 2, 2), 3, "numbers"
        )
    assert lasagne.utils.create_param is create


def test_lasagne_is_as_before_several_threads():
    """Two sketches at a time: neither may leave its function behind for the other's thread."""
    before, entered, shapes = lasagne.utils.create_param, Barrier(8), []

    def sketch():
        entered.wait()
        for _ in range(5):
            shapes.append(len(parameter_shapes(seed_network((1, 8, 8)), (1, 8, 8), 4, "classes")))

    threads = [Thread(target=sketch) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert lasagne.utils.create_param is before
    assert len(shapes) == 40
