"""Every example runs, at reduced size and without the internet."""

from __future__ import annotations

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


def run(script, tmp_path, data=None):
    """What a script printed, run as users run it; every warning is an error."""
    environment = {
        **os.environ,
        "CONVNET_FEATURES_EXAMPLES": "quick",
        "CONVNET_FEATURES_DATA": data or "",
        "PYTHONPATH": str(EXAMPLES.parent),
        "MPLBACKEND": "agg",
        "http_proxy": NOWHERE,
        "https_proxy": NOWHERE,
        "no_proxy": "127.0.0.1,localhost",
        # Nothing that an earlier download left here may decide what a test sees.
        "SCIKIT_LEARN_DATA": str(tmp_path),
    }
    shown = "ignore:FigureCanvasAgg is non-interactive:UserWarning"
    return subprocess.run(
        [sys.executable, "-W", "error", "-W", shown, str(script)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: str(path.relative_to(EXAMPLES)))
def test_an_example_runs(script, tmp_path):
    done = run(script, tmp_path, DATA)
    missing = re.search(r"ModuleNotFoundError: No module named '(\w+)", done.stderr)
    if missing and missing[1] not in NEEDED:
        pytest.skip(f"could not import {missing[1]!r}")
    if "DatasetNotFoundError" in done.stderr and not DATA:
        pytest.skip(f"{script.name} needs the folder that CONVNET_FEATURES_DATA names")
    assert done.returncode == 0, done.stderr[-3000:]


def test_the_tutorial_says_that_it_runs_on_digits(tmp_path):
    pytest.importorskip("matplotlib")
    done = run(EXAMPLES / "tutorial.py", tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "Running on scikit-learn's 8x8 digits" in done.stdout
    assert "a thousand images and one epoch" in done.stdout


@pytest.mark.data
def test_the_tutorial_runs_on_mnist(tmp_path, data_folder):
    pytest.importorskip("matplotlib")
    done = run(EXAMPLES / "tutorial.py", tmp_path, str(data_folder))
    assert done.returncode == 0, done.stderr[-3000:]
    assert "Running on MNIST." in done.stdout
    assert "X_train: (1000, 1, 28, 28), float32" in done.stdout
