"""The golden cases through `NeuralNet`: the numbers of the original stack."""

from __future__ import annotations

import numpy as np
import pytest

from convnet_features.kernels.registry import available_engines

from ..golden import NAMES, GoldenCase


@pytest.fixture(params=NAMES)
def case(request):
    return GoldenCase(request.param)


@pytest.fixture(params=["portable", "onednn"])
def engine(request):
    if request.param not in available_engines():
        pytest.skip(f"{request.param} is not on this machine")
    return request.param


def neural_net(case, engine, **params):
    """The case as a script would declare it in nolearn's form (name, class), its parameters set."""
    import lasagne.objectives
    import theano.tensor as T

    from convnet_features.nolearn import BatchIterator, NeuralNet, TrainSplit

    declared = list(case.layers())
    arguments = {
        f"{name}_{key}": value for name, _, given in declared for key, value in given.items()
    }
    rule, options = case.update_rule()
    is_int = case.spec["target"] == "int"
    net = NeuralNet(
        layers=[(name, layer_class) for name, layer_class, _ in declared],
        **_incomings(arguments),
        objective_loss_function=getattr(lasagne.objectives, case.spec["loss"]["name"]),
        **{f"objective_{k}": v for k, v in case.spec["loss"].get("penalty", {}).items()},
        y_tensor_type=T.ivector if is_int else T.matrix,
        regression=case.spec["target"] == "float",
        update=rule,
        **{f"update_{key}": value for key, value in options.items()},
        batch_iterator_train=BatchIterator(batch_size=len(case.batch[0])),
        train_split=TrainSplit(eval_size=0),
        max_epochs=case.spec["steps"],
        engine=engine,
        **params,
    )
    net.initialize()
    net.load_params_from(case.numbered("p"))
    return net


def _incomings(arguments):
    """nolearn calls several inputs `incomings`."""
    return {
        key.replace("_incoming", "_incomings") if isinstance(value, list | tuple) else key: value
        for key, value in arguments.items()
        if key.endswith("_incoming")
    } | {key: value for key, value in arguments.items() if not key.endswith("_incoming")}


def assert_agrees(actual, expected, tolerance, what):
    """Equal relative to the largest entry."""
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.shape == expected.shape
    error = np.abs(actual - expected).max() / max(np.abs(expected).max(), 1e-30)
    assert error <= tolerance, f"{what}: off by {error:.2e} of the largest entry"


def test_assert_agrees_rejects_a_wrong_number():
    with pytest.raises(AssertionError, match=r"loss: off by 2\.\d+e-05"):
        assert_agrees(np.ones(3) + 2e-5, np.ones(3), 1e-5, "loss")


def test_outputs(case, engine):
    net = neural_net(case, engine)
    for name in list(net.layers_)[1:]:
        value = net.get_output(name, case.batch[0])
        assert value.dtype == np.float32
        assert_agrees(value, case.values[f"out_{name}"], 1e-5, name)
    assert_agrees(net.predict_proba(case.batch[0]), value, 0, "predict_proba")


def test_training(case, engine):
    net = neural_net(case, engine).fit(*case.batch)
    losses = [record["train_loss"] for record in net.train_history_]
    assert_agrees(losses[0], case.values["loss"], 1e-5, "loss")
    assert_agrees(losses, case.values["losses"], 1e-4, "losses")
    params = net.get_all_params(trainable=True)
    for param, expected in zip(params, case.numbered("q"), strict=True):
        assert_agrees(param.get_value(), expected, 1e-4, param.name)
