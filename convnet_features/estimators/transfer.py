"""Parameters of estimators: saved, loaded, and taken over from others."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.utils.validation import check_is_fitted

from ..caller import users_level
from ..exceptions import ConvNetFeaturesWarning, NetworkError
from ..files.errors import errors_naming
from ..files.layer_values import Values, looks_like_values, read_values
from ..files.safetensors import looks_like_safetensors, read_arrays, write_arrays
from ..files.state_dicts import looks_like_state_dict, read_state_dict
from ..network.build import Network
from ..network.head import head
from ..network.inputs import plain_shape
from ..network.model import Model
from ..network.sketch import sketched
from ..network.state_dicts import (
    check_complete,
    is_state_dict,
    number_of_outputs,
    of_network,
)
from ..network.transfer import LoadReport, load_values, matching_values
from .taking_over import network_to_take_over, without_head

__all__ = [
    "TransferableParameters",
    "load_pretrained",
    "load_whole",
    "parameters_of",
    "plain_classes",
]


class TransferableParameters:
    """`save_params` and `load_params`, for estimators that hold a model."""

    def save_params(self, path: str | os.PathLike[str]) -> None:
        """Write the network's parameters to a safetensors file.

        The file holds arrays under ``<layer>.<parameter>`` (``conv2d1.W``), the
        running averages of batch normalisation included, and can be read by any
        safetensors library. It is replaced at once, or not at all.

        Parameters
        ----------
        path : str or path-like

        See Also
        --------
        load_params : Read them back, into this network or another.
        """
        check_is_fitted(self)
        model: Model = self._model  # type: ignore[attr-defined]
        notes = {"kind": "parameters", **_described(model)}
        write_arrays(path, model.named_values, notes)

    def load_params(self, source: Any, *, strict: bool | str = "auto") -> LoadReport:
        """Take over parameters that have the same layer's name and the same shape.

        The layers that predict keep theirs, with a warning, where the source's
        outputs stand for other classes.

        The network of a fitted estimator changes at once. In any case, every later
        `fit` begins with these parameters instead of random ones; ``load_report_``
        says which it took. A clone does not have them: use ``pretrained=`` to carry
        parameters through a grid search.

        Parameters
        ----------
        source : fitted estimator, path, or mapping of str to ndarray
            Arrays of the parameters' own shapes, by ``<layer>.<parameter>``. A
            path leads to a file of `save_params`, of a
            `~convnet_features.callbacks.Checkpoint`, or of a network of nolearn's
            (``save_params_to``: a pickle, of which arrays are read and nothing is
            run). A state dict of PyTorch's, of torchvision's or timm's names, is read
            from ``.pth``, safetensors or a mapping, for the networks that
            `convnet_features.network.presets` has of theirs, and for others whose
            layers are called alike, with underscores for points.
        strict : bool or "auto", default="auto"
            True raises where a parameter is missing, has another shape, or is not
            known, the layers that predict left out; False takes what fits. "auto"
            is True for state dicts, and False for everything else.

        Returns
        -------
        LoadReport
            What was taken, and what was not.

        Raises
        ------
        FileFormatError
            If the file is none of the kind, is damaged, or does not hold what
            it says. Nothing has been loaded then.
        ValueError
            If another source holds something else than finite numbers; or, with
            `strict`, if it is not this network's: the text says what does not fit.
        NotFittedError
            If neither this estimator nor the source says what images the
            network is for.
        """
        arrays, described = parameters_of(source)
        strict = is_state_dict(arrays) if strict == "auto" else bool(strict)
        with errors_naming(source):
            mine: Model | None = getattr(self, "_model", None)
            if mine is not None:
                report = _load(mine, arrays, _apart(mine, described, "load_params"), strict)
            else:
                network = self._sketch(source, arrays, described)
                named = network.named_params
                shapes = {name: each.get_value(borrow=True).shape for name, each in named.items()}
                report, _ = matching_values(shapes, _by_name(arrays, network))
                if strict:
                    check_complete(report, network)
        self._loaded, self._loaded_from, self._loaded_strictly = arrays, described, strict
        return report

    def _sketch(self, source: Any, arrays: Mapping[str, Any], described: Any) -> Network:
        """This estimator's network without values, for the images and outputs of a source."""
        shape = self._declared_shape()
        if described is None and is_state_dict(arrays) and shape is not None:
            layers = self._network_layers(shape)  # type: ignore[attr-defined]
            n_outputs = number_of_outputs(arrays, layers, shape)
            described = {"input_shape": shape, "n_outputs": n_outputs, "target": "classes"}
        if described is None:
            raise NotFittedError(
                f"{type(self).__name__} is not fitted and the source does not say what images "
                "its network is for: fit first, or give pretrained=source, or "
                "input_shape=(channels, height, width)."
            )
        known = _checked(described, self._reads_images())
        layers = self._network_layers(known["input_shape"])  # type: ignore[attr-defined]
        try:
            return sketched(layers, **known)
        except NetworkError as error:
            if not isinstance(source, str | os.PathLike):
                raise
            raise ValueError(
                f"it is for images of {known['input_shape']} and {known['n_outputs']} outputs, for "
                f"which this network cannot be built: {error}"
            ) from error

    def _reads_images(self) -> bool:
        """Whether the layers say nothing else than that X is images."""
        inputs = self._declared_inputs()  # type: ignore[attr-defined]
        if len(inputs) > 1 or self._takes_sequences():  # type: ignore[attr-defined]
            return False
        return all(shape is None or len(shape) == _IMAGE for shape in inputs.values())

    def _declared_shape(self) -> tuple[int, int, int] | None:
        """The shape of images that the parameters of the estimator say."""
        shape = self.input_shape  # type: ignore[attr-defined]
        return None if shape is None else tuple(shape)


