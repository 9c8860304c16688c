"""A convolution that generated code computes, and perhaps the pooling behind it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ...contract import ConvStage, PoolStage, SizedNode
from ...jit.geometry import Layout
from ..binding.declarations import Query
from ..binding.objects import MemoryDesc, Primitive
from ..binding.primitives import Primitives
from ..plan.layouts import CHANNELS_LAST
from ..program.routine import Routine
from ..program.storage import TEMPORARY, Storage, Value
from .forward import ForwardEmitter, Tail

__all__ = ["GeneratedConvolution", "ReplacedPrimitives", "known_layout", "replaced_primitives"]


@dataclass(frozen=True)
class ReplacedPrimitives:
    """The primitives that a routine replaces.

    They are never run: they say how the backward program's primitives want
    things to be laid out.

    Attributes
    ----------
    convolution : Primitive
    y : MemoryDesc
        Of the convolved images.
    pooling : Primitive or None
        None for a convolution alone, as are the next two.
    pooled, workspace : MemoryDesc or None
        Of the pooled images, and of where each maximum was.
    """

    convolution: Primitive
    y: MemoryDesc
    pooling: Primitive | None = None
    pooled: MemoryDesc | None = None
    workspace: MemoryDesc | None = None


@dataclass(frozen=True)
class GeneratedConvolution:
    """A routine for a convolution, or for one and its pooling.

    Attributes
    ----------
    routine : Routine
    replaced : ReplacedPrimitives
    x, w, result : MemoryDesc
        Of the images, of the filters, and of the convolved or pooled images.
    prepare : Routine or None
        What makes of the filters what `routine` takes, if that is something else.
    prepared : MemoryDesc or None
        Of what it makes.
    undo : str
        The activation whose derivative the gradient of the result is multiplied by.
    tail : Tail
        The sum behind the convolution that the routine computes, too; its addend is where the
        result goes.
    place : Value or None
        Where the result lies in what it is joined to.
    """

    routine: Routine
    replaced: ReplacedPrimitives
    x: MemoryDesc
    w: MemoryDesc
    result: MemoryDesc
    undo: str
    prepare: Routine | None = None
    prepared: MemoryDesc | None = None
    tail: Tail = field(default_factory=Tail)
    place: Value | None = None

    def emit(self, emit: ForwardEmitter, node: SizedNode) -> None:
        """Emit the steps for a convolution, and record it and the pooling that it computes."""
        program, primitives, replaced = emit.program, emit.primitives, self.replaced
        w_name, w_shape, b_name, b_desc = emit.weights(node)
        pooling = emit.following(node) if replaced.pooling is not None else None
        x = emit.input(emit.x(node), self.x)
        w = emit.parameter(w_name, primitives.strided(w_shape))
        if self.prepare is not None and self.prepared is not None:
            w = program.prepared(self.prepare, w, self.w, self.prepared)
        else:
            w = program.reorder(w, self.w)
        y = self.place or emit.tail_result(pooling or node, self.tail, self.result, self.undo)
        arguments = {"x": x, "w": w, "y": y}
        if b_desc is not None:
            arguments["b"] = emit.parameter(b_name, b_desc)
        positions = None
        if pooling and emit.key.training:
            assert replaced.workspace is not None
            positions = arguments["positions"] = program.save(replaced.workspace)
        program.call(self.routine, arguments)
        details: dict[str, Any] = {
            "hint": replaced.convolution,
            "w_shape": w_shape,
            "w": w_name,
            "b": b_name,
        }
        if not pooling:
            emit.record_with_tail(node, self.tail, self.undo, x, y, **details)
            return
        between = Value(replaced.y, Storage(TEMPORARY, 0))
        emit.record(node, "linear", x, between, **details)
        emit.record(pooling, self.undo, between, y, hint=replaced.pooling, workspace=positions)


def replaced_primitives(
    primitives: Primitives,
    conv: ConvStage,
    pool: PoolStage | None,
    x: MemoryDesc,
    w_shape: tuple[int, ...],
    training: bool,
) -> ReplacedPrimitives | None:
    """What oneDNN would do; None where it notes the places of maxima otherwise than we do."""
    y_shape = conv.conv.output_shape(x.shape, w_shape)
    convolution = primitives.convolution_forward(
        conv.conv,
        primitives.any(x.shape),
        primitives.any(w_shape),
        primitives.strided(w_shape[:1]) if conv.bias else None,
        primitives.any(y_shape),
        training=training,
    )
    y = convolution.desc(Query.DST, y_shape)
    if pool is None:
        return ReplacedPrimitives(convolution, y)
    pooled_shape = pool.pool.output_shape(y_shape)
    pooling = primitives.pooling_forward(pool.pool, y, primitives.any(pooled_shape), training)
    pooled = pooling.desc(Query.DST, pooled_shape)
    workspace = pooling.desc(Query.WORKSPACE)
    if training and workspace.size * 4 != pooled.size:
        return None
    return ReplacedPrimitives(convolution, y, pooling, pooled, workspace)


def known_layout(primitives: Primitives, desc: MemoryDesc, lanes: int) -> Layout | None:
    """How images lie that `desc` describes, if in one of the ways that our code knows."""
    if desc == primitives.blocked(desc.shape, lanes):
        return Layout.blocked(desc.shape, lanes)
    if desc.shape[1] % lanes == 0 and desc == primitives.images(desc.shape, CHANNELS_LAST):
        return Layout.channels_last(desc.shape, lanes)
    return None
