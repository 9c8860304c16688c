"""Recurrent layers that give the last step alone."""

from __future__ import annotations

import inspect
import pickle

import numpy as np
import pytest
import theano
from lasagne import layers as ll

from convnet_features.layers import (
    CustomRecurrentLayer,
    DenseLayer,
    GRULayer,
    LSTMLayer,
    RecurrentLayer,
)


def made(kind, steps, **options):
    if kind is not CustomRecurrentLayer:
        return kind(steps, 4, **options)
    to_state = DenseLayer(ll.InputLayer((None, 3)), 4, nonlinearity=None)
    onwards = DenseLayer(ll.InputLayer((None, 4)), 4, nonlinearity=None)
    return kind(steps, to_state, onwards, **options)


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("kind", [CustomRecurrentLayer, GRULayer, LSTMLayer, RecurrentLayer])
def test_last_step(kind, backwards, rng):
    values = theano.shared(rng.normal(size=(2, 5, 3)).astype("float32"))
    layer = made(kind, ll.InputLayer((2, 5, 3)), backwards=backwards)
    every = ll.get_output(layer, values).eval()
    assert every.shape == layer.output_shape == (2, 5, 4)
    layer.only_return_final = True
    last = ll.get_output(layer, values).eval()
    assert last.shape == layer.output_shape == (2, 4)
    # Backwards, the first entry is read last.
    np.testing.assert_allclose(last, every[:, 0 if backwards else -1], rtol=1e-6)


@pytest.mark.parametrize("kind", [GRULayer, LSTMLayer, RecurrentLayer])
def test_the_argument_is_seen_and_kept(kind):
    assert inspect.signature(kind).parameters["only_return_final"].default is False
    steps = ll.InputLayer((None, 5, 3))
    layer = pickle.loads(pickle.dumps(made(kind, steps, only_return_final=True, name="steps")))
    assert layer.output_shape == (None, 4)
    assert isinstance(layer, getattr(ll, kind.__name__))


def test_masked_steps_leave_the_state(rng):
    values = rng.normal(size=(2, 5, 3)).astype("float32")
    mask = np.float32([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]])
    steps, kept = ll.InputLayer((2, 5, 3)), ll.InputLayer((2, 5))
    layer = LSTMLayer(steps, 4, mask_input=kept, only_return_final=True)
    given = {steps: theano.shared(values), kept: theano.shared(mask)}
    last = ll.get_output(layer, given).eval()
    layer.only_return_final = False
    given[kept] = theano.shared(np.ones_like(mask))
    every = ll.get_output(layer, given).eval()
    np.testing.assert_allclose(last[0], every[0, 2], rtol=1e-5)
    np.testing.assert_allclose(last[1], every[1, 4], rtol=1e-5)
