"""Networks with their channels last, as Keras and TensorFlow write them."""

from __future__ import annotations

import numpy as np
import pytest
from lasagne.layers import DimshuffleLayer
from onnx import TensorProto, helper

from convnet_features.exceptions import EngineWarning
from convnet_features.onnx import from_onnx

from ..helpers import assert_close
from .foreign import Foreign


@pytest.fixture
def foreign(rng):
    return Foreign(rng, (12, 10, 3))


def integers(foreign, *values):
    return foreign.constant(np.array(values, np.int64))


def turned(f):
    """The pixels brought between -1 and 1, in front of the transposition."""
    f("Mul", f.constant(np.float32(1 / 127.5)))
    f("Sub", f.constant(np.float32([0.9, 1.0, 1.1])))
    f("Transpose", perm=[0, 3, 1, 2])
    f("Conv", f.weights(8, 3, 3, 3), strides=[2, 2])
    f("Relu")


def averaged(f):
    turned(f)
    f("Transpose", perm=[0, 2, 3, 1])
    f("ReduceMean", axes=[1, 2], keepdims=0)
    f("MatMul", f.weights(8, 5))


def padded_and_cut(f):
    """Colours the other way round, pads as tf2onnx spells them, channels in two halves."""
    f("Gather", integers(f, 2, 1, 0), axis=3)
    f("Pad", integers(f, 0, 1, 2, 0, 0, 1, 2, 0))
    f("Transpose", perm=[0, 3, 1, 2])
    f("Conv", f.weights(8, 3, 3, 3))
    f("Transpose", perm=[0, 2, 3, 1])
    whole = f.last
    first = f("Slice", integers(f, 0), integers(f, 3), integers(f, 3), first=whole)
    second = f("Slice", integers(f, 3), integers(f, 8), integers(f, 3), first=whole)
    f("Concat", first, first=second, axis=3)
    f("Sigmoid")


def halves(f):
    turned(f)
    f("Transpose", perm=[0, 2, 3, 1])
    one, other = f"{f.last}_0", f"{f.last}_1"
    f.nodes.append(helper.make_node("Split", [f.last], [one, other], axis=3, num_outputs=2))
    f("Mul", other, first=one)


def flattened(f):
    """Rows of pixels, each with its channels side by side."""
    f("Reshape", integers(f, -1, 360))
    f("MatMul", f.weights(360, 5))


@pytest.mark.parametrize("build", [turned, averaged, padded_and_cut, halves, flattened])
def test_images_come_as_they_did(foreign, build, run, rng):
    build(foreign)
    model = foreign.model(18 if build is halves else 17)
    extractor = from_onnx(model, engine="portable")
    X = rng.integers(0, 256, (4, 12, 10, 3)).astype(np.float32)
    expected = next(iter(run(model, X).values())).reshape(4, -1)
    assert extractor.input_shape_ == (3, 12, 10)
    assert_close(extractor.transform(X), expected, "float32")
    assert_close(extractor.transform(X.transpose(0, 3, 1, 2)), expected, "float32")


@pytest.mark.parametrize("build", [averaged, padded_and_cut])
def test_transpositions_meet_their_opposites(foreign, build):
    build(foreign)
    layers = list(from_onnx(foreign.model(), engine="portable").layers_.values())
    at_the_end = layers.pop() if build is padded_and_cut else None
    assert not any(isinstance(each, DimshuffleLayer) for each in layers)
    assert build is averaged or isinstance(at_the_end, DimshuffleLayer)


def test_a_reshaping_stands_for_the_transposition_of_one_channel(run, rng):
    foreign = Foreign(rng, (12, 10, 1))
    foreign("Reshape", integers(foreign, -1, 1, 12, 10))
    foreign("Conv", foreign.weights(4, 1, 3, 3))
    extractor = from_onnx(foreign.model(), engine="portable")
    X = rng.normal(size=(4, 12, 10, 1)).astype(np.float32)
    expected = next(iter(run(foreign.model(), X).values())).reshape(4, -1)
    assert_close(extractor.transform(X), expected, "float32")
    assert len(extractor.layers_) == 2


