"""Straight-line programs of primitives and routines, and the contexts that run them.

A program is made once: its primitives (oneDNN's) and routines (our own), and
where each intermediate result lies in one scratch buffer. A `Context` is what
one call needs of its own to run it: memory objects and argument lists, made
once and used by one call at a time, so that running is a loop over prebuilt
calls. Any number of contexts of one program may run at a time.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from ... import threads
from ...magnitude import magnitude
from ..binding.declarations import STREAM_DEFAULT, Arg, Query
from ..binding.library import Library
from ..binding.objects import MemoryDesc, Primitive
from ..binding.primitives import Primitives
from .buffers import Buffer, BufferPool, aligned_bytes
from .routine import Routine
from .storage import (
    EXTERNAL,
    SAVED,
    TEMPORARY,
    SavedArea,
    Storage,
    Value,
    place,
)

__all__ = ["Context", "Program"]


class Look:
    """A step that finds out how large the largest number of a value is.

    Parameters
    ----------
    value : Value
    """

    def __init__(self, value: Value) -> None:
        self.description = f"largest number of {value.desc.shape}"
        self.size = value.desc.size


class Constants:
    """Arrays that keep their values, by name, and what programs have laid out of them.

    Programs for images of several sizes share them.
    """

    def __init__(self, arrays: Mapping[str, np.ndarray] | None = None) -> None:
        self.arrays = arrays or {}
        self._made: list[tuple[np.ndarray, MemoryDesc, MemoryDesc, int, np.ndarray]] = []

    def laid_out(
        self,
        array: np.ndarray,
        before: MemoryDesc,
        after: MemoryDesc,
        make: Callable[[], np.ndarray],
        by: int = 0,
    ) -> np.ndarray:
        """`array` in another layout, made at the first call, `by` a routine at that address."""
        # Threads may add to it meanwhile, and at worst make the same twice.
        for known, old, new, made_by, made in tuple(self._made):
            if known is array and old == before and new == after and made_by == by:
                return made
        self._made.append((array, before, after, by, made := make()))
        return made


class Program:
    """Primitives one after the other; build it with the methods, then `finish` it.

    Parameters
    ----------
    primitives : Primitives
    pool : BufferPool
        Lends the scratch memory.
    num_threads : int
        How many threads it is built and run with, a `threads.team`: build it
        inside `threads.openmp_threads(num_threads)`, and run it only where
        `threads.get_num_threads` gives as many.
    saved : SavedArea, optional
        Where `save` makes room.
    constants : Constants, optional
        What other programs have laid out of the same constants.
    """

    def __init__(
        self,
        primitives: Primitives,
        pool: BufferPool,
        num_threads: int,
        saved: SavedArea | None = None,
        constants: Constants | None = None,
    ) -> None:
        self.primitives = primitives
        self.library: Library = primitives.library
        self.pool = pool
        self.saved = saved or SavedArea()
        self.num_threads = num_threads
        self.externals: dict[str, Value] = {}
        self.constants: list[tuple[Value, np.ndarray]] = []
        self._layouts = constants or Constants()
        self.values: list[Value] = []
        self.steps: list[tuple[Step, dict[int, Value]]] = []
        #: What steps are appended for, as the builder names it, and what each was.
        self.purpose: Any = None
        self.purposes: list[Any] = []
        self.scratch_size = 0
        self._contexts: list[Context] = []

    # Building

    def external(self, name: str, desc: MemoryDesc) -> Value:
        """An array that each call brings under `name`."""
        value = self.externals.get(name)
        if value is None:
            storage = Storage(EXTERNAL, desc.size, name=name)
            value = self.externals[name] = self._value(desc, storage)
        return value

    def constant(self, array: np.ndarray, desc: MemoryDesc | None = None) -> Value:
        """An array that is the same for every call: float32 in C order, or the bytes of `desc`."""
        desc = desc or self.primitives.strided(array.shape)
        value = self._value(desc, Storage(EXTERNAL, array.nbytes))
        self.constants.append((value, array))
        return value

    def temporary(self, desc: MemoryDesc) -> Value:
        """A result that only this program sees."""
        return self._value(desc, Storage(TEMPORARY, desc.size))

    def save(self, desc: MemoryDesc) -> Value:
        """A result that outlives the run, for a backward program."""
        return self._value(desc, Storage(SAVED, desc.size, self.saved.reserve(desc.size)))

    def recall(self, value: Value) -> Value:
        """What another program saved."""
        storage = value.storage
        return self._value(value.desc, Storage(SAVED, storage.size, storage.offset))

    def view(self, value: Value, desc: MemoryDesc) -> Value:
        """The same memory, seen otherwise."""
        return self._value(desc, value.storage, value.offset)

    def part(self, value: Value, desc: MemoryDesc, offset: int) -> Value:
        """What begins `offset` bytes further on in a temporary value's memory."""
        return self._value(desc, value.storage, value.offset + offset)

    def run(self, primitive: Primitive, arguments: dict[int, Value]) -> None:
        """Append a step of oneDNN's."""
        scratchpad = primitive.desc(Query.SCRATCHPAD)
        if scratchpad.size:
            arguments = {**arguments, Arg.SCRATCHPAD: self.temporary(scratchpad)}
        self._append(primitive, arguments)

    def call(self, routine: Routine, arguments: dict[str, Value]) -> None:
        """Append a step of our own; `arguments` by the routine's names."""
        scratch = self.temporary(self.primitives.strided((max(1, -(-routine.scratch // 4)),)))
        arguments = {**arguments, "scratch": scratch}
        self._append(
            routine,
            {routine.arguments.index(name): value for name, value in arguments.items()},
        )

    def look(self, value: Value) -> None:
        """Append a step that measures a value; `execute` returns what such steps find."""
        self._append(Look(value), {0: value})

    def claim(self, purpose: Any) -> None:
        """The next steps are for `purpose`, and so are the last ones that have no purpose yet."""
        self.purpose = purpose
        for index in range(len(self.purposes) - 1, -1, -1):
            if self.purposes[index] is not None:
                break
            self.purposes[index] = purpose

    def _append(self, what: Step, arguments: dict[int, Value]) -> None:
        step = len(self.steps)
        for value in arguments.values():
            storage = value.storage
            storage.first_step = step if storage.first_step < 0 else storage.first_step
            storage.last_step = step
        self.steps.append((what, arguments))
        self.purposes.append(self.purpose)

    def reorder(self, value: Value, desc: MemoryDesc) -> Value:
        """`value` in another layout: itself where the layouts agree; a constant's is made now."""
        if value.desc == desc:
            return value
        for constant, array in self.constants:
            if constant is value:
                make = functools.partial(self._reordered, array, value.desc, desc)
                return self.constant(self._layouts.laid_out(array, value.desc, desc, make), desc)
        result = self.temporary(desc)
        self.reorder_into(value, result)
        return result

    def prepared(self, routine: Routine, w: Value, wanted: MemoryDesc, desc: MemoryDesc) -> Value:
        """What a routine makes of `w`, which it takes as `wanted`; of a constant it is made now."""
        for constant, array in self.constants:
            if constant is w:
                make = functools.partial(self._made_by, routine, array, w.desc, wanted, desc)
                made = self._layouts.laid_out(array, w.desc, desc, make, routine.address)
                return self.constant(made, desc)
        result = self.temporary(desc)
        self.call(routine, {"w": self.reorder(w, wanted), "u": result})
        return result

    def _made_by(
        self,
        routine: Routine,
        array: np.ndarray,
        before: MemoryDesc,
        wanted: MemoryDesc,
        after: MemoryDesc,
    ) -> np.ndarray:
        once = Program(self.primitives, self.pool, self.num_threads)
        w = once.reorder(once.external("before", before), wanted)
        once.call(routine, {"w": w, "u": once.external("after", after)})
        result = aligned_bytes(after.size)
        once.finish().execute({"before": array, "after": result})
        return result

    def _reordered(self, array: np.ndarray, before: MemoryDesc, after: MemoryDesc) -> np.ndarray:
        once = Program(self.primitives, self.pool, self.num_threads)
        once.reorder_into(once.external("before", before), once.external("after", after))
        result = aligned_bytes(after.size)
        once.finish().execute({"before": array, "after": result})
        return result

    def reorder_into(self, value: Value, result: Value) -> None:
        """Copy `value` to `result`, whatever their layouts."""
        primitive = self.primitives.reorder(value.desc, result.desc)
        self.run(primitive, {Arg.SRC: value, Arg.DST: result})

    def room_for(self, result: Value, desc: MemoryDesc) -> Value:
        """Where a step writes what shall become `result`: there, if the layouts agree."""
        return result if result.desc == desc else self.temporary(desc)

    def bring(self, value: Value, result: Value) -> None:
        """Copy `value` to `result` unless it is there already."""
        if value is not result:
            self.reorder_into(value, result)

    def finish(self) -> Program:
        """Compile the primitives and place the temporaries."""
        for step, _ in self.steps:
            if isinstance(step, Primitive):
                step.handle  # noqa: B018
        storages = {id(value.storage): value.storage for value in self.values}
        temporaries = [one for one in storages.values() if one.kind == TEMPORARY]
        self.scratch_size = place(temporaries)
        return self

    def _value(self, desc: MemoryDesc, storage: Storage, offset: int = 0) -> Value:
        value = Value(desc, storage, offset)
        self.values.append(value)
        return value

    # Running

    def timed(
        self, arrays: Mapping[str, np.ndarray], saved: Buffer | None, rounds: int
    ) -> list[float]:
        """Seconds of each step: the least of some rounds, after one that does not count.

        Parameters are those of `execute`.
        """
        self.execute(arrays, saved)
        found = []
        for _ in range(rounds):
            ends: list[float] = []
            self.execute(arrays, saved, ends)
            found.append([after - before for before, after in pairwise(ends)])
        return [min(each) for each in zip(*found, strict=True)]

    def execute(
        self,
        arrays: Mapping[str, np.ndarray],
        saved: Buffer | None = None,
        ends: list[float] | None = None,
    ) -> list[float]:
        """Run all steps.

        Parameters
        ----------
        arrays : mapping of str to ndarray
            Those of the external values' names, float32 and C-contiguous; the
            caller has checked them.
        saved : Buffer
            The saved area, if there is one.
        ends : list, optional
            Where the time is noted at which the first step begins, and each one ends.

        Returns
        -------
        list of float
            The largest absolute value of each that was looked at.
        """
        try:
            context = self._contexts.pop()
        except IndexError:
            context = Context(self)
        scratch = self.pool.lend(self.scratch_size) if self.scratch_size else None
        before = threads.enter_openmp(self.num_threads)
        try:
            return context.run(arrays, saved, scratch, ends)
        finally:
            threads.leave_openmp(before)
            if scratch is not None:
                self.pool.take_back(scratch)
            self._contexts.append(context)


class Context:
    """Memory objects and argument lists of one program, for one call at a time."""

    def __init__(self, program: Program) -> None:
        # Parts of the program, and not itself: it keeps its contexts, and a cycle would be freed by
        # a collection only, with all parameters that were laid out.
        self._steps, self._num_threads = program.steps, program.num_threads
        library = self.library = program.library
        self._set_handle = library.lib.dnnl_memory_set_data_handle
        self._from_buffer = library.ffi.from_buffer
        self._targets = {id(value): _Target(self._memory(value)) for value in program.values}
        self._stream = self._new_stream()
        self._found: list[float] = []
        self._calls = [self._call(step, arguments) for step, arguments in program.steps]
        names = {id(external.storage): name for name, external in program.externals.items()}
        self._externals = [
            (names[id(value.storage)], self._targets[id(value)], value.storage.size)
            for value in program.values
            if id(value.storage) in names
        ]
        for value, array in program.constants:
            # The program keeps the array; nothing ever moves it.
            self._point(self._targets[id(value)], self._from_buffer(array), "a constant")
        self._saved = self._of_kind(SAVED, program.values)
        self._temporaries = self._of_kind(TEMPORARY, program.values)
        self._saved_address = self._scratch_address = 0

    def run(
        self,
        arrays: Mapping[str, np.ndarray],
        saved: Buffer | None,
        scratch: Buffer | None,
        ends: list[float] | None = None,
    ) -> list[float]:
        """Point the memories at this call's arrays and buffers, and execute every step."""
        from_buffer = self._from_buffer
        # cffi's buffers keep the arrays alive and at their place until the end of this function.
        pointers = []
        for name, target, size in self._externals:
            pointer = from_buffer(arrays[name])
            # oneDNN would read, or write, whatever lies behind.
            if len(pointer) < size:
                raise ValueError(f"{name} has {len(pointer)} bytes, and {size} are needed")
            pointers.append(pointer)
            self._point(target, pointer, name)
        if saved is not None and saved.address != self._saved_address:
            self._point_all(self._saved, saved.address)
            self._saved_address = saved.address
        if scratch is not None and scratch.address != self._scratch_address:
            self._point_all(self._temporaries, scratch.address)
            self._scratch_address = scratch.address
        if ends is not None:
            ends.append(time.perf_counter())
        for index, (function, arguments) in enumerate(self._calls):
            status = function(*arguments)
            if ends is not None:
                ends.append(time.perf_counter())
            if status:
                description = self._steps[index][0].description
                self.library.check(status, f"executing the {description}")
        found, self._found = self._found, []
        return found

    def _call(self, step: Step, arguments: dict[int, Value]) -> tuple[Any, tuple[Any, ...]]:
        """A function of the library's, and what to call it with."""
        ffi, lib = self.library.ffi, self.library.lib
        if isinstance(step, Primitive):
            pairs = [(arg, self._targets[id(value)].memory) for arg, value in arguments.items()]
            array = ffi.new("dnnl_exec_arg_t[]", pairs)
            return lib.dnnl_primitive_execute, (step.handle, self._stream, len(pairs), array)
        if isinstance(step, Look):
            address = ffi.new("void *[1]")
            self._targets[id(arguments[0])].slots.append((address, 0))
            return self._look, (address, step.size)
        addresses = step.addresses()
        for position, value in arguments.items():
            self._targets[id(value)].slots.append((addresses, position))
        # Also of one thread: a region around us has teams of its own, and they are not ours.
        return lib.GOMP_parallel, (step.function, addresses, self._num_threads, 0)

    def _look(self, address: Any, size: int) -> int:
        numbers = np.frombuffer(self.library.ffi.buffer(address[0], size), np.float32)
        self._found.append(magnitude(numbers))
        return 0

    def _point(self, target: _Target, pointer: Any, what: str) -> None:
        status = self._set_handle(target.memory, pointer)
        if status:
            self.library.check(status, f"pointing at {what}")
        for addresses, position in target.slots:
            addresses[position] = pointer

    def _point_all(self, targets: Sequence[tuple[_Target, int]], address: int) -> None:
        cast = self.library.ffi.cast
        for target, offset in targets:
            self._point(target, cast("void *", address + offset), "a buffer")

    def _memory(self, value: Value) -> Any:
        library = self.library
        pointer = library.ffi.new("dnnl_memory_t *")
        library.check(
            library.lib.dnnl_memory_create(
                pointer, value.desc.pointer, library.engine, library.ffi.NULL
            ),
            f"creating a memory object of {value.desc.shape}",
        )
        return library.ffi.gc(pointer[0], library.lib.dnnl_memory_destroy)

    def _of_kind(self, kind: str, values: Sequence[Value]) -> list[tuple[_Target, int]]:
        return [
            (self._targets[id(value)], value.storage.offset + value.offset)
            for value in values
            if value.storage.kind == kind
        ]

    def _new_stream(self) -> Any:
        library = self.library
        pointer = library.ffi.new("dnnl_stream_t *")
        library.check(
            library.lib.dnnl_stream_create(pointer, library.engine, STREAM_DEFAULT),
            "creating a stream",
        )
        return library.ffi.gc(pointer[0], library.lib.dnnl_stream_destroy)


Step = Primitive | Routine | Look


class _Target:
    """What holds a value's address: oneDNN's memory object, and routines' arguments."""

    def __init__(self, memory: Any) -> None:
        self.memory = memory
        self.slots: list[tuple[Any, int]] = []
