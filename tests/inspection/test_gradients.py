"""Gradients by what a layer gives."""

from __future__ import annotations

import numpy as np

from convnet_features.inspection.gradients import gradients


def test_a_few_images_a_slice(extractor, digits, monkeypatch):
    X, weights = digits[0][:7], np.eye(10)[digits[1][:7]]
    arguments = (extractor._model, "maxpool1", X, ["output"], weights)
    whole = gradients(*arguments)
    monkeypatch.setattr("convnet_features.network.model.SLICE_BYTES", (1, 1))
    for one, other in zip(gradients(*arguments), whole, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)
    np.testing.assert_array_equal(whole[0], extractor.get_output("maxpool1", X))


def test_by_pixels_and_by_maps_they_are_one_chain(extractor, digits):
    """What a layer does linearly is the same above it and below it: scaled pixels, scaled slopes."""
    X, weights = digits[0][:2], np.eye(10)[digits[1][:2]]
    name = extractor._model.network.input.name
    pixels, slopes = gradients(extractor._model, name, X, ["output"], weights)
    np.testing.assert_allclose(pixels, X * extractor.input_scale_, rtol=1e-6)
    _, doubled = gradients(extractor._model, name, X, ["output"], 2 * weights)
    np.testing.assert_allclose(doubled, 2 * slopes, rtol=1e-4, atol=1e-7)


def test_several_layers_are_explained_side_by_side(extractor, digits):
    X = digits[0][:3]
    n_outputs, n_dense = 10, extractor.layers_["dense"].output_shape[1]
    weights = np.random.default_rng(0).normal(size=(3, n_outputs + n_dense))
    _, both = gradients(extractor._model, "maxpool2", X, ["output", "dense"], weights)
    parts = [
        gradients(extractor._model, "maxpool2", X, [name], part)[1]
        for name, part in (("output", weights[:, :10]), ("dense", weights[:, 10:]))
    ]
    np.testing.assert_allclose(both, sum(parts), rtol=1e-4, atol=1e-5)
