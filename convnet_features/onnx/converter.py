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
    from skl2onnx.common.data_types import FloatTensorType, Int64TensorType, StringTensorType

    model = operator.raw_operator
    n_outputs = model._targets_like.n_outputs
    label, probabilities = operator.outputs
    probabilities.type = FloatTensorType([None, n_outputs])
    if model._targets_like.kind == "labels":
        label.type = Int64TensorType([None, n_outputs])
    elif model.classes_.dtype.kind in "iu":
        label.type = Int64TensorType([None])
    else:
        label.type = StringTensorType([None])


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
    (x,) = operator.inputs
    dtype = np.dtype(_numpy_dtype(x.type))
    shape = [None, *x.type.shape[1:]]
    return graph, write_images(graph, operator.raw_operator, x.full_name, shape, dtype)


def _numpy_dtype(kind: Any) -> Any:
    """NumPy's name for a tensor type of skl2onnx."""
    from onnx import helper

    return helper.tensor_dtype_to_np_dtype(kind.to_onnx_type().tensor_type.elem_type)


def _finish(graph: GraphBuilder, container: Any) -> None:
    container.initializers.extend(graph.constants)
    container.nodes.extend(graph.nodes)
    container.node_domain_version_pair_sets.add(("", graph.opset))
