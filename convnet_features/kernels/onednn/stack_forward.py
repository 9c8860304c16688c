"""The forward program of a stack.

Images keep the layout that oneDNN likes from the first convolution to the last
pooling. Dense stages work on plain matrices, which oneDNN multiplies as fast
as packed ones, so dense weights, the greater part of a network's, are never
repacked. What is reordered: images where they enter and leave, if oneDNN wants
them otherwise, and filters, which are small.

A rectify beside a max pooling is done by the convolution as it writes its
results and, in the backward program, undone on the pooled images, a fraction
of the size: the two commute, and where the greatest pixel of a window is
positive so is the one that its gradient goes to.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from convnet_features.kernels.contract import (
    ConvStage,
    DenseStage,
    MaskStage,
    NormStage,
    PoolStage,
    Stage,
    check_product,
)
from convnet_features.kernels.onednn.arrays import CHANNELS_LAST
from convnet_features.kernels.onednn.buffers import BufferPool
from convnet_features.kernels.onednn.conv_pool import find_conv_pool
from convnet_features.kernels.onednn.declarations import Arg, Query
from convnet_features.kernels.onednn.objects import MemoryDesc, UnsupportedError
from convnet_features.kernels.onednn.own_convolution import OwnConvolution
from convnet_features.kernels.onednn.primitives import Primitives
from convnet_features.kernels.onednn.program import Program
from convnet_features.kernels.onednn.stack_plan import ForwardPlan, PlanKey, Record
from convnet_features.kernels.onednn.storage import TEMPORARY, Storage, Value
from convnet_features.kernels.onednn.winograd import find_winograd, is_filtered, is_joined

__all__ = ["build_forward"]

Shape = tuple[int, ...]


def build_forward(
    primitives: Primitives,
    pool: BufferPool,
    stages: Sequence[Stage],
    key: PlanKey,
    num_threads: int,
    constants: Mapping[str, np.ndarray] | None = None,
) -> ForwardPlan:
    """Make the forward program for the images and parameters that `key` describes.

    The caller's arrays are called ``x``, ``y`` and ``p0``, ``p1``, ...: the
    parameters in the order of `contract.stack_params`, filters flipped already.
    Those among `constants` keep their values; they are laid out here, once.

    Raises
    ------
    UnsupportedError
        oneDNN cannot compute one of the stages, or only slowly.
    """
    return _Builder(primitives, pool, stages, key, num_threads, constants or {}).build()


class _Builder:
    def __init__(
        self,
        primitives: Primitives,
        pool: BufferPool,
        stages: Sequence[Stage],
        key: PlanKey,
        num_threads: int,
        constants: Mapping[str, np.ndarray],
    ) -> None:
        self.primitives = primitives
        self.stages = stages
        self.constants = constants
        self.key = key
        self.program = Program(primitives, pool, num_threads)
        self.records: list[Record] = []
        self.params_taken = 0
        self.statistics: list[tuple[float, Shape]] = []

    def build(self) -> ForwardPlan:
        value = self.program.external(
            "x", self.primitives.images(self.key.x_shape, self.key.x_layout)
        )
        pooled_already = False
        for index, stage in enumerate(self.stages):
            if pooled_already:
                pooled_already = False
            elif isinstance(stage, ConvStage):
                value, pooled_already = self._convolve(index, stage, value)
            elif isinstance(stage, PoolStage):
                value = self._pool(index, stage, value)
            elif isinstance(stage, DenseStage):
                value = self._multiply(index, stage, value)
            elif isinstance(stage, NormStage):
                value = self._normalise(index, stage, value)
            else:
                value = self._mask(index, stage, value)
        self._leave(value)
        self.program.finish()
        return ForwardPlan(self.key, self.program, self.records, value.desc.shape, self.statistics)

    # The stages

    def _convolve(self, index: int, stage: ConvStage, value: Value) -> tuple[Value, bool]:
        """The convolved images, and whether they are pooled already."""
        x_shape, w_shape = value.desc.shape, self.key.param_shapes[self.params_taken]
        if x_shape[1] != w_shape[1]:
            raise ValueError(
                f"a convolution has filters of shape {w_shape}, for images of {w_shape[1]} "
                f"channels, but its images have {x_shape[1]}: their shape is {x_shape}"
            )
        own = self._own_convolution(index, stage, value.desc, w_shape)
        if own is None:
            return self._convolve_by_onednn(index, stage, value), False
        return self._convolve_by_own(own, index, stage, value), own.substitute.pooling is not None

    def _convolve_by_onednn(self, index: int, stage: ConvStage, value: Value) -> Value:
        primitives = self.primitives
        activation, undo = self._activation_of_convolution(index, stage)
        w_name, w_shape, b_name, b_desc = self._params(stage)
        x_shape = value.desc.shape
        y_shape = stage.conv.output_shape(x_shape, w_shape)
        primitive = primitives.convolution_forward(
            stage.conv,
            primitives.any(x_shape),
            primitives.any(w_shape),
            b_desc,
            primitives.any(y_shape),
            activation,
            self.key.training,
        )
        x = self._input(value, primitive.desc(Query.SRC, x_shape))
        w = self._parameter(w_name, primitives.strided(w_shape))
        arguments = {
            Arg.SRC: x,
            Arg.WEIGHTS: self.program.reorder(w, primitive.desc(Query.WEIGHTS, w_shape)),
        }
        if b_desc is not None:
            arguments[Arg.BIAS] = self._parameter(b_name, b_desc)
        y_desc = primitive.desc(Query.DST, y_shape)
        y = arguments[Arg.DST] = self._result(index, y_desc, undo)
        self.program.run(primitive, arguments)
        self._record(stage, undo, x, y, hint=primitive, w_shape=w_shape, w=w_name, b=b_name)
        return y

    def _own_convolution(
        self, index: int, stage: ConvStage, x: MemoryDesc, w_shape: Shape
    ) -> OwnConvolution | None:
        """A routine that is better than oneDNN, for a convolution and, mostly, its pooling."""
        pool = self.stages[index + 1] if index + 1 < len(self.stages) else None
        training, num_threads = self.key.training, self.program.num_threads
        if isinstance(pool, PoolStage):
            own = find_conv_pool(
                self.primitives,
                stage,
                pool,
                x,
                w_shape,
                training,
                num_threads,
                lambda desc: self._wanted(index + 2, desc),
            )
            if own is not None:
                return own
        activation, undo = self._activation_of_convolution(index, stage)
        following, joined = index + 1, None
        if isinstance(pool, PoolStage) and is_joined(stage, pool, x.shape, w_shape):
            activation = undo = _of_both(stage, pool)
            following, joined = index + 2, pool
        return find_winograd(
            self.primitives,
            stage,
            joined,
            activation,
            undo,
            x,
            w_shape,
            training,
            num_threads,
            lambda desc: self._wanted(following, desc),
        )

    def _convolve_by_own(
        self, own: OwnConvolution, index: int, stage: ConvStage, value: Value
    ) -> Value:
        program, primitives, instead = self.program, self.primitives, own.substitute
        w_name, w_shape, b_name, b_desc = self._params(stage)
        pooled = instead.pooling is not None
        x = self._input(value, own.x)
        w = program.reorder(self._parameter(w_name, primitives.strided(w_shape)), own.w)
        if own.prepare is not None:
            assert own.prepared is not None
            prepared = program.temporary(own.prepared)
            program.call(own.prepare, {"w": w, "u": prepared})
            w = prepared
        y = self._result(index + pooled, own.result, own.undo)
        arguments = {"x": x, "w": w, "y": y}
        if b_desc is not None:
            arguments["b"] = self._parameter(b_name, b_desc)
        winners = None
        if pooled and self.key.training:
            assert instead.workspace is not None
            winners = arguments["winners"] = program.save(instead.workspace)
        program.call(own.routine, arguments)
        of_conv = {"hint": instead.convolution, "w_shape": w_shape, "w": w_name, "b": b_name}
        if not pooled:
            self._record(stage, own.undo, x, y, **of_conv)
            return y
        between = Value(instead.y, Storage(TEMPORARY, 0))
        self._record(stage, "linear", x, between, **of_conv)
        pool = self.stages[index + 1]
        self._record(pool, own.undo, between, y, hint=instead.pooling, workspace=winners)
        return y

    def _wanted(self, index: int, desc: MemoryDesc) -> MemoryDesc:
        """How the stage at `index`, if it is a convolution, wants its images; else `desc`."""
        stage = self.stages[index] if index < len(self.stages) else None
        if not isinstance(stage, ConvStage):
            return desc
        primitives = self.primitives
        first = sum(each.n_params for each in self.stages[:index])
        w_shape = self.key.param_shapes[first]
        activation, _ = self._activation_of_convolution(index, stage)
        training, machine = self.key.training, primitives.machine
        if is_filtered(stage.conv, activation, desc.shape, w_shape, training, machine):
            return desc
        convolution = primitives.convolution_forward(
            stage.conv,
            primitives.any(desc.shape),
            primitives.any(w_shape),
            primitives.strided(w_shape[:1]) if stage.bias else None,
            primitives.any(stage.conv.output_shape(desc.shape, w_shape)),
            activation,
        )
        return convolution.desc(Query.SRC, desc.shape)

    def _pool(self, index: int, stage: PoolStage, value: Value) -> Value:
        primitives, spec = self.primitives, stage.pool
        activation, undo = self._activation_of_pooling(index, stage)
        y_shape = spec.output_shape(value.desc.shape)
        primitive = primitives.pooling_forward(
            spec, value.desc, primitives.any(y_shape), self.key.training
        )
        y = self._result(index, primitive.desc(Query.DST, y_shape), undo)
        arguments = {Arg.SRC: value, Arg.DST: y}
        workspace = None
        if self.key.training:
            desc = primitive.desc(Query.WORKSPACE)
            if desc.size:
                workspace = arguments[Arg.WORKSPACE] = self.program.save(desc)
        self.program.run(primitive, arguments)
        if activation != "linear":
            self._activate(activation, y)
        self._record(stage, undo, value, y, hint=primitive, workspace=workspace)
        return y

    def _multiply(self, index: int, stage: DenseStage, value: Value) -> Value:
        primitives = self.primitives
        w_name, w_shape, b_name, b_desc = self._params(stage)
        n_samples = value.desc.shape[0]
        n_inputs = math.prod(value.desc.shape[1:])
        check_product(value.desc.shape, w_shape)
        x = self._input(value, primitives.strided(value.desc.shape))
        if len(x.desc.shape) != 2:
            x = self.program.view(x, primitives.strided((n_samples, n_inputs)))
        w = self._parameter(w_name, primitives.strided(w_shape))
        if b_desc is not None:
            b_desc = primitives.strided((1, w_shape[1]))
        y_desc = primitives.strided((n_samples, w_shape[1]))
        primitive = primitives.matmul(x.desc, w.desc, y_desc, b_desc, stage.activation)
        y = self._result(index, y_desc, stage.activation)
        arguments = {Arg.SRC: x, Arg.WEIGHTS: w, Arg.DST: y}
        if b_desc is not None:
            arguments[Arg.BIAS] = self._parameter(b_name, b_desc)
        self.program.run(primitive, arguments)
        self._record(stage, stage.activation, x, y, w_shape=w_shape, w=w_name, b=b_name)
        return y

    def _normalise(self, index: int, stage: NormStage, value: Value) -> Value:
        primitives, program, shape = self.primitives, self.program, value.desc.shape
        gamma, beta = f"p{self.params_taken}", f"p{self.params_taken + 1}"
        of_channels = shape[1:2]
        for param_shape in self.key.param_shapes[self.params_taken :][:2]:
            if param_shape != of_channels:
                raise ValueError(
                    f"a batch normalisation of {shape[1]} channels has parameters of shape "
                    f"{param_shape}: they must be of shape {of_channels}"
                )
        self.params_taken += 2
        desc = value.desc
        if len(shape) == 4 and desc == primitives.strided(shape):
            # A tenth of the speed: a plane of one channel after the other's.
            desc = primitives.images(shape, CHANNELS_LAST)
        x = self._input(value, desc)
        rectify = stage.activation == "rectify"
        undo = "linear" if rectify else stage.activation
        y = self._result(index, desc, undo)
        images = primitives.strided((*shape, 1, 1)) if len(shape) == 2 else desc
        primitive = primitives.normalisation_forward(images, stage.epsilon, rectify)
        channels = primitives.strided(of_channels)
        arguments = {
            Arg.SRC: program.view(x, images),
            Arg.DST: program.view(y, images),
            Arg.SCALE: self._parameter(gamma, channels),
            Arg.SHIFT: self._parameter(beta, channels),
        }
        for argument, name in ((Arg.MEAN, "mean"), (Arg.VARIANCE, "variance")):
            arguments[argument] = (
                program.external(f"{name}{len(self.statistics)}", channels)
                if self.key.training
                else program.temporary(channels)
            )
        self.statistics.append((stage.epsilon, of_channels))
        workspace = None
        if rectify:
            noted = primitive.desc(Query.WORKSPACE)
            workspace = program.save(noted) if self.key.training else program.temporary(noted)
            arguments[Arg.WORKSPACE] = workspace
        program.run(primitive, arguments)
        if undo != "linear":
            self._activate(undo, y)
        details = {"hint": primitive, "workspace": workspace, "w": gamma, "b": beta}
        self._record(stage, undo, x, y, **details)
        return y

    def _mask(self, index: int, stage: MaskStage, value: Value) -> Value:
        name = f"p{self.params_taken}"
        self.params_taken += 1
        shape = value.desc.shape
        if self.key.param_shapes[self.params_taken - 1] != shape:
            raise ValueError(
                f"a mask has shape {self.key.param_shapes[self.params_taken - 1]}, and what it "
                f"multiplies {shape}"
            )
        # Masks come plain; a dense stage, which mostly follows, wants its input so too.
        desc = self.primitives.strided(shape)
        x = self.program.reorder(value, desc)
        y = self._result(index, desc, "linear")
        self.program.run(
            self.primitives.multiplication(desc),
            {Arg.SRC: x, Arg.SRC_1: self._parameter(name, desc), Arg.DST: y},
        )
        self._record(stage, "linear", x, y, mask=name)
        return y

    def _activate(self, activation: str, value: Value) -> None:
        """Apply an activation in place."""
        flat = self.primitives.flat(value.desc)
        padded = flat.shape[0] != math.prod(value.desc.shape)
        if padded and activation == "sigmoid":
            # The padding of a layout is zero, and must stay zero.
            raise UnsupportedError("oneDNN has no fast sigmoid of padded images")
        value = self.program.view(value, flat)
        primitive = self.primitives.activation_forward(activation, flat)
        self.program.run(primitive, {Arg.SRC: value, Arg.DST: value})

    # Which activation is computed where

    def _activation_of_convolution(self, index: int, stage: ConvStage) -> tuple[str, str]:
        """(what the convolution applies, what its gradient undoes)."""
        following = self.stages[index + 1] if index + 1 < len(self.stages) else None
        if _rectify_commutes(stage, following):
            return "rectify", "linear"
        return stage.activation, stage.activation

    def _activation_of_pooling(self, index: int, stage: PoolStage) -> tuple[str, str]:
        """(what follows the pooling, what its gradient undoes)."""
        if index and _rectify_commutes(self.stages[index - 1], stage):
            return "linear", "rectify"
        return stage.activation, stage.activation

    # Where the values are

    def _params(self, stage: ConvStage | DenseStage) -> tuple[str, Shape, str, MemoryDesc | None]:
        """Names and shapes of the stage's parameters: w, and b or nothing."""
        index, self.params_taken = self.params_taken, self.params_taken + 1 + stage.bias
        w_shape = self.key.param_shapes[index]
        if not stage.bias:
            return f"p{index}", w_shape, "", None
        n_units = w_shape[0] if isinstance(stage, ConvStage) else w_shape[1]
        if self.key.param_shapes[index + 1] != (n_units,):
            raise ValueError(
                f"biases of shape {self.key.param_shapes[index + 1]} are added to "
                f"{n_units} units (columns of a matrix product) or filters: they must be of "
                f"shape ({n_units},)"
            )
        return f"p{index}", w_shape, f"p{index + 1}", self.primitives.strided((n_units,))

    def _parameter(self, name: str, desc: MemoryDesc) -> Value:
        if name in self.constants:
            return self.program.constant(self.constants[name], desc)
        return self.program.external(name, desc)

    def _input(self, value: Value, desc: MemoryDesc) -> Value:
        """A stage's input in the layout it wants; kept where the weights' gradient needs it."""
        if value.desc == desc:
            return value
        x = self.program.save(desc) if self.key.training else self.program.temporary(desc)
        self.program.reorder_into(value, x)
        return x

    def _result(self, index: int, desc: MemoryDesc, undo: str) -> Value:
        """Where a stage's result goes: to the caller, to the backward program, or to scratch."""
        last = index == len(self.stages) - 1
        if last and desc == self.primitives.strided(desc.shape):
            return self.program.external("y", desc)
        following = None if last else self.stages[index + 1]
        needed = undo != "linear" or isinstance(following, ConvStage | DenseStage | NormStage)
        if self.key.training and needed:
            return self.program.save(desc)
        return self.program.temporary(desc)

    def _leave(self, value: Value) -> None:
        if value is not self.program.externals.get("y"):
            y = self.program.external("y", self.primitives.strided(value.desc.shape))
            self.program.reorder_into(value, y)

    def _record(self, stage: Stage, undo: str, x: Value, y: Value, **details: object) -> None:
        own = None if x.storage is self.program.externals["x"].storage else x
        out = None if y is self.program.externals.get("y") else y
        self.records.append(Record(stage, undo, x.desc, y.desc, own, out, **details))  # type: ignore[arg-type]


def _rectify_commutes(stage: Stage, following: Stage | None) -> bool:
    """Is this a convolution and a max pooling with a rectify on at least one of them?"""
    if not (isinstance(stage, ConvStage) and isinstance(following, PoolStage)):
        return False
    activations = {stage.activation, following.activation}
    return (
        following.pool.mode == "max"
        and "rectify" in activations
        and activations <= {"linear", "rectify"}
    )


def _of_both(conv: ConvStage, pool: PoolStage) -> str:
    """What a convolution and its max pooling are given together."""
    return "rectify" if "rectify" in (conv.activation, pool.activation) else "linear"
