"""From a node of a graph to the Python expression that computes it.

Each emitter gets the node, the names that hold its inputs, and the `Scope`
that the expression will be evaluated in. It answers None where it has nothing
quick to offer; the node's own ``perform`` is called then.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.graph.op import Op
from pytensor.scalar.basic import ScalarOp
from pytensor.tensor.basic import Alloc, MakeVector, ScalarFromTensor, TensorFromScalar
from pytensor.tensor.blockwise import Blockwise
from pytensor.tensor.elemwise import CAReduce, DimShuffle, Elemwise
from pytensor.tensor.math import Dot
from pytensor.tensor.shape import Reshape, Shape, Shape_i, SpecifyShape
from pytensor.tensor.subtensor import Subtensor
from pytensor.tensor.type import TensorType
from pytensor.tensor.type_other import NoneTypeT

from ..exceptions import NetworkError
from ..kernels.contract import Kernels
from ..locks import new_lock
from ..ops.base import KernelOp
from ..ops.random import Draw
from .elementwise import function_of, natural_dtype

__all__ = ["Scope", "emit"]


class Scope:
    """The names that generated code may use, and the kernels that it computes with."""

    def __init__(self, kernels: Kernels, owns_generators: bool = False) -> None:
        self.kernels = kernels
        self.owns_generators = owns_generators
        self.names: dict[str, Any] = {"np": np}
        #: Names of the graph's inputs whose values never change.
        self.frozen: dict[str, Any] = {}

    def bind(self, value: Any, hint: str) -> str:
        """A name that stands for `value` in the generated code."""
        name = f"{hint}_{len(self.names)}"
        self.names[name] = value
        return name


def emit(node: Apply, args: list[str], scope: Scope, needed: tuple[bool, ...]) -> tuple[str, bool]:
    """The expression that computes `node`, and whether it gives a tuple of outputs."""
    if isinstance(node.op, KernelOp):
        return _emit_kernel(node, args, scope, needed), True
    for kind, emitter in _EMITTERS:
        if isinstance(node.op, kind):
            expression = emitter(node, args, scope)
            if expression is not None:
                return expression, False
            break
    return f"{scope.bind(_performer(node), 'perform')}({', '.join(args)})", True


def _emit_kernel(node: Apply, args: list[str], scope: Scope, needed: tuple[bool, ...]) -> str:
    op = node.op
    if scope.owns_generators and isinstance(op, Draw):
        op = op.with_props(inplace=True)
    values = [scope.frozen.get(name) for name in args]
    if any(value is not None for value in values):
        kernel = op.frozen_kernel(node, scope.kernels, needed, values)
        if kernel is not None:
            args = [name for name in args if name not in scope.frozen]
            return f"{scope.bind(kernel, type(op).__name__)}({', '.join(args)})"
    kernel = op.kernel(node, scope.kernels, needed)
    return f"{scope.bind(kernel, type(op).__name__)}({', '.join(args)})"


def _emit_elementwise(node: Apply, args: list[str], scope: Scope) -> str | None:
    op = getattr(node.op, "scalar_op", node.op)
    function, inputs = function_of(node)
    if function is None or len(node.outputs) != 1:
        return None
    dtype = node.outputs[0].type.dtype
    taken = ", ".join(args[: len(inputs)])
    computed = _without_broadcasting(function, inputs) if _may_differ(inputs) else function
    expression = f"{scope.bind(computed, type(op).__name__)}({taken})"
    if type(op).__name__ == "Cast":
        expression = args[0]
    if type(op).__name__ == "Identity":
        expression = f"{args[0]}.copy()"  # what is written into it must not reach the original
    if natural_dtype(function, [value.type.dtype for value in inputs]) == dtype:
        return expression
    return f"np.asarray({expression}).astype({dtype!r}, copy=False)"


def _may_differ(inputs: Sequence[Variable]) -> bool:
    """Whether one input may have length 1 along an axis, unannounced, and another more."""
    shapes = [shape for value in inputs if (shape := getattr(value.type, "shape", ()))]
    return any(
        sizes.count(None) > 1 or (None in sizes and any(size not in (None, 1) for size in sizes))
        for sizes in zip(*shapes, strict=True)
    )


def _without_broadcasting(
    function: Callable[..., Any], inputs: Sequence[Variable]
) -> Callable[..., Any]:
    """`function`, that broadcasts only axes whose length of 1 is known: gradients add up those."""
    axes = range(inputs[0].type.ndim)
    # Of most nodes, inputs have the shape of the result, or are numbers.
    whole = [i for i, value in enumerate(inputs) if not any(value.type.broadcastable)]
    parts = [
        (i, axis)
        for i, value in enumerate(inputs)
        if i not in whole
        for axis in axes
        if not value.type.broadcastable[axis]
    ]

    def checked(*values: Any) -> Any:
        result = function(*values)
        shape = result.shape
        for i in whole:
            if values[i].shape != shape:
                raise _mismatch(function, values)
        for i, axis in parts:
            if values[i].shape[axis] != shape[axis]:
                raise _mismatch(function, values)
        return result

    return checked


def _mismatch(function: Callable[..., Any], values: Sequence[Any]) -> ValueError:
    name = getattr(function, "__name__", "an element-wise operation")
    return ValueError(
        f"Input dimension mis-match in {name}: arrays of the shapes "
        f"{', '.join(str(value.shape) for value in values)}. An axis of length 1 is broadcast only "
        "where its variable says so: declare it (theano.tensor.col, row or TensorType, "
        "theano.shared(broadcastable=)), or mark it (theano.tensor.addbroadcast)."
    )


def _emit_dimshuffle(node: Apply, args: list[str], scope: Scope) -> str:
    order = node.op.new_order
    kept = [axis for axis in order if axis != "x"]
    dropped = [axis for axis in range(node.inputs[0].type.ndim) if axis not in kept]
    expression = args[0]
    if kept + dropped != sorted(kept + dropped):
        expression = f"{expression}.transpose({kept + dropped})"
    if dropped or "x" in order:
        index = ["None" if axis == "x" else ":" for axis in order] + ["0"] * len(dropped)
        expression = f"{expression}[{', '.join(index)}]"
    return expression


def _emit_reduction(node: Apply, args: list[str], scope: Scope) -> str | None:
    ufunc = getattr(node.op, "ufunc", None)
    if not isinstance(ufunc, np.ufunc):
        return None
    axis = node.op.axis
    axis = None if axis is None else tuple(axis)
    result = node.outputs[0].type.dtype
    source = node.inputs[0].type.dtype
    # PyTensor would sum float32 in float64. NumPy sums pairwise, which is
    # exact enough, half the traffic, and keeps float64 out of a training step.
    accumulate = f", dtype={result!r}" if ufunc in (np.add, np.multiply) or source != result else ""
    name = scope.bind(ufunc.reduce, ufunc.__name__)
    return f"{name}({args[0]}, axis={axis!r}{accumulate})"


def _emit_dot(node: Apply, args: list[str], scope: Scope) -> str:
    kinds = {(value.type.ndim, value.type.dtype) for value in node.inputs}
    matrices = kinds in ({(2, "float32")}, {(2, "float64")})
    function = scope.kernels.dot if matrices else np.dot
    return f"{scope.bind(function, 'dot')}({', '.join(args)})"


def _emit_blockwise(node: Apply, args: list[str], scope: Scope) -> str | None:
    if not isinstance(node.op.core_op, Dot):
        return None
    if all(value.type.ndim == 2 for value in node.inputs):
        return _emit_dot(node, args, scope)
    return f"np.matmul({', '.join(args)})"


def _emit_shape(node: Apply, args: list[str], scope: Scope) -> str:
    return f"np.array({args[0]}.shape, dtype='int64')"


def _emit_shape_i(node: Apply, args: list[str], scope: Scope) -> str:
    return f"np.int64({args[0]}.shape[{node.op.i}])"


def _emit_reshape(node: Apply, args: list[str], scope: Scope) -> str:
    shape = node.inputs[1]
    target = repr(tuple(shape.data.tolist())) if isinstance(shape, Constant) else args[1]
    return f"np.reshape({args[0]}, {target})"


def _emit_make_vector(node: Apply, args: list[str], scope: Scope) -> str:
    return f"np.array([{', '.join(args)}], dtype={node.outputs[0].type.dtype!r})"


def _emit_alloc(node: Apply, args: list[str], scope: Scope) -> str:
    value, *shape = args
    sizes = "".join(f"int({size}), " for size in shape)
    return f"np.full(({sizes}), {value}, dtype={node.outputs[0].type.dtype!r})"


def _emit_specify_shape(node: Apply, args: list[str], scope: Scope) -> str:
    check = scope.bind(_check_shape, "check_shape")
    sizes = [
        "None" if isinstance(value.type, NoneTypeT) else arg for value, arg in _sizes(node, args)
    ]
    return f"{check}({args[0]}, ({', '.join(sizes)},))"


def _sizes(node: Apply, args: list[str]) -> list[tuple[Any, str]]:
    return list(zip(node.inputs[1:], args[1:], strict=True))


def _check_shape(x: Any, shape: tuple[Any, ...]) -> Any:
    if len(x.shape) != len(shape) or any(
        size is not None and size != actual for size, actual in zip(shape, x.shape, strict=True)
    ):
        expected = tuple(None if size is None else int(size) for size in shape)
        raise NetworkError(
            f"An array of shape {x.shape} came where {expected} was specified: some layer computes "
            "another shape than it declares."
        )
    return x


def _emit_alias(node: Apply, args: list[str], scope: Scope) -> str:
    return args[0]


def _emit_subtensor(node: Apply, args: list[str], scope: Scope) -> str:
    def bound(position: Any) -> str:
        return "" if position is None else f"int({args[1 + position]})"

    index = [
        f"{bound(entry.start)}:{bound(entry.stop)}:{bound(entry.step)}"
        if isinstance(entry, slice)
        else bound(entry)
        for entry in node.op.idx_list
    ]
    return f"{args[0]}[{', '.join(index) or '...'}]"


_EMITTERS: list[tuple[type[Op], Callable[[Apply, list[str], Scope], str | None]]] = [
    (Elemwise, _emit_elementwise),
    (ScalarOp, _emit_elementwise),
    (DimShuffle, _emit_dimshuffle),
    (CAReduce, _emit_reduction),
    (Dot, _emit_dot),
    (Blockwise, _emit_blockwise),
    (Shape, _emit_shape),
    (Shape_i, _emit_shape_i),
    (Reshape, _emit_reshape),
    (SpecifyShape, _emit_specify_shape),
    (MakeVector, _emit_make_vector),
    (Alloc, _emit_alloc),
    (ScalarFromTensor, _emit_alias),
    (TensorFromScalar, _emit_alias),
    (Subtensor, _emit_subtensor),
]


def _performer(node: Apply) -> Callable[..., tuple[Any, ...]]:
    """`node` computed by its own Op, as a function of its inputs' values."""
    tensors = [isinstance(value.type, TensorType) for value in node.inputs]
    if type(node.op).make_thunk is Op.make_thunk and type(node.op).perform is not Op.perform:
        run = _perform_runner(node)
    else:
        run = _thunk_runner(node)

    def performer(*inputs: Any) -> tuple[Any, ...]:
        return run(
            [
                np.asarray(value) if tensor else value
                for value, tensor in zip(inputs, tensors, strict=True)
            ]
        )

    return performer


