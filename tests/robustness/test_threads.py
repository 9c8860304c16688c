"""Sixteen threads on one estimator each get what they would get alone, to the bit."""

from __future__ import annotations

import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from convnet_features import ConvNetClassifier
from convnet_features.network.functions import clear_programs

from . import counts

N_THREADS = 16


@pytest.fixture(params=["portable", "onednn"])
def engine(request, engines):
    if request.param not in engines:
        pytest.skip(f"{request.param} is not on this machine")
    return request.param


@pytest.fixture
def hasty():
    """Threads take turns a hundred times as often as usual."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(5e-5)
    yield
    sys.setswitchinterval(before)


def test_sixteen_threads(engine, rng, effort, hasty):
    X = rng.random((64, 1, 12, 12), dtype="float32")
    network = ConvNetClassifier(engine=engine, max_epochs=1, random_state=0)
    network.fit(X, np.arange(64) % 3)
    function = network.layer_function("conv2d2")
    calls = {
        "transform": network.transform,
        "predict": network.predict,
        "predict_proba": network.predict_proba,
        "get_output": lambda rows: network.get_output("maxpool1", rows),
        "layer_function": function,
    }
    batches = [
        X[start : start + size] for start, size in zip(range(0, 48, 3), range(1, 17), strict=True)
    ]
    alone = {name: [call(batch) for batch in batches] for name, call in calls.items()}
    together = threading.Barrier(N_THREADS)
    over = threading.Event()

    def work(position):
        together.wait(30)
        for turn in range(4 * effort):
            for name, call in calls.items():
                index = (position + turn) % len(batches)
                result = call(batches[index])
                np.testing.assert_array_equal(result, alone[name][index], err_msg=name)

    def disturb():
        """A fit of another estimator, compiled anew each time, in the same process."""
        n_fits = 0
        while not over.is_set() or n_fits == 0:
            clear_programs()
            other = ConvNetClassifier(engine=engine, max_epochs=1, random_state=n_fits)
            other.fit(X[:20], np.arange(20) % 2)
            n_fits += 1
        return n_fits

    with ThreadPoolExecutor(N_THREADS + 1) as pool:
        disturber = pool.submit(disturb)
        workers = [pool.submit(work, position) for position in range(N_THREADS)]
        try:
            for worker in workers:
                worker.result(timeout=300)
        finally:
            over.set()
        n_fits = disturber.result(timeout=60)
    counts.add("calls from 16 threads", N_THREADS * 4 * effort * len(calls))
    counts.add("fits beside them", n_fits)


def test_sixteen_fits_at_once(engine, rng, hasty):
    """Each learns what it would have learnt alone, though they share programs."""
    X, y = rng.random((40, 1, 9, 7)), np.arange(40) % 2

    def fit(seed):
        network = ConvNetClassifier(engine=engine, max_epochs=1, random_state=seed)
        return network.fit(X, y).transform(X)

    alone = [fit(seed) for seed in range(N_THREADS)]
    clear_programs()
    with ThreadPoolExecutor(N_THREADS) as pool:
        for one, other in zip(pool.map(fit, range(N_THREADS)), alone, strict=True):
            np.testing.assert_array_equal(one, other)
    counts.add("fits from 16 threads", N_THREADS)
