"""Weights of samples and of classes."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from convnet_features import ConvNetClassifier, ConvNetFeatureExtractor, ConvNetRegressor

from .helpers import assert_close
from .images import bright_corners, quick, small_network

X, Y = bright_corners()
#: Every sample in every batch, in the same order, and nothing drawn but the first parameters.
WHOLE = {
    "layers": small_network(dropout=0),
    "batch_size": 10_000,
    "shuffle": False,
    "validation_fraction": None,
}


def weights_of(rng, low=0, high=4):
    return rng.integers(low, high, len(Y))


@pytest.mark.parametrize(
    "target",
    [Y, Y.astype(np.float64) ** 2, np.column_stack([Y == 0, Y == 1]).astype(int)],
    ids=["classes", "numbers", "labels"],
)
def test_whole_weights_equal_repetition(target, rng):
    weights = weights_of(rng)
    weighted = quick(ConvNetFeatureExtractor, **WHOLE).fit(X, target, sample_weight=weights)
    rows = np.repeat(np.arange(60), weights)
    repeated = quick(ConvNetFeatureExtractor, **WHOLE).fit(X[rows], target[rows])
    unweighted = quick(ConvNetFeatureExtractor, **WHOLE).fit(X, target)
    assert_close(weighted.transform(X), repeated.transform(X))
    assert_close(np.float32(weighted.loss_), np.float32(repeated.loss_))
    assert np.abs(unweighted.transform(X) - repeated.transform(X)).max() > 1e-2


def test_to_weigh_nothing_is_to_be_absent(rng):
    """To the bit, in mini-batches with dropout and held-out rows too."""
    present = weights_of(rng, 0, 2).astype(bool)
    weighted = quick(ConvNetClassifier).fit(X, Y, sample_weight=present)
    absent = quick(ConvNetClassifier).fit(X[present], Y[present])
    np.testing.assert_array_equal(weighted.transform(X), absent.transform(X))


@pytest.mark.parametrize("weight", [1, 0.001, 1000])
def test_equal_weights_are_no_weights(weight):
    weighted = quick(ConvNetRegressor).fit(X, Y, sample_weight=np.full(60, weight))
    plain = quick(ConvNetRegressor).fit(X, Y)
    np.testing.assert_array_equal(weighted.predict(X), plain.predict(X))


def test_the_scale_of_weights_changes_nothing(rng):
    weights = rng.uniform(0.1, 2, 60)
    one, other = (
        quick(ConvNetClassifier).fit(X, Y, sample_weight=factor * weights).transform(X)
        for factor in (1, 1024)
    )
    assert_close(one, other)


def test_in_mini_batches_the_expected_step_is_that_of_repetition(rng):
    """Over many seeds, the mean of the parameters after one epoch of plain descent agrees."""
    weights = weights_of(rng, 1, 4)
    rows = np.repeat(np.arange(60), weights)
    steps = {"weighted": [], "repeated": []}
    shared = {**WHOLE, "shuffle": True, "batch_size": 30, "max_epochs": 1, "update": "sgd"}
    start = quick(ConvNetFeatureExtractor, **{**shared, "update_learning_rate": 0.0}).fit(X, Y)
    for seed in range(12):
        for name, args in (("weighted", (X, Y, weights)), ("repeated", (X[rows], Y[rows]))):
            net = quick(ConvNetFeatureExtractor, **shared, pretrained=start, random_state=seed)
            net.set_params(update_learning_rate=0.01 if name == "weighted" else 0.01 * 2 / 4)
            net.fit(*args)
            steps[name].append(net._model.theta - start._model.theta)
    weighted, repeated = (np.mean(steps[name], axis=0) for name in ("weighted", "repeated"))
    cosine = weighted @ repeated / np.linalg.norm(weighted) / np.linalg.norm(repeated)
    assert cosine > 0.98


def test_partial_fit_takes_weights_as_they_are():
    """Twice the weight is twice the step: other parts, with other weights, are to come."""
    shared = {**WHOLE, "update": "sgd"}
    start = quick(ConvNetClassifier, **shared, update_learning_rate=0.0).partial_fit(X, Y)
    once = quick(ConvNetClassifier, **shared).partial_fit(X, Y, sample_weight=np.ones(60))
    twice = quick(ConvNetClassifier, **shared).partial_fit(X, Y, sample_weight=np.full(60, 2))
    step = once._model.theta - start._model.theta
    assert np.abs(step).max() > 1e-4
    assert_close(twice._model.theta - start._model.theta + 1, 2 * step + 1)


def test_class_weights_multiply_sample_weights(rng):
    weights = rng.uniform(0.5, 2, 60)
    by_class = {0: 1.0, 1: 3.0, 2: 0.5}
    one = quick(ConvNetClassifier, class_weight=by_class).fit(X, Y, sample_weight=weights)
    factors = np.array([by_class[label] for label in Y])
    other = quick(ConvNetClassifier).fit(X, Y, sample_weight=weights * factors)
    np.testing.assert_array_equal(one.transform(X), other.transform(X))


@pytest.mark.parametrize("names", [[0, 1, 2], ["a", "b", "c"]], ids=["integers", "strings"])
def test_balanced_classes_weigh_the_same(names):
    labels = np.array(names)[np.where(np.arange(60) < 36, 0, Y)]
    counts = {name: np.sum(labels == name) for name in names}
    balanced = quick(ConvNetClassifier, class_weight="balanced").fit(X, labels)
    weights = np.array([1 / counts[label] for label in labels])
    by_hand = quick(ConvNetClassifier).fit(X, labels, sample_weight=weights)
    assert_close(balanced.transform(X), by_hand.transform(X))


def test_balance_counts_samples_as_often_as_they_weigh(rng):
    weights = weights_of(rng)
    params = {**WHOLE, "class_weight": "balanced"}
    weighted = quick(ConvNetClassifier, **params).fit(X, Y, sample_weight=weights)
    rows = np.repeat(np.arange(60), weights)
    repeated = quick(ConvNetClassifier, **params).fit(X[rows], Y[rows])
    assert_close(weighted.transform(X), repeated.transform(X))


def test_class_weights_need_classes_and_balance_needs_all_of_them():
    with pytest.raises(ValueError, match="class_weight needs classes to weigh; y holds numbers"):
        quick(ConvNetFeatureExtractor, class_weight="balanced").fit(X, Y / 2)
    with pytest.raises(ValueError, match="'balanced' needs all of y at once"):
        quick(ConvNetClassifier, class_weight="balanced").partial_fit(X, Y)
    quick(ConvNetClassifier, class_weight={0: 2.0, 1: 1.0, 2: 1.0}).partial_fit(X, Y)


@pytest.mark.parametrize("y", [Y.astype(str), Y.astype(str).astype(object), list(map(str, Y))])
def test_classes_that_are_digits_in_text(y):
    """scikit-learn's `compute_class_weight` looks for the numbers that they spell."""
    weighted = quick(ConvNetClassifier, class_weight={"1": 3.0}).fit(X, y)
    expected = quick(ConvNetClassifier).fit(X, y, sample_weight=np.where(Y == 1, 3.0, 1.0))
    np.testing.assert_array_equal(weighted.predict_proba(X), expected.predict_proba(X))