@pytest.mark.parametrize("shape", [(12, 10, 7), (5, 5, 5)])
def test_where_x_does_not_tell_the_model_does(shape, run, rng):
    foreign = Foreign(rng, shape)
    foreign("Transpose", perm=[0, 3, 1, 2])
    foreign("Conv", foreign.weights(4, shape[-1], 3, 3))
    extractor = from_onnx(foreign.model(), engine="portable")
    assert extractor.data_format == "channels_last"
    X = rng.normal(size=(4, *shape)).astype(np.float32)
    expected = next(iter(run(foreign.model(), X).values())).reshape(4, -1)
    assert_close(extractor.transform(X), expected, "float32")


def test_channels_that_the_model_does_not_move_stay_first(run, rng):
    """Images of 3 columns are no images of 3 channels where a convolution reads them so."""
    foreign = Foreign(rng, (8, 12, 3))
    foreign("Conv", foreign.weights(4, 8, 3, 3))
    extractor = from_onnx(foreign.model(), engine="portable")
    assert extractor.input_shape_ == (8, 12, 3)


@pytest.mark.parametrize("engine", ["portable", "onnxruntime"])
def test_sizes_that_are_open(foreign, engine, run, rng):
    averaged(foreign)
    model = foreign.model()
    sizes = [None, None, None, 3]
    model.graph.input[0].CopyFrom(
        helper.make_tensor_value_info("input.1", TensorProto.FLOAT, sizes)
    )
    extractor = from_onnx(model, input_shape=(3, 12, 10), engine=engine)
    X = rng.integers(0, 256, (4, 12, 10, 3)).astype(np.float32)
    assert_close(extractor.transform(X), next(iter(run(model, X).values())), "float32")
    message = (
        r"input_shape=\(12, 10, 3\) must be \(channels, height, width\), and the model's images "
        r"have 3 channels, which come last; give input_shape=\(3, height, width\)\."
    )
    with pytest.raises(ValueError, match=message):
        from_onnx(model, input_shape=(12, 10, 3), engine=engine)


def test_onnxruntime_finds_odd_channels_by_the_transposition(rng, run):
    foreign = Foreign(rng, (12, 10, 7))
    foreign("Transpose", perm=[0, 3, 1, 2])
    foreign("Conv", foreign.weights(4, 7, 3, 3))
    extractor = from_onnx(foreign.model(), engine="onnxruntime")
    assert extractor.input_shape_ == (7, 12, 10)
    X = rng.normal(size=(4, 12, 10, 7)).astype(np.float32)
    expected = next(iter(run(foreign.model(), X).values())).reshape(4, -1)
    assert_close(extractor.transform(X), expected, "float32")


def test_onnxruntime_computes_with_pixels_that_are_integers(foreign, rng, run):
    """Half of a pixel of 3 is 1, as long as pixels are uint8."""
    foreign("Div", foreign.constant(np.uint8(2)))
    foreign("Cast", to=TensorProto.FLOAT)
    foreign("Transpose", perm=[0, 3, 1, 2])
    foreign("Conv", foreign.weights(4, 3, 3, 3))
    model = foreign.model()
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.UINT8
    X = rng.integers(0, 256, (4, 12, 10, 3)).astype(np.uint8)
    expected = next(iter(run(model, X).values())).reshape(4, -1)
    with pytest.warns(EngineWarning, match="a computation with integers of uint8 cannot be read"):
        extractor = from_onnx(model)
    assert_close(extractor.transform(X), expected, "float32")


def test_rows_with_their_channels_side_by_side_have_no_channels_first(rng, run):
    foreign = Foreign(rng, (360,))
    foreign("Reshape", integers(foreign, -1, 12, 10, 3))
    foreign("Transpose", perm=[0, 3, 1, 2])
    foreign("Conv", foreign.weights(4, 3, 3, 3))
    model, X = foreign.model(), rng.normal(size=(4, 12, 10, 3)).astype(np.float32)
    expected = next(iter(run(model, X.reshape(4, -1)).values())).reshape(4, -1)
    assert_close(from_onnx(model, engine="portable").transform(X), expected, "float32")
    with pytest.raises(ValueError, match=r"input_shape=\(3, 12, 10\): the model takes rows of 360"):
        from_onnx(model, input_shape=(3, 12, 10), engine="portable")
