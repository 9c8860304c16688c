"""Which provider is found, and what happens where oneDNN is not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from convnet_features.exceptions import EngineError, EngineWarning
from convnet_features.kernels import registry
from convnet_features.kernels.onednn import library


@pytest.fixture
def fresh(monkeypatch):
    """As in a process that has asked for no provider yet."""
    monkeypatch.setattr(registry, "_providers", {})


@pytest.fixture
def without_onednn(fresh, monkeypatch):
    monkeypatch.setattr(library, "_loaded", None)
    monkeypatch.setenv(library.LIBRARY_VARIABLE, "/nowhere/libdnnl.so.3")


def test_names(fresh):
    assert registry.get_provider("portable").name == "portable"
    with pytest.raises(EngineError, match=r"'numpy' is unknown; .* 'auto', 'onednn', 'portable'"):
        registry.get_provider("numpy")


def test_providers_are_made_once(fresh):
    assert registry.get_provider("portable") is registry.get_provider("portable")


@pytest.mark.onednn
def test_auto_is_onednn(fresh):
    try:
        library.load_library()
    except EngineError as error:
        pytest.skip(str(error))
    assert registry.get_provider() is registry.get_provider("onednn")
    assert registry.available_engines() == ("onednn", "portable")


def test_auto_without_onednn_warns_once(without_onednn):
    with pytest.warns(EngineWarning, match=r"portable kernels.*/nowhere/libdnnl\.so\.3") as caught:
        provider = registry.get_provider()
    assert len(caught) == 1
    assert Path(caught[0].filename).name == Path(__file__).name
    assert provider.name == "portable"
    assert registry.get_provider() is provider
    np.testing.assert_array_equal(provider.dot(np.eye(2), np.eye(2)), np.eye(2))


def test_onednn_without_onednn_is_an_error(without_onednn):
    for _ in range(2):
        with pytest.raises(EngineError, match=r"/nowhere/libdnnl\.so\.3"):
            registry.get_provider("onednn")
    assert registry.available_engines() == ("portable",)


@pytest.mark.onednn
def test_auto_with_an_unknown_version(fresh, monkeypatch):
    monkeypatch.setattr(library, "_loaded", None)
    monkeypatch.setattr(library, "KNOWN_MINORS", range(90, 91))
    with pytest.warns(EngineWarning, match=r"3\.90|could not be loaded"):
        assert registry.get_provider().name == "portable"


def test_importing_loads_nothing():
    code = (
        "import convnet_features.kernels.registry, convnet_features.kernels.onednn, sys; "
        "assert 'cffi' not in sys.modules; "
        "assert 'libdnnl' not in open('/proc/self/maps').read()"
    )
    if not Path("/proc/self/maps").exists():
        pytest.skip("no /proc")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("engine", ["abacus", [], None, 3, {}])
def test_what_is_no_engine(engine):
    with pytest.raises(EngineError, match=r"engine=.* is unknown; the engines are 'auto'"):
        registry.get_provider(engine)
