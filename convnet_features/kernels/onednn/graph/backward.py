"""The backward program of a graph, of what was chosen with its forward program."""

from __future__ import annotations

from collections.abc import Sequence

from ..binding.primitives import Primitives
from ..program.buffers import BufferPool
from ..program.program import Program
from ..stages.backward import BackwardEmitter
from ..stages.forward_plan import ForwardPlan
from ..stages.table import STAGES

__all__ = ["build_backward"]


def build_backward(
    primitives: Primitives,
    pool: BufferPool,
    plan: ForwardPlan,
    given: Sequence[bool],
    input_grads: Sequence[bool],
    num_threads: int,
) -> Program:
    """Make the program of the gradients, for `num_threads` threads.

    The caller's arrays are called ``x0``, ``y0``, ``p0``, ... as in the forward
    program, ``gy0``, ... for the gradients of the results that come in, where
    `given`, ``gp0``, ... for those of the parameters and ``gx0``, ..., plain, for those of the
    inputs, where `input_grads`. Gradients that nothing given depends on are
    not among the program's arrays.
    """
    emit = BackwardEmitter(primitives, pool, plan, given, input_grads, num_threads)
    for record in reversed(plan.records):
        emit.program.purpose = None
        gradient = emit.total(record)
        if gradient is not None and emit.needs[record.value]:
            gradient = emit.before_activation(record, gradient)
            emit.take_only(record)
            STAGES[type(record.stage)].backward(emit, record, record.stage, gradient)
    emit.leave()
    return emit.program.finish()
