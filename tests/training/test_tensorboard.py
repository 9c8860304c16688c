"""The history in TensorBoard's files."""

from __future__ import annotations

import pickle
import struct
import sys
import time

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.model_selection import cross_validate

from convnet_features import ConvNetClassifier
from convnet_features.callbacks import Callback, TensorBoardLog

OPTIONS = {"max_epochs": 2, "random_state": 0, "conv2d1_num_filters": 4, "dense_num_units": 16}


@pytest.fixture(scope="module")
def data():
    X, y = load_digits(return_X_y=True)
    return X[:100], y[:100]


@pytest.fixture
def event_pb2():
    return pytest.importorskip("tensorboardX.proto.event_pb2")


def events(folder, event_pb2):
    """The scalars of all files of a folder, by (tag, step): records of length, two sums and data."""
    found = {}
    for path in sorted(folder.glob("events.out.tfevents.*")):
        rest = path.read_bytes()
        while len(rest) >= 8:
            (size,) = struct.unpack("<Q", rest[:8])
            if len(rest) < 16 + size:  # half written
                break
            event = event_pb2.Event.FromString(rest[12 : 12 + size])
            found |= {(each.tag, event.step): each.simple_value for each in event.summary.value}
            rest = rest[16 + size :]
    return found


def test_every_number_of_every_epoch_is_there(data, tmp_path, event_pb2):
    net = ConvNetClassifier(**OPTIONS, callbacks=[TensorBoardLog(tmp_path)]).fit(*data)
    found = events(tmp_path, event_pb2)
    tags = {"loss/train": "train_loss", "loss/validation": "valid_loss"}
    tags |= {"score/validation": "valid_score", "learning_rate": "learning_rate"}
    for record in net.history_:
        for tag, column in tags.items():
            assert found[tag, record["epoch"]] == np.float32(record[column])
    assert {tag for tag, _ in found} == {*tags, "duration"}


def test_it_is_written_while_training_runs(data, tmp_path, event_pb2):
    seen = []

    class Look(Callback):
        place = 1

        def on_epoch_end(self, trainer, record):
            end = time.monotonic() + 60
            while ("loss/train", record["epoch"]) not in events(tmp_path, event_pb2):
                assert time.monotonic() < end
                time.sleep(0.05)
            seen.append(record["epoch"])

    ConvNetClassifier(**OPTIONS, callbacks=[Look(), TensorBoardLog(tmp_path)]).fit(*data)
    assert seen == [1, 2]


def test_each_training_of_a_cross_validation_has_a_folder(data, tmp_path, event_pb2):
    net = ConvNetClassifier(**OPTIONS, callbacks=[TensorBoardLog(tmp_path)])
    cross_validate(net, *data, cv=2)
    folders = [each for each in tmp_path.iterdir() if each.is_dir()]
    assert len(folders) == 2
    assert all(("loss/train", 2) in events(folder, event_pb2) for folder in folders)


def test_a_training_that_fails_leaves_an_estimator_to_be_pickled(data, tmp_path, event_pb2):
    class Stop(Callback):
        def on_epoch_end(self, trainer, record):
            raise RuntimeError("enough")

    net = ConvNetClassifier(**OPTIONS, callbacks=[Stop(), TensorBoardLog(tmp_path)])
    with pytest.raises(RuntimeError, match="enough"):
        net.fit(*data)
    again = pickle.loads(pickle.dumps(net.set_params(callbacks=net.callbacks[1:])))
    assert again.fit(*data).n_iter_ == 2


def test_without_tensorboardx_the_error_says_what_to_install(data, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    text = r"^TensorBoardLog needs tensorboardX: pip install 'convnet-features\[tensorboard\]'\.$"
    with pytest.raises(ImportError, match=text):
        ConvNetClassifier(**OPTIONS, callbacks=[TensorBoardLog(tmp_path)]).fit(*data)


def test_trainings_of_the_same_second_keep_each_others_epochs(data, tmp_path, event_pb2):
    X, y = data
    net = ConvNetClassifier(**OPTIONS, callbacks=[TensorBoardLog(tmp_path)])
    for _ in range(4):
        net.partial_fit(X, y)
    written = events(tmp_path, event_pb2)
    assert [step for tag, step in written if tag == "loss/train"] == [1, 2, 3, 4]
