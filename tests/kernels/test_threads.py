"""How many threads are used. What concerns a whole process is tried in one of its own."""

from __future__ import annotations

import functools
import os
import textwrap

import pytest
from threadpoolctl import threadpool_limits

from convnet_features.kernels import threads
from convnet_features.kernels.memory import DEBUG_VARIABLE

from .processes import run_kernels

KERNELS = """
import os, numpy as np
from convnet_features.kernels import threads
from convnet_features.kernels.registry import get_kernels
kernels = get_kernels("onednn")
"""


@pytest.fixture(autouse=True)
def _default_afterwards():
    yield
    threads.set_num_threads(None)


def run(code, **environment):
    """What a fresh process prints."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name != threads.THREADS_VARIABLE and not name.startswith("OMP_")
    }
    done = run_kernels(code, environment={**inherited, **environment})
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
    from convnet_features.kernels.registry import get_kernels
    get_kernels({engine!r})
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
    assert run(textwrap.dedent(code) + KERNELS + "print(threads.get_num_threads())") == ["1"]


@pytest.mark.onednn
def test_threadpoolctl_limits(monkeypatch):
    code = (
        KERNELS
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
    from convnet_features.kernels.registry import get_kernels
    import sklearn.linear_model
    with threadpool_limits(1):
        get_kernels("onednn")
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


#: Everything that OpenMP's threads compute, by oneDNN and by our own code, large enough to be
#: divided between them; what must not depend on the team is printed.
WORK = (
    KERNELS
    + """
import ctypes, hashlib
from convnet_features.kernels.contract import *
openmp = ctypes.CDLL("libgomp.so.1")
seed = (ConvStage(Conv2DSpec(), activation="rectify"), PoolStage(Pool2DSpec((2, 2), (2, 2))),
        ConvStage(Conv2DSpec(), bias=False), NormStage(1e-4), PoolStage(Pool2DSpec((2, 2), (2, 2))),
        ConvStage(Conv2DSpec(padding=((1, 1), (1, 1))), activation="rectify"),
        ConvStage(Conv2DSpec(padding=((1, 1), (1, 1))), activation="tanh"), DenseStage())
shapes = [(32, 1, 5, 5), (32,), (32, 32, 5, 5), (32,), (32,), (32, 32, 3, 3), (32,),
          (48, 32, 3, 3), (48,), (768, 100), (100,)]
random = np.random.default_rng(0)
def numbers(*shape):
    return random.standard_normal(shape).astype("float32") / 4
x, params = numbers(64, 1, 28, 28), [numbers(*shape) for shape in shapes]
images, filters, a, b = (numbers(*shape) for shape in
    [(64, 16, 30, 30), (40, 16, 3, 3), (700, 300), (300, 511)])
def chain(kernels, stages):
    return kernels.graph(StageGraph.chain(stages))
def forwards(kernels):
    (y,), workspace = (kernel := chain(kernels, seed)).forward_training((x,), params)
    return kernel, y, workspace
def backwards(kernel, y, workspace):
    (gx,), gradients = kernel.backward(workspace, (x,), params, (y,), (np.ones_like(y),), (True,))
    return [y, gx, *gradients, *kernel.statistics(workspace)]
def work(kernels=kernels):
    results = backwards(*forwards(kernels))
    kernel = chain(kernels, seed[:3] + seed[4:])
    fewer = params[:3] + params[5:]
    results += [*kernel.forward((x,), fewer), *kernel.prepare(fewer)((x,))]
    kernel = kernels.conv2d(Conv2DSpec())
    results.append(y := kernel.forward(images, filters))
    results += [kernel.grad_input(images.shape, filters, y),
                kernel.grad_weights(images, filters.shape, y)]
    kernel = kernels.pool2d(Pool2DSpec((2, 2), (2, 2)))
    large = np.tile(images, (14, 1, 1, 1))
    results += [y := kernel.forward(large), kernel.grad(large, y)]
    results += [kernels.dot(a, b), kernels.softmax(np.tile(a, (10, 1)))]
    return results
def digest(results):
    return hashlib.sha256(b"".join(map(np.ascontiguousarray, results))).hexdigest()
def check(results, work=work):
    for mine, other in zip(results, work(get_kernels("portable")), strict=False):
        np.testing.assert_allclose(mine, other, rtol=1e-3, atol=1e-4 * np.abs(other).max())
