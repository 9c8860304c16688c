"""Convolutions by Winograd's algorithm in stacks: the same numbers as by sums of products."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from convnet_features.kernels import threads
from convnet_features.kernels.contract import (
    ConcatStage,
    Conv2DSpec,
    ConvStage,
    DenseStage,
    ElementwiseStage,
    Node,
    Pool2DSpec,
    PoolStage,
    StageGraph,
    SumStage,
)
from convnet_features.kernels.onednn.plan import candidates, thresholds
from convnet_features.kernels.onednn.plan.case import Case as PlannedCase
from convnet_features.kernels.onednn.plan.layouts import CHANNELS_LAST
from convnet_features.kernels.onednn.program.program import Program
from convnet_features.kernels.onednn.stages.generated_convolution import (
    known_layout,
    replaced_primitives,
)
from convnet_features.kernels.portable import PortableKernels
from convnet_features.kernels.registry import get_kernels

from .... import reference
from ....helpers import assert_close
from ....stages import chain, chain_output_shape, onednn_alone
from ...machines import GENERATING, MACHINES, WITHOUT_CODE, here, skip_without_code

pytestmark = pytest.mark.onednn

SAME = Conv2DSpec((1, 1), ((1, 1), (1, 1)))
TWO = Pool2DSpec((2, 2), (2, 2))
OF_FILTERS = "gradient by the filters by Winograd's algorithm"


@dataclass(frozen=True)
class Case:
    """A convolution, and what follows it."""

    x: tuple[int, int, int, int]
    n_filters: int
    size: tuple[int, int] = (3, 3)
    conv: ConvStage = ConvStage(SAME)  # noqa: RUF009
    following: tuple = ()

    @property
    def stages(self):
        return (self.conv, *self.following)

    @property
    def shapes(self):
        w = (self.n_filters, self.x[1], *self.size)
        return [w, (self.n_filters,)] if self.conv.bias else [w]


def unpadded(**options):
    return ConvStage(Conv2DSpec(), **options)


ALONE = {
    "rectified": Case((2, 16, 8, 6), 32, conv=ConvStage(SAME, activation="rectify")),
    "no bias": Case((2, 16, 8, 6), 16, conv=ConvStage(SAME, bias=False)),
    "odd rows and columns": Case((3, 32, 9, 11), 48),
    "odd rows, no padding": Case((3, 16, 9, 10), 16, conv=unpadded()),
    "a correlation": Case(
        (2, 16, 8, 8), 16, conv=ConvStage(Conv2DSpec((1, 1), ((1, 1), (1, 1)), False))
    ),
    "another padding on each side": Case(
        (2, 16, 9, 10), 16, (2, 4), ConvStage(Conv2DSpec((1, 1), ((1, 0), (1, 2))))
    ),
    "5x5": Case((2, 32, 12, 12), 32, (5, 5), unpadded()),
    "7x7": Case((1, 16, 13, 14), 16, (7, 7), unpadded()),
    "images in bands": Case((2, 64, 32, 32), 64),
    "turns of several bands": Case((1, 96, 26, 26), 96),
    "a pooling of overlapping windows": Case(
        (2, 16, 9, 9), 16, following=(PoolStage(Pool2DSpec((3, 3), (2, 2))),)
    ),
    "an average": Case(
        (2, 16, 8, 8),
        16,
        following=(PoolStage(Pool2DSpec((2, 2), (2, 2), mode="average_exc_pad")),),
    ),
    "windows that overhang": Case(
        (2, 16, 9, 9),
        16,
        following=(PoolStage(Pool2DSpec((2, 2), (2, 2), ignore_border=False)),),
    ),
}
JOINED = {
    "seed network": Case((3, 32, 12, 12), 32, (5, 5), unpadded(), (PoolStage(TWO, "rectify"),)),
    "nothing rectified": Case((2, 16, 8, 8), 32, following=(PoolStage(TWO),)),
    "rectified before": Case(
        (2, 16, 8, 8), 16, conv=ConvStage(SAME, activation="rectify"), following=(PoolStage(TWO),)
    ),
    "no bias": Case(
        (2, 16, 8, 8), 16, conv=ConvStage(SAME, bias=False), following=(PoolStage(TWO, "rectify"),)
    ),
    "an odd row that no window sees": Case((2, 16, 9, 11), 16, following=(PoolStage(TWO),)),
    "windows that would overhang": Case(
        (2, 16, 8, 8),
        16,
        following=(PoolStage(Pool2DSpec((2, 2), (2, 2), ignore_border=False), "rectify"),),
    ),
    "images in bands": Case((2, 64, 32, 32), 64, following=(PoolStage(TWO, "rectify"),)),
    "several images at once": Case((7, 16, 6, 6), 16, following=(PoolStage(TWO, "rectify"),)),
}
# What it is not for; it would be wrong, or slower than oneDNN.
APART = {
    "strided": Case((2, 16, 9, 9), 16, conv=ConvStage(Conv2DSpec((2, 2)))),
    "1x1": Case((2, 16, 9, 9), 16, (1, 1), unpadded()),
    "1x3": Case((2, 16, 9, 9), 16, (1, 3), unpadded()),
    "9x9": Case((1, 16, 16, 16), 16, (9, 9), unpadded()),
    "channels that fill no vector": Case((2, 17, 8, 8), 16),
    "filters that fill no vector": Case((2, 16, 8, 8), 17),
    "padding of more than a filter": Case(
        (1, 16, 4, 4), 16, conv=ConvStage(Conv2DSpec((1, 1), ((5, 4), (4, 5))))
    ),
    "one result": Case((2, 16, 3, 3), 16, conv=unpadded()),
    "another nonlinearity": Case((2, 16, 8, 8), 16, conv=ConvStage(SAME, activation="tanh")),
}


@pytest.fixture(autouse=True)
def always_worth_it(monkeypatch):
    monkeypatch.setattr(thresholds, "WORTH_GENERATING", 0)


def drawn(rng, shape):
    return rng.standard_normal(shape).astype("float32")


def whole(rng, shape):
    return rng.integers(-2, 3, shape).astype("float32")


def stack(*stages):
    return onednn_alone(stages)


def test_filters_that_keep_their_values_are_made_ready_once(rng, monkeypatch):
    """For all batches, and without a step at each call."""
    skip_without_code()
    monkeypatch.setattr(thresholds, "WORTH_GENERATING", 0)
    made = []
    original = Program._made_by

    def noted(self, *args):
        made.append(args)
        return original(self, *args)

    monkeypatch.setattr(Program, "_made_by", noted)
    case = Case((2, 32, 12, 12), 32)
    params = [drawn(rng, shape) for shape in case.shapes]
    kernel = stack(*case.stages)
    prepared = kernel.prepare(params)
    for n_samples in (2, 3, 2):
        x = drawn(rng, (n_samples, *case.x[1:]))
        y = prepared(x)
        np.testing.assert_array_equal(y, kernel.forward(x, params))
        assert_close(y, reference.stack(case.stages, x, params), "float32")
    assert len(made) == 1


def descriptions(kernel):
    """What the steps of its forward programs do, program by program."""
    plans = kernel.kernel.forward_plans
    return [[step.description for step, _ in plan.program.steps] for plan in plans]


def steps(kernel, beginning):
    """How many steps of each forward program are called so."""
    return [sum(each.startswith(beginning) for each in program) for program in descriptions(kernel)]


def gradient_steps(kernel, beginning):
    """How many steps of each backward program are called so."""
    programs = kernel.kernel.backward_programs
    return [
        sum(step.description.startswith(beginning) for step, _ in program.steps)
        for program in programs
    ]


def training_step(kernel, x, params, gy):
    y, workspace = kernel.forward_training(x, params)
    gx, gradients = kernel.backward(workspace, x, params, y, gy, True)
    return [y, gx, *gradients]


def check(rng, case):
    """The kernel, after its numbers were found to be right."""
    x, params = drawn(rng, case.x), [drawn(rng, shape) for shape in case.shapes]
    kernel, portable = stack(*case.stages), chain(PortableKernels(), case.stages)
    y = kernel.forward(x, params)
    assert y.shape == chain_output_shape(case.stages, case.x, case.shapes)
    assert_close(y, reference.stack(case.stages, x, params), "float32")
    assert_close(kernel.prepare(params)(x), y)
    gy = whole(rng, y.shape)
    results = zip(
        training_step(kernel, x, params, gy), training_step(portable, x, params, gy), strict=True
    )
    for mine, expected in results:
        assert_close(mine, expected, "float32")
    return kernel


def is_filtered(case, machine, training=False):
    """Is Winograd's algorithm chosen for the case, on a machine?"""
    asked = PlannedCase(case.conv, None, case.x, case.shapes[0], training, machine)
    return candidates.WINOGRAD.suits(asked) is None


