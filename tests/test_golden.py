"""Our numbers are those of the original stack, through every route there is."""

from __future__ import annotations

import numpy as np
import pytest

import convnet_features  # noqa: F401  (makes `import theano` work)
from convnet_features.kernels.registry import available_engines
from convnet_features.network.build import build_network
from convnet_features.network.functions import output_program
from convnet_features.network.spec import LayerSpec
from convnet_features.training.gradients import gradient_program
from convnet_features.training.objectives import resolve_loss
from convnet_features.training.updates import make_updater

from .golden import NAMES, GoldenCase

TARGETS = {"int": "classes", "onehot": "labels", "binary": "labels", "float": "numbers"}


@pytest.fixture(params=NAMES)
def case(request):
    return GoldenCase(request.param)


def assert_agrees(actual, expected, tolerance, what):
    """Equal relative to the largest entry."""
    expected = np.asarray(expected)
    actual = np.asarray(actual)
    assert actual.shape == expected.shape
    assert actual.dtype == np.float32
    error = np.abs(actual - expected).max() / max(np.abs(expected).max(), 1e-30)
    assert error <= tolerance, f"{what}: off by {error:.2e} of the largest entry"


def test_assert_agrees_rejects_a_wrong_number():
    right = np.ones(3, dtype=np.float32)
    with pytest.raises(AssertionError, match=r"gradient: off by 2\.\d+e-05"):
        assert_agrees(right + np.float32(2e-5), right, 1e-5, "gradient")


def test_all_ten_cases_are_here():
    assert len(NAMES) == 10


def lasagne_network(case):
    """The network as a script of 2015 would build it."""
    import theano.tensor as T
    from lasagne.layers import InputLayer

    built = {}
    for name, layer_class, params in case.layers():
        if layer_class is InputLayer:
            variable = {3: T.tensor3, 4: T.tensor4}[len(params["shape"])](name)
            built[name] = InputLayer(params["shape"], input_var=variable, name=name)
            continue
        incoming = params.pop("incoming", None) or list(built)[-1]
        if isinstance(incoming, list | tuple):
            incoming = [built[each] for each in incoming]
        else:
            incoming = built[incoming]
        built[name] = layer_class(incoming, name=name, **params)
    return built


def lasagne_loss(case, output):
    """(target variable, mean loss with penalties), as a script of 2015 would write them."""
    import lasagne
    import theano.tensor as T

    target = T.ivector("y") if case.spec["target"] == "int" else T.matrix("y")
    objective = getattr(lasagne.objectives, case.spec["loss"]["name"])
    loss = objective(lasagne.layers.get_output(output, deterministic=True), target).mean()
    for kind, strength in case.spec["loss"].get("penalty", {}).items():
        kind = getattr(lasagne.regularization, kind)
        loss = loss + strength * lasagne.regularization.regularize_network_params(output, kind)
    return target, loss


class TestThroughLasagneAlone:
    """`import theano; import lasagne`, and nothing of ours."""

    def test_outputs(self, case):
        import lasagne
        import theano

        built = lasagne_network(case)
        lasagne.layers.set_all_param_values(list(built.values())[-1], case.numbered("p"))
        names = list(built)[1:]
        outputs = lasagne.layers.get_output([built[n] for n in names], deterministic=True)
        compute = theano.function([built["input"].input_var], outputs)
        for name, value in zip(names, compute(case.values["X"]), strict=True):
            assert_agrees(value, case.values[f"out_{name}"], 1e-5, name)

    def test_gradients_and_training(self, case):
        import lasagne
        import theano

        built = lasagne_network(case)
        output = list(built.values())[-1]
        lasagne.layers.set_all_param_values(output, case.numbered("p"))
        target, loss = lasagne_loss(case, output)
        params = lasagne.layers.get_all_params(output, trainable=True)
        inputs = [built["input"].input_var, target]
        gradients = theano.grad(loss, params)
        first, *computed = theano.function(inputs, [loss, *gradients])(*case.batch)
        assert_agrees(first, case.values["loss"], 1e-5, "loss")
        for index, (value, expected) in enumerate(zip(computed, case.numbered("g"), strict=True)):
            assert_agrees(value, expected, 1e-5, f"gradient {index}")

        rule, options = case.update_rule()
        step = theano.function(inputs, loss, updates=rule(gradients, params, **options))
        losses = [step(*case.batch) for _ in range(case.spec["steps"])]
        assert_agrees(np.array(losses), case.values["losses"], 1e-4, "losses")
        for param, expected in zip(params, case.numbered("q"), strict=True):
            assert_agrees(param.get_value(), expected, 1e-4, param.name)


