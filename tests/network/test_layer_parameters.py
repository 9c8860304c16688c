"""What may be set of each layer."""

from __future__ import annotations

import inspect

import pytest
from lasagne.layers import Conv2DLayer, DenseLayer, MaxPool2DLayer

from convnet_features.layers import BatchNormLayer
from convnet_features.network import LayerSpec
from convnet_features.network.layer_parameters import list_parameters, shown
from convnet_features.network.spec import layer_arguments, with_parameters

SPECS = [
    LayerSpec("conv", Conv2DLayer, {"num_filters": 8, "filter_size": (3, 3)}),
    LayerSpec("norm", BatchNormLayer),
    LayerSpec("pool", MaxPool2DLayer, {"pool_size": 2}),
    LayerSpec("output", DenseLayer),
]


@pytest.fixture(scope="module")
def listed():
    return {each.name: each for each in list_parameters(SPECS)}


def test_every_argument_of_every_layer_is_there(listed):
    assert set(listed) == {
        f"{spec.name}_{argument}"
        for spec in SPECS
        for argument in layer_arguments(spec.layer_class)
    }


def test_every_one_may_be_set(listed):
    values = {name: each.value for name, each in listed.items()}
    again = with_parameters(SPECS, values)
    assert again[0].params["num_filters"] == 8


def test_values_are_those_declared_else_the_defaults(listed):
    assert (listed["conv_num_filters"].value, listed["conv_stride"].value) == (8, (1, 1))
    assert listed["conv_num_filters"].default is inspect.Parameter.empty
    assert (
        listed["norm_epsilon"].default
        == inspect.signature(BatchNormLayer).parameters["epsilon"].default
    )


def test_what_y_decides_has_no_value(listed):
    for name in ("output_num_units", "output_nonlinearity"):
        assert listed[name].value is inspect.Parameter.empty
    declared = [LayerSpec("output", DenseLayer, {"num_units": 3})]
    [units] = [each for each in list_parameters(declared) if each.argument == "num_units"]
    assert units.value == 3
    # A dense layer that is not the last takes nothing from y.
    assert {each.name: each for each in list_parameters([LayerSpec("d", DenseLayer), *SPECS])}[
        "d_nonlinearity"
    ].value.__name__ == "rectify"


def test_meanings_come_from_the_documentation(listed):
    assert listed["conv_filter_size"].meaning == "Rows and columns of a filter."
    assert listed["pool_pool_size"].meaning.startswith("The length of the pooling region")
    assert listed["pool_mode"].meaning == "Pooling mode"
    # Those of two arguments in one entry.
    assert listed["norm_beta"].meaning
    assert all(each.meaning for each in listed.values())


def test_a_class_without_documentation_has_no_meanings():
    class Own(DenseLayer):
        def __init__(self, incoming, strength, **kwargs):
            super().__init__(incoming, **kwargs)

    found = {each.argument: each for each in list_parameters([LayerSpec("own", Own)])}
    assert found["strength"].meaning == ""
    assert found["num_units"].meaning == "Numbers for each sample."


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (inspect.Parameter.empty, "-"),
        (0.5, "0.5"),
        ("same", "'same'"),
        (None, "None"),
        (len, "len"),
        (object(), "object"),
    ],
)
def test_how_values_are_shown(value, text):
    assert shown(value) == text


def test_the_table():
    lines = str(list_parameters(SPECS[:1])).splitlines()
    assert lines[0].split() == ["parameter", "value", "default", "meaning"]
    assert lines[2].split()[:3] == ["conv_num_filters", "8", "-"]
