"""What a `NeuralNet` minimises: nolearn 0.6's function and 2015's class."""

from __future__ import annotations

import numpy as np
import pytest

from convnet_features.nolearn import BatchIterator, Objective, TrainSplit, objective


@pytest.fixture
def one_step(make_net, digits):
    """A function that gives the first loss of a net with these parameters, and the net."""

    def run(start=None, **params):
        net = make_net(
            batch_iterator_train=BatchIterator(1000),
            train_split=TrainSplit(0),
            max_epochs=1,
            **params,
        )
        net.initialize()
        if start is not None:
            net.load_params_from(start)
        values = net.get_all_params_values()
        return net.fit(*digits).train_history_[0]["train_loss"], values

    return run


def cross_entropy(values, digits):
    X, y = digits
    hidden = np.maximum(X.reshape(len(X), -1) @ values["hidden"][0] + values["hidden"][1], 0)
    scores = hidden @ values["output"][0] + values["output"][1]
    scores = scores - scores.max(axis=1, keepdims=True)
    log_p = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
    return -log_p[np.arange(len(y)), y].mean()


def test_the_default(one_step, digits):
    loss, values = one_step()
    assert loss == pytest.approx(cross_entropy(values, digits), rel=1e-5)


def test_penalties(one_step, digits):
    loss, values = one_step(objective_l1=0.01, objective_l2=0.1)
    weights = [values["hidden"][0], values["output"][0]]  # biases are not regularisable
    expected = cross_entropy(values, digits)
    expected += 0.01 * sum(np.abs(w).sum() for w in weights)
    expected += 0.1 * sum((w**2).sum() for w in weights)
    assert loss == pytest.approx(expected, rel=1e-5)


def test_another_mean(one_step, digits):
    loss, values = one_step(objective_aggregate=lambda losses: losses.sum())
    assert loss == pytest.approx(300 * cross_entropy(values, digits), rel=1e-5)


def test_a_loss_of_ones_own(one_step, digits):
    import theano.tensor as T

    def squared_distance(prediction, target):
        return ((prediction - T.extra_ops.to_one_hot(target, 10)) ** 2).sum(axis=1)

    loss, values = one_step(objective_loss_function=squared_distance)
    assert 0 < loss < 2
    assert loss != pytest.approx(cross_entropy(values, digits), rel=1e-3)


def test_a_function_of_ones_own(one_step, digits):
    from lasagne.layers import get_output

    def with_sparse_activations(layers, target, loss_function, deterministic=False, share=0.0):
        loss = objective(layers, loss_function, target, deterministic=deterministic)
        return loss + share * get_output(layers["hidden"], deterministic=deterministic).mean()

    plain, start = one_step()
    same, _ = one_step(start, objective=with_sparse_activations)
    more, _ = one_step(start, objective=with_sparse_activations, objective_share=0.5)
    assert same == pytest.approx(plain, rel=1e-6)
    X = digits[0].reshape(300, -1)
    mean = np.maximum(X @ start["hidden"][0] + start["hidden"][1], 0).mean()
    assert more == pytest.approx(plain + 0.5 * mean, rel=1e-5)


def test_two_closures_are_two_objectives(one_step):
    def scaled(factor):
        return lambda layers, target, loss_function, deterministic=False: (
            factor * objective(layers, loss_function, target, deterministic=deterministic)
        )

    once, start = one_step(objective=scaled(1.0))
    twice, _ = one_step(start, objective=scaled(2.0))
    assert twice == pytest.approx(2 * once, rel=1e-6)


def test_the_class_of_2015(one_step, digits):
    loss, values = one_step(objective=Objective)
    assert loss == pytest.approx(cross_entropy(values, digits), rel=1e-5)


def test_a_subclass_that_penalises(make_net, one_step, digits):
    from lasagne.regularization import l2, regularize_network_params

    class WithPenalty(Objective):
        strength = 0.1

        def get_loss(self, input=None, target=None, deterministic=False, **kwargs):
            assert list(self.layers) == ["input", "hidden", "output"]
            loss = super().get_loss(input, target, deterministic=deterministic, **kwargs)
            if deterministic:
                return loss
            return loss + self.strength * regularize_network_params(self.input_layer, l2)

    loss, values = one_step(objective=WithPenalty)
    weights = sum((values[name][0] ** 2).sum() for name in ("hidden", "output"))
    assert loss == pytest.approx(cross_entropy(values, digits) + 0.1 * weights, rel=1e-5)
    # Not in validation.
    net = make_net(objective=WithPenalty, max_epochs=1).fit(*digits)
    assert net.train_history_[0]["valid_loss"] < net.train_history_[0]["train_loss"]


def test_the_class_of_2015_sums(one_step, digits):
    loss, values = one_step(objective=Objective, objective_aggregation="sum")
    assert loss == pytest.approx(300 * cross_entropy(values, digits), rel=1e-5)


def test_dropout_is_on_in_training_and_off_in_validation(digits):
    from lasagne.layers import DenseLayer, DropoutLayer, InputLayer
    from lasagne.nonlinearities import softmax

    from convnet_features.nolearn import NeuralNet

    X, y = digits
    net = NeuralNet(
        [("input", InputLayer), ("dropout", DropoutLayer), ("output", DenseLayer)],
        input_shape=(None, 1, 8, 8),
        dropout_p=0.9,
        output_num_units=10,
        output_nonlinearity=softmax,
        update_learning_rate=0.0,
        train_split=lambda X, y, net: (X, X, y, y),
        max_epochs=3,
    )
    history = net.fit(X, y).train_history_
    assert len({record["valid_loss"] for record in history}) == 1
    assert len({record["train_loss"] for record in history}) == 3
