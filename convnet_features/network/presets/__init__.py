"""Networks that are there without being declared."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...deferred import deferred

if TYPE_CHECKING:
    from .default import default_network, seed_network, small_resnet
    from .efficientnet import efficientnet_lite0, efficientnet_lite1, efficientnet_lite2
    from .mobilenet import mobilenet_v2
    from .resnet import resnet18, resnet34, resnet50
    from .squeezenet import squeezenet1_1
    from .vgg import vgg11, vgg11_bn, vgg16, vgg16_bn

__all__ = [
    "default_network",
    "efficientnet_lite0",
    "efficientnet_lite1",
    "efficientnet_lite2",
    "mobilenet_v2",
    "resnet18",
    "resnet34",
    "resnet50",
    "seed_network",
    "small_resnet",
    "squeezenet1_1",
    "vgg11",
    "vgg11_bn",
    "vgg16",
    "vgg16_bn",
]

__getattr__, __dir__ = deferred(
    __name__,
    {
        "default": "default_network seed_network small_resnet",
        "efficientnet": "efficientnet_lite0 efficientnet_lite1 efficientnet_lite2",
        "mobilenet": "mobilenet_v2",
        "resnet": "resnet18 resnet34 resnet50",
        "squeezenet": "squeezenet1_1",
        "vgg": "vgg11 vgg11_bn vgg16 vgg16_bn",
    },
)
