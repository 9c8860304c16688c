"""Frozen layers keep their parameters, and cost no gradient."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from lasagne.layers import DenseLayer, InverseLayer, ReshapeLayer

from convnet_features import ConvNetClassifier, ConvNetFeatureExtractor
from convnet_features.callbacks import Checkpoint
from convnet_features.exceptions import NetworkError
from convnet_features.layers import Conv2DLayer, batch_norm


def values(net):
    return {name: value.copy() for name, value in net._model.named_values.items()}


def changed(before, after):
    return {name for name in before if not np.array_equal(before[name], after[name])}


@pytest.mark.parametrize(
    "frozen", [["conv2d1"], ["conv2d1", "conv2d2"], ["conv2d2"], ["dense"], ["conv2d1", "output"]]
)
def test_only_the_others_learn(digits, make_net, frozen):
    before = values(make_net(max_epochs=1).fit(*digits))
    net = make_net(warm_start=True, max_epochs=1).fit(*digits)
    net.set_params(freeze=frozen, max_epochs=2).fit(*digits)
    expected = {name for name in before if name.partition(".")[0] not in frozen}
    assert changed(before, values(net)) == expected
    assert net.n_iter_ == 3


def test_gradients_of_the_others_are_what_they_were(digits, make_net):
    """One step of plain gradient descent: frozen or not, the rest moves alike."""
    params = {
        "update": "sgd",
        "max_epochs": 1,
        "validation_fraction": None,
        "batch_size": 240,
        "dropout1_p": 0.0,
        "dropout2_p": 0.0,
    }
    free = values(make_net(**params).fit(*digits))
    frozen = values(make_net(freeze=["conv2d1", "conv2d2"], **params).fit(*digits))
    for name in ("dense.W", "dense.b", "output.W", "output.b"):
        np.testing.assert_allclose(frozen[name], free[name], rtol=1e-4, atol=1e-7)


def gradients_of(net):
    """The program of the gradients, which a trainer holds as long as it trains."""
    net._trainer._prepare_step(weighted=False)
    return net._trainer._step.gradients.function


def operations(net):
    """The names of what the gradient program computes."""
    return gradients_of(net).source


def test_frozen_convolutions_have_no_gradient_work(digits, make_net):
    params = {"warm_start": True, "max_epochs": 1}
    free = make_net(**params).fit(*digits)
    frozen = make_net(freeze=["conv2d1", "conv2d2"], **params).fit(*digits)
    assert operations(free).count("StagesGrad") >= operations(frozen).count("StagesGrad") >= 1
    images = np.zeros((4, 1, 8, 8), np.float32)
    graph = gradients_of(frozen)
    data = images, np.zeros(4, np.int32)
    _, *gradients = graph(*data, *frozen._model.values, *frozen._trainer.generators)
    assert len(gradients) == 4  # W and b of dense and output
    source = operations(frozen)
    gradient_lines = [line for line in source.splitlines() if "StagesGrad" in line]
    inputs = {f"i{2 + i}" for i in range(4)}  # conv2d1.W, .b, conv2d2.W, .b
    for line in gradient_lines:
        arguments = {each.strip(" ()") for each in line.split("(", 1)[1].split(",")}
        assert not arguments & inputs


def test_without_the_switch_the_convolutions_are_differentiated(digits, make_net):
    """The check above would see it."""
    free = make_net(warm_start=True, max_epochs=1).fit(*digits)
    lines = [line for line in operations(free).splitlines() if "StagesGrad" in line]
    assert any("i2" in line.split("(", 1)[1] for line in lines)


def test_unfreezing_for_fine_tuning(digits, make_net):
    net = make_net(freeze=["conv2d1"], warm_start=True, max_epochs=1).fit(*digits)
    before = values(net)
    net = pickle.loads(pickle.dumps(net)).set_params(freeze=None).fit(*digits)
    assert "conv2d1.W" in changed(before, values(net))
    assert net.n_iter_ == 2


def test_going_on_with_frozen_layers_is_to_the_bit(digits, make_net):
    whole = make_net(freeze=["conv2d2"], max_epochs=4).fit(*digits)
    half = make_net(freeze=["conv2d2"], max_epochs=2, warm_start=True).fit(*digits)
    again = pickle.loads(pickle.dumps(half)).fit(*digits)
    for name, value in values(whole).items():
        np.testing.assert_array_equal(values(again)[name], value)


def test_with_a_checkpoint(digits, make_net, tmp_path):
    params = {"freeze": ["conv2d1"], "callbacks": [Checkpoint(tmp_path, resume=True)]}
    make_net(max_epochs=2, **params).fit(*digits)
    resumed = make_net(max_epochs=4, **params).fit(*digits)
    whole = make_net(freeze=["conv2d1"], max_epochs=4).fit(*digits)
    for name, value in values(whole).items():
        np.testing.assert_array_equal(values(resumed)[name], value)


def normalised(images, n_outputs):
    from lasagne.layers import Conv2DLayer, DenseLayer
    from lasagne.nonlinearities import softmax

    maps = batch_norm(Conv2DLayer(images, 4, 3, name="conv"))
    return DenseLayer(maps, n_outputs, nonlinearity=softmax, name="output")


def test_frozen_normalisation_keeps_its_averages(digits):
    params = {"feature_layer": "output", "random_state": 0, "max_epochs": 1, "warm_start": True}
    net = ConvNetClassifier(normalised, **params).fit(*digits)
    before = values(net)
    net.set_params(freeze=["conv", "conv_bn"]).fit(*digits)
    assert changed(before, values(net)) == {"output.W", "output.b"}


def test_an_unknown_layer(digits, make_net):
    with pytest.raises(NetworkError, match=r"freeze: there is no layer 'conv1'; the network has"):
        make_net(freeze=["conv1"]).fit(*digits)


def test_nothing_left_to_train(digits, make_net):
    with pytest.raises(NetworkError, match="no layer with parameters is left to train"):
        make_net(freeze=["conv2d1", "conv2d2", "dense", "output"]).fit(*digits)


def test_one_name_will_do(digits, make_net):
    net = make_net(freeze="conv2d1", max_epochs=1).fit(*digits)
    assert net._model.frozen == ("conv2d1",)


def test_it_is_a_parameter_of_the_extractor(digits):
    extractor = ConvNetFeatureExtractor(freeze=["conv2d1"], max_epochs=1, random_state=0)
    assert extractor.fit(*digits).transform(digits[0]).shape == (240, 256)


@pytest.mark.parametrize("n_bytes", [0, 2**20])
def test_the_inverse_of_a_frozen_layer(n_bytes, rng):
    """It is a gradient, which takes what is below the frozen layer."""
    layers = [
        ("conv", Conv2DLayer, {"num_filters": 2, "filter_size": 3}),
        ("dense", DenseLayer, {"num_units": 24}),
        ("maps", ReshapeLayer, {"shape": ([0], 2, 4, 3)}),
        ("inverse", InverseLayer, {"incoming": "maps", "layer": "conv"}),
        ("output", DenseLayer),
    ]
    X, y = rng.standard_normal((20, 1, 6, 5)).astype(np.float32), np.arange(20) % 2
    params = {"max_epochs": 2, "random_state": 0, "frozen_cache_bytes": n_bytes}
    before = values(ConvNetClassifier(layers, **{**params, "update_learning_rate": 1e-9}).fit(X, y))
    after = values(ConvNetClassifier(layers, freeze=["conv"], **params).fit(X, y))
    assert {"dense.W", "output.W"} <= changed(before, after)
    np.testing.assert_allclose(after["conv.W"], before["conv.W"], atol=1e-5)
