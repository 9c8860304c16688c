"""``import nolearn.lasagne`` where nolearn is not installed."""

from __future__ import annotations

import importlib
import importlib.util
import pickle

import pytest

from convnet_features.theano_facade.nolearn_import import MODULES

needs_none = pytest.mark.skipif(
    getattr(importlib.util.find_spec("nolearn"), "origin", "") != "convnet_features",
    reason="nolearn itself is installed",
)


@needs_none
@pytest.mark.parametrize(("name", "ours"), MODULES.items())
def test_each_module_is_ours(name, ours):
    module = importlib.import_module(name)
    if ours is not None:
        assert module is importlib.import_module(ours)
        assert module.__spec__.name == ours


@needs_none
def test_as_scripts_import_it():
    from nolearn.lasagne import BatchIterator, NeuralNet, visualize
    from nolearn.lasagne.base import TrainSplit, objective

    from convnet_features import nolearn

    found = (NeuralNet, BatchIterator, TrainSplit, objective, visualize)
    names = ("NeuralNet", "BatchIterator", "TrainSplit", "objective", "visualize")
    assert found == tuple(getattr(nolearn, name) for name in names)
    assert pickle.loads(pickle.dumps(NeuralNet)) is NeuralNet


@needs_none
def test_what_is_not_part_of_it():
    with pytest.raises(
        ModuleNotFoundError, match=r"^nolearn.model is not part .*: it has nolearn, "
    ):
        importlib.import_module("nolearn.model")


@needs_none
@pytest.mark.parametrize(
    ("name", "text"),
    [("dbn", "BernoulliRBM in a Pipeline"), ("decaf", "pretrained_extractor"), ("cache", "joblib")],
)
def test_what_there_is_instead(name, text):
    with pytest.raises(ModuleNotFoundError, match=rf"^nolearn.{name} is not part of .*{text}"):
        importlib.import_module(f"nolearn.{name}")


def test_an_installed_nolearn_stays(in_new_process, tmp_path):
    (tmp_path / "nolearn" / "lasagne").mkdir(parents=True)
    (tmp_path / "nolearn" / "__init__.py").write_text("own = True\n")
    (tmp_path / "nolearn" / "lasagne" / "__init__.py").write_text("here = 7\n")
    code = f"""
import sys
sys.path.insert(0, {str(tmp_path)!r})
import convnet_features, nolearn.lasagne
print(nolearn.own, nolearn.lasagne.here)
try:
    import nolearn.metrics
except ImportError as error:
    print(error)
"""
    assert "True 7\nNo module named 'nolearn.metrics'" in in_new_process(code, whole=True)
