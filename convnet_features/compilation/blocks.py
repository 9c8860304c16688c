"""Element-wise graphs of long vectors as functions that work in place, a block at a time.

A block stays in the cache while it is computed with. Intermediate values take a
few blocks of scratch memory: no temporary is as long as the vectors.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.tensor.elemwise import Elemwise

from ..kernels.contract import Kernels
from ..kernels.memory import empty
from .elementwise import function_of, natural_dtype
from .emitters import Scope, emit
from .straight_line import computed_constant, constant, define, is_constant

__all__ = ["BLOCK", "block_program"]

#: Numbers in a block: a quarter of a megabyte of float32.
BLOCK = 1 << 16


def block_program(fgraph: FunctionGraph, kernels: Kernels) -> Callable[..., None]:
    """Generate the function that gives the first inputs of `fgraph` the values of its outputs.

    Parameters
    ----------
    fgraph : FunctionGraph
        Its inputs are vectors, all of one length and the first among them, and
        numbers. Output k is the new value of input k, element by element.
    kernels : Kernels
        An engine's.

    Returns
    -------
    callable
        From the values of ``fgraph.inputs`` to None; those that have outputs
        are changed in place. It keeps nothing between calls, so any number of
        threads may be inside it.

    Raises
    ------
    ValueError
        If the graph is not element-wise; the text names the operation.
    """
    scope = Scope(kernels)
    return define(_source(fgraph, scope), scope)


def _source(fgraph: FunctionGraph, scope: Scope) -> str:
    updated = list(zip(fgraph.inputs, fgraph.outputs, strict=False))
    for old, new in updated:
        if new is not old and new in fgraph.inputs:
            raise ValueError(
                f"{new}, which has a value of its own, cannot become that of {old}: copy it first."
            )
    names = {value: f"i{position}" for position, value in enumerate(fgraph.inputs)}
    arguments = ", ".join(names.values())
    number_lines, vector_nodes = _numbers(fgraph, scope, names)
    vectors = [value for value in fgraph.inputs if _is_vector(value)]
    blocks = {value: f"b{names[value][1:]}" for value in vectors}
    vector_lines, n_scratch = _vectors(vector_nodes, updated, scope, names | blocks)
    length, dtype = f"len({names[vectors[0]]})", vectors[0].type.dtype
    lines = [
        *number_lines,
        f"scratch = {scope.bind(empty, 'empty')}(({n_scratch}, min({length}, {BLOCK})), {dtype!r})",
        f"for start in range(0, {length}, {BLOCK}):",
        f"    block = slice(start, start + {BLOCK})",
        *(f"    {blocks[value]} = {names[value]}[block]" for value in vectors),
        f"    scratch = scratch[:, :len({blocks[vectors[0]]})]",
        *(f"    s{slot} = scratch[{slot}]" for slot in range(n_scratch)),
        *(f"    {line}" for line in vector_lines),
        # Every block reads the old numbers: they change last.
        *_copies([pair for pair in updated if not _is_vector(pair[0])], names),
    ]
    body = "".join(f"        {line}\n" for line in lines)
    return f"def program({arguments}):\n    with np.errstate(all='ignore'):\n{body}"


def _is_vector(value: Variable) -> bool:
    """Whether `value` is one of the vectors; a number may have one axis of length 1."""
    return value.type.ndim > 0 and not all(value.type.broadcastable)


def _numbers(
    fgraph: FunctionGraph, scope: Scope, names: dict[Variable, str]
) -> tuple[list[str], list[Apply]]:
    """The lines that compute numbers, and the nodes that are left; `names` grows."""
    lines, rest = [], []
    for node in fgraph.toposort():
        for value in node.inputs:
            if value not in names and isinstance(value, Constant):
                names[value] = scope.bind(constant(value), "c")
        if is_constant(node):
            names[node.outputs[0]] = scope.bind(computed_constant(node), "c")
        elif not any(map(_is_vector, node.inputs)):
            lines.append(_assignment(node, scope, names))
        elif isinstance(node.op, Elemwise):
            rest.append(node)
        else:
            raise ValueError(
                f"{node.op} is not element-wise: it cannot be computed for parts of vectors."
            )
    return lines, rest


def _vectors(
    nodes: list[Apply],
    updated: list[tuple[Variable, Variable]],
    scope: Scope,
    names: dict[Variable, str],
) -> tuple[list[str], int]:
    """The lines that compute a block, and how many blocks of scratch they take."""
    last_use = {value: position for position, node in enumerate(nodes) for value in node.inputs}
    last_use.update((new, len(nodes)) for _, new in updated)
    targets = {new: old for old, new in updated}
    scratch: dict[str, int] = {}  # and until which node each holds something
    lines = []
    for position, node in enumerate(nodes):
        (value,) = node.outputs
        ufunc, inputs = _ufunc(node, updated[0][0].type.dtype)
        if ufunc is None:
            lines.append(_assignment(node, scope, names))
            continue
        function = scope.bind(ufunc, ufunc.__name__)
        args = ", ".join(names[each] for each in inputs)
        old = targets.get(value)
        if old is not None and last_use.get(old, -1) <= position:
            names[value] = names[old]  # nothing needs the old value any more
        else:
            idle = [name for name, until in scratch.items() if until <= position]
            names[value] = idle[0] if idle else f"s{len(scratch)}"
            scratch[names[value]] = last_use[value]
        lines.append(f"{function}({args}, out={names[value]})")
    lines += _copies([pair for pair in updated if _is_vector(pair[0])], names)
    return lines, len(scratch)


def _assignment(node: Apply, scope: Scope, names: dict[Variable, str]) -> str:
    args = [names[value] for value in node.inputs]
    expression, is_tuple = emit(node, args, scope, (True,))
    names[node.outputs[0]] = f"v{len(names)}"
    return f"{names[node.outputs[0]]}{',' if is_tuple else ''} = {expression}"


def _ufunc(node: Apply, dtype: str) -> tuple[np.ufunc | None, list[Variable]]:
    """What computes `node` into memory of `dtype`, if there is such a thing, and from what."""
    function, inputs = function_of(node)
    if not isinstance(function, np.ufunc) or node.outputs[0].type.dtype != dtype:
        return None, inputs
    natural = natural_dtype(function, [value.type.dtype for value in inputs])
    return (function if natural == dtype else None), inputs


def _copies(updated: list[tuple[Variable, Variable]], names: dict[Variable, str]) -> list[str]:
    return [f"{names[old]}[...] = {names[new]}" for old, new in updated if names[old] != names[new]]
