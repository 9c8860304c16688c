"""Graphs of stages: runs of stages, and what stands between them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, Protocol

import numpy as np

from ..contract import (
    Arrays,
    Call,
    ConcatStage,
    Gradients,
    GraphKernel,
    NormStage,
    ProductStage,
    Stage,
    StageGraph,
    SumStage,
    check_joined,
    columns,
)
from ..steps import KernelStep
from .elementwise import activate, activation_gradient
from .explanation import explain_stages
from .normalisation import normalise, normalise_gradient
from .run import Run

__all__ = ["PortableGraph"]


class Computation(Protocol):
    """One result from one or several values."""

    def forward(self, xs: Arrays, params: Arrays, training: bool) -> tuple[np.ndarray, Any]:
        """The result, and what `backward` needs (anything unless `training`)."""

    def statistics(self, saved: Any) -> list[np.ndarray]:
        """What `GraphKernel.statistics` returns of this part."""

    def backward(
        self,
        saved: Any,
        xs: Arrays,
        params: Arrays,
        y: np.ndarray,
        gy: np.ndarray,
        input_grads: Sequence[bool],
    ) -> Gradients:
        """The gradients, given what `forward` saved."""


@dataclass(frozen=True)
class Piece:
    """A computation and its place in the graph: the values that it reads and makes, its parameters.

    `learnt` is the place of its gradients among those of the graph.
    """

    computation: Computation
    inputs: tuple[int, ...]
    value: int
    params: slice
    learnt: slice


class PortableGraph(GraphKernel):
    """The pieces of a graph, one after the other.

    Parameters
    ----------
    graph : StageGraph
    """

    def __init__(self, graph: StageGraph) -> None:
        self._graph = graph
        self._pieces = _pieces(graph)
        self._learnt = [index for index, own in enumerate(graph.learnt) if own]

    def explain_call(self, call: Call) -> list[KernelStep]:
        """See `GraphKernel.explain`: a step for each stage, timed alone."""
        return explain_stages(PortableGraph, self._graph, call)

    def forward(self, xs: Arrays, params: Arrays) -> list[np.ndarray]:
        """See `GraphKernel.forward`."""
        values = dict(enumerate(xs))
        for piece in self._pieces:
            given = [values[value] for value in piece.inputs]
            values[piece.value], _ = piece.computation.forward(given, params[piece.params], False)
        return [values[value] for value in self._graph.outputs]

    def forward_training(self, xs: Arrays, params: Arrays) -> tuple[list[np.ndarray], Any]:
        """See `GraphKernel.forward_training`."""
        values, saved = dict(enumerate(xs)), []
        for piece in self._pieces:
            given = [values[value] for value in piece.inputs]
            values[piece.value], own = piece.computation.forward(given, params[piece.params], True)
            saved.append(own)
        return [values[value] for value in self._graph.outputs], (values, saved)

    def statistics(self, workspace: Any) -> list[np.ndarray]:
        """See `GraphKernel.statistics`."""
        _, saved = workspace
        return [
            statistic
            for piece, own in zip(self._pieces, saved, strict=True)
            for statistic in piece.computation.statistics(own)
        ]

    def backward(
        self,
        workspace: Any,
        xs: Arrays,
        params: Arrays,
        ys: Arrays,
        gys: Sequence[np.ndarray | None],
        input_grads: Sequence[bool],
    ) -> Gradients:
        """See `GraphKernel.backward`."""
        values, saved = workspace
        totals: dict[int, np.ndarray] = {}
        for value, gy in zip(self._graph.outputs, gys, strict=True):
            _add(totals, value, gy)
        needs = self._graph.needs_gradient(input_grads)
        gradients: list[Any] = [None] * len(self._learnt)
        for piece, own in zip(reversed(self._pieces), reversed(saved), strict=True):
            gy = totals.pop(piece.value, None)
            if gy is None or not needs[piece.value]:
                continue
            of_inputs, gradients[piece.learnt] = piece.computation.backward(
                own,
                [values[value] for value in piece.inputs],
                params[piece.params],
                values[piece.value],
                gy,
                [needs[value] for value in piece.inputs],
            )
            for value, gx in zip(piece.inputs, of_inputs, strict=True):
                _add(totals, value, gx)
        of_inputs = [
            totals.get(value, np.zeros_like(x)) if needed else None
            for value, (x, needed) in enumerate(zip(xs, input_grads, strict=True))
        ]
        # Nothing that has a gradient may depend on a parameter.
        of_params = [
            np.zeros_like(params[index]) if gradient is None else gradient
            for index, gradient in zip(self._learnt, gradients, strict=True)
        ]
        return of_inputs, of_params


def _add(totals: dict[int, np.ndarray], value: int, gradient: np.ndarray | None) -> None:
    """Add to the gradient of a value, whose arrays may belong to others."""
    if gradient is not None:
        totals[value] = totals[value] + gradient if value in totals else gradient


class Normalisation:
    """A `NormStage`."""

    def __init__(self, stages: Sequence[NormStage]) -> None:
        (self._stage,) = stages
        self._rectify = self._stage.activation == "rectify"

    def forward(self, xs: Arrays, params: Arrays, training: bool) -> tuple[np.ndarray, Any]:
        gamma, beta = params
        y, *statistics = normalise(xs[0], gamma, beta, self._stage.epsilon, self._rectify)
        return (y if self._rectify else activate(y, self._stage.activation)), statistics

    def statistics(self, saved: Any) -> list[np.ndarray]:
        return list(saved)

    def backward(
        self,
        saved: Any,
        xs: Arrays,
        params: Arrays,
        y: np.ndarray,
        gy: np.ndarray,
        input_grads: Sequence[bool],
    ) -> Gradients:
        if not self._rectify:
            gy = activation_gradient(gy, y, self._stage.activation)
        (gamma, _), (mean, inv_std) = params, saved
        gx, *gradients = normalise_gradient(xs[0], gamma, mean, inv_std, y, gy, self._rectify)
        return [gx if input_grads[0] else None], gradients


class Sum:
    """A `SumStage`."""

    def __init__(self, stages: Sequence[SumStage]) -> None:
        (self._stage,) = stages

    def forward(self, xs: Arrays, params: Arrays, training: bool) -> tuple[np.ndarray, Any]:
        y = reduce(np.add, _joined(self._stage, xs))
        return activate(y, self._stage.activation), None

    def statistics(self, saved: Any) -> list[np.ndarray]:
        return []

    def backward(
        self,
        saved: Any,
        xs: Arrays,
        params: Arrays,
        y: np.ndarray,
        gy: np.ndarray,
        input_grads: Sequence[bool],
    ) -> Gradients:
        gy = activation_gradient(gy, y, self._stage.activation)
        return [
            _summed(gy, x.shape) if needed else None
            for x, needed in zip(xs, input_grads, strict=True)
        ], []


class Product:
    """A `ProductStage`."""

    def __init__(self, stages: Sequence[ProductStage]) -> None:
        (self._stage,) = stages

    def forward(self, xs: Arrays, params: Arrays, training: bool) -> tuple[np.ndarray, Any]:
        x, other = _joined(self._stage, xs)
        return activate(x * other, self._stage.activation), None

    def statistics(self, saved: Any) -> list[np.ndarray]:
        return []

    def backward(
        self,
        saved: Any,
        xs: Arrays,
        params: Arrays,
        y: np.ndarray,
        gy: np.ndarray,
        input_grads: Sequence[bool],
    ) -> Gradients:
        gy = activation_gradient(gy, y, self._stage.activation)
        others = reversed(_joined(self._stage, xs))
        return [
            _summed(gy * other, x.shape) if needed else None
            for x, other, needed in zip(xs, others, input_grads, strict=True)
        ], []


def _joined(stage: Stage, xs: Arrays) -> Arrays:
    """The values that a stage joins, with as many axes."""
    check_joined(stage, [x.shape for x in xs])
    ndim = max(x.ndim for x in xs)
    return [columns(x, ndim) for x in xs]


def _summed(gradient: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The gradient of a value of `shape`, of that of what it was spread to."""
    sizes = (*shape, *[1] * (gradient.ndim - len(shape)))
    axes = [axis for axis, size in enumerate(sizes) if size == 1 != gradient.shape[axis]]
    return gradient.sum(axis=tuple(axes)).reshape(shape) if axes else gradient.reshape(shape)


