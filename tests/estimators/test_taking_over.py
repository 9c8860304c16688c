"""A network of others', trained further for another y."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from lasagne.layers import (
    ConcatLayer,
    Conv2DLayer,
    DenseLayer,
    DropoutLayer,
    EmbeddingLayer,
    GlobalPoolLayer,
    GRULayer,
    InputLayer,
    NonlinearityLayer,
)
from lasagne.nonlinearities import identity, softmax
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV

from convnet_features import ConvNetClassifier, ConvNetFeatureExtractor, ConvNetRegressor
from convnet_features.exceptions import ConvNetFeaturesWarning, NetworkError
from convnet_features.layers import BatchNormLayer
from convnet_features.network.model import Model
from convnet_features.network.presets import squeezenet1_1
from convnet_features.network.spec import parse_layers
from convnet_features.pretrained import Preprocessing
from convnet_features.pretrained.loading import with_network
from convnet_features.validation import Targets

SHAPE = (2, 6, 7)
FRONT = [
    ("conv", Conv2DLayer, {"num_filters": 5, "filter_size": 3}),
    ("bn", BatchNormLayer),
    ("relu", NonlinearityLayer),
    ("pool", GlobalPoolLayer),
]
HEADS = {
    "dense": [("dropout", DropoutLayer), ("fc", DenseLayer, {"num_units": 9})],
    "softmax apart": [
        ("dropout", DropoutLayer),
        ("fc", DenseLayer, {"num_units": 9, "nonlinearity": identity}),
        ("probabilities", NonlinearityLayer, {"nonlinearity": softmax}),
    ],
    "none": [],
}


def extractor_of(layers, **names):
    model = Model(parse_layers(layers), SHAPE, None, "numbers", 0.5, "portable")
    count = int(np.prod(model.network.output.output_shape[1:]))
    return with_network(model, None, Targets("numbers", None, count))


@pytest.fixture
def data(rng):
    y = np.arange(60) % 3
    X = rng.standard_normal((60, *SHAPE)).astype(np.float32)
    return X + y[:, None, None, None], np.array(["a", "b", "c"])[y]


def front_of(head):
    last = dict(HEADS[head][1][2], nonlinearity=identity) if head == "dense" else None
    heads = [HEADS[head][0], ("fc", DenseLayer, last)] if last else HEADS[head]
    return extractor_of([*FRONT, *heads])


def classifier(extractor, **params):
    params = {"freeze": "features", "max_epochs": 3, "random_state": 0, **params}
    return ConvNetClassifier(pretrained=extractor, engine="portable", **params)


@pytest.mark.parametrize("head", HEADS)
def test_the_head_is_one_for_y(head, data):
    X, y = data
    extractor = front_of(head)
    net = classifier(extractor, max_epochs=60, update_learning_rate=0.1).fit(X, y)
    assert net.layers_["fc" if head != "none" else "output"].output_shape == (None, 3)
    assert net.network_.nonlinearity is softmax
    assert net.classes_.tolist() == ["a", "b", "c"]
    assert net.input_scale_ == 0.5
    assert net.score(X, y) > 0.8
    # The front is as it was, the averages of the normalisation too.
    for name in ("conv", "bn"):
        for mine, its in zip(
            net.layers_[name].get_params(), extractor.layers_[name].get_params(), strict=True
        ):
            np.testing.assert_array_equal(mine.get_value(), its.get_value())
    np.testing.assert_array_equal(net.get_output("pool", X), extractor.get_output("pool", X))


def test_dropout_in_front_of_the_head_belongs_to_it(data):
    net = classifier(front_of("dense")).fit(*data)
    assert net._model.frozen == ("input", "conv", "bn", "relu", "pool")


def test_a_head_of_maps():
    """SqueezeNet predicts by the means of its last maps."""
    model = Model(squeezenet1_1(7), (3, 32, 32), 7, "classes", 1.0, "portable")
    extractor = with_network(model, None, Targets("classes", None, 7, np.arange(7)))
    rng = np.random.default_rng(0)
    net = classifier(extractor, max_epochs=2).fit(rng.random((20, 3, 32, 32)), np.arange(20) % 2)
    assert list(net.layers_)[-3:] == ["classifier_0", "pool", "classifier_1"]
    assert net.network_.output_shape == (None, 2)


def test_features_that_are_bent_are_no_head(data):
    extractor = extractor_of([*FRONT, ("hidden", DenseLayer, {"num_units": 4})])
    net = classifier(extractor).fit(*data)
    assert list(net.layers_)[-2:] == ["hidden", "output"]


def test_numbers(data):
    X, _y = data
    net = ConvNetRegressor(pretrained=front_of("dense"), freeze="features", max_epochs=2)
    net.fit(X, np.linspace(0, 1, 60))
    assert net.network_.nonlinearity is identity
    assert net.predict(X).shape == (60,)


def test_all_of_it_may_be_trained(data):
    extractor = front_of("dense")
    net = classifier(extractor, freeze=None).fit(*data)
    assert not np.array_equal(
        net.layers_["conv"].W.get_value(), extractor.layers_["conv"].W.get_value()
    )
    assert net.load_report_.missing == ["fc.W", "fc.b"]


def test_clones_searches_and_pickles(data):
    X, y = data
    net = clone(classifier(front_of("dense")))
    search = GridSearchCV(net, {"update_learning_rate": [0.01, 0.1]}, cv=2).fit(X, y)
    again = pickle.loads(pickle.dumps(search.best_estimator_))
    np.testing.assert_array_equal(again.predict(X), search.predict(X))


def test_training_goes_on(data):
    X, y = data
    net = classifier(front_of("dense"), warm_start=True).fit(X, y)
    before = net.layers_["bn"].mean.get_value()
    assert net.fit(X, y).n_iter_ == 6
    net.partial_fit(X, y)
    np.testing.assert_array_equal(net.layers_["bn"].mean.get_value(), before)


def test_a_default_network_is_still_the_estimators_own(digits):
    X, y = digits
    small = {"max_epochs": 1, "random_state": 0, "dense_num_units": 8, "engine": "portable"}
    extractor = ConvNetFeatureExtractor(**small).fit(X, y)
    net = ConvNetClassifier(pretrained=extractor, freeze="features", **small).fit(X, y)
    assert net._model.frozen[-1] == "dense"
    np.testing.assert_array_equal(net.transform(X), extractor.transform(X))


def test_no_features_to_freeze(data):
    net = ConvNetClassifier([("fc", DenseLayer)], freeze="features")
    with pytest.raises(NetworkError, match="no layers of features in front of those that predict"):
        net.fit(*data)


def test_a_network_of_sequences(rng):
    """Rows of steps and rows of words are read as the layers taken over read them."""
    y = np.arange(20) % 2
    steps = [("in", InputLayer), ("rnn", GRULayer, {"num_units": 4, "only_return_final": True})]
    words = [("words", EmbeddingLayer, {"input_size": 9, "output_size": 4})]
    dense = [("dense", DenseLayer, {"num_units": 3}), ("fc", DenseLayer)]
    params = {"max_epochs": 1, "random_state": 0, "engine": "portable"}
    for layers, X in (
        ([*steps, *dense], rng.standard_normal((20, 5, 3)).astype(np.float32)),
        ([*words, *dense], rng.integers(0, 9, (20, 6))),
    ):
        source = ConvNetClassifier(layers, **params).fit(X, y)
        net = ConvNetClassifier(pretrained=source, **params).fit(X, y)
        assert net.input_shape_ == X.shape[1:]
        assert net.load_report_.missing == ["fc.W", "fc.b"]


def test_a_network_of_several_inputs(rng):
    y, X = np.arange(20) % 2, {"b": rng.standard_normal((20, 3)), "a": rng.standard_normal((20, 4))}
    layers = [
        ("a", InputLayer),
        ("b", InputLayer),
        ("both", ConcatLayer, {"incomings": ["a", "b"]}),
        ("dense", DenseLayer, {"num_units": 3}),
        ("fc", DenseLayer),
    ]
    params = {"max_epochs": 1, "random_state": 0, "engine": "portable"}
    source = ConvNetClassifier(layers, **params).fit(X, y)
    net = ConvNetClassifier(pretrained=source, freeze="features", **params).fit(X, y)
    np.testing.assert_array_equal(net.get_output("dense", X), source.get_output("dense", X))


def test_layers_that_do_not_fit_the_images(rng):
    layers = [("dense", DenseLayer, {"num_units": 5}), ("fc", DenseLayer, {"num_units": 3})]
    source = extractor_of(layers)
    X, y = rng.standard_normal((20, 2, 8, 8)).astype(np.float32), np.arange(20) % 2
    with pytest.raises(ValueError, match=r"give images of the same size; or layers") as caught:
        ConvNetClassifier(pretrained=source, random_state=0).fit(X, y)
    assert "dense.W has the shape (84, 5) in the source, (128, 5) in the network" in str(
        caught.value
    )


@pytest.mark.parametrize("wrap", [lambda each: each, FrozenEstimator])
def test_pixels_that_were_scaled_already(wrap, rng):
    source = extractor_of([*FRONT, *HEADS["dense"]])
    source.preprocessing = Preprocessing((127.0,) * 2, (128.0,) * 2)
    X, y = rng.integers(0, 256, (20, *SHAPE), dtype=np.uint8), np.arange(20) % 2
    classifier(wrap(source), max_epochs=1).fit(X, y)
    with pytest.warns(ConvNetFeaturesWarning, match="holds pixels from 0 to 1, .* multiply X by"):
        classifier(wrap(source), max_epochs=1).fit((X / 255).astype(np.float32), y)
