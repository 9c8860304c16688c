"""Errors of layers that can be built and cannot compute."""

from __future__ import annotations

import pytest

import convnet_features  # noqa: F401  (makes `import lasagne` work)
from convnet_features.exceptions import NetworkError
from convnet_features.network.build import build_network
from convnet_features.network.outputs import symbolic_output
from convnet_features.network.spec import parse_layers

from lasagne.layers import DenseLayer, DropoutLayer  # isort: skip


def build(p):
    layers = parse_layers([("drop", DropoutLayer, {"p": p}), ("output", DenseLayer)])
    return build_network(layers, (1, 4, 4), 2, "classes", 0)


def test_outputs_are_lasagnes():
    network = build(0.5)
    one, other = symbolic_output(network, list(network.layers.values())[:2], deterministic=True)
    assert one is network.input.input_var
    assert other is one


def test_the_layer_that_fails_is_named():
    network = build(0.5)
    network.layers["drop"].p = 10**30  # which building it would refuse
    with pytest.raises(
        NetworkError,
        match=r"layer 'drop' \(DropoutLayer\): its output cannot be computed with these arguments: "
        r".*too large",
    ):
        symbolic_output(network, network.output)


def test_memory_errors_pass():
    network = build(0.5)

    def get_output_for(*args, **kwargs):
        raise MemoryError

    network.output.get_output_for = get_output_for
    with pytest.raises(MemoryError):
        symbolic_output(network, network.output)
