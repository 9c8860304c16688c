"""A convolution that is computed by code of our own, and perhaps the pooling behind it."""

from __future__ import annotations

from dataclasses import dataclass

from convnet_features.kernels.contract import ConvStage, PoolStage
from convnet_features.kernels.jit.geometry import Layout
from convnet_features.kernels.onednn.binding.declarations import Query
from convnet_features.kernels.onednn.binding.objects import MemoryDesc, Primitive
from convnet_features.kernels.onednn.binding.primitives import Primitives
from convnet_features.kernels.onednn.plan.layouts import CHANNELS_LAST
from convnet_features.kernels.onednn.program.routine import Routine

__all__ = ["OwnConvolution", "Substitute", "known_layout", "substitute"]


@dataclass(frozen=True)
class Substitute:
    """The primitives that a routine stands for.

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
        Of the pooled images, and of who won.
    """

    convolution: Primitive
    y: MemoryDesc
    pooling: Primitive | None = None
    pooled: MemoryDesc | None = None
    workspace: MemoryDesc | None = None


@dataclass(frozen=True)
class OwnConvolution:
    """A routine for a convolution, or for one and its pooling.

    Attributes
    ----------
    routine : Routine
    substitute : Substitute
    x, w, result : MemoryDesc
        Of the images, of the filters, and of the convolved or pooled images.
    prepare : Routine or None
        What makes of the filters what `routine` takes, if that is something else.
    prepared : MemoryDesc or None
        Of what it makes.
    undo : str
        The activation whose derivative the gradient of the result is multiplied by.
    """

    routine: Routine
    substitute: Substitute
    x: MemoryDesc
    w: MemoryDesc
    result: MemoryDesc
    undo: str
    prepare: Routine | None = None
    prepared: MemoryDesc | None = None


def substitute(
    primitives: Primitives,
    conv: ConvStage,
    pool: PoolStage | None,
    x: MemoryDesc,
    w_shape: tuple[int, ...],
    training: bool,
) -> Substitute | None:
    """What oneDNN would do; None where it notes the winners of a pooling otherwise than we do."""
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
        return Substitute(convolution, y)
    pooled_shape = pool.pool.output_shape(y_shape)
    pooling = primitives.pooling_forward(pool.pool, y, primitives.any(pooled_shape), training)
    pooled = pooling.desc(Query.DST, pooled_shape)
    workspace = pooling.desc(Query.WORKSPACE)
    if training and workspace.size * 4 != pooled.size:
        return None
    return Substitute(convolution, y, pooling, pooled, workspace)


def known_layout(primitives: Primitives, desc: MemoryDesc, lanes: int) -> Layout | None:
    """How images lie that `desc` describes, if in one of the ways that our code knows."""
    if desc == primitives.blocked(desc.shape, lanes):
        return Layout.blocked(desc.shape, lanes)
    if desc.shape[1] % lanes == 0 and desc == primitives.images(desc.shape, CHANNELS_LAST):
        return Layout.channels_last(desc.shape, lanes)
    return None
