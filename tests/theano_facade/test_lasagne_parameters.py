"""Parameters that are expressions of others: tied weights."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import theano
import theano.tensor as T
from lasagne import layers as ll
from lasagne.objectives import squared_error
from lasagne.updates import sgd
from sklearn.datasets import load_digits

from convnet_features import ConvNetClassifier


def autoencoder():
    encoder = ll.DenseLayer(ll.InputLayer((None, 6)), 4, nonlinearity=T.tanh, name="encoder")
    return encoder, ll.DenseLayer(encoder, 6, W=encoder.W.T, nonlinearity=None, name="decoder")


def test_what_is_trained_counted_and_loaded_is_the_shared_variable(rng):
    encoder, decoder = autoencoder()
    assert decoder.get_params() == [encoder.W, decoder.b]
    assert ll.get_all_params(decoder, trainable=True) == [encoder.W, encoder.b, decoder.b]
    assert decoder.get_params(regularizable=True) == [encoder.W]
    assert ll.count_params(decoder) == 24 + 4 + 6
    values = [rng.normal(size=shape).astype("float32") for shape in ((6, 4), (4,), (6,))]
    ll.set_all_param_values(decoder, values)
    for found, value in zip(ll.get_all_param_values(decoder), values, strict=True):
        np.testing.assert_array_equal(found, value)


def test_one_step_against_numpy(rng):
    encoder, decoder = autoencoder()
    X = rng.normal(size=(9, 6))
    W, b, c = (np.float64(each) for each in ll.get_all_param_values(decoder))
    x = T.matrix("x")
    loss = squared_error(ll.get_output(decoder, x), x).mean()
    step = theano.function([x], loss, updates=sgd(loss, ll.get_all_params(decoder), 0.1))
    found = float(step(X.astype("float32")))
    h = np.tanh(X @ W + b)
    error = h @ W.T + c - X
    assert found == pytest.approx((error**2).mean(), rel=1e-5)
    g = 2 * error / error.size
    g_h = (g @ W) * (1 - h**2)
    np.testing.assert_allclose(encoder.W.get_value(), W - 0.1 * (X.T @ g_h + g.T @ h), atol=1e-6)
    np.testing.assert_allclose(encoder.b.get_value(), b - 0.1 * g_h.sum(axis=0), atol=1e-6)


def test_other_dimensions_are_refused():
    encoder, _ = autoencoder()
    with pytest.raises(RuntimeError, match=r"parameter d.W: the expression has 1 dim.*\(4, 6\)"):
        ll.DenseLayer(encoder, 6, W=encoder.b * 2, name="d")
    assert ll.NonlinearityLayer(encoder).add_param(0.5, (), "p").get_value() == 0.5


def tied(images):
    """A network for digits that begins with an autoencoder."""
    encoder = ll.DenseLayer(images, 16, name="encoder")
    decoder = ll.DenseLayer(encoder, 64, W=encoder.W.T, name="decoder")
    return ll.DenseLayer(decoder, 10, nonlinearity=T.nnet.softmax, name="output")


def test_an_estimator_keeps_them_tied(tmp_path):
    X, y = load_digits(return_X_y=True)
    X, y = X[:200], y[:200]
    net = ConvNetClassifier(tied, max_epochs=3, random_state=0).fit(X, y)
    encoder, decoder = net.layers_["encoder"], net.layers_["decoder"]
    assert decoder.get_params()[0] is encoder.W
    expected = net.predict_proba(X)
    net.save_params(tmp_path / "p.safetensors")
    other = ConvNetClassifier(tied, max_epochs=1, random_state=1).fit(X, y)
    assert not np.allclose(other.predict_proba(X), expected)
    other.load_params(tmp_path / "p.safetensors")
    for copy in (other, pickle.loads(pickle.dumps(net))):
        np.testing.assert_array_equal(copy.predict_proba(X), expected)
