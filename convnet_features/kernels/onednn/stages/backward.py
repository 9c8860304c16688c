"""What stages emit the steps of their gradients with."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..binding.declarations import Arg
from ..binding.objects import MemoryDesc, Primitive
from ..binding.primitives import Primitives, first_supported
from ..plan.choice import Choice, Option, Taken
from ..program.buffers import BufferPool
from ..program.program import Program
from ..program.storage import Value
from .forward_plan import ForwardPlan, Record

__all__ = ["BackwardEmitter"]


class BackwardEmitter:
    """The program of a graph's gradients while it is made.

    Parameters
    ----------
    primitives : Primitives
    pool : BufferPool
    plan : ForwardPlan
    given : sequence of bool
        For each result, whether its gradient comes in.
    input_grads : sequence of bool
        For each input, whether its gradient is wanted.
    num_threads : int

    Attributes
    ----------
    program : Program
    needs : list of bool
        For each value, whether a gradient goes through it.
    records : dict of int to Record
        Of the nodes, by their results.
    """

    def __init__(
        self,
        primitives: Primitives,
        pool: BufferPool,
        plan: ForwardPlan,
        given: Sequence[bool],
        input_grads: Sequence[bool],
        num_threads: int,
    ) -> None:
        self.primitives = primitives
        self.plan = plan
        self.graph = plan.graph
        self.needs = plan.graph.needs_gradient(input_grads)
        self.records = {record.value: record for record in plan.records}
        self.program = Program(primitives, pool, num_threads, plan.program.saved)
        self._readers = plan.graph.readers
        self._input_grads = input_grads
        #: Parts of the gradient of each value, by those who read it.
        self._parts: dict[int, list[Value]] = {}
        #: Storages that several nodes read: no step may work in them in place.
        self._shared: set[int] = set()
        for number, (value, comes) in enumerate(zip(self.graph.outputs, given, strict=True)):
            if comes:
                desc = primitives.strided(plan.y_shapes[number])
                self.add(value, self.program.external(f"gy{number}", desc), shared=True)

    # What was chosen

    def choices(self, record: Record) -> tuple[Choice, ...]:
        """What was chosen for the gradient of a node's result."""
        return self.plan.choices.gradients[record.value - self.graph.n_inputs]

    def take(self, choice: Choice, option: Option) -> None:
        """Note what the next steps are for, and those before that only made ready for them."""
        self.program.claim(Taken(choice, option))

    def take_only(self, record: Record) -> None:
        """Take what a stage has no choice about; others take one of their options themselves."""
        choices = self.choices(record)
        if len(choices) == 1 and len(choices[0].options) == 1:
            self.take(choices[0], choices[0].options[0])

    # Gradients that come from several nodes

    def add(self, value: int, gradient: Value, shared: bool = False) -> None:
        """Note a part of a value's gradient."""
        self._parts.setdefault(value, []).append(gradient)
        if shared:
            self._shared.add(id(gradient.storage))

    def total(self, record: Record) -> Value | None:
        """The gradient of a node's result; None if nothing given depends on it."""
        parts = self._parts.pop(record.value, [])
        return self._sum(parts, record.y_desc) if parts else None

    def _sum(self, parts: Sequence[Value], desc: MemoryDesc) -> Value:
        if len(parts) == 1:
            return parts[0]
        first, *others = (self.program.reorder(part, desc) for part in parts)
        result = self.program.temporary(desc)
        for other in others:
            arguments = {Arg.SRC: first, Arg.SRC_1: other, Arg.DST: result}
            self.program.run(self.primitives.addition(desc), arguments)
            first = result
        return result

    def leave(self) -> None:
        """Bring the gradients of inputs to the caller where they are not there by now."""
        self.program.purpose = None
        for number, needed in enumerate(self._input_grads):
            parts = self._parts.pop(number, []) if needed else []
            if parts:
                plain = self.primitives.strided(self.plan.key.x_shapes[number])
                gradient = self._sum(parts, plain)
                gx = self.program.external(f"gx{number}", plain)
                if gradient is not gx:
                    self.program.reorder_into(gradient, gx)

    # Around a node

    def before_activation(self, record: Record, gradient: Value) -> Value:
        """The gradient before a stage's activation, of that behind it."""
        if record.undo == "linear":
            return gradient
        desc = record.y_desc
        gradient = self.program.reorder(gradient, desc)
        result = gradient
        if id(gradient.storage) in self._shared:
            result = self.program.temporary(desc)
        y = self.read(record.y, desc)
        # Padding needs no care: the gradient is zero there, and stays so.
        flat = self.primitives.flat(desc)
        primitive = self.primitives.activation_backward(record.undo, flat)
        self.program.run(
            primitive,
            {
                Arg.DST: self.program.view(y, flat),
                Arg.DIFF_DST: self.program.view(gradient, flat),
                Arg.DIFF_SRC: self.program.view(result, flat),
            },
        )
        return result

    def read(self, place: Value | str, desc: MemoryDesc) -> Value:
        """What the forward program saved, or an array of the caller's."""
        if isinstance(place, Value):
            return self.program.recall(place)
        value = self.program.external(place, desc)
        return value if value.desc == desc else self.program.view(value, desc)

    def shape(self, value: int) -> tuple[int, ...]:
        """The shape of a value."""
        if value < self.graph.n_inputs:
            return self.plan.key.x_shapes[value]
        return self.records[value].y_desc.shape

    def parameter(self, record: Record) -> Value:
        """The stage's filters or weights, as the caller has them."""
        return self.program.external(record.w, self.primitives.strided(record.w_shape))

    def gradient_of_parameter(self, record: Record) -> Value:
        """Where the caller wants the gradient of the stage's filters or weights."""
        return self.program.external(f"g{record.w}", self.primitives.strided(record.w_shape))

    def gradient_of_bias(self, record: Record) -> Value:
        """Where the gradient of a convolution's biases goes: to scratch if it has none."""
        desc = self.primitives.strided((record.w_shape[0],))
        if record.b:
            return self.program.external(f"g{record.b}", desc)
        return self.program.temporary(desc)

    def gradient_of_input(self, record: Record, desc: MemoryDesc) -> Value:
        """Where the gradient of a node's only input goes: straight to the caller if it can."""
        (value,) = record.inputs
        result = self._callers_array(value, desc) or self.program.temporary(desc)
        self.add(value, result)
        return result

    def _callers_array(self, value: int, desc: MemoryDesc) -> Value | None:
        """The caller's array for an input's gradient, if the whole of it comes in this layout."""
        if value >= self.graph.n_inputs or not self._input_grads[value]:
            return None
        plain = self.primitives.strided(self.plan.key.x_shapes[value])
        if len(self._readers[value]) > 1 or plain != desc:
            return None
        return self.program.external(f"gx{value}", plain)

    def concrete_or_any(
        self, make: Callable[[MemoryDesc, MemoryDesc], Primitive], x: MemoryDesc, y: MemoryDesc
    ) -> Primitive:
        """A primitive for the layouts that images have, else for those that oneDNN prefers."""
        any_of = self.primitives.any
        return first_supported(make, ((x, y), (any_of(x.shape), any_of(y.shape))))
