"""BLAS has memory to work in, or somebody hears that it has not."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from convnet_features.kernels.portable import PortableKernels, blas_memory
from convnet_features.kernels.portable.blas_memory import _buffers, _store

needs_openblas = pytest.mark.skipif(_store() is None, reason="NumPy's BLAS is not OpenBLAS")


def n_users():
    return _buffers._n_users


@needs_openblas
def test_a_buffer_for_each_thread_at_a_time():
    barrier = threading.Barrier(5)
    seen = []

    def use(_):
        with blas_memory.memory_for_blas():
            barrier.wait()
            seen.append((n_users(), len(_buffers._known)))
            barrier.wait()

    with ThreadPoolExecutor(5) as pool:
        list(pool.map(use, range(5)))
    assert {number for number, _ in seen} == {5}
    assert min(known for _, known in seen) >= 5
    assert n_users() == 0


def test_a_thread_counts_once():
    with blas_memory.memory_for_blas():
        with blas_memory.memory_for_blas():
            assert n_users() == 1
        assert n_users() == 1
        PortableKernels().dot(np.ones((2, 3)), np.ones((3, 2)))
        assert n_users() == 1
    assert n_users() == 0


def test_no_memory_is_said_before_blas_is_called(monkeypatch):
    def nothing(*args):
        raise MemoryError

    monkeypatch.setattr(blas_memory.np, "empty", nothing)
    with pytest.raises(MemoryError, match=r"need \d+ MiB .* free memory"):
        PortableKernels().dot(np.ones((2, 3)), np.ones((3, 2)))
    monkeypatch.undo()
    assert n_users() == 0
    np.testing.assert_array_equal(PortableKernels().dot(np.ones((2, 3)), np.ones((3, 2))), 3)


#: A process without memory for another buffer, where OpenBLAS would have ended it.
LIMITED = """
import resource, sys, threading
import numpy as np
from convnet_features.kernels.contract import DenseStage, StageGraph
from convnet_features.kernels.portable import PortableKernels, blas_memory, threads

if sys.argv[1] == "one":  # this thread has a buffer, and another would need one
    with blas_memory.memory_for_blas():
        pass
kernels = PortableKernels()
x, w = np.ones((256, 900), np.float32), np.ones((900, 300), np.float32)
graph = kernels.graph(StageGraph.chain([DenseStage(False, "linear")]))
threads.blas_libraries()
held = int(open("/proc/self/status").read().split("VmData:")[1].split()[0]) << 10
resource.setrlimit(resource.RLIMIT_DATA, (held + (16 << 20), resource.RLIM_INFINITY))
outcomes = []
for call in (lambda: kernels.dot(x, w), lambda: graph.forward([x], [w])[0]):
    try:
        outcomes.append(bool((call() == 900).all()))
    except MemoryError as error:
        outcomes.append(type(error).__name__)
resource.setrlimit(resource.RLIMIT_DATA, (resource.RLIM_INFINITY,) * 2)
outcomes += [bool((call() == 900).all()) for call in (lambda: kernels.dot(x, w), lambda: graph.forward([x], [w])[0])]
print(outcomes)
"""


@needs_openblas
@pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_DATA is Linux's")
@pytest.mark.parametrize(
    ("buffers", "outcomes"),
    [
        ("none", ["MemoryError", "MemoryError", True, True]),
        ("one", [True, True, True, True]),
    ],
)
def test_a_process_that_may_take_no_more(buffers, outcomes):
    # With all that the package imports: what it frees is there for what a limit would refuse.
    result = subprocess.run(
        [sys.executable, "-c", LIMITED, buffers], capture_output=True, text=True, timeout=120
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == str(outcomes)


@needs_openblas
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_child_counts_from_the_beginning():
    """What other threads of its parent used at the time is lost to it."""
    inside, leave = threading.Event(), threading.Event()

    def use():
        with blas_memory.memory_for_blas():
            inside.set()
            leave.wait(30)

    user = threading.Thread(target=use)
    user.start()
    inside.wait(30)
    child = os.fork()
    if child == 0:
        right = n_users() == 0 and not _buffers._known
        right &= bool(
            (PortableKernels().dot(np.ones((200, 200)), np.ones((200, 200))) == 200).all()
        )
        os._exit(0 if right and len(_buffers._known) == 1 else 1)
    leave.set()
    user.join()
    assert os.waitpid(child, 0)[1] == 0
