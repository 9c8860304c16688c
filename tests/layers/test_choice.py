"""The one of two values that a third chooses."""

from __future__ import annotations

import numpy as np
import pytest
import theano
from lasagne import layers as ll
from theano import tensor as T

from convnet_features.layers import ChoiceLayer

from ..helpers import assert_close, assert_derivative

SIZES = {
    "same": [(3, 4, 5), (3, 4, 5), (3, 4, 5)],
    "condition of channels": [(3, 1, 1), (3, 4, 5), (3, 4, 5)],
    "values of other sizes": [(3, 4, 1), (1, 4, 5), (3, 1, 1)],
    "units": [(7,), (1,), (7,)],
}


def built(sizes, **numbers):
    """The layer, a function of its inputs to its output, and one to gradients of the values."""
    incomings = [ll.InputLayer((None, *size)) for size in sizes]
    layer = ChoiceLayer(incomings, **numbers)
    inputs = [T.TensorType("float64", [False] * (1 + len(size)))() for size in sizes]
    output = ll.get_output(layer, dict(zip(incomings, inputs, strict=True)))
    loss = T.sum(T.tanh(output))
    function = theano.function(inputs, [output, loss, *theano.grad(loss, inputs[1:])])
    return layer, function


@pytest.mark.parametrize("name", SIZES)
def test_values_and_gradients(name, rng):
    layer, function = built(SIZES[name])
    condition, first, second = (rng.normal(size=(2, *size)) for size in SIZES[name])
    y, _, *gradients = function(condition, first, second)
    expected = np.where(condition > 0, first, second)
    assert_close(y, expected, "float64")
    assert layer.output_shape == (None, *expected.shape[1:])
    assert_derivative(
        lambda *values: float(function(condition, *values)[1]), [first, second], gradients, rng
    )


@pytest.mark.parametrize("numbers", [{"first": 0.5}, {"second": -2.0}, {"first": 1, "second": 0}])
def test_numbers(numbers, rng):
    sizes = [(3, 4)] * (3 - len(numbers))
    _, function = built(sizes, **numbers)
    condition, *values = (rng.normal(size=(2, *size)) for size in sizes)
    values = iter(values)
    first = numbers["first"] if "first" in numbers else next(values)
    second = numbers["second"] if "second" in numbers else next(values)
    given = [condition, *(each for each in (first, second) if isinstance(each, np.ndarray))]
    assert_close(function(*given)[0], np.where(condition > 0, first, second), "float64")


def test_what_is_no_choice():
    with pytest.raises(ValueError, match="a condition and two values, and got 2 layers and 0 numb"):
        ChoiceLayer([(None, 3), (None, 3)])
    with pytest.raises(ValueError, match=r"ChoiceLayer: its inputs have the shapes .* must agree"):
        _ = ChoiceLayer([(None, 3), (None, 4), (None, 3)]).output_shape
