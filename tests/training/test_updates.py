"""Every update rule, as one vector in blocks, against its equation in NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from convnet_features.compilation.blocks import BLOCK
from convnet_features.theano_facade import theano_scope
from convnet_features.training import updates as module
from convnet_features.training.updates import (
    make_updater,
    resolve_update,
    split_vector,
    update_arguments,
)

SHAPES = [(3, 2), (5,), (2, 3, 1)]
STEPS = 7


def sgd(theta, gradients, learning_rate):
    for g in gradients:
        theta = theta - learning_rate * g
    return theta


def momentum(theta, gradients, learning_rate, momentum):
    velocity = np.zeros_like(theta)
    for g in gradients:
        velocity = momentum * velocity - learning_rate * g
        theta = theta + velocity
    return theta


def nesterov_momentum(theta, gradients, learning_rate, momentum):
    velocity = np.zeros_like(theta)
    for g in gradients:
        velocity = momentum * velocity - learning_rate * g
        theta = theta + momentum * velocity - learning_rate * g
    return theta


def adagrad(theta, gradients, learning_rate, epsilon):
    total = np.zeros_like(theta)
    for g in gradients:
        total = total + g**2
        theta = theta - learning_rate * g / np.sqrt(total + epsilon)
    return theta


def rmsprop(theta, gradients, learning_rate, rho, epsilon):
    mean = np.zeros_like(theta)
    for g in gradients:
        mean = rho * mean + (1 - rho) * g**2
        theta = theta - learning_rate * g / np.sqrt(mean + epsilon)
    return theta


def adadelta(theta, gradients, learning_rate, rho, epsilon):
    mean, moved = np.zeros_like(theta), np.zeros_like(theta)
    for g in gradients:
        mean = rho * mean + (1 - rho) * g**2
        step = g * np.sqrt(moved + epsilon) / np.sqrt(mean + epsilon)
        theta = theta - learning_rate * step
        moved = rho * moved + (1 - rho) * step**2
    return theta


def adam(theta, gradients, learning_rate, beta1, beta2, epsilon, weight_decay=0.0):
    m, v = np.zeros_like(theta), np.zeros_like(theta)
    for t, g in enumerate(gradients, start=1):
        m, v = beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * g**2
        a = learning_rate * np.sqrt(1 - beta2**t) / (1 - beta1**t)
        theta = theta - a * m / (np.sqrt(v) + epsilon) - learning_rate * weight_decay * theta
    return theta


def adamax(theta, gradients, learning_rate, beta1, beta2, epsilon):
    m, u = np.zeros_like(theta), np.zeros_like(theta)
    for t, g in enumerate(gradients, start=1):
        m, u = beta1 * m + (1 - beta1) * g, np.maximum(beta2 * u, np.abs(g))
        theta = theta - learning_rate / (1 - beta1**t) * m / (u + epsilon)
    return theta


def amsgrad(theta, gradients, learning_rate, beta1, beta2, epsilon):
    m, v, u = (np.zeros_like(theta) for _ in range(3))
    for t, g in enumerate(gradients, start=1):
        m, v = beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * g**2
        u = np.maximum(u, v)
        rate = learning_rate * np.sqrt(1 - beta2**t) / (1 - beta1**t)
        theta = theta - rate * m / (np.sqrt(u) + epsilon)
    return theta


MOMENTS = {"beta1": 0.8, "beta2": 0.95, "epsilon": 1e-6}
RULES = {
    "sgd": (sgd, {"learning_rate": 0.1}),
    "momentum": (momentum, {"learning_rate": 0.1, "momentum": 0.7}),
    "nesterov_momentum": (nesterov_momentum, {"learning_rate": 0.1, "momentum": 0.7}),
    "adagrad": (adagrad, {"learning_rate": 0.3, "epsilon": 1e-4}),
    "rmsprop": (rmsprop, {"learning_rate": 0.1, "rho": 0.8, "epsilon": 1e-4}),
    "adadelta": (adadelta, {"learning_rate": 0.9, "rho": 0.8, "epsilon": 1e-2}),
    "adam": (adam, {"learning_rate": 0.1, **MOMENTS}),
    "adamw": (adam, {"learning_rate": 0.1, "weight_decay": 0.2, **MOMENTS}),
    "adamax": (adamax, {"learning_rate": 0.1, **MOMENTS}),
    "amsgrad": (amsgrad, {"learning_rate": 0.1, **MOMENTS}),
}


def test_every_named_rule_is_tested():
    assert set(RULES) == set(module._rules())


@pytest.fixture(params=sorted(RULES))
def rule(request):
    return resolve_update(request.param), *RULES[request.param]


@pytest.mark.parametrize("size", [17, 2 * BLOCK + 17], ids=["one block", "blocks"])
def test_against_its_equation(rule, rng, size):
    function, reference, arguments = rule
    theta = rng.normal(size=size).astype(np.float32)
    gradients = rng.normal(size=(STEPS, size)).astype(np.float32)
    expected = reference(np.float64(theta), np.float64(gradients), **arguments)
    updater = make_updater(function, arguments, theta, [(size,)])
    for gradient in gradients:
        before = gradient.copy()
        updater.apply(theta, gradient)
        np.testing.assert_array_equal(gradient, before)
    np.testing.assert_allclose(theta, expected, rtol=2e-5, atol=2e-6)


def test_as_compiled_without_blocks(rule, rng):
    """To the last bit: in place or not, the operations are the same."""
    function, _, arguments = rule
    theta = rng.normal(size=17).astype(np.float32)
    shapes = [theta.shape]
    plain = module._compile(function, arguments, [theta], None, "portable")
    state = [value.copy() for value in plain.initial]
    straight = module.Updater(plain, shapes, arguments, state)
    in_place = make_updater(function, arguments, theta, shapes)
    other = theta.copy()
    for gradient in rng.normal(size=(STEPS, 17)).astype(np.float32):
        straight.apply(theta, gradient)
        in_place.apply(other, gradient)
    for found, expected in zip([other, *in_place.state], [theta, *state], strict=True):
        np.testing.assert_array_equal(found, expected)


def test_arguments_that_are_no_numbers(rng):
    """A rule that reads a shared variable follows it."""
    import theano

    theta = rng.normal(size=17).astype(np.float32)
    gradient = rng.normal(size=17).astype(np.float32)
    with theano_scope():
        decay = theano.shared(np.float32(0))
    rule = resolve_update("adamw")
    updater = make_updater(rule, {"learning_rate": 0.1, "weight_decay": decay}, theta, SHAPES)
    before = theta.copy()
    updater.apply(theta, gradient)
    decay.set_value(np.float32(0.5))
    follower, first = theta.copy(), theta.copy()
    updater.apply(follower, 0 * gradient)
    decay.set_value(np.float32(0))
    np.testing.assert_array_less(0, np.abs(first - before))
    np.testing.assert_array_less(np.abs(follower).sum(), np.abs(first).sum())


def test_as_lasagne_computes_it(rule, rng):
    """The same rule on the parameters in their own shapes, through theano.function."""
    import theano

    function, _, arguments = rule
    start = rng.normal(size=17).astype(np.float32)
    theta = start.copy()
    with theano_scope():
        params = [theano.shared(value.copy()) for value in split_vector(start, SHAPES)]
        inputs = [param.type() for param in params]
        step = theano.function(inputs, [], updates=function(inputs, params, **arguments))
    updater = make_updater(function, arguments, theta, SHAPES)
    for _ in range(3):
        gradient = rng.normal(size=17).astype(np.float32)
        step(*split_vector(gradient, SHAPES))
        updater.apply(theta, gradient)
    found = np.concatenate([param.get_value().ravel() for param in params])
    np.testing.assert_allclose(theta, found, rtol=2e-5, atol=2e-6)


def test_trains(rule, digits, make_learner):
    name = rule[0].__name__
    rates = {"sgd": 0.3, "adagrad": 0.03, "adadelta": 1.0, "momentum": 0.05}
    rate = rates.get(name, 0.05 if "momentum" in name else 0.005)
    net = make_learner(update=name, update_learning_rate=rate).fit(*digits)
    assert net.score(*digits) > 0.9


FACTOR = 0.0


def by_a_global(gradients, params, learning_rate):
    """A user's own rule."""
    import lasagne.updates

    return lasagne.updates.sgd(gradients, params, learning_rate * np.float32(FACTOR))


