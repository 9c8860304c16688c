"""What training writes down."""

from __future__ import annotations

import pickle

import pytest

from convnet_features.training.history import History


@pytest.fixture
def net(digits, make_net):
    return make_net().fit(*digits)


def test_one_record_an_epoch(net):
    keys = {"epoch", "train_loss", "valid_loss", "valid_score", "learning_rate", "duration"}
    assert [set(record) for record in net.history_] == [keys] * 3
    assert net.history_.column("epoch") == [1, 2, 3]
    assert all(type(v) in (int, float) for record in net.history_ for v in record.values())
    assert all(record["duration"] > 0 for record in net.history_)


def test_under_scikit_learns_names(net):
    assert net.loss_curve_ == net.history_.column("train_loss")
    assert net.validation_scores_ == net.history_.column("valid_score")
    assert net.loss_ == net.loss_curve_[-1]
    assert net.n_iter_ == 3


def test_survives_pickling(net):
    again = pickle.loads(pickle.dumps(net)).history_
    assert type(again) is History
    assert again == net.history_


def test_a_frame(net):
    pandas = pytest.importorskip("pandas")
    frame = net.history_.to_frame()
    assert list(frame.index) == [1, 2, 3]
    assert frame.index.name == "epoch"
    assert list(frame["train_loss"]) == net.loss_curve_
    assert isinstance(History().to_frame(), pandas.DataFrame)


def test_a_column_that_not_every_record_has():
    assert History([{"epoch": 1}, {"epoch": 2, "x": 5}]).column("x") == [None, 5]
