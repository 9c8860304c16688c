"""The stable counterpart of a graph that is about to be differentiated."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pytensor.compile.ops import view_op
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.traversal import toposort

from .rewriter import STABILITY, replacement_of

__all__ = ["StableCopy"]


class StableCopy:
    """A stable copy of what `outputs` depend on: only what differs is copied; the original stays.

    A rule that makes one expression of log and softmax passes by the probabilities between the
    two. A gradient with respect to the probabilities must be taken of a graph that still has them.

    Parameters
    ----------
    outputs : sequence of variables
        What will be differentiated.
    opaque : iterable of variables
        Variables that no rule may look behind.

    Attributes
    ----------
    bypassed : set of variables
        Those of the original graph that the copy no longer passes through everywhere.
    """

    def __init__(self, outputs: Sequence[Variable], opaque: Iterable[Variable] = ()) -> None:
        self.bypassed: set[Variable] = set()
        self._copies: dict[Variable, Variable] = {}
        self._originals: dict[Variable, Variable] = {}
        self._opaque = set(opaque)
        for variable in self._opaque:
            if variable.owner is None:
                self._add(variable, variable)
        for node in toposort(outputs):
            self._copy(node)

    def __getitem__(self, variable: Variable) -> Variable:
        """The counterpart of `variable`, which may be itself."""
        return self._copies.get(variable, variable)

    def _copy(self, node: Apply) -> None:
        inputs = [self[value] for value in node.inputs]
        copy = node
        if any(new is not old for new, old in zip(inputs, node.inputs, strict=True)):
            copy = node.clone_with_new_inputs(inputs, strict=False)
        _, replacement = replacement_of(None, copy, STABILITY)
        outputs = list(copy.outputs)
        if replacement is not None:
            self._note_bypassed(outputs[0], replacement)
            outputs[0] = replacement
        for old, new in zip(node.outputs, outputs, strict=True):
            self._add(old, new)

    def _add(self, old: Variable, new: Variable) -> None:
        if old in self._opaque:
            new = view_op(new)
        if new is not old:
            self._copies[old] = new
        if new is not old and (new in self._originals or new.owner is None):
            # One variable that stands for two: a gradient must tell them apart.
            self.bypassed.add(old)
            return
        self._originals[new] = old
        if new is not old:
            new.name = old.name

    def _note_bypassed(self, old: Variable, new: Variable) -> None:
        """What lies between `old` and the variables that `new` is computed from."""
        ends = self._known_below(new)
        pending = list(old.owner.inputs)
        while pending:
            value = pending.pop()
            if value in ends or value.owner is None or self._originals.get(value) in self.bypassed:
                continue
            if value in self._originals:
                self.bypassed.add(self._originals[value])
            pending.extend(value.owner.inputs)

    def _known_below(self, new: Variable) -> set[Variable]:
        """The variables that were there before, from which `new` was made."""
        known, pending = set(), [new]
        while pending:
            value = pending.pop()
            if value in self._originals or value.owner is None:
                known.add(value)
            else:
                pending.extend(value.owner.inputs)
        return known
