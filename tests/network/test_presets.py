"""The seed network, for images of every size."""

from __future__ import annotations

import math

import pytest

from convnet_features.network.build import build_network
from convnet_features.network.presets import seed_network

NAMES = [
    "input",
    "conv2d1",
    "maxpool1",
    "conv2d2",
    "maxpool2",
    "dropout1",
    "dense",
    "dropout2",
    "output",
]


def built(input_shape, n_outputs=10):
    return build_network(seed_network(input_shape), input_shape, n_outputs, "classes", seed=0)


def test_the_tutorials_network():
    network = built((1, 28, 28))
    assert list(network.layers) == NAMES
    assert sum(param.get_value().size for param in network.params) == 160_362
    shapes = {name: layer.output_shape[1:] for name, layer in network.layers.items()}
    assert shapes == {
        "input": (1, 28, 28),
        "conv2d1": (32, 24, 24),
        "maxpool1": (32, 12, 12),
        "conv2d2": (32, 8, 8),
        "maxpool2": (32, 4, 4),
        "dropout1": (32, 4, 4),
        "dense": (256,),
        "dropout2": (256,),
        "output": (10,),
    }


def expected_axis(size):
    """Filters and poolings of both blocks, as the docstring says them."""
    if size >= 16:
        return [(5, 0, 2), (5, 0, 2)]
    blocks = []
    for _ in range(2):
        if size == 1:
            blocks.append((1, 0, 1))
        elif size < 4:
            blocks.append((3, 1, 1))
        else:
            blocks.append((3, 1, 2))
            size //= 2
    return blocks


@pytest.mark.parametrize("height", [1, 2, 3, 4, 5, 7, 8, 15, 16, 17, 28, 32, 40])
@pytest.mark.parametrize("width", [1, 3, 8, 15, 16, 28])
def test_the_rule(height, width):
    specs = {spec.name: spec for spec in seed_network((3, height, width))}
    for block in (1, 2):
        rows, columns = expected_axis(height)[block - 1], expected_axis(width)[block - 1]
        convolution, pooling = specs[f"conv2d{block}"].params, specs[f"maxpool{block}"].params
        assert convolution["num_filters"] == 32
        assert convolution["filter_size"] == (rows[0], columns[0])
        assert convolution.get("pad", (0, 0)) == (rows[1], columns[1])
        assert pooling["pool_size"] == (rows[2], columns[2])


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 6, 7, 8, 11, 15, 16, 20, 28])
def test_every_size_keeps_a_pixel(size):
    for shape in ((1, size, size), (3, size, 1), (2, 1, size), (1, size, 28)):
        network = built(shape, 2)
        assert min(network.layers["maxpool2"].output_shape[1:]) >= 1


def test_many_channels():
    network = built((10_000, 2, 2), 2)
    assert network.layers["conv2d1"].W.get_value().shape == (32, 10_000, 3, 3)


def test_the_number_of_parameters_by_hand():
    network = built((3, 8, 12), 5)
    weights = 32 * 3 * 9 + 32 + 32 * 32 * 9 + 32 + (32 * 2 * 3) * 256 + 256 + 256 * 5 + 5
    assert sum(math.prod(param.get_value().shape) for param in network.params) == weights
