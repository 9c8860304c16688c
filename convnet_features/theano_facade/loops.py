"""Symbolic loops: ``theano.scan`` and what Theano built on it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytensor
from pytensor.compile.mode import Mode
from pytensor.compile.sharedvalue import SharedVariable, collect_new_shareds
from pytensor.graph.basic import Variable
from pytensor.graph.replace import clone_replace
from pytensor.graph.rewriting.basic import MergeOptimizer, SequentialGraphRewriter
from pytensor.graph.traversal import graph_inputs, toposort
from pytensor.link.vm import VMLinker
from pytensor.scan.basic import get_updates_and_outputs
from pytensor.scan.utils import until
from pytensor.tensor.random.type import RandomType
from pytensor.tensor.type import TensorType

from ..fusion import StableCopy, inlining_rewriter, stability_rewriter
from .scope import mark_variables, theano_scope

__all__ = ["foldl", "foldr", "map", "reduce", "scan", "without_deprecation"]

#: Beginnings of PyTensor's warnings about ways to call scan that were Theano's only ones.
_SCAN_ADVICE = "Scan return signature|The `mode` argument|Setting default_update"


def scan(
    fn: Callable[..., Any],
    sequences: Any = None,
    outputs_info: Any = None,
    non_sequences: Any = None,
    n_steps: Any = None,
    truncate_gradient: int = -1,
    go_backwards: bool = False,
    mode: Any = None,
    name: str | None = None,
    profile: bool = False,
    allow_gc: bool | None = None,
    strict: bool = False,
    return_list: bool = False,
) -> tuple[Any, Any]:
    """A symbolic loop, as ``theano.scan``: returns (outputs, updates).

    `mode`, `profile` and `allow_gc` are ignored: the body is run by PyTensor's
    virtual machine in Python.
    """
    body = _Body(fn)

    def loop(outputs_info: Any) -> tuple[Any, Any]:
        return pytensor.scan(
            body,
            sequences=sequences,
            outputs_info=outputs_info,
            non_sequences=non_sequences,
            n_steps=n_steps,
            truncate_gradient=truncate_gradient,
            go_backwards=go_backwards,
            mode=_loop_mode(),
            name=name,
            strict=strict,
            return_list=return_list,
        )

    with theano_scope(), without_deprecation(_SCAN_ADVICE):
        outputs, updates = loop(outputs_info)
        n_draws = len(body.draws)
        if n_draws:
            # The gradient goes through the steps once more, backwards, and needs their draws.
            info = outputs_info if isinstance(outputs_info, list | tuple) else [outputs_info]
            body.keep_draws = True
            kept, updates = loop([*info, *[None] * n_draws] if outputs_info is not None else None)
            kept = kept[:-n_draws]
            outputs = kept if isinstance(outputs, list) else kept[0]
    return mark_variables(outputs), updates


class _Body:
    """The body of a loop, as the stable counterpart of what the user's function builds.

    It is differentiated, and compiled, by PyTensor: this must be its only graph. The user's
    function is called once; a second call gives the same graph of other variables.

    Attributes
    ----------
    draws : list of variables
        What a step draws at random.
    keep_draws : bool
        Whether further calls return the draws as well, behind the user's outputs.
    """

    def __init__(self, fn: Callable[..., Any]) -> None:
        self.fn = fn
        self.keep_draws = False
        self.draws: list[Variable] = []
        self._arguments: tuple[Any, ...] | None = None
        self._results: Any = None

    def __call__(self, *args: Any) -> Any:
        if self._arguments is None:
            self._build(args)
        outputs, updates, condition = self._results
        if self.keep_draws:
            outputs = [*outputs, *self.draws]
        everything = [*outputs, *updates.values(), *([] if condition is None else [condition])]
        assert self._arguments is not None
        renamed = {
            old: new
            for old, new in zip(self._arguments, args, strict=True)
            if isinstance(old, Variable) and old is not new
        }
        if renamed:
            everything = clone_replace(everything, renamed)
        outputs = everything[: len(outputs)]
        updates = dict(zip(updates, everything[len(outputs) :], strict=False))
        if condition is None:
            return outputs, updates
        return outputs, updates, until(everything[-1])

    def _build(self, args: tuple[Any, ...]) -> None:
        self._arguments = args
        with collect_new_shareds() as made:
            condition, outputs, updates = get_updates_and_outputs(self.fn(*args))
        updates = dict(updates) | _default_updates(made, [*outputs, *updates.values()], updates)
        conditions = [] if condition is None else [condition]
        copy = StableCopy([*outputs, *updates.values(), *conditions])
        self._results = (
            [copy[each] for each in outputs],
            {shared: copy[value] for shared, value in updates.items()},
            None if condition is None else copy[condition],
        )
        self.draws = _draws([*self._results[0], *self._results[1].values()])


def _default_updates(
    made: Iterable[SharedVariable], outputs: Sequence[Variable], updates: Any
) -> dict[SharedVariable, Variable]:
    """The updates of variables that the body has made for itself, such as generators.

    They lose it: what the loop returns for updates advances them from now on.
    """
    used = set(graph_inputs(outputs))
    found = {}
    for variable in made:
        if variable in used and variable.default_update is not None:
            if variable not in updates:
                found[variable] = variable.default_update
            variable._default_update = None
    return found


def _draws(outputs: Sequence[Variable]) -> list[Variable]:
    """The tensors that are computed from random generators, and not only from tensors."""
    return [
        output
        for node in toposort(outputs)
        if any(isinstance(value.type, RandomType) for value in node.inputs)
        for output in node.outputs
        if isinstance(output.type, TensorType)
    ]


def _loop_mode() -> Mode:
    """The mode of a loop's body, whose storage only PyTensor's virtual machine handles."""
    linker = VMLinker(use_cloop=False, c_thunks=False)
    rewriter = SequentialGraphRewriter(
        MergeOptimizer(), inlining_rewriter(), stability_rewriter(), MergeOptimizer()
    )
    return Mode(linker=linker, optimizer=rewriter)


def map(
    fn: Callable[..., Any], sequences: Any, non_sequences: Any = None, **kwargs: Any
) -> tuple[Any, Any]:
    """`fn` of every element of `sequences`, as ``theano.map``."""
    return scan(fn, sequences, non_sequences=non_sequences, **kwargs)


def reduce(
    fn: Callable[..., Any],
    sequences: Any,
    outputs_info: Any,
    non_sequences: Any = None,
    **kwargs: Any,
) -> tuple[Any, Any]:
    """The last result of folding `sequences` with `fn`, as ``theano.reduce``."""
    outputs, updates = scan(fn, sequences, outputs_info, non_sequences, **kwargs)
    if isinstance(outputs, list | tuple):
        return [mark_variables(each[-1]) for each in outputs], updates
    return mark_variables(outputs[-1]), updates


def foldl(fn: Callable[..., Any], *args: Any, **kwargs: Any) -> tuple[Any, Any]:
    """`reduce` from the first element to the last."""
    return reduce(fn, *args, **kwargs)


def foldr(fn: Callable[..., Any], *args: Any, **kwargs: Any) -> tuple[Any, Any]:
    """`reduce` from the last element to the first."""
    return reduce(fn, *args, go_backwards=True, **kwargs)


@contextmanager
def without_deprecation(message: str) -> Iterator[None]:
    """Silence PyTensor's warnings about signatures that Theano's callers use."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=message)
        yield
