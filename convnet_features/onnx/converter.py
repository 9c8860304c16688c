"""The converters that let skl2onnx write Pipelines with a network in them."""

from __future__ import annotations

from typing import Any

import numpy as np

from .graph import OPSET, GraphBuilder

__all__ = ["register_converters"]


def register_converters() -> None:
    """Tell skl2onnx how to convert this library's estimators; call it once, before converting.

    An extractor becomes its features. A classifier or a regressor becomes its
    predictions, so it must be the last step; put an extractor where features
    are wanted.

    Raises
    ------
    ImportError
        Without skl2onnx.

    Examples
    --------
    >>> from convnet_features import ConvNetFeatureExtractor
    >>> from convnet_features.onnx import register_converters
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import Pipeline
    >>> import skl2onnx
    >>> register_converters()
    >>> X, y = load_digits(return_X_y=True)
    >>> pipeline = Pipeline([
    ...     ("convnet", ConvNetFeatureExtractor(max_epochs=1, random_state=0)),
    ...     ("clf", LogisticRegression(max_iter=1000)),
    ... ]).fit(X, y)
    >>> model = skl2onnx.to_onnx(pipeline, X[:1].astype("float32"), options={"zipmap": False})
    >>> [output.name for output in model.graph.output]
    ['label', 'probabilities']
    """
    from skl2onnx import update_registered_converter

    from .. import ConvNetClassifier, ConvNetFeatureExtractor, ConvNetRegressor

    choices = {
        "zipmap": [True, False, "columns"],
        "nocl": [True, False],
        "output_class_labels": [False, True],
    }
    for estimator, shapes, convert, options in (
        (ConvNetFeatureExtractor, _feature_shapes, _convert_features, None),
        (ConvNetClassifier, _class_shapes, _convert_predictions, choices),
        (ConvNetRegressor, _number_shapes, _convert_predictions, None),
    ):
        update_registered_converter(
            estimator, f"ConvnetFeatures{estimator.__name__}", shapes, convert, options=options
        )


def _feature_shapes(operator: Any) -> None:
    from skl2onnx.common.data_types import FloatTensorType

    n_features = len(operator.raw_operator.get_feature_names_out())
    operator.outputs[0].type = FloatTensorType([None, n_features])


def _class_shapes(operator: Any) -> None:
    from skl2onnx.common.data_types import FloatTensorType, Int64TensorType

    from .export import label_values

    model = operator.raw_operator
    n_outputs = model._targets_like.n_outputs
    label, probabilities = operator.outputs
    probabilities.type = FloatTensorType([None, n_outputs])
    if model._targets_like.kind == "labels":
        label.type = Int64TensorType([None, n_outputs])
    else:
        label.type = _tensor_type(label_values(model.classes_).dtype)([None])


def _tensor_type(dtype: np.dtype) -> Any:
    """skl2onnx's type of labels."""
    from skl2onnx.common import data_types

    names = {"i": "Int64TensorType", "u": "UInt64TensorType", "f": "DoubleTensorType"}
    return getattr(data_types, names.get(dtype.kind, "StringTensorType"))


def _number_shapes(operator: Any) -> None:
    from skl2onnx.common.data_types import DoubleTensorType

    operator.outputs[0].type = DoubleTensorType(
        [None, operator.raw_operator._targets_like.n_outputs]
    )


def _convert_features(scope: Any, operator: Any, container: Any) -> None:
    from .export import write_features

    graph, images = _begin(scope, operator, container)
    write_features(graph, operator.raw_operator, images, operator.outputs[0].full_name)
    _finish(graph, container)


def _convert_predictions(scope: Any, operator: Any, container: Any) -> None:
    from .export import write_predictions

    graph, images = _begin(scope, operator, container)
    outputs = [variable.full_name for variable in operator.outputs]
    write_predictions(graph, operator.raw_operator, images, outputs)
    _finish(graph, container)


def _begin(scope: Any, operator: Any, container: Any) -> tuple[GraphBuilder, str]:
    """A graph whose names are unique in `scope`, with the images already in it."""
    from .export import write_images

    prefix = scope.get_unique_variable_name("convnet") + "/"
    graph = GraphBuilder(prefix, min(container.target_opset, OPSET))
    x, shape, dtype = _joined(graph, operator)
    return graph, write_images(graph, operator.raw_operator, x, shape, dtype)


def _joined(graph: GraphBuilder, operator: Any) -> tuple[str, list[int | None], np.dtype]:
    """The operator's input, its shape and its dtype; of one input a column, their table."""
    from onnx import TensorProto

    if len(operator.inputs) == 1:
        (x,) = operator.inputs
        return x.full_name, [None, *x.type.shape[1:]], np.dtype(_numpy_dtype(x.type))
    columns = []
    for column in operator.inputs:
        dtype = np.dtype(_numpy_dtype(column.type))
        if dtype.kind not in "biuf":
            raise TypeError(
                f"{type(operator.raw_operator).__name__}: the column {column.raw_name!r} is "
                f"{type(column.type).__name__}, and a network takes numbers; encode it in a step "
                "in front."
            )
        name = column.full_name
        if dtype != np.float32:
            name = graph.add("Cast", name, to=TensorProto.FLOAT)
        columns.append(name)
    table = graph.add("Concat", *columns, axis=1)
    return table, [None, None], np.dtype(np.float32)


def _numpy_dtype(kind: Any) -> Any:
    """NumPy's name for a tensor type of skl2onnx."""
    from onnx import helper

    return helper.tensor_dtype_to_np_dtype(kind.to_onnx_type().tensor_type.elem_type)


def _finish(graph: GraphBuilder, container: Any) -> None:
    container.initializers.extend(graph.constants)
    container.nodes.extend(graph.nodes)
    container.node_domain_version_pair_sets.add(("", graph.opset))
