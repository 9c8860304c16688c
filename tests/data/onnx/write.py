"""Writes networks of PyTorch's, as it exports them, to this folder, with what they compute.

    python tests/data/onnx/write.py

needs torch and onnxscript. ``tests/onnx/test_loading.py`` reads every such file: models that
no line of this project wrote. Each network is written by PyTorch's two exporters. A file
``NAME.npz`` has the images, ``x``, and PyTorch's answers, ``y``.
"""

from __future__ import annotations

import io
import warnings
from pathlib import Path

import numpy as np
import torch
from onnx import ModelProto, load_model_from_string
from torch import nn

HERE = Path(__file__).parent

torch.manual_seed(0)  # before the layers draw their weights

#: The size of the images, and the layers.
NETWORKS = {
    "tutorial": ((1, 14, 14), [
        nn.Conv2d(1, 4, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.5), nn.Flatten(),
        nn.Linear(100, 12), nn.ReLU(), nn.Dropout(0.5), nn.Linear(12, 10), nn.Softmax(1),
    ]),
    "normalised": ((3, 17, 13), [
        nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU(inplace=True),
        nn.MaxPool2d(3, stride=2, padding=1), nn.Conv2d(8, 8, 3, stride=2, padding=1),
        nn.BatchNorm2d(8), nn.ReLU(), nn.AvgPool2d(2, ceil_mode=True), nn.AdaptiveAvgPool2d(1),
        nn.Flatten(), nn.Linear(8, 6), nn.BatchNorm1d(6), nn.Tanh(),
    ]),
    "log_softmax": ((2, 9, 11), [
        nn.BatchNorm2d(2), nn.Conv2d(2, 6, (3, 5), stride=(1, 2)), nn.LeakyReLU(0.1),
        nn.AvgPool2d(2, padding=1, count_include_pad=False), nn.Conv2d(6, 4, 1), nn.Sigmoid(),
        nn.AdaptiveMaxPool2d(1), nn.Flatten(1), nn.Linear(4, 5), nn.LogSoftmax(1),
    ]),
}  # fmt: skip


def torchscript(net: nn.Module, x: torch.Tensor) -> ModelProto:
    """By the exporter of all releases up to 2.8, where it was the default."""
    file = io.BytesIO()
    names = {"input_names": ["x"], "dynamic_axes": {"x": {0: "n"}}}
    torch.onnx.export(net, (x,), file, dynamo=False, **names)
    return load_model_from_string(file.getvalue())


def dynamo(net: nn.Module, x: torch.Tensor) -> ModelProto:
    """By the exporter that is the default since."""
    sizes = ({0: torch.export.Dim("n")},)
    model = torch.onnx.export(net, (x,), dynamo=True, verbose=False, dynamic_shapes=sizes)
    model = model.model_proto
    for node in model.graph.node:
        del node.metadata_props[:]  # where in which file it came from
    return model


def main() -> None:
    warnings.simplefilter("ignore")
    for name, (shape, layers) in NETWORKS.items():
        net = nn.Sequential(*layers)
        for _ in range(3):  # so that normalisations have something to remember
            net(torch.randn(20, *shape) * 2 + 1)
        net.eval()
        x = torch.randn(4, *shape)
        np.savez(HERE / f"{name}.npz", x=x.numpy(), y=net(x).detach().numpy())
        for export in (torchscript, dynamo):
            data = export(net, x).SerializeToString()
            path = HERE / f"{name}.{export.__name__}.onnx"
            path.write_bytes(data)
            print(f"{path.name}: {len(data):,} bytes")


if __name__ == "__main__":
    main()
