"""Which networks read sequences."""

from __future__ import annotations

import pytest
from lasagne import layers

from convnet_features.network.sequences import reads_sequences
from convnet_features.network.spec import parse_layers


@pytest.mark.parametrize(
    ("first", "expected"),
    [
        (layers.LSTMLayer, True),
        (layers.GRULayer, True),
        (layers.RecurrentLayer, True),
        (layers.EmbeddingLayer, True),
        (layers.Conv1DLayer, True),
        (layers.Conv2DLayer, False),
        (layers.DenseLayer, False),
    ],
)
def test_the_first_layer_tells(first, expected):
    assert reads_sequences(parse_layers([("first", first), ("lstm", layers.LSTMLayer)])) is expected
    assert reads_sequences(parse_layers([layers.InputLayer, ("first", first)])) is expected


def test_without_layers():
    assert not reads_sequences([])
