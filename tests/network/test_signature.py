"""Equal networks share programs; different ones never do."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytensor.tensor as pt
import pytest

from convnet_features import ConvNetClassifier  # makes `import lasagne` work
from convnet_features.network.build import build_network
from convnet_features.network.signature import description, network_signature
from convnet_features.network.spec import parse_layers

import theano  # isort: skip
from lasagne.layers import Conv2DLayer, DenseLayer, DropoutLayer, InputLayer, Layer  # isort: skip
from lasagne.nonlinearities import LeakyRectify, rectify, softmax, tanh  # isort: skip


def signature(layers, input_shape=(1, 8, 8), seed=0):
    layers = layers if callable(layers) else parse_layers(layers)
    return network_signature(build_network(layers, input_shape, 3, "classes", seed))


def standard(**conv):
    return [
        ("conv", Conv2DLayer, {"num_filters": 4, "filter_size": 3, **conv}),
        ("drop", DropoutLayer, {"p": 0.3}),
        ("output", DenseLayer),
    ]


def scaled(x, factor=2):
    return x * factor


def closure(factor):
    return lambda x: x * factor


#: Each network differs from every other in its graph.
DIFFERENT = {
    "standard": standard(),
    "other filters": standard(num_filters=5),
    "other sizes": standard(filter_size=2),
    "other pads": standard(pad="same"),
    "other strides": standard(stride=2),
    "without a bias": standard(b=None),
    "untied": standard(untie_biases=True),
    "tanh": standard(nonlinearity=tanh),
    "leaky": standard(nonlinearity=LeakyRectify(0.1)),
    "leakier": standard(nonlinearity=LeakyRectify(0.2)),
    "a function": standard(nonlinearity=scaled),
    "a partial function": standard(nonlinearity=partial(scaled, factor=3)),
    "another partial function": standard(nonlinearity=partial(scaled, factor=4)),
    "a closure": standard(nonlinearity=closure(2)),
    "another closure": standard(nonlinearity=closure(3)),
    "a method": standard(nonlinearity=LeakyRectify(0.3).__call__),
    "another method": standard(nonlinearity=LeakyRectify(0.4).__call__),
    "an operation": standard(nonlinearity=pt.exp),
    "less dropout": [*standard()[:1], ("drop", DropoutLayer, {"p": 0.2}), *standard()[2:]],
    "no dropout": [*standard()[:1], *standard()[2:]],
    "one more": [*standard()[:2], ("dense", DenseLayer, {"num_units": 4}), *standard()[2:]],
    "a skip": [*standard()[:2], ("output", DenseLayer, {"incoming": "conv"})],
}


def test_equal_networks_have_equal_signatures():
    for name, layers in DIFFERENT.items():
        first, again = signature(layers), signature(layers, seed=7)
        assert first is not None, name
        assert first == again, name
        assert hash(first) == hash(again), name


def test_all_others_differ():
    signatures = [signature(layers) for layers in DIFFERENT.values()]
    signatures += [signature(standard(), (1, 8, 9)), signature(standard(), (2, 8, 8))]
    assert len(set(signatures)) == len(DIFFERENT) + 2


def test_a_closure_over_something_that_changes():
    """The same function object is another graph when what it closes over is another."""
    factor = 2
    function = standard(nonlinearity=lambda x: x * factor)
    before = signature(function)
    factor = 3
    assert signature(function) != before


def test_a_function_whose_global_variable_changes(monkeypatch):
    layers = standard(nonlinearity=_by_a_global)
    before = signature(layers)
    assert before is not None
    monkeypatch.setitem(globals(), "FACTOR", 3)
    assert signature(layers) != before


FACTOR = 2
TABLE = {"factor": 2}
ARRAY = np.array([2.0])


def _by_a_global(x):
    return rectify(x) * FACTOR


class Scale(Layer):
    """A user's layer, which may be changed between two fits."""

    factor = 2

    def get_output_for(self, input, **kwargs):
        return input * self.factor * FACTOR


class Slope:
    factor = 2

    def __call__(self, x):
        return x * self.factor


def by_an_argument(x, factor=2, *, other=3):
    return x * factor * other


def inner_keyword():
    def scale(x, *, factor=2):
        return x * factor

    return scale


LOCAL = inner_keyword()


