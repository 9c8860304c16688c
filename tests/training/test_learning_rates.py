"""Layers that learn faster or more slowly than the rest of the network."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from lasagne.layers import DenseLayer, InputLayer
from sklearn.base import clone

from convnet_features import ConvNetClassifier
from convnet_features.callbacks import Checkpoint
from convnet_features.exceptions import NetworkError
from convnet_features.kernels.registry import available_engines
from convnet_features.layers import batch_norm
from convnet_features.training.updates import make_updater, resolve_update

RULES = {
    "sgd": {"learning_rate": 0.1},
    "momentum": {"learning_rate": 0.1, "momentum": 0.9},
    "nesterov_momentum": {"learning_rate": 0.1, "momentum": 0.9},
    "adagrad": {"learning_rate": 0.1},
    "rmsprop": {"learning_rate": 0.01},
    "adadelta": {"learning_rate": 1.0},
    "adam": {"learning_rate": 0.01},
    "adamw": {"learning_rate": 0.01, "weight_decay": 0.1},
    "adamax": {"learning_rate": 0.01},
    "amsgrad": {"learning_rate": 0.01},
}
SHAPES = [(2, 3), (5,), (7,), (1,)]
FACTORS = [0.1, 1.0, 3.0, 3.0]


def own_rule(gradients, params, learning_rate=0.1):
    """Not element-wise: it is built for the parameters as they are."""
    return {
        p: p - learning_rate * (1 + i) * g
        for i, (g, p) in enumerate(zip(gradients, params, strict=True))
    }


@pytest.mark.parametrize("rule", [*RULES, own_rule])
def test_a_factor_is_a_learning_rate_of_its_own(rule):
    """The rule with each parameter's own learning rate, one parameter after the other."""
    arguments = RULES.get(rule, {"learning_rate": 0.1})
    function = resolve_update(rule)
    random = np.random.default_rng(0)
    theta = random.normal(size=19).astype(np.float32)
    steps = random.normal(size=(4, 19)).astype(np.float32)
    updater = make_updater(function, arguments, theta, SHAPES, factors=FACTORS)
    scaled = theta.copy()
    for step in steps:
        updater.apply(scaled, step)
    start = 0
    for place, (shape, factor) in enumerate(zip(SHAPES, FACTORS, strict=True)):
        part = slice(start, start + int(np.prod(shape)))
        start = part.stop
        rate = arguments["learning_rate"] * factor * (1 + place if rule is own_rule else 1)
        one = make_updater(function, {**arguments, "learning_rate": rate}, theta[part], [shape])
        expected = theta[part].copy()
        for step in steps:
            one.apply(expected, step[part])
        np.testing.assert_allclose(scaled[part], expected, rtol=1e-5, atol=3e-6)


def test_parts_without_a_factor_are_what_they_were():
    function, theta = resolve_update("adam"), np.linspace(-1, 1, 19, dtype=np.float32)
    plain, scaled = theta.copy(), theta.copy()
    make_updater(function, RULES["adam"], theta, SHAPES).apply(plain, theta)
    make_updater(function, RULES["adam"], theta, SHAPES, factors=FACTORS).apply(scaled, theta)
    np.testing.assert_array_equal(scaled[6:11], plain[6:11])


def two_layers(**params):
    return ConvNetClassifier(
        [
            (InputLayer, {}),
            (DenseLayer, {"name": "hidden", "num_units": 5}),
            (DenseLayer, {"name": "top"}),
        ],
        **{
            "update": "sgd",
            "update_learning_rate": 0.5,
            "input_scale": 1.0,
            "max_epochs": 1,
            "validation_fraction": None,
            "batch_size": 50,
            "random_state": 0,
            **params,
        },
    )


@pytest.fixture
def data():
    random = np.random.default_rng(0)
    return random.normal(size=(50, 1, 5, 6)).astype(np.float32), np.arange(50) % 3


def moves(data, **params):
    """How far each parameter went in one step of gradient descent."""
    still = two_layers(**params, update_learning_rate=0.0).fit(*data)._model.named_values
    moved = two_layers(**params).fit(*data)._model.named_values
    return {name: moved[name] - still[name] for name in moved}


