"""What nodes make of constants, against onnx's own reference."""

from __future__ import annotations

import time

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from convnet_features.onnx.budget import Budget
from convnet_features.onnx.folding import FOLDED, SAMPLES, fold
from convnet_features.onnx.reading import Node

pytestmark = pytest.mark.onnx

WEIGHTS = np.arange(24, dtype=np.float32).reshape(2, 3, 4) - 7
SIZES = np.int64([-7, 6, 5])
NODES = {
    "add": ("Add", [WEIGHTS, WEIGHTS[:1]], {}),
    "cast": ("Cast", [WEIGHTS], {"to": TensorProto.INT64}),
    "concat": ("Concat", [WEIGHTS, WEIGHTS[:, :2]], {"axis": -2}),
    "constant": ("Constant", [], {"value": WEIGHTS}),
    "constant of a shape": ("ConstantOfShape", [np.int64([2, 3])], {"value": np.int64([7])}),
    "divide": ("Div", [WEIGHTS, np.float32(4)], {}),
    "divide integers": ("Div", [SIZES, np.int64([2, -4, 3])], {}),
    "gather": ("Gather", [WEIGHTS, np.int64([[1, -1]])], {"axis": 1}),
    "gather one": ("Gather", [SIZES, np.int64(1)], {}),
    "identity": ("Identity", [WEIGHTS], {}),
    "multiply": ("Mul", [SIZES, np.int64(3)], {}),
    "reshape": ("Reshape", [WEIGHTS, np.int64([0, -1, 2])], {}),
    "reshape, zeros allowed": (
        "Reshape",
        [WEIGHTS[:0], np.int64([3, 0, 4])],
        {"allowzero": 1},
    ),
    "shape": ("Shape", [WEIGHTS], {}),
    "shape, a part": ("Shape", [WEIGHTS], {"start": 1, "end": -1}),
    "slice": ("Slice", [WEIGHTS, *map(np.int64, ([1, -3], [9, 3], [1, 2]))], {}),
    "slice backwards": (
        "Slice",
        [WEIGHTS, *map(np.int64, ([-1], [-(2**63) + 1], [2], [-2]))],
        {},
    ),
    "slice, steps but no axes": (
        "Slice",
        [WEIGHTS, np.int64([0, 0]), np.int64([9, 9]), None, np.int64([1, 2])],
        {},
    ),
    "slice all": ("Slice", [SIZES, np.int64([0]), np.int64([2**63 - 1])], {}),
    "squeeze": ("Squeeze", [WEIGHTS[:1]], {}),
    "squeeze an axis": ("Squeeze", [WEIGHTS[:1, :1], np.int64([1])], {}),
    "subtract": ("Sub", [WEIGHTS, WEIGHTS[:, :, :1]], {}),
    "transpose": ("Transpose", [WEIGHTS], {"perm": [2, 0, 1]}),
    "expand": ("Expand", [WEIGHTS[:, :1], np.int64([1, 3, 1])], {}),
    "range": ("Range", [np.int64(7), np.int64(-2), np.int64(-2)], {}),
    "where": ("Where", [WEIGHTS > 0, WEIGHTS, np.float32(0)], {}),
    "clip above": ("Clip", [WEIGHTS, None, np.float32(3)], {}),
    "flatten": ("Flatten", [WEIGHTS], {"axis": 2}),
    "max": ("Max", [WEIGHTS, WEIGHTS[:, :1], np.float32([0])], {}),
    "modulo": ("Mod", [SIZES, np.int64([4])], {}),
    "normalisation": (
        "BatchNormalization",
        [WEIGHTS, *np.float32([[1, 2, 3], [0, 1, 0], [2, 2, 2], [4, 4, 4]])],
        {"epsilon": 0.5},
    ),
    "normalisation of a batch": (
        "BatchNormalization",
        [WEIGHTS, *np.float32([[1, 2, 3], [0, 1, 0], [2, 2, 2], [4, 4, 4]])],
        {"training_mode": 1},
    ),
    "not": ("Not", [WEIGHTS > 0], {}),
    "power": ("Pow", [WEIGHTS, np.float32(2)], {}),
    "sum": ("Sum", [WEIGHTS, WEIGHTS[:1], WEIGHTS[:, :1]], {}),
    "softmax": ("Softmax", [WEIGHTS], {"axis": 1}),
    **{operator: (operator, [WEIGHTS > 0, WEIGHTS[:1] > 3], {}) for operator in ("And", "Or")},
    **{
        operator: (operator, [WEIGHTS, WEIGHTS[:, :1]], {})
        for operator in ("Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Min")
    },
    **{
        operator: (operator, [WEIGHTS], {"axes": [0, -1], "keepdims": 0})
        for operator in (
            "ReduceL1",
            "ReduceL2",
            "ReduceMax",
            "ReduceMean",
            "ReduceMin",
            "ReduceProd",
            "ReduceSumSquare",
        )
    },
    "ReduceSum": ("ReduceSum", [WEIGHTS, np.int64([1])], {}),
    **{
        operator: (operator, [np.abs(WEIGHTS) + 1], {})
        for operator in (
            "Abs",
            "Ceil",
            "Erf",
            "Exp",
            "Floor",
            "Log",
            "Neg",
            "Reciprocal",
            "Relu",
            "Round",
            "Sigmoid",
            "Sign",
            "Softplus",
            "Sqrt",
            "Tanh",
        )
    },
    "unsqueeze": ("Unsqueeze", [WEIGHTS, np.int64([0, -1])], {}),
}


def names_of(inputs):
    """None is an input that is left out."""
    return ["" if each is None else f"x{i}" for i, each in enumerate(inputs)]


