"""Sections that the collector keeps out of."""

from __future__ import annotations

import gc
import os
import threading
import time

import pytest

from convnet_features import garbage
from convnet_features.garbage import no_collections
from convnet_features.network import functions


@pytest.fixture(autouse=True)
def collector():
    assert gc.isenabled()
    yield
    gc.enable()


def test_it_is_back_afterwards_also_after_an_error():
    with no_collections():
        assert not gc.isenabled()
    assert gc.isenabled()
    with pytest.raises(KeyError), no_collections():
        raise KeyError
    assert gc.isenabled()


def test_whoever_turned_it_off_keeps_it_off():
    gc.disable()
    with no_collections():
        pass
    assert not gc.isenabled()


def test_the_last_to_leave_lets_it_run():
    with no_collections():
        with no_collections():
            pass
        assert not gc.isenabled()
    assert gc.isenabled()


def test_threads_whose_sections_overlap():
    inside, leave = threading.Event(), threading.Event()

    def work():
        with no_collections():
            inside.set()
            leave.wait(60)

    thread = threading.Thread(target=work)
    with no_collections():
        thread.start()
        assert inside.wait(60)
    assert not gc.isenabled()
    leave.set()
    thread.join()
    assert gc.isenabled()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_child_has_a_collector():
    with no_collections():
        child = os.fork()
        if not child:
            os._exit(0 if gc.isenabled() else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert gc.isenabled()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # CPython's: of threads and forks
def test_a_child_has_a_collector_that_was_being_turned_off(monkeypatch):
    turning_off = threading.Event()

    class SlowCollector:
        isenabled, enable = staticmethod(gc.isenabled), staticmethod(gc.enable)

        def disable(self):
            gc.disable()
            turning_off.set()
            time.sleep(0.1)

    def work():
        with no_collections():
            pass

    monkeypatch.setattr(garbage, "gc", SlowCollector())
    thread = threading.Thread(target=work)
    thread.start()
    assert turning_off.wait(60)
    child = os.fork()
    if not child:
        os._exit(0 if gc.isenabled() else 1)
    thread.join()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_programs_are_made_without_it():
    assert functions.cached_program(None, gc.isenabled) is False
    assert gc.isenabled()
