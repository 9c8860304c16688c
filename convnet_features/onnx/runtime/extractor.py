"""An ONNX model as a fitted extractor that onnxruntime computes."""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Sequence

import onnx

from ...exceptions import FileFormatError, NetworkError
from ...network.features import layer_names
from ...pretrained.extractor import PretrainedExtractor
from ...pretrained.loading import with_network
from ...validation import Targets
from ..channels import data_format
from .images import ImageInput, declare_sizes, image_input
from .model import ENGINE, RuntimeModel, Untrainable
from .values import Value, values_of
from .whole import cut, whole_model

__all__ = ["runtime_extractor"]

#: Samples for which shapes are found out where a model takes any number: not one, which sizes are
#: for other reasons, too.
MANY = 2


def runtime_extractor(
    source: str | os.PathLike[str] | bytes | onnx.ModelProto,
    output: str | None,
    feature_layer: str | Sequence[str] | None,
    input_shape: tuple[int, int, int] | None,
    why: str,
) -> PretrainedExtractor:
    """What `from_onnx` gives with ``engine="onnxruntime"``; its arguments mean the same.

    Parameters
    ----------
    source, output, feature_layer, input_shape
        As of `from_onnx`.
    why : str
        Why it is onnxruntime that computes, for `explain`.

    Returns
    -------
    PretrainedExtractor

    Raises
    ------
    EngineError
        If onnxruntime is not installed.
    FileFormatError, NetworkError
        If the model is not sound, does not take images alone, or is refused by
        onnxruntime.
    ValueError
        If there is no value or node of a name.
    """
    model = whole_model(source)
    images = image_input(model, input_shape)
    outputs = [value.name for value in model.graph.output]
    if output is not None:
        outputs = [_named(model, output)]
        cut(model, outputs)
    values, last = _values(model, images, outputs)
    if images.n_samples is None and last.n_samples == 1:
        images = dataclasses.replace(images, n_samples=1)
    n_outputs = math.prod(size or 1 for size in last.output_shape[1:])
    declare_sizes(model, images, images.n_samples)
    fitted = RuntimeModel(
        layers=Untrainable(model.graph.name or "ONNX model"),
        input_shape=images.shape,
        n_outputs=n_outputs,
        target="numbers",
        engine=ENGINE,
        contents=model.SerializeToString(),
        images=images,
        values_known=values,
        output=last.name,
        why=why,
    )
    features = last.name if feature_layer is None else feature_layer
    for name in layer_names(fitted.network, features, "feature_layer"):
        fitted._row_shape(name)
    targets = Targets("numbers", None, n_outputs, one_dimensional=False)
    extractor = with_network(fitted, features, targets)
    extractor.data_format = data_format(images.shape, images.channels_last)
    return extractor


def _named(model: onnx.ModelProto, output: str) -> str:
    """The value of that name, or the first of the node of that name."""
    nodes = model.graph.node
    if any(output in node.output for node in nodes):
        return output
    for node in nodes:
        if node.name == output and node.output:
            return str(node.output[0])
    names = ", ".join(repr(value.name) for value in model.graph.output[:10])
    raise FileFormatError(
        f"from_onnx: nothing in the model computes {output!r}; its outputs are {names}."
    )


def _values(
    model: onnx.ModelProto, images: ImageInput, outputs: Sequence[str]
) -> tuple[list[Value], Value]:
    """The model's values, and the one that it predicts."""
    refusal = None
    # Exporters trace one image, and may say that the model takes any number all the same.
    for n_samples in (images.n_samples,) if images.n_samples else (MANY, 1):
        try:
            values = values_of(model, images, n_samples)
            return values, _predicting(values, outputs)
        except NetworkError as error:
            refusal = refusal or error
    assert refusal is not None
    raise refusal


def _predicting(values: Sequence[Value], outputs: Sequence[str]) -> Value:
    """The last of a model's outputs that has a row for each sample."""
    by_name = {value.name: value for value in values}
    known = [by_name[name] for name in outputs if name in by_name]
    if not known:
        raise FileFormatError(
            f"from_onnx: no output of the model holds numbers; they are {list(outputs)!r:.200}."
        )
    for value in reversed(known):
        if value.is_by_rows:
            return value
    raise NetworkError(
        "from_onnx: no output of the model has one row of known size for each sample: "
        f"{', '.join(f'{value.name!r:.80} has the shape {value.shape}' for value in known[:5])}, "
        f"for {known[0].n_samples} samples. Give output= the name of a value that has."
    )
