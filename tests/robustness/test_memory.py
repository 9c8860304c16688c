"""Memory after many fits and transforms, and data that do not fit into memory."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from convnet_features import ConvNetClassifier
from convnet_features.kernels.contract import Conv2DSpec, ConvStage, Pool2DSpec, PoolStage
from convnet_features.kernels.onednn.plan import thresholds
from convnet_features.kernels.onednn.program import code_cache as code
from convnet_features.kernels.registry import get_kernels
from convnet_features.network import functions
from convnet_features.network.functions import MAX_PROGRAMS, clear_programs

from ..stages import chain
from . import counts

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/statm").exists(), reason="memory is measured in /proc"
)
MEBIBYTE = 1 << 20
#: What a process may keep beyond what it had: the allocator's own slack.
SLACK = 24 * MEBIBYTE


def resident():
    """Bytes of this process that are in memory, after a collection."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.fixture(params=["portable", "onednn"])
def engine(request, engines):
    if request.param not in engines:
        pytest.skip(f"{request.param} is not on this machine")
    return request.param


def settled(work, n_first, n_more):
    """(bytes after the first few calls, bytes after all): `work` takes the number of the call."""
    for number in range(n_first):
        work(number)
    before = resident()
    for number in range(n_first, n_first + n_more):
        work(number)
    return before, resident()


def record(what, engine, before, after):
    text = f"{before / MEBIBYTE:.0f} MiB before, {after / MEBIBYTE:.0f} MiB after"
    counts.note(f"memory, {what}, {engine}", text)
    assert after < before + SLACK, text


@pytest.mark.parametrize("n_fits", [20, pytest.param(200, marks=pytest.mark.slow)])
def test_fits(n_fits, engine, rng):
    X, y = rng.random((40, 1, 12, 12)), np.arange(40) % 2

    def fit(number):
        ConvNetClassifier(engine=engine, max_epochs=1, random_state=number).fit(X, y)

    record(f"{n_fits} fits", engine, *settled(fit, 10, n_fits))


@pytest.mark.parametrize("n_fits", [3, pytest.param(300, marks=pytest.mark.slow)])
def test_fits_of_networks_that_all_differ(n_fits, engine, rng):
    """Each compiles programs of its own; the cache forgets the oldest."""
    X, y = rng.random((12, 1, 4, 4)), np.arange(12) % 2
    clear_programs()

    def fit(number):
        ConvNetClassifier(
            data_format="channels_first",
            engine=engine,
            max_epochs=1,
            dense_num_units=3 + number,
            conv2d1_num_filters=2,
        ).fit(X, y)

    n_first = 4 if n_fits < 100 else MAX_PROGRAMS // 2
    before, after = settled(fit, n_first, n_fits)
    counts.note(f"memory, {n_fits} networks, {engine}", f"{(after - before) / MEBIBYTE:+.0f} MiB")
    # What oneDNN generates for a network takes some 2 MiB, and is dropped with its programs.
    assert after < before + SLACK + 2 * MEBIBYTE * min(n_fits, MAX_PROGRAMS)
    assert len(functions._programs) <= MAX_PROGRAMS


@pytest.mark.parametrize("n_calls", [100, pytest.param(10_000, marks=pytest.mark.slow)])
def test_transforms(n_calls, engine, rng):
    X = rng.random((64, 1, 12, 12))
    network = ConvNetClassifier(engine=engine, max_epochs=1, random_state=0)
    network.fit(X, np.arange(64) % 2)

    def transform(number):
        network.transform(X[: 1 + number % 64])

    # 64 sizes of batches: oneDNN keeps what it generated for the last 1,024 primitives, and is
    # done with filling that after some hundred calls.
    n_first = 70 if n_calls < 1000 else 1000
    record(f"{n_calls} transforms", engine, *settled(transform, n_first, n_calls))


