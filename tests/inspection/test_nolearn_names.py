"""nolearn's functions."""

from __future__ import annotations

import numpy as np
import pytest

from convnet_features.inspection import (
    ArchitectureDisplay,
    LayerActivationsDisplay,
    LearningCurvesDisplay,
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


@pytest.fixture(scope="module")
def neural_net(digits):
    from lasagne import layers, nonlinearities

    from convnet_features.nolearn import NeuralNet

    X, y = digits
    return NeuralNet(
        layers=[
            ("input", layers.InputLayer),
            ("conv2d1", layers.Conv2DLayer),
            ("hidden", layers.DenseLayer),
            ("output", layers.DenseLayer),
        ],
        input_shape=(None, 1, 8, 8),
        conv2d1_num_filters=4,
        conv2d1_filter_size=(3, 3),
        hidden_num_units=16,
        output_num_units=10,
        output_nonlinearity=nonlinearities.softmax,
        update_learning_rate=0.01,
        max_epochs=2,
    ).fit(X / 16, y.astype(np.int32))


def test_they_draw_from_nolearns_own_network(neural_net, digits):
    X, y = digits[0][:2] / 16, digits[1][:2]
    assert len(plot_loss(neural_net).axes_.lines) == 3
    assert plot_conv_weights(neural_net.layers_["conv2d1"]).filters.shape == (4, 1, 3, 3)
    assert plot_conv_activity(neural_net.layers_["conv2d1"], X[:1]).maps.shape == (4, 6, 6)
    assert plot_occlusion(neural_net, X, y, square_length=3).axes_.shape == (2, 3)
    assert plot_saliency(neural_net, X).saliency.any()
    assert len(ArchitectureDisplay.from_estimator(neural_net).boxes) == 4
    bars = LayerActivationsDisplay.from_estimator(neural_net, X[0])
    assert list(bars.activations) == ["output", "hidden"]
    assert LearningCurvesDisplay.from_estimator(neural_net).plot("score").axes_.lines


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
