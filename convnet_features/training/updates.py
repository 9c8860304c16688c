"""Update rules of ``lasagne.updates`` as functions over one contiguous buffer.

Every rule of Lasagne's is element-wise: what happens to one number depends on
that number, its gradient and its own state. So the rule is built once, for one
vector that holds all parameters, and applied in blocks that stay in the cache.
A rule that is not element-wise (one that limits norms, say) is built for the
parameters in their own shapes.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..compilation import compile_program
from ..kernels.registry import get_provider
from ..network.functions import cached_program
from ..theano_facade import theano_scope

__all__ = ["Updater", "make_updater", "resolve_update", "update_arguments"]

#: Numbers in a block: a quarter of a megabyte of float32.
BLOCK = 1 << 16
_RULES = ("sgd", "momentum", "nesterov_momentum", "adagrad", "rmsprop", "adadelta", "adam")


def resolve_update(update: str | Callable[..., Any]) -> Callable[..., Any]:
    """An update rule by its name in ``lasagne.updates``, or itself.

    Raises
    ------
    ValueError
        If there is no such rule; the text lists those there are.
    """
    import lasagne.updates

    if callable(update):
        return update
    if update not in _RULES:
        raise ValueError(f"update must be a callable or one of {list(_RULES)}; got {update!r}.")
    return getattr(lasagne.updates, update)


def update_arguments(
    rule: Callable[..., Any], given: Mapping[str, Any], defaulted: Sequence[str] = ()
) -> dict[str, Any]:
    """The arguments that `rule` takes, out of ``update_*`` parameters.

    Parameters
    ----------
    rule : callable
    given : mapping
        By the rule's own names (``learning_rate``, ``momentum``, ``beta1``).
    defaulted : sequence of str
        Of these, the ones that the user left at their defaults: dropped where
        the rule does not know them.

    Raises
    ------
    ValueError
        If the rule has no such argument; the text lists those it has.
    """
    parameters = inspect.signature(rule).parameters
    known = list(parameters)[2:]
    if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return dict(given)
    unknown = [name for name in given if name not in known and name not in defaulted]
    if unknown:
        raise ValueError(
            f"update_{unknown[0]}: the update rule {rule.__name__!r} has no argument "
            f"{unknown[0]!r}; it has {', '.join('update_' + name for name in known)}."
        )
    return {name: value for name, value in given.items() if name in known}


@dataclass(frozen=True)
class _Rule:
    """A compiled rule: (*thetas, *states, *gradients, *arguments) to the new (*thetas, *states)."""

    function: Callable[..., tuple[Any, ...]]
    initial: tuple[np.ndarray, ...]
    elementwise: bool


@dataclass
class Updater:
    """An update rule at work on one vector of parameters.

    Attributes
    ----------
    rule : compiled rule
    shapes : list of tuple of int
        What the vector is cut into: itself, where the rule is element-wise.
    arguments : dict of str to float
        The rule's arguments; they may change between steps.
    state : list of ndarray
        What the rule remembers: velocities, accumulated squares, the step count.
    """

    rule: _Rule
    shapes: list[tuple[int, ...]]
    arguments: dict[str, float]
    state: list[np.ndarray]

    def apply(self, theta: np.ndarray, gradient: np.ndarray) -> None:
        """Update `theta` in place by one step against `gradient`, both float32 vectors."""
        values = [np.float32(value) for value in self.arguments.values()]
        if self.rule.elementwise:
            self._apply_in_blocks(theta, gradient, values)
        else:
            self._apply_at_once(theta, gradient, values)

    def _apply_in_blocks(self, theta: np.ndarray, gradient: np.ndarray, values: list[Any]) -> None:
        held = [theta, *self.state]
        last: Sequence[Any] = []
        for start in range(0, len(theta), BLOCK):
            block = slice(start, start + BLOCK)
            blocks = [each[block] if each.ndim else each for each in held]
            last = self.rule.function(*blocks, gradient[block], *values)
            for target, value in zip(blocks, last, strict=True):
                if target.ndim:
                    target[...] = value
        # A number that every block reads (the step count) changes when all have read it.
        for target, value in zip(held, last, strict=False):
            if not target.ndim:
                target[...] = value

    def _apply_at_once(self, theta: np.ndarray, gradient: np.ndarray, values: list[Any]) -> None:
        held = [*split_vector(theta, self.shapes), *self.state]
        gradients = split_vector(gradient, self.shapes)
        new = self.rule.function(*held, *gradients, *values)
        for target, value in zip(held, new, strict=True):
            target[...] = value

    def load_state(self, state: Sequence[np.ndarray]) -> None:
        """Put back what `state` was; raises ValueError for another rule's or network's."""
        if [array.shape for array in self.state] != [np.shape(array) for array in state]:
            raise ValueError("The optimiser's state belongs to another update rule or network.")
        for target, value in zip(self.state, state, strict=True):
            target[...] = value


def split_vector(vector: np.ndarray, shapes: Sequence[tuple[int, ...]]) -> list[np.ndarray]:
    """Views of a vector, one after the other, of the given shapes."""
    views, start = [], 0
    for shape in shapes:
        size = math.prod(shape)
        views.append(vector[start : start + size].reshape(shape))
        start += size
    return views


def make_updater(
    rule: Callable[..., Any],
    arguments: Mapping[str, float],
    theta: np.ndarray,
    shapes: Sequence[tuple[int, ...]],
) -> Updater:
    """Set `rule` up for parameters of `shapes` that follow each other in the vector `theta`."""
    names, shapes = tuple(arguments), list(shapes)
    compiled = _compiled(rule, names, [theta])
    if compiled.elementwise:
        shapes = [theta.shape]
    else:
        compiled = _compiled(rule, names, split_vector(theta, shapes))
    state = [
        np.broadcast_to(value, theta.shape).copy()
        if compiled.elementwise and value.ndim
        else value.copy()
        for value in compiled.initial
    ]
    return Updater(compiled, shapes, dict(arguments), state)


def _compiled(
    rule: Callable[..., Any], names: tuple[str, ...], thetas: Sequence[np.ndarray]
) -> _Rule:
    """Lasagne's own rules begin with zeros, so that one compiled for one number serves all."""
    import lasagne.updates

    if getattr(lasagne.updates, getattr(rule, "__name__", ""), None) is rule:
        one = [np.zeros(1, dtype=np.float32)]
        return cached_program(("update", rule, names), lambda: _compile(rule, names, one))
    return _compile(rule, names, thetas)


