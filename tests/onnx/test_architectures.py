"""Small networks of the architectures that people use, as exporters write them."""

from __future__ import annotations

import numpy as np
import pytest

from convnet_features.onnx import from_onnx

from ..helpers import assert_close
from .foreign import Foreign

pytestmark = [pytest.mark.onnx, pytest.mark.slow]


class Writer(Foreign):
    """Blocks of layers behind the last value, or behind `first`."""

    def conv(self, channels, filters, extent=3, stride=1, group=1, first=None, dilation=1, bn=True):
        pad = dilation * (extent - 1) // 2
        self(
            "Conv",
            self.weights(filters, channels // group, extent, extent),
            first=first,
            pads=[pad] * 4,
            strides=[stride] * 2,
            group=group,
            dilations=[dilation] * 2,
        )
        if bn:
            statistics = [self.weights(filters, positive=True) for _ in range(4)]
            self("BatchNormalization", *statistics, epsilon=1e-5)
        return self.last

    def relu(self, *args, **kwargs):
        self.conv(*args, **kwargs)
        return self("Relu")

    def head(self, channels, pooled="GlobalAveragePool"):
        self(pooled)
        self("Flatten")
        self("Gemm", self.weights(10, channels), self.weights(10), transB=1)

    def sizes(self, *values):
        return self.constant(np.array(values, np.int64))

    def number(self, value):
        return self.constant(np.float32(value))

    def gate(self, channels, function):
        x = self.last
        self("ReduceMean", axes=[2, 3], keepdims=1)
        self.conv(channels, 4, 1, bn=False)
        self("Relu")
        self.conv(4, channels, 1, bn=False)
        return self("Mul", function(self), first=x)


def resnext(f):
    x = f.relu(3, 16, 7, 2)
    f.relu(16, 8, 1)
    f.relu(8, 8, group=4)
    f.conv(8, 16, 1)
    f("Add", x)
    f("Relu")
    f.head(16)


def densenet(f):
    f.relu(3, 8, 7, 2)
    values = [f("MaxPool", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])]
    for _ in range(3):
        channels = 8 * len(values)
        joined = f("Concat", *values[1:], first=values[0], axis=1)
        statistics = [f.weights(channels, positive=True) for _ in range(4)]
        f("BatchNormalization", *statistics, first=joined)
        f("Relu")
        values.append(f.conv(channels, 8, bn=False))
    f("Concat", *values[1:], first=values[0], axis=1)
    f("AveragePool", kernel_shape=[2, 2], strides=[2, 2])
    f.head(32)


def googlenet(f):
    f.relu(3, 8, 7, 2)
    x = f("MaxPool", kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1)
    f.relu(8, 8, 1)
    branches = [f.relu(8, 8), f.relu(8, 4, 1, first=x)]
    f("MaxPool", first=x, kernel_shape=[3, 3], strides=[1, 1], pads=[1] * 4, ceil_mode=1)
    branches.append(f.relu(8, 4, 1))
    f("AveragePool", first=x, kernel_shape=[3, 3], pads=[1] * 4, count_include_pad=1)
    branches.append(f.relu(8, 4, 1))
    f("Concat", *branches[1:], first=branches[0], axis=1)
    f.head(20)


def mobilenet_v2(f):
    six = [f.number(0), f.number(6)]
    f.conv(3, 8, stride=2)
    x = f("Clip", *six)
    f.conv(8, 24, 1)
    f("Clip", *six)
    f.conv(24, 24, group=24)
    f("Clip", *six)
    f.conv(24, 8, 1)
    f("Add", x)
    f.head(8)


def mobilenet_v3(f):
    f.conv(3, 8, stride=2)
    f("HardSwish")
    f.conv(8, 8, 5, group=8)
    f.gate(8, lambda f: f("HardSigmoid", alpha=1 / 6))
    f.conv(8, 12, 1)
    x = f.last  # hard swish as older exporters spell it
    f("Add", f.number(3))
    f("Clip", f.number(0), f.number(6))
    f("Mul", f.last, first=x)
    f("Div", f.number(6))
    f.head(12)


def efficientnet(f):
    def swish():
        x = f.last
        f("Sigmoid")
        f("Mul", f.last, first=x)

    f("Pad", f.sizes(0, 0, 0, 0, 0, 0, 1, 1))
    f.conv(3, 8, 3, 2)
    swish()
    f.conv(8, 8, group=8)
    swish()
    f.gate(8, lambda f: f("Sigmoid"))
    f.head(8)


def shufflenet_v2(f):
    f.relu(3, 8, stride=2)
    f("Split", axis=1)
    f.nodes[-1].output.append("right")
    left = f.last
    f.relu(4, 4, 1, first="right")
    f.conv(4, 4, group=4)
    right = f.relu(4, 4, 1)
    f("Concat", right, first=left, axis=1)
    f("Reshape", f.sizes(0, 2, 4, 16, 16))
    f("Transpose", perm=[0, 2, 1, 3, 4])
    f("Reshape", f.sizes(0, 8, 16, 16))
    f("ReduceMean", axes=[2, 3], keepdims=0)
    f("Gemm", f.weights(10, 8), transB=1)


