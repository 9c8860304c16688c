"""What is held out for validation, and that nothing of it is trained on."""

from __future__ import annotations

import numpy as np
import pytest

from convnet_features.training.split import split_rows


def seen_in_training(net_params, make_net, X, y, **fit_params):
    """The images that training saw, by their first pixel."""
    seen = set()

    def record(images):
        seen.update(images[:, 0, 0, 0].tolist())
        return images

    net = make_net(augment=record, input_scale=1.0, **net_params).fit(X, y, **fit_params)
    return seen, net


@pytest.fixture
def numbered(digits):
    """Digits whose first pixel is their number."""
    X, y = digits
    X = X.copy()
    X[:, 0] = np.arange(len(X)) / 1024
    return X, y


def test_stratified_seeded_and_disjoint(rng):
    y = rng.choice(3, size=1000, p=[0.7, 0.2, 0.1])
    training, validation = split_rows(y, "classes", 0.2, 5)
    assert len(validation) == 200
    assert sorted([*training, *validation]) == list(range(1000))
    np.testing.assert_allclose(np.bincount(y[validation]) / 200, np.bincount(y) / 1000, atol=0.005)
    again = split_rows(y, "classes", 0.2, 5)
    np.testing.assert_array_equal(again[1], validation)
    assert not np.array_equal(split_rows(y, "classes", 0.2, 6)[1], validation)


def test_a_class_with_one_sample_is_trained_on():
    y = np.array([0] * 10 + [1] * 10 + [2])
    training, validation = split_rows(y, "classes", 0.2, 0)
    assert 20 in training
    assert len(validation) == 4


@pytest.mark.parametrize("kind", ["numbers", "labels"])
def test_other_targets_are_split_at_random(rng, kind):
    training, validation = split_rows(rng.random((50, 2)), kind, 0.3, 0)
    assert len(validation) == 15
    assert not set(training) & set(validation)


def test_nothing_held_out():
    training, validation = split_rows(np.zeros(5), "classes", None, 0)
    assert len(training) == 5
    assert len(validation) == 0


def test_validation_never_leaks_into_training(numbered, make_net):
    X, y = numbered
    seen, net = seen_in_training({"max_epochs": 2}, make_net, X, y)
    assert len(seen) == 192
    held_out = [i for i in range(240) if i / 1024 not in seen]
    score = net.score(X[held_out], y[held_out])
    assert net.history_[-1]["valid_score"] == pytest.approx(score)


def test_the_same_rows_are_held_out_when_training_goes_on(numbered, make_net):
    X, y = numbered
    seen = set()

    def record(images):
        seen.update(images[:, 0, 0, 0].tolist())
        return images

    net = make_net(augment=record, input_scale=1.0, warm_start=True, max_epochs=1)
    for _ in range(3):
        net.fit(X, y)
    assert len(seen) == 192


def test_none_trains_on_everything(numbered, make_net):
    seen, net = seen_in_training({"validation_fraction": None}, make_net, *numbered)
    assert len(seen) == 240
    assert net.validation_scores_ is None


def test_data_of_ones_own(numbered, make_net):
    X, y = numbered
    seen, net = seen_in_training({}, make_net, X[:200], y[:200], X_val=X[200:], y_val=y[200:])
    assert len(seen) == 200
    assert net.history_[-1]["valid_score"] == pytest.approx(net.score(X[200:], y[200:]))
