"""Which layers predict, and which layer's activations are features."""

from __future__ import annotations

import pytest

import convnet_features  # noqa: F401  (makes `import theano` work)

# isort: split
from lasagne import layers, nonlinearities

from convnet_features.layers import batch_norm
from convnet_features.network import build_network
from convnet_features.network.head import head, last_features
from convnet_features.network.presets import seed_network, small_resnet
from convnet_features.network.spec import parse_layers


def unnamed(images, n_outputs):
    hidden = layers.DropoutLayer(layers.DenseLayer(images, 7))
    return layers.DenseLayer(hidden, n_outputs, nonlinearity=nonlinearities.softmax)


def logits_first(images, n_outputs):
    """As the model zoo has it: a softmax of its own on top of the last dense layer."""
    hidden = layers.DenseLayer(images, 7, name="fc7")
    logits = layers.DenseLayer(
        layers.dropout(hidden, name="drop"), n_outputs, nonlinearity=None, name="fc8"
    )
    return layers.NonlinearityLayer(logits, nonlinearities.softmax, name="prob")


def normalised_output(images, n_outputs):
    hidden = layers.DenseLayer(images, 7, name="hidden")
    output = layers.DenseLayer(
        hidden, n_outputs, nonlinearity=nonlinearities.softmax, name="output"
    )
    return batch_norm(output)


def fully_convolutional(images, n_outputs):
    maps = layers.Conv2DLayer(images, 5, 3, name="maps")
    scores = layers.Conv2DLayer(maps, n_outputs, 1, nonlinearity=None, name="scores")
    return layers.NonlinearityLayer(layers.GlobalPoolLayer(scores, name="mean"), name="prob")


def branches(images, n_outputs):
    one, two = (layers.DenseLayer(images, 4, name=name) for name in ("one", "two"))
    both = layers.ConcatLayer([one, two], name="both")
    return layers.DenseLayer(both, n_outputs, name="output")


HIDDEN = ("hidden", layers.DenseLayer, {"num_units": 7})
OUTPUT = ("output", layers.DenseLayer)


@pytest.mark.parametrize(
    ("declared", "expected_head", "expected_features"),
    [
        (seed_network((1, 6, 6)), ["output"], "dense"),
        (small_resnet((4, 8)), ["output"], "pool"),
        ([HIDDEN, OUTPUT], ["output"], "hidden"),
        ([HIDDEN, ("noise", layers.GaussianNoiseLayer), OUTPUT], ["output"], "hidden"),
        ([OUTPUT], ["output"], None),
        ([("dropout", layers.DropoutLayer), OUTPUT], ["output"], None),
        (unnamed, ["output"], "dense1"),
        (logits_first, ["fc8", "prob"], "fc7"),
        (normalised_output, ["output", "output_bn", "output_bn_nonlin"], "hidden"),
        (fully_convolutional, ["scores", "mean", "prob"], "maps"),
        (branches, ["output"], "both"),
        (lambda images: layers.GlobalPoolLayer(images), ["output"], None),
    ],
)
def test_the_head_and_what_it_stands_on(declared, expected_head, expected_features):
    declared = declared if callable(declared) else parse_layers(declared)
    n_outputs = 1 if expected_head == ["output"] and expected_features is None else 3
    network = build_network(declared, (1, 6, 6), n_outputs, "classes", seed=0)
    assert head(network) == expected_head
    assert last_features(network) == expected_features