"""
)

#: What OpenMP is told, in the environment and by another library; the threads that it then gives.
FEWER_THREADS = {
    "a limit of one": ({"OMP_THREAD_LIMIT": "1"}, "", 1),
    "a limit of some": ({"OMP_NUM_THREADS": "8", "OMP_THREAD_LIMIT": "4"}, "", 4),
    "no levels": ({"OMP_NUM_THREADS": "2", "OMP_MAX_ACTIVE_LEVELS": "0"}, "", 1),
    "as it likes": ({"OMP_NUM_THREADS": "2", "OMP_DYNAMIC": "true"}, "", 2),
    "as it likes, below a limit": (
        {"OMP_NUM_THREADS": "8", "OMP_THREAD_LIMIT": "3", "OMP_DYNAMIC": "true"},
        "",
        3,
    ),
    "as it likes, nested": (
        {"OMP_NUM_THREADS": "2,1", "OMP_NESTED": "true", "OMP_DYNAMIC": "true"},
        "",
        2,
    ),
    "as a library likes": ({"OMP_NUM_THREADS": "2"}, "openmp.omp_set_dynamic(1)", 2),
    "no levels for a library": (
        {"OMP_NUM_THREADS": "2"},
        "openmp.omp_set_max_active_levels(0)",
        1,
    ),
}


#: One setting that leaves one thread, and two that leave several; each takes seconds.
QUICK = {"a limit of some", "no levels", "as it likes"}


@functools.cache
def bits_of(number):
    """What `WORK` gives, and rightly, where so many threads are asked for and got."""
    code = WORK + "results = work()\ncheck(results)\nprint(digest(results))"
    (digest,) = run(code, OMP_NUM_THREADS=str(number))
    return digest


@pytest.mark.onednn
@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in FEWER_THREADS],
)
def test_fewer_threads_than_asked_for(name):
    """All is computed, by the threads that there are, and with their number's bits."""
    environment, call, number = FEWER_THREADS[name]
    code = WORK + call + "\ndone = digest(work())\n"
    code += "print(threads.get_num_threads(), done, openmp.omp_get_dynamic())"
    granted, digest, dynamic = run(code, **environment, **{DEBUG_VARIABLE: "nan"})
    assert granted == str(number)
    assert digest == bits_of(number)
    # Whoever asked for it has it back.
    assert dynamic == str(int("likes" in name))


@pytest.mark.onednn
def test_the_team_is_counted():
    code = KERNELS + "print(threads.team(3), threads.team(1))"
    assert run(code, OMP_NUM_THREADS="8") == ["3", "1"]
    assert run(code, OMP_NUM_THREADS="8", OMP_THREAD_LIMIT="2") == ["2", "1"]
    assert run(code, OMP_MAX_ACTIVE_LEVELS="0") == ["1", "1"]


@pytest.mark.onednn
def test_fewer_threads_backwards_than_forwards():
    code = WORK + "state = forwards(kernels)\nopenmp.omp_set_max_active_levels(0)\n"
    code += "check(backwards(*state))"
    run(code, OMP_NUM_THREADS="2", **{DEBUG_VARIABLE: "nan"})


@pytest.mark.onednn
@pytest.mark.parametrize("nested", [pytest.param("0", marks=pytest.mark.slow), "1"])
def test_inside_a_region_of_somebody_else(nested):
    """Each of its threads computes all, alone."""
    code = (
        WORK
        + """
digests = []
@ctypes.CFUNCTYPE(None, ctypes.c_void_p)
def body(_):
    try:
        assert threads.get_num_threads() == 1
        digests.append(digest(work()))
    except BaseException as error:
        digests.append(repr(error))
openmp.GOMP_parallel(body, None, 3, 0)
print(*digests, threads.get_num_threads())
"""
    )
    *digests, number = run(
        code,
        OMP_NUM_THREADS="2",
        OMP_MAX_ACTIVE_LEVELS=str(1 + int(nested)),
        **{DEBUG_VARIABLE: "nan"},
    )
    assert digests == [bits_of(1)] * 3
    assert number == "2"


FORKED_WORK = """
a, b = np.ones((257, 300), "float32"), np.ones((300, 311), "float32")
def work():
    assert (kernels.dot(a, b) == 300).all()
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
        code = KERNELS + FORKED_WORK + "work(); assert in_child() == 0; print(work())"
        assert run(code, OMP_NUM_THREADS="2") == ["1", "2"]

    def test_grandchild(self):
        code = KERNELS + FORKED_WORK
        code += "work()\nif not (child := os.fork()): os._exit(in_child())\n"
        code += "assert os.waitpid(child, 0)[1] == 0"
        assert run(code, OMP_NUM_THREADS="2") == ["1"]

    def test_child_may_have_threads_where_the_parent_had_none(self):
        code = KERNELS + FORKED_WORK + "assert in_child() == 0"
        assert run(code, OMP_NUM_THREADS="2") == ["2"]

    def test_a_graph_in_the_child(self):
        code = (
            KERNELS
            + FORKED_WORK
            + """
from convnet_features.kernels.contract import *
stages = (ConvStage(Conv2DSpec(), activation="rectify"), PoolStage(Pool2DSpec((2, 2), (2, 2))),
          DenseStage())
kernel = kernels.graph(StageGraph.chain(stages))
x = np.ones((256, 1, 28, 28), "float32")
params = [np.ones(shape, "float32") for shape in [(8, 1, 5, 5), (8,), (1152, 30), (30,)]]
def work():
    ys, workspace = kernel.forward_training((x,), params)
    kernel.backward(workspace, (x,), params, ys, ys, (True,))
    return threads.get_num_threads()
work(); assert in_child() == 0
"""
        )
        assert run(code, OMP_NUM_THREADS="2") == ["1"]

    def test_what_the_parent_began(self):
        """Forwards with the parent's threads, backwards in the child, which has lost them."""
        forked = FORKED_WORK.partition("def work")[2].partition("def in_child")[2]
        code = WORK + "state = forwards(kernels)\n"
        code += "def work():\n    check(backwards(*state))\n    return threads.get_num_threads()\n"
        code += "def in_child" + forked + "assert in_child() == 0"
        assert run(code, OMP_NUM_THREADS="2") == ["1"]
