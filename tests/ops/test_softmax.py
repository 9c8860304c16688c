"""The softmax family: values, gradients, and numbers far from zero."""

from __future__ import annotations

import numpy as np
import pytensor.tensor as pt
import pytest
from pytensor.gradient import grad

from convnet_features.ops import categorical_crossentropy, log_softmax, softmax
from convnet_features.ops.softmax import SoftmaxCrossentropy

from .. import reference
from ..graphs import compute
from ..helpers import assert_close, assert_derivative

ENGINES = [
    pytest.param("portable", marks=pytest.mark.any_machine),
    pytest.param("onednn", marks=pytest.mark.onednn),
]


def softmax_crossentropy(x, labels):
    return SoftmaxCrossentropy()(x, labels)[0]


def far_logits(dtype):
    return np.array(
        [[1000, -1000, 0], [-1000, -1000, -1000], [1000, 1000, 1000], [0, 1000, 999]], dtype
    )


class TestValues:
    @pytest.mark.parametrize("engine", ENGINES)
    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    def test_softmax_and_its_logarithm(self, dtype, engine, rng):
        x = rng.standard_normal((7, 5)).astype(dtype)
        s = pt.matrix(dtype=dtype)
        p, q = compute([s], [softmax(s), log_softmax(s)], [x], engine=engine)
        assert_close(p, reference.softmax(x), dtype)
        assert_close(q, reference.log_softmax(x), dtype)

    @pytest.mark.parametrize("engine", ENGINES)
    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    def test_far_from_zero(self, dtype, engine):
        x, labels = far_logits(dtype), np.array([1, 0, 2, 0], "int32")
        s, t = pt.matrix(dtype=dtype), pt.ivector()
        loss = softmax_crossentropy(s, t)
        outputs = [
            softmax(s),
            log_softmax(s),
            loss,
            grad(loss.mean(), s),
            grad(log_softmax(s)[0, 1], s),
        ]
        p, q, losses, gradient, log_gradient = compute([s, t], outputs, [x, labels], engine=engine)
        assert_close(p, reference.softmax(x), dtype)
        assert_close(q, reference.log_softmax(x), dtype)
        assert_close(losses, -reference.log_softmax(x)[np.arange(4), labels], dtype)
        onehot = np.eye(3)[labels]
        assert_close(gradient, (reference.softmax(x) - onehot) / 4, dtype)
        assert np.isfinite(log_gradient).all()

    @pytest.mark.parametrize("engine", ENGINES)
    def test_no_samples(self, engine):
        s, t = pt.fmatrix(), pt.ivector()
        outputs = [softmax(s), log_softmax(s), softmax_crossentropy(s, t)]
        empty = np.zeros((0, 4), "float32")
        p, q, losses = compute([s, t], outputs, [empty, np.zeros(0, "int32")], engine=engine)
        assert (p.shape, q.shape, losses.shape) == ((0, 4), (0, 4), (0,))

    def test_a_vector_is_one_row(self, rng):
        x = rng.standard_normal(5)
        s = pt.dvector()
        p, q = compute([s], [softmax(s), log_softmax(s)], [x])
        assert_close(p, reference.softmax(x[None]), "float64")
        assert_close(q, reference.log_softmax(x[None]), "float64")

    @pytest.mark.parametrize("dtype", ["int8", "uint8", "int32", "int64"])
    def test_crossentropy_with_labels(self, dtype, rng):
        p = reference.softmax(rng.standard_normal((7, 5)))
        labels = rng.integers(0, 5, 7).astype(dtype)
        s, t = pt.dmatrix(), pt.vector(dtype=dtype)
        (losses,) = compute([s, t], categorical_crossentropy(s, t), [p, labels])
        assert_close(losses, -np.log(p[np.arange(7), labels]), "float64")

    def test_crossentropy_with_distributions(self, rng):
        p, t = (reference.softmax(rng.standard_normal((7, 5))) for _ in range(2))
        s, u = pt.dmatrix(), pt.dmatrix()
        (losses,) = compute([s, u], categorical_crossentropy(s, u), [p, t])
        assert_close(losses, -np.sum(t * np.log(p), axis=1), "float64")

    def test_crossentropy_of_an_impossible_class_is_infinite_without_a_warning(self):
        node = categorical_crossentropy(pt.dmatrix(), pt.ivector()).owner
        storage = [[None]]
        node.op.perform(node, [np.array([[0.0, 1.0]]), np.array([0])], storage)
        assert storage[0][0] == [np.inf]


class TestGradients:
    CASES = {  # noqa: RUF012
        "softmax": lambda x, t: pt.sum(pt.sin(softmax(x)) * pt.cos(x)),
        "log_softmax": lambda x, t: pt.sum(pt.sin(log_softmax(x)) * pt.cos(x)),
        "crossentropy": lambda x, t: pt.sum(pt.sin(categorical_crossentropy(pt.exp(x), t))),
        "softmax, crossentropy": lambda x, t: pt.sum(categorical_crossentropy(softmax(x), t) ** 2),
        "softmax_crossentropy": lambda x, t: pt.sum(pt.sin(softmax_crossentropy(x, t))),
        "both results": lambda x, t: pt.sum(
            pt.sin(SoftmaxCrossentropy()(x, t)[0]) * SoftmaxCrossentropy()(x, t)[1][:, 0]
        ),
        "the probabilities alone": lambda x, t: pt.sum(SoftmaxCrossentropy()(x, t)[1] ** 2),
    }

    @pytest.mark.parametrize("case", list(CASES))
    def test_first_and_second(self, case, rng):
        x, labels = rng.standard_normal((4, 3)), np.array([2, 0, 1, 1], "int32")
        s, t = pt.dmatrix(), pt.ivector()
        loss = self.CASES[case](s, t)
        first = grad(loss, s)
        slope = pt.sum(pt.cos(first))
        for function, gradient in ((loss, first), (slope, grad(slope, s))):

            def value(x, function=function):
                return float(compute([s, t], function, [x, labels])[0])

            assert_derivative(value, [x], compute([s, t], gradient, [x, labels]), rng)

    def test_the_gradient_of_a_loss_is_its_own_dtype(self, rng):
        s, t = pt.fmatrix(), pt.ivector()
        x, labels = rng.standard_normal((4, 3)).astype("float32"), np.array([2, 0, 1, 1], "int32")
        for loss in (softmax_crossentropy(s, t), categorical_crossentropy(softmax(s), t)):
            outputs = [loss, grad(loss.mean(), s)]
            assert [value.dtype for value in compute([s, t], outputs, [x, labels])] == [
                "float32"
            ] * 2


class TestRefusals:
    @pytest.mark.parametrize("function", [softmax, log_softmax])
    def test_of_other_ranks_and_dtypes(self, function):
        with pytest.raises(
            TypeError,
            match=r"softmax: the input must be a 2-dimensional .* got 3 dimensions of float64",
        ):
            function(pt.dtensor3())
        with pytest.raises(TypeError, match="got 2 dimensions of int64"):
            function(pt.lmatrix())

    @pytest.mark.parametrize(
        "labels", [pt.dvector(), pt.ltensor3(), pt.lscalar(), pt.bvector() > 0]
    )
    def test_of_labels(self, labels):
        with pytest.raises(TypeError, match="labels must be a vector of integers; got"):
            categorical_crossentropy(pt.dmatrix(), labels)
