"""OpenMP gives fewer threads than were asked for: an estimator's work is done all the same."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from convnet_features.kernels.memory import DEBUG_VARIABLE
from convnet_features.kernels.threads import SPIN_VARIABLE, SPINS, THREADS_VARIABLE

pytestmark = [pytest.mark.slow, pytest.mark.onednn]

#: Seconds within which a program must end; it takes 2 to 10.
LIMIT = 120
#: Who loads OpenMP before us decides how long its threads wait, in turns that others could use: on
#: a busy machine, ten times as long as what they wait for.
SHORT_WAITS = {SPIN_VARIABLE: str(SPINS)}
#: What another library may say to OpenMP, before ours is used.
CALLS = {
    "": "",
    "dynamic": "ctypes.CDLL('libgomp.so.1').omp_set_dynamic(1)",
    "no levels": "ctypes.CDLL('libgomp.so.1').omp_set_max_active_levels(0)",
}
PROGRAM = """
import ctypes, hashlib, sys
from convnet_features import ConvNetClassifier as C
from convnet_features.datasets import load_digits_images
{call}
X, y = load_digits_images()
# Images of 28 by 28 have more to be divided.
X = X.repeat({times}, 2).repeat({times}, 3)
e = C(max_epochs={epochs}, random_state=0).fit(X[:1000], y[:1000])
features = e.transform(X)
zeros = (features == 0).all(1).sum()
print(e.score(X[1000:], y[1000:]), zeros, hashlib.sha256(features).hexdigest())
"""


def outcome(environment, call="", times=1, epochs=10):
    """Accuracy, rows of zeros, and the features' digest, of a program in a process of its own."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name != THREADS_VARIABLE and not name.startswith("OMP_")
    }
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(call=CALLS[call], times=times, epochs=epochs)],
        env={**inherited, **environment, **SHORT_WAITS, DEBUG_VARIABLE: "nan"},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    score, zeros, digest = done.stdout.split()
    return float(score), int(zeros), digest


@pytest.fixture(scope="module")
def of_threads():
    """The outcomes of so many threads that are asked for and got."""
    known = {}

    def find(number, **sizes):
        key = number, *sizes.items()
        if key not in known:
            known[key] = outcome({"OMP_NUM_THREADS": str(number)}, **sizes)
        return known[key]

    return find


@pytest.mark.parametrize("sizes", [{}, {"times": 3, "epochs": 8}], ids=["digits", "larger"])
@pytest.mark.parametrize(
    ("environment", "call", "number"),
    [
        ({"OMP_THREAD_LIMIT": "1"}, "", 1),
        ({"OMP_MAX_ACTIVE_LEVELS": "0"}, "", 1),
        ({"OMP_NUM_THREADS": "2", "OMP_DYNAMIC": "true"}, "", 2),
        ({"OMP_NUM_THREADS": "8", "OMP_THREAD_LIMIT": "2"}, "", 2),
        ({"OMP_NUM_THREADS": "8", "OMP_THREAD_LIMIT": "4"}, "", 4),
        ({"OMP_NUM_THREADS": "8", "OMP_THREAD_LIMIT": "2", "OMP_DYNAMIC": "true"}, "", 2),
        ({"OMP_NUM_THREADS": "2"}, "dynamic", 2),
        ({"OMP_NUM_THREADS": "2"}, "no levels", 1),
    ],
)
def test_an_estimator(environment, call, number, sizes, of_threads):
    """All rows are computed, with the bits of as many threads as there are."""
    score, zeros, digest = outcome(environment, call, **sizes)
    assert (score, zeros, digest) == of_threads(number, **sizes)
    assert score > 0.9
    assert zeros == 0
