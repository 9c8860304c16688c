"""Seeds that a soak changes, effort that it raises, and the counts at the end."""

from __future__ import annotations

import os

import numpy as np
import pytest

from convnet_features.kernels.registry import available_kernels

from . import counts

SEED = int(os.environ.get("ROBUSTNESS_SEED", "0"))


def pytest_terminal_summary(terminalreporter):
    shown = list(counts.lines())
    if shown:
        terminalreporter.section("tried by the robustness tests")
        for line in shown:
            terminalreporter.write_line(line)


@pytest.fixture
def rng(request):
    """Another generator for every test and every seed of a soak."""
    name = [ord(letter) for letter in request.node.nodeid]
    return np.random.default_rng([SEED, *name])


@pytest.fixture(scope="session")
def engines():
    return available_kernels()


@pytest.fixture
def effort(request):
    """How many times as much as usual to try: 3 in a soak, 20 where slow tests run."""
    soaking = os.environ.get("ROBUSTNESS_EFFORT")
    return int(soaking or (20 if request.config.getoption("--run-slow") else 1))
