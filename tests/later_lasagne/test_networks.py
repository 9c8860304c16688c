"""Well-known networks by later Lasagne's names: outputs, one step of training, averages.

Against `oracle`, in NumPy and float64. Gradients are compared along directions to which every
parameter contributes the same, so that none hides behind others.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from pathlib import Path

import lasagne
import numpy as np
import pytest
import theano
import theano.tensor as T
from lasagne import layers as ll

from . import networks
from .oracle import DRAWING, drawn, evaluate


def of_classes(net, y):
    """The symbolic loss, and the same of the oracle's values."""

    def symbolic(outputs):
        return lasagne.objectives.categorical_crossentropy(outputs["output"], y[0]).mean()

    def numeric(found, labels):
        p = found[net["output"]]
        return -np.log(p[np.arange(len(p)), labels]).mean()

    return symbolic, numeric


def of_vae(net, y):
    def symbolic(outputs):
        mu, logsigma = outputs["mu"], outputs["logsigma"]
        pixels = lasagne.objectives.binary_crossentropy(outputs["output"], y[0]).sum(axis=1)
        divergence = 0.5 * (1 + 2 * logsigma - T.sqr(mu) - T.exp(2 * logsigma)).sum(axis=1)
        return (pixels - divergence).mean()

    def numeric(found, pixels):
        p, mu, logsigma = (found[net[name]] for name in ("output", "mu", "logsigma"))
        crossentropy = -(pixels * np.log(p) + (1 - pixels) * np.log(1 - p)).sum(axis=1)
        divergence = 0.5 * (1 + 2 * logsigma - mu**2 - np.exp(2 * logsigma)).sum(axis=1)
        return (crossentropy - divergence).mean()

    return symbolic, numeric


@dataclasses.dataclass
class Case:
    """A network, what goes in, what it is told, and how it learns."""

    build: Callable
    shape: tuple[int, ...]
    n_targets: int | None = None
    loss: Callable = of_classes
    rule: str = "nesterov_momentum"
    #: Bounds of errors, as shares of the largest number: of what comes out, and of its gradients.
    forward: float = 2e-5
    gradients: float = 1e-4


CASES = {
    "VGG-16": Case(networks.vgg16, (3, 3, 32, 32)),
    "VGG-CNN-S": Case(networks.vgg_cnn_s, (2, 3, 67, 67)),
    "GoogLeNet": Case(networks.googlenet, (2, 3, 64, 64)),
    "Inception v3": Case(networks.inception_v3, (3, 3, 75, 75)),
    # So deep and narrow that no float32 comes closer: PyTorch's is 4e-5 away.
    "ResNet-50": Case(
        networks.resnet50, (8, 3, 64, 64), rule="momentum", forward=2e-4, gradients=5e-3
    ),
    "ResNet-CIFAR": Case(networks.resnet_cifar, (5, 3, 16, 16), rule="momentum"),
    "wide ResNet": Case(networks.wide_resnet, (5, 3, 16, 16)),
    "pre-activation ResNet": Case(networks.preactivation_resnet, (5, 3, 12, 12), rule="sgd"),
    "DenseNet": Case(networks.densenet, (4, 3, 16, 16)),
    "stochastic depth": Case(networks.stochastic_depth, (5, 3, 12, 12)),
    "network in network": Case(networks.nin, (4, 3, 16, 16)),
    "U-Net": Case(networks.unet, (2, 1, 44, 44), n_targets=2 * 4 * 4, rule="sgd"),
    "C3D": Case(networks.c3d, (3, 3, 8, 16, 16)),
    "spatial transformer": Case(networks.spatial_transformer, (4, 1, 20, 20), rule="sgd"),
    "thin plate spline": Case(networks.thin_plate_spline, (4, 2, 12, 14), rule="sgd"),
    "variational autoencoder": Case(networks.variational_autoencoder, (5, 1, 8, 8), loss=of_vae),
    "LSTM text": Case(networks.lstm_text, (4, 9), rule="sgd"),
    "GRU text": Case(networks.gru_text, (4, 9), rule="sgd"),
}
#: Seconds are for few: the others are marked as slow.
FAST = ("ResNet-CIFAR", "U-Net", "variational autoencoder", "LSTM text")
LEARNING_RATE, MOMENTUM = 0.05, 0.9


def error(found, expected):
    """The largest difference, as a share of the largest number."""
    return float(np.abs(found - expected).max() / max(np.abs(expected).max(), 1e-12))


def scattered_parameters(output, rng):
    """Set every parameter to a value that is nobody's default; their float64 values."""
    values = {}
    for param in ll.get_all_params(output):
        value = np.float64(param.get_value())
        noise = rng.uniform(0.5, 1.5, value.shape)
        value = value * noise if np.ptp(value) else value + (noise - 1) / 4
        param.set_value(value.astype("float32"))
        values[param] = np.float64(param.get_value())
    return values


