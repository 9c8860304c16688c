"""Recurrent layers that give the last step alone."""

from __future__ import annotations

import inspect
import pickle

import numpy as np
import pytest
import theano
from lasagne import layers as ll
from lasagne.init import Normal
from lasagne.layers import Gate
from lasagne.nonlinearities import sigmoid as sigmoid_of_lasagne

from convnet_features.layers import (
    CustomRecurrentLayer,
    DenseLayer,
    GRULayer,
    LSTMLayer,
    RecurrentLayer,
)

from ..helpers import assert_close


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


@pytest.mark.parametrize("unroll_scan", [False, True])
def test_the_output_gate_sees_the_peephole(unroll_scan, rng):
    """As its equation says; Lasagne 0.1 added the peephole behind the nonlinearity."""
    x = rng.normal(size=(3, 4, 2)).astype("float32")
    gate = Gate(W_in=Normal(1), W_hid=Normal(1), W_cell=Normal(2), b=Normal(1))
    layer = LSTMLayer(
        (3, 4, 2), 5, gate, gate, outgate=gate, unroll_scan=unroll_scan, only_return_final=True
    )

    def value(name):
        return np.float64(getattr(layer, name).get_value())

    def of(name, x, h):
        return x @ value(f"W_in_to_{name}") + h @ value(f"W_hid_to_{name}") + value(f"b_{name}")

    def sigmoid(z):
        return 1 / (1 + np.exp(-z))

    h, c = np.zeros((3, 5)), np.zeros((3, 5))
    for t in range(4):
        i, f, new, o = (
            of(name, np.float64(x[:, t]), h) for name in ("ingate", "forgetgate", "cell", "outgate")
        )
        i = sigmoid(i + c * value("W_cell_to_ingate"))
        f = sigmoid(f + c * value("W_cell_to_forgetgate"))
        c = f * c + i * np.tanh(new)
        h = sigmoid(o + c * value("W_cell_to_outgate")) * np.tanh(c)
    y = layer.get_output_for([theano.shared(x)]).eval()
    assert_close(y, h, "float32")
    assert layer.nonlinearity_outgate is sigmoid_of_lasagne


@pytest.mark.parametrize("kind", [RecurrentLayer, LSTMLayer, GRULayer])
def test_clipping_at_zero_is_none(kind, rng):
    """Later Lasagne's default; Lasagne 0.1 would clip every gradient to 0."""
    incoming = ll.InputLayer((2, 3, 4))
    layer = kind(incoming, 5, grad_clipping=0)
    x = theano.shared(rng.normal(size=(2, 3, 4)).astype("float32"))
    weights = ll.get_all_params(layer, regularizable=True)[0]
    gradient = theano.grad(ll.get_output(layer, x).sum(), weights).eval()
    assert np.abs(gradient).max() > 0


def test_a_decoder_begins_with_the_states_of_its_encoder(rng):
    """Two LSTM layers as of 2016's translators: `hid_init` and `cell_init` are layers."""
    words, said = ll.InputLayer((None, 4, 3)), ll.InputLayer((None, 5, 2))
    code = LSTMLayer(words, 6, only_return_final=True, name="code")
    cell = DenseLayer(code, 6, name="cell")
    decoder = LSTMLayer(said, 6, hid_init=code, cell_init=cell, peepholes=False, name="decoder")
    assert decoder.hid_init is code
    assert decoder.output_shape == (None, 5, 6)
    assert set(ll.get_all_layers(decoder)) >= {words, said, code, cell}
    assert code.W_in_to_cell in ll.get_all_params(decoder, trainable=True)
    x, y = (theano.shared(rng.normal(size=(2, *n)).astype("float32")) for n in ((4, 3), (5, 2)))
    states, h, c = ll.get_output([decoder, code, cell], {words: x, said: y})
    gradient = theano.grad(states.sum(), code.W_in_to_cell)
    # The same by a layer of Lasagne's own, begun with expressions.
    alone = LSTMLayer(said, 6, hid_init=h, cell_init=c, peepholes=False)
    own = {
        name: getattr(decoder, name).get_value() for name in vars(alone) if name[:2] in ("W_", "b_")
    }
    for name, value in own.items():
        getattr(alone, name).set_value(value)
    found, expected, g = theano.function([], [states, alone.get_output_for([y]), gradient])()
    assert_close(found, np.float64(expected), "float32")
    assert np.abs(g).max() > 0


@pytest.mark.parametrize("kind", [CustomRecurrentLayer, GRULayer, RecurrentLayer])
def test_states_of_other_layers_beside_a_mask(kind, rng):
    steps, first = ll.InputLayer((None, 5, 3)), ll.InputLayer((None, 4))
    mask = ll.InputLayer((None, 5))
    layer = made(kind, steps, hid_init=first, mask_input=mask)
    arrays = [rng.normal(size=(2, *size)).astype("float32") for size in ((5, 3), (4,))]
    nothing = np.zeros((2, 5), "float32")
    feed = {steps: arrays[0], first: arrays[1], mask: nothing}
    y = ll.get_output(layer, {each: theano.shared(value) for each, value in feed.items()}).eval()
    # Every step is masked: the state stays what it was.
    np.testing.assert_allclose(y, np.repeat(arrays[1][:, None], 5, axis=1), rtol=1e-6)
