"""The facade is installed before any test here is imported."""

from __future__ import annotations

import subprocess
import sys

import pytest

import convnet_features
from convnet_features.theano_facade import config, install

install()


# What the package itself does to install the facade, without scikit-learn, which takes seconds.
FACADE_ONLY = f"""
import sys, types
package = sys.modules["convnet_features"] = types.ModuleType("convnet_features")
package.__path__ = {list(convnet_features.__path__)!r}
package.__file__ = {convnet_features.__file__!r}
from convnet_features import theano_facade
theano_facade.install()
"""


@pytest.fixture
def float64():
    """theano.config.floatX = 'float64', for one test."""
    config.floatX = "float64"
    yield
    config.floatX = "float32"


@pytest.fixture
def in_new_process():
    """Run code in a process of its own, where warnings are errors; return what it printed."""

    def run(code, *options, whole=False):
        if not whole:
            code = FACADE_ONLY + code
        command = [sys.executable, "-W", "error", *options, "-c", code]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stderr
        return result.stdout.strip()

    return run