def inputs_of(case, rng):
    """Symbolic inputs, and an array for each."""
    if len(case.shape) == 2:
        mask = (np.arange(case.shape[1]) < [[9], [7], [4], [9]]).astype("float32")
        letters = rng.integers(0, 11, case.shape).astype("int32")
        return [T.imatrix("letters"), T.matrix("mask")], [letters, mask]
    kind = T.TensorType("float32", [False] * len(case.shape))
    return [kind("images")], [rng.normal(size=case.shape).astype("float32")]


def targets_of(case, images, rng):
    if case.loss is of_vae:
        return [T.matrix("t")], rng.uniform(size=(len(images), 64)).astype("float32")
    count = case.n_targets or case.shape[0]
    n_classes = 3 if case.n_targets else 5
    return [T.ivector("y")], rng.integers(0, n_classes, count).astype("int32")


def expected_updates(rule, values, gradients):
    factor = {"sgd": 1, "momentum": 1, "nesterov_momentum": 1 + MOMENTUM}[rule]
    return {p: values[p] - LEARNING_RATE * factor * gradients[p] for p in gradients}


def measured(name):
    """The errors of one network: of its outputs, its loss, its gradients, and what it became."""
    case = CASES[name]
    lasagne.random.set_rng(np.random.RandomState(7))
    rng = np.random.default_rng(3)
    variables, arrays = inputs_of(case, rng)
    target, labels = targets_of(case, arrays[0], rng)
    net = case.build(*variables)
    output = net["output"]
    values = scattered_parameters(output, rng)
    feed = dict(zip([net["input"], *([net["mask"]] if "mask" in net else [])], arrays, strict=True))
    errors = {}

    predict = theano.function(variables, ll.get_output(output, deterministic=True))
    found, _ = evaluate([output], feed, values, deterministic=True)
    errors["forward"] = error(predict(*arrays), found[output])

    drawing = [layer for layer in ll.get_all_layers(output) if isinstance(layer, DRAWING)]
    before = [
        layer.input_layers if isinstance(layer, ll.MergeLayer) else [layer.input_layer]
        for layer in drawing
    ]
    watched = [*drawing, *(each for group in before for each in group)]
    names = [each for each in ("output", "mu", "logsigma") if each in net]
    outputs = ll.get_output([*(net[each] for each in names), *watched], deterministic=False)
    symbolic, numeric = case.loss(net, target)
    loss = symbolic(dict(zip(names, outputs, strict=False)))
    params = ll.get_all_params(output, trainable=True)
    gradients = theano.grad(loss, params)
    settings = {} if case.rule == "sgd" else {"momentum": MOMENTUM}
    updates = getattr(lasagne.updates, case.rule)(
        loss, params, learning_rate=LEARNING_RATE, **settings
    )
    step = theano.function(
        [*variables, *target],
        [loss, outputs[0], *outputs[len(names) :], *gradients],
        updates=updates,
    )
    cost, y, *rest = step(*arrays, labels)
    seen, gradients = (
        rest[: len(watched)],
        dict(zip(params, map(np.float64, rest[len(watched) :]), strict=True)),
    )

    incoming = iter(seen[len(drawing) :])
    noise = {}
    for layer, went_out, group in zip(drawing, seen, before, strict=False):
        came_in = [next(incoming) for _ in group]
        noise[layer] = drawn(layer, came_in if len(group) > 1 else came_in[0], went_out)

    def cost_at(moved):
        found, averages = evaluate([output], feed, moved, deterministic=False, noise=noise)
        return numeric(found, labels), found[output], averages

    expected, y_expected, averages = cost_at(values)
    errors["forward"] = max(errors["forward"], error(y, y_expected))
    errors["loss"] = abs(cost - expected) / abs(expected)
    errors["gradients"] = gradient_error(cost_at, values, gradients, rng)
    became = expected_updates(case.rule, values, gradients)
    errors["parameters"] = max(error(p.get_value(), each) for p, each in became.items())
    moved = [error(average.get_value(), each) for average, each in averages.items()]
    errors["averages"] = max(moved, default=0.0)
    return errors


