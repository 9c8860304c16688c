"""Weights of PyTorch's layers compute here what PyTorch's documentation says."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from lasagne.layers import EmbeddingLayer, InputLayer

from convnet_features.layers import (
    Conv1DLayer,
    Conv2DLayer,
    Conv3DLayer,
    DilatedConv2DLayer,
    TransposedConv2DLayer,
)
from convnet_features.network.model import Model
from convnet_features.network.spec import parse_layers
from convnet_features.network.state_dicts import of_network
from convnet_features.network.transfer import load_values


def output(layer_class, params, weights, X):
    """What a layer makes of X with the weights of a state dict."""
    layers = [("in", InputLayer, {"shape": (None, *X.shape[1:])}), ("layer", layer_class, params)]
    model = Model(parse_layers(layers), X.shape[1:], None, "numbers", engine="portable")
    load_values(model, of_network({"layer.weight": weights}, model.network))
    return model.outputs(["layer"], X)[0]


def correlated(X, weights, step=1):
    """Out of maps and filters: sums of products, without turning the filters; by loops."""
    shape = [n - step * (k - 1) for n, k in zip(X.shape[2:], weights.shape[2:], strict=True)]
    result = np.zeros((len(X), len(weights), *shape))
    for offsets in itertools.product(*map(range, weights.shape[2:])):
        pairs = zip(offsets, shape, strict=True)
        part = X[(..., *(slice(step * i, step * i + n) for i, n in pairs))]
        result += np.einsum("nc...,fc->nf...", part, weights[(..., *offsets)])
    return result


def transposed(X, weights):
    """The sum of the filters, each shifted to where a map has its number; by loops."""
    height, width = weights.shape[2:]
    result = np.zeros((len(X), weights.shape[1], X.shape[2] + height - 1, X.shape[3] + width - 1))
    for i, j in np.ndindex(*X.shape[2:]):
        part = np.einsum("nc,cfyx->nfyx", X[:, :, i, j], weights)
        result[:, :, i : i + height, j : j + width] += part
    return result


@pytest.mark.parametrize("flip_filters", [True, False])
@pytest.mark.parametrize(
    ("layer_class", "sizes", "filters"),
    [
        (Conv1DLayer, (7,), (3,)),
        (Conv2DLayer, (6, 5), (3, 2)),
        (Conv3DLayer, (5, 4, 6), (3, 2, 4)),
    ],
)
def test_convolutions(layer_class, sizes, filters, flip_filters, rng):
    X = rng.standard_normal((2, 3, *sizes)).astype(np.float32)
    weights = rng.standard_normal((3, 3, *filters)).astype(np.float32)
    params = {
        "num_filters": 3,
        "filter_size": filters,
        "flip_filters": flip_filters,
        "nonlinearity": None,
    }
    found = output(layer_class, params, weights, X)
    np.testing.assert_allclose(found, correlated(X, weights), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("n_filters", [3, 4])
def test_dilated(n_filters, rng):
    X = rng.standard_normal((2, 3, 8, 7)).astype(np.float32)
    weights = rng.standard_normal((n_filters, 3, 3, 2)).astype(np.float32)
    params = {
        "num_filters": n_filters,
        "filter_size": (3, 2),
        "dilation": (2, 2),
        "nonlinearity": None,
    }
    found = output(DilatedConv2DLayer, params, weights, X)
    np.testing.assert_allclose(found, correlated(X, weights, 2), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("n_filters", [3, 4])
@pytest.mark.parametrize("flip_filters", [True, False])
def test_transposed(n_filters, flip_filters, rng):
    X = rng.standard_normal((2, 3, 4, 5)).astype(np.float32)
    weights = rng.standard_normal((3, n_filters, 3, 2)).astype(np.float32)
    params = {
        "num_filters": n_filters,
        "filter_size": (3, 2),
        "flip_filters": flip_filters,
        "nonlinearity": None,
    }
    found = output(TransposedConv2DLayer, params, weights, X)
    np.testing.assert_allclose(found, transposed(X, weights), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("size", [4, 5])
def test_an_embedding(size, rng):
    weights = rng.standard_normal((5, size)).astype(np.float32)
    X = np.array([[0, 3], [4, 1]])
    found = output(EmbeddingLayer, {"input_size": 5, "output_size": size}, weights, X)
    np.testing.assert_array_equal(found, weights[X])