def winograd_steps(kernel, case, pool=None):
    """[in inference, in training]: how many such convolutions there are to be, on the machine at hand.

    One if that is the choice, and oneDNN lays the results out as the routine can.
    """
    primitives = kernel.kernel._primitives
    lanes, x = primitives.machine.lanes, primitives.strided(case.x)
    found = []
    for training in (False, True):
        chosen = is_filtered(case, primitives.machine, training)
        if chosen:
            replaced = replaced_primitives(primitives, case.conv, pool, x, case.shapes[0], training)
            result = replaced and (replaced.pooled or replaced.y)
            chosen = result is not None and known_layout(primitives, result, lanes) is not None
        found.append(int(chosen))
    return found


@pytest.mark.parametrize("case", ALONE.values(), ids=ALONE)
def test_a_convolution_alone(case, rng):
    kernel = check(rng, case)
    expected = winograd_steps(kernel, case)
    assert steps(kernel, "Winograd convolution") == expected
    n_poolings = len(case.following)
    assert steps(kernel, "pooling") == [n_poolings, n_poolings]
    if not n_poolings:
        assert gradient_steps(kernel, "Winograd convolution") == expected[1:]
        assert gradient_steps(kernel, OF_FILTERS) == expected[1:]


@pytest.mark.parametrize("case", JOINED.values(), ids=JOINED)
def test_with_its_pooling_at_once(case, rng):
    kernel = check(rng, case)
    expected = winograd_steps(kernel, case, case.following[0])
    assert steps(kernel, "Winograd convolution") == expected
    assert steps(kernel, "pooling") == [1 - n for n in expected]


