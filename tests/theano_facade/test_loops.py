"""Loops: random draws within them, and gradients through them."""

from __future__ import annotations

import numpy as np
import pytest
import theano
import theano.tensor as T
from theano.sandbox.rng_mrg import MRG_RandomStreams
from theano.scan_module import until
from theano.tensor.shared_randomstreams import RandomStreams

from ..helpers import assert_close

ONES = np.ones((4, 3), "float32")


@pytest.mark.parametrize("streams", [MRG_RandomStreams, RandomStreams])
def test_dropout_in_a_recurrent_network(streams):
    """The gradient is that of the very masks that were drawn."""
    x, w = T.matrix(), theano.shared(np.float32(1.5))
    stream = streams(1)

    def step(x_t, h):
        mask = stream.binomial((3,), p=0.5, dtype="float32")
        return mask * w * (h + x_t), mask

    (h, masks), updates = theano.scan(step, sequences=[x], outputs_info=[T.zeros((3,)), None])
    cost = h[-1].sum()
    function = theano.function([x], [cost, masks, *T.grad(cost, [w, x])], updates=updates)

    def by_hand(masks, w, x):
        h = np.zeros(3)
        for mask, x_t in zip(masks, x, strict=True):
            h = np.float64(mask) * w * (h + x_t)
        return h.sum()

    seen = []
    for _ in range(3):
        value, masks, by_w, by_x = function(ONES)
        seen.append(masks)
        assert_close(value, by_hand(masks, 1.5, ONES))
        step_w = by_hand(masks, 1.5 + 1e-6, ONES) - by_hand(masks, 1.5 - 1e-6, ONES)
        np.testing.assert_allclose(by_w, step_w / 2e-6, rtol=1e-5)
        difference = [
            by_hand(masks, 1.5, ONES + 0.5 * unit) - by_hand(masks, 1.5, ONES - 0.5 * unit)
            for unit in np.eye(12).reshape(12, 4, 3)
        ]
        assert_close(by_x, np.reshape(difference, (4, 3)))
    assert len({masks.tobytes() for masks in seen}) == 3, "every call draws anew"
    assert len({mask.tobytes() for masks in seen for mask in masks}) > 1, "and every step"


def test_without_inputs_and_by_reduce():
    w, stream = theano.shared(np.float32(2)), MRG_RandomStreams(1)
    outputs, updates = theano.scan(
        lambda h: h * w * stream.uniform((2,)), outputs_info=T.ones((2,)), n_steps=3
    )
    value, slope = theano.function(
        [], [outputs[-1].sum(), T.grad(outputs[-1].sum(), w)], updates=updates
    )()
    np.testing.assert_allclose(slope, 3 * value / 2, rtol=1e-5)
    total, updates = theano.reduce(
        lambda x_t, h: h * w * stream.uniform((3,)) + 0 * x_t, T.constant(ONES), T.ones((3,))
    )
    value, slope = theano.function([], [total.sum(), T.grad(total.sum(), w)], updates=updates)()
    np.testing.assert_allclose(slope, 4 * value / 2, rtol=1e-5)


def test_a_loop_within_a_loop():
    w, stream = theano.shared(np.float32(2)), MRG_RandomStreams(1)

    def row(x):
        outputs, updates = theano.scan(
            lambda x_t, h: h * w * stream.uniform(()) + 0 * x_t,
            sequences=[x],
            outputs_info=[T.constant(np.float32(1))],
        )
        return outputs[-1], updates

    outputs, updates = theano.scan(row, sequences=[T.constant(ONES)])
    function = theano.function([], [outputs, T.grad(outputs.sum(), w)], updates=updates)
    values, slope = function()
    assert len(set(values.tolist())) == 4
    np.testing.assert_allclose(slope, 3 * values.sum() / 2, rtol=1e-5)


def test_the_users_function_is_called_once():
    calls = []
    stream = MRG_RandomStreams(1)

    def step(x_t):
        calls.append(x_t)
        return x_t + stream.normal((3,))

    outputs, updates = theano.scan(step, sequences=[T.constant(ONES)])
    assert len(calls) == 1
    first, second = (theano.function([], outputs, updates=updates)() for _ in range(2))
    assert first.shape == (4, 3)
    assert not np.array_equal(first, second)


def test_a_draw_outside_is_the_same_at_every_step():
    noise = MRG_RandomStreams(1).normal((3,))
    outputs, _ = theano.scan(lambda x_t: x_t + noise, sequences=[T.constant(ONES)])
    values = theano.function([], outputs)()
    np.testing.assert_array_equal(values, np.tile(values[:1], (4, 1)))


def test_a_loop_that_stops():
    w, stream = theano.shared(np.float32(2)), MRG_RandomStreams(1)

    def step(h):
        following = h * w * (1 + 0 * stream.uniform(()))
        return following, until(following > 10)

    outputs, updates = theano.scan(step, outputs_info=[T.constant(np.float32(1))], n_steps=50)
    values, slope = theano.function([], [outputs, T.grad(outputs[-1], w)], updates=updates)()
    assert_close(values, [2, 4, 8, 16])
    assert_close(slope, 32)
