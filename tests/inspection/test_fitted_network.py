"""Finding the network, and the image, in whatever is given."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from convnet_features import ConvNetClassifier, ConvNetFeatureExtractor
from convnet_features.inspection import (
    FeatureEmbeddingDisplay,
    FiltersDisplay,
    OcclusionDisplay,
)
from convnet_features.inspection.fitted_network import find_fitted_network, find_layer, layer_output


def test_a_search_gives_its_best_estimator(digits):
    X, y = digits[0][:200], digits[1][:200]
    net = ConvNetFeatureExtractor(max_epochs=1, random_state=0)
    grid = {"logisticregression__C": [1.0]}
    search = GridSearchCV(make_pipeline(net, LogisticRegression()), grid, cv=2).fit(X, y)
    assert find_fitted_network(search).net is search.best_estimator_[0]


def test_a_frozen_network_is_found(extractor):
    assert find_fitted_network(FrozenEstimator(extractor)).net is extractor
    pipeline = make_pipeline(FrozenEstimator(extractor), LogisticRegression())
    assert find_fitted_network(pipeline).net is extractor


def test_a_network_within_pipelines_is_found(extractor, digits):
    X, y = digits[0][:60], digits[1][:60]
    scaler = FunctionTransformer(np.sqrt)
    inner = make_pipeline(scaler, FrozenEstimator(extractor))
    search = GridSearchCV(LogisticRegression(max_iter=300), {"C": [1.0]}, cv=2)
    model = make_pipeline(FrozenEstimator(make_pipeline(inner)), make_pipeline(search)).fit(X, y)
    fitted = find_fitted_network(model)
    assert fitted.net is extractor
    assert [step for _, step in fitted.before.steps] == [scaler]
    assert fitted.behind[-1] is model[-1][0].best_estimator_
    np.testing.assert_array_equal(fitted.images(X[:2]), np.sqrt(X[:2]))
    np.testing.assert_array_equal(
        fitted.behind.predict(fitted.features(fitted.images(X))), model.predict(X)
    )
    points = FeatureEmbeddingDisplay.from_estimator(model, X[:9], thumbnails=3)
    assert points.embedding.shape == (9, 2)
    assert OcclusionDisplay.from_estimator(model, X[:1]).drops.shape == (1, 8, 8)
    with pytest.raises(
        TypeError, match=r"no network among its steps \('pipeline__logisticregression'"
    ):
        find_fitted_network(make_pipeline(make_pipeline(LogisticRegression())))


def test_two_networks_are_refused(extractor):
    with pytest.raises(ValueError, match=r"several networks among its steps \('convnet.*-1', 'co"):
        find_fitted_network(make_pipeline(extractor, extractor))


def test_a_pipeline_without_a_network_is_refused():
    with pytest.raises(TypeError, match=r"no network among its steps \('logisticregression'\)"):
        find_fitted_network(make_pipeline(LogisticRegression()))


@pytest.mark.parametrize("form", [(1, 1, 8, 8), (1, 8, 8), (8, 8), (1, 64), (64,)])
def test_one_image_in_any_form(form, extractor, digits):
    image = find_fitted_network(extractor).image(digits[0][5].reshape(form))
    np.testing.assert_array_equal(image, digits[0][5:6])


def test_steps_before_the_network_are_applied(fitted, digits):
    fitted = find_fitted_network(fitted["classifier in a Pipeline"])
    image = fitted.image(digits[0][5].reshape(1, -1))
    assert image.shape == (1, 1, 8, 8)
    assert 0.9 < image.max() <= 1.0


def test_several_images_are_refused_where_one_is_shown(extractor, digits):
    with pytest.raises(ValueError, match=r"X holds 3 images; this shows one: pass X\[:1\]"):
        find_fitted_network(extractor).image(digits[0][:3])


def test_a_layer_without_filters_is_refused(extractor):
    with pytest.raises(ValueError, match="'dense' is no layer with filters; with them are conv2d1"):
        FiltersDisplay.from_estimator(extractor, "dense")


def test_a_lasagne_layer_stands_for_itself(extractor, digits):
    layer = extractor.layers_["maxpool1"]
    assert find_layer(layer, None, lambda each: True, "anything") is layer
    scaled = digits[0][:3] * np.float32(extractor.input_scale_)
    np.testing.assert_allclose(
        layer_output(layer, scaled), extractor.get_output("maxpool1", digits[0][:3]), atol=1e-5
    )


@pytest.mark.parametrize("library", ["pandas", "polars"])
@pytest.mark.parametrize("n_rows", [1, 3])
def test_frames_reach_the_steps_in_front_whole(library, n_rows):
    X, y = load_digits(return_X_y=True)
    names = [f"pixel {i}" for i in range(64)]
    frame_of = pytest.importorskip(library).DataFrame
    frame = frame_of(dict(zip(names, X[:60].T / 16, strict=True)))

    def from_a_frame(given):
        assert isinstance(given, frame_of)
        assert list(given.columns) == names
        return given.to_numpy()

    net = ConvNetClassifier(max_epochs=1, random_state=0)
    model = make_pipeline(FunctionTransformer(from_a_frame), net).fit(frame, y[:60])
    images = find_fitted_network(model).images(frame[:n_rows])
    np.testing.assert_array_equal(images.reshape(n_rows, 64), X[:n_rows] / 16)
