"""Whole programs of 2015 on pixels as they come, against float64 by NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import theano
import theano.tensor as T
from lasagne import layers, nonlinearities, objectives, updates
from sklearn.datasets import load_digits

DIGITS = load_digits()
PIXELS_255 = (DIGITS.data * 255 / 16).astype("float32")
PIXELS_16 = DIGITS.data.astype("float32")
LABELS = DIGITS.target.astype("int32")
ONE_HOT = np.eye(10)[LABELS]


def log_softmax(z):
    z = z - z.max(axis=1, keepdims=True)
    return z - np.log(np.exp(z).sum(axis=1, keepdims=True))


def softplus(z):
    return np.maximum(z, 0) + np.log1p(np.exp(-np.abs(z)))


COSTS = {
    "log(p)[arange, y]": lambda p, y: -T.mean(T.log(p)[T.arange(y.shape[0]), y]),
    "categorical_crossentropy": lambda p, y: T.nnet.categorical_crossentropy(p, y).mean(),
    "one-hot": lambda p, y: -T.mean(T.sum(T.extra_ops.to_one_hot(y, 10) * T.log(p), axis=1)),
}


@pytest.mark.parametrize("cost", COSTS)
def test_softmax_regression_by_a_loop_of_ones_own(cost):
    """The tutorial's logistic regression, at its learning rate of 0.13, on pixels 0 to 255."""
    x, y = T.matrix("x"), T.ivector("y")
    W = theano.shared(np.zeros((64, 10), "float32"))
    b = theano.shared(np.zeros(10, "float32"))
    loss = COSTS[cost](T.nnet.softmax(T.dot(x, W) + b), y)
    step = theano.function([x, y], loss, updates=[(p, p - 0.13 * T.grad(loss, p)) for p in (W, b)])
    losses = [float(step(PIXELS_255, LABELS)) for _ in range(8)]

    weights, biases, expected = np.zeros((64, 10)), np.zeros(10), []
    for _ in range(8):
        log = log_softmax(PIXELS_255 @ weights + biases)
        expected.append(-log[range(len(LABELS)), LABELS].mean())
        g = (np.exp(log) - ONE_HOT) / len(LABELS)
        weights -= 0.13 * PIXELS_255.T @ g
        biases -= 0.13 * g.sum(axis=0)
    assert expected[0] == pytest.approx(np.log(10))
    assert max(expected) > 5000, "the setting is meant to overflow"
    np.testing.assert_allclose(losses, expected, rtol=1e-3)


def test_autoencoder_with_the_crossentropy_written_out():
    """Pixels 0 to 16, which are no probabilities: the logits grow without bound."""
    rng = np.random.default_rng(0)
    start = rng.uniform(-0.3, 0.3, (64, 32)).astype("float32")
    x = T.matrix("x")
    W = theano.shared(start)
    b, c = (theano.shared(np.zeros(n, "float32")) for n in (32, 64))
    h = T.nnet.sigmoid(T.dot(x, W) + b)
    z = T.nnet.sigmoid(T.dot(h, W.T) + c)
    loss = T.mean(-T.sum(x * T.log(z) + (1 - x) * T.log(1 - z), axis=1))
    step = theano.function([x], loss, updates=[(p, p - 0.1 * T.grad(loss, p)) for p in (W, b, c)])
    losses = [float(step(PIXELS_16)) for _ in range(30)]

    def sigmoid(z):
        return np.exp(-softplus(-z))

    X = np.float64(PIXELS_16)
    w, b, c, expected, farthest = np.float64(start), np.zeros(32), np.zeros(64), [], 0
    for _ in range(30):
        h = sigmoid(X @ w + b)
        logits = h @ w.T + c
        farthest = max(farthest, np.abs(logits).max())
        expected.append((softplus(logits) - X * logits).sum(axis=1).mean())
        g = (sigmoid(logits) - X) / len(X)
        g_h = (g @ w) * h * (1 - h)
        w = w - 0.1 * (g.T @ h + X.T @ g_h)
        b = b - 0.1 * g_h.sum(axis=0)
        c = c - 0.1 * g.sum(axis=0)
    assert farthest > 120, "the setting is meant to saturate"
    np.testing.assert_allclose(losses, expected, rtol=1e-3)