class Concat:
    """A `ConcatStage`."""

    def __init__(self, stages: Sequence[ConcatStage]) -> None:
        pass

    def forward(self, xs: Arrays, params: Arrays, training: bool) -> tuple[np.ndarray, Any]:
        return np.concatenate(xs, axis=1), None

    def statistics(self, saved: Any) -> list[np.ndarray]:
        return []

    def backward(
        self,
        saved: Any,
        xs: Arrays,
        params: Arrays,
        y: np.ndarray,
        gy: np.ndarray,
        input_grads: Sequence[bool],
    ) -> Gradients:
        ends = np.cumsum([x.shape[1] for x in xs])
        parts = np.split(gy, ends[:-1], axis=1)
        return [
            part if needed else None for part, needed in zip(parts, input_grads, strict=True)
        ], []


#: What computes the stages that stand between runs.
BETWEEN: dict[type[Stage], Callable[..., Computation]] = {
    NormStage: Normalisation,
    ProductStage: Product,
    SumStage: Sum,
    ConcatStage: Concat,
}


def _pieces(graph: StageGraph) -> list[Piece]:
    """The graph's longest runs, and all between them, in order."""
    runs: list[list[int]] = []
    for number in range(len(graph.nodes)):
        if runs and _follows(graph, runs[-1][-1], number):
            runs[-1].append(number)
        else:
            runs.append([number])
    pieces, first, first_learnt = [], 0, 0
    for run in runs:
        stages = [graph.nodes[number].stage for number in run]
        own = StageGraph.chain(stages).learnt
        last, last_learnt = first + len(own), first_learnt + sum(own)
        pieces.append(
            Piece(
                BETWEEN.get(type(stages[0]), Run)(stages),
                graph.nodes[run[0]].inputs,
                graph.n_inputs + run[-1],
                slice(first, last),
                slice(first_learnt, last_learnt),
            )
        )
        first, first_learnt = last, last_learnt
    return pieces


def _follows(graph: StageGraph, number: int, following: int) -> bool:
    """Whether two nodes belong to one run: the second alone reads the first one's result."""
    value = graph.n_inputs + number
    kinds = {type(graph.nodes[number].stage), type(graph.nodes[following].stage)}
    return (
        not kinds & set(BETWEEN)
        and graph.readers[value] == [following]
        and value not in graph.outputs
    )