@pytest.mark.parametrize("training", [False, True])
class TestChoice:
    @pytest.mark.parametrize("case", (ALONE | JOINED).values(), ids=ALONE | JOINED)
    @pytest.mark.parametrize("machine", GENERATING.values(), ids=GENERATING)
    def test_filtered(self, case, machine, training):
        assert is_filtered(case, machine, training)

    @pytest.mark.parametrize("case", (ALONE | JOINED).values(), ids=ALONE | JOINED)
    @pytest.mark.parametrize("machine", WITHOUT_CODE.values(), ids=WITHOUT_CODE)
    def test_processors_without_code(self, case, machine, training):
        assert not is_filtered(case, machine, training)

    @pytest.mark.parametrize("case", APART.values(), ids=APART)
    @pytest.mark.parametrize("machine", MACHINES.values(), ids=MACHINES)
    def test_apart(self, case, machine, training):
        assert not is_filtered(case, machine, training)

    @pytest.mark.parametrize("before", [0, 1, 2, 3, 4])
    @pytest.mark.parametrize("machine", GENERATING.values(), ids=GENERATING)
    def test_padding_up_to_one_less_than_the_filter(self, before, machine, training):
        case = Case((2, 16, 8, 8), 16, conv=ConvStage(Conv2DSpec((1, 1), ((0, before), (1, 1)))))
        assert is_filtered(case, machine, training) == (before < 3)

    @pytest.mark.parametrize(
        ("channels", "filters", "lanes"),
        [(16, 16, {8, 16}), (8, 16, {8}), (16, 24, {8}), (12, 16, set())],
    )
    def test_channels_and_filters_fill_vectors(self, channels, filters, lanes, training):
        case = Case((2, channels, 8, 8), filters)
        chosen = {each.lanes for each in GENERATING.values() if is_filtered(case, each, training)}
        assert chosen == lanes