def convnext(f):
    f("Conv", f.weights(8, 3, 4, 4), f.weights(8), strides=[4, 4])
    x = f.last
    f.conv(8, 8, 7, group=8, bn=False)
    f("Transpose", perm=[0, 2, 3, 1])
    f("LayerNormalization", f.weights(8, positive=True), f.weights(8), epsilon=1e-6)
    f("MatMul", f.weights(8, 32))
    y = f("Add", f.weights(32))
    f("Div", f.number(2**0.5))
    f("Erf")
    f("Add", f.number(1))
    f("Mul", f.last, first=y)
    f("Mul", f.number(0.5))
    f("MatMul", f.weights(32, 8))
    f("Mul", f.weights(8))
    f("Transpose", perm=[0, 3, 1, 2])
    f("Add", x)
    f.head(8)


def nfnet(f):
    raw = f.weights(8, 3, 3, 3)
    mean = f("ReduceMean", first=raw, axes=[1, 2, 3], keepdims=1)
    centred = f("Sub", mean, first=raw)
    f("Mul", f.last)
    f("ReduceMean", axes=[1, 2, 3], keepdims=1)
    f("Add", f.number(1e-5))
    f("Sqrt")
    weights = f("Div", f.last, first=centred)
    f("Conv", weights, first="input.1", strides=[2, 2])
    f("Relu")
    f("Mul", f.number(1.7139588594436646))
    f.head(8)


def group_normalised(f):
    f.conv(3, 8, stride=2, bn=False)
    f("Reshape", f.sizes(0, 4, -1))
    f("InstanceNormalization", f.constant(np.ones(4, "f")), f.constant(np.zeros(4, "f")))
    f("Reshape", f.sizes(0, 8, 16, 16))
    f("Mul", f.weights(8, 1, 1, positive=True))
    f("Add", f.weights(8, 1, 1))
    f("Relu")
    f.head(8)


def hrnet(f):
    x = f.relu(3, 8, stride=2)
    f.relu(8, 8, stride=2)
    f.conv(8, 8, 1)
    f("Resize", "", f.constant(np.float32([1, 1, 2, 2])), mode="nearest", nearest_mode="floor")
    y = f("Add", x)
    f.conv(8, 8, stride=2)
    f(
        "Resize",
        "",
        "",
        f.sizes(3, 8, 16, 16),
        mode="linear",
        coordinate_transformation_mode="align_corners",
    )
    f("Add", y)
    f.head(8)


def channel_attention(f):
    """ECA: a convolution along the channels."""
    x = f.relu(3, 8, stride=2)
    f("ReduceMean", axes=[2, 3], keepdims=0)
    f("Unsqueeze", f.sizes(1))
    f("Conv", f.weights(1, 1, 3), pads=[1, 1])
    f("Sigmoid")
    f("Reshape", f.sizes(0, 8, 1, 1))
    f("Expand", f.sizes(1, 8, 16, 16))
    f("Mul", f.last, first=x)
    f.head(8)


def nonlocal_block(f):
    x = f.relu(3, 8, stride=4)
    flat = f("Reshape", f.sizes(0, 8, 64))
    turned = f("Transpose", perm=[0, 2, 1])
    f("MatMul", flat, first=turned)
    f("Softmax", axis=-1)
    f("MatMul", turned)
    f("Transpose", perm=[0, 2, 1])
    f("Reshape", f.sizes(0, 8, 8, 8))
    f("Add", x)
    f.head(8)


def unet(f):
    x = f.relu(3, 8)
    f("MaxPool", kernel_shape=[2, 2], strides=[2, 2])
    f.relu(8, 16)
    f("ConvTranspose", f.weights(16, 8, 2, 2), f.weights(8), strides=[2, 2])
    f("Concat", x, axis=1)
    f.relu(16, 8)
    f.head(8, "GlobalMaxPool")


def blurred(f):
    f.relu(3, 8, 7, 2)
    f("MaxPool", kernel_shape=[2, 2])
    f("Pad", f.sizes(0, 0, 1, 1, 0, 0, 1, 1), mode="reflect")
    row = np.float32([1, 2, 1])
    kernel = np.tile(np.outer(row, row) / 16, (8, 1, 1, 1))
    f("Conv", f.constant(kernel), strides=[2, 2], group=8)
    f.head(8)


ARCHITECTURES = [
    blurred,
    channel_attention,
    convnext,
    densenet,
    efficientnet,
    googlenet,
    group_normalised,
    hrnet,
    mobilenet_v2,
    mobilenet_v3,
    nfnet,
    nonlocal_block,
    resnext,
    shufflenet_v2,
    unet,
]


@pytest.mark.parametrize("engine", ["auto", "portable"])
@pytest.mark.parametrize("write", ARCHITECTURES, ids=lambda write: write.__name__)
def test_as_onnxruntime_computes_it(write, engine, rng, run):
    foreign = Writer(rng, (3, 32, 32))
    write(foreign)
    model = foreign.model()
    images = rng.normal(size=(3, 3, 32, 32)).astype(np.float32)
    (expected,) = run(model, images).values()
    extractor = from_onnx(model, engine=engine)
    assert extractor.layers_, "onnxruntime computes it, not we"
    assert_close(extractor.transform(images), expected, "float32")
