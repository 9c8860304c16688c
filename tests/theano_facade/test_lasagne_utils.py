"""``lasagne.utils`` of the later version."""

from __future__ import annotations

import theano
from lasagne.utils import collect_shared_vars, inspect_kwargs
from theano import tensor as T


def test_shared_variables_once_each():
    a, b, c = (theano.shared(0.0, name=name) for name in "abc")
    x = T.scalar("x")
    assert collect_shared_vars(a * x + b * a) == [a, b]
    assert set(collect_shared_vars([c + x, a * c])) == {a, c}
    assert len(collect_shared_vars([c + x, a * c])) == 2
    assert collect_shared_vars(c) == [c]
    assert collect_shared_vars(x + 1) == []


def test_keywords():
    def function(a, b, c=1, *args, d=2, **kwargs):
        pass

    assert inspect_kwargs(function) == ["c", "d"]
    assert inspect_kwargs(lambda: None) == []
