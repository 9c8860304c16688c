"""MobileNet V2."""

from __future__ import annotations

from ..spec import LayerSpec
from .chain import Chain

__all__ = ["mobilenet_v2"]

#: (expansion, filters, repeats, stride of the first) of each stage.
_PLAN = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


def mobilenet_v2() -> list[LayerSpec]:
    """MobileNet V2, as torchvision and timm have it: 3.5 million parameters for 1,000 classes.

    Returns
    -------
    list of LayerSpec
        For colour images of any size, 224×224 as a rule. Features are those of ``avgpool``:
        1,280 numbers. The output, ``classifier_1``, gets its units from y.

    References
    ----------
    Sandler, Howard, Zhu, Zhmoginov and Chen (2018), "MobileNetV2: inverted residuals and
    linear bottlenecks".

    Examples
    --------
    >>> from convnet_features.network.presets import mobilenet_v2
    >>> [spec.name for spec in mobilenet_v2()][-3:]
    ['avgpool', 'classifier_0', 'classifier_1']
    """
    chain = Chain()
    _convolution(chain, "features_0", 32, 3, stride=2)
    width, place = 32, 0
    for expansion, filters, count, first in _PLAN:
        for repeat in range(count):
            place += 1
            stride = first if not repeat else 1
            _block(chain, f"features_{place}", width, filters, expansion, stride)
            width = filters
    _convolution(chain, "features_18", 1280, 1)
    chain.average("avgpool")
    chain.drop("classifier_0", 0.2)
    return chain.predict("classifier_1")


def _block(chain: Chain, name: str, width: int, filters: int, expansion: int, stride: int) -> None:
    """More maps, a depthwise convolution, fewer maps; what came in is added where it fits."""
    incoming, place = chain.last, 0
    wide = width * expansion
    if expansion != 1:
        _convolution(chain, f"{name}_conv_0", wide, 1)
        place = 1
    _convolution(chain, f"{name}_conv_{place}", wide, 3, stride=stride, groups=wide)
    chain.convolve(f"{name}_conv_{place + 1}", filters, 1)
    chain.normalise(f"{name}_conv_{place + 2}")
    if stride == 1 and width == filters:
        chain.sum(f"{name}_sum", incoming, chain.last)


def _convolution(
    chain: Chain, name: str, filters: int, size: int, stride: int = 1, groups: int = 1
) -> None:
    """A convolution, batch normalisation, and the rectifier with a ceiling of 6."""
    from ...nonlinearities import relu6

    chain.convolve(f"{name}_0", filters, size, stride, groups)
    chain.normalise(f"{name}_1")
    chain.apply(f"{name}_2", relu6)
