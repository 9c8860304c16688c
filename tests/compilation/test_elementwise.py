"""NumPy functions for every scalar operation that networks and update rules use."""

from __future__ import annotations

import inspect

import numpy as np
import pytensor.scalar.basic as scalar
import pytensor.scalar.math as scalar_math
import pytest
from pytensor.scalar.basic import ScalarOp
from pytensor.tensor.elemwise import Elemwise
from pytensor.tensor.type import tensor

from convnet_features.compilation.elementwise import (
    elementwise_function,
    function_of,
    natural_dtype,
)

DTYPES = ["float32", "float64", "int32"]


def plain_operations():
    """Every scalar operation of PyTensor's that can be made without arguments."""
    found = {}
    for module in (scalar, scalar_math):
        for instance in vars(module).values():
            if isinstance(instance, ScalarOp) and instance.nin > 0 and instance.nout == 1:
                found[type(instance).__name__] = instance
    return found


OPERATIONS = plain_operations()
#: Special functions that need a library of their own element by element, and complex numbers.
REACHABLE = sorted(
    name for name, op in OPERATIONS.items() if elementwise_function(op, op.nin) is not None
)


def test_what_networks_use_is_there():
    words = (
        "Add Mul Sub TrueDiv IntDiv Mod Pow Maximum Minimum Abs Neg Exp Log Log1p Expm1 Sqrt Sqr "
        "Tanh Sigmoid Softplus Sign Clip Switch Second EQ NEQ LT LE GT GE AND OR Invert "
        "Sin Cos Floor Ceil Reciprocal IsNan IsInf Identity"
    )
    used = words.split()
    names = {"ScalarMaximum": "Maximum", "ScalarMinimum": "Minimum"}
    reachable = {names.get(name, name) for name in REACHABLE}
    assert {name for name in used if name in OPERATIONS} - reachable == set()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", REACHABLE)
def test_values_are_pytensors_own(name, dtype, rng):
    op = OPERATIONS[name]
    values = np.sort(rng.uniform(0.1, 0.9, (op.nin, 2, 3)), axis=0)
    if name == "Clip":  # the number, then both limits
        values = values[[1, 0, 2]]
    values = list((values if dtype.startswith("float") else 10 * values + 1).astype(dtype))
    inputs = [tensor(dtype=dtype, shape=(None, None)) for _ in values]
    try:
        node = Elemwise(op).make_node(*inputs)
    except (TypeError, NotImplementedError):
        pytest.skip("PyTensor has no such operation for this dtype")
    function = elementwise_function(op, op.nin)
    natural = natural_dtype(function, [dtype] * op.nin)
    with np.errstate(all="ignore"):
        value = function(*values)
    expected = node.outputs[0].type.dtype
    if natural is not None:
        assert np.asarray(value).dtype == natural
    one = np.vectorize(op.impl, otypes=[expected])
    try:
        with np.errstate(all="ignore"):
            right = one(*values)
    except (NotImplementedError, TypeError):
        pytest.skip("PyTensor has no value for this dtype")
    tolerance = 1e-6 if dtype == "float64" else 1e-3 if expected == "float16" else 1e-5
    np.testing.assert_allclose(np.asarray(value).astype(expected), right, rtol=tolerance, atol=1e-6)


CHAINS = {
    scalar.add: np.add,
    scalar.mul: np.multiply,
    scalar.and_: np.bitwise_and,
    scalar.or_: np.bitwise_or,
    scalar.xor: np.bitwise_xor,
}


@pytest.mark.parametrize("op", list(CHAINS))
@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_chains(op, count, rng):
    values = [rng.integers(1, 9, (2, 3)) for _ in range(count)]
    function = elementwise_function(op, count)
    total = values[0]
    for value in values[1:]:
        total = CHAINS[op](total, value)
    np.testing.assert_array_equal(function(*values), total)
    assert natural_dtype(function, ["int64"] * count) == np.int64
    mixed = ["float32", "int8", "float64"][:count] + ["int8"] * (count - 3)
    if op in (scalar.add, scalar.mul):
        assert natural_dtype(function, mixed) == np.result_type(*mixed)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_softplus_and_its_kin_far_from_zero(dtype):
    x = np.array([-1000, -50, -1e-3, 0, 1e-3, 50, 1000], dtype)
    softplus = elementwise_function(scalar_math.softplus, 1)
    np.testing.assert_allclose(softplus(x), np.logaddexp(0, np.float64(x)), rtol=1e-6)
    log1mexp = elementwise_function(scalar_math.log1mexp, 1)
    below = x[x < 0]
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(
            log1mexp(below), np.log(-np.expm1(np.float64(below))), rtol=1e-4, atol=1e-20
        )


def test_rounding_is_away_from_zero():
    op = scalar.round_half_away_from_zero
    x = np.array([-2.5, -0.5, -0.4, 0.5, 1.5, 2.4], "float32")
    value = elementwise_function(op, 1)(x)
    np.testing.assert_array_equal(value, [-3, -1, -0.0, 1, 2, 2])
    assert value.dtype == np.float32


def test_what_is_not_known_is_not_guessed():
    class Own(scalar.UnaryScalarOp):
        def impl(self, x):
            return x + 1

    assert elementwise_function(Own(scalar.same_out), 1) is None
    assert elementwise_function(scalar.sub, 3) is None

    class Clip(scalar.UnaryScalarOp):
        """Bears the name of one of PyTensor's, and is none."""

    assert elementwise_function(Clip(scalar.same_out), 1) is None


def test_dtypes_that_only_running_tells():
    assert natural_dtype(inspect.signature, ["float32"]) is None


def test_squares_are_no_powers():
    x = tensor(dtype="float32", shape=(None, None))
    function, inputs = function_of((x**2).owner)
    assert function is np.square
    assert inputs == [x]
    for other in (x**3, x**x, 2**x):
        function, inputs = function_of(other.owner)
        assert function is np.power
        assert inputs == other.owner.inputs
