"""What computes each step of a graph, and why: choosing, apart from computing.

A step is a convolution, alone or with the pooling behind it, or one of its
gradients, or any other stage. For each kind of step there are *candidates*, the
best first. A candidate has requirements; the first candidate whose requirements
all hold is chosen, and for each one before it a sentence says why not.

`choose` is a function of a graph, shapes, training or not, and a `Machine`. It
needs neither oneDNN nor LLVM, so that a test on one machine asserts the choices
of another. It cannot know how oneDNN will lay images out: where generated code
does not know the layout, the builder of the program takes the next candidate
that suits, and notes that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ...contract import ConvStage, DenseStage, SizedNode, StageGraph
from ...machine import Machine
from .candidates import (
    CANDIDATES,
    DENSE,
    FORWARD,
    GRADIENT_OF_FILTERS,
    GRADIENT_OF_IMAGES,
    GRADIENTS_OF_POOLED,
    ONEDNN,
    POOLED_CONVOLUTION,
    POOLED_GRADIENT,
    ROW_BY_ROW,
    WINOGRAD,
    WINOGRAD_OF_FILTERS,
    Candidate,
)
from .case import Case, DenseCase
from .support import unsupported

__all__ = ["OTHER_LAYOUT", "Choice", "Choices", "Option", "Taken", "choose"]

Shape = tuple[int, ...]
#: Why a candidate that suits is passed over when the program is built.
OTHER_LAYOUT = "oneDNN lays images out otherwise than its code reads or writes them"


class Option(NamedTuple):
    """A candidate that suits, and the nodes of the graph that it computes."""

    candidate: Candidate
    nodes: tuple[int, ...]


class Choice(NamedTuple):
    """What computes a step.

    Attributes
    ----------
    step : str
        Its kind, one of `CANDIDATES`.
    options : tuple of Option
        The candidates that suit, in order. The first is chosen.
    rejected : tuple of (Candidate, str)
        Those that do not, each with the reason.
    case : Case or None
        What they were asked about, of convolutions.
    """

    step: str
    options: tuple[Option, ...]
    rejected: tuple[tuple[Candidate, str], ...] = ()
    case: Case | None = None

    @property
    def name(self) -> str:
        """The chosen candidate's."""
        return self.options[0].candidate.name

    @property
    def nodes(self) -> tuple[int, ...]:
        """Those that it computes."""
        return self.options[0].nodes


class Taken(NamedTuple):
    """What a builder took for a step: an option of a choice.

    The options before it do not know the layouts that oneDNN gives images.
    """

    choice: Choice
    option: Option

    @property
    def passed_over(self) -> list[tuple[Candidate, str]]:
        """The candidates before it, in order, each with the reason why not."""
        reasons = dict(self.choice.rejected)
        candidates = CANDIDATES[self.choice.step]
        before = candidates[: candidates.index(self.option.candidate)]
        return [(each, reasons.get(each, OTHER_LAYOUT)) for each in before]


@dataclass(frozen=True)
class Choices:
    """What computes a graph.

    Attributes
    ----------
    portable : str or None
        Why the portable kernels compute all of it; None where oneDNN does.
    forward : dict of int to Choice
        For each step, in order, by its first node.
    gradients : dict of int to tuple of Choice
        By the node whose gradient comes in; empty unless in training.
    """

    portable: str | None
    forward: dict[int, Choice]
    gradients: dict[int, tuple[Choice, ...]]

    @property
    def steps(self) -> list[Choice]:
        """The forward steps, each once: a pooling that its convolution computes is no step."""
        done: set[int] = set()
        found = []
        for number, choice in self.forward.items():
            if number not in done:
                found.append(choice)
                done |= set(choice.nodes)
        return found


def choose(
    graph: StageGraph,
    x_shapes: Sequence[Shape],
    param_shapes: Sequence[Shape],
    training: bool,
    machine: Machine,
) -> Choices:
    """What computes each step of a graph on a machine, and why.

    Parameters
    ----------
    graph : StageGraph
    x_shapes, param_shapes : sequence of tuple of int
        Of the inputs, and of the parameters in the order of ``graph.params``.
    training : bool
    machine : Machine

    Returns
    -------
    Choices
    """
    nodes = list(graph.walk(x_shapes, param_shapes))
    only_readers = graph.only_readers
    forward: dict[int, Choice] = {}
    gradients: dict[int, tuple[Choice, ...]] = {}
    for node in nodes:
        if (stage := node.stage.convolution) is not None:
            reader = only_readers[node.value]
            following = None if reader is None else nodes[reader]
            case = _case(node, stage, following, training, machine)
            pooling = following.number if case.pool and following else None
            forward[node.number] = _of_convolution(case, node.number, pooling)
            if training:
                gradients[node.number] = _of_gradients(case, node.number)
                if pooling is not None:
                    gradients[pooling] = (_of_pooled(case, node.number, pooling),)
        else:
            forward[node.number] = _of_other(node, training, machine)
            if training:
                gradients.setdefault(node.number, (_only(node),))
    return Choices(unsupported(graph, x_shapes, nodes), forward, gradients)


def _case(
    node: SizedNode,
    stage: ConvStage,
    following: SizedNode | None,
    training: bool,
    machine: Machine,
) -> Case:
    pool = following.stage.pooling if following else None
    return Case(stage, pool, node.x_shapes[0], node.param_shapes[0], training, machine)


def _of_convolution(case: Case, number: int, pooling: int | None) -> Choice:
    both = (number,) if pooling is None else (number, pooling)
    nodes = {
        POOLED_CONVOLUTION: both,
        WINOGRAD: both if case.is_joined else (number,),
        ONEDNN: (number,),
    }
    return _chosen("convolution", FORWARD, case, nodes)


def _of_gradients(case: Case, number: int) -> tuple[Choice, ...]:
    own = (number,)
    filters, images = case.of_filters(), case.of_images()
    of_filters = {WINOGRAD_OF_FILTERS: own, ONEDNN: own}
    of_images = {WINOGRAD: own, ONEDNN: own}
    return (
        _chosen("gradient by a convolution's filters", GRADIENT_OF_FILTERS, filters, of_filters),
        _chosen("gradient by a convolution's images", GRADIENT_OF_IMAGES, images, of_images),
    )


def _of_pooled(case: Case, number: int, pooling: int) -> Choice:
    nodes = {POOLED_GRADIENT: (pooling, number), ONEDNN: (pooling,)}
    kind = "gradients of a convolution and its pooling"
    return _chosen(kind, GRADIENTS_OF_POOLED, case, nodes)


def _of_other(node: SizedNode, training: bool, machine: Machine) -> Choice:
    if not isinstance(node.stage, DenseStage):
        return _only(node)
    n_samples, w_shape = node.x_shapes[0][0], node.param_shapes[0]
    case = DenseCase(node.stage, n_samples, w_shape, training, machine)
    nodes = {ROW_BY_ROW: (node.number,), ONEDNN: (node.number,)}
    return _chosen("dense layer", DENSE, case, nodes)


def _only(node: SizedNode) -> Choice:
    return Choice("any other stage, and its gradient", (Option(ONEDNN, (node.number,)),))


def _chosen(
    step: str,
    candidates: Sequence[Candidate],
    case: Case | DenseCase,
    nodes: Mapping[Candidate, tuple[int, ...]],
) -> Choice:
    found = [(candidate, candidate.suits(case)) for candidate in candidates]
    return Choice(
        step,
        tuple([Option(candidate, nodes[candidate]) for candidate, reason in found if not reason]),
        tuple([(candidate, reason) for candidate, reason in found if reason]),
        case if isinstance(case, Case) else None,
    )
