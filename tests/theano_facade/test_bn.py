"""theano.tensor.nnet.bn against NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import theano
import theano.tensor as T

from tests.helpers import assert_close


def test_batch_normalization(rng):
    x, values = T.matrix("x"), rng.normal(size=(3, 2)).astype("float32")
    y = T.nnet.bn.batch_normalization(x, 2.0, 1.0, x.mean(axis=0), x.std(axis=0))
    expected = (values - values.mean(0)) / values.std(0) * 2 + 1
    assert_close(y.eval({x: values}), expected, "float32")


@pytest.mark.parametrize(("axes", "averaged"), [("spatial", (0, 2, 3)), ("per-activation", (0,))])
@pytest.mark.parametrize("short", [False, True])
def test_training_and_testing(axes, averaged, short, rng, float64):
    values = rng.normal(size=(5, 3, 2, 4))
    shape = tuple(1 if axis in averaged else size for axis, size in enumerate(values.shape))
    held = tuple(size for axis, size in enumerate(values.shape) if axis not in averaged)
    given = [rng.uniform(0.5, 2, size=held if short else shape) for _ in range(4)]
    gamma, beta, mean, var = (theano.shared(each) for each in given)
    x = T.dtensor4("x")
    out, batch_mean, invstd, new_mean, new_var = T.nnet.bn.batch_normalization_train(
        x, gamma, beta, axes, 1e-3, 0.25, mean, var
    )
    train = theano.function(
        [x], [out, batch_mean, invstd], updates=[(mean, new_mean), (var, new_var)]
    )
    m, v = values.mean(averaged, keepdims=True), values.var(averaged, keepdims=True)
    g, b, old_mean, old_var = (each.reshape(shape) for each in given)
    for ours, numpys in zip(
        train(values),
        ((values - m) / np.sqrt(v + 1e-3) * g + b, m, 1 / np.sqrt(v + 1e-3)),
        strict=True,
    ):
        assert_close(ours, numpys, "float64")
    unbiased = values.var(averaged, keepdims=True, ddof=1)
    expected = 0.75 * old_mean + 0.25 * m, 0.75 * old_var + 0.25 * unbiased
    for shared, numpys in zip((mean, var), expected, strict=True):
        assert_close(shared.get_value(), numpys.reshape(given[0].shape), "float64")
    y = T.nnet.bn.batch_normalization_test(x, gamma, beta, mean, var, axes, 1e-3)
    m, v = expected
    assert_close(y.eval({x: values}), (values - m) / np.sqrt(v + 1e-3) * g + b, "float64")


def test_without_running_averages():
    x = T.matrix("x")
    assert len(T.nnet.bn.batch_normalization_train(x, T.row(), T.row())) == 3


def test_what_is_refused():
    with pytest.raises(ValueError, match="axes must be 'per-activation', 'spatial' or a tuple"):
        T.nnet.bn.batch_normalization_train(T.matrix(), T.row(), T.row(), axes="all")
    with pytest.raises(ValueError, match=r"must have 4 axes, or 1; got 2"):
        T.nnet.bn.batch_normalization_test(T.tensor4(), *[T.matrix()] * 4, axes="spatial")
