"""Deep networks: compiling takes work in proportion to their depth."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from convnet_features import ConvNetClassifier
from convnet_features.fusion.stacking import LONGEST
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


def calls_of(block, depth, engine, **params):
    """How many functions are called to build, compile, train and apply a network."""
    clear_programs()
    count = 0

    def counted(frame, event, argument):
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(counted)
    try:
        estimator, X = fitted(block, depth, engine, **params)
        estimator.predict(X)
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize("engine", ["auto", "portable"])
@pytest.mark.parametrize("block", KINDS)
def test_compiling_takes_calls_in_proportion_to_the_depth(block, engine):
    calls_of(block, 2, engine)  # what happens once in a process
    few, some, many = (calls_of(block, depth, engine) for depth in (10, 20, 40))
    # With a cost of a·n + b·n² the second difference would be more than twice the first.
    assert many - some < 2.2 * (some - few)


def test_penalties_take_calls_in_proportion_to_the_depth():
    penalties = {"l1": 1e-6, "l2": 1e-6}
    calls_of(dense, 2, "auto", **penalties)
    few, some, many = (calls_of(dense, depth, "auto", **penalties) for depth in (10, 20, 40))
    assert many - some < 2.2 * (some - few)


@pytest.mark.parametrize("block", [dense, convolution, dropout, normalised])
def test_a_run_longer_than_a_stack_computes_what_its_layers_do(block):
    estimator, X = fitted(block, LONGEST // 2 + 3)
    peer, _ = fitted(block, LONGEST // 2 + 3, engine="portable")
    assert_close(estimator.predict_proba(X), peer.predict_proba(X))
