"""Residual networks."""

from __future__ import annotations

from collections.abc import Sequence

from ..spec import LayerSpec
from .chain import Chain

__all__ = ["resnet18", "resnet34", "resnet50"]

#: Filters of the four stages.
_WIDTHS = (64, 128, 256, 512)
#: How many times as many filters a block of ResNet-50 ends with.
_EXPANSION = 4


def resnet18() -> list[LayerSpec]:
    """ResNet-18, as torchvision and timm have it: 11.7 million parameters for 1,000 classes.

    Returns
    -------
    list of LayerSpec
        For colour images of any size, 224×224 as a rule. Features are those of ``avgpool``:
        512 numbers. The output, ``fc``, gets its units from y.

    See Also
    --------
    convnet_features.pretrained_extractor : Such a network with its weights.
    small_resnet : A residual network for small images.

    References
    ----------
    He, Zhang, Ren and Sun (2016), "Deep residual learning for image recognition".

    Examples
    --------
    >>> from convnet_features.network.presets import resnet18
    >>> [spec.name for spec in resnet18()][:6]
    ['input', 'conv1', 'bn1', 'relu', 'maxpool', 'layer1_0_conv1']
    """
    return _resnet((2, 2, 2, 2), bottleneck=False)


def resnet34() -> list[LayerSpec]:
    """ResNet-34, as torchvision and timm have it: 21.8 million parameters for 1,000 classes.

    Returns
    -------
    list of LayerSpec
        As `resnet18` gives them.

    References
    ----------
    He, Zhang, Ren and Sun (2016), "Deep residual learning for image recognition".
    """
    return _resnet((3, 4, 6, 3), bottleneck=False)


def resnet50() -> list[LayerSpec]:
    """ResNet-50, as torchvision and timm have it: 25.6 million parameters for 1,000 classes.

    A block that halves the image does so in its convolution of 3×3 (version 1.5).

    Returns
    -------
    list of LayerSpec
        As `resnet18` gives them; features are 2,048 numbers.

    References
    ----------
    He, Zhang, Ren and Sun (2016), "Deep residual learning for image recognition".
    """
    return _resnet((3, 4, 6, 3), bottleneck=True)


def _resnet(repeats: Sequence[int], bottleneck: bool) -> list[LayerSpec]:
    from lasagne.layers import MaxPool2DLayer

    chain = Chain()
    chain.convolve("conv1", 64, 7, 2)
    chain.normalise("bn1")
    chain.rectify("relu")
    chain.add("maxpool", MaxPool2DLayer, pool_size=3, stride=2, pad=1)
    width = 64
    for stage, (filters, count) in enumerate(zip(_WIDTHS, repeats, strict=True), start=1):
        end = filters * (_EXPANSION if bottleneck else 1)
        for repeat in range(count):
            stride = 2 if stage > 1 and not repeat else 1
            plan = [(filters, 3, stride), (end, 3, 1)]
            if bottleneck:
                plan = [(filters, 1, 1), (filters, 3, stride), (end, 1, 1)]
            _block(chain, f"layer{stage}_{repeat}", plan, shortcut=stride > 1 or width != end)
            width = end
    chain.average("avgpool")
    return chain.predict("fc")


def _block(chain: Chain, name: str, plan: Sequence[tuple[int, int, int]], shortcut: bool) -> None:
    """Convolutions of (filters, size, stride); what came in is added before the last rectify."""
    incoming = beside = chain.last
    for number, (filters, size, stride) in enumerate(plan, start=1):
        chain.convolve(f"{name}_conv{number}", filters, size, stride)
        chain.normalise(f"{name}_bn{number}")
        if number < len(plan):
            chain.rectify(f"{name}_relu{number}")
    ahead = chain.last
    if shortcut:
        stride = max(stride for _, _, stride in plan)
        chain.convolve(f"{name}_downsample_0", plan[-1][0], 1, stride, incoming=incoming)
        chain.normalise(f"{name}_downsample_1")
        beside = chain.last
    chain.sum(f"{name}_sum", ahead, beside)
    chain.rectify(f"{name}_relu")
