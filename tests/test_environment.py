"""Environment variables that other libraries misread, and the global state that nobody moves."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec

import pytest

from convnet_features.environment import first_thread_count


def run(code, **environment):
    result = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.split()


@pytest.mark.parametrize(
    ("value", "number"),
    [("2", 2), (" 2 ", 2), ("2,1", 2), ("3 , 2", 3), ("", None), ("two", None), ("0", None)]
    + [(value, None) for value in ("-1", "2,,1", "2,x", "1e3", "²", ",")],
)
def test_threads_are_counted_as_openmp_counts_them(value, number, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", value)
    assert first_thread_count() == number


@pytest.mark.parametrize(
    "value", ["2,1", *(pytest.param(each, marks=pytest.mark.slow) for each in ("two", "0"))]
)
def test_importing_takes_any_number_of_threads_and_leaves_it(value):
    code = "import convnet_features, lasagne, os; print(os.environ['OMP_NUM_THREADS'])"
    assert run(code, OMP_NUM_THREADS=value) == [value]


@pytest.mark.parametrize("engines", [("portable", "auto"), ("jax",)], ids=",".join)
def test_a_first_fit_leaves_the_state_of_the_process_as_it_is(engines):
    if "jax" in engines and find_spec("jax") is None:
        pytest.skip("JAX is not installed")
    # JAX sets variables of its own when it is imported.
    code = f"""
import {"jax" if "jax" in engines else "scipy"}
import gc, locale, logging, os, random, signal, sys, warnings
import numpy as np, pytensor, sklearn.svm
random.seed(1)
np.random.seed(1)

def state():
    return {{
        "environment": dict(os.environ),
        "warnings": list(warnings.filters),
        "errors of numbers": np.geterr(),
        "printing": np.get_printoptions(),
        "recursion": sys.getrecursionlimit(),
        "switching": sys.getswitchinterval(),
        "hooks": (sys.excepthook, sys.displayhook, sys.unraisablehook),
        "path": list(sys.path),
        "collector": (gc.isenabled(), gc.get_threshold()),
        "locale": locale.setlocale(locale.LC_ALL),
        "logging": (logging.root.level, list(logging.root.handlers)),
        "signals": [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)],
        "folder": os.getcwd(),
        "mask": (os.umask(0o22), os.umask(0o22))[0],
        "floatX": (pytensor.config.floatX, pytensor.config.mode, pytensor.config.linker),
    }}

before = state()
from convnet_features import ConvNetClassifier
X = np.random.default_rng(0).normal(size=(8, 1, 8, 8)).astype("float32")
changed = []
for engine in {engines!r}:
    ConvNetClassifier(engine=engine, max_epochs=1, random_state=0).fit(X, np.arange(8) % 2)
    after = state()
    changed += [f"{{engine}}: {{name}}" for name in before if before[name] != after[name]]
print(random.random(), np.random.random(), *changed)
"""
    # What CPython and NumPy give first after seed(1).
    assert run(code) == ["0.13436424411240122", "0.417022004702574"]
