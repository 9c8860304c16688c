"""nolearn's functions."""

from __future__ import annotations

import pytest

from convnet_features.inspection import (
    draw_to_file,
    plot_conv_activity,
    plot_conv_weights,
    plot_loss,
    plot_occlusion,
    plot_saliency,
)

pytest.importorskip("matplotlib").use("Agg")


def test_they_draw_from_estimators(extractor, digits):
    X, y = digits[0][:2], digits[1][:2]
    assert plot_loss(extractor).axes_.lines
    assert plot_conv_weights(extractor).filters.shape == (32, 1, 3, 3)
    assert plot_conv_activity(extractor, X[:1]).maps.shape == (32, 8, 8)
    assert plot_occlusion(extractor, X, y, square_length=3).axes_.shape == (2, 3)
    assert plot_saliency(extractor, X).axes_.shape == (2, 3)


def test_they_draw_from_layers(extractor, digits):
    weights = plot_conv_weights(extractor.layers_["conv2d1"], figsize=(3, 3))
    assert tuple(weights.figure_.get_size_inches()) == (3, 3)
    maps = plot_conv_activity(extractor.layers_["maxpool1"], digits[0][:1])
    assert maps.maps.shape == (32, 4, 4)
    with pytest.raises(ValueError, match="X holds 2 images"):
        plot_conv_activity(extractor.layers_["maxpool1"], digits[0][:2])


@pytest.mark.parametrize("ending", ["png", "svg"])
def test_drawings_go_to_files(ending, extractor, tmp_path):
    file = tmp_path / f"network.{ending}"
    draw_to_file(extractor, file)
    assert file.stat().st_size > 1000
    draw_to_file(list(extractor.layers_.values()), file)
