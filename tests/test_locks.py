"""Locks and forks."""

from __future__ import annotations

import os
import threading

import pytest

from convnet_features.locks import new_lock

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")


def in_child(work):
    """Whether `work` gives True in a forked child."""
    child = os.fork()
    if child == 0:
        try:
            os._exit(0 if work() else 1)
        finally:
            os._exit(2)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
@pytest.mark.parametrize("make", [new_lock, threading.RLock])
def test_a_child_finds_it_free(make):
    """A plain lock, which another thread holds at the fork, shows what would happen."""
    lock, held, done = make(), threading.Event(), threading.Event()

    def hold():
        with lock:
            held.set()
            done.wait(20)

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(20)
    try:
        free = in_child(lambda: lock.acquire(timeout=0.2))
    finally:
        done.set()
        holder.join()
    assert free == (make is new_lock)
    assert lock.acquire(timeout=5)


def test_its_holder_may_take_it_again():
    with (lock := new_lock()), lock:
        answers = []
        other = threading.Thread(target=lambda: answers.append(lock.acquire(blocking=False)))
        other.start()
        other.join()
    assert answers == [False]