def test_clearing_gives_memory_back_and_breaks_nothing(engine, rng):
    X = rng.random((64, 1, 16, 16))
    network = ConvNetClassifier(engine=engine, max_epochs=1, random_state=0)
    network.fit(X, np.arange(64) % 2)
    before = network.transform(X)
    clear_programs()
    get_kernels(engine).clear_caches()
    assert len(functions._programs) == 0
    np.testing.assert_array_equal(network.transform(X), before)


@pytest.mark.slow
def test_generated_code_of_networks_that_all_differ(engines, monkeypatch):
    """The code of the last 64 is kept; that of those before is given back."""
    if "onednn" not in engines:
        pytest.skip("onednn is not on this machine")
    monkeypatch.setattr(thresholds, "WORTH_GENERATING", 0)
    kernels = get_kernels("onednn")
    made = []
    compiled = code.CompiledModule
    monkeypatch.setattr(code, "CompiledModule", lambda *args: made.append(1) or compiled(*args))

    def step(number):
        # No multiples of 16, vectors full of filters, for which there would be more code.
        n_filters = 5 + number + (4 + number) // 15
        stages = (ConvStage(Conv2DSpec()), PoolStage(Pool2DSpec((2, 2), (2, 2))))
        kernel = chain(kernels, stages)
        x, w = np.ones((2, 16, 8, 8), np.float32), np.ones((n_filters, 16, 3, 3), np.float32)
        params = [w, np.ones(n_filters, np.float32)]
        y, workspace = kernel.forward_training(x, params)
        kernel.backward(workspace, x, params, y, y, True)

    # By then what oneDNN keeps, 1,024 primitives, is full as well.
    before, after = settled(step, 100, 100)
    assert len(made) == 200
    record("100 generated codes", "onednn", before, after)
    kernels.clear_caches()
    text = f"{after / MEBIBYTE:.0f} MiB before, {resident() / MEBIBYTE:.0f} MiB after"
    counts.note("memory, caches of generated code cleared", text)


#: Trains on, and transforms, a memmap in a process whose own memory is three quarters of it.
BIG = """
import resource, sys
import numpy as np
from convnet_features import ConvNetClassifier
from convnet_features.network.presets import seed_network
X = np.memmap(sys.argv[1], np.uint8, "r", shape=(N_ROWS, 1, 64, 64))
y = np.arange(len(X)) % 2
fit = dict(max_epochs=1, batch_size=256, engine=ENGINE, conv2d1_num_filters=2,
           conv2d2_num_filters=2, conv2d1_stride=4, dense_num_units=4, random_state=0)
fit["layers"] = seed_network((1, 64, 64))
ConvNetClassifier(**fit).fit(X[:512], y[:512]).transform(X[:512])
# Memory of the process's own, as malloc gets it; pages of the file do not count.
limit = BYTES + int(open("/proc/self/status").read().split("VmData:")[1].split()[0]) * 1024
resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
network = ConvNetClassifier(**fit).fit(X, y)
features = network.transform(X)
assert features.shape == (len(X), 4) and np.isfinite(features).all()
try:
    np.array(X)
except MemoryError:
    print("X itself does not fit")
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_DATA is Linux's")
@pytest.mark.parametrize("mebibytes", [192, 768])
def test_a_memmap_larger_than_memory(mebibytes, engine, tmp_path):
    path = tmp_path / "images"
    n_rows = mebibytes * MEBIBYTE // 4096
    rng = np.random.default_rng(0)
    with path.open("wb") as file:
        for _ in range(0, n_rows, 4096):
            file.write(rng.integers(0, 255, 4096 * 4096, np.uint8).tobytes())
    code = BIG.replace("N_ROWS", str(n_rows)).replace("ENGINE", repr(engine))
    code = code.replace("BYTES", str(mebibytes * 3 // 4 * MEBIBYTE))
    result = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, timeout=500
    )
    assert result.returncode == 0, result.stderr
    assert "X itself does not fit" in result.stdout
    counts.note(f"memmap under RLIMIT_DATA, {engine}", f"{mebibytes} MiB")
