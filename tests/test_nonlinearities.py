"""Nonlinearities against their formulas in float64."""

from __future__ import annotations

import math
import pickle

import numpy as np
import pytest
import scipy.special

from convnet_features import ConvNetFeatureExtractor  # makes `import theano` work
from convnet_features import nonlinearities as nl

# isort: split
import theano
from lasagne import layers as ll
from theano import tensor as T

from .helpers import assert_close, assert_derivative


def _below(x, alpha):
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


def _sigmoid(x):
    return scipy.special.expit(x)


FORMULAS = {
    "celu": (nl.Celu(0.5), lambda x: np.where(x > 0, x, 0.5 * np.expm1(np.minimum(x, 0) / 0.5))),
    "clip": (nl.Clip(-1.5, 2), lambda x: np.clip(x, -1.5, 2)),
    "clip above": (nl.Clip(high=2), lambda x: np.minimum(x, 2)),
    "clip below": (nl.Clip(low=-2), lambda x: np.maximum(x, -2)),
    "elu": (nl.Elu(), lambda x: _below(x, 1)),
    "elu, alpha": (nl.Elu(0.3), lambda x: _below(x, 0.3)),
    "erf": (nl.erf, scipy.special.erf),
    "gelu": (nl.gelu, lambda x: x * scipy.special.ndtr(x)),
    "gelu, tanh": (
        nl.gelu_tanh,
        lambda x: x / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))),
    ),
    "hard sigmoid": (nl.HardSigmoid(), lambda x: np.clip(x / 6 + 0.5, 0, 1)),
    "hard sigmoid, slope": (nl.HardSigmoid(0.2, 0.3), lambda x: np.clip(0.2 * x + 0.3, 0, 1)),
    "hard swish": (nl.hard_swish, lambda x: x * np.clip(x + 3, 0, 6) / 6),
    "mish": (nl.mish, lambda x: x * np.tanh(np.logaddexp(0, x))),
    "relu6": (nl.relu6, lambda x: np.clip(x, 0, 6)),
    "selu": (nl.Selu(), lambda x: 1.0507009873554805 * _below(x, 1.6732632423543772)),
    "scaled tanh": (nl.ScaledTanH(0.5, 2.27), lambda x: 2.27 * np.tanh(0.5 * x)),
    "selu by scales": (nl.SELU(2, 0.3), lambda x: 2 * _below(x, 0.3)),
    "softplus": (nl.softplus, lambda x: np.logaddexp(0, x)),
    "softsign": (nl.softsign, lambda x: x / (1 + np.abs(x))),
    "swish": (nl.swish, lambda x: x * _sigmoid(x)),
}
X = np.float32([-1e4, -90, -7, -3.1, -1.2, -1e-3, 0, 1e-3, 0.4, 1.7, 2.9, 6.5, 30, 1e4])


@pytest.mark.parametrize("name", FORMULAS)
def test_values(name):
    """In float32, and without an overflow for large numbers."""
    function, formula = FORMULAS[name]
    x = T.fvector()
    values = theano.function([x], function(x))(X)
    assert values.dtype == np.float32
    with np.errstate(over="ignore"):
        # At -1e-3, 1 + Φ has a rounding of its own; beyond -7 it is all there is.
        expected = formula(np.float64(X))
    np.testing.assert_allclose(values, expected, rtol=2e-6, atol=2e-6)


@pytest.mark.parametrize("name", FORMULAS)
def test_derivative(name, rng):
    x = T.dvector()
    loss = T.sum(T.tanh(FORMULAS[name][0](x)))
    function = theano.function([x], [loss, theano.grad(loss, x)])
    values = rng.normal(scale=2, size=7)
    assert_derivative(
        lambda values: float(function(values)[0]), [values], [function(values)[1]], rng
    )


@pytest.mark.parametrize("make", [nl.Celu, nl.Clip, nl.Elu, nl.HardSigmoid, nl.Selu])
def test_parameters_of_numpy_keep_float32(make):
    x = T.fvector()
    assert make(np.float64(0.5))(x).type.dtype == "float32"


@pytest.mark.parametrize("name", FORMULAS)
def test_pickle(name):
    function, _ = FORMULAS[name]
    assert pickle.loads(pickle.dumps(function)) == function


def test_arguments_are_checked():
    with pytest.raises(ValueError, match=r"Clip: low=2 must not exceed high=1\."):
        nl.Clip(2, 1)
    with pytest.raises(ValueError, match="low=nan"):
        nl.Clip(math.nan, 1)
    with pytest.raises(ValueError, match=r"Celu: alpha=-1 must be above 0\."):
        nl.Celu(-1)


@pytest.mark.parametrize("engine", ["auto", "portable"])
def test_in_a_network_that_is_trained(engine, rng):
    X, y = rng.normal(size=(12, 2, 7, 6)).astype(np.float32), [0, 1] * 6
    layers = [
        ("conv", ll.Conv2DLayer, {"num_filters": 3, "filter_size": 3, "nonlinearity": nl.relu6}),
        ("again", ll.Conv2DLayer, {"num_filters": 4, "filter_size": 2, "nonlinearity": nl.swish}),
        ("output", ll.DenseLayer),
    ]
    extractor = ConvNetFeatureExtractor(layers, max_epochs=2, random_state=0, engine=engine)
    features = extractor.fit(X, y).transform(X)
    assert_close(pickle.loads(pickle.dumps(extractor)).transform(X), features, "float32")
