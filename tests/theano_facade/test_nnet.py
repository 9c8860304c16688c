"""theano.tensor.nnet against its formulas, and against slow loops."""

from __future__ import annotations

import numpy as np
import pytest
import theano
import theano.tensor as T
from scipy import special

from tests.helpers import assert_close

XS = np.array([-1000, -30, -3.1, -1, -0.1, 0, 0.1, 1, 3.1, 30, 1000])


def expm1_below_0(x):
    return np.expm1(np.minimum(x, 0))


#: Name to (facade's function, NumPy's).
NONLINEARITIES = {
    "sigmoid": (T.nnet.sigmoid, special.expit),
    "softplus": (T.nnet.softplus, lambda x: np.logaddexp(0, x)),
    "relu": (T.nnet.relu, lambda x: np.maximum(x, 0)),
    "leaky relu": (lambda x: T.nnet.relu(x, 0.2), lambda x: np.maximum(x, 0.2 * x)),
    "elu": (T.nnet.elu, lambda x: np.where(x > 0, x, expm1_below_0(x))),
    "selu": (
        T.nnet.selu,
        lambda x: (
            1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * np.expm1(np.minimum(x, 0)))
        ),
    ),
    "hard_sigmoid": (T.nnet.hard_sigmoid, lambda x: np.clip(0.2 * x + 0.5, 0, 1)),
}


@pytest.mark.parametrize("name", NONLINEARITIES)
def test_nonlinearities(name):
    ours, numpys = NONLINEARITIES[name]
    x = T.vector("x")
    values = XS.astype("float32")
    assert_close(ours(x).eval({x: values}), numpys(values.astype("float64")), "float32")


@pytest.mark.parametrize("name", NONLINEARITIES)
def test_nonlinearities_in_float64(name, float64):
    ours, numpys = NONLINEARITIES[name]
    x = T.vector("x")
    assert_close(ours(x).eval({x: XS}), numpys(XS), "float64")


@pytest.mark.parametrize("name", NONLINEARITIES)
def test_their_derivatives(name, float64):
    ours, numpys = NONLINEARITIES[name]
    x = T.vector("x")
    gradient = T.grad(ours(x).sum(), x).eval({x: XS})
    assert np.isfinite(gradient).all()
    smooth = np.flatnonzero((XS != 0) & (np.abs(XS) < 50))
    difference = (numpys(XS[smooth] + 1e-6) - numpys(XS[smooth] - 1e-6)) / 2e-6
    np.testing.assert_allclose(gradient[smooth], difference, atol=1e-7)


def test_derivatives_at_zero():
    x = T.scalar("x")
    for function, expected in [(T.nnet.softplus, 0.5), (T.nnet.relu, 0.5), (T.nnet.sigmoid, 0.25)]:
        assert T.grad(function(x), x).eval({x: 0.0}) == expected


def test_the_fast_sigmoid_is_near_the_sigmoid():
    x = T.vector("x")
    values = np.linspace(-9, 9, 101).astype("float32")
    error = T.nnet.ultra_fast_sigmoid(x).eval({x: values}) - special.expit(values)
    assert np.abs(error).max() < 0.05


def test_softmax_and_its_logarithm(rng):
    x = T.matrix("x")
    values = rng.normal(size=(3, 7)).astype("float32")
    values[0, 0] = 1000
    expected = special.softmax(values.astype("float64"), axis=1)
    assert_close(T.nnet.softmax(x).eval({x: values}), expected, "float32")
    log = special.log_softmax(values.astype("float64"), axis=1)
    assert_close(T.nnet.logsoftmax(x).eval({x: values}), log, "float32")


def test_categorical_crossentropy(rng):
    p, labels, targets = T.matrix("p"), T.ivector("labels"), T.matrix("targets")
    values = special.softmax(rng.normal(size=(3, 7)), axis=1).astype("float32")
    classes = np.array([6, 0, 2], "int32")
    expected = -np.log(values[[0, 1, 2], classes].astype("float64"))
    loss = T.nnet.categorical_crossentropy(p, labels)
    assert_close(loss.eval({p: values, labels: classes}), expected, "float32")
    one_hot = T.nnet.categorical_crossentropy(p, targets)
    assert_close(one_hot.eval({p: values, targets: np.eye(7, dtype="f")[classes]}), expected)
    with pytest.raises(TypeError, match=r"as many dimensions .* got 3"):
        T.nnet.categorical_crossentropy(p, T.tensor3())


