"""State dicts of PyTorch's networks as parameters of ours, found by their own names.

Our networks of these architectures call their layers as torchvision does, or timm where
torchvision has none, with underscores for points (`presets`). Others' names for the same layers
are translated here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from .build import Network
from .head import head
from .sketch import sketched
from .spec import LayerSpec
from .transfer import LoadReport

__all__ = ["check_complete", "is_state_dict", "number_of_outputs", "of_network"]

#: What PyTorch calls the parameters of its layers; ours are found by the kind of layer.
_PARAMETERS = ("weight", "bias", "running_mean", "running_var")
#: What a normalisation counts, and nobody needs.
_COUNT = "num_batches_tracked"


def is_state_dict(names: Iterable[str]) -> bool:
    """Whether all names end as PyTorch's parameters do.

    Parameters
    ----------
    names : iterable of str

    Returns
    -------
    bool
    """
    ends = [name.rpartition(".")[2] for name in names]
    return "weight" in ends and all(end in (*_PARAMETERS, _COUNT) for end in ends)


def of_network(arrays: Mapping[str, np.ndarray], network: Network) -> dict[str, np.ndarray]:
    """The arrays of a state dict under the names, and in the layouts, of a network's parameters.

    Dense layers multiply from the other side, so their weights are transposed; some convolutions
    turn their filters, or have other axes first; normalisations keep 1 / sqrt(variance + epsilon).

    Parameters
    ----------
    arrays : mapping of str to ndarray
        By PyTorch's names: ``layer1.0.conv1.weight``.
    network : Network

    Returns
    -------
    dict of str to ndarray
        By ``<layer>.<parameter>``. What the network has no layer for keeps its name.
    """
    prefixes = list(dict.fromkeys(name.rpartition(".")[0] for name in arrays))
    layers = _layers_called(prefixes, list(network.layers))
    found: dict[str, np.ndarray] = {}
    for name, array in arrays.items():
        prefix, _, end = name.rpartition(".")
        if end == _COUNT:
            continue
        layer = network.layers.get(layers.get(prefix, ""))
        ours = None if layer is None else _parameter(layer, end, np.asarray(array))
        if ours is None:
            found[name] = array
        else:
            found[f"{layers[prefix]}.{ours[0]}"] = ours[1]
    return found


def number_of_outputs(
    arrays: Mapping[str, np.ndarray], layers: Any, input_shape: tuple[int, ...]
) -> int | None:
    """How many outputs a network has by its parameters, where its own layers leave that open.

    Parameters
    ----------
    arrays : mapping of str to ndarray
        A state dict, or parameters under the network's own names.
    layers : list of LayerSpec, or callable
    input_shape : (int, int, int)

    Returns
    -------
    int or None
        None where the layers say it.
    """
    if not _leaves_outputs_open(layers):
        return None
    network = sketched(layers, input_shape, 1, "numbers")
    named = of_network(arrays, network) if is_state_dict(arrays) else arrays
    weights = named.get(f"{network.output.name}.W")
    return weights.shape[1] if weights is not None and weights.ndim == 2 else 1


def _leaves_outputs_open(layers: Any) -> bool:
    from lasagne.layers import DenseLayer

    if not isinstance(layers, Sequence) or not isinstance(layers[-1], LayerSpec):
        return False
    return issubclass(layers[-1].layer_class, DenseLayer) and "num_units" not in layers[-1].params


def check_complete(
    report: LoadReport,
    network: Network,
    of_head: bool = False,
    remedy: str = "strict=False takes those that fit",
) -> None:
    """That a source has what the network has, and nothing else.

    Parameters
    ----------
    report : LoadReport
    network : Network
    of_head : bool, default=False
        Whether the layers that predict must agree, too.
    remedy : str, default="strict=False takes those that fit"

    Raises
    ------
    ValueError
        If anything is missing, of another shape, or unknown; the text lists all of it.
    """
    ends = [] if of_head else head(network)
    missing = [name for name in report.missing if name.rpartition(".")[0] not in ends]
    misfits = {
        name: shapes
        for name, shapes in report.mismatched.items()
        if name.rpartition(".")[0] not in ends
    }
    if not (missing or misfits or report.unused):
        return
    lines = [
        f"{name} has the shape {there} in the source, {here} in the network"
        for name, (there, here) in misfits.items()
    ]
    if missing:
        lines.append(f"not in the source: {', '.join(missing)}")
    if report.unused:
        lines.append(f"not in the network: {', '.join(report.unused)}")
    raise ValueError(
        "the parameters are not those of this network, which has been left as it was "
        f"({remedy}):\n" + "\n".join(lines)
    )


def _parameter(layer: Any, end: str, array: np.ndarray) -> tuple[str, np.ndarray] | None:
    """What the layer calls a parameter, and its value as the layer has it."""
    if hasattr(layer, "inv_std"):
        name = {"weight": "gamma", "bias": "beta", "running_mean": "mean"}.get(end)
        if name is not None:
            return name, array
        with np.errstate(all="ignore"):  # what is not finite is refused later, by name
            return "inv_std", 1 / np.sqrt(array.astype(np.float64) + layer.epsilon)
    if end == "bias" and getattr(layer, "b", None) is not None:
        return "b", array
    if end == "weight" and hasattr(layer, "W"):
        return "W", _weights(layer, array)
    return None


def _weights(layer: Any, array: np.ndarray) -> np.ndarray:
    """Filters of a convolution, the matrix of a dense layer, or the rows of an embedding."""
    from lasagne.layers import EmbeddingLayer

    from ..layers import DilatedConv2DLayer, TransposedConv2DLayer

    n_axes = layer.W.ndim
    if isinstance(layer, EmbeddingLayer):
        return array
    if n_axes == 2 and array.ndim >= 2:
        return array.reshape(len(array), -1).T
    if n_axes == 4 and array.ndim == 2:
        array = array[:, :, None, None]
    if array.ndim != n_axes:
        return array
    if isinstance(layer, DilatedConv2DLayer):  # it has the maps that it reads first
        return array.swapaxes(0, 1)
    # A transposed convolution is a convolution's gradient, which turns the filters once more.
    turned = bool(getattr(layer, "flip_filters", False))
    if turned != isinstance(layer, TransposedConv2DLayer):
        return np.flip(array, tuple(range(2, n_axes)))
    return array


def _layers_called(prefixes: Sequence[str], layers: Sequence[str]) -> dict[str, str]:
    """Our layer for each of PyTorch's, by the dialect that knows most of them."""
    spoken = [dialect(prefixes, layers) for dialect in _DIALECTS]
    known = [{p: name for p, name in each.items() if name in layers} for each in spoken]
    return max(known, key=len)


