"""Lasagne's modules have the names of the later version, from one table, listed in the guide."""

from __future__ import annotations

import importlib
import inspect
import pickle
import re
from pathlib import Path

import lasagne
import numpy as np
import pytest
import theano

from convnet_features import layers as ours
from convnet_features.theano_facade.lasagne_modules import original
from convnet_features.theano_facade.lasagne_names import LATER, NEW_MODULES, OF_GRAPHICS_CARDS

NAMES = [(module, name) for module, names in LATER.items() for name in names]
GUIDE = Path(__file__).parents[2] / "docs" / "migration.md"
#: Names that Lasagne 0.1 has, whose later versions take more.
SUBCLASSES = {
    "lasagne.objectives": ["binary_crossentropy", "squared_error"],
    "lasagne.utils": ["create_param"],
    "lasagne.layers.conv": ["Conv1DLayer", "Conv2DLayer"],
    "lasagne.layers.dense": ["DenseLayer"],
    "lasagne.layers.merge": ["ConcatLayer", "ElemwiseMergeLayer", "ElemwiseSumLayer", "concat"],
    "lasagne.layers.noise": ["DropoutLayer", "dropout"],
    "lasagne.layers.recurrent": ["CustomRecurrentLayer", "GRULayer", "LSTMLayer", "RecurrentLayer"],
}


@pytest.mark.parametrize(("module", "name"), NAMES)
def test_each_name(module, name):
    later = LATER[module][name]
    value = getattr(importlib.import_module(module), name)
    home = (
        later.module if later.module.startswith("lasagne.") else f"convnet_features.{later.module}"
    )
    assert value is getattr(importlib.import_module(home), later.name)
    assert name in dir(importlib.import_module(module))
    assert later.since == "0.2.dev1"


def test_the_layers_package_has_what_its_modules_have():
    for module in set(LATER) - OF_GRAPHICS_CARDS:
        if module.startswith("lasagne.layers."):
            for name in set(LATER[module]) - {"conv_input_length"}:
                assert getattr(lasagne.layers, name) is getattr(
                    importlib.import_module(module), name
                )


def test_lasagnes_own_names_are_not_taken_but_for_subclasses():
    for module, names in LATER.items():
        if module in NEW_MODULES or module == "lasagne.layers":
            continue
        own = vars(importlib.import_module(module))
        taken = sorted(set(own) & set(names))
        assert taken == SUBCLASSES.get(module, [])
        for name in taken:
            assert original(module, name) is own[name]
            if isinstance(own[name], type):
                assert issubclass(names_of(module)[name], own[name])


def names_of(module):
    return {name: getattr(importlib.import_module(module), name) for name in LATER[module]}


@pytest.mark.parametrize(("module", "names"), SUBCLASSES.items())
def test_subclasses_take_what_lasagnes_take(module, names):
    """In the same order, so that arguments by place mean the same."""
    for name in names:
        theirs = list(inspect.signature(original(module, name)).parameters)
        ours_take = list(inspect.signature(names_of(module)[name]).parameters)
        if "kwargs" in theirs:
            theirs.remove("kwargs")
        # Later Lasagne put flip_filters in front of it.
        if "convolution" in theirs:
            theirs.remove("convolution")
        assert ours_take[: len(theirs)] == theirs


def test_the_package_exports_the_layers():
    later = {
        name: value for name, value in names_of("lasagne.layers").items() if name != "BaseConvLayer"
    }
    exported = {id(getattr(ours, name)) for name in ours.__all__}
    assert {id(value) for value in later.values()} <= exported


def test_nothing_of_ours_is_imported_with_lasagne(in_new_process):
    code = """
import sys, lasagne
print([name for name in sys.modules if name.startswith('convnet_features.layers')])
from lasagne.layers import *
print(batch_norm.__module__, Conv2DLayer.__module__, Layer.__module__)
"""
    assert in_new_process(code).splitlines() == [
        "[]",
        "convnet_features.layers.batch_norm convnet_features.layers.conv2d lasagne.layers.base",
    ]


def test_names_can_be_put_in_place_of_others(monkeypatch):
    monkeypatch.setattr(lasagne.layers, "Deconv2DLayer", "mine")
    assert lasagne.layers.Deconv2DLayer == "mine"
    monkeypatch.undo()
    assert lasagne.layers.Deconv2DLayer is ours.TransposedConv2DLayer


def test_a_name_that_nobody_has():
    with pytest.raises(AttributeError, match=r"lasagne.layers.*Deconv4DLayer"):
        lasagne.layers.Deconv4DLayer  # noqa: B018


def test_a_layer_that_lasagne_itself_pickled_loads_as_the_later_one():
    layer = ours.Conv2DLayer((2, 3, 5, 5), 4, 3, pad=1)
    contents = pickle.dumps(layer, 2).replace(
        b"cconvnet_features.layers.conv2d\nConv2DLayer\n", b"clasagne.layers.conv\nConv2DLayer\n"
    )
    for name in (b"flip_filters", b"num_groups", b"dilation"):
        assert name in contents
    back = pickle.loads(contents)
    for name in ("flip_filters", "num_groups", "dilation", "n"):
        del back.__dict__[name]
    x = theano.shared(np.ones((2, 3, 5, 5), "float32"))
    np.testing.assert_array_equal(back.get_output_for(x).eval(), layer.get_output_for(x).eval())


def test_layers_of_graphics_cards_compute_here(rng):
    from lasagne.layers import dnn
    from lasagne.layers.corrmm import Conv2DMMLayer

    x = theano.shared(rng.normal(size=(2, 3, 7, 8)).astype("float32"))
    for kind in (dnn.Conv2DDNNLayer, Conv2DMMLayer):
        layer = kind((2, 3, 7, 8), 4, 3, pad=1)
        assert layer.flip_filters is False
        same = ours.Conv2DLayer((2, 3, 7, 8), 4, 3, pad=1, W=layer.W, flip_filters=False)
        np.testing.assert_array_equal(layer.get_output_for(x).eval(), same.get_output_for(x).eval())
    pooled = dnn.MaxPool2DDNNLayer((2, 3, 7, 8), 2)
    assert pooled.output_shape == pooled.get_output_for(x).eval().shape == (2, 3, 3, 4)
    with pytest.raises(
        NotImplementedError, match="Pool2DDNNLayer does not support ignore_border=F"
    ):
        dnn.Pool2DDNNLayer((2, 3, 7, 8), 2, ignore_border=False)
    volumes = theano.shared(rng.normal(size=(2, 3, 4, 6, 6)).astype("float32"))
    for layer in (
        dnn.Conv3DDNNLayer((2, 3, 4, 6, 6), 2, 3),
        dnn.Pool3DDNNLayer((2, 3, 4, 6, 6), 2, mode="average_inc_pad"),
        dnn.MaxPool3DDNNLayer((2, 3, 4, 6, 6), 2),
    ):
        assert layer.get_output_for(volumes).eval().shape == layer.output_shape
    assert dnn.SpatialPyramidPoolingDNNLayer((2, 3, None, None), [2]).output_shape == (2, 3, 4)
    assert dnn.batch_norm_dnn is ours.batch_norm


def test_the_guide_lists_every_name():
    text = GUIDE.read_text(encoding="utf-8")
    section = text.partition("## Names of later Lasagne versions")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `(lasagne[^`]*)` \| (.*) \|$", section, re.MULTILINE)
    listed = {module: re.findall(r"`([^`]+)`", names) for module, names in rows}
    in_table = {
        module: sorted(names) for module, names in LATER.items() if module != "lasagne.layers"
    }
    assert listed == in_table
