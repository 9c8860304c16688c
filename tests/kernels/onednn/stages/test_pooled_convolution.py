"""A first convolution and its pooling in one pass: the same numbers as one after the other."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from convnet_features.kernels import threads
from convnet_features.kernels.contract import (
    Conv2DSpec,
    ConvStage,
    DenseStage,
    Pool2DSpec,
    PoolStage,
)
from convnet_features.kernels.onednn.plan import candidates, thresholds
from convnet_features.kernels.onednn.plan.case import Case
from convnet_features.kernels.onednn.program.routine import Routine
from convnet_features.kernels.onednn.stages.generated_convolution import (
    known_layout,
    replaced_primitives,
)
from convnet_features.kernels.portable import PortableKernels
from convnet_features.kernels.registry import get_kernels

from .... import reference
from ....helpers import assert_close
from ....stages import chain, onednn_alone
from ...machines import GENERATING, MACHINES, WITHOUT_CODE, here

pytestmark = pytest.mark.onednn

POOL2 = PoolStage(Pool2DSpec((2, 2), (2, 2)))
RECTIFIED = PoolStage(Pool2DSpec((2, 2), (2, 2)), "rectify")

# (convolution, pooling, images, filters)
JOINED = {
    "seed network": (ConvStage(Conv2DSpec()), RECTIFIED, (3, 1, 28, 28), (32, 1, 5, 5)),
    "nothing rectified": (ConvStage(Conv2DSpec()), POOL2, (2, 3, 9, 11), (16, 3, 3, 2)),
    "rectified before": (
        ConvStage(Conv2DSpec(flip_filters=False), activation="rectify"),
        POOL2,
        (2, 3, 9, 11),
        (48, 3, 2, 4),
    ),
    "padded": (
        ConvStage(Conv2DSpec(padding=((1, 2), (3, 0)))),
        RECTIFIED,
        (5, 2, 7, 13),
        (32, 2, 3, 5),
    ),
    "strided": (
        ConvStage(Conv2DSpec((2, 3), ((2, 1), (0, 1)))),
        RECTIFIED,
        (3, 1, 19, 23),
        (16, 1, 3, 4),
    ),
    "3x4 windows": (
        ConvStage(Conv2DSpec()),
        PoolStage(Pool2DSpec((3, 4), (3, 4))),
        (2, 5, 13, 21),
        (16, 5, 2, 3),
    ),
    "windows with gaps": (
        ConvStage(Conv2DSpec()),
        PoolStage(Pool2DSpec((2, 1), (3, 2)), "rectify"),
        (2, 7, 12, 15),
        (32, 7, 3, 3),
    ),
    "one pixel": (
        ConvStage(Conv2DSpec()),
        PoolStage(Pool2DSpec((1, 1), (1, 1)), "rectify"),
        (2, 1, 3, 5),
        (16, 1, 2, 3),
    ),
}
# What the routine is not for; it would be wrong, or slower than oneDNN.
APART = {
    "another nonlinearity": (
        ConvStage(Conv2DSpec(), activation="tanh"),
        POOL2,
        (2, 1, 9, 9),
        (16, 1, 2, 2),
    ),
    "no biases": (ConvStage(Conv2DSpec(), bias=False), POOL2, (2, 1, 9, 9), (16, 1, 2, 2)),
    "an average": (
        ConvStage(Conv2DSpec()),
        PoolStage(Pool2DSpec((2, 2), (2, 2), mode="average_exc_pad")),
        (2, 1, 9, 9),
        (16, 1, 2, 2),
    ),
    "overlapping windows": (
        ConvStage(Conv2DSpec()),
        PoolStage(Pool2DSpec((3, 3), (2, 2))),
        (2, 1, 9, 9),
        (16, 1, 2, 2),
    ),
    "windows that overhang": (
        ConvStage(Conv2DSpec()),
        PoolStage(Pool2DSpec((2, 2), (2, 2), ignore_border=False)),
        (2, 1, 8, 8),
        (16, 1, 2, 2),
    ),
    "many channels": (ConvStage(Conv2DSpec()), POOL2, (2, 16, 9, 9), (16, 16, 2, 2)),
    "a number of filters that fills no vector": (
        ConvStage(Conv2DSpec()),
        POOL2,
        (2, 1, 9, 9),
        (19, 1, 2, 2),
    ),
}


@pytest.fixture(autouse=True)
def always_worth_it(monkeypatch):
    monkeypatch.setattr(thresholds, "WORTH_GENERATING", 0)


def arguments(rng, x_shape, w_shape, numbers=None):
    shapes = (x_shape, w_shape, w_shape[:1])
    if numbers is not None:
        return [rng.integers(-numbers, numbers + 1, s).astype("float32") for s in shapes]
    return [rng.standard_normal(s).astype("float32") for s in shapes]


def stack(*stages):
    return onednn_alone(stages)


def routines(kernel):
    """How many routines each of the kernel's forward programs has."""
    plans = kernel.kernel.forward_plans
    return [sum(isinstance(step, Routine) for step, _ in plan.program.steps) for plan in plans]


