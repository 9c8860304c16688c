"""Gradients behind a max pooling by generated code: exact, and wherever oneDNN's own were."""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from threading import Barrier

import numpy as np
import pytest

from convnet_features.kernels import threads
from convnet_features.kernels.contract import (
    Conv2DSpec,
    ConvStage,
    DenseStage,
    Pool2DSpec,
    PoolStage,
)
from convnet_features.kernels.jit import compiler
from convnet_features.kernels.jit.geometry import Geometry
from convnet_features.kernels.onednn.binding.primitives import Primitives
from convnet_features.kernels.onednn.plan import candidates, thresholds
from convnet_features.kernels.onednn.plan.case import Case as PlannedCase
from convnet_features.kernels.onednn.program import code_cache as code
from convnet_features.kernels.onednn.program.routine import Routine
from convnet_features.kernels.onednn.stages import pooled_convolution
from convnet_features.kernels.portable import PortableKernels
from convnet_features.kernels.registry import available_engines, get_kernels

from .... import reference
from ....helpers import assert_close, assert_derivative
from ....robustness import counts
from ....stages import chain, chain_output_shape, onednn_alone
from ...machines import GENERATING, MACHINES, WITHOUT_CODE, skip_without_code
from ...processes import run_kernels

pytestmark = pytest.mark.onednn

TWO = Pool2DSpec((2, 2), (2, 2))
SAME = ((1, 1), (1, 1))


@dataclass(frozen=True)
class Case:
    """A convolution of few channels, and the max pooling behind it."""

    x: tuple[int, int, int, int] = (2, 17, 9, 10)
    n_filters: int = 20
    size: tuple[int, int] = (3, 3)
    conv: Conv2DSpec = Conv2DSpec()  # noqa: RUF009
    pool: Pool2DSpec = TWO
    bias: bool = True
    activation: str = "rectify"

    @property
    def stages(self):
        return (ConvStage(self.conv, self.bias), PoolStage(self.pool, self.activation))

    @property
    def shapes(self):
        w = (self.n_filters, self.x[1], *self.size)
        return [w, (self.n_filters,)] if self.bias else [w]

    @property
    def y(self):
        return chain_output_shape(self.stages, self.x, self.shapes)


CASES = {
    "channels and filters that fill no vector": Case(),
    "one image": Case((1, 16, 8, 8), 16),
    "11 images, 40 channels": Case((11, 40, 7, 6), 9),
    "33 images": Case((33, 16, 5, 6), 33),
    "5x5": Case((2, 24, 12, 9), 33, (5, 5)),
    "1x1": Case((3, 33, 6, 7), 17, (1, 1)),
    "rows longer than columns": Case((3, 19, 9, 11), 24, (4, 2)),
    "columns longer than rows": Case((3, 19, 9, 11), 24, (1, 5)),
    "padding": Case(conv=Conv2DSpec((1, 1), SAME)),
    "another padding on each side": Case(conv=Conv2DSpec((1, 1), ((2, 0), (1, 2)))),
    "a correlation": Case(conv=Conv2DSpec((1, 1), SAME, False)),
    "the convolution skips": Case((3, 17, 13, 15), conv=Conv2DSpec((2, 2), SAME)),
    "the convolution skips rows": Case((3, 17, 13, 9), conv=Conv2DSpec((2, 1))),
    "windows overlap": Case((3, 17, 11, 12), pool=Pool2DSpec((3, 3), (2, 2))),
    "windows overlap, and one way only": Case((3, 17, 11, 12), pool=Pool2DSpec((3, 2), (2, 2))),
    "windows of 2x3": Case((3, 17, 10, 11), pool=Pool2DSpec((2, 3), (2, 3))),
    "gaps between windows": Case((3, 17, 12, 11), pool=Pool2DSpec((2, 1), (3, 4))),
    "clipped windows": Case(
        (3, 17, 9, 9), pool=Pool2DSpec((2, 2), (2, 2), ignore_border=False), activation="linear"
    ),
    "clipped windows that overlap": Case(
        (3, 17, 10, 11), pool=Pool2DSpec((3, 3), (2, 2), ignore_border=False)
    ),
    "no bias": Case(bias=False),
    "maxima below zero": Case(activation="linear"),
    "another activation": Case((2, 16, 6, 8), 16, activation="tanh"),
}


