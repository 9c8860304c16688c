"""Networks of torchvision's and timm's: with their weights they compute what PyTorch computes.

`tests/data/state_dicts/write.py` has written names, shapes and outputs with PyTorch, the
outputs in float64.
"""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pytest

from convnet_features.network import presets
from convnet_features.network.model import Model
from convnet_features.network.sketch import sketched
from convnet_features.network.state_dicts import is_state_dict, number_of_outputs, of_network
from convnet_features.network.transfer import load_values

from .state_dict_values import images, values

GOLDEN = Path(__file__).parents[2] / "data" / "state_dicts" / "networks.npz"
#: What we call what others call.
OURS = {
    "tf_efficientnet_lite0": "efficientnet_lite0",
    "tf_efficientnet_lite1": "efficientnet_lite1",
    "tf_efficientnet_lite2": "efficientnet_lite2",
    "mobilenetv2_100": "mobilenet_v2",
}
with np.load(GOLDEN) as golden:
    NAMES = [each.removesuffix("/names") for each in golden if each.endswith("/names")]
    COMPUTED = [each for each in NAMES if f"{each}/output" in golden]
#: What takes less than others: few parameters, small images.
QUICK = ("torchvision/mobilenet_v2", "torchvision/squeezenet1_1", "timm/tf_efficientnet_lite0")


def read(name):
    """The names and shapes of PyTorch's parameters, and its output where it was computed."""
    with np.load(GOLDEN) as golden:
        shapes = [ast.literal_eval(shape) for shape in golden[f"{name}/shapes"].tolist()]
        named = dict(zip(golden[f"{name}/names"].tolist(), shapes, strict=True))
        return named, golden.get(f"{name}/output")


def specs_of(name):
    network = name.rpartition("/")[2].replace("-", "_")
    if name == "timm/efficientnet_lite0":
        return presets.efficientnet_lite0(same_padding=False)
    return getattr(presets, OURS.get(network, network))()


@pytest.mark.parametrize("name", NAMES)
def test_names_and_shapes(name):
    """Each parameter of PyTorch's is one of ours, and each of ours one of PyTorch's."""
    shapes, _ = read(name)
    network = sketched(specs_of(name), (3, 224, 224), 1000, "classes")
    state = {key: np.broadcast_to(np.float32(1), shape) for key, shape in shapes.items()}
    assert is_state_dict(state)
    ours = {key: each.get_value(borrow=True).shape for key, each in network.named_params.items()}
    assert {key: value.shape for key, value in of_network(state, network).items()} == ours


@pytest.mark.parametrize(
    "name",
    [pytest.param(each, marks=[pytest.mark.slow] * (each not in QUICK)) for each in COMPUTED],
)
def test_the_same_output(name):
    shapes, expected = read(name)
    size = (224, 224) if name.startswith("melas") else (64, 73)
    model = Model(specs_of(name), (3, *size), 1000, "numbers")
    state = {key: values(key, shape) for key, shape in shapes.items()}
    report = load_values(model, of_network(state, model.network))
    assert not (report.missing)
    assert not (report.unused)
    assert not (report.mismatched)
    (output,) = model.outputs([model.network.output.name], images(*size))
    if name == "torchvision/squeezenet1_1":
        shares = np.exp(expected - expected.max(axis=1, keepdims=True))
        expected = shares / shares.sum(axis=1, keepdims=True)
    error = np.abs(output - expected).max() / np.abs(expected).max()
    assert error < 1e-5


def test_the_number_of_outputs():
    shapes, _ = read("torchvision/resnet18")
    state = {key: np.broadcast_to(np.float32(1), shape) for key, shape in shapes.items()}
    assert number_of_outputs(state, presets.resnet18(), (3, 32, 32)) == 1000
    assert number_of_outputs(state, presets.squeezenet1_1(), (3, 32, 32)) is None


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["conv1.weight", "bn1.running_var", "bn1.num_batches_tracked"], True),
        (["conv1.W", "conv1.b"], False),
        (["conv1.weight", "conv1.W"], False),
        (["bias"], False),
        ([], False),
    ],
)
def test_what_a_state_dict_is(names, expected):
    assert is_state_dict(names) is expected