def descriptions(kernel):
    """What the steps of its forward programs do."""
    plans = kernel.kernel.forward_plans
    return [step.description for plan in plans for step, _ in plan.program.steps]


def training_step(kernel, x, params, gy):
    y, workspace = kernel.forward_training(x, params)
    gx, gradients = kernel.backward(workspace, x, params, y, gy, True)
    return [y, gx, *gradients]


def check(rng, conv, pool, x_shape, w_shape, numbers=None):
    x, *params = arguments(rng, x_shape, w_shape, numbers)
    params = params[: conv.n_params]
    kernel, portable = stack(conv, pool), chain(PortableKernels(), (conv, pool))
    y = kernel.forward(x, params)
    assert_close(y, reference.stack((conv, pool), x, params), "float32")
    assert_close(kernel.prepare(params)(x), y)
    gy = rng.integers(-3, 4, y.shape).astype("float32")
    results = zip(
        training_step(kernel, x, params, gy), training_step(portable, x, params, gy), strict=True
    )
    for mine, expected in results:
        assert_close(mine, expected, "float32")
    return kernel


def is_one_pass(case, machine, training=False):
    """Is one pass chosen for the case, on a machine?"""
    return candidates.POOLED_CONVOLUTION.suits(Case(*case, training, machine)) is None


def can_be_one_pass(kernel, case, training):
    """Does oneDNN, on the machine at hand, lay pooled images out as the routine can?"""
    conv, pool, x_shape, w_shape = case
    primitives = kernel.kernel._primitives
    x = primitives.strided(x_shape)
    replaced = replaced_primitives(primitives, conv, pool, x, w_shape, training)
    lanes = primitives.machine.lanes
    return replaced is not None and known_layout(primitives, replaced.pooled, lanes) is not None


@pytest.mark.parametrize("case", JOINED.values(), ids=JOINED)
def test_same_numbers_in_one_pass(case, rng):
    kernel = check(rng, *case)
    assert routines(kernel) == [
        is_one_pass(case, here(), training) and can_be_one_pass(kernel, case, training)
        for training in (False, True)
    ]


@pytest.mark.parametrize("case", APART.values(), ids=APART)
def test_apart_where_it_is_not_for(case, rng):
    kernel = check(rng, *case)
    assert not any("pooled convolution" in step for step in descriptions(kernel))


@pytest.mark.parametrize("training", [False, True])
class TestChoice:
    @pytest.mark.parametrize("case", JOINED.values(), ids=JOINED)
    @pytest.mark.parametrize("machine", GENERATING.values(), ids=GENERATING)
    def test_one_pass(self, case, machine, training):
        assert is_one_pass(case, machine, training)
        assert Case(*case, training, machine).geometry.lanes == machine.lanes

    @pytest.mark.parametrize("case", JOINED.values(), ids=JOINED)
    @pytest.mark.parametrize("machine", WITHOUT_CODE.values(), ids=WITHOUT_CODE)
    def test_processors_without_code(self, case, machine, training):
        assert not is_one_pass(case, machine, training)

    @pytest.mark.parametrize("case", APART.values(), ids=APART)
    @pytest.mark.parametrize("machine", MACHINES.values(), ids=MACHINES)
    def test_apart(self, case, machine, training):
        assert not is_one_pass(case, machine, training)

    @pytest.mark.parametrize(
        ("channels", "filters", "lanes"),
        [(7, 24, {8}), (8, 16, {16}), (15, 8, set()), (3, 32, {8, 16})],
    )
    def test_vectors_are_filled_by_filters_and_not_by_channels(
        self, channels, filters, lanes, training
    ):
        case = (ConvStage(Conv2DSpec()), POOL2, (2, channels, 9, 9), (filters, channels, 2, 2))
        chosen = {each.lanes for each in GENERATING.values() if is_one_pass(case, each, training)}
        assert chosen == lanes


