"""Scratch memory that is lent and taken back."""

from __future__ import annotations

import pytest

from convnet_features.kernels.onednn.program.buffers import BufferPool

pytestmark = pytest.mark.onednn


def test_pool_lends_again_and_keeps_a_bound():
    pool = BufferPool(idle_bytes=300_000)
    buffer = pool.lend(100_000)
    assert buffer.address % 64 == 0
    pool.take_back(buffer)
    assert pool.lend(90_000) is buffer
    assert pool.lend(90_000) is not buffer
    for size in (100_000, 200_000, 250_000):
        pool.take_back(pool.lend(size))
    assert pool.idle_bytes <= 300_000
    pool.clear()
    assert pool.idle_bytes == 0


def test_small_requests_do_not_take_large_buffers():
    pool = BufferPool()
    large = pool.lend(10_000_000)
    pool.take_back(large)
    assert pool.lend(70_000) is not large


def test_requests_that_grow_by_and_by_share_buffers():
    pool, lent = BufferPool(), set()
    for size in range(1_000_000, 1_200_000, 1000):
        buffer = pool.lend(size)
        assert size <= buffer.size <= size * 9 / 8
        lent.add(buffer)
        pool.take_back(buffer)
    assert len(lent) <= 3
