"""The warning of networks that are larger than their user may think."""

from __future__ import annotations

import math
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from ..caller import users_level
from ..exceptions import ConvNetFeaturesWarning
from .build import Target
from .sketch import parameter_shapes
from .spec import LayerSpec

__all__ = ["LARGE", "warn_if_large"]

#: Parameters from which on a network is worth a warning.
LARGE = 100_000_000
#: Bytes a parameter in training: float32 for itself, its gradient, and the update rule's memory.
_BYTES = 3 * 4


def warn_if_large(
    layers: Sequence[LayerSpec] | Callable[..., Any] | Any,
    input_shape: tuple[int, ...],
    n_outputs: int | None,
    target: Target,
) -> None:
    """Warn of a network with more than `LARGE` parameters, which is not built for that.

    Parameters
    ----------
    layers, input_shape, n_outputs, target
        As `build_network` takes them.

    Raises
    ------
    NetworkError
        As `build_network` does.
    """
    sizes: Counter[str] = Counter()
    shapes = parameter_shapes(layers, input_shape, n_outputs, target)
    for name, shape in shapes.items():
        sizes[name.rpartition(".")[0]] += math.prod(shape)
    total = sizes.total()
    if total <= LARGE:
        return
    ((largest, size),) = sizes.most_common(1)
    warnings.warn(
        f"The network has {total:,} parameters, {size:,} of them in layer {largest!r}: training "
        f"takes at least {total * _BYTES / 1e9:.1f} GB for them. Its images have the shape "
        f"{tuple(input_shape)}. Give {largest!r} fewer units or filters, put more pooling (or a "
        "GlobalPoolLayer) in front of it, make the images smaller, or, where rows of X are "
        "images, say so by input_shape=(channels, height, width).",
        ConvNetFeaturesWarning,
        stacklevel=users_level(),
    )
