"""The rules for what the user leaves open."""

from __future__ import annotations

import pytest

from convnet_features.training.defaults import (
    automatic_batch_size,
    automatic_epochs,
    automatic_learning_rate,
)
from convnet_features.training.updates import resolve_update


@pytest.mark.parametrize(
    ("n_samples", "batch_size", "epochs"),
    [(1, 32, 200), (100, 32, 200), (1_078, 32, 45), (4_000, 32, 12), (4_001, 64, 24),
     (16_000, 64, 10), (16_001, 128, 12), (50_000, 128, 10)],
)  # fmt: skip
def test_automatic_batches_and_epochs(n_samples, batch_size, epochs):
    assert automatic_batch_size(n_samples) == batch_size
    assert automatic_epochs(n_samples, batch_size) == epochs


@pytest.mark.parametrize(
    ("update", "target", "expected"),
    [
        ("nesterov_momentum", "classes", 0.01),
        ("sgd", "labels", 0.01),
        ("nesterov_momentum", "numbers", 0.003),
        ("adam", "numbers", 0.001),
        ("rmsprop", "classes", 0.001),
        ("adadelta", "classes", 1.0),
    ],
)
def test_automatic_learning_rate(update, target, expected):
    assert automatic_learning_rate(resolve_update(update), target) == expected


def test_a_rule_of_ones_own_keeps_its_default():
    def rule(gradients, params, learning_rate=0.25):
        raise NotImplementedError

    assert automatic_learning_rate(rule, "classes") == 0.25
