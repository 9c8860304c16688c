"""A fitted network in scikit-learn's HTML diagrams."""

from __future__ import annotations

import pytest
from sklearn import config_context
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.utils import estimator_html_repr

from convnet_features import ConvNetClassifier, ConvNetFeatureExtractor, ConvNetRegressor

from ..images import bright_corners, quick

X, Y = bright_corners()
LAYERS = ["input: 1×6×6", "conv: 4×6×6", "pool: 4×3×3", "dense: 16", "dropout: 16", "output: 3"]


@pytest.mark.parametrize("estimator", [ConvNetFeatureExtractor, ConvNetClassifier])
def test_a_fitted_estimator_shows_its_layers_and_their_sizes_in_order(estimator):
    html = quick(estimator, max_epochs=1).fit(X, Y)._repr_html_()
    places = [html.index(layer) for layer in LAYERS]
    assert places == sorted(places)
    assert "Conv2DLayer, output 4×6×6, 40 parameters" in html
    assert estimator.__name__ in html
    assert "max_epochs" in html


def test_so_does_one_in_a_pipeline():
    model = make_pipeline(quick(ConvNetFeatureExtractor, max_epochs=1), LogisticRegression())
    html = estimator_html_repr(model.fit(X, Y))
    assert all(layer in html for layer in LAYERS)
    assert html.index("output: 3") < html.index("LogisticRegression</div>")


@pytest.mark.parametrize("estimator", [ConvNetFeatureExtractor, ConvNetRegressor])
def test_one_that_is_not_fitted_shows_its_parameters(estimator):
    html = estimator(conv2d1_num_filters=48)._repr_html_()
    assert "conv2d1_num_filters" in html
    assert "conv2d1: " not in html


def test_the_text_stays_text():
    with config_context(display="text"):
        assert not hasattr(quick(ConvNetClassifier, max_epochs=1).fit(X, Y), "_repr_html_")
