"""Compiled code called through our wrappers, under valgrind's memcheck: no access out of bounds."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from . import counts

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not shutil.which("valgrind"), reason="valgrind is not on this machine"),
]
#: Layers of every kind, forwards and backwards, with sizes that fill no vector register.
CALLS = """
import sys
import numpy as np
from convnet_features.kernels.contract import *
from convnet_features.kernels.onednn.plan import thresholds
from convnet_features.kernels.onednn.program.routine import Routine
from convnet_features.kernels.registry import get_kernels

kernels = get_kernels(sys.argv[1])
rng = np.random.default_rng(0)
x = rng.random((3, 3, 11, 9), dtype=np.float32)
w = rng.random((5, 3, 3, 2), dtype=np.float32)
for spec in (Conv2DSpec(), Conv2DSpec((2, 1), ((1, 0), (0, 2)), False)):
    kernel = kernels.conv2d(spec)
    y = kernel.forward(x, w)
    kernel.grad_input(x.shape, w, y)
    kernel.grad_weights(x, w.shape, y)
for mode in ("max", "average_exc_pad", "average_inc_pad"):
    kernel = kernels.pool2d(Pool2DSpec((2, 3), (2, 2), mode=mode))
    kernel.grad(x, kernel.forward(x))
stages = (ConvStage(Conv2DSpec(), True, "linear"), PoolStage(Pool2DSpec((2, 2), (2, 2)), "rectify"),
          DenseStage(True, "tanh"), DenseStage(True, "linear"))
params = [rng.random(s, dtype=np.float32) for s in
          ((5, 3, 3, 2), (5,), (5 * 4 * 4, 7), (7,), (7, 3), (3,))]
kernel = kernels.graph(StageGraph.chain(stages))
kernel.forward((x,), params)
kernel.prepare(params)((x,))
ys, workspace = kernel.forward_training((x,), params)
kernel.backward(workspace, (x,), params, ys, ys, (True,))

# Generated code: as a step of a program, and alone with arguments of exactly their size.
thresholds.WORTH_GENERATING = 0
stages = (ConvStage(Conv2DSpec((1, 1), ((1, 1), (0, 2)))), PoolStage(Pool2DSpec((3, 2), (2, 2))))
x, w, b = (rng.random(s, dtype=np.float32) for s in ((2, 9, 9, 7), (11, 9, 3, 3), (11,)))
kernel = kernels.graph(StageGraph.chain(stages)).fast
ys, workspace = kernel.forward_training((x,), [w, b])
kernel.backward(workspace, (x,), [w, b], ys, ys, (True,))
(program,) = kernel.backward_programs
steps = list(program.steps)
# Few channels: the convolution and the pooling as one pass.
for padding in (((0, 0), (0, 0)), ((1, 2), (0, 1))):
    stages = (ConvStage(Conv2DSpec((1, 1), padding)), PoolStage(Pool2DSpec((2, 3), (2, 3))))
    x, w, b = (rng.random(s, dtype=np.float32) for s in ((2, 3, 9, 11), (16, 3, 3, 2), (16,)))
    kernel = kernels.graph(StageGraph.chain(stages)).fast
    kernel.forward((x,), [w, b])
    ys, workspace = kernel.forward_training((x,), [w, b])
    kernel.backward(workspace, (x,), [w, b], ys, ys, (True,))
    steps += [step for plan in kernel.forward_plans for step in plan.program.steps]
# Winograd convolutions of odd and padded images, and their gradients, with a normalisation
# between; then with its pooling.
padded = Conv2DSpec((1, 1), ((1, 1), (1, 0)))
for stages, shapes in (
    ((ConvStage(padded), NormStage(1e-3, "rectify"), ConvStage(Conv2DSpec(), False)),
     ((16, 8, 3, 3), (16,), (16,), (16,), (8, 16, 3, 3))),
    ((ConvStage(padded, True, "rectify"), PoolStage(Pool2DSpec((2, 2), (2, 2)))),
     ((16, 8, 5, 2), (16,))),
):
    x = rng.random((2, 8, 9, 8), dtype=np.float32)
    params = [rng.random(shape, dtype=np.float32) for shape in shapes]
    kernel = kernels.graph(StageGraph.chain(stages)).fast
    ys, workspace = kernel.forward_training((x,), params)
    kernel.backward(workspace, (x,), params, ys, ys, (True,))
    steps += [step for plan in kernel.forward_plans for step in plan.program.steps]
    steps += [step for program in kernel.backward_programs for step in program.steps]
routines = [(step, args) for step, args in steps if isinstance(step, Routine)]
assert len(routines) == 22, routines
for routine, arguments in routines:
    addresses = routine.addresses()
    arrays = [np.zeros(value.desc.size, np.uint8) for value in arguments.values()]
    for position, array in zip(arguments, arrays):
        if routine.arguments[position] != "positions":
            array[: array.size // 4 * 4].view(np.float32)[:] = 1
        addresses[position] = routine.library.ffi.from_buffer(array)
    routine.function(addresses)
kernels.softmax(x[0, 0])
kernels.log_softmax(x[0, 0])
kernels.dot(rng.random((70, 50), dtype=np.float32), rng.random((50, 90), dtype=np.float32))
kernels.clear_caches()
print("all calls made")
"""
#: For each engine, what stands in the stack of an access that is its own or was asked for by us;
#: generated code has no name.
OURS = {"onednn": ("libdnnl", "libonednn", "_cffi_backend", ": ???")}


@pytest.mark.parametrize("engine", [pytest.param("onednn", marks=pytest.mark.onednn)])
def test_no_invalid_access(engine, engines, tmp_path):
    if engine not in engines:
        pytest.skip(f"{engine} is not on this machine")
    log = tmp_path / "valgrind.log"
    environment = {**os.environ, "PYTHONMALLOC": "malloc", "OMP_NUM_THREADS": "1"}
    # Valgrind knows AVX2, and not AVX-512.
    environment |= {"CONVNET_FEATURES_ISA": "avx2", "OPENBLAS_CORETYPE": "Haswell"}
    environment |= {"NPY_DISABLE_CPU_FEATURES": "AVX512F AVX512CD AVX512_SKX"}
    result = subprocess.run(
        [
            "valgrind",
            "--tool=memcheck",
            "--undef-value-errors=no",
            f"--log-file={log}",
            sys.executable,
            "-c",
            CALLS,
            engine,
        ],
        capture_output=True,
        text=True,
        env=environment,
        timeout=1500,
        cwd=Path(__file__).parents[2],
    )
    text = log.read_text()
    assert "all calls made" in result.stdout, result.stderr[-2000:] + text[-2000:]
    blocks = [block for block in re.split(r"==\d+== \n", text) if "Invalid " in block]
    ours = [block for block in blocks if any(name in block for name in OURS[engine])]
    assert not ours, ours[0]
    summary = re.search(r"ERROR SUMMARY: (.*)", text).group(1)
    counts.note(f"valgrind, {engine}", f"{len(ours)} invalid accesses from our calls ({summary})")
