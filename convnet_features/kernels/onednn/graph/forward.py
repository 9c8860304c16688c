"""The forward program of a graph.

What computes each stage was chosen before (`plan`); the stages' modules emit it. Where generated
code does not know the layout that oneDNN gives images, they take the next option.
"""

from __future__ import annotations

from ...contract import StageGraph
from ..binding.primitives import Primitives
from ..plan.choice import Choices
from ..program.buffers import BufferPool
from ..program.program import Constants
from ..stages.forward import ForwardEmitter
from ..stages.forward_plan import ForwardPlan, PlanKey
from ..stages.table import STAGES
from .bounds import Measuring

__all__ = ["build_forward"]


def build_forward(
    primitives: Primitives,
    pool: BufferPool,
    graph: StageGraph,
    key: PlanKey,
    choices: Choices,
    num_threads: int,
    constants: Constants | None = None,
) -> ForwardPlan:
    """Make the forward program for the images and parameters that `key` describes.

    The caller's arrays are called ``x0``, ..., ``y0``, ... and ``p0``, ...: the
    parameters in the order of `StageGraph.params`, filters flipped already.
    Those among `constants` keep their values; they are laid out here, once.

    Raises
    ------
    UnsupportedError
        oneDNN cannot compute one of the stages, or only slowly.
    """
    emit = ForwardEmitter(
        primitives, pool, graph, key, choices, num_threads, constants or Constants()
    )
    measuring, measured = Measuring(graph, key.looks), []
    for node in emit.nodes:
        # A pooling may be done already, with its convolution.
        if node.value not in emit.values:
            choice = emit.choice(node)
            emit.take(choice, choice.options[-1])
            STAGES[type(node.stage)].forward(emit, node, node.stage)
        if measuring.wants(node, can_look=emit.can_look(node)):
            emit.program.look(emit.values[node.value])
            measured.append(node.value)
    emit.leave()
    emit.program.finish()
    y_shapes = [emit.values[value].desc.shape for value in graph.outputs]
    return ForwardPlan(
        graph, key, choices, emit.program, emit.records, y_shapes, emit.statistics, measured
    )