@pytest.mark.parametrize("weight", ["much", [1.0], None])
def test_class_weights_that_are_no_numbers(weight):
    with pytest.raises(ValueError, match=r"^class_weight: class 1 weighs .* must be finite"):
        quick(ConvNetClassifier, class_weight={1: weight}).fit(X, Y)


def test_a_class_that_y_does_not_have():
    expected = r"^class_weight: there is no class '1'; the classes of y are 0, 1, 2\.$"
    with pytest.raises(ValueError, match=expected):
        quick(ConvNetClassifier, class_weight={"1": 2.0}).fit(X, Y)
    every = {0: 1.0, 1: 2.0, 2: 1.0, 3: 1.0}  # of which a part of the data lacks one
    quick(ConvNetClassifier, class_weight=every).fit(X, Y)


def test_masked_weights_are_refused():
    masked = np.ma.masked_array(np.ones(60), mask=Y == 1)
    with pytest.raises(ValueError, match=r"sample_weight is a masked array with 20 masked values"):
        quick(ConvNetClassifier).fit(X, Y, sample_weight=masked)


def test_a_rare_class_is_found_when_it_weighs_more():
    rng = np.random.default_rng(0)
    images = rng.normal(size=(300, 36)).astype(np.float32)
    rare = (np.arange(300) % 10 == 0).astype(int)
    images[rare == 1] += 0.25
    found = [
        quick(ConvNetClassifier, class_weight=weight).fit(images, rare).predict(images)[rare == 1]
        for weight in (None, "balanced")
    ]
    assert found[1].mean() > found[0].mean() + 0.2


def test_weights_are_routed_through_a_pipeline():
    weights = (np.arange(60) < 40).astype(float)
    expected = quick(ConvNetFeatureExtractor).fit(X, Y, sample_weight=weights)
    with sklearn.config_context(enable_metadata_routing=True):
        model = make_pipeline(
            quick(ConvNetFeatureExtractor).set_fit_request(sample_weight=True),
            LogisticRegression().set_fit_request(sample_weight=True),
        ).fit(X, Y, sample_weight=weights)
    np.testing.assert_array_equal(model[0].transform(X), expected.transform(X))
