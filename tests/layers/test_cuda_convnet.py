"""cuda-convnet's layers, which compute here; Lasagne's own tests of them pass as well."""

from __future__ import annotations

import numpy as np
import pytest
import theano
from lasagne import layers as ll
from lasagne.layers import cuda_convnet

from convnet_features.layers import Conv2DLayer

from ..helpers import assert_close

C01B = (1, 2, 3, 0)


@pytest.mark.parametrize("untie_biases", [False, True])
@pytest.mark.parametrize("flip_filters", [False, True])
def test_convolution_in_both_orders(flip_filters, untie_biases, rng):
    images = rng.normal(size=(5, 4, 9, 8)).astype("float32")
    settings = {"stride": 2, "pad": 1, "untie_biases": untie_biases, "flip_filters": flip_filters}
    expected = Conv2DLayer(images.shape, 16, 3, **settings)
    b = rng.normal(size=expected.b.get_value().shape).astype("float32")
    expected.b.set_value(b)
    W = expected.W.get_value()
    first = cuda_convnet.Conv2DCCLayer(images.shape, 16, 3, W=W, b=b, **settings)
    turned = ll.InputLayer(tuple(images.shape[axis] for axis in C01B))
    last = cuda_convnet.Conv2DCCLayer(
        turned, 16, 3, W=W.transpose(C01B), b=b, dimshuffle=False, **settings
    )
    y = expected.get_output_for(theano.shared(images)).eval()
    assert first.output_shape == y.shape
    assert last.output_shape == tuple(y.shape[axis] for axis in C01B)
    assert_close(first.get_output_for(theano.shared(images)).eval(), np.float64(y), "float32")
    found = last.get_output_for(theano.shared(images.transpose(C01B))).eval()
    assert_close(found, np.float64(y.transpose(C01B)), "float32")


def test_a_network_with_the_samples_last(rng):
    """As its users wrote: shuffled at the entrance and at the exit."""
    images = ll.InputLayer((None, 3, 12, 12))
    net = cuda_convnet.bc01_to_c01b(images)
    net = cuda_convnet.Conv2DCCLayer(net, 16, 3, pad="same", dimshuffle=False)
    net = cuda_convnet.MaxPool2DCCLayer(net, 3, stride=2, dimshuffle=False)
    net = cuda_convnet.NINLayer_c01b(net, 7, untie_biases=True)
    net = cuda_convnet.c01b_to_bc01(net)
    conv, pool, nin = ll.get_all_layers(net)[2:5]
    same = ll.MaxPool2DLayer(
        Conv2DLayer(
            images, 16, 3, pad=1, W=conv.W.get_value().transpose(3, 0, 1, 2), flip_filters=False
        ),
        3,
        2,
        ignore_border=False,
    )
    same = ll.NINLayer(same, 7, W=nin.W.get_value().T)
    assert net.output_shape == same.output_shape == (None, 7, 6, 6)
    assert pool.output_shape == (16, 6, 6, None)
    x = theano.shared(rng.normal(size=(4, 3, 12, 12)).astype("float32"))
    outputs = [ll.get_output(each, x) for each in (net, same)]
    gradients = [
        theano.grad((each**2).sum(), w) for each, w in zip(outputs, (nin.W, same.W), strict=True)
    ]
    found, expected, g_found, g_expected = theano.function([], [*outputs, *gradients])()
    assert_close(found, np.float64(expected), "float32")
    np.testing.assert_allclose(g_found, g_expected.T, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("kind", "arguments", "error", "text"),
    [
        (
            "Conv2DCCLayer",
            (16, (3, 2)),
            RuntimeError,
            r"only supports square filters; got \(3, 2\)",
        ),
        ("Conv2DCCLayer", (16, 3, (1, 2)), RuntimeError, "only supports square strides"),
        ("Conv2DCCLayer", (16, 3, 1, (1, 0)), RuntimeError, "only supports square padding"),
        ("Conv2DCCLayer", (8, 3), RuntimeError, "num_filters to be a multiple of 16; got 8"),
        (
            "MaxPool2DCCLayer",
            ((2, 3),),
            NotImplementedError,
            "only supports square pooling regions",
        ),
        ("MaxPool2DCCLayer", (2, 3), NotImplementedError, "only supports stride <= pool_size"),
        ("MaxPool2DCCLayer", (2, 2, True), NotImplementedError, "ignore_border=True"),
    ],
)
def test_what_cuda_convnet_does_not_take(kind, arguments, error, text):
    with pytest.raises(error, match=f"{kind} .*{text}"):
        getattr(cuda_convnet, kind)((None, 4, 9, 9), *arguments)
    with pytest.raises(RuntimeError, match="1, 2, 3 or a multiple of 4; it is 5"):
        cuda_convnet.Conv2DCCLayer((None, 5, 9, 9), 16, 3)
    with pytest.raises(NotImplementedError, match="does not support padding"):
        cuda_convnet.MaxPool2DCCLayer((None, 5, 9, 9), 2, pad=1)
