"""SqueezeNet."""

from __future__ import annotations

from ..spec import LayerSpec
from .chain import Chain

__all__ = ["squeezenet1_1"]

#: (squeezed, expanded) filters of each fire module by its place; 0 squeezed is a pooling.
_PLAN = {
    2: (0, 0),
    3: (16, 64),
    4: (16, 64),
    5: (0, 0),
    6: (32, 128),
    7: (32, 128),
    8: (0, 0),
    9: (48, 192),
    10: (48, 192),
    11: (64, 256),
    12: (64, 256),
}


def squeezenet1_1(n_classes: int = 1000) -> list[LayerSpec]:
    """SqueezeNet 1.1, as torchvision has it: 1.2 million parameters for 1,000 classes.

    Parameters
    ----------
    n_classes : int, default=1000
        Maps of the last convolution, whose means are the predictions.

    Returns
    -------
    list of LayerSpec
        For colour images of at least 17×17, 224×224 as a rule. Features are those of
        ``features_12``: 512 maps.

    References
    ----------
    Iandola et al. (2016), "SqueezeNet: AlexNet-level accuracy with 50x fewer parameters and
    <0.5MB model size".
    """
    from lasagne.layers import MaxPool2DLayer
    from lasagne.nonlinearities import softmax

    chain = Chain()
    chain.convolve("features_0", 64, 3, 2, biased=True, pad=0)
    chain.rectify("features_1")
    for place, (squeezed, expanded) in _PLAN.items():
        if squeezed:
            _fire(chain, f"features_{place}", squeezed, expanded)
        else:
            pooling = {"pool_size": 3, "stride": 2, "ignore_border": False}
            chain.add(f"features_{place}", MaxPool2DLayer, **pooling)
    chain.drop("classifier_0", 0.5)
    chain.convolve("classifier_1", n_classes, 1, biased=True)
    chain.rectify("classifier_2")
    chain.average("classifier_3")
    chain.apply("output", softmax)
    return chain.specs


def _fire(chain: Chain, name: str, squeezed: int, expanded: int) -> None:
    """A convolution of 1×1 to few maps; of these, convolutions of 1×1 and of 3×3 side by side."""
    from lasagne.layers import ConcatLayer

    chain.convolve(f"{name}_squeeze", squeezed, 1, biased=True)
    chain.rectify(f"{name}_squeeze_activation")
    incoming, ends = chain.last, []
    for size in (1, 3):
        part = f"{name}_expand{size}x{size}"
        chain.convolve(part, expanded, size, biased=True, incoming=incoming)
        chain.rectify(f"{part}_activation")
        ends.append(chain.last)
    chain.add(name, ConcatLayer, incomings=ends)
