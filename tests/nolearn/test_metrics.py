"""nolearn.metrics and nolearn.grid_search."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, log_loss
from sklearn.model_selection import train_test_split

from convnet_features.nolearn.grid_search import grid_search
from convnet_features.nolearn.metrics import (
    LearningCurve,
    learning_curve_logloss,
    multiclass_logloss,
)


def test_the_logarithmic_loss_is_scikit_learns():
    random = np.random.RandomState(0)
    probabilities = random.dirichlet([1, 1, 1], 11)
    classes = random.randint(3, size=11)
    expected = log_loss(classes, probabilities, labels=[0, 1, 2])
    assert multiclass_logloss(classes, probabilities) == pytest.approx(expected)
    assert multiclass_logloss(np.eye(3)[classes], probabilities) == pytest.approx(expected)
    assert multiclass_logloss(np.array([0]), np.array([[0.0, 1.0]])) == pytest.approx(34.5, abs=0.1)


def test_learning_curves(capsys):
    X, y = load_iris(return_X_y=True)
    parts = train_test_split(X, y, random_state=0)
    dataset = SimpleNamespace(train_test_split=lambda: parts)
    model = LogisticRegression(max_iter=1000)
    curve = LearningCurve(accuracy_score)
    train, test, sizes = curve(dataset, model, steps=4, verbose=1)
    assert sizes == [11, 44, 78, 112]
    assert test[-1] == model.fit(parts[0], parts[2]).score(parts[1], parts[3])
    assert len(capsys.readouterr().out.splitlines()) == 5
    losses = learning_curve_logloss(dataset, model, steps=4)[1]
    assert losses[-1] == pytest.approx(log_loss(parts[3], model.predict_proba(parts[1])))
    assert len(train) == 4


def test_a_search_and_its_report(capsys):
    search = grid_search(load_iris(), LogisticRegression(max_iter=1000), {"C": [0.1, 1.0]})
    said = capsys.readouterr().out
    assert said.startswith("parameters:\n{'C': [0.1, 1.0]}\n")
    assert f"Best score: {search.best_score_:.4f}\nBest grid parameters:\n    C=1.0," in said
