"""What labels mean to the estimators, and several labels a sample among scikit-learn's tools."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    classification_report,
    f1_score,
    roc_auc_score,
)
from sklearn.model_selection import (
    FixedThresholdClassifier,
    GridSearchCV,
    KFold,
    TunedThresholdClassifierCV,
    cross_val_predict,
    cross_val_score,
)
from sklearn.multioutput import MultiOutputClassifier
from sklearn.preprocessing import MultiLabelBinarizer

from convnet_features import ConvNetClassifier, ConvNetFeatureExtractor, ConvNetRegressor
from convnet_features.exceptions import ConvNetFeaturesWarning

from .images import bright_corners, quick

X, Y = bright_corners()
#: Which of three corners are bright; two and three labels.
LABELS = {
    2: np.column_stack([Y == 0, Y != 2]).astype(int),
    3: np.column_stack([Y == 0, Y != 2, Y == 1]).astype(int),
}
ONE_HOT = np.eye(3, dtype=int)[Y]


def multilabel(**params):
    return quick(ConvNetClassifier, **{"max_epochs": 30, **params})


# Floats, integers and bytes of the same values are the same classes.


@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8", "int8", "object"])
def test_whole_numbers_are_the_same_classes_in_any_dtype(dtype):
    one, other = (quick(ConvNetFeatureExtractor).fit(X, y) for y in (Y, Y.astype(dtype)))
    np.testing.assert_array_equal(one.transform(X), other.transform(X))
    np.testing.assert_array_equal(other.classes_, [0, 1, 2])


def test_digits_with_labels_that_are_floats_score_as_with_integers():
    digits, labels = load_digits(return_X_y=True)
    scores = [
        ConvNetFeatureExtractor(max_epochs=5, random_state=0)
        .fit(digits[:900], y[:900])
        .score(digits[900:], y[900:])
        for y in (labels.astype("uint8"), labels.astype(float))
    ]
    assert scores[0] == scores[1]
    assert scores[0] > 0.8


# Rows with one 1


@pytest.mark.parametrize("estimator", [ConvNetFeatureExtractor, ConvNetClassifier])
def test_rows_with_one_1_are_classes_where_target_says_so(estimator):
    expected = quick(estimator).fit(X, Y, X_val=X, y_val=Y)
    made = quick(estimator, target="classes").fit(X, ONE_HOT, X_val=X, y_val=ONE_HOT)
    np.testing.assert_array_equal(made.classes_, [0, 1, 2])
    np.testing.assert_array_equal(made.predict_proba(X), expected.predict_proba(X))
    assert made.score(X, ONE_HOT) == made.score(X, Y) == expected.score(X, Y) > 0.9
    assert quick(estimator, target="classes").partial_fit(X, ONE_HOT).classes_.tolist() == [0, 1, 2]


def test_digits_with_one_hot_rows():
    digits, labels = load_digits(return_X_y=True)
    made = ConvNetClassifier(target="classes", max_epochs=10, random_state=0)
    made.fit(digits[:900], np.eye(10)[labels[:900]])
    assert made.score(digits[900:], labels[900:]) > 0.85


@pytest.mark.parametrize("method", ["fit", "partial_fit", "fit_transform"])
@pytest.mark.parametrize("estimator", [ConvNetFeatureExtractor, ConvNetClassifier])
def test_rows_with_one_1_are_labels_with_one_warning(estimator, method):
    made = quick(estimator, max_epochs=1)
    with pytest.warns(ConvNetFeaturesWarning) as caught:
        getattr(made, method)(X, ONE_HOT)
    assert [str(warning.message) for warning in caught] == [
        f"{estimator.__name__}: every row of y has exactly one 1. Its 3 columns are learnt as "
        "labels, each by itself, and any number of them may be predicted. If each row names one "
        "class, give y.argmax(axis=1), or set target='classes'; target='labels' says that labels "
        "are meant."
    ]
    assert made.predict(X).shape == (60, 3)
    # Going on with what was understood is not worth another warning.
    made.partial_fit(X, ONE_HOT)


def test_target_says_labels():
    made = quick(ConvNetClassifier, target="labels", max_epochs=40).fit(X, ONE_HOT)
    assert made.score(X, ONE_HOT) > 0.8


# Numbers


def test_integers_are_numbers_where_target_says_so():
    ink = X.sum(axis=1).astype(int)
    made = quick(ConvNetFeatureExtractor, target="numbers").fit(X, ink)
    regressor = quick(ConvNetRegressor).fit(X, ink)
    np.testing.assert_array_equal(made.predict(X), regressor.predict(X))
    assert not hasattr(made, "classes_")
    with pytest.warns(ConvNetFeaturesWarning, match=r"target='numbers' or use ConvNetRegressor"):
        quick(ConvNetFeatureExtractor, max_epochs=1).fit(X, ink)


def test_a_network_is_not_gone_on_with_for_another_target():
    made = quick(ConvNetFeatureExtractor, max_epochs=1).fit(X, Y).set_params(target="numbers")
    with pytest.raises(ValueError, match="target: training goes on with the network"):
        made.partial_fit(X, Y)


def test_classes_of_partial_fit_must_suit_y():
    with pytest.raises(ValueError, match=r"classes=\[0, 1\] are given, and y holds numbers"):
        quick(ConvNetFeatureExtractor).partial_fit(X, Y / 2, classes=[0, 1])
    with pytest.raises(ValueError, match=r"classes=\[0, 5\], and y is a matrix of 3 labels"):
        quick(ConvNetClassifier).partial_fit(X, LABELS[3], classes=[0, 5])


# Several labels a sample


@pytest.fixture(scope="module", params=[2, 3], ids=["two labels", "three labels"])
def labelled(request):
    Z = LABELS[request.param]
    return multilabel().fit(X, Z), Z


def test_labels_as_scikit_learn_has_them(labelled):
    fitted, Z = labelled
    np.testing.assert_array_equal(fitted.classes_, np.arange(Z.shape[1]))
    predicted, probabilities = fitted.predict(X), fitted.predict_proba(X)
    assert predicted.shape == probabilities.shape == Z.shape
    np.testing.assert_array_equal(predicted, probabilities > 0.5)
    np.testing.assert_array_equal(fitted.decision_function(X), probabilities - np.float32(0.5))
    np.testing.assert_allclose(np.exp(fitted.predict_log_proba(X)), probabilities, rtol=1e-5)
    assert fitted.score(X, Z) == accuracy_score(Z, predicted) > 0.9
    assert fitted.score(X, csr_array(Z)) == fitted.score(X, Z)


SCORES = {
    "accuracy": lambda Z, fitted, rows: accuracy_score(Z, fitted.predict(rows)),
    "f1_macro": lambda Z, fitted, rows: f1_score(Z, fitted.predict(rows), average="macro"),
    "f1_samples": lambda Z, fitted, rows: f1_score(
        Z, fitted.predict(rows), average="samples", zero_division=1.0
    ),
    "roc_auc": lambda Z, fitted, rows: roc_auc_score(Z, fitted.predict_proba(rows)),
    "average_precision": lambda Z, fitted, rows: average_precision_score(
        Z, fitted.predict_proba(rows)
    ),
}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.UndefinedMetricWarning")
@pytest.mark.parametrize("scoring", SCORES)
@pytest.mark.parametrize("n_labels", [2, 3])
def test_cross_validation_scores_labels(scoring, n_labels):
    Z, folds = LABELS[n_labels], list(KFold(3, shuffle=True, random_state=0).split(X))
    net = multilabel(max_epochs=20)
    scores = cross_val_score(net, X, Z, cv=folds, scoring=scoring, error_score="raise")
    # roc_auc and average_precision see ranks only: probabilities, or these less one half.
    expected = [
        SCORES[scoring](Z[test], multilabel(max_epochs=20).fit(X[train], Z[train]), X[test])
        for train, test in folds
    ]
    if scoring == "f1_samples":
        assert np.isfinite(scores).all()
    else:
        np.testing.assert_allclose(scores, expected)


def test_searches_and_reports_take_labels():
    names = [["left"] if y == 0 else ["left", "right"] if y == 1 else ["low"] for y in Y]
    binarizer = MultiLabelBinarizer()
    Z = binarizer.fit_transform(names)
    search = GridSearchCV(
        multilabel(), {"max_epochs": [1, 30]}, cv=3, scoring="roc_auc", error_score="raise"
    ).fit(X, Z)
    assert search.best_params_ == {"max_epochs": 30}
    assert search.best_score_ > 0.9
    assert binarizer.inverse_transform(search.predict(X))[:3] == [
        ("left",),
        ("left", "right"),
        ("low",),
    ]
    report = classification_report(Z, search.predict(X), target_names=binarizer.classes_)
    assert "left" in report
    probabilities = cross_val_predict(multilabel(), X, Z, cv=3, method="predict_proba")
    assert probabilities.shape == Z.shape
    assert roc_auc_score(Z, probabilities) > 0.9


@pytest.mark.parametrize("shape", [(60, 1), (60, 2)])
def test_a_sparse_y_of_numbers_is_fitted_and_scored(shape):
    numbers = np.column_stack([Y * 1.5, -Y])[:, : shape[1]]
    dense = quick(ConvNetRegressor).fit(X, numbers)
    sparse = quick(ConvNetRegressor).fit(X, csr_array(numbers))
    np.testing.assert_array_equal(sparse.predict(X), dense.predict(X))
    assert sparse.score(X, csr_array(numbers)) == dense.score(X, numbers)


def test_sparse_labels_are_the_same_labels():
    Z = LABELS[3]
    one, other = (multilabel(max_epochs=3).fit(X, each) for each in (Z, csr_array(Z)))
    np.testing.assert_array_equal(one.predict_proba(X), other.predict_proba(X))


def test_labels_come_in_parts():
    made = multilabel()
    for _ in range(30):
        made.partial_fit(X, LABELS[3], classes=[0, 1, 2])
    assert made.score(X, LABELS[3]) > 0.8
    with pytest.raises(ValueError, match=r"classes=\[0, 1\] is not the same .* was: \[0, 1, 2\]"):
        made.partial_fit(X, LABELS[3], classes=[0, 1])


def test_thresholds_are_tuned():
    """Of two classes; scikit-learn has no tuner for matrices, each of whose columns it tunes."""
    tuned = TunedThresholdClassifierCV(multilabel(), cv=2).fit(X, Y == 1)
    assert tuned.score(X, Y == 1) > 0.9
    assert FixedThresholdClassifier(multilabel(), threshold=0.3).fit(X, Y == 1).score(
        X, Y == 1
    ) > 0.9  # fmt: skip
    each = MultiOutputClassifier(TunedThresholdClassifierCV(multilabel(), cv=2)).fit(X, LABELS[2])
    assert each.predict(X).shape == (60, 2)


def test_methods_are_there_where_they_mean_something():
    assert not hasattr(quick(ConvNetRegressor), "predict_log_proba")
    assert not hasattr(quick(ConvNetFeatureExtractor, target="numbers"), "predict_proba")
    assert not hasattr(quick(ConvNetClassifier), "decision_function")
    fitted = quick(ConvNetClassifier, max_epochs=1).fit(X, Y)
    assert not hasattr(fitted, "decision_function")
    np.testing.assert_array_equal(fitted.predict_log_proba(X), np.log(fitted.predict_proba(X)))
    with pytest.raises(NotFittedError):
        quick(ConvNetClassifier).predict_log_proba(X)


def test_cross_fitted_features_of_labels_and_of_rows_with_one_1():
    features = quick(ConvNetFeatureExtractor, max_epochs=2, target="classes").fit_transform(
        X, ONE_HOT, cross_fit=3
    )
    expected = quick(ConvNetFeatureExtractor, max_epochs=2).fit_transform(X, Y, cross_fit=3)
    np.testing.assert_array_equal(features, expected)
    labels = quick(ConvNetFeatureExtractor, max_epochs=2).fit_transform(X, LABELS[3], cross_fit=3)
    assert labels.shape == (60, 16)
