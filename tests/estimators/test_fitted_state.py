"""The attributes of a fitted estimator, wherever its network comes from."""

from __future__ import annotations

import math

import numpy as np
import pytest

from convnet_features import ConvNetClassifier, ConvNetFeatureExtractor

from ..images import bright_corners, quick

X, Y = bright_corners()


def learnt(estimator):
    """The names of what scikit-learn would call its fitted attributes."""
    return {name for name in vars(estimator) if name.endswith("_") and not name.startswith("_")}


def test_a_network_from_a_file_has_what_a_fitted_one_has():
    pytest.importorskip("onnx")
    from convnet_features.onnx import from_onnx, to_onnx

    extractor = quick(ConvNetFeatureExtractor, max_epochs=2).fit(X, Y)
    again = from_onnx(to_onnx(extractor, X))
    assert learnt(extractor) - learnt(again) == {"classes_"}
    assert again.n_features_in_ == 1
    assert again.n_iter_ == 0
    assert again.history_ == []
    assert again.loss_curve_ == []
    assert math.isnan(again.loss_)
    assert again.validation_scores_ is None
    np.testing.assert_allclose(
        again.transform(X.reshape(len(X), 1, 6, 6)), extractor.transform(X), atol=1e-5
    )


def test_scores_are_none_without_data_to_score():
    extractor = quick(ConvNetFeatureExtractor, max_epochs=2, validation_fraction=None).fit(X, Y)
    assert extractor.validation_scores_ is None
    assert len(extractor.loss_curve_) == 2


def test_what_an_earlier_fit_left_is_forgotten():
    pd = pytest.importorskip("pandas")
    source = quick(ConvNetFeatureExtractor, max_epochs=1).fit(X, Y)
    table = pd.DataFrame(X.reshape(len(X), -1)).rename(columns=str)
    net = quick(ConvNetFeatureExtractor, max_epochs=1, warm_start=True, pretrained=source)
    net.fit(table, Y)
    assert {"feature_names_in_", "classes_", "load_report_"} <= learnt(net)
    assert hasattr(net, "_trainer")
    net.set_params(warm_start=False, pretrained=None).fit(X, Y + 0.5)
    assert {"feature_names_in_", "classes_", "load_report_"}.isdisjoint(learnt(net))
    assert not hasattr(net, "_trainer")


@pytest.mark.parametrize(
    ("X_val", "y_val", "message"),
    [
        (np.full((3, 36), np.nan), Y[:3], r"The validation data \(X_val, y_val\): .*NaN"),
        (np.zeros((3, 35)), Y[:3], r"The validation data \(X_val, y_val\): X has 35 features"),
        (X[:3], [0, 1, 99], r"The validation data \(X_val, y_val\): .*99"),
        (X[:3], None, "X_val needs y_val"),
        (None, Y[:3], "y_val needs X_val"),
    ],
)
def test_validation_data_are_looked_at_before_a_network_is_built(X_val, y_val, message):
    built = []

    def network(images):
        built.append(images)
        raise AssertionError

    with pytest.raises(ValueError, match=message):
        ConvNetClassifier(network).fit(X, Y, X_val=X_val, y_val=y_val)
    assert not built


def test_validation_data_that_leave_float32_when_scaled():
    net = quick(ConvNetClassifier, max_epochs=1, input_scale=1e5)
    with pytest.raises(ValueError, match=r"The validation data \(X_val, y_val\): .*1e\+35"):
        net.fit(X, Y, X_val=np.full_like(X[:2], 1e35), y_val=Y[:2])
