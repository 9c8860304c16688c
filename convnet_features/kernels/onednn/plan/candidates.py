"""The candidates for each kind of step, the best first, and what each needs."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from ...contract import Pool2DSpec
from ...jit.winograd import Winograd
from ...jit.winograd_gradient import WinogradGradient
from ...jit.winograd_transform import TapTransform
from . import thresholds
from .activations import applied_activation, undone_activation
from .case import Case, DenseCase

__all__ = [
    "CANDIDATES",
    "DENSE",
    "FORWARD",
    "GRADIENTS_OF_POOLED",
    "GRADIENT_OF_FILTERS",
    "GRADIENT_OF_IMAGES",
    "ONEDNN",
    "POOLED_CONVOLUTION",
    "POOLED_GRADIENT",
    "ROW_BY_ROW",
    "WINOGRAD",
    "WINOGRAD_OF_FILTERS",
    "Candidate",
    "Requirement",
]


class Requirement(NamedTuple):
    """What a candidate needs: in words, behind "it needs", with thresholds by name; and whether."""

    text: str
    holds: Callable[[Any], bool]

    def __str__(self) -> str:
        return self.text.format_map(vars(thresholds))


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

    def suits(self, case: Case | DenseCase) -> str | None:
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
    return pool is not None and math.prod(pool.window) <= thresholds.LARGEST_WINDOW


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
    return pool is not None and math.prod(pool.stride) >= thresholds.LEAST_STRIDE


def _is_little_code(case: Case) -> bool:
    classes = case.geometry.classes
    return all(classes) and sum(map(len, classes)) <= thresholds.MOST_TAPS


def _fills_vectors(case: Case) -> bool:
    count, channels, *_ = case.w_shape
    return channels % case.machine.lanes == 0 and count % case.machine.lanes == 0


def _saves_multiplications(case: Case) -> bool:
    n_products = math.prod(TapTransform(n).n_products for n in case.taps)
    n_tiles = math.prod(-(-n // 2) for n in case.y_shape[2:])
    n_terms = math.prod(case.taps) * math.prod(case.y_shape[2:])
    return bool(n_terms) and n_products * n_tiles <= thresholds.SHARE * n_terms


def _overlaps_images(case: Case) -> bool:
    # For gradients oneDNN has no fast code where whole filters lie beside the image.
    return all(
        min(pad) >= 0 and max(pad) < n for pad, n in zip(case.spec.padding, case.taps, strict=True)
    )


def _needs_little_memory(case: Case) -> bool:
    return Winograd(case.tiling, case.machine.registers).scratch(1) <= thresholds.SCRATCH


def _filters_are_worth_reading(case: Case) -> bool:
    tiling = case.tiling
    n_tiles = case.x_shape[0] * math.prod(tiling.tiles)
    enough = thresholds.TILES_IN_TRAINING if case.training else thresholds.TILES
    kernel = Winograd(tiling, case.machine.registers)
    return n_tiles >= enough or 4 * kernel.u_size <= thresholds.FILTERS


def _sums_stay_near(case: Case) -> bool:
    kernel = WinogradGradient(case.tiling, 1, case.machine.registers)
    return kernel.scratch(1) <= thresholds.SCRATCH and 4 * kernel.sums_size <= thresholds.SUMS


ORDINARY = Requirement(
    "one group of channels, and filters without dilation", lambda case: case.spec.is_ordinary
)
MAX_POOLING = Requirement("a max pooling without padding that alone reads it", _has_max_pooling)
SMALL_WINDOWS = Requirement("windows of at most {LARGEST_WINDOW} pixels", _is_small_window)
WORTH = Requirement(
    "at least {WORTH_GENERATING:,} multiplications (each counts {IN_TRAINING} times in training), "
    "or generating its code takes longer than it saves",
    lambda case: case.work >= thresholds.WORTH_GENERATING,
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
        lambda case: max(case.taps) <= thresholds.LONGEST_FILTER,
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
        Requirement(
            "at least {TILES} tiles, in training {TILES_IN_TRAINING}, or filters that become at "
            "most {FILTERS:,} bytes",
            _filters_are_worth_reading,
        ),
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
ROW_BY_ROW = Candidate(
    "row by row",
    "of one sample each weight is used once, and oneDNN reads weights in an order that memory "
    "gives at half the speed",
    (
        Requirement("one sample", lambda case: case.n_samples == 1),
        Requirement("inference", lambda case: not case.training),
        Requirement(
            "no activation but rectify",
            lambda case: case.dense.activation in ("linear", "rectify"),
        ),
        Requirement(
            "units that fill whole vectors", lambda case: case.w_shape[1] % case.machine.lanes == 0
        ),
        Requirement(
            "weights of at least {LARGE_WEIGHTS:,} bytes: smaller ones are in a cache",
            lambda case: 4 * math.prod(case.w_shape) >= thresholds.LARGE_WEIGHTS,
        ),
        GENERATES,
    ),
)
ONEDNN = Candidate("oneDNN", "oneDNN has a primitive for it")

#: For a convolution's results, alone or with its pooling's.
FORWARD = (POOLED_CONVOLUTION, WINOGRAD, ONEDNN)
#: For a dense layer's results.
DENSE = (ROW_BY_ROW, ONEDNN)
#: For the gradients of a convolution and of the pooling behind it, together.
GRADIENTS_OF_POOLED = (POOLED_GRADIENT, ONEDNN)
#: For the gradient of a convolution's images, and for that of its filters and biases.
GRADIENT_OF_IMAGES = (WINOGRAD, ONEDNN)
GRADIENT_OF_FILTERS = (WINOGRAD_OF_FILTERS, ONEDNN)

#: Kinds of steps, and their candidates in order.
CANDIDATES: dict[str, tuple[Candidate, ...]] = {
    "convolution": FORWARD,
    "dense layer": DENSE,
    "gradients of a convolution and its pooling": GRADIENTS_OF_POOLED,
    "gradient by a convolution's images": GRADIENT_OF_IMAGES,
    "gradient by a convolution's filters": GRADIENT_OF_FILTERS,
    "any other stage, and its gradient": (ONEDNN,),
}