@pytest.mark.parametrize(("training", "times"), [(False, 1), (True, 5)])
@pytest.mark.parametrize("machine", GENERATING.values(), ids=GENERATING)
def test_how_much_work_is_worth_it(machine, training, times, monkeypatch):
    """A training step stands for many: its multiplications count five times."""
    case = Case((1, 64, 32, 32), 64)
    work = times * 64 * 64 * 9 * 32 * 32
    monkeypatch.setattr(thresholds, "WORTH_GENERATING", work)
    assert is_filtered(case, machine, training)
    monkeypatch.setattr(thresholds, "WORTH_GENERATING", work + 1)
    assert not is_filtered(case, machine, training)


@pytest.mark.parametrize("case", APART.values(), ids=APART)
def test_not_where_it_is_not_for(case, rng):
    assert steps(check(rng, case), "Winograd convolution") == [0, 0]


def test_little_work_is_not_worth_it(rng, monkeypatch):
    monkeypatch.setattr(thresholds, "WORTH_GENERATING", 40_000_000)
    assert steps(check(rng, JOINED["seed network"]), "Winograd convolution") == [0, 0]


def test_not_where_a_thread_would_need_much_memory(rng, monkeypatch):
    monkeypatch.setattr(thresholds, "SCRATCH", 1000)
    assert steps(check(rng, JOINED["seed network"]), "Winograd convolution") == [0, 0]


def test_filters_whose_gradient_would_go_through_memory(rng, monkeypatch):
    monkeypatch.setattr(thresholds, "SUMS", 1000)
    kernel = check(rng, ALONE["5x5"])
    assert steps(kernel, "Winograd convolution") == winograd_steps(kernel, ALONE["5x5"])
    assert gradient_steps(kernel, OF_FILTERS) == [0]


@pytest.mark.parametrize("n_samples", [1, 3, 7])
@pytest.mark.parametrize(("n_channels", "n_filters"), [(16, 16), (128, 96)])
def test_threads_share_tiles_or_filters(n_channels, n_filters, n_samples, rng, monkeypatch):
    """Of many filters each thread computes some: of 128 channels and 96 filters for 3 images."""
    monkeypatch.setattr(thresholds, "WORK_OF_ONE_THREAD", 0)
    case = Case((n_samples, n_channels, 8, 8), n_filters)
    x, params = drawn(rng, case.x), [drawn(rng, shape) for shape in case.shapes]
    expected = reference.stack(case.stages, x, params)
    kernel, found = stack(*case.stages), []
    try:
        for n_threads in (1, 2, 3):
            threads.set_num_threads(n_threads)
            found.append(kernel.forward(x, params))
    finally:
        threads.set_num_threads(None)
    assert_close(found[0], expected, "float32")
    for other in found[1:]:
        np.testing.assert_array_equal(other, found[0])


@pytest.mark.parametrize("name", ["images in bands", "odd rows and columns"])
def test_gradients_by_several_threads(name, rng):
    """The same bits again; with another number of threads the same numbers."""
    case = ALONE[name]
    x, params = drawn(rng, case.x), [drawn(rng, shape) for shape in case.shapes]
    gy = drawn(rng, chain_output_shape(case.stages, case.x, case.shapes))
    results = []
    for number in (1, 2, 3):
        threads.set_num_threads(number)
        try:
            kernel = stack(*case.stages)
            one, again = (training_step(kernel, x, params, gy) for _ in range(2))
        finally:
            threads.set_num_threads(None)
        for first, second in zip(one, again, strict=True):
            np.testing.assert_array_equal(first, second)
        results.append(one)
    for other in results[1:]:
        for mine, expected in zip(other, results[0], strict=True):
            assert_close(mine, expected, "float32")