def test_binary_crossentropy_of_a_sigmoid_is_finite_anywhere():
    z, t = T.vector("z"), T.vector("t")
    values, targets = np.array([-1000, -2, 0, 3, 1000], "float32"), np.array([1, 0, 1, 1, 0], "f")
    loss = T.nnet.binary_crossentropy(T.nnet.sigmoid(z), t)
    f = theano.function([z, t], [loss, T.grad(loss.sum(), z)])
    value, gradient = f(values, targets)
    z64, t64 = values.astype("float64"), targets.astype("float64")
    assert_close(value, np.logaddexp(0, z64) - t64 * z64, "float32")
    assert_close(gradient, special.expit(z64) - t64, "float32")
    direct = T.nnet.sigmoid_binary_crossentropy(z, t)
    assert_close(direct.eval({z: values, t: targets}), value)


def test_binary_crossentropy_of_probabilities():
    p, t = T.vector("p"), T.vector("t")
    loss = T.nnet.binary_crossentropy(p, t)
    value = loss.eval({p: np.array([0.25, 0.5], "f"), t: np.array([0, 1], "f")})
    assert_close(value, -np.log([0.75, 0.5]), "float32")


def test_softmax_with_a_bias_and_its_crossentropy(rng):
    x, b, y = T.matrix("x"), T.vector("b"), T.ivector("y")
    logits, bias = rng.normal(size=(3, 5)).astype("float32"), rng.normal(size=5).astype("float32")
    classes = np.array([4, 0, 2], "int32")
    given = {x: logits, b: bias, y: classes}
    expected = special.softmax(np.float64(logits) + bias, axis=1)
    losses = -np.log(expected[[0, 1, 2], classes])
    computed = T.nnet.crossentropy_softmax_argmax_1hot_with_bias(x, b, y)
    function = theano.function([x, b, y], computed)
    loss, probabilities, best = function(logits, bias, classes)
    assert_close(loss, losses, "float32")
    assert_close(probabilities, expected, "float32")
    np.testing.assert_array_equal(best, expected.argmax(axis=1))
    assert_close(T.nnet.softmax_with_bias(x, b).eval({x: logits, b: bias}), expected, "float32")
    (loss, probabilities) = T.nnet.crossentropy_softmax_1hot(x + b, y)
    assert_close(loss.eval(given), losses, "float32")
    one_hot = T.nnet.crossentropy_categorical_1hot(probabilities, y)
    assert_close(one_hot.eval(given), losses, "float32")


def test_crossentropies_of_large_logits_have_finite_gradients():
    x, y = T.matrix("x"), T.ivector("y")
    loss, _ = T.nnet.crossentropy_softmax_1hot(x, y)
    gradient = theano.function([x, y], T.grad(loss.sum(), x))
    values = np.array([[1000, -1000, 0]], "float32")
    np.testing.assert_allclose(gradient(values, np.int32([1])), [[1, -1, 0]], atol=1e-6)


def test_hierarchical_softmax(rng):
    """Against the product of two softmaxes, by NumPy."""
    n_classes, per_class, n_outputs = 3, 4, 11
    x, target = T.matrix("x"), T.ivector("target")
    W1, b1, W2, b2 = (
        rng.normal(size=size).astype("float32")
        for size in [(5, n_classes), n_classes, (n_classes, 5, per_class), (n_classes, per_class)]
    )
    X, wanted = rng.normal(size=(2, 5)).astype("float32"), np.array([10, 3], "int32")
    classes = special.softmax(np.float64(X) @ W1 + b1, axis=1)
    within = special.softmax(np.einsum("nf,cfo->nco", np.float64(X), W2) + b2, axis=2)
    expected = (classes[:, :, None] * within).reshape(2, -1)[:, :n_outputs]
    sizes = (x.shape[0], n_outputs, n_classes, per_class)
    every = T.nnet.h_softmax(x, *sizes, W1, b1, W2, b2)
    chosen = T.nnet.h_softmax(x, *sizes, W1, b1, W2, b2, target)
    assert_close(every.eval({x: X}), expected, "float32")
    assert_close(chosen.eval({x: X, target: wanted}), expected[[0, 1], wanted], "float32")


def test_confusion_matrix():
    actual, predicted = T.ivector("actual"), T.ivector("predicted")
    counts, classes = T.nnet.confusion_matrix(actual, predicted)
    given = {actual: np.int32([2, 0, 2, 5]), predicted: np.int32([2, 2, 5, 5])}
    assert counts.eval(given).tolist() == [[0, 1, 0], [0, 1, 1], [0, 0, 1]]
    assert classes.eval(given).tolist() == [0, 2, 5]


def test_softsign_and_prepended_columns():
    x = T.matrix("x")
    values = np.array([[-3, 0], [1, 2]], "float32")
    np.testing.assert_allclose(
        T.nnet.softsign(x).eval({x: values}), [[-0.75, 0], [0.5, 2 / 3]], rtol=1e-6
    )
    assert T.nnet.prepend_0_to_each_row(x).eval({x: values}).tolist() == [[0, -3, 0], [0, 1, 2]]
    assert T.nnet.prepend_1_to_each_row(x).eval({x: values}).tolist() == [[1, -3, 0], [1, 1, 2]]
