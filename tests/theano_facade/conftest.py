"""The facade is installed before any test here is imported."""

from __future__ import annotations

import subprocess
import sys

import pytest

from convnet_features.theano_facade import config, install

install()


@pytest.fixture
def float64():
    """theano.config.floatX = 'float64', for one test."""
    config.floatX = "float64"
    yield
    config.floatX = "float32"


@pytest.fixture
def in_new_process():
    """Run code in a process of its own, where warnings are errors; return what it printed."""

    def run(code, *options):
        command = [sys.executable, "-W", "error", *options, "-c", code]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stderr
        return result.stdout.strip()

    return run
