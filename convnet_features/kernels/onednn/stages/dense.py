"""Dense stages: matrix products."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...contract import DenseStage, SizedNode, check_product
from ...jit.row_product import ARGUMENTS, RowProduct
from ..binding.declarations import Arg
from ..binding.primitives import Primitives
from ..plan.candidates import ROW_BY_ROW
from ..program.code_cache import compiled
from ..program.routine import Routine
from ..program.storage import Value
from .backward import BackwardEmitter
from .forward import ForwardEmitter
from .forward_plan import Record

__all__ = ["backward", "forward"]


def forward(emit: ForwardEmitter, node: SizedNode, stage: DenseStage) -> None:
    """Multiply plain rows by plain weights."""
    primitives, value = emit.primitives, emit.x(node)
    w_name, w_shape, b_name, b_desc = emit.weights(node)
    n_samples = value.desc.shape[0]
    n_inputs = math.prod(value.desc.shape[1:])
    check_product(value.desc.shape, w_shape)
    x = emit.input(value, primitives.strided(value.desc.shape))
    if len(x.desc.shape) != 2:
        x = emit.program.view(x, primitives.strided((n_samples, n_inputs)))
    w = emit.parameter(w_name, primitives.strided(w_shape))
    if b_desc is not None:
        b_desc = primitives.strided((1, w_shape[1]))
    y_desc = primitives.strided((n_samples, w_shape[1]))
    b = None if b_desc is None else emit.parameter(b_name, b_desc)
    details: dict[str, Any] = {"w_shape": w_shape, "w": w_name, "b": b_name}
    choice = emit.choice(node)
    if choice.options[0].candidate is ROW_BY_ROW:
        emit.take(choice, choice.options[0])
        y = emit.result(node, y_desc, stage.activation)
        given = {"x": x, "w": w, "y": y} if b is None else {"x": x, "w": w, "b": b, "y": y}
        emit.program.call(_row_product(primitives, stage, w_shape), given)
        emit.record(node, stage.activation, x, y, **details)
        return
    tail = emit.take_tail(node)
    primitive = primitives.matmul(x.desc, w.desc, y_desc, b_desc, stage.activation, tail.then)
    y = emit.tail_result(node, tail, y_desc, stage.activation)
    arguments = {Arg.SRC: x, Arg.WEIGHTS: w, Arg.DST: y}
    if b is not None:
        arguments[Arg.BIAS] = b
    emit.program.run(primitive, arguments)
    emit.record_with_tail(node, tail, stage.activation, x, y, **details)


def _row_product(primitives: Primitives, stage: DenseStage, w_shape: tuple[int, ...]) -> Routine:
    n_inputs, n_units = w_shape
    _, module = compiled(
        primitives,
        RowProduct,
        n_inputs,
        n_units,
        primitives.machine.lanes,
        stage.bias,
        stage.activation == "rectify",
    )
    return Routine(
        primitives.library,
        f"product of (1, {n_inputs}) and {w_shape}, row by row",
        module.address("forward"),
        module,
        ARGUMENTS,
        {},
        0,
    )


def backward(emit: BackwardEmitter, record: Record, stage: DenseStage, gradient: Value) -> None:
    """The gradients of weights, biases and inputs."""
    _weights(emit, record, gradient)
    (value,) = record.inputs
    if not emit.needs[value]:
        return
    program, primitives = emit.program, emit.primitives
    n_inputs, n_units = record.w_shape
    transposed = primitives.strided((n_units, n_inputs), (1, n_units))
    w = program.view(emit.parameter(record), transposed)
    result = program.temporary(record.x_desc)
    _product(emit, gradient, w, result)
    emit.add(value, program.view(result, primitives.strided(emit.shape(value))))


def _weights(emit: BackwardEmitter, record: Record, gradient: Value) -> None:
    """The gradients of a dense stage's weights, x' gy, and biases, 1' gy.

    As matrix products: oneDNN's inner product would do the same, but on
    plain weights with a code that takes 20 to 70 ms at its first use.
    """
    primitives, program = emit.primitives, emit.program
    n_samples, n_units = gradient.desc.shape
    n_inputs = record.w_shape[0]
    x = emit.read(record.x, record.x_desc)
    x = program.view(x, primitives.strided((n_inputs, n_samples), (1, n_inputs)))
    _product(emit, x, gradient, emit.gradient_of_parameter(record))
    if record.b:
        ones = program.constant(np.ones((1, n_samples), dtype=np.float32))
        gb = program.external(f"g{record.b}", primitives.strided((1, n_units)))
        _product(emit, ones, gradient, gb)


def _product(emit: BackwardEmitter, a: Value, b: Value, result: Value) -> None:
    primitive = emit.primitives.matmul(a.desc, b.desc, result.desc)
    emit.program.run(primitive, {Arg.SRC: a, Arg.WEIGHTS: b, Arg.DST: result})
