"""Where the values of a program lie."""

from __future__ import annotations

import pytest

from convnet_features.kernels.onednn.program.storage import Storage, place

pytestmark = pytest.mark.onednn


def test_storages_in_use_together_do_not_overlap(rng):
    storages = []
    for _ in range(60):
        storage = Storage("temporary", int(rng.integers(1, 5000)))
        storage.first_step, storage.last_step = sorted(rng.integers(0, 20, 2).tolist())
        storages.append(storage)
    total = place(storages)
    for one in storages:
        assert one.offset % 64 == 0
        assert one.offset + one.size <= total
        for other in storages:
            together = one.first_step <= other.last_step and other.first_step <= one.last_step
            apart = one.offset + one.size <= other.offset or other.offset + other.size <= one.offset
            assert one is other or apart or not together
    assert total < sum(storage.size for storage in storages)
