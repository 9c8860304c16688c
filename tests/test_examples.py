"""Every example runs, at reduced size and without the internet."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
#: The tutorial has two tests of its own.
SCRIPTS = sorted(set(EXAMPLES.rglob("*.py")) - {EXAMPLES / "tutorial.py"})
#: Read before any test can change it.
DATA = os.environ.get("CONVNET_FEATURES_DATA")
#: Without them nothing of ours runs, so that their absence is a failure, not a skip.
NEEDED = {"convnet_features", "lasagne", "theano", "sklearn", "numpy"}


#: Where nothing answers, so that no example can download anything.
NOWHERE = "http://127.0.0.1:9"


#: Has imported what all scripts import, which takes longer than most of them, and forks for each.
FORKING = """
import json, os, runpy, sys, warnings
import convnet_features, lasagne, sklearn.linear_model

for line in sys.stdin:
    script, folder, environment = json.loads(line)
    with warnings.catch_warnings(action="ignore"):  # of the fork
        child = os.fork()
    if child:
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
        continue
    os.chdir(folder)
    os.environ |= environment
    sys.path[0], sys.argv = os.path.dirname(script), [script]
    sys.stdin.close()
    for stream, name in ((1, "stdout"), (2, "stderr")):
        os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT, 0o600), stream)
    runpy.run_path(script, run_name="__main__")
    sys.exit()
"""


@pytest.fixture(scope="module")
def forking():
    environment = {
        **os.environ,
        "CONVNET_FEATURES_EXAMPLES": "quick",
        "PYTHONPATH": str(EXAMPLES.parent),
        "MPLBACKEND": "agg",
        "http_proxy": NOWHERE,
        "https_proxy": NOWHERE,
        "no_proxy": "127.0.0.1,localhost",
    }
    shown = "ignore:FigureCanvasAgg is non-interactive:UserWarning"
    busy = "ignore:Persisting input arguments took"  # joblib's caches warn by the clock
    command = [sys.executable, "-W", "error", "-W", shown, "-W", busy, "-c", FORKING]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, env=environment, **pipes, text=True) as process:
        yield process
        process.stdin.close()
        assert process.wait(60) == 0


@pytest.fixture
def run(forking, tmp_path):
    """What a script printed, run as users run it; every warning is an error."""

    def run(script, data=None):
        # Nothing that an earlier download left here may decide what a test sees.
        environment = {"CONVNET_FEATURES_DATA": data or "", "SCIKIT_LEARN_DATA": str(tmp_path)}
        print(json.dumps([str(script), str(tmp_path), environment]), file=forking.stdin, flush=True)
        code = int(forking.stdout.readline())
        said = [(tmp_path / name).read_text() for name in ("stdout", "stderr")]
        return subprocess.CompletedProcess(script, code, *said)

    return run


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: str(path.relative_to(EXAMPLES)))
def test_an_example_runs(script, run):
    done = run(script, DATA)
    missing = re.search(r"ModuleNotFoundError: No module named '(\w+)", done.stderr)
    if missing and missing[1] not in NEEDED:
        pytest.skip(f"could not import {missing[1]!r}")
    if "DatasetNotFoundError" in done.stderr and not DATA:
        pytest.skip(f"{script.name} needs the folder that CONVNET_FEATURES_DATA names")
    assert done.returncode == 0, done.stderr[-3000:]


def test_the_tutorial_says_that_it_runs_on_digits(run):
    pytest.importorskip("matplotlib")
    done = run(EXAMPLES / "tutorial.py")
    assert done.returncode == 0, done.stderr[-3000:]
    assert "Running on scikit-learn's 8x8 digits" in done.stdout
    assert "a thousand images and one epoch" in done.stdout


@pytest.mark.data
def test_the_tutorial_runs_on_mnist(run, data_folder):
    pytest.importorskip("matplotlib")
    done = run(EXAMPLES / "tutorial.py", str(data_folder))
    assert done.returncode == 0, done.stderr[-3000:]
    assert "Running on MNIST." in done.stdout
    assert "X_train: (1000, 1, 28, 28), float32" in done.stdout