def test_little_work_is_not_worth_it(rng, monkeypatch):
    monkeypatch.setattr(thresholds, "WORTH_GENERATING", 20_000_000)
    case = JOINED["seed network"]
    assert not any(is_one_pass(case, machine, training=True) for machine in MACHINES.values())
    assert routines(check(rng, *case)) == [0, 0]


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_exact_on_whole_numbers(data):
    """No rounding, and ties in most windows: each gradient goes where the portable one goes."""
    draw, small = data.draw, st.integers(1, 4)
    pair = st.tuples(small, small)
    channels, n_blocks = draw(st.integers(1, 7)), draw(st.integers(1, 3))
    extent, window = draw(pair, label="filter"), draw(pair, label="window")
    gaps = draw(st.tuples(st.integers(0, 1), st.integers(0, 1)), label="gaps")
    stride = draw(st.tuples(st.integers(1, 2), st.integers(1, 2)), label="stride")
    before = st.integers(0, 2)
    padding = draw(st.tuples(st.tuples(before, before), st.tuples(before, before)))
    # As many convolved pixels as some windows take, and up to two more.
    convolved = [
        (draw(small) - 1) * (w + gap) + w + draw(st.integers(0, 2))
        for w, gap in zip(window, gaps, strict=True)
    ]
    size = [
        max(1, (n - 1) * step + e - sum(pad))
        for n, step, e, pad in zip(convolved, stride, extent, padding, strict=True)
    ]
    conv = ConvStage(Conv2DSpec(stride, padding, draw(st.booleans())))
    steps = tuple(w + gap for w, gap in zip(window, gaps, strict=True))
    pool = PoolStage(Pool2DSpec(window, steps), draw(st.sampled_from(["linear", "rectify"])))
    x_shape = (draw(small, label="samples"), channels, *size)
    w_shape = (16 * n_blocks, channels, *extent)
    if 0 in pool.pool.output_shape(conv.conv.output_shape(x_shape, w_shape)):
        return
    x, *params = arguments(np.random.default_rng(draw(st.integers(0, 2**32))), x_shape, w_shape, 2)
    kernel, portable = stack(conv, pool), chain(PortableKernels(), (conv, pool))
    y = kernel.forward(x, params)
    np.testing.assert_array_equal(y, portable.forward(x, params))
    gy = np.random.default_rng(1).integers(-3, 4, y.shape).astype("float32")
    results = zip(
        training_step(kernel, x, params, gy), training_step(portable, x, params, gy), strict=True
    )
    for mine, expected in results:
        np.testing.assert_array_equal(mine, expected)


def test_the_next_convolution_gets_what_it_wants(rng):
    """In inference that may be channels last; then nothing is laid out anew between the two."""
    conv, second = ConvStage(Conv2DSpec()), ConvStage(Conv2DSpec(), activation="tanh")
    stages = (conv, RECTIFIED, second, POOL2, DenseStage())
    x = rng.standard_normal((5, 1, 28, 28)).astype("float32")
    shapes = [(32, 1, 5, 5), (32,), (32, 32, 5, 5), (32,), (512, 7), (7,)]
    params = [0.1 * rng.standard_normal(shape).astype("float32") for shape in shapes]
    kernel = stack(*stages)
    assert_close(kernel.forward(x, params), reference.stack(stages, x, params), "float32")
    (plan,) = kernel.kernel.forward_plans
    steps = [step.description for step, _ in plan.program.steps]
    kinds = [step.split(" of ")[0] for step in steps]
    if "pooled convolution" not in kinds:
        assert not is_one_pass((*stages[:2], x.shape, shapes[0]), here())
        return
    first, then = kinds.index("pooled convolution"), kinds.index("convolution")
    # Nothing but filters.
    assert set(steps[first + 1 : then]) <= {"reorder of (32, 32, 5, 5)"}


def test_the_number_of_threads_changes_no_bit(rng):
    conv, pool, (_, *image), w_shape = JOINED["padded"]
    x, *params = arguments(rng, (11, *image), w_shape)
    results = []
    for number in (1, 2, 3):
        threads.set_num_threads(number)
        try:
            results.append(stack(conv, pool).forward(x, params))
        finally:
            threads.set_num_threads(None)
    for other in results[1:]:
        np.testing.assert_array_equal(other, results[0])


@pytest.mark.parametrize("name", ["seed network", "nothing rectified"])
def test_what_is_not_a_number_stays_visible(name, rng):
    conv, pool, x_shape, w_shape = JOINED[name]
    x, w, b = arguments(rng, x_shape, w_shape)
    w[3] = np.nan
    kernel, alone = chain(get_kernels("onednn"), (conv, pool)), onednn_alone((conv, pool))
    # Generated code keeps it by itself; oneDNN's own does not on each processor.
    for each in [kernel, alone] if here().generates else [kernel]:
        y = each.forward(x, [w, b])
        assert np.isnan(y[:, 3]).all()
        assert np.isfinite(np.delete(y, 3, axis=1)).all()


def test_other_channels_than_the_filters_have(rng):
    x, *params = arguments(rng, (2, 3, 9, 9), (16, 1, 2, 2))
    with pytest.raises(ValueError, match="the images have 3 channels, and the filters are for 1"):
        stack(ConvStage(Conv2DSpec()), POOL2).forward(x, params)
