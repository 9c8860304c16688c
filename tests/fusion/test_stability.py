"""Losses that are finite, with their gradients, for every finite input."""

from __future__ import annotations

import numpy as np
import pytensor.tensor as pt
import pytest
from pytensor.compile.mode import Mode
from pytensor.gradient import grad
from pytensor.graph.rewriting.utils import rewrite_graph
from pytensor.scalar.math import Sigmoid

from convnet_features.fusion import stability_rewriter
from convnet_features.ops import categorical_crossentropy, log_softmax, softmax
from convnet_features.ops.softmax import Crossentropy, LogSoftmax, Softmax, SoftmaxCrossentropy

from .. import reference
from ..graphs import assert_same_fused, compute, count, fused
from ..helpers import assert_close, assert_derivative


def stable(loss):
    """The loss with stable logarithms, as training differentiates it."""
    return rewrite_graph([loss], include=(), custom_rewrite=stability_rewriter(), clone=True)[0]


def binary_crossentropy(p, t):
    """As ``lasagne.objectives.binary_crossentropy``."""
    return -(t * pt.log(p) + (1 - t) * pt.log(1 - p))


LOGITS = np.array([[1000, -1000, 0], [-1000, -999, 3], [20, 100, -100], [1, 2, 3]])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
class TestFarFromZero:
    def check(self, inputs, loss, values, expected, gradient):
        loss = stable(loss)
        outputs = [loss, grad(loss.sum(), inputs[0])]
        losses, slopes = compute(inputs, outputs, values)
        dtype = values[0].dtype
        assert_close(losses, expected, dtype)
        assert_close(slopes, gradient, dtype)

    def test_crossentropy_of_softmax(self, dtype):
        x, labels = LOGITS.astype(dtype), np.array([1, 2, 0, 2], "int32")
        s, t = pt.matrix(dtype=dtype), pt.ivector()
        onehot = np.eye(3)[labels]
        expected = -(reference.log_softmax(x) * onehot).sum(axis=1)
        self.check(
            [s, t],
            categorical_crossentropy(softmax(s), t),
            [x, labels],
            expected,
            reference.softmax(x) - onehot,
        )

    def test_logarithm_of_softmax(self, dtype):
        """With distributions for targets, as ``lasagne.objectives`` does with a matrix."""
        x, targets = LOGITS.astype(dtype), np.full((4, 3), 1 / 3, dtype)
        s, t = pt.matrix(dtype=dtype), pt.matrix(dtype=dtype)
        expected = -(reference.log_softmax(x) * targets).sum(axis=1)
        self.check(
            [s, t],
            categorical_crossentropy(softmax(s), t),
            [x, targets],
            expected,
            reference.softmax(x) - targets,
        )

    def test_binary_crossentropy_of_sigmoid(self, dtype):
        x, targets = LOGITS.astype(dtype), np.array([[0, 1, 1], [0, 1, 0], [1, 0, 0.5], [0, 1, 1]])
        targets = targets.astype(dtype)
        s, t = pt.matrix(dtype=dtype), pt.matrix(dtype=dtype)
        softplus = np.maximum(x, 0.0) + np.log1p(np.exp(-np.abs(np.float64(x))))
        self.check(
            [s, t],
            binary_crossentropy(pt.sigmoid(s), t),
            [x, targets],
            softplus - x * np.float64(targets),
            reference.activation(x, "sigmoid") - targets,
        )

    @pytest.mark.parametrize(
        ("function", "sign"),
        [
            (lambda s: pt.log(pt.sigmoid(s)), -1),
            (lambda s: pt.log(1 - pt.sigmoid(s)), 1),
            (lambda s: pt.log1p(-pt.sigmoid(s)), 1),
        ],
    )
    def test_logarithms_of_sigmoid(self, function, sign, dtype):
        x = LOGITS.astype(dtype)
        s = pt.matrix(dtype=dtype)
        z = sign * np.float64(x)
        expected = -(np.maximum(z, 0) + np.log1p(np.exp(-np.abs(z))))
        slopes = -sign * reference.activation(z, "sigmoid")
        self.check([s], function(s), [x], expected, slopes)


