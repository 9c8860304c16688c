"""Scores of scikit-learn's in the history."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.metrics import (
    f1_score,
    log_loss,
    make_scorer,
    mean_absolute_error,
    roc_auc_score,
)
from sklearn.model_selection import GridSearchCV

from convnet_features import ConvNetClassifier, ConvNetFeatureExtractor, ConvNetRegressor
from convnet_features.callbacks import EarlyStopping, EpochScoring
from convnet_features.inspection import LearningCurvesDisplay


@pytest.fixture(scope="module")
def data():
    X, y = load_digits(return_X_y=True)
    return X[:200], np.array(list("abcdefghij"))[y[:200]]


OPTIONS = {"max_epochs": 2, "random_state": 0, "conv2d1_num_filters": 4, "dense_num_units": 16}


@pytest.mark.parametrize("engine", ["portable", "auto"])
def test_scores_are_those_of_the_network_after_each_epoch(data, engine):
    X, y = data
    callbacks = [EpochScoring("f1_macro"), EpochScoring("neg_log_loss")]
    for n_epochs in (1, 2):
        net = ConvNetClassifier(
            **{**OPTIONS, "max_epochs": n_epochs}, engine=engine, callbacks=callbacks
        ).fit(X[:150], y[:150], X_val=X[150:], y_val=y[150:])
        last = net.history_[-1]
        assert last["valid_f1_macro_score"] == f1_score(
            y[150:], net.predict(X[150:]), average="macro"
        )
        expected = -log_loss(y[150:], net.predict_proba(X[150:]), labels=net.classes_)
        assert last["valid_neg_log_loss_score"] == pytest.approx(expected, rel=1e-6)
    assert len(net.history_.column("valid_f1_macro_score")) == 2


def test_training_samples_may_be_scored(data):
    X, y = data
    scoring = EpochScoring("accuracy", on="training")
    net = ConvNetClassifier(**OPTIONS, validation_fraction=None, callbacks=[scoring]).fit(X, y)
    assert net.history_[-1]["train_accuracy_score"] == net.score(X, y)


def test_numbers_are_on_ys_own_scale(data):
    X, _ = data
    y = np.linspace(500.0, 900.5, 200)
    scoring = EpochScoring("neg_mean_absolute_error", name="mae_score")
    net = ConvNetRegressor(**OPTIONS, callbacks=[scoring]).fit(X, y, X_val=X, y_val=y)
    expected = -mean_absolute_error(y, net.predict(X))
    assert net.history_[-1]["mae_score"] == pytest.approx(expected, rel=1e-5)


def test_labels(data):
    X, y = data
    Y = np.column_stack([y > "c", y < "h"]).astype(int)
    scoring = EpochScoring("roc_auc")
    net = ConvNetFeatureExtractor(**OPTIONS, callbacks=[scoring]).fit(X, Y, X_val=X, y_val=Y)
    expected = roc_auc_score(Y, net.predict_proba(X))
    assert net.history_[-1]["valid_roc_auc_score"] == pytest.approx(expected, rel=1e-6)


def test_images_with_their_channels_last(data):
    X, y = data
    images = np.repeat(X.reshape(-1, 8, 8, 1), 3, axis=3)
    net = ConvNetClassifier(
        **OPTIONS, data_format="channels_last", callbacks=[EpochScoring("accuracy")]
    ).fit(images, y)
    assert net.history_[-1]["valid_accuracy_score"] == net.history_[-1]["valid_score"]


def test_columns_names_do_not_warn(data):
    pandas = pytest.importorskip("pandas")
    X, y = data
    frame = pandas.DataFrame(X, columns=[f"pixel{n}" for n in range(64)])
    net = ConvNetClassifier(**OPTIONS, callbacks=[EpochScoring("accuracy")]).fit(frame, y)
    assert net.history_[-1]["valid_accuracy_score"] == net.history_[-1]["valid_score"]


def test_a_scorer_of_ones_own(data):
    def first_probability(estimator, X, y):
        return estimator.predict_proba(X)[:, 0].mean()

    X, y = data
    net = ConvNetClassifier(**OPTIONS, callbacks=[EpochScoring(first_probability)]).fit(X, y)
    assert 0 < net.history_[-1]["valid_first_probability_score"] < 1


def test_callbacks_watch_it_wherever_it_stands_and_more_is_better(data):
    rising = iter([0.1, 0.9, 0.5, 0.5, 0.5])

    def made_up(estimator, X, y):
        return next(rising)

    callbacks = [EarlyStopping(monitor="valid_made_up_score", patience=2), EpochScoring(made_up)]
    X, y = data
    net = ConvNetClassifier(**{**OPTIONS, "max_epochs": 9}, callbacks=callbacks).fit(X, y)
    assert net.n_iter_ == 4
    assert callbacks[0].best_epoch_ == 2


def test_training_is_the_same_with_it_and_it_is_drawn(data):
    X, y = data
    plain = ConvNetClassifier(**OPTIONS).fit(X, y)
    scored = ConvNetClassifier(**OPTIONS, callbacks=[EpochScoring("f1_macro")]).fit(X, y)
    np.testing.assert_array_equal(plain.transform(X), scored.transform(X))
    pytest.importorskip("matplotlib").use("Agg")
    display = LearningCurvesDisplay.from_estimator(scored).plot("valid_f1_macro_score")
    assert display.axes_.get_ylabel() == "valid f1 macro score"


def test_searches_clones_pickles_and_warm_starts(data):
    X, y = data
    net = ConvNetClassifier(**OPTIONS, warm_start=True, callbacks=[EpochScoring("accuracy")])
    assert clone(net).callbacks[0].scoring == "accuracy"
    search = GridSearchCV(net, {"dense_num_units": [4, 8]}, cv=2).fit(X, y)
    assert "valid_accuracy_score" in search.best_estimator_.history_[0]
    again = pickle.loads(pickle.dumps(net.fit(X, y))).fit(X, y)
    assert len(again.history_.column("valid_accuracy_score")) == 4


@pytest.mark.parametrize(
    ("callback", "error", "text"),
    [
        (
            EpochScoring("f1_macro", name="f1"),
            ValueError,
            r"^EpochScoring: name='f1' must end in score, accuracy or acc: callbacks that watch",
        ),
        (EpochScoring("nonsense"), ValueError, "'scoring' parameter of check_scoring must be"),
        (EpochScoring("accuracy", on="test"), ValueError, "'on' parameter of EpochScoring must be"),
        (EpochScoring(3), ValueError, "'scoring' parameter of EpochScoring must be"),
    ],
)
def test_what_cannot_be_scored(data, callback, error, text):
    X, y = data
    with pytest.raises(error, match=text):
        ConvNetClassifier(**OPTIONS, callbacks=[callback]).fit(X, y)


def test_without_validation_data(data):
    X, y = data
    text = (
        r"^EpochScoring: there are no validation data; hold some out by validation_fraction, give "
        r'X_val and y_val to fit, or set on="training"\.$'
    )
    net = ConvNetClassifier(
        **OPTIONS, validation_fraction=None, callbacks=[EpochScoring("accuracy")]
    )
    with pytest.raises(ValueError, match=text):
        net.fit(X, y)
    with pytest.raises(ValueError, match=text):
        net.partial_fit(X, y)


def test_two_scores_do_not_share_a_column(data):
    scorers = [make_scorer(f1_score, average=average) for average in ("macro", "micro")]
    net = ConvNetClassifier(**OPTIONS, callbacks=[EpochScoring(each) for each in scorers])
    with pytest.raises(ValueError, match="a column 'valid_custom_score' already; give this score"):
        net.fit(*data)
    net.set_params(callbacks=[EpochScoring("accuracy", name="valid_score")])
    with pytest.raises(ValueError, match="a column 'valid_score' already; give this score a name"):
        net.fit(*data)
    assert not hasattr(net, "history_")