def _own(prefixes: Sequence[str], layers: Sequence[str]) -> dict[str, str]:
    """torchvision's names, and timm's of EfficientNet and of residual networks."""
    return {prefix: prefix.replace(".", "_") for prefix in prefixes}


def _timm_vgg(prefixes: Sequence[str], layers: Sequence[str]) -> dict[str, str]:
    """timm's VGG, whose dense layers are convolutions."""
    ends = {
        "pre_logits.fc1": "classifier_0",
        "pre_logits.fc2": "classifier_3",
        "head.fc": "classifier_6",
    }
    return _own(prefixes, layers) | {p: ends[p] for p in prefixes if p in ends}


def _timm_mobilenet(prefixes: Sequence[str], layers: Sequence[str]) -> dict[str, str]:
    """timm's MobileNet V2, in torchvision's names."""
    ends = {
        "conv_stem": "features_0_0",
        "bn1": "features_0_1",
        "conv_head": "features_18_0",
        "bn2": "features_18_1",
        "classifier": "classifier_1",
    }
    first = {"conv_dw": "conv_0_0", "bn1": "conv_0_1", "conv_pw": "conv_1", "bn2": "conv_2"}
    others = {
        "conv_pw": "conv_0_0",
        "bn1": "conv_0_1",
        "conv_dw": "conv_1_0",
        "bn2": "conv_1_1",
        "conv_pwl": "conv_2",
        "bn3": "conv_3",
    }
    blocks = _numbered(prefixes, r"blocks\.(\d+)\.(\d+)\.")
    found = {p: ends[p] for p in prefixes if p in ends}
    for prefix, (number, part) in blocks.items():
        inside = first if not number else others
        if part in inside:
            found[prefix] = f"features_{number + 1}_{inside[part]}"
    return found


def _melas_efficientnet(prefixes: Sequence[str], layers: Sequence[str]) -> dict[str, str]:
    """The names of the package efficientnet_pytorch, and of those made of it."""
    ends = {
        "_conv_stem": "conv_stem",
        "_bn0": "bn1",
        "_conv_head": "conv_head",
        "_bn1": "bn2",
        "_fc": "classifier",
    }
    names = list(_numbered(layers, r"blocks_(\d+)_(\d+)_").items())
    blocks = {number: re.match(r"blocks_\d+_\d+_", name)[0] for name, (number, _) in names}  # type: ignore[index]
    found = {p: ends[p] for p in prefixes if p in ends}
    for prefix, (number, part) in _numbered(prefixes, r"_blocks\.(\d+)\.").items():
        widens = f"_blocks.{number}._expand_conv" in prefixes
        inside = {
            "_expand_conv": "conv_pw",
            "_depthwise_conv": "conv_dw",
            "_project_conv": "conv_pwl" if widens else "conv_pw",
            "_bn0": "bn1",
            "_bn1": "bn2" if widens else "bn1",
            "_bn2": "bn3" if widens else "bn2",
        }
        if part in inside and number in blocks:
            found[prefix] = blocks[number] + inside[part]
    return found


def _numbered(names: Iterable[str], block: str) -> dict[str, tuple[int, str]]:
    """For names in blocks: the number of the block, in the order of its numbers, and the rest."""
    matches = {name: match for name in names if (match := re.match(block, name))}
    places = {
        name: tuple(map(int, re.findall(r"\d+", match[0]))) for name, match in matches.items()
    }
    numbers = {place: number for number, place in enumerate(sorted(set(places.values())))}
    return {name: (numbers[places[name]], name[match.end() :]) for name, match in matches.items()}


_Dialect = Callable[[Sequence[str], Sequence[str]], dict[str, str]]
_DIALECTS: tuple[_Dialect, ...] = (_own, _timm_vgg, _timm_mobilenet, _melas_efficientnet)
