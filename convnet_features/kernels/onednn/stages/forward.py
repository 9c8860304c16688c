"""What stages emit their forward steps with.

Images keep the layout that oneDNN likes from the first convolution to the last
pooling. Dense stages work on plain matrices, which oneDNN multiplies as fast
as packed ones, so dense weights, the greater part of a network's, are never
repacked. What is reordered: images where they enter and leave, if oneDNN wants
them otherwise, and filters, which are small.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from ...contract import ConcatStage, ElementwiseStage, SizedNode, StageGraph, SumStage
from ..binding.declarations import Arg
from ..binding.objects import MemoryDesc, UnsupportedError
from ..binding.post_ops import SUM, PostOp, of_activation, of_function
from ..binding.primitives import Primitives
from ..plan.choice import Choice, Choices, Option, Taken
from ..plan.layouts import CHANNELS_LAST, layout_of_joined
from ..program.buffers import BufferPool
from ..program.program import Constants, Program
from ..program.storage import TEMPORARY, Storage, Value
from .forward_plan import PlanKey, Record

__all__ = ["ForwardEmitter", "Part", "Tail"]

Shape = tuple[int, ...]


class Tail(NamedTuple):
    """The nodes behind one that its primitive computes as well.

    Attributes
    ----------
    nodes : tuple of SizedNode
    then : tuple of PostOp
        What they do to the primitive's results.
    addend : Value or None
        What is added to them, and is read by nothing later: the sum takes its place.
    """

    nodes: tuple[SizedNode, ...] = ()
    then: tuple[PostOp, ...] = ()
    addend: Value | None = None


class Part(NamedTuple):
    """Where a result lies in joined images, and how many channels those have."""

    value: Value
    n_channels: int


class ForwardEmitter:
    """The forward program of a graph while it is made.

    Parameters
    ----------
    primitives : Primitives
    pool : BufferPool
    graph : StageGraph
    key : PlanKey
        The images and parameters that it is made for.
    choices : Choices
    num_threads : int
    constants : Constants
        Parameters that keep their values.

    Attributes
    ----------
    nodes : list of SizedNode
    program : Program
    values : dict of int to Value
        What is known by now: the inputs, and the nodes' results.
    records : list of Record
    statistics : list of (float, tuple of int)
        See `ForwardPlan`.
    joined : dict of int to Value
        Concatenations, by their values, whose inputs are written to their places.
    """

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
        self.choices = choices
        self.key = key
        self.nodes = list(graph.walk(key.x_shapes, key.param_shapes))
        self.program = Program(primitives, pool, num_threads, constants=constants)
        self.values: dict[int, Value] = {}
        self.records: list[Record] = []
        self.statistics: list[tuple[float, Shape]] = []
        #: Where concatenations lie whose inputs are written to their parts of it.
        self.joined: dict[int, Value] = {}
        self._strided: list[Value] = []
        self._only_readers = graph.only_readers
        self._constants = constants.arrays
        #: Values that were laid out otherwise for a reader, for the next one that wants them so.
        self._laid_out: list[tuple[Value, Value]] = []
        given = zip(key.x_shapes, key.x_layouts, strict=True)
        for number, (shape, layout) in enumerate(given):
            desc = primitives.images(shape, layout)
            self.values[number] = self.program.external(f"x{number}", desc)

    # What was chosen

    def choice(self, node: SizedNode) -> Choice:
        """What was chosen for a node."""
        return self.choices.forward[node.number]

    def take(self, choice: Choice, option: Option) -> None:
        """Note what the next steps are for."""
        self.program.purpose = Taken(choice, option)

    # Around a node

    def x(self, node: SizedNode) -> Value:
        """The first input."""
        return self.values[node.inputs[0]]

    def xs(self, node: SizedNode) -> list[Value]:
        """All inputs."""
        return [self.values[value] for value in node.inputs]

    def following(self, node: SizedNode) -> SizedNode | None:
        """The node that alone reads another's result; None if there are others, or the caller."""
        reader = self._only_readers[node.value]
        return None if reader is None else self.nodes[reader]

    def take_tail(self, node: SizedNode, adds: bool = False) -> Tail:
        """What a primitive does besides computing `node`: functions, and one sum if it `adds`.

        Nothing in training: gradients read what lies between.
        """
        nodes: list[SizedNode] = []
        then: list[PostOp] = []
        addend, last = None, node
        while not self.key.training and (following := self.following(last)) is not None:
            stage = following.stage
            if isinstance(stage, ElementwiseStage):
                then.append(of_function(stage))
            elif isinstance(stage, SumStage) and adds and addend is None:
                addend = self._addend(following, last)
                if addend is None:
                    break
                then += [SUM, *of_activation(stage.activation)]
            else:
                break
            nodes.append(following)
            last = following
        if nodes:
            choice = self.choice(node)
            numbers = tuple([each.number for each in (node, *nodes)])
            self.take(choice, choice.options[-1]._replace(nodes=numbers))
        return Tail(tuple(nodes), tuple(then), addend)

    def sum_behind(self, node: SizedNode) -> Tail:
        """A sum that generated code can compute with `node`: linear or rectified, and addend here.

        Nothing in training, as of `take_tail`.
        """
        following = None if self.key.training else self.following(node)
        if following is None or not isinstance(following.stage, SumStage):
            return Tail()
        if following.stage.activation not in ("linear", "rectify"):
            return Tail()
        addend = self._addend(following, node)
        return Tail() if addend is None else Tail((following,), (), addend)

    def _addend(self, node: SizedNode, first: SizedNode) -> Value | None:
        """The other input of a sum of two, if it is here, and nothing else will read it."""
        others = [number for number in node.inputs if number != first.value]
        if len(node.inputs) != 2 or len(others) != 1 or others[0] not in self.values:
            return None
        (number,), value = others, self.values[others[0]]
        if number in self.graph.outputs or value.storage.kind != TEMPORARY:
            return None
        if not value.desc.shape == first.y_shape == node.y_shape:
            return None
        # Joined images and their parts are read by who knows whom.
        if any(value.storage is whole.storage for whole in self.joined.values()):
            return None
        done = (self.nodes[each].value in self.values for each in self.readers[number])
        # The sum itself is the only reader that is not done.
        return value if list(done).count(False) == 1 and value.storage.size else None

    def place(self, value: Value) -> Value | str:
        """Where a gradient finds a value: what was saved, or the name of the caller's own array."""
        return value.storage.name or value

    def check_alike(self, node: SizedNode, sizes: Sequence[Shape]) -> None:
        """Raise ValueError unless what a node joins has the same sizes."""
        if len(set(sizes)) > 1:
            raise ValueError(
                f"{node.stage} joins arrays of shapes {', '.join(map(str, node.x_shapes))}"
            )

    # Parameters

    def weights(self, node: SizedNode) -> tuple[str, Shape, str, MemoryDesc | None]:
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

    def parameter(self, name: str, desc: MemoryDesc) -> Value:
        """A parameter of the caller's, or one that keeps its value."""
        if name in self._constants:
            return self.program.constant(self._constants[name], desc)
        return self.program.external(name, desc)

    # Inputs and results

    def input(self, value: Value, desc: MemoryDesc, read_again: bool = True) -> Value:
        """A stage's input in the layout it wants; kept where the gradient reads it again."""
        if value.desc == desc:
            return value
        for original, copy in self._laid_out:
            if original is value and copy.desc == desc:
                return copy
        saved = self.key.training and read_again
        x = self.program.save(desc) if saved else self.program.temporary(desc)
        self.program.reorder_into(value, x)
        if saved or not self.key.training:
            self._laid_out.append((value, x))
        return x

    def result(self, node: SizedNode, desc: MemoryDesc, undo: str) -> Value:
        """Where a stage's result goes: to the caller, to the backward program, or to scratch."""
        if node.value in self.graph.outputs and desc == self.primitives.strided(desc.shape):
            return self.program.external(f"y{self.graph.outputs.index(node.value)}", desc)
        needed = undo != "linear" or any(
            self.nodes[reader].stage.gradient_reads_input for reader in self.readers[node.value]
        )
        if self.key.training and needed:
            return self.program.save(desc)
        part = None if self.key.training else self.part(node, desc)
        return self.program.temporary(desc) if part is None else part.value

    # Parts of joined images

    def part(self, node: SizedNode, desc: MemoryDesc, strided: bool = False) -> Part | None:
        """Where a node's result lies in what it is joined to along the channels.

        None where it is not, or its part is not laid out as `desc`: of several images, and with
        the channels last, parts are `strided`, which not all that writes can do.
        """
        if node.value in self.graph.outputs:
            return None
        readers = [self.nodes[number] for number in self.readers[node.value]]
        join = next((each for each in readers if isinstance(each.stage, ConcatStage)), None)
        if join is None or join.inputs.count(node.value) > 1 or join.value in self.graph.outputs:
            return None
        layout, channels = self.primitives.layout_of(desc), [shape[1] for shape in join.x_shapes]
        dense = desc.shape[0] == 1 and layout != CHANNELS_LAST
        if layout != layout_of_joined(layout, channels) or not (dense or strided):
            return None
        # Who reads a strided part besides would have to lay it out anew.
        if not dense and (layout != CHANNELS_LAST or len(readers) > 1):
            return None
        whole = self.joined.get(join.value)
        if whole is None:
            whole = self.result(join, self.primitives.laid_out(join.y_shape, layout), "linear")
            self.joined[join.value] = whole
        elif self.primitives.layout_of(whole.desc) != layout:
            return None
        start = sum(channels[: join.inputs.index(node.value)])
        if dense:
            offset = 4 * start * math.prod(desc.shape[2:])
            return Part(self.program.part(whole, desc, offset), join.y_shape[1])
        rows, columns = desc.shape[2:]
        n_all = join.y_shape[1]
        strides = (rows * columns * n_all, 1, columns * n_all, n_all)
        part = self.program.part(whole, self.primitives.strided(desc.shape, strides), 4 * start)
        self._strided.append(part)
        return Part(part, n_all)

    def is_in_place(self, value: Value, whole: Value, start: int) -> bool:
        """Whether a value lies in joined images already, `start` channels behind their first."""
        if value.storage is not whole.storage:
            return False
        is_last = self.primitives.layout_of(whole.desc) == CHANNELS_LAST
        step = 1 if is_last else math.prod(value.desc.shape[2:])
        return value.offset == whole.offset + 4 * start * step

    def can_look(self, node: SizedNode) -> bool:
        """Whether a node's result is somewhere in memory, and nothing of others between."""
        value = self.values[node.value]
        return value.storage.size > 0 and not any(value is each for each in self._strided)

    def activate(self, activation: str, value: Value) -> None:
        """Apply an activation in place."""
        flat = self.primitives.flat(value.desc)
        padded = flat.shape[0] != math.prod(value.desc.shape)
        if padded and activation == "sigmoid":
            # The padding of a layout is zero, and must stay zero.
            raise UnsupportedError("oneDNN has no fast sigmoid of padded images")
        value = self.program.view(value, flat)
        primitive = self.primitives.activation_forward(activation, flat)
        self.program.run(primitive, {Arg.SRC: value, Arg.DST: value})

    def tail_result(self, node: SizedNode, tail: Tail, desc: MemoryDesc, undo: str) -> Value:
        """Where the result of a node and its tail goes; what is added to it is there already."""
        if tail.addend is None:
            return self.result(tail.nodes[-1] if tail.nodes else node, desc, undo)
        if tail.addend.desc == desc:
            return self.program.view(tail.addend, desc)
        y = self.program.temporary(desc)
        self.program.reorder_into(tail.addend, y)
        return y

    def record_with_tail(
        self, node: SizedNode, tail: Tail, undo: str, x: Value, y: Value, **details: Any
    ) -> None:
        """Note the result of a node and its tail: what lies between is nowhere in memory."""
        *inner, last = (node, *tail.nodes)
        for each in inner:
            between = Value(y.desc, Storage(TEMPORARY, 0))
            self.record(each, undo, x, between, **(details if each is node else {}))
        self.record(last, undo, x, y, **({} if inner else details))

    def record(
        self,
        node: SizedNode,
        undo: str,
        x: Value,
        y: Value,
        x_descs: tuple[MemoryDesc, ...] = (),
        **details: Any,
    ) -> None:
        """Note a node's result, and what its gradient needs to know: see `Record`."""
        self.values[node.value] = y
        self.records.append(
            Record(
                node.stage,
                node.inputs,
                node.value,
                undo,
                x_descs or (x.desc,),
                y.desc,
                self.place(x),
                self.place(y),
                **details,
            )
        )

    def leave(self) -> None:
        """Bring the results to the caller where they are not there by now."""
        self.program.purpose = None
        for number, output in enumerate(self.graph.outputs):
            name, value = f"y{number}", self.values[output]
            if value is not self.program.externals.get(name):
                y = self.program.external(name, self.primitives.strided(value.desc.shape))
                self.program.reorder_into(value, y)
