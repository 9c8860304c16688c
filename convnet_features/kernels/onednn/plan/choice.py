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

Every threshold stands here, beside its measurement (docs/design/journal.md
has the whole of it). The table of candidates in docs/design/planning.md is made from
this module.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from convnet_features.kernels.contract import (
    Conv2DSpec,
    ConvStage,
    Pool2DSpec,
    PoolStage,
    SizedNode,
    Stage,
    StageGraph,
)
from convnet_features.kernels.jit.geometry import Geometry, Layout
from convnet_features.kernels.jit.winograd import Winograd
from convnet_features.kernels.jit.winograd_gradient import WinogradGradient
from convnet_features.kernels.jit.winograd_transform import TapTransform, Tiling
from convnet_features.kernels.machine import Machine

__all__ = [
    "CANDIDATES",
    "FORWARD",
    "GRADIENTS_OF_POOLED",
    "GRADIENT_OF_FILTERS",
    "GRADIENT_OF_IMAGES",
    "ONEDNN",
    "OTHER_LAYOUT",
    "POOLED_CONVOLUTION",
    "POOLED_GRADIENT",
    "WINOGRAD",
    "WINOGRAD_OF_FILTERS",
    "Candidate",
    "Case",
    "Choice",
    "Choices",
    "Option",
    "Taken",
    "applied_activation",
    "choose",
    "commutes",
    "fits",
    "has_primitives",
    "is_for_one_thread",
    "is_large_product",
    "pooled_activation",
    "undone_activation",
    "unsupported_convolution",
    "unsupported_pooling",
]

Shape = tuple[int, ...]

# Thresholds, each with its measurement

#: Multiplications of a forward pass from which on code is generated: generating takes 15 to
#: 120 ms a layer, as long as hundreds of passes of less.
WORTH_GENERATING = 20_000_000
#: How many times a multiplication counts in training. Four million of them, gradients and all,
#: save 0.1 ms a step, and even the smallest data are trained on in more than a thousand steps.
IN_TRAINING = 5
#: Pixels of a pooling's window. oneDNN notes in one byte which of them was the maximum.
LARGEST_WINDOW = 255
#: Pixels between the windows of a pooling, in both directions multiplied, from which on its maxima
#: are few enough: of 2×2 three quarters of the gradient are zeros (0.43 + 0.78 ms for 2.35 + 1.87).
LEAST_STRIDE = 4
#: Taps of a filter, added up over all places at an image's border and inside, up to which code
#: is generated for the gradients at positions of maxima: for each of them there is an instruction.
MOST_TAPS = 1000
#: Rows or columns of a filter up to which Winograd's algorithm is generated: of 7×7 it
#: has 100 products, each with code of its own.
LONGEST_FILTER = 7
#: The share of multiplications that Winograd's algorithm may leave. Transforms take 0.08 of a
#: convolution of 5×5 (predicted 0.57 of oneDNN's time for 0.49 of the multiplications; found 0.57).
SHARE = 0.65
#: Bytes of scratch memory that a thread may need for Winograd's algorithm. Turns of 256 KiB to
#: 1.2 MiB differ by a tenth in time; images so wide that one row of tiles takes more are left to
#: oneDNN.
SCRATCH = 4 << 20
#: Bytes of a filters' gradient, product by product: it is gone through once a turn, and beyond this
#: would go through memory (64 to 128 channels at 16×16, 0.5 MB: 12.1 ms for oneDNN's 22.4).
SUMS = 3 << 19
#: Multiplications below which one thread is as fast as two (one image of the seed network, 4.2
#: million: 54 to 59 µs and 53 to 58), and never waits for another.
WORK_OF_ONE_THREAD = 12_000_000
#: Multiplications of a matrix product from which on it is oneDNN's; NumPy computes smaller ones
#: without any thread.
SMALL_PRODUCT = 65_536
#: Numbers of an array: oneDNN's generated code computes addresses in 32 bits.
LARGEST_ARRAY = 2**31 // 4
#: Strides, windows and paddings: products of two of them are such addresses too.
LARGEST_STEP = 2**15

#: Why a candidate that suits is passed over when the program is built.
OTHER_LAYOUT = "oneDNN lays images out otherwise than its code reads or writes them"