@pytest.mark.parametrize("unstable", ["softmax", "sigmoid"])
def test_without_the_rewrite_they_are_not(unstable):
    """What the rules are there for; without this the tests above would prove nothing."""
    s, t = pt.dmatrix(), pt.dmatrix()
    p = softmax(s) if unstable == "softmax" else pt.sigmoid(s)
    loss = binary_crossentropy(p, t).sum()
    (slopes,) = compute([s, t], grad(loss, s), [np.float64(LOGITS), np.ones((4, 3))])
    assert np.isnan(slopes).any()


class TestStructure:
    def test_crossentropy_and_its_softmax_are_one(self):
        s, t = pt.fmatrix(), pt.ivector()
        graph = fused([s, t], categorical_crossentropy(softmax(s), t))
        assert (count(graph, SoftmaxCrossentropy), count(graph, Softmax, Crossentropy)) == (1, 0)

    def test_a_softmax_used_elsewhere_remains(self):
        s, t = pt.fmatrix(), pt.ivector()
        p = softmax(s)
        graph = fused([s, t], [categorical_crossentropy(p, t), p])
        assert (count(graph, SoftmaxCrossentropy), count(graph, Softmax)) == (1, 1)

    def test_a_logarithm_of_softmax_is_one(self):
        s = pt.fmatrix()
        graph = fused([s], pt.log(softmax(s)))
        assert (count(graph, LogSoftmax), count(graph, Softmax)) == (1, 0)

    def test_crossentropy_of_anything_else_remains(self):
        p, t = pt.fmatrix(), pt.ivector()
        assert count(fused([p, t], categorical_crossentropy(p, t)), Crossentropy) == 1

    def test_without_sigmoids(self):
        s = pt.fmatrix()
        for y in (pt.log(pt.sigmoid(s)), pt.log(1 - pt.sigmoid(s)), pt.log1p(-pt.sigmoid(s))):
            assert count(fused([s], y), Sigmoid) == 0

    def test_what_only_resembles_them_remains(self, rng):
        s = pt.fmatrix()
        value = rng.standard_normal((3, 5)).astype("float32")
        for y in (
            pt.log(2 - pt.sigmoid(s)),
            pt.log(pt.sigmoid(s) - 1),
            pt.log(1 + pt.sigmoid(s)),
            pt.log1p(pt.sigmoid(s)),
            pt.log1p(-pt.tanh(s)),
        ):
            graph = fused([s], y)
            assert count(graph, Sigmoid) == (0 if "tanh" in str(graph).lower() else 1)
            assert_same_fused([s], y, [value])


def test_a_one_of_float64_makes_float64_of_it():
    s = pt.fmatrix()
    y = pt.log(np.float64(1) - pt.sigmoid(s))
    (values,) = compute([s], [stable(y)], [np.float32(LOGITS)])
    assert values.dtype == "float64"
    np.testing.assert_allclose(values, -np.logaddexp(0, LOGITS), rtol=1e-6, atol=1e-37)


def test_gradients_near_zero_are_exact(rng):
    x, targets = rng.standard_normal((4, 3)), rng.uniform(size=(4, 3))
    s, t = pt.dmatrix(), pt.dmatrix()
    for p in (softmax(s), pt.sigmoid(s)):
        loss = stable(binary_crossentropy(p, t).sum())
        gradients = compute([s, t], grad(loss, [s, t]), [x, targets])

        def value(*arrays, loss=loss):
            return float(compute([s, t], loss, arrays)[0])

        assert_derivative(value, [x, targets], gradients, rng)


def test_log_softmax_needs_no_rule(rng):
    s = pt.fmatrix()
    assert_same_fused([s], log_softmax(s), [np.float32(LOGITS)])


def test_the_rewriter_serves_a_mode_of_pytensors():
    assert Mode(linker="py", optimizer=stability_rewriter()).linker is not None
