"""Objectives, accuracies and update rules of later Lasagne, by its names."""

from __future__ import annotations

import numpy as np
import pytest
import theano
from lasagne import objectives, updates
from lasagne.layers import DenseLayer, InputLayer, get_output
from lasagne.nonlinearities import sigmoid
from theano import tensor as T

from ..helpers import assert_close


@pytest.fixture
def scores(rng):
    return rng.normal(size=(10, 5)).astype("float32")


@pytest.fixture
def classes(rng):
    return rng.integers(0, 5, 10).astype("int32")


def one_hot(classes):
    return np.eye(5, dtype="int8")[classes]


def test_hinge_of_two_classes(rng):
    p, t = rng.normal(size=12).astype("float32"), rng.integers(0, 2, 12).astype("int32")
    expected = np.maximum(0, 1 - p * (2 * t - 1))
    x, y = T.vector("x"), T.ivector("y")
    for loss, target in (
        (objectives.binary_hinge_loss(x, y), t),
        (objectives.binary_hinge_loss(x, y, binary=False), 2 * t - 1),
        (objectives.binary_hinge_loss(x.dimshuffle(0, "x"), y)[:, 0], t),
    ):
        assert_close(theano.function([x, y], loss)(p, target.astype("int32")), expected, "float32")
    q = 1 / (1 + np.exp(-p))
    loss = objectives.binary_hinge_loss(x, y, delta=2, log_odds=False)
    expected = np.maximum(0, 2 - p * (2 * t - 1))
    np.testing.assert_allclose(theano.function([x, y], loss)(q, t), expected, atol=1e-5)


def test_hinge_of_several_classes(scores, classes):
    right = scores[np.arange(10), classes]
    rest = np.where(one_hot(classes), -np.inf, scores).max(axis=1)
    expected = np.maximum(0, 1 + rest - right)
    x, y, rows = T.matrix("x"), T.ivector("y"), T.bmatrix("rows")
    loss = theano.function([x, y], objectives.multiclass_hinge_loss(x, y))
    assert_close(loss(scores, classes), expected, "float32")
    loss = theano.function([x, rows], objectives.multiclass_hinge_loss(x, rows))
    assert_close(loss(scores, one_hot(classes)), expected, "float32")


def test_huber_of_a_column(rng):
    p, t = rng.normal(size=(2, 9)).astype("float32") * 2
    size = np.abs(p - t)
    expected = np.where(size <= 0.7, size**2 / 2, 0.7 * (size - 0.35))
    x, y = T.vectors("xy")
    loss = objectives.huber_loss(x.dimshuffle(0, "x"), y, delta=0.7)
    assert_close(theano.function([x, y], loss)(p, t)[:, 0], expected, "float32")


def test_accuracy_of_two_classes(rng):
    p, t = rng.random(20).astype("float32"), rng.integers(0, 2, 20).astype("int32")
    x, y = T.vector("x"), T.ivector("y")
    for accuracy in (
        objectives.binary_accuracy(x, y, threshold=0.3),
        objectives.binary_accuracy(x.dimshuffle(0, "x"), y, threshold=0.3)[:, 0],
    ):
        found = theano.function([x, y], accuracy)(p, t)
        np.testing.assert_array_equal(found, (p >= 0.3) == t)


@pytest.mark.parametrize("top_k", [1, 3])
def test_accuracy_of_several_classes(top_k, scores, classes):
    likeliest = np.argsort(scores, axis=1)[:, -top_k:]
    expected = (likeliest == classes[:, None]).any(axis=1)
    x, y, rows = T.matrix("x"), T.ivector("y"), T.bmatrix("rows")
    of_classes = objectives.categorical_accuracy(x, y, top_k=top_k)
    of_rows = objectives.categorical_accuracy(x, rows, top_k=top_k)
    np.testing.assert_array_equal(theano.function([x, y], of_classes)(scores, classes), expected)
    found = theano.function([x, rows], of_rows)(scores, one_hot(classes))
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("name", ["categorical_accuracy", "multiclass_hinge_loss"])
def test_ranks_that_do_not_fit(name):
    with pytest.raises(
        TypeError, match=r"rank mismatch between targets and predictions: .* 2 .* 1"
    ):
        getattr(objectives, name)(T.vector(), T.matrix())


@pytest.mark.parametrize("name", ["adamax", "amsgrad"])
def test_update_rule(name):
    """Ten steps down a parabola, by the equations in float64."""
    start, rate, b1, b2, eps = np.float64([1.0, -2.0, 0.5]), 0.05, 0.9, 0.99, 1e-8
    param = theano.shared(start.astype("float32"))
    rule = getattr(updates, name)
    step = theano.function([], [], updates=rule(T.sum(param**2), [param], rate, b1, b2, eps))
    x, m, v, u = start.copy(), 0.0, 0.0, 0.0
    for t in range(1, 11):
        step()
        g = 2 * x
        m = b1 * m + (1 - b1) * g
        if name == "adamax":
            u = np.maximum(b2 * u, np.abs(g))
            x = x - rate / (1 - b1**t) * m / (u + eps)
        else:
            v = b2 * v + (1 - b2) * g**2
            u = np.maximum(u, v)
            x = x - rate * np.sqrt(1 - b2**t) / (1 - b1**t) * m / (np.sqrt(u) + eps)
        np.testing.assert_allclose(param.get_value(), x, rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["huber_loss", "binary_hinge_loss", "binary_accuracy"])
def test_a_vector_of_targets_beside_a_layer_of_one_unit(name, rng):
    """Of whose output nobody knows that it is a column; several columns are an error."""
    objective = getattr(objectives, name)
    p, t = rng.random((9, 1)).astype("float32"), rng.integers(0, 2, 9).astype("float32")
    x, y = T.matrix("x"), T.vector("y")
    found = theano.function([x, y], objective(x, y))
    expected = theano.function([x, y], objective(x[:, 0], y))(p, t)
    np.testing.assert_array_equal(found(p, t)[:, 0], expected)
    layer = DenseLayer(InputLayer((None, 3)), 1, nonlinearity=sigmoid)
    loss = theano.function([x, y], objective(get_output(layer, x), y))
    assert loss(rng.random((9, 3)).astype("float32"), t).shape == (9, 1)
    with pytest.raises(ValueError, match=f"^{name}: a vector stands beside a matrix of several"):
        found(rng.random((9, 9)).astype("float32"), t)