def gradient_error(cost_at, values, gradients, rng, h=1e-6):
    """The gradient along directions against differences, as a share of what they could be."""
    scale = max(np.linalg.norm(each) for each in gradients.values())
    worst = 0.0
    for _ in range(3):
        direction = {}
        for param, gradient in gradients.items():
            size = max(np.linalg.norm(gradient), 1e-3 * scale)
            away = rng.normal(size=gradient.shape)
            away *= max(np.linalg.norm(values[param]), 0.1) / max(np.linalg.norm(away), 1e-12)
            towards = gradient / size * np.linalg.norm(away)
            direction[param] = (towards * rng.choice([-1, 1]) + away) / size * scale
        most = max(np.linalg.norm(each) for each in direction.values())
        direction = {param: each / most for param, each in direction.items()}
        along = sum((gradients[p] * d).sum() for p, d in direction.items())
        size = np.sqrt(sum((gradients[p] * d).sum() ** 2 for p, d in direction.items()))
        there, back = (
            cost_at({**values, **{p: values[p] + sign * h * d for p, d in direction.items()}})[0]
            for sign in (1, -1)
        )
        worst = max(worst, abs((there - back) / (2 * h) - along) / size)
    return worst


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in FAST else pytest.mark.slow) for name in CASES]
)
def test_forward_and_step(name):
    errors, case = measured(name), CASES[name]
    assert errors["gradients"] < case.gradients, errors
    assert errors["parameters"] < 1e-6, errors
    for each in ("forward", "loss", "averages"):
        assert errors[each] < case.forward, errors


def test_adversarial_networks(rng):
    """A generator of transposed convolutions and a discriminator, which learn in one function."""
    lasagne.random.set_rng(np.random.RandomState(1))
    z, x = T.matrix("z"), T.tensor4("x")
    faker, critic = networks.generator(z)["output"], networks.discriminator(x)["output"]
    values = {**scattered_parameters(faker, rng), **scattered_parameters(critic, rng)}
    of_real = ll.get_output(critic)
    of_fake = ll.get_output(critic, ll.get_output(faker))
    crossentropy = lasagne.objectives.binary_crossentropy
    faker_loss = crossentropy(of_fake, 1).mean()
    critic_loss = (crossentropy(of_real, 1) + crossentropy(of_fake, 0)).mean()
    losses = {faker: faker_loss, critic: critic_loss}
    params = {net: ll.get_all_params(net, trainable=True) for net in losses}
    gradients = {net: theano.grad(losses[net], params[net]) for net in losses}
    updates = lasagne.updates.adam(faker_loss, params[faker], learning_rate=0.01, beta1=0.5)
    updates.update(lasagne.updates.adam(critic_loss, params[critic], 0.01, beta1=0.5))
    step = theano.function(
        [z, x], [faker_loss, critic_loss, *gradients[faker], *gradients[critic]], updates=updates
    )
    noise = rng.normal(size=(6, 6)).astype("float32")
    real = rng.uniform(-1, 1, size=(6, 1, 16, 16)).astype("float32")
    found = step(noise, real)

    def costs(moved):
        made, averages = evaluate([faker], {ll.get_all_layers(faker)[0]: noise}, moved, False)
        judged = {
            name: evaluate([critic], {ll.get_all_layers(critic)[0]: images}, moved, False)
            for name, images in (("real", real), ("fake", made[faker]))
        }
        p_real, p_fake = (judged[name][0][critic] for name in ("real", "fake"))
        averages = [averages, *(judged[name][1] for name in ("real", "fake"))]
        both = {
            faker: -np.log(p_fake).mean(),
            critic: -(np.log(p_real) + np.log(1 - p_fake)).mean(),
        }
        return both, averages

    expected, (of_faker, *of_critic) = costs(values)
    np.testing.assert_allclose(found[:2], [expected[faker], expected[critic]], rtol=1e-5)
    given = iter(map(np.float64, found[2:]))
    for net in losses:
        own = {param: next(given) for param in params[net]}
        worst = gradient_error(lambda moved, net=net: (costs(moved)[0][net],), values, own, rng)
        assert worst < 1e-4
        for param, gradient in own.items():
            # Adam's first step has the size of the learning rate, but where the gradient is tiny.
            became = values[param] - 0.01 * gradient / (np.abs(gradient) + 1e-8 / np.sqrt(0.001))
            np.testing.assert_allclose(param.get_value(), became, rtol=1e-5, atol=1e-6)
    for average, moved in of_faker.items():
        np.testing.assert_allclose(average.get_value(), moved, rtol=1e-4, atol=1e-6)
    # The critic sees two batches: its averages are those of one of them.
    for average in of_critic[0]:
        distances = [np.abs(average.get_value() - each[average]).max() for each in of_critic]
        assert min(distances) < 1e-5


def test_the_design_page_lists_every_network():
    page = Path(__file__).parents[2] / "docs" / "design" / "later_networks.md"
    rows = re.findall(r"^\| ([^|`-][^|]*) \|", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert rows[1:] == list(CASES)
