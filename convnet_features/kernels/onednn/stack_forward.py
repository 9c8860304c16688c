"""The forward program of a stack.

What computes each stage was chosen before (`plan.choice`); here it is emitted. Where
generated code does not know the layout that oneDNN gives images, the next option
is taken.

Images keep the layout that oneDNN likes from the first convolution to the last
pooling. Dense stages work on plain matrices, which oneDNN multiplies as fast
as packed ones, so dense weights, the greater part of a network's, are never
repacked. What is reordered: images where they enter and leave, if oneDNN wants
them otherwise, and filters, which are small.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from convnet_features.kernels.contract import (
    ConcatStage,
    ConvStage,
    DenseStage,
    MaskStage,
    NormStage,
    PoolStage,
    SizedNode,
    StageGraph,
    SumStage,
    check_product,
)
from convnet_features.kernels.onednn.binding.declarations import Arg, Query
from convnet_features.kernels.onednn.binding.objects import MemoryDesc, UnsupportedError
from convnet_features.kernels.onednn.binding.primitives import Primitives
from convnet_features.kernels.onednn.bounds import Measuring
from convnet_features.kernels.onednn.conv_pool import emit_one_pass
from convnet_features.kernels.onednn.own_convolution import OwnConvolution
from convnet_features.kernels.onednn.plan.choice import (
    FILTERING,
    ONE_PASS,
    Case,
    Choices,
    Option,
    Taken,
    applied_activation,
    commutes,
    undone_activation,
)
from convnet_features.kernels.onednn.plan.layouts import layout_of_joined, layout_of_normalised
from convnet_features.kernels.onednn.program.buffers import BufferPool
from convnet_features.kernels.onednn.program.program import Constants, Program
from convnet_features.kernels.onednn.program.storage import TEMPORARY, Storage, Value
from convnet_features.kernels.onednn.stack_plan import ForwardPlan, PlanKey, Record
from convnet_features.kernels.onednn.winograd import emit_filtering

__all__ = ["build_forward"]

Shape = tuple[int, ...]


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
    return _Builder(
        primitives, pool, graph, key, choices, num_threads, constants or Constants()
    ).build()


class _Builder:
    def __init__(
        self,
        primitives: Primitives,
        pool: BufferPool,
        graph: StageGraph,
        key: PlanKey,
        choices: Choices,
        num_threads: int,
        constants: Constants,
    ) -> None:
        self.primitives = primitives
        self.graph = graph
        self.readers = graph.readers
        self.only_readers = graph.only_readers
        self.choices = choices
        self.constants = constants.arrays
        self.key = key
        self.nodes = list(graph.walk(key.x_shapes, key.param_shapes))
        self.program = Program(primitives, pool, num_threads, constants=constants)
        #: What is known by now: the inputs, and the nodes' results.
        self.values: dict[int, Value] = {}
        self.records: list[Record] = []
        self.statistics: list[tuple[float, Shape]] = []
        #: Values that were laid out otherwise for a reader, for the next one that wants them so.
        self.laid_out: list[tuple[Value, Value]] = []

    def build(self) -> ForwardPlan:
        given = zip(self.key.x_shapes, self.key.x_layouts, strict=True)
        for number, (shape, layout) in enumerate(given):
            desc = self.primitives.images(shape, layout)
            self.values[number] = self.program.external(f"x{number}", desc)
        measuring, measured = Measuring(self.graph, self.key.looks), []
        for node in self.nodes:
            # A pooling may be done already, with its convolution.
            if node.value not in self.values:
                self._emit(node)
            result = self.values[node.value]
            if measuring.wants(node, can_look=result.storage.size > 0):
                self.program.look(result)
                measured.append(node.value)
        self.program.purpose = None
        for number, value in enumerate(self.graph.outputs):
            self._leave(number, self.values[value])
        self.program.finish()
        y_shapes = [self.values[value].desc.shape for value in self.graph.outputs]
        return ForwardPlan(
            self.graph,
            self.key,
            self.choices,
            self.program,
            self.records,
            y_shapes,
            self.statistics,
            measured,
        )

    def _emit(self, node: SizedNode) -> None:
        choice = self.choices.forward[node.number]
        self.program.purpose = Taken(choice, choice.options[-1])
        match node.stage:
            case ConvStage():
                self._convolve(node, node.stage)
            case PoolStage():
                self._pool(node, node.stage)
            case DenseStage():
                self._multiply(node, node.stage)
            case NormStage():
                self._normalise(node, node.stage)
            case MaskStage():
                self._mask(node)
            case SumStage():
                self._sum(node, node.stage)
            case ConcatStage():
                self._concatenate(node)

    # The stages

    def _convolve(self, node: SizedNode, stage: ConvStage) -> None:
        x_shape, w_shape = node.x_shapes[0], node.param_shapes[0]
        if x_shape[1] != w_shape[1]:
            raise ValueError(
                f"a convolution has filters of shape {w_shape}, for images of {w_shape[1]} "
                f"channels, but its images have {x_shape[1]}: their shape is {x_shape}"
            )
        choice = self.choices.forward[node.number]
        for option in choice.options:
            own = self._own_convolution(option, choice.case, node)
            if own is not None:
                self.program.purpose = Taken(choice, option)
                self._convolve_by_own(own, node, stage)
                return
        self._convolve_by_onednn(node, stage)

    def _convolve_by_onednn(self, node: SizedNode, stage: ConvStage) -> None:
        primitives = self.primitives
        activation, undo = self._activation_of_convolution(node, stage)
        w_name, w_shape, b_name, b_desc = self._params(node)
        x_shape, y_shape = node.x_shapes[0], node.y_shape
        primitive = primitives.convolution_forward(
            stage.conv,
            primitives.any(x_shape),
            primitives.any(w_shape),
            b_desc,
            primitives.any(y_shape),
            activation,
            self.key.training,
        )
        x = self._input(self._x(node), primitive.desc(Query.SRC, x_shape))
        w = self._parameter(w_name, primitives.strided(w_shape))
        arguments = {
            Arg.SRC: x,
            Arg.WEIGHTS: self.program.reorder(w, primitive.desc(Query.WEIGHTS, w_shape)),
        }
        if b_desc is not None:
            arguments[Arg.BIAS] = self._parameter(b_name, b_desc)
        y_desc = primitive.desc(Query.DST, y_shape)
        y = arguments[Arg.DST] = self._result(node, y_desc, undo)
        self.program.run(primitive, arguments)
        self._record(node, undo, x, y, hint=primitive, w_shape=w_shape, w=w_name, b=b_name)

    def _own_convolution(
        self, option: Option, case: Case | None, node: SizedNode
    ) -> OwnConvolution | None:
        """The routine of an option; None where it is oneDNN's, or layouts do not fit."""
        emit = OWN_CONVOLUTIONS.get(option.candidate)
        if emit is None or case is None:
            return None
        result = self.nodes[option.nodes[-1]].value
        return emit(
            self.primitives,
            case,
            self._x(node).desc,
            self.program.num_threads,
            lambda desc: self._wanted(result, desc),
        )

    def _convolve_by_own(self, own: OwnConvolution, node: SizedNode, stage: ConvStage) -> None:
        program, primitives, instead = self.program, self.primitives, own.substitute
        w_name, w_shape, b_name, b_desc = self._params(node)
        pooling = self._following(node) if instead.pooling is not None else None
        x = self._input(self._x(node), own.x)
        w = program.reorder(self._parameter(w_name, primitives.strided(w_shape)), own.w)
        if own.prepare is not None:
            assert own.prepared is not None
            prepared = program.temporary(own.prepared)
            program.call(own.prepare, {"w": w, "u": prepared})
            w = prepared
        y = self._result(pooling or node, own.result, own.undo)
        arguments = {"x": x, "w": w, "y": y}
        if b_desc is not None:
            arguments["b"] = self._parameter(b_name, b_desc)
        winners = None
        if pooling and self.key.training:
            assert instead.workspace is not None
            winners = arguments["winners"] = program.save(instead.workspace)
        program.call(own.routine, arguments)
        of_conv: dict[str, Any] = {
            "hint": instead.convolution,
            "w_shape": w_shape,
            "w": w_name,
            "b": b_name,
        }
        if not pooling:
            self._record(node, own.undo, x, y, **of_conv)
            return
        between = Value(instead.y, Storage(TEMPORARY, 0))
        self._record(node, "linear", x, between, **of_conv)
        self._record(pooling, own.undo, between, y, hint=instead.pooling, workspace=winners)

    def _wanted(self, value: int, desc: MemoryDesc) -> MemoryDesc:
        """How a convolution that reads a value wants it laid out; `desc` if none does."""
        for number in self.readers[value]:
            node = self.nodes[number]
            if isinstance(node.stage, ConvStage):
                return self._wanted_by(node, node.stage, desc)
        return desc

    def _wanted_by(self, node: SizedNode, stage: ConvStage, desc: MemoryDesc) -> MemoryDesc:
        primitives, w_shape = self.primitives, node.param_shapes[0]
        if any(each.candidate is FILTERING for each in self.choices.forward[node.number].options):
            return desc
        activation, _ = self._activation_of_convolution(node, stage)
        convolution = primitives.convolution_forward(
            stage.conv,
            primitives.any(desc.shape),
            primitives.any(w_shape),
            primitives.strided(w_shape[:1]) if stage.bias else None,
            primitives.any(node.y_shape),
            activation,
        )
        return convolution.desc(Query.SRC, desc.shape)

    def _pool(self, node: SizedNode, stage: PoolStage) -> None:
        primitives, spec, value = self.primitives, stage.pool, self._x(node)
        activation, undo = self._activation_of_pooling(node, stage)
        primitive = primitives.pooling_forward(
            spec, value.desc, primitives.any(node.y_shape), self.key.training
        )
        y = self._result(node, primitive.desc(Query.DST, node.y_shape), undo)
        arguments = {Arg.SRC: value, Arg.DST: y}
        workspace = None
        if self.key.training:
            desc = primitive.desc(Query.WORKSPACE)
            if desc.size:
                workspace = arguments[Arg.WORKSPACE] = self.program.save(desc)
        self.program.run(primitive, arguments)
        if activation != "linear":
            self._activate(activation, y)
        self._record(node, undo, value, y, hint=primitive, workspace=workspace)

    def _multiply(self, node: SizedNode, stage: DenseStage) -> None:
        primitives, value = self.primitives, self._x(node)
        w_name, w_shape, b_name, b_desc = self._params(node)
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
        y = self._result(node, y_desc, stage.activation)
        arguments = {Arg.SRC: x, Arg.WEIGHTS: w, Arg.DST: y}
        if b_desc is not None:
            arguments[Arg.BIAS] = self._parameter(b_name, b_desc)
        self.program.run(primitive, arguments)
        self._record(node, stage.activation, x, y, w_shape=w_shape, w=w_name, b=b_name)

    def _normalise(self, node: SizedNode, stage: NormStage) -> None:
        primitives, program, value = self.primitives, self.program, self._x(node)
        shape = value.desc.shape
        gamma, beta = f"p{node.first_param}", f"p{node.first_param + 1}"
        of_channels = shape[1:2]
        for param_shape in node.param_shapes:
            if param_shape != of_channels:
                raise ValueError(
                    f"a batch normalisation of {shape[1]} channels has parameters of shape "
                    f"{param_shape}: they must be of shape {of_channels}"
                )
        desc, layout = value.desc, primitives.layout_of(value.desc)
        if layout_of_normalised(layout) != layout:
            desc = primitives.laid_out(shape, layout_of_normalised(layout))
        x = self._input(value, desc)
        rectify = stage.activation == "rectify"
        undo = "linear" if rectify else stage.activation
        y = self._result(node, desc, undo)
        images = primitives.strided((*shape, 1, 1)) if len(shape) == 2 else desc
        primitive = primitives.normalisation_forward(images, stage.epsilon, rectify)
        channels = primitives.strided(of_channels)
        arguments = {
            Arg.SRC: program.view(x, images),
            Arg.DST: program.view(y, images),
            Arg.SCALE: self._parameter(gamma, channels),
            Arg.SHIFT: self._parameter(beta, channels),
        }
        number = len(self.statistics)
        for argument, name in ((Arg.MEAN, "mean"), (Arg.VARIANCE, "variance")):
            arguments[argument] = (
                program.external(f"{name}{number}", channels)
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
        details: dict[str, Any] = {"hint": primitive, "workspace": workspace, "w": gamma, "b": beta}
        self._record(node, undo, x, y, number=number, **details)

    def _mask(self, node: SizedNode) -> None:
        name, value = f"p{node.first_param}", self._x(node)
        shape = value.desc.shape
        if node.param_shapes[0] != shape:
            raise ValueError(
                f"a mask has shape {node.param_shapes[0]}, and what it multiplies {shape}"
            )
        # Masks come plain; a dense stage, which mostly follows, wants its input so too.
        desc = self.primitives.strided(shape)
        x = self.program.reorder(value, desc)
        y = self._result(node, desc, "linear")
        self.program.run(
            self.primitives.multiplication(desc),
            {Arg.SRC: x, Arg.SRC_1: self._parameter(name, desc), Arg.DST: y},
        )
        self._record(node, "linear", x, y, mask=name)

    def _sum(self, node: SizedNode, stage: SumStage) -> None:
        self._check_alike(node, node.x_shapes)
        given = [self.values[value] for value in node.inputs]
        plain = self.primitives.strided(node.y_shape)
        # What a convolution made is laid out as the next one wants it.
        desc = next((value.desc for value in given if value.desc != plain), plain)
        first, *others = (self._input(value, desc, read_again=False) for value in given)
        y = self._result(node, desc, stage.activation)
        for number, other in enumerate(others, start=1):
            activation = stage.activation if number == len(others) else "linear"
            self.program.run(
                self.primitives.addition(desc, activation),
                {Arg.SRC: first, Arg.SRC_1: other, Arg.DST: y},
            )
            first = y
        self._record(node, stage.activation, given[0], y, x_descs=(desc,) * len(given))

    def _concatenate(self, node: SizedNode) -> None:
        self._check_alike(node, [(shape[0], *shape[2:]) for shape in node.x_shapes])
        given = [self.values[value] for value in node.inputs]
        layout = self.primitives.layout_of(given[0].desc)
        layout = layout_of_joined(layout, [x_shape[1] for x_shape in node.x_shapes])
        desc = self.primitives.laid_out(node.y_shape, layout)
        y = self._result(node, desc, "linear")
        start = 0
        for value in given:
            channels = value.desc.shape[1]
            part = self.primitives.channels(desc, start, channels)
            self.program.reorder_into(value, self.program.view(y, part))
            start += channels
        descs = tuple([value.desc for value in given])
        self._record(node, "linear", given[0], y, x_descs=descs)

    @staticmethod
    def _check_alike(node: SizedNode, sizes: Sequence[Shape]) -> None:
        if len(set(sizes)) > 1:
            raise ValueError(
                f"{node.stage} joins arrays of shapes {', '.join(map(str, node.x_shapes))}"
            )

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

    def _activation_of_convolution(self, node: SizedNode, stage: ConvStage) -> tuple[str, str]:
        """(what the convolution applies, what its gradient undoes)."""
        following = self._following(node)
        behind = following.stage if following else None
        return applied_activation(stage, behind), undone_activation(stage, behind)

    def _activation_of_pooling(self, node: SizedNode, stage: PoolStage) -> tuple[str, str]:
        """(what follows the pooling, what its gradient undoes)."""
        maker = self.graph.maker(node.inputs[0])
        before = None if maker is None else self.nodes[maker]
        alone = before is not None and self._following(before) is node
        if before is not None and alone and commutes(before.stage, stage):
            return "linear", "rectify"
        return stage.activation, stage.activation

    # Where the values are

    def _following(self, node: SizedNode) -> SizedNode | None:
        """The node that alone reads another's result; None if there are others, or the caller."""
        reader = self.only_readers[node.value]
        return None if reader is None else self.nodes[reader]

    def _x(self, node: SizedNode) -> Value:
        """The first input."""
        return self.values[node.inputs[0]]

    def _params(self, node: SizedNode) -> tuple[str, Shape, str, MemoryDesc | None]:
        """Names and shapes of a stage's parameters: w, and b or nothing."""
        index, w_shape = node.first_param, node.param_shapes[0]
        if node.stage.n_params == 1:
            return f"p{index}", w_shape, "", None
        n_units = node.y_shape[1]
        if node.param_shapes[1] != (n_units,):
            raise ValueError(
                f"biases of shape {node.param_shapes[1]} are added to "
                f"{n_units} units (columns of a matrix product) or filters: they must be of "
                f"shape ({n_units},)"
            )
        return f"p{index}", w_shape, f"p{index + 1}", self.primitives.strided((n_units,))

    def _parameter(self, name: str, desc: MemoryDesc) -> Value:
        if name in self.constants:
            return self.program.constant(self.constants[name], desc)
        return self.program.external(name, desc)

    def _input(self, value: Value, desc: MemoryDesc, read_again: bool = True) -> Value:
        """A stage's input in the layout it wants; kept where the gradient reads it again."""
        if value.desc == desc:
            return value
        for original, copy in self.laid_out:
            if original is value and copy.desc == desc:
                return copy
        saved = self.key.training and read_again
        x = self.program.save(desc) if saved else self.program.temporary(desc)
        self.program.reorder_into(value, x)
        if saved or not self.key.training:
            self.laid_out.append((value, x))
        return x

    def _result(self, node: SizedNode, desc: MemoryDesc, undo: str) -> Value:
        """Where a stage's result goes: to the caller, to the backward program, or to scratch."""
        if node.value in self.graph.outputs and desc == self.primitives.strided(desc.shape):
            return self.program.external(f"y{self.graph.outputs.index(node.value)}", desc)
        needed = undo != "linear" or any(
            self.nodes[reader].stage.gradient_reads_input for reader in self.readers[node.value]
        )
        if self.key.training and needed:
            return self.program.save(desc)
        return self.program.temporary(desc)

    def _leave(self, number: int, value: Value) -> None:
        name = f"y{number}"
        if value is not self.program.externals.get(name):
            y = self.program.external(name, self.primitives.strided(value.desc.shape))
            self.program.reorder_into(value, y)

    def _record(
        self,
        node: SizedNode,
        undo: str,
        x: Value,
        y: Value,
        x_descs: tuple[MemoryDesc, ...] = (),
        **details: Any,
    ) -> None:
        self.values[node.value] = y
        self.records.append(
            Record(
                node.stage,
                node.inputs,
                node.value,
                undo,
                x_descs or (x.desc,),
                y.desc,
                x.storage.name or x,
                y.storage.name or y,
                **details,
            )
        )


#: What emits the candidates that are generated code.
OWN_CONVOLUTIONS = {ONE_PASS: emit_one_pass, FILTERING: emit_filtering}
