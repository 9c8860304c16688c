"""The portable kernels' own devices: blocks, patches, phases, threads."""

from __future__ import annotations

import itertools
import multiprocessing
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_limits

from convnet_features.kernels.contract import (
    Conv2DSpec,
    ConvStage,
    DenseStage,
    Pool2DSpec,
    PoolStage,
)
from convnet_features.kernels.portable import PortableKernels, pooled_convolution, threads
from convnet_features.kernels.portable.layout import blocks, empty_like_order
from convnet_features.kernels.portable.patches import PatchGrid
from convnet_features.kernels.portable.pooled_convolution import PooledConvolutionStep
from convnet_features.kernels.portable.steps import Chain, ConvStep, PoolStep
from convnet_features.kernels.portable.threads import (
    blas_libraries,
    compute_parts,
    single_threaded_blas,
    split,
)

from ..helpers import assert_close
from ..stages import chain

pytestmark = pytest.mark.any_machine

POOL2 = PoolStage(Pool2DSpec((2, 2), (2, 2)))


def blas_threads():
    return [library.get_num_threads() for library in blas_libraries()]


@given(
    n_samples=st.integers(0, 40),
    n_rows=st.integers(0, 30),
    row_bytes=st.integers(0, 300),
    budget=st.integers(1, 1000),
)
@settings(max_examples=100, deadline=None)
def test_blocks_cover_every_row_once_within_the_budget(n_samples, n_rows, row_bytes, budget):
    seen = np.zeros((n_samples, n_rows), int)
    sizes = []
    for samples, rows in blocks(n_samples, n_rows, row_bytes, budget):
        seen[samples, rows] += 1
        sizes.append((samples.stop - samples.start) * (rows.stop - rows.start))
        assert sizes[-1] * row_bytes <= max(budget, row_bytes)
    assert (seen == 1).all()
    assert sizes == [] or sizes[0] == max(sizes)


@given(n_samples=st.integers(0, 1000))
@settings(max_examples=100, deadline=None)
def test_parts_are_equal_and_cover_every_sample(n_samples):
    parts = split(n_samples)
    sizes = [part.stop - part.start for part in parts]
    assert sum(sizes) == n_samples
    assert parts[0].start == 0
    assert all(one.stop == other.start for one, other in itertools.pairwise(parts))
    assert max(sizes) - min(sizes) <= 1
    assert max(sizes) <= 32


def test_new_arrays_lie_in_memory_as_their_models():
    x = np.zeros((2, 5, 7, 3), "float32").transpose(0, 3, 1, 2)
    new = empty_like_order(x, (2, 3, 4, 6))
    assert new.shape == (2, 3, 4, 6)
    assert new.dtype == x.dtype
    assert new.transpose(0, 2, 3, 1).flags.c_contiguous


@pytest.mark.parametrize("width", [7, 61])
def test_adding_patches_is_the_transpose_of_taking_them(rng, width):
    # <take(x), m> = <x, add(m)>, with few patches side by side and with many.
    grid = PatchGrid((3, 2), (2, 1), ((1, 0), (0, 2)), (3, width + 1))
    x = rng.standard_normal((5, 2, 6, width))
    padded, images = grid.gradient(x.shape, x.dtype)
    total = 0.0
    for samples, rows, patches in grid.blocks(x):
        m = rng.standard_normal(patches.shape)
        total += np.sum(patches * m)
        grid.add(m, rows, padded[samples])
    assert_close(np.sum(x * images), total)


@pytest.mark.parametrize(
    ("conv", "pool", "joined"),
    [
        (ConvStage(Conv2DSpec()), POOL2, True),
        (ConvStage(Conv2DSpec(), activation="tanh"), POOL2, True),
        (ConvStage(Conv2DSpec()), PoolStage(POOL2.pool, "rectify"), True),
        (ConvStage(Conv2DSpec(), activation="tanh"), PoolStage(POOL2.pool, "tanh"), False),
        (ConvStage(Conv2DSpec()), PoolStage(Pool2DSpec((3, 3), (2, 2))), False),
        (ConvStage(Conv2DSpec()), PoolStage(Pool2DSpec((2, 2), (3, 3))), False),
        (ConvStage(Conv2DSpec()), PoolStage(Pool2DSpec((2, 2), (2, 2), (1, 1))), False),
        (ConvStage(Conv2DSpec()), PoolStage(Pool2DSpec((2, 2), (2, 2), mode="sum")), False),
        (
            ConvStage(Conv2DSpec()),
            PoolStage(Pool2DSpec((2, 2), (2, 2), ignore_border=False)),
            False,
        ),
    ],
)
def test_which_stages_are_joined(conv, pool, joined):
    assert (PooledConvolutionStep.of(conv, pool) is not None) is joined


@pytest.mark.parametrize("activation", ["linear", "rectify", "tanh", "sigmoid"])
@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("window", [(2, 2), (2, 3), (1, 4)])
def test_joined_stages_equal_separate_ones(rng, monkeypatch, activation, before, window):
    monkeypatch.setattr(pooled_convolution, "MAX_REDUNDANCY", np.inf)
    conv = ConvStage(
        Conv2DSpec((1, 2), ((2, 0), (1, 3))), activation=activation if before else "linear"
    )
    pool = PoolStage(Pool2DSpec(window, window), "linear" if before else activation)
    x = rng.standard_normal((7, 3, 9, 17))
    params = [rng.standard_normal((5, 3, 3, 4)), rng.standard_normal(5)]
    joined, apart = PooledConvolutionStep(conv, pool), Chain([ConvStep(conv), PoolStep(pool)])
    y, saved = joined.forward(x, params, True)
    assert type(saved).__name__ == "_Saved"
    expected, saved_apart = apart.forward(x, params, True)
    assert_close(y, expected)
    gy = rng.standard_normal(y.shape)
    gx, grads = joined.backward(saved, params, gy, True)
    gx_apart, grads_apart = apart.backward(saved_apart, params, gy, True)
    for one, other in zip([gx, *grads], [gx_apart, *grads_apart], strict=True):
        assert_close(one, other)


