"""Dictionaries of updates."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
import pytest
import theano
import theano.tensor as T


@pytest.fixture
def counters():
    return theano.shared(np.int64(0), "a"), theano.shared(np.int64(0), "b")


def test_updates_are_joined_in_order(counters):
    a, b = counters
    first, second = theano.OrderedUpdates([(a, a + 1)]), OrderedDict([(b, b + 10)])
    for joined in (first + second, theano.updates.OrderedUpdates() + first + second):
        assert isinstance(joined, theano.updates.OrderedUpdates)
        assert list(joined) == [a, b]
    assert list(second + first) == [b, a]
    assert list(first) == [a]
    theano.function([], updates=first + second)()
    assert (a.get_value(), b.get_value()) == (1, 10)


def test_one_variable_has_one_meaning(counters):
    a, _ = counters
    updates = theano.OrderedUpdates({a: a + 1})
    updates.update(theano.OrderedUpdates(updates))
    with pytest.raises(KeyError, match=r"Collision: a has two updates"):
        updates.update({a: a + 2})
    with pytest.raises(TypeError, match="keys are shared variables; got x"):
        updates[T.scalar("x")] = a
