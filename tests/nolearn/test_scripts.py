"""Two well-known scripts beside the MNIST tutorial, in their form, on small data.

Facial keypoints (December 2014): regression, images flipped together with their
targets, schedules of shared variables, and specialists made of a trained net.
nolearn's own notebook on convolutional networks (2015): the second form of layers,
an objective with penalties on inner layers, Adam.
"""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from sklearn.base import clone

import convnet_features  # noqa: F401  (makes `import theano` work)

# isort: split
import theano
from lasagne import layers
from lasagne.nonlinearities import softmax
from lasagne.updates import adam

from convnet_features.exceptions import ConvNetFeaturesWarning
from convnet_features.nolearn import (
    BatchIterator,
    NeuralNet,
    PrintLayerInfo,
    TrainSplit,
    objective,
)

from .test_handlers import AdjustVariable, EarlyStopping


def float32(k):
    return np.float32(k)


class FlipBatchIterator(BatchIterator):
    """Flips half of each batch, in place, and the keypoints with it."""

    flip_indices = [(0, 2), (1, 3)]  # noqa: RUF012  (as the script has it)

    def transform(self, Xb, yb):
        Xb, yb = super().transform(Xb, yb)
        bs = Xb.shape[0]
        indices = np.random.choice(bs, bs // 2, replace=False)  # noqa: NPY002
        Xb[indices] = Xb[indices, :, :, ::-1]
        if yb is not None:
            yb[indices, ::2] = yb[indices, ::2] * -1
            for a, b in self.flip_indices:
                if max(a, b) < yb.shape[1]:
                    yb[indices, a], yb[indices, b] = yb[indices, b], yb[indices, a]
        return Xb, yb


@pytest.fixture(scope="module")
def keypoints():
    """Images with two bright spots, left and right, and their (x, y), from -1 to 1."""
    rng = np.random.default_rng(5)
    left, right = rng.integers([2, 1], [10, 5], (400, 2)), rng.integers([2, 7], [10, 11], (400, 2))
    X = rng.normal(scale=0.05, size=(400, 1, 12, 12)).astype(np.float32)
    for image, *spots in zip(X[:, 0], left, right, strict=True):
        for row, column in spots:
            image[row - 1 : row + 2, column - 1 : column + 2] += 1
    y = np.concatenate([left[:, ::-1], right[:, ::-1]], axis=1) / 5.5 - 1
    return X, y.astype(np.float32)


@pytest.fixture(scope="module")
def trained(keypoints):
    import lasagne.random

    source = lasagne.random.get_rng()
    lasagne.random.set_rng(np.random.RandomState(1))
    net = NeuralNet(
        layers=[
            ("input", layers.InputLayer),
            ("conv1", layers.Conv2DLayer),
            ("pool1", layers.MaxPool2DLayer),
            ("dropout1", layers.DropoutLayer),
            ("hidden2", layers.DenseLayer),
            ("output", layers.DenseLayer),
        ],
        input_shape=(None, 1, 12, 12),
        conv1_num_filters=8,
        conv1_filter_size=(3, 3),
        pool1_pool_size=(2, 2),
        dropout1_p=0.1,
        hidden2_num_units=50,
        output_num_units=4,
        output_nonlinearity=None,
        update_learning_rate=theano.shared(float32(0.03)),
        update_momentum=theano.shared(float32(0.9)),
        regression=True,
        batch_iterator_train=FlipBatchIterator(batch_size=32),
        on_epoch_finished=[
            AdjustVariable("update_learning_rate", start=0.03, stop=0.001),
            AdjustVariable("update_momentum", start=0.9, stop=0.99),
            EarlyStopping(patience=200),
        ],
        max_epochs=30,
    )
    net.fit(*keypoints)
    lasagne.random.set_rng(source)
    return net


class TestFacialKeypoints:
    def test_it_learns(self, trained, keypoints):
        X, y = keypoints
        assert trained.predict(X).shape == (400, 4)
        assert trained.score(X, y) < 0.1 * np.var(y)
        history = trained.train_history_
        assert history[-1]["valid_loss"] < history[0]["valid_loss"]

    def test_the_schedules_ran(self, trained):
        assert float(trained.update_learning_rate.get_value()) == pytest.approx(0.001)
        assert float(trained.update_momentum.get_value()) == pytest.approx(0.99)

    def test_it_is_pickled_with_its_handlers(self, trained, keypoints):
        copy = pickle.loads(pickle.dumps(trained, -1))
        np.testing.assert_array_equal(copy.predict(keypoints[0]), trained.predict(keypoints[0]))
        assert copy.on_epoch_finished[2].best_valid == trained.on_epoch_finished[2].best_valid

    def test_specialists(self, trained, keypoints):
        """Clones with fewer outputs that begin with the weights of the whole."""
        X, y = keypoints
        specialist = clone(trained)
        specialist.output_num_units = 2
        specialist.batch_iterator_train.flip_indices = []
        specialist.max_epochs = 2
        specialist.on_epoch_finished[0].stop = 0.01
        with pytest.warns(ConvNetFeaturesWarning, match="layer 'output'"):
            specialist.load_params_from(trained)
        np.testing.assert_array_equal(
            specialist.get_output("hidden2", X), trained.get_output("hidden2", X)
        )
        specialist.fit(X, y[:, :2])
        assert specialist.predict(X).shape == (400, 2)
        assert trained.batch_iterator_train.flip_indices == [(0, 2), (1, 3)]


def regularization_objective(layers, lambda1=0.0, lambda2=0.0, *args, **kwargs):
    """The notebook's: penalties on the weights between the first layer and the last."""
    losses = objective(layers, *args, **kwargs)
    other_layers = layers[1:-1]
    weights = []
    for layer in other_layers.values():
        weights.extend(layer.get_params(regularizable=True))
    sum_abs_weights = sum([abs(w).sum() for w in weights])
    sum_squared_weights = sum([(w**2).sum() for w in weights])
    losses += lambda1 * sum_abs_weights + lambda2 * sum_squared_weights
    return losses


class TestNotebook:
    def test_it_runs(self, digits, capsys):
        X, y = digits
        layers0 = [
            (layers.InputLayer, {"shape": (None, X.shape[1], X.shape[2], X.shape[3])}),
            (layers.Conv2DLayer, {"num_filters": 8, "filter_size": 3, "pad": 1}),
            (layers.Conv2DLayer, {"num_filters": 8, "filter_size": 3, "pad": 1}),
            (layers.MaxPool2DLayer, {"pool_size": 2}),
            (layers.DenseLayer, {"num_units": 32}),
            (layers.DropoutLayer, {}),
            (layers.DenseLayer, {"num_units": 10, "nonlinearity": softmax}),
        ]
        net0 = NeuralNet(
            layers=layers0,
            max_epochs=20,
            update=adam,
            update_learning_rate=0.01,
            objective=regularization_objective,
            objective_lambda2=0.0025,
            train_split=TrainSplit(eval_size=0.25),
            verbose=1,
        )
        net0.initialize()
        PrintLayerInfo()(net0)
        assert "maxpool2d3  8x4x4" in capsys.readouterr().out
        net0.fit(X, y)
        assert net0.score(X, y) > 0.85
        assert "trn loss" in capsys.readouterr().out
        plain = clone(net0).set_params(objective=objective, verbose=0)
        del plain.objective_lambda2
        plain._kwarg_keys.remove("objective_lambda2")
        plain.load_params_from(net0)
        penalty = sum(
            (p.get_value() ** 2).sum()
            for layer in net0.layers_[1:-1].values()
            for p in layer.get_params(regularizable=True)
        )
        losses = []
        for net in (net0, plain):
            net.update_learning_rate = 0.0
            losses.append(net.fit(X, y, epochs=1).train_history_[-1]["valid_loss"])
        assert losses[0] - losses[1] == pytest.approx(0.0025 * penalty, rel=1e-3)
