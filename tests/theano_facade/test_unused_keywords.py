"""Keywords of ``get_output`` that no layer takes."""

from __future__ import annotations

import re
import warnings

import pytest
from lasagne import layers
from lasagne.layers import get_output

from convnet_features.layers import BatchNormLayer


def dropout():
    return layers.DropoutLayer(layers.DenseLayer(layers.InputLayer((None, 4)), 3))


@pytest.mark.parametrize(
    ("keywords", "listed"),
    [
        ({"determinstic": True}, ["determinstic (perhaps you meant deterministic)"]),
        ({"deterministic": True, "zzz": 1}, ["zzz"]),
        ({"zzz": 1, "qqq": 2}, ["zzz", "qqq"]),
        (
            {"batch_norm_use_average": True},
            ["batch_norm_use_average (perhaps you meant batch_norm_use_averages)"],
        ),
    ],
)
def test_they_are_named_as_by_later_lasagne(keywords, listed):
    layer = BatchNormLayer(dropout()) if "batch_norm_use_average" in keywords else dropout()
    text = "get_output() was called with unused kwargs:\n\t" + "\n\t".join(listed)
    with pytest.warns(UserWarning, match=f"^{re.escape(text)}$") as caught:
        get_output(layer, **keywords)
    (warning,) = caught
    assert warning.filename == __file__


def test_what_some_layer_takes_is_not():
    class Scaled(layers.Layer):
        def get_output_for(self, input, scale=1, **kwargs):
            return input * scale

    class Read(layers.Layer):
        get_output_kwargs = ("hidden",)

        def get_output_for(self, input, **kwargs):
            return input * kwargs.get("hidden", 1)

    network = Read(Scaled(BatchNormLayer(dropout())))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        get_output(network, deterministic=True, scale=2, hidden=3, batch_norm_use_averages=True)
        get_output([network, network.input_layer], scale=2)
        get_output(dropout(), deterministic=False)


def test_layers_within_recurrent_layers_count():
    step = BatchNormLayer(layers.DenseLayer(layers.InputLayer((None, 3)), 5, b=None))
    hidden = layers.DenseLayer(layers.InputLayer((None, 5)), 5)
    layer = layers.CustomRecurrentLayer(layers.InputLayer((2, 4, 3)), step, hidden)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        get_output(layer, batch_norm_update_averages=False)


def test_layers_that_are_given_are_not_asked():
    class Scaled(layers.Layer):
        def get_output_for(self, input, scale=1, **kwargs):
            return input * scale

    import theano.tensor as T

    scaled = Scaled(layers.InputLayer((None, 4)))
    with pytest.warns(UserWarning, match="unused kwargs:\n\tscale$"):
        get_output(layers.DropoutLayer(scaled), {scaled: T.matrix()}, scale=2)