def _perform_runner(node: Apply) -> Callable[[list[Any]], tuple[Any, ...]]:
    op, n_outputs = node.op, len(node.outputs)
    op.prepare_node(node, None, None, "py")

    def run(inputs: list[Any]) -> tuple[Any, ...]:
        storage: list[list[Any]] = [[None] for _ in range(n_outputs)]
        op.perform(node, inputs, storage)
        return tuple(cell[0] for cell in storage)

    return run


#: For each Op that made a thunk, by its id, what callers of all its thunks wait for.
_thunk_locks: dict[int, Any] = {}
_thunk_locks_lock = new_lock()


def _thunk_lock(op: Op) -> Any:
    """Scan keeps a function with storage of its own on the Op, which programs share."""
    with _thunk_locks_lock:
        if id(op) not in _thunk_locks:
            _thunk_locks[id(op)] = new_lock()
            weakref.finalize(op, _thunk_locks.pop, id(op), None)
        return _thunk_locks[id(op)]


def _thunk_runner(node: Apply) -> Callable[[list[Any]], tuple[Any, ...]]:
    """Scan, IfElse and inner graphs make thunks on storage of their own: one caller at a time."""
    lock = _thunk_lock(node.op)
    storage_map = {value: [None] for value in (*node.inputs, *node.outputs)}
    compute_map = {value: [True] for value in node.inputs}
    compute_map.update({value: [False] for value in node.outputs})
    with lock:
        thunk = node.op.make_thunk(node, storage_map, compute_map, [], "py")

    def run(inputs: list[Any]) -> tuple[Any, ...]:
        with lock:
            for variable, value in zip(node.inputs, inputs, strict=True):
                storage_map[variable][0] = value
            for variable in node.outputs:
                storage_map[variable][0] = None
            thunk()
            return tuple(storage_map[variable][0] for variable in node.outputs)

    return run
