"""``theano.gof.graph``: questions about graphs, answered in Theano's order."""

from __future__ import annotations

from collections.abc import Iterable

from pytensor.graph.basic import Variable

__all__ = ["ancestors", "inputs"]


def ancestors(
    variable_list: Iterable[Variable], blockers: Iterable[Variable] | None = None
) -> list[Variable]:
    """The variables that others are computed from, and themselves, as ``theano.gof.graph`` has it.

    Depth first, from the last of `variable_list`, and from the first input of each operation.
    Nothing behind `blockers` is looked at.
    """
    stopped = set(blockers or ())
    pending = list(variable_list)
    found: dict[Variable, None] = {}
    while pending:
        variable = pending.pop()
        if variable in found:
            continue
        found[variable] = None
        if variable.owner is not None and variable not in stopped:
            pending.extend(reversed(variable.owner.inputs))
    return list(found)


def inputs(
    variable_list: Iterable[Variable], blockers: Iterable[Variable] | None = None
) -> list[Variable]:
    """Those of `ancestors` that nothing computes: inputs, shared variables and constants."""
    return [each for each in ancestors(variable_list, blockers) if each.owner is None]
