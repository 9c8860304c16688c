"""EfficientNet-Lite."""

from __future__ import annotations

import math

from ..spec import LayerSpec
from .chain import Chain

__all__ = ["efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2"]

#: (repeats, size, stride, expansion, filters) of each stage of Lite0.
_PLAN = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
#: What filters are a multiple of.
_DIVISOR = 8


def efficientnet_lite0(same_padding: bool = True) -> list[LayerSpec]:
    """EfficientNet-Lite0: 4.7 million parameters for 1,000 classes.

    EfficientNet without squeeze-and-excitation, and with the rectifier with a ceiling of 6.

    Parameters
    ----------
    same_padding : bool, default=True
        Borders as TensorFlow's "same" convolutions have them, one pixel wider on the right and
        at the bottom, and normalisations that add 0.001 to a variance: for Google's weights,
        which timm calls ``tf_efficientnet_lite0``. False has borders alike on both sides, and
        0.00001, for the weights that timm calls ``efficientnet_lite0``.

    Returns
    -------
    list of LayerSpec
        For colour images of any size, 224×224 as a rule. Features are those of ``global_pool``:
        1,280 numbers. The output, ``classifier``, gets its units from y.

    See Also
    --------
    convnet_features.pretrained_extractor : This network with Google's weights.

    References
    ----------
    Tan and Le (2019), "EfficientNet: rethinking model scaling for convolutional neural
    networks"; Liu (2020), "Higher accuracy on vision models with EfficientNet-Lite".

    Examples
    --------
    >>> from convnet_features.network.presets import efficientnet_lite0
    >>> [spec.name for spec in efficientnet_lite0()][-3:]
    ['global_pool', 'dropout', 'classifier']
    """
    return _efficientnet_lite(1.0, 1.0, 0.2, same_padding)


def efficientnet_lite1(same_padding: bool = True) -> list[LayerSpec]:
    """EfficientNet-Lite1, for images of 240×240 as a rule: 5.4 million parameters.

    Parameters
    ----------
    same_padding : bool, default=True
        As of `efficientnet_lite0`.

    Returns
    -------
    list of LayerSpec
        As `efficientnet_lite0` gives them.
    """
    return _efficientnet_lite(1.0, 1.1, 0.2, same_padding)


def efficientnet_lite2(same_padding: bool = True) -> list[LayerSpec]:
    """EfficientNet-Lite2, for images of 260×260 as a rule: 6.1 million parameters.

    Parameters
    ----------
    same_padding : bool, default=True
        As of `efficientnet_lite0`.

    Returns
    -------
    list of LayerSpec
        As `efficientnet_lite0` gives them.
    """
    return _efficientnet_lite(1.1, 1.2, 0.3, same_padding)


def _efficientnet_lite(
    width: float, depth: float, dropout: float, same_padding: bool
) -> list[LayerSpec]:
    chain = _Lite(epsilon=1e-3 if same_padding else 1e-5, same_padding=same_padding)
    chain.convolve("conv_stem", 32, 3, 2)
    chain.normalise("bn1")
    chain.cap("act1")
    channels = 32
    for stage, (repeats, size, stride, expansion, filters) in enumerate(_PLAN):
        # The first stage and the last keep their depth.
        count = repeats if stage in (0, len(_PLAN) - 1) else math.ceil(repeats * depth)
        for repeat in range(count):
            plan = (size, stride if not repeat else 1, expansion, _rounded(filters * width))
            chain.block(f"blocks_{stage}_{repeat}", channels, *plan)
            channels = plan[-1]
    chain.convolve("conv_head", 1280, 1)
    chain.normalise("bn2")
    chain.cap("act2")
    chain.average("global_pool")
    chain.drop("dropout", dropout)
    return chain.predict("classifier")


def _rounded(filters: float) -> int:
    """The nearest multiple, which is not less than nine tenths of what was asked for."""
    nearest = max(_DIVISOR, int(filters + _DIVISOR / 2) // _DIVISOR * _DIVISOR)
    return nearest + _DIVISOR if nearest < 0.9 * filters else nearest


class _Lite(Chain):
    """The layers of an EfficientNet-Lite."""

    def __init__(self, epsilon: float, same_padding: bool) -> None:
        super().__init__(epsilon)
        self.same_padding = same_padding

    def convolve(
        self,
        name: str,
        n_filters: int,
        size: int,
        stride: int = 1,
        groups: int = 1,
        *,
        biased: bool = False,
        **params: object,
    ) -> None:
        """A convolution, with TensorFlow's borders where these are asked for and differ."""
        from ...layers import SamePadLayer

        if self.same_padding and stride > 1:
            self.add(f"{name}_pad", SamePadLayer, filter_size=size, stride=stride)
            params = {"pad": 0, **params}
        super().convolve(name, n_filters, size, stride, groups, biased=biased, **params)

    def cap(self, name: str) -> None:
        """min(max(x, 0), 6)."""
        from ...nonlinearities import relu6

        self.apply(name, relu6)

    def block(
        self, name: str, channels: int, size: int, stride: int, expansion: int, filters: int
    ) -> None:
        """More maps, a depthwise convolution, fewer maps; what came in is added where it fits."""
        incoming, wide, number = self.last, channels * expansion, 1
        if expansion != 1:
            self.convolve(f"{name}_conv_pw", wide, 1)
            self.normalise(f"{name}_bn1")
            self.cap(f"{name}_act1")
            number = 2
        self.convolve(f"{name}_conv_dw", wide, size, stride, groups=wide)
        self.normalise(f"{name}_bn{number}")
        self.cap(f"{name}_act{number}")
        self.convolve(f"{name}_conv_{'pw' if expansion == 1 else 'pwl'}", filters, 1)
        self.normalise(f"{name}_bn{number + 1}")
        if stride == 1 and channels == filters:
            self.sum(f"{name}_sum", incoming, self.last)
