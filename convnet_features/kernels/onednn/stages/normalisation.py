"""Batch normalisation."""

from __future__ import annotations

from ...contract import NormStage, SizedNode
from ..binding.declarations import Arg, Query
from ..binding.objects import MemoryDesc
from ..binding.primitives import Primitives
from ..plan.layouts import layout_of_normalised
from ..program.storage import Value
from .backward import BackwardEmitter
from .forward import ForwardEmitter
from .forward_plan import Record

__all__ = ["backward", "forward"]


def forward(emit: ForwardEmitter, node: SizedNode, stage: NormStage) -> None:
    """Normalise by the batch's own mean and variance, which go to the caller in training."""
    primitives, program, value = emit.primitives, emit.program, emit.x(node)
    shape = value.desc.shape
    of_channels = shape[1:2]
    for param_shape in node.param_shapes:
        if param_shape != of_channels:
            raise ValueError(
                f"a batch normalisation of {shape[1]} channels has parameters of shape "
                f"{param_shape}: they must be of shape {of_channels}"
            )
    gamma, beta = f"p{node.first_param}", f"p{node.first_param + 1}"
    desc, layout = value.desc, primitives.layout_of(value.desc)
    if layout_of_normalised(layout) != layout:
        desc = primitives.laid_out(shape, layout_of_normalised(layout))
    x = emit.input(value, desc)
    rectify = stage.activation == "rectify"
    undo = "linear" if rectify else stage.activation
    y = emit.result(node, desc, undo)
    images = _as_images(primitives, desc)
    primitive = primitives.normalisation_forward(images, stage.epsilon, rectify)
    channels = primitives.strided(of_channels)
    arguments = {
        Arg.SRC: program.view(x, images),
        Arg.DST: program.view(y, images),
        Arg.SCALE: emit.parameter(gamma, channels),
        Arg.SHIFT: emit.parameter(beta, channels),
    }
    number = len(emit.statistics)
    for argument, name in ((Arg.MEAN, "mean"), (Arg.VARIANCE, "variance")):
        arguments[argument] = (
            program.external(f"{name}{number}", channels)
            if emit.key.training
            else program.temporary(channels)
        )
    emit.statistics.append((stage.epsilon, of_channels))
    workspace = None
    if rectify:
        noted = primitive.desc(Query.WORKSPACE)
        workspace = program.save(noted) if emit.key.training else program.temporary(noted)
        arguments[Arg.WORKSPACE] = workspace
    program.run(primitive, arguments)
    if undo != "linear":
        emit.activate(undo, y)
    emit.record(
        node, undo, x, y, hint=primitive, workspace=workspace, w=gamma, b=beta, number=number
    )


def backward(emit: BackwardEmitter, record: Record, stage: NormStage, gradient: Value) -> None:
    """The gradients by the images, gamma and beta at once."""
    program, primitives, desc = emit.program, emit.primitives, record.x_desc
    assert record.hint is not None
    images = _as_images(primitives, desc)
    x = emit.read(record.x, desc)
    result = emit.gradient_of_input(record, desc)
    channels, number = primitives.strided(desc.shape[1:2]), record.number
    arguments = {
        Arg.SRC: program.view(x, images),
        Arg.DIFF_DST: program.view(program.reorder(gradient, desc), images),
        Arg.DIFF_SRC: program.view(result, images),
        Arg.MEAN: program.external(f"mean{number}", channels),
        Arg.VARIANCE: program.external(f"variance{number}", channels),
        Arg.SCALE: program.external(record.w, channels),
        Arg.DIFF_SCALE: program.external(f"g{record.w}", channels),
        Arg.DIFF_SHIFT: program.external(f"g{record.b}", channels),
    }
    rectified = record.workspace is not None
    if record.workspace is not None:
        arguments[Arg.WORKSPACE] = program.recall(record.workspace)
    primitive = primitives.normalisation_backward(images, stage.epsilon, rectified, record.hint)
    program.run(primitive, arguments)


def _as_images(primitives: Primitives, desc: MemoryDesc) -> MemoryDesc:
    """Rows as images of one pixel; images as they are."""
    return primitives.strided((*desc.shape, 1, 1)) if len(desc.shape) == 2 else desc
