"""Which kernels are found, and what happens where oneDNN is not."""

from __future__ import annotations

import re
import sys
import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

import convnet_features
from convnet_features import ConvNetFeatureExtractor
from convnet_features.exceptions import EngineError, EngineWarning
from convnet_features.kernels import registry
from convnet_features.kernels.onednn.binding import library
from convnet_features.nolearn import NeuralNet

from ..fresh_import import after_importing


@pytest.fixture
def fresh(monkeypatch):
    """As in a process that has asked for no kernels yet."""
    monkeypatch.setattr(registry, "_kernels", {})


@pytest.fixture
def without_onednn(fresh, monkeypatch):
    monkeypatch.setattr(library, "_loaded", None)
    monkeypatch.setenv(library.LIBRARY_VARIABLE, "/nowhere/libdnnl.so.3")


def test_names(fresh):
    assert registry.get_kernels("portable").name == "portable"
    with pytest.raises(EngineError, match=r"'numpy' is unknown; .* 'auto', 'onednn', 'portable'"):
        registry.get_kernels("numpy")


def test_kernels_are_made_once(fresh):
    assert registry.get_kernels("portable") is registry.get_kernels("portable")


@pytest.mark.onednn
def test_auto_is_onednn(fresh):
    try:
        library.load_library()
    except EngineError as error:
        pytest.skip(str(error))
    assert registry.get_kernels() is registry.get_kernels("onednn")
    assert registry.available_kernels() == ("onednn", "portable")


def test_auto_without_onednn_warns_once(without_onednn):
    with pytest.warns(EngineWarning, match=r"portable kernels.*/nowhere/libdnnl\.so\.3") as caught:
        kernels = registry.get_kernels()
    assert len(caught) == 1
    assert Path(caught[0].filename).name == Path(__file__).name
    assert kernels.name == "portable"
    assert registry.get_kernels() is kernels
    np.testing.assert_array_equal(kernels.dot(np.eye(2), np.eye(2)), np.eye(2))


def test_onednn_without_onednn_is_an_error(without_onednn):
    for _ in range(2):
        with pytest.raises(EngineError, match=r"/nowhere/libdnnl\.so\.3"):
            registry.get_kernels("onednn")
    assert registry.available_kernels() == ("portable",)
    assert "onednn" not in registry.available_engines()


@pytest.mark.onednn
def test_auto_with_an_unknown_version(fresh, monkeypatch):
    monkeypatch.setattr(library, "_loaded", None)
    monkeypatch.setattr(library, "KNOWN_MINORS", range(90, 91))
    with pytest.warns(EngineWarning, match=r"3\.90|could not be loaded"):
        assert registry.get_kernels().name == "portable"


def test_importing_loads_nothing():
    modules, maps = after_importing()
    assert not {"cffi", "llvmlite"} & modules
    if not maps:
        pytest.skip("no /proc")
    assert "/libdnnl" not in maps


def test_jax_is_named_where_it_is_installed_and_not_imported(fresh, monkeypatch):
    installed = find_spec("jax") is not None
    before = "jax" in sys.modules
    assert ("jax" in registry.available_engines()) == installed
    assert "jax" not in registry.available_kernels()
    assert ("jax" in sys.modules) == before
    monkeypatch.setattr(registry, "find_spec", lambda name: None)
    assert "jax" not in registry.available_engines()


def test_the_type_of_names_is_that_of_the_table():
    assert get_args(registry.EngineName) == ("auto", *registry.ENGINES)
    assert all(name == engine.name for name, engine in registry.ENGINES.items())


def from_onnx():
    pytest.importorskip("onnx")
    from convnet_features.onnx import from_onnx

    return from_onnx


DOCUMENTED = {
    "estimator": lambda: ConvNetFeatureExtractor,
    "nolearn": lambda: NeuralNet,
    "from_onnx": from_onnx,
    "get_kernels": lambda: registry.get_kernels,
}


@pytest.mark.parametrize("where", DOCUMENTED)
def test_docstrings_list_what_the_table_has(where):
    (listed,) = re.findall(r"^ *(?:engine|name) : \{(.*?)\}", DOCUMENTED[where]().__doc__, re.M)
    names = [name.strip("\"' ") for name in listed.split(",")]
    # Whole ONNX models have an engine of their own, which computes no layers of ours.
    assert names == ["auto", *registry.ENGINES, *["onnxruntime"] * (where == "from_onnx")]


def test_the_guide_lists_what_the_table_has():
    guide = Path(__file__).parents[2] / "docs" / "guide" / "deployment.md"
    rows = re.findall(r'^\| `"(\w+)"`', guide.read_text(encoding="utf-8"), re.M)
    assert rows == ["auto", *registry.ENGINES]


@pytest.mark.parametrize("part", ["kernels", "compiler", "step"])
@pytest.mark.parametrize("name", registry.ENGINES)
def test_parts_of_engines_are_there(name, part):
    if registry.ENGINES[name].needs is not None:
        pytest.importorskip(registry.ENGINES[name].needs)
    assert callable(registry.ENGINES[name].part(part))


@pytest.mark.parametrize("name", registry.ENGINES)
def test_an_engine_is_found_by_its_name_and_by_what_auto_stands_for(name):
    if name not in registry.available_engines():
        pytest.skip(f"{name} is not on this machine")
    assert registry.get_engine(name) is registry.ENGINES[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", EngineWarning)
        assert registry.get_engine().name == registry.get_kernels().name


def test_nobody_asks_for_an_engine_by_its_name():
    """What engines differ in stands in the table."""
    branch = re.compile(r"""(engine|kernels\.name) *[=!]=|[=!]= *["'](onednn|portable|jax)["']""")
    found = [
        f"{path.name}: {line.strip()}"
        for path in Path(convnet_features.__file__).parent.rglob("*.py")
        for line in path.read_text(encoding="utf-8").splitlines()
        if branch.search(line)
    ]
    assert not found


@pytest.mark.parametrize("engine", ["abacus", [], None, 3, {}])
def test_what_is_no_engine(engine):
    with pytest.raises(EngineError, match=r"engine=.* is unknown; the engines are 'auto'"):
        registry.get_kernels(engine)
