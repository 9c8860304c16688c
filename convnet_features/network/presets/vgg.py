"""Plain chains of convolutions of 3×3: VGG."""

from __future__ import annotations

from collections.abc import Sequence

from ..spec import LayerSpec
from .chain import Chain

__all__ = ["vgg11", "vgg11_bn", "vgg16", "vgg16_bn"]

#: Filters of each convolution; 0 is a pooling.
_VGG11 = (64, 0, 128, 0, 256, 256, 0, 512, 512, 0, 512, 512, 0)
_VGG16 = (64, 64, 0, 128, 128, 0, *(256,) * 3, 0, *(512,) * 3, 0, *(512,) * 3, 0)


def vgg11() -> list[LayerSpec]:
    """VGG-11, as torchvision and timm have it: 133 million parameters for 1,000 classes.

    Returns
    -------
    list of LayerSpec
        For colour images of at least 32×32, 224×224 as a rule. Features are those of
        ``classifier_4``: 4,096 numbers. The output, ``classifier_6``, gets its units from y.

    References
    ----------
    Simonyan and Zisserman (2015), "Very deep convolutional networks for large-scale image
    recognition".
    """
    return _vgg(_VGG11, normalised=False)


def vgg11_bn() -> list[LayerSpec]:
    """`vgg11` with batch normalisation behind each convolution.

    Returns
    -------
    list of LayerSpec
        As `vgg11` gives them.
    """
    return _vgg(_VGG11, normalised=True)


def vgg16() -> list[LayerSpec]:
    """VGG-16, as torchvision and timm have it: 138 million parameters for 1,000 classes.

    Returns
    -------
    list of LayerSpec
        As `vgg11` gives them.

    References
    ----------
    Simonyan and Zisserman (2015), "Very deep convolutional networks for large-scale image
    recognition".
    """
    return _vgg(_VGG16, normalised=False)


def vgg16_bn() -> list[LayerSpec]:
    """`vgg16` with batch normalisation behind each convolution.

    Returns
    -------
    list of LayerSpec
        As `vgg11` gives them.
    """
    return _vgg(_VGG16, normalised=True)


def _vgg(plan: Sequence[int], normalised: bool) -> list[LayerSpec]:
    from lasagne.layers import DenseLayer, MaxPool2DLayer
    from lasagne.nonlinearities import identity

    from ...layers import AdaptivePool2DLayer

    chain, place = Chain(), 0  # places are counted as in PyTorch's Sequential
    for filters in plan:
        if not filters:
            chain.add(f"features_{place}", MaxPool2DLayer, pool_size=2)
            place += 1
            continue
        chain.convolve(f"features_{place}", filters, 3, biased=True)
        if normalised:
            chain.normalise(f"features_{place + 1}")
        place += 2 + normalised
        chain.rectify(f"features_{place - 1}")
    chain.add("avgpool", AdaptivePool2DLayer, size=7)
    for place in (0, 3):
        chain.add(f"classifier_{place}", DenseLayer, num_units=4096, nonlinearity=identity)
        chain.rectify(f"classifier_{place + 1}")
        chain.drop(f"classifier_{place + 2}", 0.5)
    return chain.predict("classifier_6")
