"""Compiled programs, and the cache that networks share them in."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import convnet_features  # noqa: F401  (makes `import lasagne` work)
from convnet_features.exceptions import EngineError
from convnet_features.network import functions
from convnet_features.network.build import build_network
from convnet_features.network.functions import (
    MAX_PROGRAMS,
    cached_program,
    clear_programs,
    output_program,
    without_shared_variables,
)
from convnet_features.network.presets import seed_network
from convnet_features.network.spec import parse_layers

from ..helpers import assert_close

import theano  # isort: skip
from lasagne.layers import DenseLayer, GaussianNoiseLayer, Layer, get_output  # isort: skip


@pytest.fixture(autouse=True)
def empty_cache():
    clear_programs()
    yield
    clear_programs()


def network_of(layers=None, seed=0):
    layers = seed_network((1, 8, 8)) if layers is None else layers
    layers = layers if callable(layers) else parse_layers(layers)
    return build_network(layers, (1, 8, 8), 3, "classes", seed)


def values_of(network):
    return [param.get_value() for param in network.params]


def images(rng, n_samples=5):
    return rng.standard_normal((n_samples, 1, 8, 8)).astype("float32")


def as_lasagne(network, names, batch):
    """What ``lasagne.layers.get_output`` and ``theano.function`` give."""
    outputs = get_output([network.layers[name] for name in names], deterministic=True)
    return theano.function([network.input.input_var], outputs)(batch)


@pytest.mark.parametrize("fuse", [True, False])
@pytest.mark.parametrize(
    "engine",
    [
        pytest.param("portable", marks=pytest.mark.any_machine),
        pytest.param("onednn", marks=pytest.mark.onednn),
    ],
)
def test_outputs_are_lasagnes(engine, fuse, rng):
    network, batch = network_of(), images(rng)
    names = list(network.layers)
    program = output_program(network, names, engine, fuse)
    assert program.n_generators == 0
    results = program.function(batch, *values_of(network))
    for name, one, other in zip(names, results, as_lasagne(network, names, batch), strict=True):
        assert one.dtype == np.float32, name
        assert_close(one, other, "float32")


def test_nothing_above_the_layers_asked_for_is_computed():
    source = output_program(network_of(), ["maxpool1"], "portable").function.source
    whole = output_program(network_of(), ["output"], "portable").function.source
    assert source.count("Stages_") == 1
    assert len(source) < len(whole)


def test_equal_networks_share_a_program_and_not_their_parameters(rng):
    one, other = network_of(seed=1), network_of(seed=2)
    program = output_program(one, ["dense"], "portable")
    assert output_program(other, ["dense"], "portable") is program
    batch = images(rng)
    for network in (one, other):
        (value,) = program.function(batch, *values_of(network))
        assert_close(value, as_lasagne(network, ["dense"], batch)[0], "float32")


def test_programs_differ_by_layers_engine_and_fusion():
    network = network_of()
    made = [
        output_program(network, names, engine, fuse)
        for names in (["dense"], ["output"], ["dense", "output"])
        for engine in ("portable", "auto")
        for fuse in (True, False)
    ]
    assert len({id(program) for program in made}) == len(made)


def test_unknown_engine():
    with pytest.raises(EngineError, match="engine='abacus' is unknown"):
        output_program(network_of(), ["dense"], "abacus")


class Shift(Layer):
    """A layer with a shared variable that is no parameter."""

    def __init__(self, incoming, value, **kwargs):
        super().__init__(incoming, **kwargs)
        self.value = theano.shared(np.float32(value))

    def get_output_for(self, input, **kwargs):
        return input + self.value


def test_values_that_a_layer_brings_along_are_its_own(rng):
    batch = images(rng)
    for value in (2, 3):
        network = network_of(lambda layer, v=value: DenseLayer(Shift(layer, v, name="shift"), 3))
        program = output_program(network, ["shift"], "portable")
        (result,) = program.function(batch, *values_of(network))
        assert_close(result, batch + np.float32(value), "float32")
        network.layers["shift"].value.set_value(np.float32(7))
        (result,) = program.function(batch, *values_of(network))
        assert_close(result, batch + np.float32(7), "float32")


def test_generators_are_arguments(rng):
    """A layer that draws gets its generators from the caller, who can repeat the draw."""
    network = network_of([("noise", GaussianNoiseLayer, {"sigma": 0.1}), ("output", DenseLayer)])
    outputs = get_output([network.layers["noise"]])
    params, outputs, generators = without_shared_variables(network, outputs)
    assert (len(params), len(generators)) == (len(network.params), 1)
    from convnet_features.compilation import compile_program
    from convnet_features.kernels.registry import get_kernels

    inputs = [network.input.input_var, *params, *generators]
    program = compile_program(inputs, outputs, get_kernels("portable"))
    batch, values = images(rng), values_of(network)
    first = program(batch, *values, np.random.default_rng(4))[0]
    np.testing.assert_array_equal(first, program(batch, *values, np.random.default_rng(4))[0])
    assert not np.array_equal(first, program(batch, *values, np.random.default_rng(5))[0])
    assert 0.05 < (first - batch).std() < 0.15


@pytest.mark.parametrize("fuse", [True, False])
def test_a_frozen_function_keeps_the_values_it_was_given(fuse, rng):
    network, batch = network_of(), images(rng)
    values = values_of(network)
    function = output_program(network, ["dense"], "auto", fuse).frozen(values)
    before = function(batch)[0]
    assert_close(before, as_lasagne(network, ["dense"], batch)[0], "float32")
    for param in network.params:
        param.set_value(param.get_value() * 0)
    np.testing.assert_array_equal(function(batch)[0], before)


class TestCache:
    def test_makes_once(self):
        made = []
        for _ in range(3):
            assert cached_program("key", lambda: made.append(1) or "program") == "program"
        assert made == [1]

    def test_keeps_nothing_without_a_key(self):
        assert [cached_program(None, lambda k=k: k) for k in range(3)] == [0, 1, 2]

    def test_keeps_the_latest(self):
        for key in range(MAX_PROGRAMS):
            cached_program(key, lambda key=key: key)
        cached_program(0, lambda: "never")  # used again: key 1 is the oldest now
        cached_program("one more", lambda: "new")
        assert len(functions._programs) == MAX_PROGRAMS
        assert cached_program(0, lambda: "made anew") == 0
        assert cached_program(1, lambda: "made anew") == "made anew"

    def test_can_be_cleared(self):
        cached_program("key", lambda: 1)
        clear_programs()
        assert cached_program("key", lambda: 2) == 2

    def test_an_error_leaves_nothing(self):
        with pytest.raises(ZeroDivisionError):
            cached_program("key", lambda: 1 / 0)
        assert cached_program("key", lambda: 2) == 2

    def test_two_threads_never_make_the_same(self):
        made, together = [], threading.Barrier(8)

        def work(_):
            together.wait(timeout=20)
            return cached_program("key", lambda: made.append(1) or object())

        with ThreadPoolExecutor(8) as pool:
            found = set(map(id, pool.map(work, range(8))))
        assert (len(made), len(found)) == (1, 1)
