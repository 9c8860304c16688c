"""A fitted network as an ONNX model."""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper
from sklearn.frozen import FrozenEstimator
from sklearn.utils.validation import check_is_fitted

from .._version import __version__
from ..caller import users_level
from ..estimators.base import BaseConvNet
from ..exceptions import ConvNetFeaturesWarning
from ..network.features import feature_layers
from ..network.pixels import fits_float32
from .graph import LAYER_NAMES, OPSET, GraphBuilder
from .layers import write_layer
from .runtime.model import RuntimeModel

__all__ = ["label_values", "to_onnx", "write_features", "write_images", "write_predictions"]

#: The revision of the file format that came with opset 18.
_IR_VERSION = 8
_OUTPUTS = ("features", "label", "probabilities", "variable")


def to_onnx(estimator: Any, X: Any = None, *, features: bool = True) -> onnx.ModelProto:
    """Write a fitted estimator's network as an ONNX model.

    What `transform` and `predict` do to images before the network sees them
    (the conversion to float32, `input_scale_`) is part of the model; dropout is
    not, as it does nothing once trained.

    Parameters
    ----------
    estimator : ConvNetFeatureExtractor, ConvNetClassifier or ConvNetRegressor
        Fitted.
    X : array-like, optional
        A sample of the data (one row is enough): the model's input gets its
        dtype and its number of dimensions. Without it the input is float32 of
        shape (n_samples, channels, height, width).
    features : bool, default=True
        Whether the model computes what `transform` gives, or what `predict`
        (and `predict_proba`) do.

    Returns
    -------
    onnx.ModelProto
        With the input ``X``, and the output ``features`` of shape
        (n_samples, n_features_out); or, for predictions of classes or labels,
        ``label`` (int64 for numbers and for False and True, or text) and
        ``probabilities``; of numbers, ``variable`` of shape
        (n_samples, n_outputs), float64. Of an extractor that onnxruntime computes,
        the model that `from_onnx` read, weights inside, whatever X and `features` say.

    Raises
    ------
    NotFittedError
        If the estimator is not fitted.
    NetworkError
        If a layer has no ONNX form; the text names the layer.
    TypeError
        If `estimator` is something else, as a Pipeline is; the text says who
        writes it.
    ValueError
        If X does not hold images of the size that the network was fitted to.

    See Also
    --------
    from_onnx : Read such a model as an extractor.
    register_converters : Let skl2onnx convert Pipelines.

    Examples
    --------
    >>> from convnet_features import ConvNetFeatureExtractor
    >>> from convnet_features.onnx import to_onnx
    >>> from sklearn.datasets import load_digits
    >>> X, y = load_digits(return_X_y=True)
    >>> extractor = ConvNetFeatureExtractor(max_epochs=1, random_state=0).fit(X, y)
    >>> model = to_onnx(extractor, X[:1])
    >>> [output.name for output in model.graph.output]
    ['features']
    """
    estimator = _network_of(estimator)
    check_is_fitted(estimator)
    if isinstance(estimator._model, RuntimeModel):
        return onnx.load_model_from_string(estimator._model.contents)
    shape = estimator._model.input_shape
    several = isinstance(shape, Mapping)
    if several or len(shape) != 3:
        what = f"the inputs {', '.join(map(str, shape))}" if several else f"rows of {shape}"
        raise ValueError(f"to_onnx writes networks of images, and this one takes {what}.")
    graph = GraphBuilder()
    graph.reserve("X", *_OUTPUTS)
    declared, dtype = _declared_input(estimator, X)
    images = write_images(graph, estimator, "X", declared, dtype)
    if features:
        write_features(graph, estimator, images, "features")
        outputs = [_declared("features", np.float32, [None, _n_features(estimator)])]
    else:
        outputs = _predictions(graph, estimator, images)
    element = helper.np_dtype_to_tensor_dtype(dtype)
    inputs = [helper.make_tensor_value_info("X", element, _symbolic(declared))]
    body = helper.make_graph(
        graph.nodes, "convnet_features", inputs, outputs, initializer=graph.constants
    )
    model = helper.make_model(
        body,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=_IR_VERSION,
        producer_name="convnet_features",
        producer_version=__version__,
    )
    # Values of two layers need different names, which the model's outputs must not have either.
    names = {"X": estimator._model.network.input.name, **graph.layers}
    helper.set_model_props(model, {LAYER_NAMES: json.dumps(names)})
    return model


def _network_of(estimator: Any) -> BaseConvNet:
    """`estimator`, or the estimator that is frozen in it; an error says who writes others."""
    inner = estimator.estimator if isinstance(estimator, FrozenEstimator) else estimator
    if isinstance(inner, BaseConvNet):
        return inner
    raise TypeError(
        f"to_onnx writes a ConvNetFeatureExtractor, ConvNetClassifier or ConvNetRegressor; got "
        f"{type(inner).__name__}. skl2onnx writes Pipelines and what else holds a network: call "
        "convnet_features.onnx.register_converters() once, then skl2onnx.to_onnx(fitted, X[:1]); "
        "of a search, give it best_estimator_."
    )


def _declared_input(estimator: Any, X: Any) -> tuple[list[int | None], np.dtype]:
    """Shape and dtype of the model's input."""
    shape = estimator.input_shape_
    if X is None:
        return [None, *shape], np.dtype(np.float32)
    first = X[:1]
    estimator._images(first)  # as it came, with the names of a frame's columns
    array = np.asarray(first)
    dtype = array.dtype if array.dtype.kind in "biuf" else np.dtype(np.float32)
    return [None, *array.shape[1:]], dtype


