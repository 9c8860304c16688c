"""Which columns of scores stand for classes."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import make_blobs
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC, NuSVC

from convnet_features.inspection import MisclassifiedDisplay, OcclusionDisplay
from convnet_features.inspection.prediction import check_columns, score_method, scores


def blobs(n_classes, spread=3.0):
    X, y = make_blobs(90, 4, centers=n_classes, cluster_std=spread, random_state=0)
    return X, np.array(["ant", "bee", "cow", "dog"])[y]


def checked(estimator, X):
    method = score_method(estimator)
    check_columns("Test", estimator, scores(estimator, X), estimator.predict(X), method)


OVO = SVC(decision_function_shape="ovo")


@pytest.mark.parametrize("n_classes", [3, 4])
@pytest.mark.parametrize("n_samples", [1, 90])
@pytest.mark.parametrize(
    "wrapped",
    [
        OVO,
        NuSVC(nu=0.1, decision_function_shape="ovo"),
        make_pipeline(StandardScaler(), make_pipeline(StandardScaler(), OVO)),
        GridSearchCV(OVO, {"C": [1.0]}, cv=2),
    ],
    ids=lambda each: type(each).__name__,
)
def test_pairs_of_classes_are_refused(wrapped, n_samples, n_classes):
    X, y = blobs(n_classes)
    model = FrozenEstimator(wrapped.fit(X, y))
    n_columns = n_classes * (n_classes - 1) // 2
    came = "a column for each pair" if n_classes == 3 else f"{n_columns} columns for 4 classes"
    with pytest.raises(
        ValueError,
        match=rf"^Test: decision_function of (Nu)?SVC gives {came}.*expected one for each class\. "
        r"Set decision_function_shape='ovr', or use LogisticRegression, say\.$",
    ):
        checked(model, X[:n_samples])


@pytest.mark.parametrize("n_classes", [2, 3, 4])
@pytest.mark.parametrize(
    "estimator",
    [
        SVC(),
        NuSVC(nu=0.1),
        LinearSVC(),
        RidgeClassifier(),
        LogisticRegression(),
        OneVsRestClassifier(SVC(decision_function_shape="ovo")),
    ],
    ids=lambda each: type(each).__name__,
)
def test_one_column_a_class_will_do(estimator, n_classes):
    X, y = blobs(n_classes, 6.0)  # some votes are tied
    checked(estimator.fit(X, y), X)


def test_two_classes_in_pairs_are_the_two_classes():
    X, y = blobs(2)
    checked(SVC(decision_function_shape="ovo").fit(X, y), X)


def test_several_labels_a_sample_are_no_classes():
    X, _ = blobs(3)
    checked(RidgeClassifier().fit(X, (X[:, :3] > 0).astype(int)), X)


class Turned(ClassifierMixin, BaseEstimator):
    """Gives its columns in another order than its classes."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        self.inner_ = RidgeClassifier().fit(X, y)
        return self

    def decision_function(self, X):
        return self.inner_.decision_function(X)[:, ::-1]

    def predict(self, X):
        return self.inner_.predict(X)


def test_columns_in_another_order_are_refused():
    X, y = blobs(4)
    with pytest.raises(
        ValueError,
        match=r"Turned gives 4 columns, the largest of which is not the predicted class of 90 of "
        r"90 samples; expected one column for each class, in the order of classes_",
    ):
        checked(Turned().fit(X, y), X)


@pytest.mark.parametrize("n_classes", [3, 4])
def test_displays_refuse_them(n_classes, extractor, digits):
    X, y = digits[0][:80], digits[1][:80] % n_classes
    svc = SVC(decision_function_shape="ovo").fit(extractor.transform(X), y)
    model = make_pipeline(FrozenEstimator(extractor), svc)
    with pytest.raises(ValueError, match=r"^MisclassifiedDisplay: decision_function of SVC gives"):
        MisclassifiedDisplay.from_estimator(model, X, y)
    with pytest.raises(ValueError, match=r"^OcclusionDisplay: decision_function of SVC gives"):
        OcclusionDisplay.from_estimator(model, X[:1])
    svc.decision_function_shape = "ovr"
    assert OcclusionDisplay.from_estimator(model, X[:1]).drops.shape == (1, 8, 8)