@pytest.fixture(autouse=True)
def any_work_is_worth_it(monkeypatch):
    if "onednn" not in available_engines():
        pytest.skip("oneDNN is not on this machine")
    monkeypatch.setattr(thresholds, "WORTH_GENERATING", 0)


@pytest.fixture
def code_is_generated():
    """Nothing else is tried."""
    skip_without_code()


@pytest.fixture
def forgotten():
    """No code is left of other tests, nor for them."""
    get_kernels("onednn").clear_caches()
    yield
    get_kernels("onednn").clear_caches()


def integers(rng, shape):
    """Small whole numbers: float32 sums of their products are exact, and full of ties."""
    return rng.integers(-2, 3, shape).astype("float32")


def normal(rng, *shapes):
    return [rng.standard_normal(shape).astype("float32") for shape in shapes]


def gradients(kernel, x, params, gy, input_grad=True):
    """[gradient of the images, then] those of the parameters."""
    y, workspace = kernel.forward_training(x, params)
    gx, of_params = kernel.backward(workspace, x, params, y, gy, input_grad)
    return [gx, *of_params] if input_grad else of_params


def routines(kernel):
    """The generated steps of a kernel's backward programs."""
    programs = kernel.kernel.backward_programs
    assert programs, "oneDNN has computed no gradient"
    return [
        (step, arguments)
        for program in programs
        for step, arguments in program.steps
        if isinstance(step, Routine)
    ]


def geometry(case, machine):
    """What the code for a case's gradients depends on; None where it is not for them."""
    conv, pool = case.stages[:2]
    asked = PlannedCase(conv, pool, case.x, case.shapes[0], True, machine)
    return asked.geometry if candidates.POOLED_GRADIENT.suits(asked) is None else None


def are_by_code(kernel):
    """For each convolution with its pooling: are its gradients for generated code, on this machine?

    They are if that is the choice, and oneDNN lays out the images as the code knows them.
    """
    primitives = kernel.kernel._primitives
    return [
        pooled_convolution._blocked(primitives, pooling, primitives.machine.lanes)
        and candidates.POOLED_GRADIENT.suits(
            PlannedCase(
                before.stage,
                pooling.stage,
                before.x_desc.shape,
                before.w_shape,
                True,
                primitives.machine,
            )
        )
        is None
        for plan in kernel.kernel.forward_plans
        for before, pooling in pairwise(plan.records)
        if isinstance(before.stage, ConvStage) and isinstance(pooling.stage, PoolStage)
        if primitives.machine.generates
    ]


def check_routines(kernel, input_grad=True):
    """Gradients that are for generated code are by it, and no others."""
    wanted = (2 if input_grad else 1) * sum(are_by_code(kernel))
    assert len(routines(kernel)) == wanted, "the gradients are not all by generated code"
    return bool(wanted)


def generated(stages, x, params, gy, input_grad=True):
    """What the generated code computes, where there is any: it is certain that it did."""
    kernel = onednn_alone(stages)
    results = gradients(kernel, x, params, gy, input_grad)
    check_routines(kernel, input_grad)
    return results