def test_joined_stages_propagate_nan(rng):
    x = rng.standard_normal((5, 2, 8, 8)).astype("float32")
    x[3] = np.nan
    params = [rng.standard_normal((3, 2, 3, 3)).astype("float32"), np.zeros(3, "float32")]
    kernel = chain(PortableKernels(), (ConvStage(Conv2DSpec()), PoolStage(POOL2.pool, "rectify")))
    y = kernel.forward(x, params)
    assert np.isnan(y[3]).all()
    assert np.isfinite(y[[0, 1, 2, 4]]).all()


def small_network(rng, n_samples=67):
    stages = (
        ConvStage(Conv2DSpec()),
        PoolStage(POOL2.pool, "rectify"),
        DenseStage(),
    )
    shapes = [(5, 2, 3, 3), (5,), (45, 7), (7,)]
    x = rng.standard_normal((n_samples, 2, 8, 9)).astype("float32")
    return (
        chain(PortableKernels(), stages),
        x,
        [rng.standard_normal(s).astype("f4") for s in shapes],
    )


def test_same_bits_with_any_number_of_threads(rng):
    kernel, x, params = small_network(rng)

    def results():
        y, workspace = kernel.forward_training(x, params)
        gx, grads = kernel.backward(workspace, x, params, y, y, True)
        return [y, gx, *grads]

    expected = results()
    for number in (1, 2, 3):
        with threadpool_limits(number, user_api="blas"):
            for one, same in zip(expected, results(), strict=True):
                np.testing.assert_array_equal(one, same)


def test_a_thread_that_comes_late_leaves_blas_alone(monkeypatch):
    """It is not waited for, so it would set BLAS back at any time."""
    holders, helpers = [], []
    enter = threads._hold.enter
    monkeypatch.setattr(threads, "get_num_threads", lambda: 3)

    def held():
        holders.append(threading.get_ident())
        enter()
        return 3  # as many as there would be, whatever this machine has

    monkeypatch.setattr(threads._hold, "enter", held)
    monkeypatch.setattr(
        threads._thread, "start_new_thread", lambda run, arguments: helpers.append((run, arguments))
    )
    assert threads.compute_parts(lambda part: part, 4) == [0, 1, 2, 3]
    before = blas_threads()
    for run, arguments in helpers:
        run(*arguments)
    assert len(helpers) == 2
    assert holders == [threading.get_ident()]
    assert blas_threads() == before


def test_blas_has_its_threads_back_after_overlapping_holds():
    before = blas_threads()
    inside = []
    barrier = threading.Barrier(3)

    def hold(_):
        for _ in range(20):
            barrier.wait()
            with single_threaded_blas() as n_threads:
                inside.append((n_threads, set(blas_threads())))

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(hold, range(3)))
    assert blas_threads() == before
    assert all(numbers == {1} for _, numbers in inside)
    assert all(n_threads in (1, max(before)) for n_threads, _ in inside)


def test_a_failing_part_raises_and_releases_blas():
    before = blas_threads()

    def task(part):
        if part == 2:
            raise FloatingPointError("part 2")
        return part

    with pytest.raises(FloatingPointError, match="part 2"):
        compute_parts(task, 5)
    assert blas_threads() == before
    assert compute_parts(lambda part: part**2, 5) == [0, 1, 4, 9, 16]


def test_helpers_obey_errstate(rng):
    kernel, x, params = small_network(rng)
    x[...] = np.inf
    params[0][:, :, 0] = 0  # inf * 0
    with np.errstate(invalid="ignore"):
        assert np.isnan(kernel.forward(x, params)).all()
    with np.errstate(invalid="raise"), pytest.raises(FloatingPointError):
        kernel.forward(x, params)


def _child(connection, kernel, x, params):
    connection.send(kernel.forward(x, params))
    connection.close()


@pytest.mark.skipif(
    "fork" not in multiprocessing.get_all_start_methods(), reason="no fork on this platform"
)
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_child_computes_the_same(rng):
    kernel, x, params = small_network(rng)
    expected = kernel.forward(x, params)
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=_child, args=(sender, kernel, x, params))
    child.start()
    assert receiver.poll(30), "the child hangs"
    np.testing.assert_array_equal(receiver.recv(), expected)
    child.join(30)
    assert child.exitcode == 0


@pytest.mark.parametrize("n_samples", [8, 67])
def test_float32_work_takes_no_float64_memory(rng, n_samples, monkeypatch):
    """No buffer that a training step makes for itself, and no result of it, is of doubles."""
    kernel, x, params = small_network(rng, n_samples)
    made = []
    for name in ("empty", "zeros"):
        original = getattr(np, name)

        def watched(*args, original=original, **kwargs):
            array = original(*args, **kwargs)
            made.append(array.dtype)
            return array

        monkeypatch.setattr(np, name, watched)
    y, workspace = kernel.forward_training(x, params)
    gx, grads = kernel.backward(workspace, x, params, y, y, True)
    assert np.dtype("float64") not in made
    assert made
    assert {array.dtype for array in [gx, *grads]} == {np.dtype("float32")}