def test_a_network_of_lasagnes_with_adam():
    rng = np.random.default_rng(0)
    start = [
        rng.uniform(-0.2, 0.2, (64, 50)).astype("float32"),
        np.zeros(50, "float32"),
        rng.uniform(-0.3, 0.3, (50, 10)).astype("float32"),
        np.zeros(10, "float32"),
    ]
    x, y = T.matrix("x"), T.ivector("y")
    hidden = layers.DenseLayer(layers.InputLayer((None, 64), x), 50, W=start[0], b=start[1])
    network = layers.DenseLayer(
        hidden, 10, W=start[2], b=start[3], nonlinearity=nonlinearities.softmax
    )
    loss = objectives.categorical_crossentropy(layers.get_output(network), y).mean()
    params = layers.get_all_params(network, trainable=True)
    step = theano.function([x, y], loss, updates=updates.adam(loss, params, learning_rate=0.01))
    losses = [float(step(PIXELS_255, LABELS)) for _ in range(20)]

    X, values = np.float64(PIXELS_255), [np.float64(each) for each in start]
    first, second, expected = [0.0] * 4, [0.0] * 4, []
    for t in range(1, 21):
        W1, b1, W2, b2 = values
        a = X @ W1 + b1
        h = np.maximum(a, 0)
        log = log_softmax(h @ W2 + b2)
        expected.append(-log[range(len(X)), LABELS].mean())
        g = (np.exp(log) - ONE_HOT) / len(X)
        g_a = (g @ W2.T) * (a > 0)
        gradients = [X.T @ g_a, g_a.sum(axis=0), h.T @ g, g.sum(axis=0)]
        rate = 0.01 * np.sqrt(1 - 0.999**t) / (1 - 0.9**t)
        first = [0.9 * m + 0.1 * g for m, g in zip(first, gradients, strict=True)]
        second = [0.999 * v + 0.001 * g**2 for v, g in zip(second, gradients, strict=True)]
        values = [
            p - rate * m / (np.sqrt(v) + 1e-8)
            for p, m, v in zip(values, first, second, strict=True)
        ]
    assert expected[0] > 50, "the setting is meant to saturate"
    np.testing.assert_allclose(losses, expected, rtol=2e-2)


def test_the_batch_normalisation_that_everybody_copied():
    """Before Lasagne had its own: a deterministic function must not move the averages."""

    class BatchNorm(layers.Layer):
        def __init__(self, incoming, alpha=0.5, epsilon=1e-6, **kwargs):
            super().__init__(incoming, **kwargs)
            self.alpha, self.epsilon = alpha, epsilon
            shape = (self.input_shape[1],)
            kept = {"trainable": False, "regularizable": False}
            self.mean = self.add_param(np.zeros(shape, "float32"), shape, "mean", **kept)
            self.var = self.add_param(np.ones(shape, "float32"), shape, "var", **kept)

        def get_output_for(self, input, deterministic=False, **kwargs):
            if deterministic:
                mean, var = self.mean, self.var
            else:
                mean, var = input.mean(0), input.var(0)
                running_mean = theano.clone(self.mean, share_inputs=False)
                running_var = theano.clone(self.var, share_inputs=False)
                running_mean.default_update = (1 - self.alpha) * running_mean + self.alpha * mean
                running_var.default_update = (1 - self.alpha) * running_var + self.alpha * var
                mean += 0 * running_mean
                var += 0 * running_var
            return (input - mean) / T.sqrt(var + self.epsilon)

    x = T.matrix("x")
    layer = BatchNorm(layers.InputLayer((None, 3), x))
    train = theano.function([x], layers.get_output(layer))
    infer = theano.function([x], layers.get_output(layer, deterministic=True))
    batch = np.array([[1, 2, 3], [3, 6, 9]], "float32")
    for _ in range(2):
        infer(batch)
        np.testing.assert_array_equal(layer.mean.get_value(), [0, 0, 0])
    np.testing.assert_allclose(train(batch), [[-1, -1, -1], [1, 1, 1]], rtol=1e-5)
    np.testing.assert_allclose(layer.mean.get_value(), [1, 2, 3])
    np.testing.assert_allclose(layer.var.get_value(), [1, 2.5, 5])
    np.testing.assert_allclose(
        infer(batch), (batch - [1, 2, 3]) / np.sqrt([1, 2.5, 5]), rtol=1e-5, atol=1e-6
    )
    np.testing.assert_allclose(layer.mean.get_value(), [1, 2, 3])
