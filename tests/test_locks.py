"""Locks and forks."""

from __future__ import annotations

import importlib
import os
import sys
import threading
import time

import pytest

from convnet_features.locks import ForkGate, import_whole, lazy_attribute, new_lock, wait_at_fork

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


def test_a_fork_waits_for_a_lock_that_is_not_ours():
    lock, held = threading.Lock(), threading.Event()
    wait_at_fork(lock)

    def hold():
        with lock:
            held.set()
            time.sleep(0.3)

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(20)
    assert in_child(lambda: lock.acquire(timeout=0.2))
    holder.join()
    assert lock.acquire(timeout=5)
    lock.release()


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_fork_waits_until_a_gate_is_empty():
    gate, inside, left = ForkGate(), threading.Barrier(3), []
    wait_at_fork(gate)

    def pass_through(seconds):
        with gate:
            inside.wait(20)  # both at a time
            time.sleep(seconds)
            left.append(seconds)

    others = [threading.Thread(target=pass_through, args=(seconds,)) for seconds in (0.1, 0.3)]
    for other in others:
        other.start()
    inside.wait(20)
    assert in_child(lambda: len(left) == 2 and gate._n_inside == 0)
    for other in others:
        other.join()
    with gate:  # open again
        assert gate._n_inside == 1


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_child_finds_a_module_whole_or_not_at_all(tmp_path, monkeypatch):
    (tmp_path / "slow_to_import.py").write_text("import time\ntime.sleep(0.5)\nready = True\n")
    monkeypatch.syspath_prepend(tmp_path)
    importer = threading.Thread(target=import_whole, args=("slow_to_import",))
    importer.start()
    time.sleep(0.1)
    try:
        assert in_child(lambda: importlib.import_module("slow_to_import").ready)
    finally:
        importer.join()
        sys.modules.pop("slow_to_import", None)


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_what_is_to_be_waited_for_is_not_added_during_a_fork():
    """The fork waits for `slow`, so it has begun when `late` is to be added, and held by it."""
    slow, late, held = threading.Lock(), threading.Lock(), threading.Event()
    wait_at_fork(slow)

    def hold():
        with slow:
            held.set()
            time.sleep(0.5)

    def add():
        time.sleep(0.2)
        wait_at_fork(late)
        with late:
            time.sleep(1)

    holder, adder = threading.Thread(target=hold), threading.Thread(target=add)
    holder.start()
    held.wait(20)
    adder.start()
    assert in_child(lambda: late.acquire(timeout=0.2))
    holder.join()
    adder.join()


def test_a_lazy_attribute_is_computed_once():
    class Counted:
        calls = 0

        @lazy_attribute
        def answer(self):
            """What was asked for."""
            self.calls += 1
            return 42

    one, other = Counted(), Counted()
    assert (one.answer, one.answer, one.calls, other.calls) == (42, 42, 1, 0)
    assert Counted.answer.__doc__ == "What was asked for."
