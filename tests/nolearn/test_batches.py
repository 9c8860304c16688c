"""`BatchIterator`, `TrainSplit` and `Layers` by themselves."""

from __future__ import annotations

import copy
from types import SimpleNamespace

import numpy as np
import pytest

from convnet_features.nolearn import BatchIterator, Layers, TrainSplit


@pytest.fixture
def data():
    return np.arange(20.0).reshape(10, 2), np.arange(10)


class TestBatchIterator:
    def test_in_order(self, data):
        X, y = data
        iterator = BatchIterator(batch_size=4)
        assert iterator(X, y) is iterator
        batches = list(iterator)
        assert [len(Xb) for Xb, _ in batches] == [4, 4, 2]
        np.testing.assert_array_equal(np.concatenate([Xb for Xb, _ in batches]), X)
        np.testing.assert_array_equal(np.concatenate([yb for _, yb in batches]), y)
        assert batches[0][0].base is not None  # a view

    def test_without_y(self, data):
        assert all(yb is None for _, yb in BatchIterator(3)(data[0]))

    def test_shuffled(self, data):
        X, y = data
        before = X.copy()
        iterator = BatchIterator(4, shuffle=True, seed=1)
        first, second = (np.concatenate([yb for _, yb in iterator(X, y)]) for _ in range(2))
        assert sorted(first) == sorted(second) == list(range(10))
        assert first.tolist() != second.tolist()
        for Xb, yb in iterator(X, y):
            np.testing.assert_array_equal(Xb[:, 0], 2 * yb)
        np.testing.assert_array_equal(X, before)

    def test_one_seed_is_one_order(self, data):
        orders = [
            np.concatenate([yb for _, yb in BatchIterator(4, shuffle=True, seed=5)(*data)])
            for _ in range(2)
        ]
        np.testing.assert_array_equal(*orders)

    def test_copies_leave_the_data_behind(self, data):
        assert not hasattr(copy.deepcopy(BatchIterator(4)(*data)), "X")

    def test_an_iter_of_ones_own(self, data):
        class Odd(BatchIterator):
            def __iter__(self):
                for Xb, yb in super().__iter__():
                    yield Xb[yb % 2 == 1], yb[yb % 2 == 1]

        assert np.concatenate([yb for _, yb in Odd(4)(*data)]).tolist() == [1, 3, 5, 7, 9]


class TestTrainSplit:
    classifying = SimpleNamespace(regression=False)

    def test_classes_keep_their_shares(self):
        X, y = np.zeros((100, 3)), np.repeat([0, 1], [75, 25])
        _, _, y_train, y_valid = TrainSplit(0.2)(X, y, self.classifying)
        assert (y_train.sum(), y_valid.sum()) == (20, 5)

    @pytest.mark.parametrize("how", ["stratify", "regression", "matrix"])
    def test_the_first_fold(self, how):
        X, y = np.arange(10.0), np.repeat([0, 1], 5)
        if how == "matrix":
            y = np.stack([y, 1 - y], axis=1)
        net = SimpleNamespace(regression=how == "regression")
        _, X_valid, _, _ = TrainSplit(0.2, stratify=how != "stratify")(X, y, net)
        assert X_valid.tolist() == [0, 1]

    def test_nothing_held_out(self, data):
        X_train, X_valid, y_train, y_valid = TrainSplit(0)(*data, self.classifying)
        assert X_train is data[0]
        assert (len(X_valid), len(y_train), len(y_valid)) == (0, 10, 0)

    def test_more_than_half_is_half(self):
        X, y = np.zeros(10), np.repeat([0, 1], 5)
        assert len(TrainSplit(0.9)(X, y, self.classifying)[1]) == 5

    @pytest.mark.parametrize("share", [-0.1, 1, 1.5])
    def test_an_impossible_share(self, data, share):
        with pytest.raises(ValueError, match=f"eval_size must be .*below 1; got {share}"):
            TrainSplit(share)(*data, self.classifying)


class TestLayers:
    layers = Layers([("one", 1), ("two", 2), ("three", 3)])

    def test_looking_up(self):
        assert self.layers["one"] == self.layers[0] == 1
        assert self.layers[-1] == 3
        assert self.layers.get("four") is None
        with pytest.raises(KeyError, match="four"):
            self.layers["four"]

    def test_slices(self):
        assert isinstance(self.layers[1:], Layers)
        assert self.layers[1:].keys() == ["two", "three"]
        assert self.layers[1:].values() == [2, 3]