def without(stages, x, params, gy):
    """What oneDNN's own path computes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(thresholds, "WORTH_GENERATING", 10**15)
        kernel = onednn_alone(stages)
        results = gradients(kernel, x, params, gy)
        assert routines(kernel) == []
    return results


def by_loops(case, x, params, gy):
    """[gradient of the images, of the filters, of the biases] by tests/reference.py."""
    conv, pool = case.conv, case.pool
    geometry = (conv.stride, conv.padding, conv.flip_filters)
    windows = (pool.window, pool.stride, pool.padding, pool.mode, pool.ignore_border)
    w, b = params[0], params[1] if case.bias else np.zeros(case.n_filters)
    convolved = reference.conv2d(x, w, *geometry) + np.float64(b)[:, None, None]
    pooled = reference.pool2d(convolved, *windows)
    if case.activation == "rectify":
        gy = gy * (pooled > 0)
    elif case.activation == "tanh":
        gy = gy * (1 - np.tanh(pooled) ** 2)
    g = reference.pool2d_gradient(convolved, gy, *windows)
    gx, gw = reference.conv2d_gradients(x, w, g, *geometry)
    return [gx, gw, g.sum((0, 2, 3))] if case.bias else [gx, gw]


#: Numbers on each side of an argument that is tried alone.
MARGIN = 4096


def call_alone(case, routine, arguments, rng):
    """Call a routine on arguments laid out in NaN, as is what no one is to look at.

    Returns its results, and what lies beside the arguments.
    """
    addresses, arrays = routine.addresses(), {}
    n_filters, (_, _, rows, columns) = case.n_filters, case.y
    for position, value in arguments.items():
        name = routine.arguments[position]
        whole = np.full(2 * MARGIN + -(-value.desc.size // 4), np.nan, "float32")
        inside = whole[MARGIN : MARGIN + -(-value.desc.size // 4)]
        if name in ("x", "w"):
            inside[...] = integers(rng, inside.shape)
        elif name in ("g", "positions"):
            numbers = inside.view("uint8") if name == "positions" else inside
            blocks = numbers.reshape(case.x[0], -1, rows, columns, vector(routine, arguments, case))
            for k in range(n_filters):
                of_filter = blocks[:, k // blocks.shape[-1], ..., k % blocks.shape[-1]]
                # The first pixel of a window is never beyond the border.
                high = 1 if not case.pool.ignore_border else np.prod(case.pool.window)
                of_filter[...] = rng.integers(0, high, of_filter.shape)
        arrays[name] = (whole, inside)
        addresses[position] = routine.library.ffi.from_buffer(inside)
    with threads.openmp_threads(1):
        routine.function(addresses)
    results = [inside for name, (_, inside) in arrays.items() if name in ("gw", "gb", "gx")]
    margins = [
        whole[part]
        for whole, _ in arrays.values()
        for part in (slice(MARGIN), slice(-MARGIN, None))
    ]
    return np.concatenate(results), margins


def vector(routine, arguments, case):
    """Numbers of a vector, 8 or 16: in such blocks the pooled images are laid out."""
    pooled = arguments[routine.arguments.index("g")].desc
    blocked = Primitives(routine.library).blocked
    return next(lanes for lanes in (8, 16) if blocked(case.y, lanes) == pooled)


def check_exact(case, seed=0):
    """Whole numbers, ties everywhere: not a bit from the loops; (channels, with padding) of code.

    Behind an activation that makes broken numbers of them, to within rounding.
    """
    rng = np.random.default_rng(seed)
    x, gy = integers(rng, case.x), integers(rng, case.y)
    params = [integers(rng, shape) for shape in case.shapes]
    kernel = onednn_alone(case.stages)
    mine, expected = gradients(kernel, x, params, gy), by_loops(case, x, params, gy)
    for actual, right in zip(mine, expected, strict=True):
        assert actual.dtype == np.float32
        if case.activation == "tanh":
            assert_close(actual, right)
        else:
            np.testing.assert_array_equal(actual, right)
    if not check_routines(kernel):
        return None
    (filters, arguments), (_, _) = routines(kernel)
    size = arguments[filters.arguments.index("x")].desc.size
    n_samples, channels, height, width = case.x
    return channels, size // (4 * n_samples * height * width)


class TestAgainstLoops:
    @pytest.mark.parametrize("name", list(CASES))
    def test_exact_on_whole_numbers(self, name):
        check_exact(CASES[name])

    @pytest.mark.parametrize("every", [4, pytest.param(1, marks=pytest.mark.slow)])
    def test_vectors_of_eight(self, every):
        """In a process that knows no longer ones."""
        names = list(CASES)[::every]
        code = f"""