def _compile(
    rule: Callable[..., Any], names: tuple[str, ...], thetas: Sequence[np.ndarray]
) -> _Rule:
    import theano
    from pytensor.graph.replace import clone_replace
    from pytensor.tensor import scalar, tensor

    with theano_scope():
        params = [theano.shared(theta.copy(), name="theta") for theta in thetas]
        gradients = [tensor(dtype="float32", shape=(None,) * theta.ndim) for theta in thetas]
        arguments = {name: scalar(name, dtype="float32") for name in names}
        updates = rule(gradients, params, **arguments)
        held = [*params, *(variable for variable in updates if variable not in params)]
        inputs = [tensor(dtype=v.type.dtype, shape=(None,) * v.type.ndim) for v in held]
        outputs = clone_replace(
            [updates.get(variable, variable) for variable in held],
            replace=dict(zip(held, inputs, strict=True)),
            rebuild_strict=False,
        )
        function = compile_program(
            [*inputs, *gradients, *arguments.values()], outputs, get_provider("portable")
        )
    initial = tuple(np.asarray(variable.get_value()) for variable in held[len(params) :])
    return _Rule(function, initial, len(thetas) == 1 and _is_elementwise(outputs))


def _is_elementwise(outputs: Sequence[Any]) -> bool:
    from pytensor.graph.traversal import ancestors
    from pytensor.tensor.elemwise import DimShuffle, Elemwise

    return outputs[0].type.ndim == 1 and all(
        variable.owner is None or isinstance(variable.owner.op, Elemwise | DimShuffle)
        for variable in ancestors(outputs)
    )
