"""After a fit, every way to another process works: nothing hangs, and answers are right."""

from __future__ import annotations

import http.client
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import joblib
import numpy as np
import pytest

from convnet_features import ConvNetClassifier
from convnet_features.kernels.contract import Conv2DSpec, ConvStage, Pool2DSpec, PoolStage
from convnet_features.kernels.jit.compiler import CompiledModule
from convnet_features.kernels.onednn.plan import thresholds
from convnet_features.kernels.registry import get_kernels
from convnet_features.network.functions import clear_programs

from ..stages import chain
from . import counts

#: CPython warns of every fork beside threads; that it works here is what these tests show.
pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here"),
    pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning"),
]
#: Seconds after which a child counts as hanging.
PATIENCE = 60


@pytest.fixture(params=["portable", "onednn"])
def engine(request, engines):
    if request.param not in engines:
        pytest.skip(f"{request.param} is not on this machine")
    return request.param


@pytest.fixture
def X(rng):
    return rng.random((300, 1, 12, 12), dtype="float32")


@pytest.fixture
def fitted(engine, X):
    network = ConvNetClassifier(engine=engine, max_epochs=1, random_state=0)
    return network.fit(X, np.arange(len(X)) % 3)


def forked(work):
    """The exit status of a forked child that runs `work`; it is killed if it hangs."""
    child = os.fork()
    if child == 0:
        status = 3
        try:
            status = 0 if work() else 1
        except BaseException:
            sys.excepthook(*sys.exc_info())
        finally:
            os._exit(status)
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return "hangs"


def test_fork(fitted, X, effort):
    expected = fitted.transform(X)

    def work():
        again = ConvNetClassifier(engine=fitted.engine, max_epochs=1, random_state=0)
        again.fit(X[:60], np.arange(60) % 3)
        return np.allclose(fitted.transform(X), expected, atol=1e-5)

    for _ in range(2 * effort):
        assert forked(work) == 0
    np.testing.assert_array_equal(fitted.transform(X), expected)
    counts.add("forks after a fit", 2 * effort)


def test_fork_beside_busy_threads(fitted, X, effort):
    """Threads compile, train and transform at whatever moment the fork comes."""
    expected = fitted.transform(X)
    over = threading.Event()
    errors = []

    def busy(seed):
        while not over.is_set():
            try:
                clear_programs()
                network = ConvNetClassifier(engine=fitted.engine, max_epochs=1, random_state=seed)
                network.fit(X[:20], np.arange(20) % 2)
                fitted.transform(X[:50])
            except BaseException as error:
                errors.append(error)

    threads = [threading.Thread(target=busy, args=(seed,)) for seed in range(3)]
    for thread in threads:
        thread.start()

    def work():
        clear_programs()
        network = ConvNetClassifier(engine=fitted.engine, max_epochs=1, random_state=0)
        network.fit(X[:20], np.arange(20) % 2)
        return np.allclose(fitted.transform(X), expected, atol=1e-5)

    try:
        statuses = [forked(work) for _ in range(3 * effort)]
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert statuses == [0] * (3 * effort)
    assert errors == []
    counts.add("forks beside threads that train", 3 * effort)


@pytest.fixture
def generated(engines, monkeypatch, rng):
    """A training step whose gradients come from generated code."""
    if "onednn" not in engines:
        pytest.skip("onednn is not on this machine")
    monkeypatch.setattr(thresholds, "WORTH_GENERATING", 0)
    stages = (ConvStage(Conv2DSpec(), False), PoolStage(Pool2DSpec((2, 2), (2, 2))))
    kernel = chain(get_kernels("onednn"), stages)
    x, w = (rng.standard_normal(s, np.float32) for s in ((64, 24, 24, 24), (24, 24, 3, 3)))
    gy = rng.standard_normal((64, 24, 11, 11), np.float32)

    def step():
        y, workspace = kernel.forward_training(x, [w])
        gx, (gw,) = kernel.backward(workspace, x, [w], y, gy, True)
        return gx, gw

    steps = kernel.explain(x, [w], training=True, input_grads=(True,))
    if all(each.kernel == "oneDNN" for each in steps):
        pytest.skip("no code is generated here")
    yield step
    get_kernels("onednn").clear_caches()


def test_fork_after_generated_code_has_run(generated, effort):
    step = generated
    expected = step()
    for forget in (False, True):

        def work(forget=forget):
            if forget:
                get_kernels("onednn").clear_caches()
            return all(map(np.array_equal, step(), expected))

        for _ in range(effort):
            assert forked(work) == 0
    for actual, same in zip(step(), expected, strict=True):
        np.testing.assert_array_equal(actual, same)
    counts.add("forks after generated code", 2 * effort)


