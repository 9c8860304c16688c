"""Names that are imported when they are asked for."""

from __future__ import annotations

import importlib
import pkgutil
import subprocess
import sys

import pytest

from convnet_features.deferred import deferred

PACKAGES = (
    "convnet_features",
    "convnet_features.layers",
    "convnet_features.network.presets",
    "convnet_features.pretrained",
)


def run(program):
    """What a fresh process prints."""
    command = [sys.executable, "-W", "error", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("package", PACKAGES)
def test_every_name_is_there(package):
    module = importlib.import_module(package)
    assert {*module.__all__} <= {*dir(module)}
    for name in module.__all__:
        found = getattr(module, name)
        assert found is getattr(module, name)
        home = getattr(found, "__module__", package)
        assert home.startswith("convnet_features"), name
    everything = {}
    exec(f"from {package} import *", everything)
    assert {*module.__all__} <= {*everything}


@pytest.mark.parametrize("package", PACKAGES)
def test_no_name_becomes_that_of_a_module(package):
    module = importlib.import_module(package)
    modules = {each.name for each in pkgutil.iter_modules(module.__path__)}
    # A module that is imported takes its name for itself, unless the package has it by then.
    assert modules & {*module.__all__} <= {"batch_norm"}


@pytest.mark.parametrize("package", PACKAGES)
def test_other_names_are_not_there(package):
    module = importlib.import_module(package)
    with pytest.raises(AttributeError, match=f"^module '{package}' has no attribute 'Nothing'$"):
        module.Nothing  # noqa: B018
    with pytest.raises(ImportError, match="cannot import name 'Nothing'"):
        exec(f"from {package} import Nothing")


def test_an_error_of_the_module_is_not_hidden(monkeypatch):
    get, known = deferred("json", {"no_such_module": "name"})
    assert "name" in known()
    with pytest.raises(ModuleNotFoundError, match=r"json\.no_such_module"):
        get("name")


def test_a_first_fit_imports_no_more_than_it_needs():
    program = """
import sys
import numpy as np
from convnet_features import ConvNetFeatureExtractor
X = np.random.default_rng(0).random((8, 6, 6), dtype="float32")
ConvNetFeatureExtractor(max_epochs=1, random_state=0).fit(X, np.arange(8) % 2).transform(X)
print(*sys.modules)
"""
    loaded = {name for name in run(program).split() if name.startswith("convnet_features.")}
    assert not {name for name in loaded if name.startswith("convnet_features.pretrained")}
    presets = "convnet_features.network.presets."
    assert {name for name in loaded if name.startswith(presets)} == {f"{presets}default"}
    layers = "convnet_features.layers."
    found = {name.removeprefix(layers) for name in loaded if name.startswith(layers)}
    assert not found & {"conv1d", "conv3d", "locally_connected2d", "pooling", "recurrent"}
    assert not found & {"resize", "transformer", "transposed_conv2d", "upscale"}


def test_a_function_keeps_the_name_that_a_module_has_too():
    program = """
import convnet_features
import convnet_features.layers.batch_norm
from convnet_features.layers import BatchNormLayer, batch_norm
import lasagne
assert callable(batch_norm) and callable(convnet_features.layers.batch_norm)
assert lasagne.layers.BatchNormLayer is BatchNormLayer
assert lasagne.layers.TransformerLayer is convnet_features.layers.TransformerLayer
"""
    assert not run(program)
