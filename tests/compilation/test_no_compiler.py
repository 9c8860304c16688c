"""Nothing is compiled by anyone else: no process is started, and Numba is never loaded."""

from __future__ import annotations

import subprocess
import sys

import pytest

from convnet_features import available_engines

#: Ends the process, with a code of its own, where a program is started or Numba is imported.
FORBIDDEN = """
import os, sys

def forbid(event, args):
    started = event in ("subprocess.Popen", "os.system", "os.posix_spawn", "os.exec", "os.fork")
    if started or event == "import" and args[0].split(".")[0] == "numba":
        print(event, args, flush=True)
        os._exit(99)
"""
TRAINING = """
import numpy as np
from convnet_features import ConvNetClassifier
X = np.random.default_rng(0).random((40, 64))
for engine in ENGINES:
    net = ConvNetClassifier(max_epochs=2, engine=engine, random_state=0).fit(X, [0, 1] * 20)
    assert net.transform(X).shape == (40, 256)
    assert net.layer_function("dense")(X.reshape(40, 1, 8, 8)).dtype == np.float32
"""
#: In 2015's words, with all that a theano.function does.
SCRIPT = """
import convnet_features, numpy as np, theano, theano.tensor as T, lasagne
x, y = T.matrix("x"), T.ivector("y")
layer = lasagne.layers.DenseLayer(lasagne.layers.InputLayer((None, 4), x), 3,
                                  nonlinearity=lasagne.nonlinearities.softmax)
p = lasagne.layers.get_output(layer)
loss = lasagne.objectives.categorical_crossentropy(p, y).mean()
params = lasagne.layers.get_all_params(layer)
train = theano.function([x, y], loss, updates=lasagne.updates.adam(loss, params))
assert np.isfinite(train(np.ones((2, 4), "float32"), np.array([0, 2], "int32")))
assert (x * 2).eval({x: np.ones((2, 4), "float32")}).sum() == 16
"""


def run(code, first="import convnet_features, pytensor.tensor"):
    # PyTensor looks for Numba and for a compiler's flags when it is imported: that is before.
    prologue = f"{FORBIDDEN}\n{first}\nsys.addaudithook(forbid)\n"
    return subprocess.run(
        [sys.executable, "-c", prologue + code], capture_output=True, text=True, timeout=120
    )


def test_training():
    result = run(TRAINING.replace("ENGINES", repr(available_engines())))
    assert result.returncode == 0, result.stdout + result.stderr


def test_a_script_of_2015():
    result = run(SCRIPT)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("code", ["import subprocess; subprocess.run(['true'])", "import numba"])
def test_the_guard_works(code):
    if code == "import numba":
        code = "sys.modules.pop('numba', None)\n" + code
    assert run(code, first="").returncode == 99
