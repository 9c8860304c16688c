"""Transposed convolution as a layer of later Lasagne's."""

from __future__ import annotations

import numpy as np
import pytest
import theano
from lasagne import layers as ll
from lasagne.nonlinearities import identity
from theano import tensor as T

from convnet_features import ConvNetClassifier
from convnet_features.layers import Deconv2DLayer, TransposedConv2DLayer

from ..helpers import assert_close


def spread(x, W, stride, crop, flip, size=None):
    """Each pixel adds its filters to the result, in float64; W is (channels, filters, ...)."""
    W = W if flip else W[:, :, ::-1, ::-1]
    rows, columns = W.shape[2:]
    whole = [(x.shape[2 + k] - 1) * stride[k] + W.shape[2 + k] + stride[k] for k in (0, 1)]
    y = np.zeros((len(x), W.shape[1], *whole))
    for i, j in np.ndindex(*x.shape[2:]):
        at = (
            slice(i * stride[0], i * stride[0] + rows),
            slice(j * stride[1], j * stride[1] + columns),
        )
        y[:, :, at[0], at[1]] += np.einsum("nk,kcab->ncab", x[:, :, i, j], W)
    size = size or [whole[k] - stride[k] - 2 * crop[k] for k in (0, 1)]
    return y[:, :, crop[0] : crop[0] + size[0], crop[1] : crop[1] + size[1]]


# (stride, crop, cut off, flip_filters, output_size)
LAYERS = {
    "plain": (1, 0, (0, 0), False, None),
    "strided": ((2, 3), "valid", (0, 0), True, None),
    "DCGAN's": (2, (1, 1), (1, 1), False, None),
    "same": (2, "same", (1, 1), True, None),
    "full": ((1, 2), "full", (2, 2), False, None),
    "larger": ((2, 3), 1, (1, 1), False, (10, 18)),
}


@pytest.mark.parametrize("unknown", [False, True])
@pytest.mark.parametrize("name", LAYERS)
def test_equals_adding_pixel_by_pixel(name, unknown, rng):
    stride, crop, cut, flip, output_size = LAYERS[name]
    images = rng.normal(size=(2, 3, 5, 6)).astype("float32")
    shape = (None, 3, None, None) if unknown else (None, 3, 5, 6)
    layer = TransposedConv2DLayer(
        shape, 4, 3, stride, crop, flip_filters=flip, output_size=output_size, nonlinearity=None
    )
    assert layer.nonlinearity is identity
    assert layer.W.get_value().shape == layer.get_W_shape() == (3, 4, 3, 3)
    layer.b.set_value(rng.normal(size=4).astype("float32"))
    steps = (stride, stride) if isinstance(stride, int) else stride
    expected = spread(np.float64(images), layer.W.get_value(), steps, cut, flip, output_size)
    expected += layer.b.get_value()[:, None, None]
    x = T.tensor4("x")
    y = theano.function([x], layer.get_output_for(x))(images)
    assert_close(y, expected, "float32")
    assert layer.get_output_shape_for(images.shape) == y.shape
    if unknown and output_size is None:
        assert layer.output_shape == (None, 4, None, None)
    else:
        assert layer.output_shape == (None, *y.shape[1:])


def test_size_that_the_run_says(rng):
    images = rng.normal(size=(2, 3, 4, 5)).astype("float32")
    size = theano.shared(np.array([9, 16]))
    layer = TransposedConv2DLayer((None, 3, 4, 5), 2, (2, 3), (2, 3), output_size=size, b=None)
    assert layer.output_shape == (None, 2, None, None)
    y = layer.get_output_for(theano.shared(images)).eval()
    expected = spread(np.float64(images), layer.W.get_value(), (2, 3), (0, 0), False, (9, 16))
    assert_close(y, np.maximum(expected, 0), "float32")


def test_is_the_backward_pass_of_a_convolution(rng):
    x, maps = T.tensor4("x"), T.tensor4("maps")
    forward = ll.Conv2DLayer((None, 2, 8, 9), 5, 3, 2, 1, b=None, nonlinearity=None)
    W = forward.W
    # (8 + 2 - 3) // 2 + 1 = 4 rows and 5 columns; 7 rows are the smallest that give 4.
    backward = Deconv2DLayer((None, 5, 4, 5), 2, 3, 2, 1, W=W, output_size=(8, 9), b=None)
    backward.nonlinearity = identity
    expected = theano.grad((forward.get_output_for(x) * maps).sum(), x)
    f = theano.function([x, maps], [expected, backward.get_output_for(maps)])
    theirs, ours = f(
        rng.normal(size=(3, 2, 8, 9)).astype("f"), rng.normal(size=(3, 5, 4, 5)).astype("f")
    )
    assert_close(ours, theirs, "float32")


def test_biases_of_each_pixel():
    layer = TransposedConv2DLayer((None, 3, 4, 5), 2, 3, stride=2, untie_biases=True)
    assert layer.b.get_value().shape == (2, 9, 11)
    assert layer.get_params(regularizable=True) == [layer.W]
    assert layer.crop == (0, 0)


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"output_size": (8, 11)}, ValueError, r"gives 9x11 pixels.*by less than a stride"),
        ({"output_size": (9, 13)}, ValueError, r"output_size=\(9, 13\) does not fit"),
        (
            {"crop": "same", "filter_size": 4},
            NotImplementedError,
            "requires odd filter size; got 4",
        ),
        ({"crop": "some"}, TypeError, "iterable of int"),
        ({"num_groups": 2}, ValueError, "its 3 channels cannot be divided into num_groups=2"),
    ],
)
def test_arguments_that_do_not_fit(arguments, error, text):
    with pytest.raises(error, match=text):
        TransposedConv2DLayer(
            (None, 3, 4, 5), **{"num_filters": 2, "filter_size": 3, "stride": 2, **arguments}
        )


def test_estimator_trains_one(rng):
    """Down and up again: it tells bright columns from bright rows."""
    y = rng.integers(0, 2, 120)
    X = rng.normal(size=(120, 1, 8, 8)).astype("float32") / 3
    for image, label in zip(X, y, strict=True):
        line = rng.integers(8)
        image[0, slice(None) if label else line, line if label else slice(None)] += 1.5
    layers = [
        ("down", ll.Conv2DLayer, {"num_filters": 8, "filter_size": 3, "stride": 2, "pad": 1}),
        ("up", TransposedConv2DLayer, {"num_filters": 8, "filter_size": 4, "stride": 2, "crop": 1}),
        ("pool", ll.GlobalPoolLayer, {"pool_function": T.max}),
        ("output", ll.DenseLayer),
    ]
    settings = {"max_epochs": 40, "update": "adam", "update_learning_rate": 0.01}
    classifier = ConvNetClassifier(layers, random_state=0, **settings).fit(X, y)
    assert classifier.score(X, y) > 0.9
