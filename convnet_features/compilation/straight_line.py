"""A graph as one Python function without branches, storage cells or state."""

from __future__ import annotations

import itertools
import linecache
import re
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.scalar.basic import Cast
from pytensor.tensor.elemwise import DimShuffle, Elemwise
from pytensor.tensor.type import TensorType

from ..kernels.contract import Kernels
from .emitters import Scope, emit

__all__ = [
    "computed_constant",
    "constant",
    "define",
    "host_program",
    "is_constant",
    "straight_line",
]

_serial = itertools.count()


def straight_line(
    fgraph: FunctionGraph,
    kernels: Kernels,
    *,
    owns_generators: bool = False,
    frozen: Mapping[Variable, np.ndarray] | None = None,
) -> Callable[..., tuple[Any, ...]]:
    """Generate the function that computes `fgraph` with an engine's kernels.

    Parameters
    ----------
    fgraph : FunctionGraph
        What to compute.
    kernels : Kernels
        An engine's.
    owns_generators : bool, default=False
        Random generators given as arguments may be advanced in place.
    frozen : mapping of variable to ndarray, optional
        Inputs that have one value for good; kernels may prepare for it.

    Returns
    -------
    callable
        From the values of ``fgraph.inputs``, without the frozen ones, to a tuple of the values of
        ``fgraph.outputs``. It keeps nothing between calls, so any number of
        threads may be inside it.
    """
    scope = Scope(kernels, owns_generators)
    source = _source(fgraph, scope, frozen or {})
    # Kernels keep what they have laid out. Values that the code itself does not name go.
    for name in set(scope.frozen).difference(re.findall(r"\w+", source)):
        del scope.names[name]
    return define(source, scope)


def host_program(
    fgraph: FunctionGraph, kernels: Kernels, frozen: Mapping[Variable, np.ndarray]
) -> Callable[..., tuple[Any, ...]]:
    """`straight_line` as a compiler of the table of engines: it may advance generators."""
    return straight_line(fgraph, kernels, owns_generators=True, frozen=frozen)


def define(source: str, scope: Scope) -> Callable[..., Any]:
    """The function ``program`` that `source` defines, with the names of `scope`."""
    filename = f"<convnet_features program {next(_serial)}>"
    # The lines of a generated program show up in tracebacks like any others.
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    # Not the user's frames, where a warning names the user's line.
    scope.names.setdefault("__name__", __name__)
    exec(compile(source, filename, "exec"), scope.names)
    # Only a collection would free a function that is among its own names.
    program = scope.names.pop("program")
    program.source = source
    weakref.finalize(program, linecache.cache.pop, filename, None)
    return program


def _source(fgraph: FunctionGraph, scope: Scope, frozen: Mapping[Variable, np.ndarray]) -> str:
    arguments = {
        variable: f"i{position}"
        for position, variable in enumerate(fgraph.inputs)
        if variable not in frozen
    }
    names: dict[Variable, str] = dict(arguments)
    for variable, value in frozen.items():
        names[variable] = scope.bind(value, "frozen")
        scope.frozen[names[variable]] = value

    def name_of(variable: Variable) -> str:
        if variable not in names:
            names[variable] = scope.bind(constant(variable), "c")
        return names[variable]

    order = fgraph.toposort()
    retired = _last_uses(fgraph, order)
    lines = []
    for position, node in enumerate(order):
        if is_constant(node):
            names[node.outputs[0]] = scope.bind(computed_constant(node), "c")
            continue
        args = [name_of(value) for value in node.inputs]
        if _is_frozen(args, scope):
            for value, result in zip(node.outputs, _computed_once(node, args, scope), strict=True):
                names[value] = scope.bind(result, "frozen")
                scope.frozen[names[value]] = result
            continue
        targets = []
        for value in node.outputs:
            names[value] = f"v{len(names)}"
            targets.append(names[value])
        needed = tuple(bool(fgraph.clients[value]) for value in node.outputs)
        expression, is_tuple = emit(node, _unharmed(node, args, scope), scope, needed)
        target = ", ".join(targets) + ("," if is_tuple else "")
        lines.append(f"        {target} = {expression}")
        dead = [names[value] for value in retired[position] if names[value] not in scope.frozen]
        if dead:
            lines.append(f"        del {', '.join(dead)}")
    results = "".join(f"{_returned(value, name_of(value), scope)}, " for value in fgraph.outputs)
    return (
        f"def program({', '.join(arguments.values())}):\n"
        "    with np.errstate(all='ignore'):\n"
        + "".join(line + "\n" for line in lines)
        + f"        return ({results})\n"
    )


def _is_frozen(args: Sequence[str], scope: Scope) -> bool:
    """Whether a node reads frozen inputs, and nothing else but constants."""
    return any(name in scope.frozen for name in args) and all(
        name in scope.frozen or name in scope.names for name in args
    )


def _computed_once(node: Apply, args: list[str], scope: Scope) -> Sequence[Any]:
    """The outputs of a node whose `args` are frozen, such as filters scaled by a normalisation."""
    args = _unharmed(node, args, scope)
    expression, is_tuple = emit(node, args, scope, (True,) * len(node.outputs))
    with np.errstate(all="ignore"):
        results = eval(expression, scope.names)
    return results if is_tuple else (results,)


def _unharmed(node: Apply, args: Sequence[str], scope: Scope) -> list[str]:
    """`args`, with copies of the frozen ones that the node would write into."""
    places = itertools.chain.from_iterable(getattr(node.op, "destroy_map", {}).values())
    written = {args[place] for place in places}
    return [f"{name}.copy()" if name in written and name in scope.frozen else name for name in args]


def constant(variable: Variable) -> Any:
    """The value of a constant, as generated code is to use it."""
    if not isinstance(variable, Constant):
        raise TypeError(f"{variable} is neither an input of the graph nor computed in it.")
    value = variable.data
    # A NumPy scalar is quicker to compute with than an array of no dimensions.
    return value[()] if isinstance(variable.type, TensorType) and value.ndim == 0 else value


def is_constant(node: Apply) -> bool:
    """Whether `node` only gives a constant another rank or dtype, as numbers in formulas need."""
    is_cast = isinstance(node.op, Elemwise) and isinstance(node.op.scalar_op, Cast)
    return (is_cast or isinstance(node.op, DimShuffle)) and isinstance(node.inputs[0], Constant)


def computed_constant(node: Apply) -> Any:
    """The value of a node that `is_constant`."""
    storage: list[list[Any]] = [[None]]
    value = np.asarray(node.inputs[0].data)
    if isinstance(node.op, DimShuffle):
        node.op.perform(node, [value], storage)
        return storage[0][0]
    return value.astype(node.outputs[0].type.dtype)[...]


def _last_uses(fgraph: FunctionGraph, order: list[Apply]) -> list[list[Variable]]:
    """For each node, the computed values that no later node needs."""
    kept = set(fgraph.outputs)
    kept.update(node.outputs[0] for node in order if is_constant(node))
    last: dict[Variable, int] = {}
    for position, node in enumerate(order):
        for value in (*node.outputs, *node.inputs):
            if value.owner is not None and value not in kept:
                last[value] = position
    retired: list[list[Variable]] = [[] for _ in order]
    for value, position in last.items():
        retired[position].append(value)
    return retired


def _returned(variable: Variable, name: str, scope: Scope) -> str:
    if isinstance(variable.type, TensorType) and variable.type.ndim == 0:
        return f"np.asarray({name}, dtype={variable.type.dtype!r})"
    # Results belong to the caller.
    return f"{name}.copy()" if name in scope.frozen else name
