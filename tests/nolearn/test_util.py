"""What convolutions see, tables, and dictionaries that are sliced."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from lasagne.layers import Conv2DLayer, DenseLayer, InputLayer, MaxPool2DLayer

from convnet_features.layers import Conv2DLayer as OurConv2DLayer
from convnet_features.nolearn import NeuralNet
from convnet_features.nolearn.util import (
    SliceDict,
    ansi,
    get_conv_infos,
    get_real_filter,
    get_receptive_field,
    is_conv2d,
    is_maxpool2d,
    table,
)


@pytest.fixture(scope="module")
def net():
    net = NeuralNet(
        [
            ("input", InputLayer),
            ("conv1", Conv2DLayer),
            ("pool1", MaxPool2DLayer),
            ("conv2", OurConv2DLayer),
            ("output", DenseLayer),
        ],
        input_shape=(None, 1, 13, 17),
        conv1_num_filters=2,
        conv1_filter_size=(3, 5),
        pool1_pool_size=2,
        conv2_num_filters=3,
        conv2_filter_size=3,
        output_num_units=4,
        update_learning_rate=0.1,
    )
    net.initialize()
    return net


def test_kinds_of_layers(net):
    layers = net.layers_
    assert [is_conv2d(layer) for layer in layers.values()] == [False, True, False, True, False]
    assert [is_maxpool2d(layer) for layer in layers.values()] == [False, False, True, False, False]
    assert is_conv2d(layers.values())
    assert not is_maxpool2d(layers.values()[:2])


def test_filters_and_fields(net):
    """A unit of conv2 sees 3 pixels two apart, of 3 (or 5) pixels each: 3 + 2·2, 5 + 2·2."""
    layers = net.layers_.values()
    real, seen = get_real_filter(layers, (13, 17)), get_receptive_field(layers, (13, 17))
    np.testing.assert_array_equal(real, [(13, 17), (3, 5), (3, 5), (6, 6), (13, 17)])
    np.testing.assert_array_equal(seen, [(13, 17), (3, 5), (3, 5), (7, 9), (13, 17)])


def test_the_table_of_them(net):
    lines = get_conv_infos(net, tablefmt="simple").splitlines()
    headings = "name size total cap. Y [%] cap. X [%] cov. Y [%] cov. X [%]"
    assert " ".join(lines[0].split()) == headings
    assert lines[5].split() == ["conv2", "3x3x4", "36", "85.71", "66.67", "53.85", "52.94"]
    low = get_conv_infos(net, min_capacity=70, detailed=True).splitlines()[5]
    assert low.startswith(f"| {ansi.MAGENTA}conv2{ansi.ENDC}  | 3x3x4   |      36 |")
    assert low.split("|")[8:12] == [f" {n:>10} " for n in (6, 6)] + [f" {n:>9} " for n in (7, 9)]


def test_tables():
    made = table(["name", "n"], [["conv", "7"], ["a layer", "123"]], text=[0])
    assert made == "name       n\n-------  ---\nconv       7\na layer  123"


class TestSliceDict:
    def test_slices(self):
        X = SliceDict(a=np.arange(4), b=np.arange(12).reshape(4, 3))
        assert (len(X), X.shape, len(SliceDict())) == (4, (4,), 0)
        for rows in (slice(1, 3), [1, 2], np.array([False, True, True, False])):
            taken = X[rows]
            assert isinstance(taken, SliceDict)
            np.testing.assert_array_equal(taken["a"], [1, 2])
            np.testing.assert_array_equal(taken["b"], [[3, 4, 5], [6, 7, 8]])
        assert pickle.loads(pickle.dumps(X)).shape == (4,)
        assert repr(SliceDict(a=np.arange(2))) == "SliceDict(**{'a': array([0, 1])})"

    def test_what_it_refuses(self):
        X = SliceDict(a=np.arange(4))
        with pytest.raises(ValueError, match=r"^Initialized with items of different shapes: 3, 4$"):
            SliceDict(a=np.zeros(4), b=np.zeros(3))
        with pytest.raises(ValueError, match=r"^Cannot set array with shape\[0\] != 4$"):
            X["b"] = np.zeros(3)
        with pytest.raises(ValueError, match=r"^Cannot set array with shape\[0\] != 4$"):
            X.update({"b": np.zeros(3)})
        with pytest.raises(TypeError, match=r"^Key must be str, not <class 'int'>"):
            X[1] = np.zeros(4)
        with pytest.raises(ValueError, match="cannot be indexed by a number"):
            X[1]