@pytest.fixture(params=[pytest.param("portable", marks=pytest.mark.any_machine), "onednn"])
def engine(request):
    if request.param not in available_engines():
        pytest.skip(f"{request.param} is not on this machine")
    return request.param


@pytest.fixture(params=[True, False], ids=["fused", "unfused"])
def fuse(request):
    return request.param


def our_network(case):
    target = TARGETS[case.spec["target"]]
    n_outputs = len(np.unique(case.batch[1])) if target == "classes" else case.batch[1].shape[1]
    specs = [LayerSpec(*layer) for layer in case.layers()]
    n_outputs = next((s.params["num_units"] for s in specs[::-1] if "num_units" in s.params), 0)
    network = build_network(specs, case.input_shape, n_outputs, target, seed=0)
    for param, value in zip(network.params, case.numbered("p"), strict=True):
        param.set_value(value)
    return network, target, n_outputs


class TestThroughOurPrograms:
    """The programs that the estimators run, on every engine, fused and unfused."""

    def test_outputs(self, case, engine, fuse):
        network, _, _ = our_network(case)
        names = list(network.layers)[1:]
        program = output_program(network, names, engine, fuse)
        outputs = program.function(case.values["X"], *case.numbered("p"))
        for name, value in zip(names, outputs, strict=True):
            assert_agrees(value, case.values[f"out_{name}"], 1e-5, name)
        for name in names:  # alone, nothing above it is computed, and more can be fused
            alone = output_program(network, [name], engine, fuse)
            (value,) = alone.function(case.values["X"], *case.numbered("p"))
            assert_agrees(value, case.values[f"out_{name}"], 1e-5, name)

    def test_gradients_and_training(self, case, engine, fuse):
        network, target, n_outputs = our_network(case)
        penalties = case.spec["loss"].get("penalty", {})
        program = gradient_program(
            network,
            resolve_loss(case.spec["loss"]["name"], target),
            target,
            n_outputs,
            weighted=False,
            l1="l1" in penalties,
            l2="l2" in penalties,
            engine=engine,
            fuse=fuse,
        )
        strengths = [np.float32(penalties[kind]) for kind in ("l1", "l2") if kind in penalties]
        params = [value.copy() for value in case.numbered("p")]
        first, *gradients = program.function(*case.batch, *strengths, *params)
        assert_agrees(first, case.values["loss"], 1e-5, "loss")
        for index, (value, expected) in enumerate(zip(gradients, case.numbered("g"), strict=True)):
            assert_agrees(value, expected, 1e-5, f"gradient {index}")

        theta = np.concatenate([value.ravel() for value in params])
        shapes = [value.shape for value in params]
        rule, options = case.update_rule()
        updater = make_updater(rule, options, theta, shapes)
        losses = []
        for _ in range(case.spec["steps"]):
            loss, *gradients = program.function(*case.batch, *strengths, *_cut(theta, shapes))
            losses.append(loss)
            updater.apply(theta, np.concatenate([value.ravel() for value in gradients]))
        assert_agrees(np.array(losses), case.values["losses"], 1e-4, "losses")
        for value, expected in zip(_cut(theta, shapes), case.numbered("q"), strict=True):
            assert_agrees(value, expected, 1e-4, "parameter")


def _cut(theta, shapes):
    ends = np.cumsum([np.prod(shape) for shape in shapes])
    parts = np.split(theta, ends[:-1].astype(int))
    return [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]