def _checked(described: dict[str, Any], of_images: bool) -> dict[str, Any]:
    """The description that a source gives of its network, as `parameter_shapes` takes it."""
    shape, n_outputs = described.get("input_shape"), described.get("n_outputs")
    target = described.get("target")
    checked: Any
    if of_images:
        checked = _shape_of_images(shape)
    elif isinstance(shape, Mapping):
        checked = {name: _shape_of_sample(each) for name, each in shape.items()}
    else:
        checked = _shape_of_sample(shape)
    if n_outputs is not None and not _is_size(n_outputs):
        raise ValueError(
            f"it says that its network has {n_outputs!r:.80} outputs; that is a number from 1 to "
            f"{_MAX_SIZE}, or none."
        )
    if target not in _TARGETS:
        raise ValueError(
            f"it says that its network is for {target!r:.80}; that is one of {', '.join(_TARGETS)}."
        )
    return {"input_shape": checked, "n_outputs": n_outputs, "target": target}


def _shape_of_images(shape: Any) -> tuple[int, ...]:
    sizes = [*shape] if isinstance(shape, list | tuple) else []
    if len(sizes) != _IMAGE or not all(_is_size(each) for each in sizes):
        raise ValueError(
            f"it says that its images have the shape {shape!r:.80}; that is (channels, height, "
            f"width), each from 1 to {_MAX_SIZE}."
        )
    return tuple(sizes)


def _shape_of_sample(shape: Any) -> tuple[int | None, ...]:
    """That of one input among several, or of a sequence, of which a size may be any."""
    sizes = [*shape] if isinstance(shape, list | tuple) else []
    if not 1 <= len(sizes) <= _MAX_AXES or not all(e is None or _is_size(e) for e in sizes):
        raise ValueError(
            f"it says that its samples have the shape {shape!r:.80}; that is 1 to {_MAX_AXES} "
            f"sizes, each from 1 to {_MAX_SIZE}, or none."
        )
    return tuple(sizes)


_TARGETS = ("classes", "numbers", "labels")
_MAX_SIZE = 2**31 - 1
_MAX_AXES = 8
#: (channels, height, width)
_IMAGE = 3


def _is_size(value: Any) -> bool:
    return type(value) is int and 1 <= value <= _MAX_SIZE


def load_pretrained(estimator: Any, model: Model) -> LoadReport | None:
    """Load the parameters of `pretrained` or `load_params` into a new model, if there are any."""
    source, arrays = estimator.pretrained, getattr(estimator, "_loaded", None)
    described = getattr(estimator, "_loaded_from", None)
    strict = getattr(estimator, "_loaded_strictly", False)
    if source is not None:
        arrays, described = parameters_of(source)
        strict = is_state_dict(arrays)
    taken_over = network_to_take_over(estimator)
    remedy = "strict=False takes those that fit"
    if taken_over is not None and arrays is not None:
        arrays, strict = without_head(taken_over, arrays), True
        remedy = "give images of the same size; or layers, which take of pretrained what fits"
    if arrays is None:
        return None
    with errors_naming(source):
        report = _load(model, arrays, _apart(model, described, "pretrained"), strict, remedy)
    if not report.loaded:
        raise ValueError(f"None of the parameters to begin with belongs to this network.\n{report}")
    return report


