"""Deep networks: compiling takes work in proportion to their depth."""

from __future__ import annotations

import inspect
import sys

import numpy as np
import pytest

from convnet_features import ConvNetClassifier
from convnet_features.fusion import merging, stages
from convnet_features.layers import BatchNormLayer
from convnet_features.network.functions import clear_programs

from ..helpers import assert_close

from lasagne.layers import (  # isort: skip
    ConcatLayer,
    Conv2DLayer,
    DenseLayer,
    DropoutLayer,
    ElemwiseSumLayer,
    PadLayer,
)
from lasagne.nonlinearities import softmax  # isort: skip


def dense(x):
    return DenseLayer(x, 4)


def padded(x):
    return Conv2DLayer(PadLayer(x, 1), 2, 3)


def convolution(x):
    return Conv2DLayer(x, 2, 3, pad=1)


def normalised(x):
    return BatchNormLayer(DenseLayer(x, 4))


def dropout(x):
    return DropoutLayer(DenseLayer(x, 4))


def residual(x):
    return ElemwiseSumLayer([x, Conv2DLayer(x, 1, 3, pad="same")])


def concatenated(x):
    return ConcatLayer([Conv2DLayer(x, 2, 1), Conv2DLayer(x, 2, 3, pad=1)])


KINDS = [dense, padded, convolution, normalised, dropout, residual, concatenated]


def network(block, depth):
    """A builder of `depth` blocks."""

    def build(x, n_outputs):
        for _ in range(depth):
            x = block(x)
        return DenseLayer(x, n_outputs, nonlinearity=softmax)

    return build


def fitted(block, depth, engine="auto", **params):
    X = np.random.default_rng(0).normal(size=(8, 1, 5, 5)).astype(np.float32)
    y = np.arange(8) % 2
    return ConvNetClassifier(
        network(block, depth),
        feature_layer="output",
        max_epochs=1,
        update_learning_rate=1e-6,
        validation_fraction=None,
        random_state=0,
        engine=engine,
        **params,
    ).fit(X, y), X


def calls_of(block, depth, **params):
    """How many functions are called to build, compile, train and apply a network."""
    clear_programs()
    count = 0

    def counted(frame, event, argument):
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(counted)
    try:
        estimator, X = fitted(block, depth, **params)
        estimator.predict(X)
    finally:
        sys.setprofile(None)
    return count


def assert_in_proportion(block, **params):
    calls_of(block, 2, **params)  # what happens once in a process
    few, some, many = (calls_of(block, depth, **params) for depth in (8, 16, 32))
    # A cost of a·n gives twice the difference for twice the depth, and one of n² four times.
    assert many - some < 2.3 * (some - few)


@pytest.fixture
def short_stacks(monkeypatch):
    """Networks of a few layers become several stacks, as those of hundreds do."""
    monkeypatch.setattr(stages, "LONGEST", 4)
    monkeypatch.setattr(merging, "LONGEST_GRAPH", 10)


@pytest.mark.slow
@pytest.mark.parametrize("block", KINDS)
def test_compiling_takes_calls_in_proportion_to_the_depth(block, short_stacks):
    assert_in_proportion(block)


def test_penalties_take_calls_in_proportion_to_the_depth(short_stacks):
    assert_in_proportion(dense, l1=1e-6, l2=1e-6)


@pytest.mark.parametrize("block", [dense, convolution, dropout, normalised])
def test_a_run_longer_than_a_stack_computes_what_its_layers_do(block, short_stacks):
    estimator, X = fitted(block, 9)
    peer, _ = fitted(block, 9, engine="portable")
    assert_close(estimator.predict_proba(X), peer.predict_proba(X))


def test_depth_is_not_that_of_python_s_stack(short_stacks):
    fitted(dense, 2)  # which imports and compiles what every network needs
    limit = sys.getrecursionlimit()
    # A layer is several operations. 25 times 4 are more than the limit leaves.
    sys.setrecursionlimit(len(inspect.stack()) + 90)
    try:
        estimator, X = fitted(dense, 25)
        estimator.predict(X)
    finally:
        sys.setrecursionlimit(limit)