def test_one_after_the_other(rng):
    """Nothing but filters is laid out anew between convolutions, poolings and each other."""
    conv = ConvStage(SAME, activation="rectify")
    stages = (conv, conv, PoolStage(TWO), conv, conv, PoolStage(TWO), DenseStage())
    channels = [16, 16, 32, 16, 32]
    shapes = []
    for before, after in pairwise(channels):
        shapes += [(after, before, 3, 3), (after,)]
    shapes += [(32 * 4, 7), (7,)]
    x, params = drawn(rng, (3, 16, 8, 8)), [0.2 * drawn(rng, shape) for shape in shapes]
    kernel, portable = stack(*stages), chain(PortableKernels(), stages)
    y = kernel.forward(x, params)
    assert_close(y, reference.stack(stages, x, params), "float32")
    gy = whole(rng, y.shape)
    results = zip(
        training_step(kernel, x, params, gy), training_step(portable, x, params, gy), strict=True
    )
    for mine, expected in results:
        assert_close(mine, expected, "float32")
    if not here().generates:
        assert steps(kernel, "Winograd convolution") == [0, 0]
        return
    if steps(kernel, "Winograd convolution") != [4, 4]:
        pytest.skip("oneDNN lays images out here as no routine of ours does")
    # The gradients of pooled convolutions' images are computed at the positions of maxima.
    assert gradient_steps(kernel, "Winograd convolution") == [2]
    assert gradient_steps(kernel, OF_FILTERS) == [2]
    for program in descriptions(kernel):
        laid_out = [each for each in program if each.startswith("reorder")]
        of_images = [each for each in laid_out if not each.endswith(", 3, 3)")]
        # The images that come in, and those that the dense layer takes.
        assert len(of_images) == 2


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_exact_on_whole_numbers(data):
    """No rounding, and ties in many windows: each gradient goes where the portable one goes."""
    draw = data.draw
    size = draw(st.tuples(st.integers(2, 5), st.integers(2, 5)), label="filter")
    before = st.integers(0, 3)
    padding = draw(st.tuples(st.tuples(before, before), st.tuples(before, before)))
    extents = [
        max(1, draw(st.integers(2, 11)) + n - 1 - sum(pad))
        for n, pad in zip(size, padding, strict=True)
    ]
    blocks = st.integers(1, 3)
    x = (draw(st.integers(1, 4)), 16 * draw(blocks), *extents)
    conv = ConvStage(
        Conv2DSpec((1, 1), padding, draw(st.booleans())),
        draw(st.booleans()),
        draw(st.sampled_from(["linear", "rectify"])),
    )
    following = (PoolStage(TWO, draw(st.sampled_from(["linear", "rectify"]))),)
    case = Case(x, 16 * draw(blocks), size, conv, following if draw(st.booleans()) else ())
    if 0 in chain_output_shape(case.stages, case.x, case.shapes):
        return
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    images, params = whole(rng, case.x), [whole(rng, shape) for shape in case.shapes]
    kernel, portable = stack(*case.stages), chain(PortableKernels(), case.stages)
    y = kernel.forward(images, params)
    np.testing.assert_array_equal(y, portable.forward(images, params))
    gy = whole(rng, y.shape)
    results = zip(
        training_step(kernel, images, params, gy),
        training_step(portable, images, params, gy),
        strict=True,
    )
    for mine, expected in results:
        np.testing.assert_array_equal(mine, expected)