def test_fork_beside_threads_that_generate_code(effort):
    """LLVM is entered to compile and to give memory back: a child finds it free of both."""
    functions = [
        f"define float @f{k}(float %a) {{\n  %b = fmul float %a, {float(k)}\n  ret float %b\n}}"
        for k in range(60)
    ]
    over = threading.Event()
    modules = []

    def compile_modules():
        while not over.is_set():
            modules.append(CompiledModule("\n".join(functions)))
            # A lock that is let go for no time at all is seldom got by another thread.
            time.sleep(0.001)

    def drop_modules():
        while not over.is_set():
            modules.clear()
            time.sleep(0.0001)

    threads = [threading.Thread(target=each) for each in (compile_modules, drop_modules)]
    for thread in threads:
        thread.start()
    try:
        statuses = [
            forked(lambda: CompiledModule(functions[7]).address("f7") != 0)
            for _ in range(10 * effort)
        ]
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert statuses == [0] * (10 * effort)
    counts.add("forks beside threads that generate code", 10 * effort)


def _transform(network, X):
    return network.transform(X)


# A process that is started anew imports the package for seconds; oneDNN's is the harder case.
@pytest.mark.parametrize(
    ("engine", "method"),
    [
        pytest.param(engine, method, marks=pytest.mark.slow if is_slow else ())
        for engine in ("portable", "onednn")
        for method in multiprocessing.get_all_start_methods()
        for is_slow in [engine == "portable" and method == "spawn"]
    ],
    indirect=["engine"],
)
def test_multiprocessing(method, fitted, X):
    expected = fitted.transform(X)
    context = multiprocessing.get_context(method)
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        results = [pool.submit(_transform, fitted, X) for _ in range(4)]
        for result in results:
            np.testing.assert_allclose(result.result(PATIENCE), expected, atol=1e-5)
    counts.add("children of multiprocessing", 2)


@pytest.mark.parametrize("backend", ["loky", "threading", "multiprocessing"])
def test_joblib(backend, fitted, X):
    expected = fitted.transform(X)
    results = joblib.Parallel(2, backend=backend, timeout=PATIENCE)(
        joblib.delayed(_transform)(fitted, X) for _ in range(4)
    )
    for result in results:
        np.testing.assert_allclose(result, expected, atol=1e-5)
    counts.add("tasks of joblib", 4)


class PreforkingServer:
    """The shape of gunicorn and uWSGI: load the model, listen, fork, and let children accept."""

    def __init__(self, answer, n_children):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.address = self.socket.getsockname()
        self.children = []
        for _ in range(n_children):
            child = os.fork()
            if child == 0:
                try:
                    self._serve(answer)
                finally:
                    os._exit(1)
            self.children.append(child)

    def _serve(self, answer):
        while True:
            connection, _ = self.socket.accept()
            with connection, connection.makefile("rwb") as stream:
                length = 0
                while line := stream.readline().strip():
                    if line.lower().startswith(b"content-length:"):
                        length = int(line.split(b":")[1])
                body = answer(stream.read(length))
                stream.write(b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

    def close(self):
        for child in self.children:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        self.socket.close()


def test_a_preforking_server(fitted, X, effort):
    expected = fitted.transform(X)
    image = X[0].nbytes

    def answer(body):
        images = np.frombuffer(body, np.float32).reshape(-1, *X.shape[1:])
        return fitted.transform(images).tobytes()

    def ask(rows):
        connection = http.client.HTTPConnection(*server.address, timeout=PATIENCE)
        connection.request("POST", "/", X[rows].tobytes())
        body = connection.getresponse().read()
        connection.close()
        return np.frombuffer(body, np.float32).reshape(-1, expected.shape[1])

    assert image == 12 * 12 * 4
    server = PreforkingServer(answer, 3)
    try:
        for start in range(20 * effort):
            rows = slice(start % 200, start % 200 + 1 + start % 40)
            np.testing.assert_allclose(ask(rows), expected[rows], atol=1e-5)
    finally:
        server.close()
    counts.add("requests to a preforking server", 20 * effort)


@pytest.mark.slow
def test_forks_beside_first_fits(effort):
    """First fits happen once in a process, so each of several processes forks some children."""
    for _ in range(max(1, effort // 2)):
        done = subprocess.run(
            [sys.executable, Path(__file__).with_name("first_fits.py"), "25"],
            capture_output=True,
            text=True,
            timeout=600,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        assert done.returncode == 0, done.stderr
        counts.add("forks beside first fits", int(done.stdout))
