"""How many threads are used. What concerns a whole process is tried in one of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import pytest
from threadpoolctl import threadpool_limits

import convnet_features
from convnet_features.kernels import threads

# The kernels need nothing else of the package, and it takes seconds to import.
KERNELS_ONLY = f"""
import sys, types
package = sys.modules["convnet_features"] = types.ModuleType("convnet_features")
package.__path__ = {list(convnet_features.__path__)!r}
"""
PROVIDER = """
import os, numpy as np
from convnet_features.kernels import threads
from convnet_features.kernels.registry import get_provider
provider = get_provider("onednn")
"""


@pytest.fixture(autouse=True)
def _default_afterwards():
    yield
    threads.set_num_threads(None)


def run(code, **environment):
    """What a fresh process prints; it has a minute."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name not in (threads.THREADS_VARIABLE, "OMP_NUM_THREADS")
    }
    done = subprocess.run(
        [sys.executable, "-c", KERNELS_ONLY + textwrap.dedent(code)],
        env={**inherited, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_set_and_get():
    threads.set_num_threads(3)
    assert threads.get_num_threads() == 3
    threads.set_num_threads(None)
    assert threads.get_num_threads() >= 1


@pytest.mark.parametrize("number", [0, -1, "two", 0.5])
def test_fewer_than_one_is_refused(number):
    with pytest.raises(ValueError, match="at least 1"):
        threads.set_num_threads(number)


@pytest.mark.parametrize("engine", ["portable", pytest.param("onednn", marks=pytest.mark.onednn)])
@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({threads.THREADS_VARIABLE: "3"}, "3"),
        ({"OMP_NUM_THREADS": "3"}, "3"),
        ({"OMP_NUM_THREADS": "3,2"}, "3"),
        ({threads.THREADS_VARIABLE: "1", "OMP_NUM_THREADS": "3"}, "1"),
    ],
)
def test_environment(engine, environment, expected):
    code = f"""
    from convnet_features.kernels import threads
    from convnet_features.kernels.registry import get_provider
    get_provider({engine!r})
    print(threads.get_num_threads())
    """
    assert run(code, **environment) == [expected]


def test_nonsense_in_the_environment_is_named(monkeypatch):
    monkeypatch.setenv(threads.THREADS_VARIABLE, "many")
    with pytest.raises(ValueError, match=r"CONVNET_FEATURES_NUM_THREADS.*'many'"):
        threads._find_default()


@pytest.mark.onednn
@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no CPU affinity here")
def test_affinity():
    code = """
    import os
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    """
    assert run(textwrap.dedent(code) + PROVIDER + "print(threads.get_num_threads())") == ["1"]


@pytest.mark.onednn
def test_threadpoolctl_limits(monkeypatch):
    code = (
        PROVIDER
        + """
from threadpoolctl import threadpool_limits
threads.set_num_threads(2)
with threadpool_limits(1):
    print(threads.get_num_threads())
print(threads.get_num_threads())
"""
    )
    assert run(code, OMP_NUM_THREADS="2") == ["1", "2"]


@pytest.mark.onednn
def test_library_loaded_under_a_limit_is_not_limited_for_ever():
    code = """
    from threadpoolctl import threadpool_limits
    from convnet_features.kernels import threads
    from convnet_features.kernels.registry import get_provider
    import sklearn.linear_model
    with threadpool_limits(1):
        get_provider("onednn")
    print(threads.get_num_threads())
    """
    assert run(code, OMP_NUM_THREADS="2") == ["2"]


def test_waits_are_short_unless_someone_said_otherwise(monkeypatch):
    for name in (threads.SPIN_VARIABLE, "OMP_WAIT_POLICY"):
        monkeypatch.delenv(name, raising=False)
    with threads.short_waits():
        assert os.environ[threads.SPIN_VARIABLE] == str(threads.SPINS)
    assert threads.SPIN_VARIABLE not in os.environ
    monkeypatch.setenv("OMP_WAIT_POLICY", "active")
    with threads.short_waits():
        assert threads.SPIN_VARIABLE not in os.environ


def test_limits_of_this_thread_are_put_back():
    pytest.importorskip("cffi")
    if threads._state.openmp is None:
        pytest.skip("oneDNN is not loaded")
    before = threads._state.openmp.omp_get_max_threads()
    with threads.openmp_threads(before + 1):
        assert threads._state.openmp.omp_get_max_threads() == before + 1
    assert threads._state.openmp.omp_get_max_threads() == before
    with threadpool_limits(1):
        assert threads.get_num_threads() == 1


FORKED_WORK = """
a, b = np.ones((257, 300), "float32"), np.ones((300, 311), "float32")
def work():
    assert (provider.dot(a, b) == 300).all()
    return threads.get_num_threads()
def in_child():
    child = os.fork()
    if not child:
        status = 1
        try:
            print(work(), flush=True)
            status = 0
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
"""


@pytest.mark.onednn
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
class TestFork:
    def test_child_of_a_threaded_process_uses_one_thread(self):
        code = PROVIDER + FORKED_WORK + "work(); assert in_child() == 0; print(work())"
        assert run(code, OMP_NUM_THREADS="2") == ["1", "2"]

    def test_grandchild(self):
        code = PROVIDER + FORKED_WORK
        code += "work()\nif not (child := os.fork()): os._exit(in_child())\n"
        code += "assert os.waitpid(child, 0)[1] == 0"
        assert run(code, OMP_NUM_THREADS="2") == ["1"]

    def test_child_may_have_threads_where_the_parent_had_none(self):
        code = PROVIDER + FORKED_WORK + "assert in_child() == 0"
        assert run(code, OMP_NUM_THREADS="2") == ["2"]

    def test_a_stack_in_the_child(self):
        code = (
            PROVIDER
            + FORKED_WORK
            + """
from convnet_features.kernels.contract import *
kernel = provider.stack((ConvStage(Conv2DSpec(), activation="rectify"),
                         PoolStage(Pool2DSpec((2, 2), (2, 2))), DenseStage()))
x = np.ones((256, 1, 28, 28), "float32")
params = [np.ones(shape, "float32") for shape in [(8, 1, 5, 5), (8,), (1152, 30), (30,)]]
def work():
    y, workspace = kernel.forward_training(x, params)
    kernel.backward(workspace, x, params, y, y, True)
    return threads.get_num_threads()
work(); assert in_child() == 0
"""
        )
        assert run(code, OMP_NUM_THREADS="2") == ["1"]