from convnet_features.kernels.onednn.plan import thresholds
thresholds.WORTH_GENERATING = 0
from tests.kernels.onednn.stages.test_pooled_convolution_gradient import CASES, check_exact
print(sorted({{check_exact(CASES[name]) for name in {names}}}))
"""
        done = run_kernels(code, environment={**os.environ, "CONVNET_FEATURES_ISA": "avx2"})
        if "which this processor lacks" in done.stderr:
            pytest.skip("this processor lacks AVX2")
        assert done.returncode == 0, done.stderr
        channels = sorted({CASES[name].x[1] for name in names})
        assert done.stdout.strip() == str([(n, -(-n // 8) * 8) for n in channels])

    @pytest.mark.parametrize("name", list(CASES))
    def test_nothing_beside_the_arguments_is_touched(self, name, rng):
        """Between numbers that would be missed if overwritten, and seen if they were used."""
        case = CASES[name]
        x, gy, *params = (integers(rng, each) for each in (case.x, case.y, *case.shapes))
        kernel = onednn_alone(case.stages)
        with threads.openmp_threads(1):
            gradients(kernel, x, params, gy)
        for routine, arguments in routines(kernel):
            results, margins = call_alone(case, routine, arguments, rng)
            assert np.isfinite(results).all()
            for margin in margins:
                assert np.isnan(margin).all()

    def test_wrong_places_are_noticed(self, code_is_generated, forgotten, monkeypatch):
        """The comparison rejects one pixel of one window that is laid one pixel aside."""
        right = Geometry.places.func

        def wrong(self):
            classes, starts = right(self)
            starts[0] += self.lanes
            return classes, starts

        case = CASES["channels and filters that fill no vector"]
        with monkeypatch.context() as patch:
            patch.setattr(Geometry, "places", property(wrong))
            with pytest.raises(AssertionError, match="not equal"):
                check_exact(case)
        get_kernels("onednn").clear_caches()
        check_exact(case)

    def test_gradients_of_parameters_alone(self, rng):
        case = CASES["padding"]
        x, gy, *params = (integers(rng, each) for each in (case.x, case.y, *case.shapes))
        mine = generated(case.stages, x, params, gy, input_grad=False)
        for actual, right in zip(mine, by_loops(case, x, params, gy)[1:], strict=True):
            np.testing.assert_array_equal(actual, right)

    @pytest.mark.slow
    def test_hundreds_of_draws_against_oneDNN_and_the_portable_kernels(self, rng):
        """Whole numbers: all three agree to the bit."""
        tried = skipped = 0
        while tried < 500:
            case = draw(rng)
            if 0 in case.y:
                continue
            x, gy, *params = (integers(rng, each) for each in (case.x, case.y, *case.shapes))
            kernel = onednn_alone(case.stages)
            mine = gradients(kernel, x, params, gy)
            by_onednn = any(kernel.kernel.backward_programs)
            if not by_onednn or not routines(kernel):
                # What oneDNN has only slow code for, or does not lay out in blocks.
                skipped += 1
                continue
            portable = gradients(chain(PortableKernels(), case.stages), x, params, gy)
            one = without(case.stages, x, params, gy)
            for actual, right, same in zip(mine, portable, one, strict=True):
                np.testing.assert_array_equal(actual, right, err_msg=str(case))
                np.testing.assert_array_equal(actual, same, err_msg=str(case))
            tried += 1
        counts.add("random pooled convolutions, generated code", tried)
        counts.add("random pooled convolutions, left to oneDNN", skipped)


def draw(rng):
    """A case that generated code may be for."""
    x = tuple(int(rng.integers(*each)) for each in ((1, 6), (16, 41), (3, 16), (3, 16)))
    size = tuple(rng.integers(1, 6, 2).tolist())
    padding = tuple(tuple(rng.integers(0, extent, 2).tolist()) for extent in size)
    if rng.random() < 0.4:
        padding = ((0, 0), (0, 0))
    stride = tuple(rng.integers(1, 3, 2).tolist()) if rng.random() < 0.3 else (1, 1)
    step = [(2, 2), (2, 2), (2, 3), (3, 2), (1, 4), (3, 3)][int(rng.integers(6))]
    window = step if rng.random() < 0.5 else tuple(rng.integers(1, 5, 2).tolist())
    return Case(
        x,
        int(rng.integers(1, 50)),
        size,
        Conv2DSpec(stride, padding, bool(rng.integers(2))),
        Pool2DSpec(window, step, ignore_border=bool(rng.integers(2))),
        bool(rng.integers(2)),
        str(rng.choice(["linear", "rectify"])),
    )


class TestNumbers:
    def test_finite_differences(self, rng):
        """On whole numbers too large for ties float32 gradients are exact: so is the comparison."""
        case = Case(
            (2, 17, 9, 10), 20, (3, 2), Conv2DSpec((1, 1), SAME), Pool2DSpec((3, 2), (2, 2))
        )
        x, w, b = (
            rng.integers(-60, 61, shape).astype("float32") for shape in (case.x, *case.shapes)
        )
        gy = rng.integers(-3, 4, case.y).astype("float32")
        mine = generated(case.stages, x, [w, b], gy)
        portable = chain(PortableKernels(), case.stages)
        wide = [np.float64(array) for array in (x, w, b)]
        here = portable.forward(wide[0], wide[1:])

        def loss(images, *values):
            return float(np.sum((portable.forward(images, values) - here) * np.float64(gy)))

        mine = [np.float64(each) for each in mine]
        assert_derivative(loss, wide, mine, rng, step=1e-5)
        with pytest.raises(AssertionError, match="array 1"):
            assert_derivative(loss, wide, [mine[0], 1.0001 * mine[1], mine[2]], rng, step=1e-5)

    def test_a_whole_network(self, rng):
        """Its second and third convolutions are generated for; the first has too few channels."""
        stages = (
            ConvStage(Conv2DSpec()),
            PoolStage(TWO, "rectify"),
            ConvStage(Conv2DSpec((1, 1), SAME)),
            PoolStage(Pool2DSpec((3, 3), (2, 2)), "rectify"),
            ConvStage(Conv2DSpec(), bias=False, activation="rectify"),
            PoolStage(Pool2DSpec((2, 2), (2, 2), ignore_border=False)),
            DenseStage(),
        )
        x_shape = (5, 3, 23, 25)
        shapes = [
            (19, 3, 4, 3),
            (19,),
            (33, 19, 3, 3),
            (33,),
            (20, 33, 2, 3),
            (20 * 2 * 2, 7),
            (7,),
        ]
        x, *params = normal(rng, x_shape, *shapes)
        params = [param / max(1, param[0].size) ** 0.5 for param in params]
        (gy,) = normal(rng, chain_output_shape(stages, x_shape, shapes))
        kernel = onednn_alone(stages)
        mine = gradients(kernel, x, params, gy)
        check_routines(kernel)
        portable = chain(PortableKernels(), stages)
        wide = [np.float64(param) for param in params]
        expected = gradients(portable, np.float64(x), wide, np.float64(gy))
        for actual, right in zip(mine, expected, strict=True):
            assert_close(actual, right)

    def test_zeros_give_zeros(self, rng):
        case = CASES["padding"]
        x, *params = normal(rng, case.x, *case.shapes)
        for each in generated(case.stages, x, params, np.zeros(case.y, "float32")):
            assert not each.any()

    def test_all_equal_pixels_are_won_by_the_first(self):
        """One filter's windows over an image of ones: the gradient goes to their first pixels."""
        case = Case((1, 16, 4, 4), 16, (1, 1), activation="linear")
        x, w, b = (np.ones(shape, "float32") for shape in (case.x, *case.shapes))
        gx, gw, gb = generated(case.stages, x, [w, b], np.ones(case.y, "float32"))
        first = np.zeros((4, 4))
        first[::2, ::2] = 16
        np.testing.assert_array_equal(gx, np.broadcast_to(first, case.x))
        np.testing.assert_array_equal(gw, np.full(w.shape, 4))
        np.testing.assert_array_equal(gb, np.full(16, 4))

    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
    def test_nan_and_infinity_spread_as_in_oneDNN(self, rng, value):
        """Through two layers whose channels fill no vector: what is beside them stays unseen."""
        stages = (ConvStage(Conv2DSpec()), PoolStage(TWO, "rectify")) * 2
        x_shape, shapes = (3, 20, 14, 14), [(20, 20, 3, 3), (20,), (24, 20, 3, 3), (24,)]
        x, *params = normal(rng, x_shape, *shapes)
        (gy,) = normal(rng, chain_output_shape(stages, x_shape, shapes))
        gy[1, 7, 1, 0] = value
        mine, one = generated(stages, x, params, gy), without(stages, x, params, gy)
        assert not np.isfinite(mine[0]).all()
        for actual, same in zip(mine, one, strict=True):
            np.testing.assert_array_equal(np.isnan(actual), np.isnan(same))
            np.testing.assert_array_equal(np.isinf(actual), np.isinf(same))

    def test_pixels_that_won_nothing_are_not_multiplied(self, rng):
        """oneDNN multiplies an infinite pixel by zeros, which is NaN."""
        case = Case((1, 16, 6, 6), 16, (1, 1), activation="linear")
        x, *params = (np.ones(shape, "float32") for shape in (case.x, *case.shapes))
        x[0, 0, 1, 1] = -np.inf
        gy = np.ones(case.y, "float32")
        kernel = onednn_alone(case.stages)
        gw = gradients(kernel, x, params, gy)[1]
        assert np.isfinite(gw).all() == check_routines(kernel)
        assert np.isnan(without(case.stages, x, params, gy)[1]).any()


