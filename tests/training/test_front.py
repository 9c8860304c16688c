"""A frozen front is computed once."""

from __future__ import annotations

import errno

import numpy as np
import pytest
from lasagne.layers import (
    Conv2DLayer,
    DenseLayer,
    DropoutLayer,
    ElemwiseSumLayer,
    GlobalPoolLayer,
)

from convnet_features import ConvNetClassifier
from convnet_features.augmentation import RandomFlip
from convnet_features.callbacks import Callback
from convnet_features.exceptions import ConvNetFeaturesWarning
from convnet_features.layers import BatchNormLayer, ExpressionLayer
from convnet_features.network.model import Model
from convnet_features.network.spec import parse_layers
from convnet_features.training.front import front_of

SHAPE = (2, 6, 7)
CONV = {"filter_size": 3, "num_filters": 4, "pad": 1}
LAYERS = [
    ("conv1", Conv2DLayer, CONV),
    ("bn1", BatchNormLayer),
    ("conv2", Conv2DLayer, CONV),
    ("conv3", Conv2DLayer, {**CONV, "incoming": "bn1"}),
    ("sum", ElemwiseSumLayer, {"incomings": ["conv2", "conv3"]}),
    ("dropout1", DropoutLayer),
    ("pool", GlobalPoolLayer),
    ("dense", DenseLayer, {"num_units": 6}),
    ("bn2", BatchNormLayer),
    ("output", DenseLayer),
]
EVERYTHING = ["conv1", "bn1", "conv2", "conv3", "sum", "dropout1", "pool"]


@pytest.mark.parametrize(
    ("freeze", "expected"),
    [
        ([], None),
        (["conv1"], "conv1"),
        (["conv1", "bn1"], "bn1"),
        (["bn1"], None),  # it stands on a layer that learns
        (["conv1", "bn1", "conv2"], "bn1"),  # the other branch learns
        (["conv1", "bn1", "conv2", "conv3"], "sum"),  # dropout draws anew
        (EVERYTHING, "pool"),
        ([*EVERYTHING, "dense"], "dense"),  # the normalisation looks at its batch
    ],
)
def test_how_far_it_goes(freeze, expected):
    model = Model(parse_layers(LAYERS), SHAPE, 3, "classes", engine="portable")
    model.freeze(freeze)
    front = front_of(model, 1000)
    assert (None if front is None else front.layer) == expected
    assert front_of(model, 0) is None


@pytest.fixture
def data(rng):
    return rng.standard_normal((50, *SHAPE)).astype(np.float32), np.arange(50) % 3


class Passes(Callback):
    """Counts the images that the front is computed for, and keeps what it may ask for."""

    def __init__(self):
        self.scores = []

    def on_epoch_end(self, trainer, record):
        self.scores.append(trainer.evaluate(trainer.validation))
        assert trainer.training.images.shape[1:] == SHAPE


def net(**params):
    given = {"freeze": EVERYTHING, "max_epochs": 4, "batch_size": 8, "random_state": 0, **params}
    return ConvNetClassifier(LAYERS, **given)


@pytest.mark.parametrize("engine", ["portable", "auto"])
@pytest.mark.parametrize("n_bytes", [2**20, 100])
def test_training_is_the_same(engine, n_bytes, data):
    """In memory and in a file; callbacks see images, and what they ask for is right."""
    callback = Passes()
    kept = net(engine=engine, frozen_cache_bytes=n_bytes, callbacks=[callback]).fit(*data)
    computed = net(engine=engine, frozen_cache_bytes=0).fit(*data)
    np.testing.assert_allclose(kept._model.theta, computed._model.theta, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(kept.loss_curve_, computed.loss_curve_, rtol=1e-4)
    assert kept.validation_scores_ == [score for _, score in callback.scores]


@pytest.mark.parametrize(
    ("params", "passes"),
    [
        ({}, 1),
        ({"max_epochs": 9}, 1),
        ({"frozen_cache_bytes": 0}, 4),
        ({"augment": RandomFlip()}, 4),
    ],
)
def test_each_image_is_looked_at_once(params, passes, data, monkeypatch):
    seen = []

    class Counting(np.ndarray):
        """Notes which rows are read."""

        def __getitem__(self, key):
            if isinstance(key, np.ndarray | slice):
                seen.append(len(np.arange(50)[key]))
            return np.asarray(self)[key]

    from convnet_features.training.trainer import Trainer

    run = Trainer.run

    def counted(self, training, *arguments):
        images = np.asarray(training.images).view(Counting)
        return run(self, type(training)(images, *_rest(training)), *arguments)

    def _rest(data):
        return data.targets, data.weights, data.rows

    monkeypatch.setattr(Trainer, "run", counted)
    monkeypatch.setattr("convnet_features.training.trainer.warn_of_guessing", lambda *_: None)
    net(engine="portable", validation_fraction=None, **params).fit(*data)
    assert sum(seen) == 50 * passes


def test_sample_weights_follow_their_rows(data, rng):
    weights = rng.uniform(0.5, 2, 50)
    X, y = data
    kept = net(engine="portable").fit(X, y, weights)
    computed = net(engine="portable", frozen_cache_bytes=0).fit(X, y, weights)
    np.testing.assert_allclose(kept.loss_curve_, computed.loss_curve_, rtol=1e-4)


def test_a_loss_that_is_not_finite(data):
    from convnet_features.exceptions import DivergenceError

    with pytest.raises(DivergenceError, match="training diverged"):
        net(engine="portable", update_learning_rate=1e30).fit(*data)


def test_layers_that_draw_are_computed_anew():
    """Whatever draws, frozen or not; and a function of the user's, which may do anything."""
    from theano.sandbox.rng_mrg import MRG_RandomStreams

    stream = MRG_RandomStreams(3)
    layers = [
        ("conv", Conv2DLayer, CONV),
        ("noise", ExpressionLayer, {"function": lambda x: x + stream.normal(x.shape)}),
        ("output", DenseLayer),
    ]
    model = Model(parse_layers(layers), SHAPE, 3, "classes", engine="portable")
    for frozen in (["conv"], ["conv", "noise"]):
        model.freeze(frozen)
        assert front_of(model, 1000).layer == "conv"


class Zeros(Callback):
    """Gives a frozen layer other values in the second epoch."""

    def on_epoch_begin(self, trainer):
        if trainer.epoch == 2:
            weights = trainer.model.network.layers["conv1"].W
            weights.set_value(np.zeros_like(weights.get_value()))


def test_frozen_values_that_a_callback_sets(data):
    kept, computed = (
        net(engine="portable", frozen_cache_bytes=n_bytes, callbacks=[Zeros()]).fit(*data)
        for n_bytes in (2**20, 0)
    )
    np.testing.assert_allclose(kept.loss_curve_, computed.loss_curve_, rtol=1e-4)
    assert kept.validation_scores_ == computed.validation_scores_


def test_a_full_disk(data, monkeypatch):
    def full(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.posix_fallocate", full, raising=False)
    with pytest.warns(ConvNetFeaturesWarning, match="frozen_cache_bytes=100: .* has no room for"):
        kept = net(engine="portable", frozen_cache_bytes=100).fit(*data)
    computed = net(engine="portable", frozen_cache_bytes=0).fit(*data)
    assert kept.loss_curve_ == computed.loss_curve_
