"""The linker and the mode with which ``theano.function`` compiles."""

from __future__ import annotations

import functools
from typing import Any

from pytensor.compile.mode import Mode
from pytensor.graph.rewriting.basic import GraphRewriter, MergeOptimizer, SequentialGraphRewriter
from pytensor.link.basic import Container, PerformLinker
from pytensor.link.utils import map_storage

from ..fusion import fusion_rewriter, get_fusion, inlining_rewriter, stability_rewriter
from ..kernels.contract import Kernels
from ..kernels.registry import get_kernels
from .straight_line import straight_line

__all__ = ["StraightLineLinker", "compilation_rewriter", "mode"]


class StraightLineLinker(PerformLinker):
    """Links a graph as one generated function; starts no compiler.

    The scheduler of `PerformLinker` is not needed: the function is written in
    topological order.
    """

    required_rewrites: tuple[str, ...] = ()
    incompatible_rewrites: tuple[str, ...] = ()

    def __init__(self, kernels: Kernels) -> None:
        super().__init__(allow_gc=False)
        self.kernels = kernels

    def accept(self, fgraph: Any, no_recycling: Any = None, profile: Any = None) -> Any:
        if self.fgraph is not None and self.fgraph is not fgraph:
            return type(self)(self.kernels).accept(fgraph, no_recycling, profile)
        return super().accept(fgraph, no_recycling, profile)

    def make_all(
        self, input_storage: Any = None, output_storage: Any = None, storage_map: Any = None
    ) -> Any:
        fgraph = self.fgraph
        order = fgraph.toposort()
        input_storage, output_storage, storage_map = map_storage(
            fgraph, order, input_storage, output_storage, storage_map
        )
        program = straight_line(fgraph, self.kernels)

        def run() -> None:
            results = program(*[cell[0] for cell in input_storage])
            for cell, value in zip(output_storage, results, strict=True):
                cell[0] = value

        run.allow_gc = False  # type: ignore[attr-defined]
        run.storage_map = storage_map  # type: ignore[attr-defined]
        run.program = program  # type: ignore[attr-defined]
        return (
            run,
            [
                Container(value, cell)
                for value, cell in zip(fgraph.inputs, input_storage, strict=True)
            ],
            [
                Container(value, cell, readonly=True)
                for value, cell in zip(fgraph.outputs, output_storage, strict=True)
            ],
            [],
            [],
        )


def compilation_rewriter(fuse: bool, *, inline: bool = False) -> GraphRewriter:
    """Merge what is computed twice, fuse what `convnet_features.fusion` knows, and no more.

    With `inline`, it first takes out what only gradients look at: for graphs of which no
    gradient will be taken any more. General rewriting costs hundreds of milliseconds and buys
    no run time here (``docs/design/journal.md``). Nothing is fused where `get_fusion` says
    so, but numbers are kept finite in any case.
    """
    return _rewriter(fuse and get_fusion(), inline)


@functools.cache
def _rewriter(fuse: bool, inline: bool) -> GraphRewriter:
    return SequentialGraphRewriter(
        MergeOptimizer(),
        *([inlining_rewriter()] if inline else []),
        fusion_rewriter() if fuse else stability_rewriter(),
        MergeOptimizer(),
    )


def mode(engine: str = "auto", fuse: bool = True) -> Mode:
    """The mode in which ``theano.function`` compiles: neither a C compiler nor Numba."""
    return _mode(engine, fuse and get_fusion())


@functools.cache
def _mode(engine: str, fuse: bool) -> Mode:
    return Mode(linker=StraightLineLinker(get_kernels(engine)), optimizer=_rewriter(fuse, True))
