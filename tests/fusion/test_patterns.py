"""The questions that rules ask of a graph."""

from __future__ import annotations

import numpy as np
import pytensor.tensor as pt
import pytest
from pytensor.graph.fg import FunctionGraph
from pytensor.scalar import basic as scalar

from convnet_features.fusion.patterns import (
    constant_value,
    elemwise_inputs,
    only_client,
    rectified,
    split_by,
)


@pytest.mark.parametrize(
    ("variable", "expected"),
    [
        (pt.constant(2.5), 2.5),
        (pt.constant(3), 3),
        (pt.constant([[7]]), 7),
        (pt.constant(2).dimshuffle("x", "x"), 2),
        (pt.constant([1, 2]), None),
        (pt.constant(np.zeros(0)), None),
        (pt.fscalar(), None),
        (pt.fscalar() + 1, None),
    ],
)
def test_constant_value(variable, expected):
    assert constant_value(variable) == expected


def test_elemwise_inputs():
    x, y = pt.fvector(), pt.fvector()
    assert elemwise_inputs(x + y, scalar.Add) == [x, y]
    assert elemwise_inputs(x + y, scalar.Sub, scalar.Add) == [x, y]
    assert elemwise_inputs(x + y, scalar.Mul) is None
    assert elemwise_inputs(x.sum(), scalar.Add) is None
    assert elemwise_inputs(x, scalar.Add) is None


def test_split_by():
    assert split_by([1, 2], lambda value: value == 2) == (2, 1)
    assert split_by([1, 2], lambda value: value == 1) == (1, 2)
    assert split_by([1, 2], lambda value: value == 3) is None
    assert split_by([1], lambda value: True) is None
    assert split_by([1, 2, 3], lambda value: True) is None


def test_only_client():
    x = pt.fvector()
    y = x * 2
    once, twice, out = pt.exp(y), pt.exp(x * 3), x * 4
    graph = FunctionGraph([x], [once, twice, twice.owner.inputs[0] + 1, out], clone=False)
    assert only_client(graph, y, once.owner)
    assert not only_client(graph, twice.owner.inputs[0], twice.owner)
    assert not only_client(graph, out, once.owner)  # an output of the graph
    assert not only_client(graph, x, y.owner)


def test_rectified():
    x = pt.fvector()
    y = x * 2
    for z in (0.5 * (y + abs(y)), pt.maximum(0, y), (abs(y) + y) * 0.5):
        assert rectified(FunctionGraph([x], [z], clone=False), z.owner) is y
    for z in (0.5 * (y + y), 0.5 * (abs(y) + abs(y)), pt.maximum(y, 1), y * abs(y), 0.5 * y):
        assert rectified(FunctionGraph([x], [z], clone=False), z.owner) is None