class TestWhatIsChangedBetweenTwoFits:
    """As in a notebook: the same object, made of something else."""

    @pytest.mark.parametrize(
        ("function", "changed", "name", "value"),
        [
            (lambda x: x * TABLE["factor"], TABLE, "factor", 3),
            (lambda x: x * ARRAY[0], globals(), "ARRAY", np.array([3.0])),
            (lambda x: x * Slope.factor, Slope, "factor", 3),
            (lambda x: (lambda z: z * FACTOR)(x), globals(), "FACTOR", 3),
            (lambda x: scaled(x), globals(), "scaled", lambda x: x * 5),
            (lambda x: _by_a_global(x), globals(), "FACTOR", 3),
            (by_an_argument, by_an_argument, "__defaults__", (3,)),
            (by_an_argument, by_an_argument, "__kwdefaults__", {"other": 4}),
            (LOCAL, LOCAL, "__kwdefaults__", {"factor": 3}),
            (Slope(), Slope, "factor", 3),
            (Slope(), Slope, "__call__", lambda self, x: x),
            (Slope().__call__, Slope, "factor", 3),
        ],
    )
    def test_nonlinearities(self, monkeypatch, function, changed, name, value):
        self.check(monkeypatch, standard(nonlinearity=function), changed, name, value)

    @pytest.mark.parametrize(
        ("changed", "name", "value"),
        [
            (Scale, "factor", 3),
            (Scale, "get_output_for", lambda self, input, **kwargs: input),
            (globals(), "FACTOR", 3),
        ],
    )
    def test_layers(self, monkeypatch, changed, name, value):
        layers = [("scale", Scale), ("output", DenseLayer)]
        self.check(monkeypatch, layers, changed, name, value)

    def check(self, monkeypatch, layers, changed, name, value):
        before = signature(layers)
        assert before is not None
        assert signature(layers) == before
        if isinstance(changed, dict):
            monkeypatch.setitem(changed, name, value)
        else:
            monkeypatch.setattr(changed, name, value)
        assert signature(layers) != before


@pytest.mark.parametrize("values", [(1, 1.0, True), (0.0, -0.0), (np.float32(1), np.float64(1))])
def test_equal_numbers_of_other_kinds(values):
    def of(value):
        def network(layer):
            layer = Scale(layer)
            layer.factor = value
            return DenseLayer(layer, 3)

        return signature(network)

    assert len({of(value) for value in values}) == len(values)


def test_predictions_after_a_change(monkeypatch):
    """By NumPy: twice the factor is twice the output, in the same process."""
    X, y = np.random.default_rng(0).random((30, 64), dtype=np.float32), np.arange(30) % 3
    layers = [("scale", Scale), ("output", DenseLayer)]

    def scale():
        net = ConvNetClassifier(layers, max_epochs=1, random_state=0, input_shape=(1, 8, 8))
        return net.fit(X, y).get_output("scale", X)

    np.testing.assert_array_equal(scale().ravel(), X.ravel() * 4)
    monkeypatch.setattr(Scale, "factor", 3)
    np.testing.assert_array_equal(scale().ravel(), X.ravel() * 6)


def test_shared_parameters():
    """Two layers with one matrix have another graph than two layers with one each."""

    def tied(layer):
        first = DenseLayer(layer, 64, b=None)
        second = DenseLayer(first, 64, W=first.W, b=None)
        return DenseLayer(second, 3, nonlinearity=softmax)

    def untied(layer):
        second = DenseLayer(DenseLayer(layer, 64, b=None), 64, b=None)
        return DenseLayer(second, 3, nonlinearity=softmax)

    assert signature(tied) == signature(tied)
    assert signature(tied) != signature(untied)


class TestWhatCannotBeDescribed:
    """Such a network is nobody's twin: its programs are its own."""

    def of(self, **attributes):
        class Own(Layer):
            def get_output_for(self, input, **kwargs):
                return input

        def network(layer):
            layer = Own(layer)
            vars(layer).update(attributes)
            return DenseLayer(layer, 3)

        return signature(network)

    def test_numbers_are_described(self):
        assert self.of(strength=2.0) is not None

    @pytest.mark.parametrize(
        "value",
        [
            np.array([object()]),
            theano.shared(np.float32(3), name="strength"),
            pt.fscalar(),
            pt.constant(np.arange(3.0)),
            object(),
            {"a": {"b": {"c": {"d": {"e": 1}}}}},
            np.ma.masked_array([1.0]),
            iter([1]),
        ],
        ids=lambda value: type(value).__name__,
    )
    def test_is_opaque(self, value):
        assert self.of(strength=value) is None

    def test_a_layer_outside_the_network(self):
        outside = InputLayer((None, 1, 8, 8), name="outside")
        network = build_network(parse_layers(standard()), (1, 8, 8), 3, "classes", 0)
        network.layers["conv"].input_layer = DenseLayer(outside, 3)
        assert network_signature(network) is None


def test_descriptions_of_objectives():
    assert description(scaled) == description(scaled)
    assert description(closure(2)) != description(closure(3))
    assert description(np.arange(3)) == description(np.arange(3))
    assert description(np.arange(3)) != description(np.arange(3.0))
    assert description(np.arange(3)) != description(np.arange(4))
    assert description(partial(scaled, factor=2)) == description(partial(scaled, factor=2))
    assert description((1, 1.0, True)) != description((1, 1, 1))
