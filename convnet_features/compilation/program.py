"""Graphs compiled to functions of all that they depend on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from pytensor.graph.basic import Variable
from pytensor.graph.fg import FunctionGraph

from ..kernels.contract import Kernels
from ..kernels.registry import ENGINES
from .blocks import block_program
from .linker import compilation_rewriter

__all__ = ["compile_in_place", "compile_program", "link", "rewritten_graph"]


def compile_program(
    inputs: Sequence[Variable],
    outputs: Sequence[Variable],
    kernels: Kernels,
    *,
    fuse: bool = True,
    frozen: Sequence[np.ndarray | None] = (),
    clone: bool = True,
) -> Callable[..., tuple[Any, ...]]:
    """Compile a graph to a function without state.

    Parameters
    ----------
    inputs : sequence of variables
        Everything that `outputs` depend on, shared variables included. Random
        generators among them are advanced in place when the program runs.
    outputs : sequence of variables
        What to compute.
    kernels : Kernels
        An engine's.
    fuse : bool, default=True
        Fuse runs of layers.
    frozen : sequence of ndarray or None, optional
        For each of `inputs` its value, if it has one for good.
    clone : bool, default=True
        Leave the graph as it is. A graph that nobody else has may be changed,
        which saves the time of a copy.

    Returns
    -------
    callable
        From values of `inputs`, without the frozen ones, to a tuple of values of
        `outputs`; safe to call from any number of threads.
    """
    return link(rewritten_graph(inputs, outputs, fuse=fuse, clone=clone), kernels, frozen)


def rewritten_graph(
    inputs: Sequence[Variable],
    outputs: Sequence[Variable],
    *,
    fuse: bool = True,
    clone: bool = True,
) -> FunctionGraph:
    """A graph that is ready for `link`; arguments are those of `compile_program`."""
    fgraph = FunctionGraph(list(inputs), list(outputs), clone=clone)
    compilation_rewriter(fuse, inline=True).rewrite(fgraph)
    # Features of the rewriting keep the graph of before alive.
    for feature in tuple(fgraph._features):
        fgraph.remove_feature(feature)
    return fgraph


def link(
    fgraph: FunctionGraph, kernels: Kernels, frozen: Sequence[np.ndarray | None] = ()
) -> Callable[..., tuple[Any, ...]]:
    """The function that computes a rewritten graph, which stays as it is.

    Arguments and result are those of `compile_program`.
    """
    known = {
        variable: value
        for variable, value in zip(fgraph.inputs, frozen, strict=False)
        if value is not None
    }
    program: Callable[..., tuple[Any, ...]]
    program = ENGINES[kernels.name].part("compiler")(fgraph, kernels, known)
    return program


def compile_in_place(
    inputs: Sequence[Variable], outputs: Sequence[Variable], kernels: Kernels
) -> Callable[..., None]:
    """Compile an element-wise graph to a function that overwrites what it is given.

    Parameters
    ----------
    inputs : sequence of variables
        Vectors of one length, the first among them, and numbers.
    outputs : sequence of variables
        The new values of the first of `inputs`.
    kernels : Kernels
        An engine's.

    Returns
    -------
    callable
        As `blocks.block_program` describes it.
    """
    fgraph = FunctionGraph(list(inputs), list(outputs), clone=True)
    compilation_rewriter(fuse=False, inline=True).rewrite(fgraph)
    return block_program(fgraph, kernels)
