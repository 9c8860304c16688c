"""Theano's modes: there is one way to compile here, and some modes watch what is computed."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
from pytensor.compile.mode import Mode as PyTensorMode
from pytensor.graph.rewriting.basic import MergeOptimizer, SequentialGraphRewriter
from pytensor.link.basic import PerformLinker, WrapLinkerMany

from ..fusion import inlining_rewriter, stability_rewriter

__all__ = ["DebugMode", "Mode", "MonitorMode", "NanGuardMode", "as_mode", "get_default_mode"]

#: Called before or after a node: its position, the node, and what computes it.
Watcher = Callable[[int, Any, Any], Any]


class Mode:
    """How to compile, as ``theano.Mode``: linkers and optimisers mean nothing here.

    Parameters
    ----------
    linker, optimizer
        Of Theano's own compiler.
    """

    def __init__(self, linker: Any = None, optimizer: Any = "default", **ignored: Any) -> None:
        self.linker = linker
        self.provided_optimizer = optimizer

    def including(self, *tags: str) -> Mode:
        """The mode itself: there are no optimisations to choose from."""
        return self

    excluding = requiring = including

    def clone(self, **ignored: Any) -> Mode:
        """The mode itself."""
        return self

    def made(self) -> PyTensorMode:
        """The mode that PyTensor is given."""
        from .. import compilation

        return compilation.mode()

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class DebugMode(Mode):
    """Theano's mode that compared its implementations: here a `Mode`."""


class MonitorMode(Mode):
    """Call functions before and after each node, as ``theano.compile.MonitorMode``.

    Nodes are computed one by one, in Python, and nothing is fused.

    Parameters
    ----------
    pre_func, post_func : callable(i, node, fn), optional
        `fn` has ``inputs`` and ``outputs``: of each value, a list that holds it. A generator of
        random numbers is an array of integers, as those of ``MRG_RandomStreams`` were in Theano.
    """

    def __init__(
        self,
        pre_func: Watcher | None = None,
        post_func: Watcher | None = None,
        optimizer: Any = "default",
        linker: Any = None,
    ) -> None:
        super().__init__(linker, optimizer)
        self.pre_func = pre_func
        self.post_func = post_func

    def made(self) -> PyTensorMode:
        """A mode that computes node by node."""
        rewriter = SequentialGraphRewriter(
            MergeOptimizer(), inlining_rewriter(), stability_rewriter(), MergeOptimizer()
        )
        linker = WrapLinkerMany([PerformLinker()], [self._watch])
        return PyTensorMode(linker=linker, optimizer=rewriter)

    def _watch(self, fgraph: Any, i: int, node: Any, fn: Any) -> None:
        if self.pre_func is not None:
            self.pre_func(i, node, _as_in_theano(fn))
        fn()
        if self.post_func is not None:
            self.post_func(i, node, _as_in_theano(fn))


def _as_in_theano(fn: Any) -> Any:
    """What computes a node, with an array in the place of each random generator.

    Watchers copied from Theano's documentation ask for NaN of everything.
    """
    cells = [*fn.inputs, *fn.outputs]
    if not any(isinstance(cell[0], np.random.Generator) for cell in cells):
        return fn
    seen = [
        [_state(cell[0])] if isinstance(cell[0], np.random.Generator) else cell for cell in cells
    ]
    n_inputs = len(fn.inputs)
    return SimpleNamespace(inputs=seen[:n_inputs], outputs=seen[n_inputs:])


def _state(generator: np.random.Generator) -> np.ndarray:
    """The 128 bits that a generator of a stream counts with."""
    state: int = generator.bit_generator.state["state"]["state"]
    return np.array([state >> 64, state & (2**64 - 1)], "uint64")


class NanGuardMode(MonitorMode):
    """Raise where NaN, infinity or a huge number is computed, as Theano's ``NanGuardMode``.

    Parameters
    ----------
    nan_is_error, inf_is_error, big_is_error : bool, default=True
        Big is an absolute value above 1e10.

    Raises
    ------
    AssertionError
        When the function is called: which operation made it, or which of its inputs has it.
    """

    def __init__(
        self,
        nan_is_error: bool = True,
        inf_is_error: bool = True,
        big_is_error: bool = True,
        optimizer: Any = "default",
        linker: Any = None,
    ) -> None:
        super().__init__(self._check_inputs, self._check_outputs, optimizer, linker)
        self.nan_is_error = nan_is_error
        self.inf_is_error = inf_is_error
        self.big_is_error = big_is_error

    def _check_inputs(self, i: int, node: Any, fn: Any) -> None:
        for variable, storage in zip(node.inputs, fn.inputs, strict=True):
            if variable.owner is None:
                self._check(storage[0], f"in the input {variable}")

    def _check_outputs(self, i: int, node: Any, fn: Any) -> None:
        for storage in fn.outputs:
            self._check(storage[0], f"computed by {node}")

    def _check(self, value: Any, where: str) -> None:
        array = np.asarray(value)
        if array.dtype.kind not in "fc" or not array.size:
            return
        largest = np.abs(array).max()
        found = {
            "NaN": self.nan_is_error and np.isnan(array).any(),
            "infinity": self.inf_is_error and np.isinf(array).any(),
            "a number above 1e10": self.big_is_error and np.isfinite(largest) and largest > 1e10,
        }
        for what, is_there in found.items():
            if is_there:
                raise AssertionError(f"NanGuardMode: {what} {where}.")


#: The modes that Theano knew by name.
_BY_NAME: dict[str, type[Mode]] = {
    "DebugMode": DebugMode,
    "DEBUG_MODE": DebugMode,
    "FAST_COMPILE": Mode,
    "FAST_RUN": Mode,
    "Mode": Mode,
    "NanGuardMode": NanGuardMode,
    "ProfileMode": Mode,
}


def as_mode(who: str, mode: Any) -> Any:
    """What `mode` of ``theano.function`` means: None for the usual, a `Mode`, or PyTensor's.

    Raises
    ------
    ValueError
        For a name that is none of Theano's modes.
    """
    if not isinstance(mode, str):
        return mode
    if mode not in _BY_NAME:
        raise ValueError(f"{who}: mode must be one of {tuple(_BY_NAME)} or a Mode; got {mode!r}.")
    return _BY_NAME[mode]()


def get_default_mode() -> Mode:
    """The mode of functions that name none."""
    return Mode()