@pytest.mark.parametrize("engine", ["portable", "onednn", "jax"])
def test_one_step_on_every_engine(data, engine):
    if engine not in available_engines():
        pytest.skip(f"{engine} is not on this machine")
    plain = moves(data, engine=engine)
    scaled = moves(data, engine=engine, learning_rate_scale={"hidden": 0.25})
    for name, move in plain.items():
        factor = 0.25 if name.startswith("hidden") else 1
        np.testing.assert_allclose(scaled[name], factor * move, rtol=1e-4, atol=1e-7)
    assert max(abs(plain["hidden.W"]).max(), abs(plain["top.W"]).max()) > 1e-3


def test_the_limit_of_the_gradient_is_of_what_all_layers_have(data):
    """The norm is that of the gradient, whatever becomes of it."""
    plain = moves(data, max_grad_norm=0.01)
    scaled = moves(data, max_grad_norm=0.01, learning_rate_scale={"top": 10})
    np.testing.assert_allclose(scaled["top.W"], 10 * plain["top.W"], rtol=1e-3, atol=1e-6)
    np.testing.assert_array_equal(scaled["hidden.W"], plain["hidden.W"])


def test_features_are_all_layers_in_front_of_those_that_predict(data):
    plain = moves(data)
    scaled = moves(data, learning_rate_scale={"features": 0.5})
    np.testing.assert_allclose(scaled["hidden.W"], plain["hidden.W"] / 2, rtol=1e-4, atol=1e-7)
    np.testing.assert_array_equal(scaled["top.W"], plain["top.W"])
    named = moves(data, learning_rate_scale={"features": 0.5, "hidden": 2})
    np.testing.assert_allclose(named["hidden.W"], plain["hidden.W"] * 2, rtol=1e-4, atol=1e-7)


def test_0_freezes(digits, make_net):
    params = {"max_epochs": 2, "update": "adamw"}
    still = make_net(learning_rate_scale={"conv2d1": 0, "conv2d2": 0}, **params).fit(*digits)
    frozen = make_net(freeze=["conv2d1", "conv2d2"], **params).fit(*digits)
    assert still._model.frozen == ("conv2d1", "conv2d2")
    for name, value in frozen._model.named_values.items():
        np.testing.assert_array_equal(still._model.named_values[name], value)


def test_0_keeps_the_averages_of_a_normalisation(data):
    def layers(images, n_outputs):
        hidden = batch_norm(DenseLayer(images, 4, name="hidden"))
        return DenseLayer(hidden, n_outputs, name="top", nonlinearity=None)

    params = {"max_epochs": 1, "random_state": 0, "loss": "multiclass_hinge_loss"}
    scales = {"hidden": 0, "hidden_bn": 0}
    net = ConvNetClassifier(layers, learning_rate_scale=scales, **params).fit(*data)
    np.testing.assert_array_equal(net._model.named_values["hidden_bn.mean"], np.zeros(4))


def test_with_a_frozen_front(data):
    frozen = moves(data, freeze="features", learning_rate_scale={"top": 2})
    assert not frozen["hidden.W"].any()
    np.testing.assert_allclose(frozen["top.W"], 2 * moves(data)["top.W"], rtol=1e-4, atol=1e-7)


def same_values(one, other):
    for name, value in one._model.named_values.items():
        np.testing.assert_array_equal(other._model.named_values[name], value)


def test_going_on(data, tmp_path):
    """From a pickle, a checkpoint, or by partial_fit: the same bits."""
    params = {"learning_rate_scale": {"hidden": 0.3}, "update": "adam", "warm_start": True}
    whole = two_layers(max_epochs=4, **params).fit(*data)
    half = two_layers(max_epochs=2, **params).fit(*data)
    same_values(whole, pickle.loads(pickle.dumps(half)).fit(*data))
    kept = {**params, "callbacks": [Checkpoint(tmp_path, resume=True)]}
    two_layers(max_epochs=2, **kept).fit(*data)
    same_values(whole, two_layers(max_epochs=4, **kept).fit(*data))
    half = two_layers(max_epochs=2, shuffle=False, **params).fit(*data)
    part = pickle.loads(pickle.dumps(half)).partial_fit(*data)
    same_values(two_layers(max_epochs=3, shuffle=False, **params).fit(*data), part)
    other = two_layers(max_epochs=4, **{**kept, "learning_rate_scale": {"hidden": 0.4}})
    assert other.fit(*data).callbacks[0].folder_ != tmp_path  # another training begins anew


