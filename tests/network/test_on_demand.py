"""Batches that are made before they are needed."""

from __future__ import annotations

import threading
import time

from convnet_features.network.on_demand import one_ahead


def _workers():
    return [t for t in threading.enumerate() if t.name.startswith("convnet_features")]


class TestOneAhead:
    def test_in_order(self):
        assert list(one_ahead(lambda number: number * 2, 5)) == [0, 2, 4, 6, 8]

    def test_nothing(self):
        assert list(one_ahead(lambda number: number, 0)) == []

    def test_never_more_than_one(self):
        made = []

        def load(number):
            made.append(number)
            return number

        for number in one_ahead(load, 6):
            time.sleep(0.01)
            assert len(made) <= number + 2
        assert made == list(range(6))

    def test_beside_the_callers_work(self):
        """The next one is begun while the caller is still busy with this one."""
        begun = [threading.Event() for _ in range(5)]

        def load(number):
            begun[number].set()
            return number

        for number in one_ahead(load, 5):
            assert all(event.wait(timeout=30) for event in begun[: number + 2])

    def test_the_thread_ends_with_the_loop(self):
        coming = one_ahead(lambda number: number, 100)
        next(coming)
        assert _workers()
        coming.close()
        assert not _workers()