def test_ones_own_that_reads_a_global_variable(digits, make_net, monkeypatch):
    """With a factor of 0 nothing moves; with 1, the same rule is Lasagne's."""
    resting = make_net(update=by_a_global, max_epochs=1, update_momentum=0.9).fit(*digits)
    monkeypatch.setitem(globals(), "FACTOR", 1.0)
    moving = make_net(update=by_a_global, max_epochs=1).fit(*digits)
    expected = make_net(update="sgd", max_epochs=1).fit(*digits)
    assert not np.array_equal(resting.transform(digits[0]), moving.transform(digits[0]))
    np.testing.assert_array_equal(
        moving.layers_["dense"].W.get_value(), expected.layers_["dense"].W.get_value()
    )


def test_weight_decay_is_a_parameter(digits, make_net):
    params = {"update": "adamw", "update_learning_rate": 0.01}
    light, heavy = (
        make_net(update_weight_decay=decay, **params).fit(*digits)._model.theta
        for decay in (0.0, 0.5)
    )
    assert np.abs(heavy).sum() < 0.95 * np.abs(light).sum()


def test_the_state_of_another_rule(rng):
    theta = np.zeros(17, np.float32)
    one = make_updater(resolve_update("momentum"), {"learning_rate": 0.1}, theta, SHAPES)
    other = make_updater(resolve_update("adam"), {"learning_rate": 0.1}, theta, SHAPES)
    with pytest.raises(ValueError, match="belongs to another update rule or network"):
        one.load_state(other.state)


def test_an_unknown_rule():
    with pytest.raises(ValueError, match=r"update must be a callable or one of .*'adamax'.*'lion'"):
        resolve_update("lion")


def test_an_unknown_argument():
    with pytest.raises(ValueError, match=r"'sgd' has no argument 'momentum'; it has update_learn"):
        update_arguments(resolve_update("sgd"), {"momentum": 0.5})


@pytest.mark.parametrize("value", [None, "much", [0.9, 0.8], np.zeros(2)])
def test_an_argument_that_is_no_number(value):
    with pytest.raises(
        TypeError, match=r"update_momentum must be a number .*'nesterov_momentum'; got"
    ):
        update_arguments(
            resolve_update("nesterov_momentum"), {"learning_rate": 0.1, "momentum": value}
        )
