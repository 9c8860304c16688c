"""New memory, and the mode that fills it with NaN."""

from __future__ import annotations

import os

import numpy as np
import pytest

from convnet_features.kernels import memory
from convnet_features.kernels.onednn.program.buffers import BufferPool
from convnet_features.kernels.portable.scratch import borrowed

from .processes import run_kernels


@pytest.fixture
def debugging(monkeypatch):
    monkeypatch.setenv(memory.DEBUG_VARIABLE, "nan")
    memory._is_debugging.cache_clear()
    yield
    memory._is_debugging.cache_clear()


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "complex64"])
def test_floating_numbers_are_not_numbers(debugging, dtype):
    assert np.isnan(memory.empty((2, 3), dtype)).all()
    turned = np.zeros((2, 3), dtype).T
    assert np.isnan(memory.empty_like(turned)).all()
    assert memory.empty_like(turned).strides == turned.strides


@pytest.mark.parametrize("dtype", ["uint8", "int32", "int64", "uint64"])
def test_integers_are_all_ones(debugging, dtype):
    assert (memory.empty(5, dtype).view(np.uint8) == 0xFF).all()


@pytest.mark.parametrize("mode", [None, ""])
def test_what_is_there_stays_without_it(monkeypatch, mode):
    if mode is None:
        monkeypatch.delenv(memory.DEBUG_VARIABLE, raising=False)
    else:
        monkeypatch.setenv(memory.DEBUG_VARIABLE, mode)
    memory._is_debugging.cache_clear()
    array = np.arange(3.0)
    assert memory.spoilt(array) is array
    np.testing.assert_array_equal(array, [0, 1, 2])
    memory._is_debugging.cache_clear()


def test_float32_unless_told_otherwise():
    assert memory.empty((2, 3)).dtype == np.float32
    assert memory.empty((2, 3)).shape == (2, 3)


def test_another_mode_is_refused():
    code = "from convnet_features.kernels.memory import empty; empty(3)"
    done = run_kernels(code, environment={**os.environ, memory.DEBUG_VARIABLE: "zeros"})
    assert (
        "ValueError: CONVNET_FEATURES_DEBUG must be 'nan', or not set; got 'zeros'" in done.stderr
    )


def test_a_buffer_is_filled_each_time_it_is_lent(debugging):
    pool = BufferPool()
    for _ in range(2):
        buffer = pool.lend(100_000)
        assert np.isnan(buffer._memory[:100_000].view(np.float32)).all()
        buffer._memory.fill(0)
        pool.take_back(buffer)


def test_scratch_is_filled_each_time_it_is_lent(debugging):
    for _ in range(2):
        with borrowed((10, 10), np.dtype(np.float32)) as scratch:
            assert np.isnan(scratch).all()
            scratch.fill(0)


class TestRequired:
    def test_what_the_system_gives_is_no_error(self):
        memory.require(1 << 20, "A test")

    def test_what_it_does_not_give_is(self):
        text = r"^A test needs up to \d+ MiB of memory, and the system gives no more$"
        with pytest.raises(MemoryError, match=text):
            memory.require(1 << 60, "A test")