def load_whole(model: Model, source: Any, arrays: Mapping[str, np.ndarray]) -> None:
    """Load all of a network's parameters; a ValueError says what is missing or does not fit."""
    with errors_naming(source):
        load_values(
            model,
            _by_name(arrays, model.network),
            check=lambda report: check_complete(report, model.network, of_head=True),
        )


def _load(
    model: Model,
    arrays: Mapping[str, np.ndarray],
    apart: list[str],
    strict: bool,
    remedy: str = "strict=False takes those that fit",
) -> LoadReport:
    """Load what fits; with `strict`, everything or nothing."""

    def check(report: LoadReport) -> None:
        if strict:
            check_complete(report, model.network, remedy=remedy)

    return load_values(model, _by_name(arrays, model.network), apart, check)


def _by_name(arrays: Mapping[str, np.ndarray], network: Network) -> Mapping[str, np.ndarray]:
    """By our names, where they are PyTorch's."""
    return of_network(arrays, network) if is_state_dict(arrays) else arrays


def parameters_of(source: Any) -> tuple[dict[str, np.ndarray], dict[str, Any] | None]:
    """Arrays by name (copies), and what they say of the network's images and outputs."""
    if isinstance(source, FrozenEstimator):
        source = source.estimator
    if isinstance(source, Mapping):
        return {name: np.array(value) for name, value in source.items()}, None
    if isinstance(source, str | os.PathLike):
        if looks_like_state_dict(source):
            return read_state_dict(source), None
        if looks_like_values(source) and not looks_like_safetensors(source):
            return _by_position(read_values(source)), None
        arrays, notes = read_arrays(source)
        known = notes if isinstance(notes, dict) and "input_shape" in notes else None
        if known and known.get("kind") == "checkpoint":
            # Names without a point hold the rest of a training's state.
            arrays = {name: value for name, value in arrays.items() if "." in name}
        return arrays, known
    model = getattr(source, "_model", None)
    if not isinstance(model, Model):
        raise ValueError(
            f"Parameters come from a fitted estimator, a path or a mapping; got {source!r}. "
            "A clone of a fitted estimator is not fitted: wrap it in "
            "sklearn.frozen.FrozenEstimator to have it survive a grid search."
        )
    arrays = {name: value.copy() for name, value in model.named_values.items()}
    return arrays, _described(model)


def _by_position(values: Values) -> dict[str, np.ndarray]:
    """Each layer's arrays under ``<layer>.<position>``."""
    return {
        f"{layer}.{position}": value
        for layer, held in values.items()
        for position, value in enumerate(held)
    }


def _described(model: Model) -> dict[str, Any]:
    """A description of a network's images and outputs."""
    return {
        "input_shape": plain_shape(model.input_shape),
        "n_outputs": model.n_outputs,
        "target": model.target,
        "classes": model.classes,
    }


def _apart(model: Model, described: dict[str, Any] | None, what: str) -> list[str]:
    """The layers that predict, with a warning, if those of a source stand for something else."""
    mine, theirs = _meaning(_described(model)), _meaning(described or {})
    if mine is None or theirs is None or mine == theirs:
        return []
    layers = head(model.network)
    if described and described.get("n_outputs") == model.n_outputs:
        warnings.warn(
            f"{what}: the parameters of {', '.join(map(repr, layers))} are left as they are: the "
            f"source's outputs stand for {_shown(*theirs)}, and those of this network for "
            f"{_shown(*mine)}. A mapping from names to arrays is taken whatever it stands for.",
            ConvNetFeaturesWarning,
            stacklevel=users_level(),
        )
        return layers
    return []  # their shapes tell them apart


def _meaning(described: Mapping[str, Any]) -> tuple[str, list[Any] | None] | None:
    """What outputs stand for; None where it is not known."""
    target, classes = described.get("target"), described.get("classes")
    if target == "numbers" and described.get("n_outputs") is not None:
        return target, None
    if target in _TARGETS and isinstance(classes, list):
        return target, classes
    return None


def _shown(target: str, classes: list[Any] | None) -> str:
    if classes is None:
        return "numbers"
    more = ", ..." if len(classes) > _MANY else ""
    return f"the {target} {', '.join(f'{each!r:.40}' for each in classes[:_MANY])}{more}"


#: Classes that a warning lists.
_MANY = 10


def plain_classes(classes: np.ndarray | None) -> list[Any] | None:
    """Classes as JSON has them."""
    if classes is None:
        return None
    return [
        each if isinstance(each, bool | int | float | str) else str(each)
        for each in classes.tolist()
    ]
