"""Features of training rows from networks that did not see them."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold, train_test_split
from sklearn.pipeline import make_pipeline

from convnet_features import ConvNetFeatureExtractor
from convnet_features.callbacks import Checkpoint, CSVLog
from convnet_features.files.safetensors import read_arrays

from ..images import bright_corners, quick

X, Y = bright_corners()


def test_the_network_kept_is_the_one_fitted_on_everything():
    crossed = quick(ConvNetFeatureExtractor)
    features = crossed.fit_transform(X, Y, cross_fit=3)
    plain = quick(ConvNetFeatureExtractor).fit(X, Y)
    np.testing.assert_array_equal(crossed.transform(X), plain.transform(X))
    assert features.shape == (60, 16)
    assert features.dtype == np.float32
    assert not np.allclose(features, plain.transform(X))


def test_a_rows_features_do_not_depend_on_its_own_label():
    """All but the last part are given other labels for the last part, and change; it does not."""
    splits = list(KFold(3).split(X))
    _, last = splits[-1]
    other = Y.copy()
    other[last] = (Y[last] + 1) % 3
    full = quick(ConvNetFeatureExtractor, update_learning_rate=1e-9)
    one, two = (full.fit_transform(X, labels, cross_fit=splits) for labels in (Y, other))
    np.testing.assert_allclose(one[last], two[last], atol=1e-4 * np.abs(one).max())


def test_labels_without_meaning_give_features_without_it():
    """Fitted to random labels, features of seen rows tell the labels; cross-fitted ones do not."""
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(120, 36)).astype(np.float32)
    labels = rng.integers(0, 2, 120)
    extractor = quick(ConvNetFeatureExtractor, max_epochs=100, validation_fraction=None)
    seen = extractor.fit_transform(noise, labels)
    unseen = extractor.fit_transform(noise, labels, cross_fit=5)
    scores = [LogisticRegression().fit(f, labels).score(f, labels) for f in (seen, unseen)]
    assert scores[0] > 0.95
    assert scores[1] < 0.85


def test_a_model_trained_on_them_reads_the_kept_networks_features():
    """Which it cannot, at 0.1 or so, if each part stays in its own network's coordinates."""
    digits, labels = load_digits(return_X_y=True)
    train, test, y_train, y_test = train_test_split(
        digits, labels, train_size=400, stratify=labels, random_state=0
    )
    extractor = quick(ConvNetFeatureExtractor, layers=None, random_state=None, batch_size=32)
    features = extractor.fit_transform(train, y_train, cross_fit=3)
    model = LogisticRegression(max_iter=2000).fit(features, y_train)
    assert model.score(extractor.transform(test), y_test) > 0.9


@pytest.mark.parametrize(
    "target",
    [Y / 2, np.column_stack([Y == 0, Y == 1]).astype(int), np.array(["a", "b", "c"])[Y]],
    ids=["numbers", "labels", "strings"],
)
def test_every_kind_of_target_can_be_cross_fitted(target):
    features = quick(ConvNetFeatureExtractor).fit_transform(X, target, cross_fit=2)
    assert np.isfinite(features).all()


def test_splitters_and_lists_of_splits_are_taken():
    splitter = KFold(3, shuffle=True, random_state=5)
    one = quick(ConvNetFeatureExtractor).fit_transform(X, Y, cross_fit=splitter)
    two = quick(ConvNetFeatureExtractor).fit_transform(X, Y, cross_fit=list(splitter.split(X)))
    np.testing.assert_array_equal(one, two)


def test_maps_of_more_features_than_rows_are_cross_fitted():
    extractor = quick(ConvNetFeatureExtractor, feature_layer="conv")
    assert extractor.fit_transform(X, Y, cross_fit=2).shape == (60, 144)


def test_weights_go_with_their_rows():
    weights = np.linspace(0.1, 2, 60)
    extractor = quick(ConvNetFeatureExtractor)
    weighted = extractor.fit_transform(X, Y, cross_fit=2, sample_weight=weights)
    assert not np.allclose(weighted, extractor.fit_transform(X, Y, cross_fit=2))


@pytest.mark.parametrize("routed", [False, True])
def test_a_pipeline_passes_cross_fit_on(routed):
    expected = quick(ConvNetFeatureExtractor).fit_transform(X, Y, cross_fit=3)
    with sklearn.config_context(enable_metadata_routing=routed):
        extractor, model = quick(ConvNetFeatureExtractor), LogisticRegression()
        if routed:
            extractor.set_fit_request(cross_fit=True)
        name = "cross_fit" if routed else "convnetfeatureextractor__cross_fit"
        pipeline = make_pipeline(extractor, model).fit(X, Y, **{name: 3})
    by_hand = LogisticRegression().fit(expected, Y)
    np.testing.assert_allclose(pipeline[-1].coef_, by_hand.coef_, rtol=1e-6)


@pytest.mark.parametrize("cross_fit", [1, 0, 61, "five", 2.5])
def test_bad_numbers_of_parts_are_named(cross_fit):
    with pytest.raises(ValueError, match=r"cross_fit must be at least 2 and at most .*60"):
        quick(ConvNetFeatureExtractor, max_epochs=1).fit_transform(X, Y, cross_fit=cross_fit)


def test_parts_must_cover_every_row_once():
    splits = [(np.arange(30), np.arange(30, 60))]
    with pytest.raises(ValueError, match=r"must leave out every row exactly once.*30 of 60"):
        quick(ConvNetFeatureExtractor, max_epochs=1).fit_transform(X, Y, cross_fit=splits)


def test_the_files_of_callbacks_are_the_kept_networks(tmp_path):
    kept, alone = tmp_path / "kept", tmp_path / "alone"

    def callbacks(folder):
        return [Checkpoint(folder, resume=True), CSVLog(folder / "log.csv")]

    alone.mkdir()
    quick(ConvNetFeatureExtractor, callbacks=callbacks(alone)).fit(X, Y)
    kept.mkdir()
    crossed = quick(ConvNetFeatureExtractor, callbacks=callbacks(kept))
    crossed.fit_transform(X, Y, cross_fit=3)
    assert [p.name for p in sorted(kept.iterdir())] == [p.name for p in sorted(alone.iterdir())]
    expected, _ = read_arrays(alone / "last.safetensors")
    found, _ = read_arrays(kept / "last.safetensors")
    np.testing.assert_equal(found, expected)


def test_flat_validation_data_are_taken():
    flat = X.reshape(len(X), -1)
    one = quick(ConvNetFeatureExtractor).fit_transform(
        flat, Y, cross_fit=2, X_val=flat[:12], y_val=Y[:12]
    )
    assert np.isfinite(one).all()