class TestThreads:
    @pytest.fixture
    def several(self, monkeypatch):
        """Even a little is divided between threads."""
        monkeypatch.setattr(thresholds, "WORK_OF_ONE_THREAD", 0)
        yield
        threads.set_num_threads(None)

    @pytest.mark.parametrize("n_samples", [1, 2, 11])
    def test_their_number_changes_no_bit(self, rng, several, n_samples):
        case = Case((n_samples, 17, 14, 13), 21, (5, 3), Conv2DSpec((1, 1), ((2, 2), (0, 1))))
        x, gy, *params = normal(rng, case.x, case.y, *case.shapes)
        kernel = onednn_alone(case.stages)
        results, given = [], []
        for number in (1, 2, 3):
            threads.set_num_threads(number)
            given.append(threads.get_num_threads())
            results.append(gradients(kernel, x, params, gy))
        assert len(routines(kernel)) == 2 * sum(are_by_code(kernel))
        programs = kernel.kernel.backward_programs
        # Where nobody limits them: 1, 2 and 3.
        assert [program.num_threads for program in programs] == sorted(set(given))
        # oneDNN's own sums are divided between threads.
        same = np.testing.assert_array_equal if any(are_by_code(kernel)) else assert_close
        for others in results[1:]:
            for one, other in zip(results[0], others, strict=True):
                same(one, other)

    def test_eight_at_once_get_what_each_gets_alone(self, rng, several, forgotten):
        """The first steps generate the code, all at the same time."""
        threads.set_num_threads(2)
        case = CASES["another padding on each side"]
        params = normal(rng, *case.shapes)
        batches = [normal(rng, case.x, case.y) for _ in range(8)]
        kernel = onednn_alone(case.stages)
        barrier = Barrier(8)

        def steps(index):
            x, gy = batches[index]
            barrier.wait()
            return [gradients(kernel, x, params, gy) for _ in range(5)]

        with ThreadPoolExecutor(8) as executor:
            together = list(executor.map(steps, range(8)))
        check_routines(kernel)
        for (x, gy), results in zip(batches, together, strict=True):
            alone = gradients(kernel, x, params, gy)
            for result in results:
                for actual, same in zip(result, alone, strict=True):
                    np.testing.assert_array_equal(actual, same)


