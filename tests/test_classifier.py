"""The classifier among scikit-learn's tools for classifiers."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import is_classifier, is_regressor
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_digits
from sklearn.ensemble import BaggingClassifier, StackingClassifier, VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict, cross_val_score
from sklearn.multiclass import OneVsRestClassifier
from sklearn.utils import get_tags

from convnet_features import ConvNetClassifier

from .helpers import assert_close
from .images import bright_corners, quick

X, Y = bright_corners()
NAMES = np.array(["ash", "birch", "cedar"])[Y]


def test_it_is_a_classifier():
    classifier = ConvNetClassifier()
    assert is_classifier(classifier)
    assert not is_regressor(classifier)
    tags = get_tags(classifier)
    assert tags.target_tags.required
    assert tags.input_tags.three_d_array
    assert tags.classifier_tags.multi_class
    assert tags.classifier_tags.multi_label


def test_floats_that_are_whole_are_classes():
    assert quick(ConvNetClassifier).fit(X, Y.astype(float)).classes_.tolist() == [0.0, 1.0, 2.0]
    with pytest.raises(ValueError, match=r"Unknown label type|continuous"):
        quick(ConvNetClassifier).fit(X, Y / 2)


def test_cross_validation_scores_it():
    scores = cross_val_score(quick(ConvNetClassifier), X, NAMES, cv=3, error_score="raise")
    assert scores.mean() > 0.9


def test_cross_validated_probabilities():
    probabilities = cross_val_predict(
        quick(ConvNetClassifier), X, NAMES, cv=3, method="predict_proba"
    )
    assert probabilities.shape == (60, 3)
    assert_close(probabilities.sum(axis=1).astype(np.float32), np.ones(60, np.float32))
    assert (probabilities.argmax(axis=1) == Y).mean() > 0.9


@pytest.mark.parametrize(
    "ensemble",
    [
        lambda net: CalibratedClassifierCV(net, cv=2),
        lambda net: VotingClassifier([("net", net), ("line", LogisticRegression())], voting="soft"),
        lambda net: StackingClassifier([("net", net), ("line", LogisticRegression())], cv=2),
        lambda net: BaggingClassifier(net, n_estimators=2, random_state=0),
        lambda net: OneVsRestClassifier(net),
    ],
    ids=["calibrated", "voting", "stacking", "bagging", "one against the rest"],
)
def test_ensembles_take_it(ensemble):
    model = ensemble(quick(ConvNetClassifier, max_epochs=25)).fit(X, NAMES)
    assert model.predict_proba(X).shape == (60, 3)
    assert model.score(X, NAMES) > 0.8


def test_it_learns_digits():
    digits, labels = load_digits(return_X_y=True)
    classifier = ConvNetClassifier(max_epochs=10, random_state=0).fit(digits[:900], labels[:900])
    assert classifier.score(digits[900:], labels[900:]) > 0.85