def folded(operator, inputs, attributes):
    node = Node(operator, "node", names_of(inputs), ["y"], attributes)
    return fold(node, [each for each in inputs if each is not None], Budget(0), 17)


@pytest.mark.parametrize("name", NODES)
def test_as_the_reference(name):
    operator, inputs, attributes = NODES[name]
    names = names_of(inputs)
    arrays = {name: each for name, each in zip(names, inputs, strict=True) if name}
    given = {
        key: numpy_helper.from_array(value) if isinstance(value, np.ndarray) else value
        for key, value in attributes.items()
    }
    node = helper.make_node(operator, names, ["y"], **given)
    values = [
        helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(x.dtype), x.shape)
        for n, x in arrays.items()
    ]
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    model = helper.make_model(
        helper.make_graph([node], "one", values, [output]),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )
    (expected,) = ReferenceEvaluator(model).run(None, arrays)
    result = folded(operator, inputs, attributes)
    assert result.dtype == expected.dtype
    np.testing.assert_array_equal(result, expected)


def test_every_operator_is_tested():
    assert {operator for operator, _, _ in NODES.values()} == FOLDED


def test_softmax_of_old_is_of_all_axes_from_one_on():
    x = np.float32(np.arange(12).reshape(1, 2, 3, 2) / 7)
    node = Node("Softmax", "node", ["x"], ["y"], {"axis": 2})
    shares = np.exp(x) / np.exp(x).sum(axis=(2, 3), keepdims=True)
    np.testing.assert_allclose(fold(node, [x], Budget(0), 11), shares, rtol=1e-6)


def test_the_number_of_samples_is_none_that_is_to_be_found():
    """What PyTorch's exporter asks of a shape that it expands to."""
    shape = np.int64([SAMPLES, 3, -1])
    assert folded("Equal", [shape, np.int64(-1)], {}).tolist() == [False, False, True]
    with pytest.raises(ValueError, match="depends on the number of samples"):
        folded("Equal", [shape, np.int64(3)], {})
    chosen = folded("Where", [np.array([False, True, False]), np.int64(7), shape], {})
    assert chosen.tolist() == [SAMPLES, 7, -1]


def test_what_the_reference_cannot_compute():
    with pytest.raises(ValueError, match="AxisError"):
        folded("Softmax", [WEIGHTS], {"axis": 7})
    with pytest.raises(ValueError, match="a step of 0"):
        folded("Range", [np.int64(0), np.int64(1), np.int64(0)], {})


@pytest.mark.parametrize("operator", ["Add", "Div", "Equal", "Mul", "Pow", "ReduceSum", "Sub"])
def test_nothing_is_computed_of_the_number_of_samples(operator):
    with pytest.raises(ValueError, match="depends on the number of samples"):
        folded(operator, [np.int64([SAMPLES, 3]), np.int64([2])], {})


@pytest.mark.parametrize(
    ("operator", "inputs", "attributes"),
    [
        ("ConstantOfShape", [np.int64([3, SAMPLES])], {}),
        ("Gather", [SIZES, np.int64([SAMPLES])], {}),
        ("Reshape", [WEIGHTS, np.int64([SAMPLES, 2])], {}),
        ("Slice", [SIZES, np.int64([0]), np.int64([SAMPLES])], {}),
        ("Slice", [SIZES, np.int64([SAMPLES]), np.int64([2])], {}),
        ("Squeeze", [WEIGHTS[:1], np.int64([SAMPLES])], {}),
        ("Unsqueeze", [WEIGHTS, np.int64([SAMPLES])], {}),
    ],
)
def test_nothing_is_as_large_as_the_number_of_samples(operator, inputs, attributes):
    with pytest.raises(ValueError, match=r"^what it computes depends on the number of samples$"):
        folded(operator, inputs, attributes)


def test_a_shape_that_is_none():
    """NumPy would take any negative size for -1."""
    with pytest.raises(ValueError, match=r"the shape \[-5, 2\]"):
        folded("Reshape", [WEIGHTS, np.int64([-5, 2])], {})


def test_sizes_without_end():
    """Their product takes a quarter of a minute."""
    began = time.perf_counter()
    with pytest.raises(ValueError, match="a constant of 80000 dimensions; at most 8 are read"):
        folded("ConstantOfShape", [np.full(80_000, 2**62)], {})
    assert time.perf_counter() - began < 5


def test_a_tensor_is_counted_once():
    """When it is read: more than the budget has."""
    assert folded("Constant", [], {"value": np.zeros(2**24 + 1, np.int8)}).size == 2**24 + 1


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"value_float": 0.1}, np.float32(0.1)),
        ({"value_floats": [0.1, 2]}, np.float32([0.1, 2])),
        ({"value_floats": []}, np.float32([])),
        ({"value_int": 3}, np.int64(3)),
        ({"value_ints": []}, np.int64([])),
    ],
)
def test_types_of_constants(attributes, expected):
    result = folded("Constant", [], attributes)
    assert result.dtype == expected.dtype
    np.testing.assert_array_equal(result, expected)


def test_the_number_of_samples_may_be_moved_about():
    sizes = np.int64([SAMPLES, 3])
    assert folded("Gather", [sizes, np.int64(0)], {}) == SAMPLES
    assert (
        folded(
            "Cast",
            [
                sizes,
            ],
            {"to": TensorProto.INT32},
        )[0]
        == SAMPLES
    )
    with pytest.raises(ValueError, match="the number of samples as float32"):
        folded("Cast", [sizes], {"to": TensorProto.FLOAT})