def uses_generated_code(stages, x_shape, shapes, fill=1.0):
    x, *params = (np.full(shape, fill, "float32") for shape in (x_shape, *shapes))
    gy = np.ones(chain_output_shape(stages, x_shape, shapes), "float32")
    kernel = onednn_alone(stages)
    for actual, right in zip(
        gradients(kernel, x, params, gy),
        gradients(chain(PortableKernels(), stages), x, params, gy),
        strict=True,
    ):
        assert_close(actual, right)
    return check_routines(kernel)


@pytest.fixture(params=GENERATING.values(), ids=GENERATING)
def machine(request):
    """A machine that code is generated on."""
    return request.param


class TestChoice:
    def test_small_work_is_left_to_oneDNN(self, monkeypatch, machine):
        case = CASES["33 images"]
        work = thresholds.IN_TRAINING * 33 * 33 * 16 * 3 * 3 * 3 * 4
        monkeypatch.setattr(thresholds, "WORTH_GENERATING", work)
        assert geometry(case, machine) is not None
        monkeypatch.setattr(thresholds, "WORTH_GENERATING", work + 1)
        assert geometry(case, machine) is None
        assert not uses_generated_code(case.stages, case.x, case.shapes)

    @pytest.mark.parametrize("case", CASES.values(), ids=CASES)
    def test_what_code_is_generated_for(self, case, machine):
        assert geometry(case, machine).lanes == machine.lanes

    @pytest.mark.parametrize("case", CASES.values(), ids=CASES)
    @pytest.mark.parametrize("machine", WITHOUT_CODE.values(), ids=WITHOUT_CODE)
    def test_processors_without_code(self, case, machine):
        assert geometry(case, machine) is None

    def test_channels_that_fill_a_vector_on_some_machines(self):
        case = Case((2, 8, 9, 9))
        chosen = {name for name, each in MACHINES.items() if geometry(case, each) is not None}
        assert chosen == {"AVX2, Intel", "AVX2, AMD, limited"}

    @pytest.mark.parametrize(
        "case",
        [
            Case((2, 7, 9, 9)),
            Case(pool=Pool2DSpec((2, 2), (2, 2), mode="average_inc_pad")),
            Case(pool=Pool2DSpec((2, 2), (2, 2), (1, 1))),
            Case(pool=Pool2DSpec((2, 2), (2, 1))),
            Case((2, 17, 20, 20), pool=Pool2DSpec((16, 16), (2, 2))),
            # A filter that lies beside the image.
            Case(size=(1, 1), conv=Conv2DSpec((1, 1), SAME)),
        ],
        ids=str,
    )
    def test_what_is_left_to_oneDNN(self, case):
        assert all(geometry(case, machine) is None for machine in MACHINES.values())
        assert not uses_generated_code(case.stages, case.x, case.shapes)

    def test_activations_that_do_not_commute_are_left_to_oneDNN(self):
        case = CASES["padding"]
        stages = (ConvStage(case.conv, activation="tanh"), PoolStage(TWO))
        assert not uses_generated_code(stages, case.x, case.shapes, fill=0.01)

    def test_too_much_code_is_not_generated(self, monkeypatch, machine):
        """All that the border's classes have of taps, and one less."""
        case = CASES["padding"]
        whole = Geometry(case.conv, case.pool, case.x[1:], (20, 3, 3), machine.lanes)
        n_taps = sum(map(len, whole.classes))
        monkeypatch.setattr(thresholds, "MOST_TAPS", n_taps)
        assert geometry(case, machine) == whole
        monkeypatch.setattr(thresholds, "MOST_TAPS", n_taps - 1)
        assert geometry(case, machine) is None
        assert not uses_generated_code(case.stages, case.x, case.shapes)


