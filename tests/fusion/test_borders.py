"""Padding and cropping around a convolution become the convolution's own padding."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytensor.tensor as pt
import pytest
from pytensor.gradient import grad
from pytensor.graph.replace import clone_replace
from pytensor.tensor.subtensor import IncSubtensor, Subtensor

import convnet_features  # noqa: F401  (makes `import lasagne` work)
from convnet_features.fusion.borders import padded_convolution
from convnet_features.kernels.contract import Conv2DSpec
from convnet_features.ops import conv2d
from convnet_features.ops.conv2d import Conv2D
from convnet_features.ops.stages import Stages
from convnet_features.theano_facade import theano_scope

from ..graphs import assert_same_fused, count, fused


def only_convolution(graph):
    (node,) = [node for node in graph.apply_nodes if isinstance(node.op, Stages)]
    assert count(graph, Subtensor, IncSubtensor) == 0
    return node.op.graph.stages[0].conv


class TestLasagnesLayers:
    """What Lasagne 0.1 writes for its ``pad``, with the sizes known as in a network."""

    @staticmethod
    def output(shape=(None, 3, 9, 11), **params):
        from lasagne.layers import Conv2DLayer, InputLayer, get_output
        from lasagne.nonlinearities import linear

        with theano_scope():
            x = pt.tensor4(dtype="float32", shape=shape)
            layer = Conv2DLayer(InputLayer(shape, x), nonlinearity=linear, b=None, **params)
            y = get_output(layer)
        return layer, x, y

    @pytest.mark.parametrize(
        ("pad", "filter_size", "expected"),
        [
            (0, (3, 2), ((0, 0), (0, 0))),
            (2, (3, 2), ((2, 2), (2, 2))),
            ((1, 3), (3, 2), ((1, 1), (3, 3))),
            ((0, 1), (3, 2), ((0, 0), (1, 1))),
            ("same", (3, 5), ((1, 1), (2, 2))),
            ("same", (1, 1), ((0, 0), (0, 0))),
            ("same", (2, 4), ((1, 0), (2, 1))),
            ("same", (4, 3), ((2, 1), (1, 1))),
            ("full", (3, 4), ((2, 2), (3, 3))),
            ("valid", (3, 4), ((0, 0), (0, 0))),
        ],
    )
    @pytest.mark.parametrize("stride", [(1, 1), (2, 3)])
    def test_pads(self, pad, filter_size, expected, stride, rng):
        layer, x, y = self.output(num_filters=4, filter_size=filter_size, pad=pad, stride=stride)
        value = rng.standard_normal((2, 3, 9, 11)).astype("float32")
        values = [value, layer.W.get_value()]
        inputs = [x, pt.tensor4(dtype="float32", shape=values[1].shape)]
        (y,) = clone_replace([y], {layer.W: inputs[1]}, rebuild_strict=False)
        graph = fused(inputs, y)
        spec = only_convolution(graph)
        assert (spec.padding, spec.stride) == (expected, stride)
        assert_same_fused(inputs, [y, *grad(pt.sum(y**2), inputs)], values)


@pytest.fixture
def arrays(rng):
    return [rng.standard_normal(shape).astype("float32") for shape in ((2, 3, 7, 9), (4, 3, 3, 4))]


def symbols(x_shape=(None, 3, 7, 9), w_shape=(4, 3, 3, 4), dtype="float32"):
    return [pt.tensor4(dtype=dtype, shape=x_shape), pt.tensor4(dtype=dtype, shape=w_shape)]


def padded(x, rows, columns, dtype="float32", batch=None):
    """x with (before, behind) zeros written around it."""
    height, width = x.type.shape[2:]
    batch = x.shape[0] if batch is None else batch
    zeros = pt.zeros(
        (batch, x.shape[1], x.shape[2] + sum(rows), x.shape[3] + sum(columns)), dtype=dtype
    )
    window = zeros[:, :, rows[0] : rows[0] + height, columns[0] : columns[0] + width]
    return pt.set_subtensor(window, x)


@pytest.mark.parametrize(
    ("rows", "columns"), [((1, 1), (2, 2)), ((0, 3), (2, 1)), ((1, 0), (0, 0))]
)
@pytest.mark.parametrize("spec", [{}, {"stride": (2, 1), "padding": ((1, 0), (0, 2))}])
def test_zeros_around_the_images(rows, columns, spec, arrays):
    x, w = symbols()
    y = conv2d(padded(x, rows, columns), w, **spec)
    own = Conv2DSpec(**spec)
    expected = tuple(
        tuple(a + b for a, b in zip(pads, more, strict=True))
        for pads, more in zip(own.padding, (rows, columns), strict=True)
    )
    found = only_convolution(fused([x, w], y))
    assert found == Conv2DSpec(own.stride, expected, own.flip_filters)
    assert_same_fused([x, w], [y, *grad(pt.sum(y**2), [x, w])], arrays)


@pytest.mark.parametrize(
    ("crop", "expected"),
    [
        (np.s_[:, :, 1:-1, 2:-1], ((1, 1), (1, 2))),
        (np.s_[:, :, 2:, :-3], ((0, 2), (3, 0))),
        (np.s_[:, :, 1:9, 1:12], ((1, 2), (2, 3))),
        (np.s_[:, :, 1:], ((1, 2), (3, 3))),
    ],
)
def test_cropping_a_full_convolution(crop, expected, arrays):
    """Also to what 'same' means for filters with even sizes."""
    x, w = symbols()
    y = conv2d(x, w, padding=((2, 2), (3, 3)))[crop]
    found = only_convolution(fused([x, w], y))
    assert found.padding == expected
    assert_same_fused([x, w], [y, *grad(pt.sum(y**2), [x, w])], arrays)


class TestWhatMustNotMatch:
    def check(self, inputs, y, arrays, kind):
        assert count(fused(inputs, y), kind) >= 1
        assert_same_fused(inputs, y, arrays)

    @pytest.mark.parametrize(
        "crop",
        [
            np.s_[:, :, 3:-1, 1:-1],  # more than was padded
            np.s_[:, :, ::2],  # with a step
            np.s_[:, :, ::-1],
            np.s_[:1, :, 1:-1],  # of the samples too
            np.s_[:, 1:, 1:-1],
            np.s_[:, 0],
            np.s_[:, :, 1],
            np.s_[..., 1:-1, None],
        ],
    )
    def test_other_crops(self, crop, arrays):
        x, w = symbols()
        self.check([x, w], conv2d(x, w, padding=((2, 2), (3, 3)))[crop], arrays, Subtensor)

    def test_a_crop_of_a_strided_convolution(self, arrays):
        x, w = symbols()
        y = conv2d(x, w, padding=((2, 2), (3, 3)), stride=(1, 2))[:, :, 1:-1, 1:-1]
        self.check([x, w], y, arrays, Subtensor)

    def test_a_crop_of_what_is_also_used_whole(self, arrays):
        x, w = symbols()
        whole = conv2d(x, w, padding=((2, 2), (3, 3)))
        self.check([x, w], [whole[:, :, 1:-1], whole], arrays, Subtensor)

    def test_a_crop_where_sizes_are_unknown(self, arrays):
        x, w = symbols((None,) * 4)
        y = conv2d(x, w, padding=((2, 2), (3, 3)))[:, :, 1:-1, 1:-1]
        self.check([x, w], y, arrays, Subtensor)

    def test_zeros_where_sizes_are_unknown(self, arrays):
        x, w = symbols((None, 3, None, None))
        zeros = pt.zeros((x.shape[0], 3, x.shape[2] + 2, x.shape[3] + 2), dtype="float32")
        y = conv2d(pt.set_subtensor(zeros[:, :, 1:-1, 1:-1], x), w)
        self.check([x, w], y, arrays, IncSubtensor)

    def test_ones_around_the_images(self, arrays):
        x, w = symbols()
        ones = pt.ones((x.shape[0], 3, 9, 11), dtype="float32")
        y = conv2d(pt.set_subtensor(ones[:, :, 1:-1, 1:-1], x), w)
        self.check([x, w], y, arrays, IncSubtensor)

    def test_images_added_to_zeros(self, arrays):
        x, w = symbols()
        zeros = pt.zeros((x.shape[0], 3, 9, 11), dtype="float32")
        y = conv2d(pt.inc_subtensor(zeros[:, :, 1:-1, 1:-1], x), w)
        self.check([x, w], y, arrays, IncSubtensor)

    def test_images_with_a_step_between_them(self, arrays):
        x, w = symbols()
        zeros = pt.zeros((x.shape[0], 3, 14, 9), dtype="float32")
        y = conv2d(pt.set_subtensor(zeros[:, :, ::2, :], x), w)
        self.check([x, w], y, arrays, IncSubtensor)

    @pytest.mark.parametrize("size", [(1, 3, 7, 9), (1, 1, 7, 9), (None, 1, 7, 9), (2, 3, 1, 9)])
    def test_images_that_are_repeated(self, size, arrays, rng):
        """Writing one image (or channel, or row) into many broadcasts it."""
        x, w = symbols(size)
        zeros = pt.zeros((2, 3, 9, 11), dtype="float32")
        y = conv2d(pt.set_subtensor(zeros[:, :, 1:-1, 1:-1], x), w)
        value = rng.standard_normal([1 if s is None else s for s in size]).astype("float32")
        assert_same_fused([x, w], y, [value, arrays[1]])
        assert y.type.shape == (2, 4, 7, 8)


def test_wider_zeros_make_a_wider_convolution(arrays):
    x, w = symbols()
    y = conv2d(padded(x, (1, 1), (1, 1), dtype="float64"), w)
    assert y.type.dtype == "float64"
    assert_same_fused([x, w], y, arrays)


def test_what_else_a_spec_has_is_kept():
    """Specs are copied, not written anew: a field that comes later is not lost."""

    @dataclass(frozen=True)
    class Further(Conv2DSpec):
        further: int = 1

    x = pt.tensor4(dtype="float32", shape=(2, 3, 7, 11))
    w = pt.tensor4(dtype="float32", shape=(4, 3, 3, 2))
    zeros = pt.zeros((2, 3, 9, 13), dtype="float32")
    padded = Conv2D(Further(further=2))(pt.set_subtensor(zeros[:, :, 1:8, 2:13], x), w)
    spec = padded_convolution(None, padded.owner).owner.op.spec
    assert spec == Further(padding=((1, 1), (2, 0)), further=2)
