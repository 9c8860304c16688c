"""The arguments of a compiled function, in a form that can be copied and pickled."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pytensor.compile.io import In
from pytensor.compile.sharedvalue import SharedVariable
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.replace import clone_replace
from pytensor.graph.traversal import graph_inputs, toposort

__all__ = ["Recipe", "independent"]


@dataclass(frozen=True)
class Recipe:
    """The arguments of ``pytensor.function``, with all their variables in one list.

    Attributes
    ----------
    variables : list of variables
        Inputs, outputs, updated variables, their updates, replaced variables and replacements.
    sizes : tuple of 6 int
        How many of each there are.
    specs : list of In or None
        How each input is taken, if not in the usual way.
    form : {'one', 'list', 'none'}
        What the function returns.
    options : dict
        The other arguments.
    """

    variables: list[Variable]
    sizes: tuple[int, ...]
    specs: list[In | None]
    form: str
    options: dict[str, Any]

    @classmethod
    def of(
        cls, inputs: Sequence[Any], outputs: Any, updates: Any, givens: Any, options: dict[str, Any]
    ) -> Recipe | None:
        """The recipe of these arguments; None if they hold more than variables and inputs."""
        form = "none" if outputs is None else "list"
        results = list(outputs) if isinstance(outputs, list | tuple) else [outputs]
        if isinstance(outputs, Variable):
            form = "one"
        parts = [
            [each.variable if isinstance(each, In) else each for each in inputs],
            [] if outputs is None else results,
            *_columns(updates),
            *_columns(givens),
        ]
        variables = [each for part in parts for each in part]
        if not all(isinstance(each, Variable) for each in variables):
            return None
        specs = [each if isinstance(each, In) else None for each in inputs]
        return cls(variables, tuple(map(len, parts)), specs, form, options)

    def arguments(self) -> tuple[list[Any], Any, list[Any], list[Any], dict[str, Any]]:
        """The arguments that `of` was given."""
        taken, outputs, updated, values, replaced, replacements = self._parts()
        inputs: list[Any] = []
        for spec, variable in zip(self.specs, taken, strict=True):
            inputs.append(variable)
            if spec is not None:
                inputs[-1] = copy.copy(spec)
                inputs[-1].variable = variable
        results: Any = {"one": outputs, "none": None, "list": outputs}[self.form]
        return (
            inputs,
            results[0] if self.form == "one" else results,
            list(zip(updated, values, strict=True)),
            list(zip(replaced, replacements, strict=True)),
            self.options,
        )

    def shared(self) -> list[SharedVariable]:
        """The shared variables that the function holds, those of default updates included."""
        found: dict[Variable, None] = {}
        pending = self.variables
        while pending:
            roots = [each for each in graph_inputs(pending) if each not in found]
            found.update(dict.fromkeys(roots))
            updates = [getattr(each, "default_update", None) for each in roots]
            pending = [each for each in updates if each is not None]
        return [each for each in found if isinstance(each, SharedVariable)]

    def swapped(self, swap: Mapping[SharedVariable, SharedVariable]) -> Recipe:
        """The recipe with other shared variables, which get the default updates of the old."""
        updated = [old for old in swap if old.default_update is not None]
        graph = [*self.variables, *(old.default_update for old in updated)]
        copies = clone_replace(graph, list(swap.items()))
        n_own = len(self.variables)
        for old, update in zip(updated, copies[n_own:], strict=True):
            if swap[old].default_update is None:
                swap[old]._default_update = update
        options = dict(self.options)
        if isinstance(options.get("no_default_updates"), list):
            options["no_default_updates"] = [
                swap.get(each, each) for each in options["no_default_updates"]
            ]
        return replace(self, variables=list(copies[:n_own]), options=options)

    def without_updates(self) -> Recipe:
        """The same function, changing nothing."""
        taken, outputs, _, _, *givens = self._parts()
        parts = [taken, outputs, [], [], *givens]
        return replace(
            self,
            variables=[each for part in parts for each in part],
            sizes=tuple(map(len, parts)),
            options=self.options | {"no_default_updates": True},
        )

    def flat(self) -> dict[str, Any]:
        """All of it as lists without nesting; pickle would recurse into the graph."""
        roots = list(dict.fromkeys(graph_inputs(self.variables)))
        positions = {variable: position for position, variable in enumerate(roots)}
        nodes = []
        for node in toposort(self.variables):
            taken = [positions[value] for value in node.inputs]
            nodes.append((node.op, taken, [(value.type, value.name) for value in node.outputs]))
            for value in node.outputs:
                positions[value] = len(positions)
        specs = [copy.copy(spec) for spec in self.specs]
        for spec in specs:
            if spec is not None:
                spec.variable = None
        own = replace(self, variables=[], specs=specs)
        return {
            "roots": roots,
            "nodes": nodes,
            "variables": [positions[each] for each in self.variables],
            "recipe": own,
        }

    @classmethod
    def from_flat(cls, state: Mapping[str, Any]) -> Recipe:
        """The inverse of `flat`."""
        variables = list(state["roots"])
        for op, taken, outputs in state["nodes"]:
            results = [type_(name) for type_, name in outputs]
            Apply(op, [variables[position] for position in taken], results)
            variables.extend(results)
        return replace(state["recipe"], variables=[variables[each] for each in state["variables"]])

    def _parts(self) -> list[list[Variable]]:
        parts, start = [], 0
        for size in self.sizes:
            parts.append(self.variables[start : start + size])
            start += size
        return parts


def independent(variable: SharedVariable, memo: dict[int, Any]) -> SharedVariable:
    """A shared variable with a copy of the value; the same one for the same `memo`."""
    if id(variable) not in memo:
        container = variable.container
        new = type(variable)(
            type=variable.type,
            value=copy.deepcopy(container.data),
            strict=container.strict,
            allow_downcast=container.allow_downcast,
            name=variable.name,
        )
        new.tag = copy.copy(variable.tag)
        memo[id(variable)] = new
    return memo[id(variable)]


def _columns(pairs: Any) -> tuple[list[Any], list[Any]]:
    """Replaced variables and their replacements, as two lists."""
    items = list(pairs.items()) if isinstance(pairs, Mapping) else list(pairs or [])
    keys = [key for key, _ in items]
    values = [
        value if isinstance(value, Variable) else key.type.filter_variable(value)
        for key, value in items
    ]
    return keys, values
