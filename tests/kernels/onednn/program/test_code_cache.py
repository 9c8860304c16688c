"""Generated code of whole networks, from one process to the next."""

from __future__ import annotations

import json
import os

import pytest

from convnet_features.kernels.jit.code_folder import CODE_VARIABLE

from ...processes import run_kernels

#: All kinds of generated code, forward and backward; prints how it came about, and the results.
WORK = """
import hashlib, json
import numpy as np
from convnet_features.kernels.contract import *
from convnet_features.kernels.jit import compiler
from convnet_features.kernels.registry import get_kernels
rectified, same = {"activation": "rectify"}, ((1, 1), (1, 1))
pooled = PoolStage(Pool2DSpec((2, 2), (2, 2)))
stages = (ConvStage(Conv2DSpec(), **rectified), pooled,
          ConvStage(Conv2DSpec(padding=same), **rectified), pooled,
          ConvStage(Conv2DSpec(padding=same)))
shapes = [(32, 1, 5, 5), (32,), (32, 32, 3, 3), (32,), (32, 32, 3, 3), (32,)]
random = np.random.default_rng(0)
x, *params = (random.standard_normal(shape, np.float32) for shape in [(64, 1, 28, 28), *shapes])
kernel = get_kernels("onednn").graph(StageGraph.chain(stages))
ys, workspace = kernel.forward_training((x,), params)
gxs, gradients = kernel.backward(workspace, (x,), params, ys, ys, (True,))
results = [*ys, *gxs, *gradients, *kernel.forward((x,), params)]
digest = hashlib.sha256(b"".join(map(np.ascontiguousarray, results))).hexdigest()
print(json.dumps([compiler.made.generated, compiler.made.read, digest]))
"""


def work(folder, **environment):
    done = run_kernels(WORK, environment={**os.environ, CODE_VARIABLE: str(folder), **environment})
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


@pytest.fixture
def folder(primitives, tmp_path):
    if not primitives.machine.generates:
        pytest.skip("no code can be generated here")
    return tmp_path / "code"


def test_a_second_process_generates_nothing_and_computes_the_same(folder):
    generated, read, results = work(folder)
    assert generated >= 4
    assert read == 0
    assert len(os.listdir(folder)) == generated
    assert work(folder) == [0, generated, results]
