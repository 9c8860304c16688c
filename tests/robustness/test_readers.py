"""The largest memory that a file of 1 MiB causes, reader by reader, under a limit of the system."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from . import counts
from .bombs import BOMBS

#: Bytes of its own that a process may take for a file of 1 MiB.
LIMIT = 256 << 20
#: One bomb of each reader is tried in every run, the others in long ones.
QUICK = {
    ("read_idx", "zeros"),
    ("load_mnist's pickle", "text"),
    ("load_params_from, a pickle", "text in arrays"),
    ("load_params_from, .npz", "zeros below the limit"),
    ("load_params, unfitted", "sizes in notes"),
    ("from_onnx", "casts"),
    ("ImageLoader", "a promise"),
}
TRIED = [
    pytest.param(
        reader,
        bomb,
        id=f"{reader}: {bomb}",
        marks=[] if (reader, bomb) in QUICK else pytest.mark.slow,
    )
    for reader, bombs in BOMBS.items()
    for bomb in bombs
]


@pytest.fixture(scope="module")
def process():
    """One for all of them, so that what they import is imported once."""
    command = [sys.executable, "-m", "tests.robustness.bombs", str(LIMIT)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, **pipes, text=True, cwd=Path(__file__).parents[2]) as started:
        yield started
        started.stdin.close()
        assert started.wait(60) == 0


@pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_DATA is Linux's")
@pytest.mark.parametrize(("reader", "bomb"), TRIED)
def test_memory_is_bounded_by_the_file(reader, bomb, process):
    needed = {"from_onnx": "onnx", "ImageLoader": "PIL"}.get(reader)
    if needed is not None and find_spec(needed) is None:
        pytest.skip(f"{needed} is not installed")
    print(reader, bomb, sep="\t", file=process.stdin, flush=True)
    said = process.stdout.readline().strip()
    assert re.match(r"\d+ (read|\w+:)", said), f"{said!r}; stderr says more"
    taken, outcome = said.split(" ", 1)
    assert int(taken) < LIMIT
    counts.note(f"1 MiB to {reader}: {bomb}", f"{int(taken) / 2**20:.0f} MiB, {outcome}")