class TestCode:
    def test_it_is_generated_once_for_all_sizes_of_batches(self, forgotten, monkeypatch):
        texts, used = [], []
        monkeypatch.setattr(
            code, "CompiledModule", lambda text, *args: texts.append(text) or compiled(text, *args)
        )
        compiled = compiler.CompiledModule
        for n_samples in (1, 2, 7):
            case = Case((n_samples, 17, 6, 6), 20)
            used.append(uses_generated_code(case.stages, case.x, case.shapes))
        assert len(texts) == any(used)

    def test_clearing_forgets_it(self, code_is_generated, forgotten):
        case = CASES["channels and filters that fill no vector"]
        check_exact(case)
        assert len(code._compiled) == 1
        get_kernels("onednn").clear_caches()
        assert len(code._compiled) == 0
        assert compiler._retired == []
        check_exact(case)

    def test_it_stays_while_a_program_needs_it(self, code_is_generated, forgotten, rng):
        case = CASES["padding"]
        x, gy, *params = normal(rng, case.x, case.y, *case.shapes)
        kernel = onednn_alone(case.stages)
        before = gradients(kernel, x, params, gy)
        code.clear_compiled()
        check_exact(CASES["one image"])
        for actual, same in zip(gradients(kernel, x, params, gy), before, strict=True):
            np.testing.assert_array_equal(actual, same)

    @pytest.mark.parametrize(
        "how", ["llvmlite is missing", "the system refuses", "another llvmlite"]
    )
    def test_where_none_can_be_made_oneDNN_takes_over(
        self, code_is_generated, forgotten, monkeypatch, how
    ):
        import llvmlite.binding as llvm

        tries = []

        def refuse():
            tries.append(1)
            raise OSError(13, "cannot allocate executable memory")

        monkeypatch.setattr(compiler, "_works", None)
        if how == "llvmlite is missing":
            monkeypatch.setitem(sys.modules, "llvmlite.binding", None)
        elif how == "the system refuses":
            monkeypatch.setattr(llvm, "check_jit_execution", refuse)
        else:
            monkeypatch.delattr(llvm, "create_mcjit_compiler")
        for case in (CASES["padding"], CASES["no bias"]):
            assert not uses_generated_code(case.stages, case.x, case.shapes)
        assert len(tries) == (how == "the system refuses")
        assert compiler._works is False
        monkeypatch.undo()
