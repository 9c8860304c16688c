"""Functions of each number, recognised by their formulas.

A formula becomes nested tuples, (operation, argument, ...), in which products and
sums are flat and in order: however it was written, it is the same tuple.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

from pytensor.graph.basic import Apply, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.scalar.basic import Cast
from pytensor.tensor.elemwise import DimShuffle, Elemwise

from ..kernels.contract import ElementwiseStage
from .patterns import constant_value

__all__ = ["function_of"]

#: Operations of a formula: hardly one has more.
MOST = 16
X = "x"
#: Names of operations that PyTensor has two of.
_NAMES = {"ScalarMaximum": "Maximum", "ScalarMinimum": "Minimum"}
#: Those that commute, and what they make of several numbers.
_WHOLES: dict[str, Callable[[list[float]], float]] = {
    "Add": math.fsum,
    "Mul": math.prod,
    "Maximum": max,
    "Minimum": min,
}


def function_of(
    fgraph: FunctionGraph, node: Apply, is_argument: Callable[[Variable], bool]
) -> tuple[ElementwiseStage, Variable] | None:
    """(f, x) where `node` ends the formula f(x), and nothing else uses x or what is in between.

    `is_argument` says which variables may be x.
    """
    tree: list[Apply] = []
    arguments: set[Variable] = set()
    waiting = [node]
    while waiting:
        each = waiting.pop()
        if each in tree:
            continue
        tree.append(each)
        if len(tree) > MOST:
            return None
        for value in each.inputs:
            if is_argument(value):
                arguments.add(value)
            elif constant_value(value) is None:
                if value.owner is None or not _is_elementwise(value.owner):
                    return None
                waiting.append(value.owner)
    if len(arguments) != 1:
        return None
    (x,) = arguments
    if x.type.ndim != node.outputs[0].type.ndim:  # numbers with more axes
        return None
    inner = [x, *(each.outputs[0] for each in tree if each is not node)]
    if any(client not in tree for value in inner for client, _ in fgraph.clients[value]):
        return None
    stage = _stage(formula(node.outputs[0], x))
    return None if stage is None else (stage, x)


def _is_elementwise(node: Apply) -> bool:
    """Whether each number stays at its place; numbers may get axes, and casts may not round."""
    if isinstance(node.op, DimShuffle):
        return bool(node.inputs[0].type.ndim == 0)
    if not isinstance(node.op, Elemwise) or len(node.outputs) != 1:
        return False
    is_cast = isinstance(node.op.scalar_op, Cast)
    return not is_cast or node.outputs[0].type.dtype in ("float32", "float64")


def formula(value: Variable, x: Variable) -> Any:
    """How `value` is computed from x and numbers."""
    if value is x:
        return X
    number = constant_value(value)
    if number is not None:
        return number
    node = value.owner
    assert node is not None
    arguments = [formula(each, x) for each in node.inputs]
    if isinstance(node.op, DimShuffle):
        return arguments[0]
    name = type(node.op.scalar_op).__name__
    name = _NAMES.get(name, name)
    match name, *arguments:
        case "Cast", argument:
            return argument
        case "Clip", argument, float(low), float(high):
            return _ordered("Minimum", [high, _ordered("Maximum", [low, argument])])
        case "TrueDiv", argument, float(divisor) if divisor:
            return _ordered("Mul", [1 / divisor, argument])
        case "Sub", argument, float(other):
            return _ordered("Add", [-other, argument])
        case ("Log1p", ("Exp", argument)) | ("Log", ("Add", 1.0, ("Exp", argument))):
            return ("Softplus", argument)
    return _ordered(name, arguments) if name in _WHOLES else (name, *arguments)


def _ordered(name: str, arguments: list[Any]) -> Any:
    """Arguments of nested operations of one kind as those of one, numbers first and as one."""
    flat: list[Any] = []
    for each in arguments:
        flat += each[1:] if isinstance(each, tuple) and each[0] == name else [each]
    numbers = [each for each in flat if isinstance(each, float)]
    others = sorted([each for each in flat if not isinstance(each, float)], key=repr)
    whole = _WHOLES[name](numbers or [0.0])
    neutral = {"Add": 0.0, "Mul": 1.0}.get(name)
    kept = [whole] if numbers and whole != neutral else []
    found = (*kept, *others)
    return found[0] if len(found) == 1 else (name, *found)


def _stage(found: Any) -> ElementwiseStage | None:
    """The stage that computes a formula."""
    for known, stage in KNOWN:
        if _agree(known, found):
            return stage
    match found:
        case ("Minimum", float(high), ("Maximum", float(low), "x")) if low <= high:
            return ElementwiseStage("clip", low, high)
        case ("Maximum", float(low), ("Minimum", float(high), "x")) if low <= high:
            return ElementwiseStage("clip", low, high)
        case ("Minimum", float(high), "x"):
            return ElementwiseStage("clip", -math.inf, high)
        case ("Maximum", float(low), "x"):
            return ElementwiseStage("clip", low, math.inf)
        case ("Add", ("Mul", float(odd), ("Abs", "x")), ("Mul", float(even), "x")):
            return _leaky(even, odd)
        case ("Add", ("Mul", float(even), "x"), ("Mul", float(odd), ("Abs", "x"))):
            return _leaky(even, odd)
        case ("Switch", ("GT", "x", 0.0), "x", ("Mul", float(alpha), "x")):
            return ElementwiseStage("leaky_rectify", alpha)
        case (
            "Switch",
            ("GT", "x", 0.0),
            "x",
            ("Mul", float(alpha), ("Expm1", ("Minimum", 0.0, "x"))),
        ):
            return ElementwiseStage("elu", alpha)
        case ("Switch", ("GT", "x", 0.0), "x", ("Expm1", ("Minimum", 0.0, "x"))):
            return ElementwiseStage("elu", 1.0)
    return _ramp(found)


def _ramp(found: Any) -> ElementwiseStage | None:
    """min(max(a · x + b, 0), 1), or x times that, with factors wherever they stand."""
    factors = list(found[1:]) if isinstance(found, tuple) and found[0] == "Mul" else [found]
    is_gate = X in factors
    if is_gate:
        factors.remove(X)
    number = math.prod(each for each in factors if isinstance(each, float))
    others = [each for each in factors if not isinstance(each, float)]
    if len(others) != 1:
        return None
    match others[0]:
        case ("Minimum", float(high), ("Maximum", 0.0, inner)):
            line = _line(inner)
        case ("Maximum", 0.0, ("Minimum", float(high), inner)):
            line = _line(inner)
        case _:
            return None
    if line is None or not math.isclose(number * high, 1.0, rel_tol=1e-6):
        return None
    slope, shift = (_unrounded(number * each) for each in line)
    return ElementwiseStage("hard_swish" if is_gate else "hard_sigmoid", slope, shift)


def _unrounded(number: float) -> float:
    """The simple fraction that a number was before it became float32, if it was one."""
    fraction = float(Fraction(number).limit_denominator(100))
    return fraction if math.isclose(number, fraction, rel_tol=1e-6) else number


def _line(found: Any) -> tuple[float, float] | None:
    """(a, b) of a · x + b."""
    match found:
        case "x":
            return 1.0, 0.0
        case ("Mul", float(factor), inner):
            line = _line(inner)
            return None if line is None else (factor * line[0], factor * line[1])
        case ("Add", float(shift), inner):
            line = _line(inner)
            return None if line is None else (line[0], line[1] + shift)
    return None


def _leaky(even: float, odd: float) -> ElementwiseStage | None:
    """(1 + a) / 2 · x + (1 - a) / 2 · abs(x), as Lasagne 0.1 writes it."""
    if not math.isclose(even + odd, 1.0, rel_tol=1e-6):
        return None
    alpha = even - odd
    # Both numbers were rounded to float32, which a of 0.01 would show.
    shorter = (float(f"{alpha:.{digits}g}") for digits in range(1, 6))
    near = (each for each in shorter if abs(each - alpha) < 1e-7)
    return ElementwiseStage("leaky_rectify", next(near, alpha))


def _agree(known: Any, found: Any) -> bool:
    """Whether two formulas are the same, but for the rounding of numbers."""
    if isinstance(known, float) and isinstance(found, float):
        return math.isclose(known, found, rel_tol=1e-6)
    if isinstance(known, tuple) and isinstance(found, tuple):
        return len(known) == len(found) and all(map(_agree, known, found))
    return bool(known == found)


def _product(*factors: Any) -> Any:
    return _ordered("Mul", list(factors))


def _sum(*terms: Any) -> Any:
    return _ordered("Add", list(terms))


_CUBIC = _sum(X, _product(0.044715, X, X, X))
#: Functions without parameters.
KNOWN: tuple[tuple[Any, ElementwiseStage], ...] = (
    (
        _product(0.5, X, _sum(1.0, ("Erf", _product(math.sqrt(0.5), X)))),
        ElementwiseStage("gelu"),
    ),
    (
        _product(0.5, X, _sum(1.0, ("Tanh", _product(math.sqrt(2 / math.pi), _CUBIC)))),
        ElementwiseStage("gelu_tanh"),
    ),
    (_product(X, ("Tanh", ("Softplus", X))), ElementwiseStage("mish")),
    (_product(X, ("Sigmoid", X)), ElementwiseStage("swish")),
)
