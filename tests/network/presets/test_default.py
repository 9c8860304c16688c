"""The networks that are there without being declared, for images of every size."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sklearn.base import clone

from convnet_features import ConvNetClassifier
from convnet_features.exceptions import NetworkError
from convnet_features.network.build import build_network
from convnet_features.network.presets.default import (
    _mean_of_quarters,
    default_network,
    seed_network,
)
from convnet_features.network.sketch import parameter_shapes

from ...helpers import assert_close

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


class TestTheDefault:
    """The network that grows with the images."""

    @given(*[st.integers(1, 512)] * 2, st.sampled_from([1, 3, 4]))
    @example(1, 512, 3)
    @example(512, 1, 1)
    @example(3, 512, 1)
    @example(4, 512, 1)
    @example(29, 28, 3)
    @settings(max_examples=60, deadline=None)
    def test_of_any_size_up_to_512(self, height, width, n_channels):
        """At most 8×8 pixels reach the dense layer, and no layer is large."""
        shape = (n_channels, height, width)
        specs = default_network(shape)
        assert len({spec.name for spec in specs}) == len(specs)
        maps = last_maps(specs, height, width)
        assert min(maps) >= 1
        assert math.prod(maps) <= 64
        values = parameter_shapes(specs, shape, 10, "classes")
        assert sum(map(math.prod, values.values())) < 700_000

    @given(st.integers(1, 28), st.integers(1, 28))
    @settings(max_examples=30, deadline=None)
    def test_up_to_28_it_is_the_tutorials(self, height, width):
        assert default_network((1, height, width)) == seed_network((1, height, width))

    @given(st.integers(4, 28), st.integers(4, 28), st.sampled_from([2, 3, 4]))
    @settings(max_examples=30, deadline=None)
    def test_of_several_channels_up_to_15(self, height, width, n_channels):
        """The tutorial's network stays at chance on photographs of 3×28×28, at its default rate."""
        shape = (n_channels, height, width)
        is_the_tutorials = default_network(shape) == seed_network(shape)
        assert is_the_tutorials == (max(height, width) < 16)

    def test_of_the_tutorial(self):
        values = parameter_shapes(default_network((1, 28, 28)), (1, 28, 28), 10, "classes")
        assert sum(map(math.prod, values.values())) == 160_362
        assert [spec.name for spec in default_network((1, 28, 28))] == NAMES

    def test_of_a_photograph(self):
        network = build_network(default_network((3, 60, 90)), (3, 60, 90), 5, "classes", seed=0)
        shapes = {name: layer.output_shape[1:] for name, layer in network.layers.items()}
        assert shapes == {
            "input": (3, 60, 90),
            "conv2d1": (32, 60, 90),
            "maxpool1": (32, 30, 45),
            "batchnorm1": (32, 30, 45),
            "conv2d2": (64, 30, 45),
            "maxpool2": (64, 15, 22),
            "batchnorm2": (64, 15, 22),
            "conv2d3": (128, 15, 22),
            "maxpool3": (128, 7, 11),
            "batchnorm3": (128, 7, 11),
            "conv2d4": (128, 7, 11),
            "maxpool4": (128, 3, 5),
            "batchnorm4": (128, 3, 5),
            "meanpool": (128, 2, 2),
            "dropout1": (128, 2, 2),
            "dense": (256,),
            "dropout2": (256,),
            "output": (5,),
        }

    def test_parameters_as_the_docstring_has_them(self):
        found = {}
        for shape in ((1, 28, 28), (3, 28, 28), (3, 64, 64), (3, 512, 512)):
            arrays = parameter_shapes(default_network(shape), shape, 10, "classes")
            learnt = [s for name, s in arrays.items() if not name.endswith((".mean", ".inv_std"))]
            found["×".join(map(str, shape))] = sum(map(math.prod, learnt))
        assert list(found.values()) == [160_362, 87_946, 227_594, 671_114]
        text = " ".join(default_network.__doc__.split())
        assert all(
            re.search(f"{n:,} (parameters )?for {shape}", text) for shape, n in found.items()
        )

    def test_squares_grow_by_whole_blocks(self):
        n_layers = [len(default_network((3, size, size))) for size in range(16, 513)]
        assert n_layers == sorted(n_layers)
        assert set(n_layers) == {6 + 3 * blocks for blocks in range(2, 7)}

    def test_rows_keep_their_places(self):
        """Columns of a table are not averaged, and the tutorial's network goes on to 271."""
        assert default_network((1, 1, 271)) == seed_network((1, 1, 271))
        specs = {spec.name: spec for spec in default_network((1, 1, 272))}
        assert "meanpool" not in specs
        assert [specs[f"conv2d{block}"].params["num_filters"] for block in (1, 2, 3)] == [32] * 3
        assert specs["conv2d1"].params["filter_size"] == (1, 3)
        assert specs["maxpool3"].params["pool_size"] == (1, 2)

    @pytest.mark.parametrize("size", [4, 5, 7, 8, 11])
    def test_means_cover_an_axis_twice(self, size):
        """Beside NumPy: the first and the last pixels, half of them each, rounded up."""
        from lasagne.layers import InputLayer, get_output

        maps = np.arange(2 * size * size, dtype=np.float32).reshape(1, 2, size, size)
        spec = _mean_of_quarters((size, size))
        layer = spec.layer_class(InputLayer((1, 2, size, size)), **spec.params)
        half = -(-size // 2)
        parts = [slice(None, half), slice(size - half, None)]
        expected = [[maps[..., r, c].mean((2, 3)) for c in parts] for r in parts]
        found = get_output(layer, maps).eval()
        assert_close(found, np.moveaxis(np.array(expected), (0, 1), (2, 3)), "float32")

    def test_parameters_of_layers(self, rng):
        """Layers that only larger images have are known before X is, and refused with small ones."""
        X, y = rng.random((6, 3, 36, 36)).astype(np.float32), np.arange(6) % 2
        net = ConvNetClassifier(max_epochs=1, random_state=0)
        net.set_params(conv2d3_num_filters=5)
        assert clone(net).fit(X, y).layers_["conv2d3"].num_filters == 5
        with pytest.raises(
            NetworkError,
            match=r"^unknown parameter 'conv2d3_num_filters': the default network of images of "
            r"1x28x28 \(channels x height x width\) has the layers input, conv2d1, maxpool1, "
            r"conv2d2, maxpool2, dropout1, dense, dropout2, output; that of larger images has "
            r"'conv2d3' too\. Leave the parameter out, or give layers\.$",
        ):
            net.fit(X[:, :1, :28, :28], y)
        with pytest.raises(NetworkError, match=r"unknown parameter 'conv3_pad': .*'conv2d3_pad'"):
            net.set_params(conv3_pad=1)


def last_maps(specs, height, width):
    """The pixels of the maps that the dense layer, or the mean over quarters, reads."""
    size = (height, width)
    for spec in specs:
        if spec.name.startswith("conv2d"):
            extents, pads = spec.params["filter_size"], spec.params.get("pad", (0, 0))
            size = [n + 2 * p - e + 1 for n, e, p in zip(size, extents, pads, strict=True)]
        elif spec.name.startswith("maxpool"):
            size = [n // p for n, p in zip(size, spec.params["pool_size"], strict=True)]
    return size