@pytest.mark.parametrize("name", ["5x5", "images in bands"])
def test_as_exact_as_a_sum_of_products(name, rng, monkeypatch):
    """Errors against float64, beside those of oneDNN: at most twice as large."""
    case = ALONE[name]
    x, params = drawn(rng, case.x), [drawn(rng, shape) for shape in case.shapes]
    doubles = [np.float64(each) for each in (x, *params)]
    exact = chain(PortableKernels(), case.stages).forward(doubles[0], doubles[1:])

    def error():
        return np.sqrt(np.mean(np.square(stack(*case.stages).forward(x, params) - exact)))

    get_kernels("onednn").clear_caches()
    filtered = error()
    monkeypatch.setattr(thresholds, "WORTH_GENERATING", 2**62)
    get_kernels("onednn").clear_caches()
    assert filtered < 2 * error()


@pytest.mark.parametrize("name", ["images in bands", "several images at once"])
def test_the_number_of_threads_changes_no_bit(name, rng):
    case = JOINED[name]
    x, params = drawn(rng, case.x), [drawn(rng, shape) for shape in case.shapes]
    results = []
    for number in (1, 2, 3):
        threads.set_num_threads(number)
        try:
            results.append(stack(*case.stages).forward(x, params))
        finally:
            threads.set_num_threads(None)
    for other in results[1:]:
        np.testing.assert_array_equal(other, results[0])


def test_other_images_change_no_bit(rng):
    case = JOINED["several images at once"]
    x, params = drawn(rng, case.x), [drawn(rng, shape) for shape in case.shapes]
    kernel = stack(*case.stages)
    together = kernel.forward(x, params)
    for index in range(len(x)):
        np.testing.assert_array_equal(
            kernel.forward(x[index : index + 1], params), together[index : index + 1]
        )


@pytest.mark.parametrize("name", ["seed network", "nothing rectified"])
def test_what_is_not_a_number_stays_visible(name, rng):
    case = JOINED[name]
    x, (w, b) = drawn(rng, case.x), [drawn(rng, shape) for shape in case.shapes]
    w[3] = np.nan
    kernel, alone = chain(get_kernels("onednn"), case.stages), onednn_alone(case.stages)
    # Generated code keeps it by itself; oneDNN's own does not on each processor.
    for each in [kernel, alone] if here().generates else [kernel]:
        y = each.forward(x, [w, b])
        assert np.isnan(y[:, 3]).all()
        assert np.isfinite(np.delete(y, 3, axis=1)).all()


LINEAR = ConvStage(SAME, bias=False)
RECTIFIED = ConvStage(SAME, activation="rectify")


def residual_graph(activation, *more):
    """A convolution, two more of it, and their sum."""
    nodes = (
        Node(RECTIFIED, (0,)),
        Node(RECTIFIED, (1,)),
        Node(ConvStage(SAME), (2,)),
        Node(SumStage(activation), (3, 1)),
        *more,
    )
    return StageGraph(1, nodes, (len(nodes),))


#: The graph, and how many sums remain steps of their own.
SUMS = {
    "rectified": (residual_graph("rectify"), 0),
    "as it is": (residual_graph("linear"), 0),
    "another nonlinearity": (residual_graph("tanh"), 1),
    "blocks behind each other": (
        residual_graph(
            "rectify",
            Node(RECTIFIED, (4,)),
            Node(LINEAR, (5,)),
            Node(SumStage("rectify"), (4, 6)),
        ),
        0,
    ),
    # In its place, other tiles would read results for images.
    "of a convolution and its own images": (
        residual_graph("rectify", Node(LINEAR, (4,)), Node(SumStage(), (5, 4))),
        1,
    ),
    "of what is read on": (residual_graph("linear", Node(SumStage(), (4, 1))), 2),
    "a function behind": (
        residual_graph("rectify", Node(ElementwiseStage("clip", 0.0, 0.5), (4,))),
        0,
    ),
}