@dataclass(frozen=True)
class Case:
    """A convolution that something is to be chosen for, on a machine.

    Parameters
    ----------
    conv : ConvStage
    pool : PoolStage or None
        The pooling that alone reads its results, if there is one.
    x_shape, w_shape : tuple of int
        Of images and filters.
    training : bool
    machine : Machine
    """

    conv: ConvStage
    pool: PoolStage | None
    x_shape: Shape
    w_shape: Shape
    training: bool
    machine: Machine

    @property
    def spec(self) -> Conv2DSpec:
        """The convolution's numbers."""
        return self.conv.conv

    @property
    def taps(self) -> Shape:
        """Rows and columns of a filter."""
        return self.w_shape[2:]

    @property
    def y_shape(self) -> Shape:
        """Of the convolved images."""
        return self.spec.output_shape(self.x_shape, self.w_shape)

    @property
    def work(self) -> int:
        """How many multiplications the sum of products has, in training as many times as counts."""
        times = IN_TRAINING if self.training else 1
        return times * math.prod(self.w_shape[1:]) * math.prod(self.y_shape)

    @property
    def geometry(self) -> Geometry:
        """Of the convolution and its max pooling."""
        assert self.pool is not None
        count, _, *taps = self.w_shape
        filters: tuple[int, int, int] = (count, *taps)  # type: ignore[assignment]
        return Geometry(self.spec, self.pool.pool, self._image, filters, self.machine.lanes)

    @property
    def is_joined(self) -> bool:
        """Is the pooling one whose windows are tiles, with nothing but a rectify beside it?"""
        if self.pool is None:
            return False
        spec, (*_, height, width) = self.pool.pool, self.y_shape
        return (
            spec.mode == "max"
            and spec.window == spec.stride == (2, 2)
            and not any(spec.padding)
            and spec.output_shape(self.y_shape)[2:] == (height // 2, width // 2)
            and {self.conv.activation, self.pool.activation} <= {"linear", "rectify"}
        )

    @property
    def tiling(self) -> Tiling:
        """Of Winograd's algorithm, for images in blocks: its memory depends on no layout."""
        count, _, *taps = self.w_shape
        filters: tuple[int, int, int] = (count, *taps)  # type: ignore[assignment]
        lanes = self.machine.lanes
        return Tiling(
            self._image,
            filters,
            self.spec.padding,
            Layout.blocked(self.x_shape, lanes),
            Layout.blocked(self.y_shape, lanes),
            self.is_joined,
            self.conv.bias,
            False,
            self.training,
        )

    @property
    def _image(self) -> tuple[int, int, int]:
        _, channels, height, width = self.x_shape
        return channels, height, width

    def of_filters(self) -> Case:
        """The convolution as the gradient by its filters sees it."""
        return replace(self, conv=replace(self.conv, activation="linear"), pool=None)

    def of_images(self) -> Case:
        """The convolution of the results' gradients that is the gradient by the images."""
        count, channels, *taps = self.w_shape
        padding = tuple(
            (n - 1 - before, n - 1 - after)
            for n, (before, after) in zip(taps, self.spec.padding, strict=True)
        )
        turned = replace(self.spec, padding=padding)  # type: ignore[arg-type]
        return replace(
            self,
            conv=ConvStage(turned, bias=False),
            pool=None,
            x_shape=self.y_shape,
            w_shape=(channels, count, *taps),
        )


class Requirement(NamedTuple):
    """What a candidate needs: in words, behind "it needs", with thresholds by name; and whether."""

    text: str
    holds: Callable[[Case], bool]

    def __str__(self) -> str:
        return self.text.format_map(globals())


class Candidate(NamedTuple):
    """A way to compute a step.

    Attributes
    ----------
    name : str
    gain : str
        Why it is better than those behind it.
    requirements : tuple of Requirement
        In the order in which they are asked: what loads LLVM comes last.
    """

    name: str
    gain: str
    requirements: tuple[Requirement, ...] = ()

    def suits(self, case: Case) -> str | None:
        """None, or a sentence that says why not."""
        for requirement in self.requirements:
            if not requirement.holds(case):
                return f"it needs {requirement}"
        return None


# What candidates need


def _pool(case: Case) -> Pool2DSpec | None:
    return case.pool.pool if case.pool else None


def _has_max_pooling(case: Case) -> bool:
    pool = _pool(case)
    return pool is not None and pool.mode == "max" and not any(pool.padding)


def _is_small_window(case: Case) -> bool:
    pool = _pool(case)
    return pool is not None and math.prod(pool.window) <= LARGEST_WINDOW


def _windows_are_apart(case: Case) -> bool:
    pool = _pool(case)
    return pool is not None and all(
        step >= extent for step, extent in zip(pool.stride, pool.window, strict=True)
    )


def _only_rectifies(case: Case) -> bool:
    activations = {case.conv.activation, case.pool.activation if case.pool else "linear"}
    return activations <= {"linear", "rectify"}


def _skips_most_pixels(case: Case) -> bool:
    pool = _pool(case)
    return pool is not None and math.prod(pool.stride) >= LEAST_STRIDE


def _is_little_code(case: Case) -> bool:
    classes = case.geometry.classes
    return all(classes) and sum(map(len, classes)) <= MOST_TAPS


def _fills_vectors(case: Case) -> bool:
    count, channels, *_ = case.w_shape
    return channels % case.machine.lanes == 0 and count % case.machine.lanes == 0


def _saves_multiplications(case: Case) -> bool:
    n_products = math.prod(TapTransform(n).n_products for n in case.taps)
    n_tiles = math.prod(-(-n // 2) for n in case.y_shape[2:])
    n_terms = math.prod(case.taps) * math.prod(case.y_shape[2:])
    return bool(n_terms) and n_products * n_tiles <= SHARE * n_terms


def _overlaps_images(case: Case) -> bool:
    # For whole filters beside the image oneDNN has no such code for gradients.
    return all(
        min(pad) >= 0 and max(pad) < n for pad, n in zip(case.spec.padding, case.taps, strict=True)
    )


def _needs_little_memory(case: Case) -> bool:
    return Winograd(case.tiling, case.machine.registers, (0, 0)).scratch(1) <= SCRATCH


def _sums_stay_near(case: Case) -> bool:
    kernel = WinogradGradient(case.tiling, 1, case.machine.registers, (0, 0))
    return kernel.scratch(1) <= SCRATCH and 4 * kernel.sums_size <= SUMS


ORDINARY = Requirement(
    "one group of channels, and filters without dilation", lambda case: case.spec.is_ordinary
)
MAX_POOLING = Requirement("a max pooling without padding that alone reads it", _has_max_pooling)
SMALL_WINDOWS = Requirement("windows of at most {LARGEST_WINDOW} pixels", _is_small_window)
WORTH = Requirement(
    "at least {WORTH_GENERATING:,} multiplications (each counts {IN_TRAINING} times in training), "
    "or generating its code takes longer than it saves",
    lambda case: case.work >= WORTH_GENERATING,
)
#: Asked last: for the answer LLVM may be loaded, which takes 50 ms and 70 MB.
GENERATES = Requirement(
    "a processor with vectors of eight numbers and fused multiplication and addition, llvmlite, "
    "and leave to make memory executable",
    lambda case: case.machine.generates,
)
FILLED = Requirement("channels and filters that fill whole vectors", _fills_vectors)
FILTERABLE = (
    ORDINARY,
    Requirement("stride 1", lambda case: case.spec.stride == (1, 1)),
    Requirement(
        "filters of at most {LONGEST_FILTER}×{LONGEST_FILTER}",
        lambda case: max(case.taps) <= LONGEST_FILTER,
    ),
    Requirement("padding smaller than the filter", _overlaps_images),
    Requirement(
        "to save multiplications: at most {SHARE:.0%} may be left of them", _saves_multiplications
    ),
    FILLED,
)

POOLED_CONVOLUTION = Candidate(
    "convolution and pooling in one pass",
    "pixels stay in registers until their maximum is known: unpooled images, of which a "
    "convolution of few channels makes many, never go through memory",
    (
        ORDINARY,
        MAX_POOLING,
        Requirement("no activation but rectify", _only_rectifies),
        Requirement("biases", lambda case: case.conv.bias),
        SMALL_WINDOWS,
        # What windows share would be computed again and again.
        Requirement("windows that do not overlap", _windows_are_apart),
        Requirement(
            "fewer channels than a vector holds",
            lambda case: case.w_shape[1] < case.machine.lanes,
        ),
        Requirement(
            "filters that fill whole vectors",
            lambda case: case.w_shape[0] % case.machine.lanes == 0,
        ),
        Requirement(
            "windows that lie inside the images", lambda case: case.geometry.windows_are_inside
        ),
        WORTH,
        GENERATES,
    ),
)
WINOGRAD = Candidate(
    "Winograd",
    "fewer multiplications: 16 for 36 of filters of 3×3, 49 for 100 of 5×5; a pooling of 2×2 "
    "comes with it",
    (
        Requirement(
            "no activation but rectify",
            lambda case: applied_activation(case.conv, case.pool) in ("linear", "rectify"),
        ),
        *FILTERABLE,
        Requirement("at most {SCRATCH:,} bytes of scratch memory a thread", _needs_little_memory),
        WORTH,
        GENERATES,
    ),
)
WINOGRAD_OF_FILTERS = Candidate(
    WINOGRAD.name,
    "fewer multiplications: a product's derivative by the filter is its other factor",
    (
        *FILTERABLE,
        Requirement(
            "at most {SUMS:,} bytes of sums, and {SCRATCH:,} of scratch memory a thread",
            _sums_stay_near,
        ),
        WORTH,
        GENERATES,
    ),
)
POOLED_GRADIENT = Candidate(
    "gradient at the positions of maxima",
    "of a window one pixel gets a gradient: the zeros of the others, three quarters and more, are "
    "neither written nor multiplied",
    (
        ORDINARY,
        MAX_POOLING,
        Requirement("windows {LEAST_STRIDE} pixels apart, or more", _skips_most_pixels),
        SMALL_WINDOWS,
        Requirement(
            "no activation but rectify in front of the pooling",
            lambda case: undone_activation(case.conv, case.pool) == "linear",
        ),
        # Vectors of channels that are mostly padding are no better than zeros.
        Requirement(
            "channels enough to fill a vector",
            lambda case: case.w_shape[1] >= case.machine.lanes,
        ),
        WORTH,
        Requirement(
            "filters that lie on the image at all its places, and at most {MOST_TAPS} taps of them",
            _is_little_code,
        ),
        GENERATES,
    ),
)
ONEDNN = Candidate("oneDNN", "oneDNN has a primitive for it")

#: For a convolution's results, alone or with its pooling's.
FORWARD = (POOLED_CONVOLUTION, WINOGRAD, ONEDNN)
#: For the gradients of a convolution and of the pooling behind it, together.
GRADIENTS_OF_POOLED = (POOLED_GRADIENT, ONEDNN)
#: For the gradient of a convolution's images, and for that of its filters and biases.
GRADIENT_OF_IMAGES = (WINOGRAD, ONEDNN)
GRADIENT_OF_FILTERS = (WINOGRAD_OF_FILTERS, ONEDNN)

#: Kinds of steps, and their candidates in order.
CANDIDATES: dict[str, tuple[Candidate, ...]] = {
    "convolution": FORWARD,
    "gradients of a convolution and its pooling": GRADIENTS_OF_POOLED,
    "gradient by a convolution's images": GRADIENT_OF_IMAGES,
    "gradient by a convolution's filters": GRADIENT_OF_FILTERS,
    "any other stage, and its gradient": (ONEDNN,),
}


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
        """The forward steps, without those that another one computes along."""
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
        if isinstance(node.stage, ConvStage):
            reader = only_readers[node.value]
            following = None if reader is None else nodes[reader]
            case = _case(node, node.stage, following, training, machine)
            pooling = following.number if case.pool and following else None
            forward[node.number] = _of_convolution(case, node.number, pooling)
            if training:
                gradients[node.number] = _of_gradients(case, node.number)
                if pooling is not None:
                    gradients[pooling] = (_of_pooled(case, node.number, pooling),)
        else:
            forward[node.number] = _only(node)
            if training:
                gradients.setdefault(node.number, (_only(node),))
    return Choices(_unsupported(graph, x_shapes, nodes), forward, gradients)


def _case(
    node: SizedNode,
    stage: ConvStage,
    following: SizedNode | None,
    training: bool,
    machine: Machine,
) -> Case:
    pool = following.stage if following else None
    pool = pool if isinstance(pool, PoolStage) else None
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


def _only(node: SizedNode) -> Choice:
    return Choice("any other stage, and its gradient", (Option(ONEDNN, (node.number,)),))


def _chosen(
    step: str,
    candidates: Sequence[Candidate],
    case: Case,
    nodes: Mapping[Candidate, tuple[int, ...]],
) -> Choice:
    found = [(candidate, candidate.suits(case)) for candidate in candidates]
    return Choice(
        step,
        tuple([Option(candidate, nodes[candidate]) for candidate, reason in found if not reason]),
        tuple([(candidate, reason) for candidate, reason in found if reason]),
        case,
    )


# Where a rectify is computed


def commutes(stage: Stage, following: Stage | None) -> bool:
    """Is this a convolution and a max pooling with a rectify on at least one of them?

    Then the convolution rectifies as it writes its results and, in the backward
    program, the rectify is undone on the pooled images, a fraction of the size:
    where the greatest pixel of a window is positive, so is the one that its
    gradient goes to.
    """
    if not (isinstance(stage, ConvStage) and isinstance(following, PoolStage)):
        return False
    activations = {stage.activation, following.activation}
    return (
        following.pool.mode == "max"
        and "rectify" in activations
        and activations <= {"linear", "rectify"}
    )


def applied_activation(conv: ConvStage, following: Stage | None) -> str:
    """What a convolution applies to its results."""
    return "rectify" if commutes(conv, following) else conv.activation


def undone_activation(conv: ConvStage, following: Stage | None) -> str:
    """What the gradient of a convolution's results undoes."""
    return "linear" if commutes(conv, following) else conv.activation


def pooled_activation(conv: ConvStage, pool: PoolStage) -> str:
    """What a convolution and its max pooling are given together, where both at most rectify."""
    return "rectify" if "rectify" in (conv.activation, pool.activation) else "linear"


# Threads, products


def is_for_one_thread(work: int) -> bool:
    """Whether so many multiplications are done by one thread."""
    return work < WORK_OF_ONE_THREAD


def is_large_product(work: int) -> bool:
    """Whether a matrix product of so many multiplications is given to oneDNN."""
    return work >= SMALL_PRODUCT


# What is given to oneDNN at all


def fits(*shapes: Shape) -> bool:
    """Is no array empty, and none too large for 32-bit addresses?"""
    return all(0 < math.prod(shape) < LARGEST_ARRAY for shape in shapes)


def unsupported_convolution(spec: Conv2DSpec) -> str | None:
    """Why a convolution is not given to oneDNN; None if it is."""
    if max(*spec.stride, *spec.padding[0], *spec.padding[1], *spec.dilation) < LARGEST_STEP:
        return None
    return f"oneDNN has no strides, paddings or dilations of {LARGEST_STEP} and more"


def unsupported_pooling(spec: Pool2DSpec) -> str | None:
    """Why a pooling is not given to oneDNN; None if it is."""
    if spec.mode == "sum":
        return "oneDNN has no sum pooling"
    # Windows that overhang are told to oneDNN as padding, which leaves no room for more of it.
    if not spec.ignore_border and any(spec.padding):
        return "oneDNN has no pooling with padding and with windows that overhang"
    if max(*spec.window, *spec.stride, *spec.padding) < LARGEST_STEP:
        return None
    return f"oneDNN has no windows, strides or paddings of {LARGEST_STEP} and more"


def has_primitives(stage: Stage) -> str | None:
    """Why a stage is not given to oneDNN; None if it is."""
    if isinstance(stage, PoolStage):
        return unsupported_pooling(stage.pool)
    return unsupported_convolution(stage.conv) if isinstance(stage, ConvStage) else None


def _unsupported(
    graph: StageGraph, x_shapes: Sequence[Shape], nodes: Sequence[SizedNode]
) -> str | None:
    """Why a graph is not given to oneDNN; None if it is."""
    sizes = [*x_shapes, *(shape for node in nodes for shape in (node.y_shape, *node.param_shapes))]
    if not fits(*sizes):
        return f"oneDNN takes arrays of 1 to {LARGEST_ARRAY - 1:,} numbers"
    return next(filter(None, (has_primitives(stage) for stage in graph.stages)), None)
