"""Arguments of layers that are names of layers."""

from __future__ import annotations

import pytest
from lasagne.layers import DenseLayer, DropoutLayer, InputLayer, LSTMLayer

from convnet_features.exceptions import NetworkError
from convnet_features.network.references import resolved
from convnet_features.network.spec import LayerSpec


def test_layers_and_parameters():
    below = InputLayer((None, 5, 3))
    hidden = DenseLayer(below, 4)
    built = {"below": below, "hidden": hidden}
    spec = LayerSpec("lstm", LSTMLayer)
    given = {"num_units": 4, "mask_input": "below", "W": "hidden", "b": None, "pad": "same"}
    assert resolved(spec, given, built) == {**given, "mask_input": below, "W": hidden.W}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"W": "hiden"}, r"^layer 'last' \(DenseLayer, W='hiden'\): no layer of that name comes "
                         r"before it; there are below, drop\.$"),
        ({"mask_input": "m"}, "no layer of that name comes before it"),
        ({"W": "drop"}, r"layer 'drop' has no W to share\.$"),
    ],
)  # fmt: skip
def test_names_of_nothing(arguments, message):
    below = InputLayer((None, 3))
    built = {"below": below, "drop": DropoutLayer(below)}
    with pytest.raises(NetworkError, match=message):
        resolved(LayerSpec("last", DenseLayer), arguments, built)
