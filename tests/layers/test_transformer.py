"""Spatial transformers."""

from __future__ import annotations

import numpy as np
import pytest
import theano
from lasagne import layers as ll
from scipy.interpolate import RBFInterpolator
from scipy.ndimage import map_coordinates
from theano import tensor as T

from convnet_features.layers import TPSTransformerLayer, TransformerLayer

from ..helpers import assert_derivative

BORDERS = {"nearest": "nearest", "mirror": "mirror", "wrap": "grid-wrap"}
SAME = np.float32([1, 0, 0, 0, 1, 0])


def sampled(images, x, y, border_mode):
    """By SciPy's interpolation, at places from -1 to 1 of shape (n_samples, height, width)."""
    height, width = images.shape[2:]
    result = np.zeros((*images.shape[:2], *x.shape[1:]))
    for n, c in np.ndindex(*images.shape[:2]):
        places = [(y[n] + 1) / 2 * (height - 1), (x[n] + 1) / 2 * (width - 1)]
        result[n, c] = map_coordinates(
            np.float64(images[n, c]), places, order=1, mode=BORDERS[border_mode]
        )
    return result


def grid(height, width):
    return np.meshgrid(np.linspace(-1, 1, width), np.linspace(-1, 1, height))


@pytest.mark.parametrize("unknown", [False, True])
@pytest.mark.parametrize("border_mode", BORDERS)
def test_affine_map(border_mode, unknown, rng):
    images = rng.normal(size=(3, 2, 7, 9)).astype("float32")
    theta = (SAME + rng.normal(size=(3, 6)) / 3).astype("float32")
    shape = (None, 2, None, None) if unknown else images.shape
    layer = TransformerLayer(
        ll.InputLayer(shape), ll.InputLayer((None, 6)), (1.4, 0.9), border_mode
    )
    assert layer.output_shape[2:] == ((None, None) if unknown else (5, 10))
    x, y = grid(5, 10)
    places = np.einsum("nij,jhw->nihw", np.float64(theta).reshape(3, 2, 3), [x, y, np.ones_like(x)])
    expected = sampled(images, places[:, 0], places[:, 1], border_mode)
    result = layer.get_output_for([theano.shared(images), theano.shared(theta)]).eval()
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, expected, atol=2e-4)


@pytest.mark.parametrize("layer_class", [TransformerLayer, TPSTransformerLayer])
def test_what_leaves_an_image_as_it_is(layer_class, rng):
    images = rng.normal(size=(2, 3, 8, 6)).astype("float32")
    numbers = np.tile(SAME, (2, 1)) if layer_class is TransformerLayer else np.zeros((2, 32), "f")
    layer = layer_class(ll.InputLayer(images.shape), ll.InputLayer(numbers.shape))
    result = layer.get_output_for([theano.shared(images), theano.shared(numbers)]).eval()
    np.testing.assert_allclose(result, images, atol=2e-5)


@pytest.mark.parametrize("unknown", [False, True])
def test_thin_plate_splines(unknown, rng):
    """Bent as SciPy's radial basis functions with the same kernel bend."""
    images = rng.normal(size=(2, 3, 7, 9)).astype("float32")
    numbers = (rng.normal(size=(2, 18)) / 5).astype("float32")
    shape = (None, 3, None, None) if unknown else images.shape
    layer = TPSTransformerLayer(ll.InputLayer(shape), ll.InputLayer((None, 18)), control_points=9)
    x, y = grid(7, 9)
    control = np.stack([each.ravel() for each in grid(3, 3)], axis=1)
    bent = []
    for moved in np.float64(numbers).reshape(2, 2, 9):
        splines = RBFInterpolator(control, control + moved.T, kernel="thin_plate_spline", degree=1)
        bent.append(splines(np.stack([x.ravel(), y.ravel()], axis=1)).T.reshape(2, 7, 9))
    bent = np.array(bent)
    expected = sampled(images, bent[:, 0], bent[:, 1], "nearest")
    result = layer.get_output_for([theano.shared(images), theano.shared(numbers)]).eval()
    np.testing.assert_allclose(result, expected, atol=5e-4)


@pytest.mark.parametrize("layer_class", [TransformerLayer, TPSTransformerLayer])
def test_gradient(layer_class, rng):
    images, n_numbers = rng.normal(size=(2, 2, 5, 6)), 6 if layer_class is TransformerLayer else 32
    numbers = rng.normal(size=(2, n_numbers)) / 10
    if layer_class is TransformerLayer:
        numbers = numbers + SAME * 0.9
    layer = layer_class(ll.InputLayer(images.shape), ll.InputLayer(numbers.shape))
    x, theta = T.dtensor4("x"), T.dmatrix("theta")
    loss = T.sum(T.sin(layer.get_output_for([x, theta])))
    function = theano.function([x, theta], [loss, *theano.grad(loss, [x, theta])])
    _, *gradients = function(images, numbers)
    assert_derivative(
        lambda *args: float(function(*args)[0]), [images, numbers], gradients, rng, step=1e-7
    )


def test_refusals():
    images = ll.InputLayer((None, 3, 8, 8))
    with pytest.raises(ValueError, match=r"output shape: \(batch_size, 6\); got \(None, 5\)"):
        TransformerLayer(images, ll.InputLayer((None, 5)))
    with pytest.raises(ValueError, match="must have a 4-dimensional output shape"):
        TransformerLayer(ll.InputLayer((3, 8, 8)), ll.InputLayer((None, 6)))
    with pytest.raises(ValueError, match="must be a perfect square of at least 4; got 15"):
        TPSTransformerLayer(images, ll.InputLayer((None, 30)), control_points=15)
    with pytest.raises(ValueError, match=r"border_mode must be one of .*; got 'black'"):
        TransformerLayer(images, ll.InputLayer((None, 6)), border_mode="black")


def test_whole_network_trains_one_step(rng):
    images = ll.InputLayer((None, 1, 6, 6))
    localised = ll.DenseLayer(images, 6, W=ll.dense.init.Constant(0.0), b=SAME, nonlinearity=None)
    output = ll.DenseLayer(TransformerLayer(images, localised), 2)
    loss = T.mean(ll.get_output(output) ** 2)
    params = ll.get_all_params(output, trainable=True)
    step = theano.function([images.input_var], [loss, *theano.grad(loss, params)])
    values = step(rng.normal(size=(4, 1, 6, 6)).astype("float32"))
    assert all(np.isfinite(value).all() for value in values)
    assert np.abs(values[1]).max() > 0