def test_it_may_change_between_trainings(data):
    net = two_layers(shuffle=False).fit(*data)
    before = {name: each.copy() for name, each in net._model.named_values.items()}
    plain = pickle.loads(pickle.dumps(net)).partial_fit(*data)._model.named_values
    net.set_params(learning_rate_scale={"hidden": 2}).partial_fit(*data)
    expected = before["hidden.W"] + 2 * (plain["hidden.W"] - before["hidden.W"])
    np.testing.assert_allclose(net._model.named_values["hidden.W"], expected, rtol=1e-4, atol=1e-6)


def test_it_is_a_parameter_as_any_other():
    net = ConvNetClassifier(learning_rate_scale={"dense": 0.5})
    assert clone(net).get_params()["learning_rate_scale"] == {"dense": 0.5}
    assert ConvNetClassifier().get_params()["learning_rate_scale"] is None


def shared(images, n_outputs):
    first = DenseLayer(images, 4, name="first", b=None)
    second = DenseLayer(images, 4, name="second", b=None, W=first.W)
    from lasagne.layers import ConcatLayer
    from lasagne.nonlinearities import softmax

    both = ConcatLayer([first, second], name="both")
    return DenseLayer(both, n_outputs, name="top", nonlinearity=softmax)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (
            {"learning_rate_scale": {"hiden": 0.1}},
            "learning_rate_scale: there is no layer 'hiden'; the network has input0, hidden, top.",
        ),
        (
            {"learning_rate_scale": {"hidden": 0.1}, "freeze": ["hidden"]},
            "learning_rate_scale and freeze both name 'hidden', which has no learning rate while "
            "it is frozen; leave it out of one of them.",
        ),
        (
            {"learning_rate_scale": {"hidden": 0, "top": 0}},
            r"freeze, and learning_rate_scale of 0=\['hidden', 'top'\]: no layer with parameters "
            "is left to train; leave one out.",
        ),
        (
            {"learning_rate_scale": {"first": 0.1, "second": 1}, "layers": shared},
            "learning_rate_scale: 'first' and 'second' share a parameter, and have the factors 0.1 "
            "and 1; give both the same.",
        ),
    ],
)
def test_what_makes_no_sense(data, params, message):
    with pytest.raises(NetworkError, match=message):
        two_layers().set_params(**params).fit(*data)


@pytest.mark.parametrize("value", [0.1, {"hidden": -1}, {"hidden": "slow"}, ["hidden"]])
def test_what_is_no_factor_by_layer(data, value):
    with pytest.raises(ValueError, match=r"'learning_rate_scale' parameter .* must be a mapping"):
        two_layers(learning_rate_scale=value).fit(*data)


def test_layers_that_share_may_agree(data):
    scales = {"first": 0.5, "second": 0.5}
    net = two_layers().set_params(layers=shared, learning_rate_scale=scales, feature_layer="both")
    net.fit(*data)


@pytest.mark.parametrize(
    "frozen", [{"freeze": "features"}, {"learning_rate_scale": {"features": 0}}]
)
@pytest.mark.parametrize("name", ["fit", "partial_fit"])
def test_training_goes_on_where_a_layer_with_dropout_is_frozen(data, frozen, name):
    X, y = data
    net = ConvNetClassifier(max_epochs=1, random_state=0, warm_start=True)
    getattr(net, name)(X, y)
    before = net.layers_["conv2d1"].W.get_value()
    getattr(net.set_params(**frozen), name)(X, y)
    np.testing.assert_array_equal(net.layers_["conv2d1"].W.get_value(), before)
    getattr(net.set_params(**dict.fromkeys(frozen)), name)(X, y)
    assert (net.layers_["conv2d1"].W.get_value() != before).any()