@pytest.mark.parametrize("case", SUMS)
@pytest.mark.parametrize("size", [(8, 8), (9, 11), (32, 32)])
def test_a_sum_behind_is_computed_with_the_convolution(case, size, rng):
    skip_without_code()
    graph, n_sums = SUMS[case]
    x = drawn(rng, (3, 16, *size))
    params = [
        drawn(rng, (16,) if name == "b" else (16, 16, 3, 3)) / np.float32(12)
        for _, name in graph.params
    ]
    kernel, portable = get_kernels("onednn").graph(graph), PortableKernels().graph(graph)
    results = [kernel.forward([x], params), kernel.prepare(params)([x])]
    results.append(kernel.forward_training([x], params)[0])
    (expected,) = portable.forward([np.float64(x)], [np.float64(param) for param in params])
    for (y,) in results:
        assert_close(y, expected, "float32")
    fast = getattr(kernel, "fast", kernel)
    plan = next(plan for plan in fast.forward_plans if not plan.key.training)
    steps = [step.description for step, _ in plan.program.steps]
    n_added = sum(step.startswith("Winograd") and step.endswith("added") for step in steps)
    assert sum(step.startswith("addition") for step in steps) == n_sums
    assert n_added + n_sums == sum(isinstance(stage, SumStage) for stage in graph.stages)


def test_sums_have_the_same_bits_on_any_number_of_threads(rng):
    skip_without_code()
    graph, _ = SUMS["blocks behind each other"]
    x = drawn(rng, (5, 16, 32, 32))
    params = [
        drawn(rng, (16,) if name == "b" else (16, 16, 3, 3)) / np.float32(12)
        for _, name in graph.params
    ]
    kernel = get_kernels("onednn").graph(graph)
    before, found = threads.get_num_threads(), []
    try:
        for number in (1, 2, 3):
            threads.set_num_threads(number)
            found.append(kernel.forward([x], params)[0])
    finally:
        threads.set_num_threads(before)
    for other in found[1:]:
        np.testing.assert_array_equal(other, found[0])


@pytest.mark.parametrize("size", [(8, 8), (9, 11)])
@pytest.mark.parametrize("n_samples", [1, 3])
def test_branches_are_written_to_their_places(n_samples, size, rng):
    """No copy of what Winograd's algorithm makes: of one image, and with the channels last."""
    skip_without_code()
    nodes = (
        Node(RECTIFIED, (0,)),
        Node(ConvStage(Conv2DSpec(), activation="rectify"), (0,)),
        Node(RECTIFIED, (0,)),
        Node(ConcatStage(), (1, 2, 3)),
        Node(ConvStage(Conv2DSpec()), (4,)),
    )
    graph = StageGraph(1, nodes, (5,))
    x = drawn(rng, (n_samples, 16, *size))
    shapes = [(32, 16, 3, 3), (32,), (16, 16, 1, 1), (16,), (48, 16, 3, 3), (48,), (16, 96, 1, 1)]
    params = [drawn(rng, shape) / np.float32(8) for shape in [*shapes, (16,)]]
    kernel, portable = get_kernels("onednn").graph(graph), PortableKernels().graph(graph)
    (expected,) = portable.forward([np.float64(x)], [np.float64(param) for param in params])
    for (y,) in (
        kernel.forward([x], params),
        kernel.prepare(params)([x]),
        kernel.forward_training([x], params)[0],
    ):
        assert_close(y, expected, "float32")
    fast = getattr(kernel, "fast", kernel)
    plan = next(plan for plan in fast.forward_plans if not plan.key.training)
    written = [
        arguments[step.arguments.index("y")].storage
        for step, arguments in plan.program.steps
        if step.description.startswith("Winograd")
    ]
    (joined,) = (record for record in plan.records if isinstance(record.stage, ConcatStage))
    layout = plan.program.primitives.layout_of(joined.y_desc)
    in_place = n_samples == 1 or layout == CHANNELS_LAST
    assert (written[0] is written[1]) == in_place
