"""The extractor: what it takes, what it gives, and where it stands among other estimators."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import StandardScaler

from convnet_features import ConvNetClassifier, ConvNetFeatureExtractor

from .helpers import assert_close
from .images import bright_corners, quick


@pytest.fixture(scope="module")
def data():
    return bright_corners()


@pytest.fixture(scope="module")
def fitted(data):
    return quick(ConvNetFeatureExtractor).fit(*data)


# Features


def test_features_are_the_dense_layers_activations(fitted, data):
    X, _ = data
    features = fitted.transform(X)
    assert features.shape == (60, 16)
    assert features.dtype == np.float32
    np.testing.assert_array_equal(features, fitted.get_output("dense", X))
    assert (features >= 0).all()


def test_features_are_without_dropout(fitted, data):
    X, _ = data
    np.testing.assert_array_equal(fitted.transform(X), fitted.transform(X))


def test_features_of_several_layers_stand_side_by_side(fitted, data):
    X, _ = data
    both = clone(fitted).set_params(feature_layer=["pool", "dense"]).fit(*data)
    features = both.transform(X)
    np.testing.assert_array_equal(features[:, :36], both.get_output("pool", X).reshape(60, 36))
    np.testing.assert_array_equal(features[:, 36:], fitted.transform(X))
    names = both.get_feature_names_out()
    assert names.shape == (52,)
    assert names[[0, 1, 35, 36, 51]].tolist() == [
        "pool_0_0_0", "pool_0_0_1", "pool_3_2_2", "dense0", "dense15",
    ]  # fmt: skip


def test_a_maps_feature_names_say_where_they_are(fitted, data):
    X, _ = data
    maps = clone(fitted).set_params(feature_layer="conv").fit(*data)
    names = maps.get_feature_names_out().tolist()
    value = maps.get_output("conv", X)[5, 2, 4, 1]
    assert maps.transform(X)[5, names.index("conv_2_4_1")] == value


@pytest.mark.parametrize("container", ["pandas", "polars"])
@pytest.mark.parametrize("cross_fit", [None, 2])
def test_output_is_the_data_frame_asked_for(container, cross_fit, data):
    library = pytest.importorskip(container)
    X, y = data
    extractor = quick(ConvNetFeatureExtractor).set_output(transform=container)
    frame = extractor.fit_transform(X, y, cross_fit=cross_fit)
    assert isinstance(frame, library.DataFrame)
    assert list(frame.columns) == [f"dense{k}" for k in range(16)]
    assert isinstance(extractor.transform(X), library.DataFrame)


def test_features_in_are_known_by_number_and_name(data):
    pandas = pytest.importorskip("pandas")
    X, y = data
    frame = pandas.DataFrame(X, columns=[f"pixel{k}" for k in range(36)])
    extractor = quick(ConvNetFeatureExtractor).fit(frame, y)
    assert extractor.n_features_in_ == 36
    assert extractor.feature_names_in_[:2].tolist() == ["pixel0", "pixel1"]
    with pytest.raises(ValueError, match="feature names should match"):
        extractor.transform(frame.rename(columns={"pixel0": "other"}))
    extractor.fit(X, y)
    assert not hasattr(extractor, "feature_names_in_")


def test_fit_transform_is_fit_and_transform(data, fitted):
    X, y = data
    features = quick(ConvNetFeatureExtractor).fit_transform(X, y)
    np.testing.assert_array_equal(features, fitted.transform(X))


# What X may be


def _memory_map(X, folder):
    path = folder / "X.npy"
    np.save(path, X)
    return np.load(path, mmap_mode="r")


def _spread_out(X):
    wide = np.full((2 * X.shape[0], 3 * X.shape[1]), -1, X.dtype)
    wide[::2, ::3] = X
    return wide[::2, ::3]


FORMS = {
    "list": lambda X, folder: X.tolist(),
    "DataFrame": lambda X, folder: pytest.importorskip("pandas").DataFrame(X),
    "float64": lambda X, folder: X.astype(np.float64),
    "float16": lambda X, folder: X.astype(np.float16),
    "uint8": lambda X, folder: X.astype(np.uint8),
    "int64": lambda X, folder: X.astype(np.int64),
    "numbers as objects": lambda X, folder: X.astype(object),
    "big-endian": lambda X, folder: X.astype(">f4"),
    "Fortran order": lambda X, folder: np.asfortranarray(X),
    "read-only memory map": _memory_map,
    "strided view": lambda X, folder: _spread_out(X),
    "reversed view": lambda X, folder: X[::-1, ::-1].copy()[::-1, ::-1],
    "images": lambda X, folder: X.reshape(-1, 6, 6),
    "images with channels": lambda X, folder: X.reshape(-1, 1, 6, 6),
    "channels-last images": lambda X, folder: np.moveaxis(X.reshape(-1, 6, 6, 1), 3, 1),
}


@pytest.mark.parametrize("form", FORMS)
def test_the_same_numbers_give_the_same_features(form, data, fitted, tmp_path):
    X, y = data
    expected = fitted.transform(X)
    given = FORMS[form](X, tmp_path)
    other = quick(ConvNetFeatureExtractor).fit(given, y)
    np.testing.assert_array_equal(other.transform(given), expected)
    if np.ndim(given) == 2 and form != "DataFrame":
        np.testing.assert_array_equal(fitted.transform(given), expected)


def test_x_and_y_stay_as_they_are(data):
    X, y = data[0].copy(), data[1].copy()
    quick(ConvNetFeatureExtractor).fit_transform(X, y, sample_weight=np.linspace(0, 2, 60))
    np.testing.assert_array_equal(X, data[0])
    np.testing.assert_array_equal(y, data[1])


def test_integer_pixels_are_divided_by_255_only_if_asked(data):
    X, y = data
    pixels = (X * 15).astype(np.uint8)
    by_itself = quick(ConvNetFeatureExtractor).fit(pixels, y)
    as_floats = quick(ConvNetFeatureExtractor).fit(pixels.astype(np.float32), y)
    assert by_itself.input_scale_ == as_floats.input_scale_ == 2.0**-7
    np.testing.assert_array_equal(by_itself.transform(pixels), as_floats.transform(pixels))
    asked = quick(ConvNetFeatureExtractor, input_scale=1 / 255).fit(pixels, y)
    divided = quick(ConvNetFeatureExtractor, input_scale=1).fit(pixels / np.float32(255), y)
    assert_close(asked.transform(pixels), divided.transform(pixels / np.float32(255)))


@pytest.mark.parametrize("power", [-20, -6, 8])
def test_powers_of_two_in_the_scale_of_pixels_change_nothing(power, data, fitted):
    X, y = data
    scaled = X * np.float32(2.0**power)
    other = quick(ConvNetFeatureExtractor).fit(scaled, y)
    np.testing.assert_array_equal(other.transform(scaled), fitted.transform(X))


def test_rows_that_are_no_squares_are_rows_of_pixels(data):
    X, y = data
    extractor = ConvNetFeatureExtractor(max_epochs=1).fit(X[:, :7], y)
    assert extractor.input_shape_ == (1, 1, 7)
    assert extractor.transform(X[:, :7]).shape == (60, 256)


def test_a_declared_input_shape_folds_the_columns(data):
    X, y = data
    folded = quick(ConvNetFeatureExtractor, input_shape=(2, 3, 6)).fit(X, y)
    images = quick(ConvNetFeatureExtractor).fit(X.reshape(60, 2, 3, 6), y)
    np.testing.assert_array_equal(folded.transform(X), images.transform(X.reshape(60, 2, 3, 6)))


@pytest.mark.parametrize("batch_size", [59, 47, 1])
def test_one_sample_may_be_left_over_in_a_batch(batch_size, data):
    X, y = data
    extractor = quick(
        ConvNetFeatureExtractor, batch_size=batch_size, validation_fraction=None, max_epochs=2
    ).fit(X, y)
    assert np.isfinite(extractor.transform(X[:1])).all()
    assert_close(extractor.transform(X[:1]), extractor.transform(X)[:1])


# What y may be


@pytest.mark.parametrize(
    "labels",
    [
        np.array(["zero", "one", "two"]),
        np.array(["zero", "one", "two"], dtype=object),
        np.array([-7, 3, 40]),
        np.array([1, 2, 300], dtype=np.uint16),
    ],
    ids=["strings", "objects", "gaps", "uint16"],
)
def test_any_labels_are_predicted_as_they_came(labels, data):
    X, y = data
    extractor = quick(ConvNetFeatureExtractor).fit(X, labels[y])
    np.testing.assert_array_equal(extractor.classes_, np.sort(labels))
    assert extractor.predict(X).dtype == labels.dtype
    assert extractor.score(X, labels[y]) > 0.9
    assert_close(extractor.predict_proba(X).sum(axis=1), np.ones(60, np.float32))


def test_booleans_are_classes(data):
    X, y = data
    extractor = quick(ConvNetFeatureExtractor).fit(X, y == 1)
    assert extractor.classes_.tolist() == [False, True]
    assert extractor.score(X, y == 1) > 0.9


def test_floats_are_numbers_to_predict(data):
    X, y = data
    extractor = quick(ConvNetFeatureExtractor, max_epochs=60).fit(X, 1000.5 + 5.0 * y)
    assert extractor.predict(X).shape == (60,)
    assert extractor.score(X, 1000.5 + 5.0 * y) > 0.8
    assert not hasattr(extractor, "predict_proba")
    assert not hasattr(extractor, "classes_")


def test_a_matrix_of_zeros_and_ones_is_labels(data):
    X, y = data
    labels = np.column_stack([y == 0, y != 2]).astype(int)
    extractor = quick(ConvNetFeatureExtractor, max_epochs=40).fit(X, labels)
    assert extractor.score(X, labels) > 0.9
    assert extractor.predict_proba(X).shape == (60, 2)


def test_a_class_may_be_absent_from_a_fold(data):
    X, y = data
    y = y.copy()
    y[:20] = np.where(y[:20] == 2, 0, y[:20])
    y[20:40] = np.where(y[20:40] == 2, 1, y[20:40])
    folds = [(np.arange(40), np.arange(40, 60)), (np.arange(20, 60), np.arange(20))]
    model = make_pipeline(quick(ConvNetFeatureExtractor), LogisticRegression())
    scores = cross_val_score(model, X, y, cv=folds, error_score="raise")
    assert np.isfinite(scores).all()


# Going on


def test_partial_fit_goes_on_with_a_fitted_network(data):
    X, y = data
    extractor = quick(ConvNetFeatureExtractor, max_epochs=2).fit(X, y)
    before = extractor.network_
    extractor.partial_fit(X[:30], y[:30])
    assert extractor.network_ is before
    assert extractor.n_iter_ == 3


def test_partial_fit_keeps_the_scale_of_the_numbers_it_began_with(data):
    X, y = data
    numbers = 100.0 + 10.0 * y
    order = np.argsort(y, kind="stable")
    extractor = quick(ConvNetFeatureExtractor, update_learning_rate=0.01)
    extractor.partial_fit(X, numbers)
    for _ in range(60):
        for part in np.array_split(order, 3):  # each holds one number only
            extractor.partial_fit(X[part], numbers[part])
    assert extractor.score(X, numbers) > 0.5


def test_partial_fit_takes_weights_in_any_call(data):
    X, y = data
    weights = np.linspace(0.5, 1.5, 60)
    extractor = quick(ConvNetFeatureExtractor)
    extractor.partial_fit(X, y).partial_fit(X, y, sample_weight=weights).partial_fit(X, y)
    assert extractor.n_iter_ == 3


def test_partial_fit_takes_parts_that_lack_classes(data):
    X, y = data
    extractor = quick(ConvNetFeatureExtractor)
    extractor.partial_fit(X[y == 0], y[y == 0], classes=[0, 1, 2])
    for _ in range(30):
        for label in (1, 2, 0):
            extractor.partial_fit(X[y == label][:5], y[y == label][:5])
    assert extractor.predict_proba(X).shape == (60, 3)


def test_warm_start_refuses_other_classes(data):
    X, y = data
    extractor = quick(ConvNetFeatureExtractor, warm_start=True, max_epochs=1).fit(X, y)
    with pytest.raises(ValueError, match=r"not among the known ones: \[3\]"):
        extractor.fit(X, y + 1)


# Among other estimators


def test_pipelines_learn_from_features(data):
    X, y = data
    model = make_pipeline(quick(ConvNetFeatureExtractor), LogisticRegression()).fit(X, y)
    assert model.score(X, y) > 0.95
    assert model[:-1].get_feature_names_out()[0] == "dense0"


def test_feature_unions_hold_extractors(data):
    X, y = data
    union = FeatureUnion([("net", quick(ConvNetFeatureExtractor)), ("pca", PCA(2))]).fit(X, y)
    assert union.transform(X).shape == (60, 18)
    assert union.get_feature_names_out()[[0, 16]].tolist() == ["net__dense0", "pca__pca0"]


def test_column_transformers_put_images_beside_tables(data):
    pandas = pytest.importorskip("pandas")
    X, y = data
    frame = pandas.DataFrame(X, columns=[f"pixel{k}" for k in range(36)])
    frame["age"] = np.arange(60) % 7
    columns = ColumnTransformer(
        [
            ("image", quick(ConvNetFeatureExtractor), frame.columns[:36].tolist()),
            ("table", StandardScaler(), ["age"]),
        ]
    )
    assert columns.fit_transform(frame, y).shape == (60, 17)
    model = make_pipeline(columns, LogisticRegression()).fit(frame, y)
    assert model.score(frame, y) > 0.95


def test_every_estimator_of_the_three_transforms_alike(data, fitted):
    X, y = data
    classifier = quick(ConvNetClassifier).fit(X, y)
    np.testing.assert_array_equal(classifier.transform(X), fitted.transform(X))


def test_the_same_seed_gives_the_same_bits(data):
    X, y = data
    first, second = (quick(ConvNetFeatureExtractor).fit(X, y).transform(X) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    other = quick(ConvNetFeatureExtractor, random_state=1).fit(X, y).transform(X)
    assert not np.array_equal(first, other)