def _symbolic(shape: list[int | None]) -> list[int | str]:
    return ["n_samples" if size is None else int(size) for size in shape]


def _declared(name: str, dtype: Any, shape: list[int | None]) -> onnx.ValueInfoProto:
    kind = np.dtype(dtype)
    element = TensorProto.STRING if kind.kind in "OUT" else helper.np_dtype_to_tensor_dtype(kind)
    return helper.make_tensor_value_info(name, element, _symbolic(shape))


def _n_features(estimator: Any) -> int:
    network = estimator._model.network
    names = feature_layers(network, estimator.feature_layer)
    return sum(math.prod(network.layers[name].output_shape[1:]) for name in names)


def write_images(
    graph: GraphBuilder, estimator: Any, x: str, shape: list[int | None], dtype: np.dtype
) -> str:
    """From the input to what the input layer gets: float32, in images, scaled."""
    if estimator.tta:
        warnings.warn(
            f"{type(estimator).__name__}: tta={estimator.tta!r} is not part of the ONNX model, "
            "which computes what the network makes of the images as they are; set_params(tta=None) "
            "gives the same here.",
            ConvNetFeaturesWarning,
            stacklevel=users_level(),
        )
    expected = tuple(estimator.input_shape_)
    scale = estimator.input_scale_
    # What float32 does not hold (of pixels near 1e-42, say) is multiplied as `to_network` does.
    wide = not fits_float32(scale)
    if wide or dtype != np.float32:
        x = graph.add("Cast", x, to=TensorProto.DOUBLE if wide else TensorProto.FLOAT)
    if tuple(shape[1:]) != expected:
        # 0 keeps the number of samples, 0 of them too.
        x = graph.add("Reshape", x, graph.sizes([0, *expected], "images"))
    if scale != 1.0:
        factor = graph.constant((np.float64 if wide else np.float32)(scale), "input_scale")
        x = graph.add("Mul", x, factor, output=graph.fresh("scaled"))
    return graph.add("Cast", x, to=TensorProto.FLOAT) if wide else x


def write_features(graph: GraphBuilder, estimator: Any, images: str, output: str) -> None:
    """What `transform` gives, as the value `output`."""
    network = estimator._model.network
    names = feature_layers(network, estimator.feature_layer)
    values = _write_layers(graph, network, names, images)
    flat = [
        value
        if len(network.layers[name].output_shape) == 2
        else graph.add("Flatten", value, axis=1)
        for name, value in zip(names, values, strict=True)
    ]
    if len(flat) == 1:
        graph.add("Identity", *flat, output=output)
    else:
        graph.add("Concat", *flat, output=output, axis=1)


def _write_layers(graph: GraphBuilder, network: Any, names: list[str], images: str) -> list[str]:
    """The values of the layers called `names`; nothing above them is written."""
    from lasagne.layers import InputLayer, get_all_layers

    wanted = [network.layers[name] for name in names]
    values: dict[Any, str] = {}
    for layer in get_all_layers(wanted):
        if isinstance(layer, InputLayer):
            values[layer] = images
            continue
        incoming = getattr(layer, "input_layers", None) or [layer.input_layer]
        inputs = [values[each] for each in incoming]
        value = values[layer] = write_layer(graph, layer, inputs, graph.fresh(layer.name))
        if value not in inputs:  # as that of a dropout is
            graph.layers[value] = layer.name
    return [values[layer] for layer in wanted]


def write_predictions(graph: GraphBuilder, estimator: Any, images: str, outputs: list[str]) -> None:
    """What `predict` gives, and `predict_proba` where there is one, as the values `outputs`."""
    model, like = estimator._model, estimator._targets_like
    (scores,) = _write_layers(graph, model.network, [model.network.output.name], images)
    if like.kind == "numbers":
        (variable,) = outputs
        if like.scale is None:
            graph.add("Cast", scores, output=variable, to=TensorProto.DOUBLE)
            return
        exact = graph.add("Cast", scores, to=TensorProto.DOUBLE)
        scaled = graph.add("Mul", exact, graph.constant(like.scale, "scale"))
        graph.add("Add", scaled, graph.constant(like.offset, "offset"), output=variable)
        return
    label, probabilities = outputs
    if like.kind == "classes":
        best = graph.add("ArgMax", scores, axis=1, keepdims=0)
        classes = graph.constant(label_values(estimator.classes_), "classes")
        graph.add("Gather", classes, best, output=label, axis=0)
    else:
        likely = graph.add("Greater", scores, graph.constant(np.float32(0.5), "half"))
        graph.add("Cast", likely, output=label, to=TensorProto.INT64)
    graph.add("Identity", scores, output=probabilities)


def label_values(classes: np.ndarray) -> np.ndarray:
    """Classes in a type that every runtime has, int64 or text; uint64 where int64 is too small."""
    if classes.dtype.kind not in "biuf":
        return classes
    # Those that are floats are whole numbers: scikit-learn takes no others for classes.
    fits = classes.max(initial=0) <= np.iinfo(np.int64).max
    return classes.astype(np.int64) if fits else classes


def _predictions(graph: GraphBuilder, estimator: Any, images: str) -> list[onnx.ValueInfoProto]:
    like = estimator._targets_like
    n_outputs = like.n_outputs
    if like.kind == "numbers":
        write_predictions(graph, estimator, images, ["variable"])
        return [_declared("variable", np.float64, [None, n_outputs])]
    write_predictions(graph, estimator, images, ["label", "probabilities"])
    if like.kind == "classes":
        label = _declared("label", label_values(estimator.classes_).dtype, [None])
    else:
        label = _declared("label", np.int64, [None, n_outputs])
    return [label, _declared("probabilities", np.float32, [None, n_outputs])]
