"""Entries picked by places that the model computes, as PyTorch's newer exporter writes them."""

from __future__ import annotations

import numpy as np
import pytest

from convnet_features.exceptions import NetworkError
from convnet_features.onnx import from_onnx

from ...helpers import assert_close
from ..foreign import Foreign


@pytest.fixture
def foreign(rng):
    return Foreign(rng)


@pytest.fixture
def assert_reads(run, images):
    def check(foreign, opset=18, batch="n"):
        model = foreign.model(opset, batch=batch)
        X = images[:batch] if isinstance(batch, int) else images
        expected = next(iter(run(model, X).values()))
        extractor = from_onnx(model, engine="portable")
        assert_close(extractor.transform(X), expected.reshape(len(X), -1), "float32")
        return extractor

    return check


def integers(foreign, *values):
    return foreign.constant(np.array(values, np.int64))


def strided(f, places, size):
    """`as_strided`: places in each sample, and where each sample begins, in one row of all."""
    x = f.last
    shape = f("Shape", first="input.1", start=0, end=1)
    count = f("Squeeze", first=shape)
    zero, one = f.constant(np.int64(0)), f.constant(np.int64(1))
    samples = f("Range", count, one, first=zero)
    begins = f("Mul", f.constant(np.int64(size)), first=samples)
    begins = f("Unsqueeze", integers(f, *range(1, places.ndim)), first=begins)
    index = f("Add", f.constant(places), first=begins)
    row = f("Reshape", integers(f, -1), first=x)
    f("Gather", index, first=row, axis=0)


def test_a_view_with_strides_of_pooled_maps(foreign, assert_reads):
    """What ConvNeXt does with its means."""
    foreign("Conv", foreign.weights(6, 2, 3, 3))
    foreign("ReduceMean", integers(foreign, -1, -2), keepdims=1)
    strided(foreign, np.arange(6)[None, :, None, None], 6)
    extractor = assert_reads(foreign)
    assert len(extractor.layers_) == 4  # nothing is picked


def test_a_view_with_strides_in_another_order(foreign, assert_reads):
    foreign("Conv", foreign.weights(4, 2, 3, 3))
    places = np.random.default_rng(0).integers(0, 4 * 7 * 9, (1, 5, 3))
    strided(foreign, places, 4 * 7 * 9)
    assert_reads(foreign)


@pytest.mark.parametrize("batch", [1, 2])
def test_a_view_with_strides_of_a_fixed_number_of_samples(foreign, assert_reads, batch):
    """Its places are constants."""
    foreign("GlobalAveragePool")
    foreign("Reshape", integers(foreign, 2 * batch))
    places = np.arange(2 * batch).reshape(batch, 2, 1, 1)
    foreign("Gather", foreign.constant(places[:, ::-1].copy()), axis=0)
    assert_reads(foreign, batch=batch)


def test_samples_are_not_mixed(foreign):
    foreign("GlobalAveragePool")
    foreign("Reshape", integers(foreign, 4))
    foreign("Gather", foreign.constant(np.array([[0, 2], [1, 3]])), axis=0)
    with pytest.raises(NetworkError, match=r"Gather\): numbers of several samples put together"):
        from_onnx(foreign.model(batch=2), engine="portable")


def test_what_depends_on_the_number_of_samples_and_is_no_place(foreign):
    shape = foreign("Shape", start=0, end=1)
    half = foreign("Div", integers(foreign, 2), first=shape)
    foreign("Slice", integers(foreign, 0), half, integers(foreign, 2), first="input.1")
    with pytest.raises(NetworkError, match=r"\(Div\) cannot be read; what it computes depends on"):
        from_onnx(foreign.model(), engine="portable")


@pytest.mark.parametrize("order", [[2, 3, 0, 1], [3, 2, 1, 0], [2, 3, 1, 0]])
def test_indexing_by_arrays(foreign, assert_reads, order):
    """Adaptive poolings whose windows do not divide the image: rows and columns are picked."""
    foreign("Conv", foreign.weights(4, 2, 3, 3))
    foreign("Transpose", perm=order)
    sizes = [(None, 4, 7, 9)[axis] for axis in order[:2]]
    random = np.random.default_rng(0)
    index = np.stack([random.integers(-size, size, (2, 3, 4)) for size in sizes], axis=-1)
    foreign("GatherND", foreign.constant(index))
    turned = [order.index(0), order.index(1)]  # of what was not looked into: samples, channels
    foreign("Transpose", perm=[turned[0] + 1, turned[1] + 1, 0, 1, 2])
    foreign("ReduceMax", integers(foreign, -1), keepdims=0)
    assert_reads(foreign)


def test_indexing_along_one_of_the_axes(foreign, assert_reads):
    foreign("Transpose", perm=[3, 0, 2, 1])
    foreign("GatherND", foreign.constant(np.array([[5], [0], [-1]])))
    foreign("Transpose", perm=[1, 3, 0, 2])
    assert_reads(foreign)


def test_places_that_are_not_there(foreign):
    foreign("Transpose", perm=[2, 3, 0, 1])
    foreign("GatherND", foreign.constant(np.array([[5, 11]])))
    foreign("Transpose", perm=[1, 2, 0])
    with pytest.raises(NetworkError, match=r"GatherND\): a place beyond \[9, 11\] cannot be read"):
        from_onnx(foreign.model(), engine="portable")


def test_samples_elsewhere_are_for_picking_alone(foreign):
    foreign("Transpose", perm=[2, 3, 0, 1])
    foreign("Relu")
    with pytest.raises(NetworkError, match=r"Transpose\): the axes in the order \[2, 3, 0, 1\]"):
        from_onnx(foreign.model(), engine="portable")


def test_what_is_picked_keeps_its_samples_elsewhere(foreign):
    """The model's means are over the channels, of a value of shape (places, samples, channels)."""
    foreign("Transpose", perm=[2, 3, 0, 1])
    foreign("GatherND", foreign.constant(np.array([[0, 1], [2, 3], [5, 4]])))
    foreign("ReduceMean", axes=[2], keepdims=0)
    with pytest.raises(NetworkError, match=r"GatherND\): a value whose samples do not come first"):
        from_onnx(foreign.model(), engine="portable")
