"""Bad input is named, and leaves the estimator as it was."""

from __future__ import annotations

import joblib
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from convnet_features import ConvNetClassifier, ConvNetFeatureExtractor, ConvNetRegressor
from convnet_features.exceptions import DivergenceError, EngineError, NetworkError

from .images import bright_corners, quick

X, Y = bright_corners()


def with_value(value):
    spoilt = X.copy()
    spoilt[3, 5] = value
    return spoilt


BAD_DATA = {
    "one dimension": (X[0], Y[:36], "Expected 2D array, got 1D array"),
    "five dimensions": (X.reshape(60, 1, 1, 6, 6), Y, "X has 5 dimensions; expected 2"),
    "no samples": (X[:0], Y[:0], r"Found array with 0 sample\(s\)"),
    "no features": (X[:, :0], Y, r"Found array with 0 feature\(s\)"),
    "NaN": (with_value(np.nan), Y, "Input X contains NaN"),
    "infinity": (with_value(np.inf), Y, "Input X contains infinity"),
    "objects": (
        np.where(X[0, 0] == X, "dark", X.astype(object)),
        Y,
        "X has dtype object, and not all of it are numbers",
    ),
    "strings": (X.astype(str).astype("U3") + "!", Y, "could not convert string|numeric values"),
    "complex": (X + 1j, Y, "Complex data not supported"),
    "lengths": (X, Y[:50], "X and y have different lengths: .* 60 in X, 50 in y"),
    "no y": (X, None, "requires y to be passed, but the target y is None"),
    "a scalar for y": (X, 3, "y is a single value"),
    "one class": (X, np.zeros(60, int), "y holds one class only .*at least two classes"),
    "NaN in y": (X, np.where(Y == 1, np.nan, Y), "NaN"),
    "a matrix of classes": (
        X,
        np.column_stack([Y, Y]),
        "y has 2 columns and values other than 0 and 1|y has 2 columns, and one class a sample",
    ),
}

BAD_PARAMETERS = {
    "feature_layer": (
        {"feature_layer": "dens"},
        ValueError,
        "feature_layer: there is no layer 'dens'; the network has input, conv, pool, dense",
    ),
    "no feature_layer": (
        {"feature_layer": []},
        ValueError,
        "feature_layer must be a layer's name, or a list of at least one",
    ),
    "batch_size": (
        {"batch_size": 0},
        ValueError,
        r"'batch_size' parameter of ConvNetFeatureExtractor must be an int in the range \[1, inf\) or a str among {'auto'}. Got 0 instead",
    ),
    "max_epochs": (
        {"max_epochs": 0},
        ValueError,
        r"'max_epochs' parameter of ConvNetFeatureExtractor must be an int in the range \[1, inf\) or a str among {'auto'}. Got 0 instead",
    ),
    "half an epoch": (
        {"max_epochs": 1.5},
        ValueError,
        "'max_epochs' parameter of .* must be .* Got 1.5 instead",
    ),
    "engine": ({"engine": "abacus"}, EngineError, "engine='abacus' is unknown; the engines are"),
    "update": ({"update": "adam2"}, ValueError, "update must be .*'adam'.*; got 'adam2'"),
    "update argument": (
        {"update": "adam", "update_beta3": 0.1},
        ValueError,
        "update_beta3: the update rule 'adam' has no argument 'beta3'; it has .*update_beta1",
    ),
    "loss": ({"loss": "hinge"}, ValueError, "loss must be .*got 'hinge'"),
    "input_shape": (
        {"input_shape": (1, 5, 5)},
        ValueError,
        "X has 36 features, and input_shape 1x5x5 needs 25",
    ),
    "a wrong input_shape": (
        {"input_shape": (6, 6)},
        ValueError,
        r"input_shape must be \(channels, height, width\), each at least 1; got \(6, 6\)",
    ),
    "input_scale": (
        {"input_scale": -1},
        ValueError,
        "'input_scale' parameter of .* must be .* Got -1 instead",
    ),
    "validation_fraction": (
        {"validation_fraction": 1.5},
        ValueError,
        r"'validation_fraction' parameter of .* must be a float in the range \(0.0, 1.0\) or None",
    ),
    "l2": ({"l2": -1.0}, ValueError, "l2"),
    "layers": ({"layers": 3}, NetworkError, "layers must be None, a list of layers, or a function"),
    "an empty list of layers": ({"layers": []}, NetworkError, "the list is empty"),
    "a layer's parameter": (
        {"conv_num_filter": 8},
        NetworkError,
        "unknown parameter 'conv_num_filter': layer 'conv' .* has no argument 'num_filter'; .*"
        "Did you mean 'conv_num_filters'",
    ),
    "a parameter": (
        {"max_epoch": 3},
        NetworkError,
        "unknown parameter 'max_epoch': it begins with none of the layers' names .*Did you mean 'max_epochs'",
    ),
}


@pytest.fixture(scope="module", params=["unfitted", "fitted", "warm"])
def estimator(request):
    made = quick(ConvNetFeatureExtractor, max_epochs=1, warm_start=request.param == "warm")
    return made if request.param == "unfitted" else made.fit(X, Y)


@pytest.mark.parametrize("case", BAD_DATA)
@pytest.mark.parametrize("method", ["fit", "partial_fit", "fit_transform"])
def test_bad_data_are_named_and_change_nothing(case, method, estimator):
    bad_x, bad_y, message = BAD_DATA[case]
    going_on = estimator.warm_start or (method == "partial_fit" and hasattr(estimator, "classes_"))
    if case == "one class" and going_on:
        pytest.skip("the classes are known: not all of them need to come again")
    before = joblib.hash(estimator)
    with pytest.raises(ValueError, match=message):
        getattr(estimator, method)(bad_x, bad_y)
    assert joblib.hash(estimator) == before


@pytest.mark.parametrize("case", BAD_PARAMETERS)
def test_bad_parameters_are_named_and_change_nothing(case, estimator):
    params, error, message = BAD_PARAMETERS[case]
    spoilt = type(estimator)(**{**estimator.get_params(), **params})
    vars(spoilt).update({k: v for k, v in vars(estimator).items() if k not in vars(spoilt)})
    before = joblib.hash(spoilt)
    with pytest.raises(error, match=message):
        spoilt.fit(X, Y)
    assert joblib.hash(spoilt) == before


@pytest.mark.parametrize("method", ["transform", "predict", "predict_proba", "summary"])
def test_nothing_comes_out_before_fit(method):
    arguments = () if method == "summary" else (X,)
    with pytest.raises(NotFittedError, match="fit"):
        getattr(quick(ConvNetFeatureExtractor), method)(*arguments)


def test_images_of_another_size_are_refused_with_both_sizes():
    images = X.reshape(60, 1, 6, 6)
    fitted = quick(ConvNetFeatureExtractor, max_epochs=1).fit(images, Y)
    before = joblib.hash(fitted)
    with pytest.raises(ValueError, match=r"X has images of 1x8x8 .*fitted to images of 1x6x6"):
        fitted.transform(np.zeros((2, 1, 8, 8)))
    with pytest.raises(ValueError, match=r"X has images of 3x6x6 .*fitted to images of 1x6x6"):
        fitted.predict(np.zeros((2, 3, 6, 6)))
    with pytest.raises(ValueError, match=r"X has images of 1x5x5 .*fitted to images of 1x6x6"):
        fitted.partial_fit(np.zeros((60, 5, 5)), Y)
    assert joblib.hash(fitted) == before


def test_another_number_of_columns_is_refused():
    fitted = quick(ConvNetFeatureExtractor, max_epochs=1).fit(X, Y)
    with pytest.raises(ValueError, match="X has 25 features, but ConvNetFeatureExtractor is exp"):
        fitted.transform(X[:, :25])


def test_an_unknown_layer_is_refused_by_name(estimator):
    fitted = clone(estimator).fit(X, Y)
    for method in (lambda: fitted.get_output("dens", X), lambda: fitted.layer_function("dens")):
        with pytest.raises(ValueError, match="there is no layer 'dens'; the network has input"):
            method()


@pytest.mark.parametrize("fitted_before", [False, True])
def test_a_loss_that_leaves_the_numbers_stops_training(fitted_before):
    estimator = quick(ConvNetRegressor)
    if fitted_before:
        estimator.fit(X, Y)
    estimator.set_params(update_learning_rate=1e30)
    before = joblib.hash(estimator)
    with (
        np.errstate(all="ignore"),
        pytest.raises(DivergenceError, match=r"epoch 1.*[Uu]se a smaller update_learning_rate"),
    ):
        estimator.fit(X[:, :25], Y)
    assert joblib.hash(estimator) == before


@pytest.mark.parametrize(
    ("params", "what"),
    [
        ({"conv_num_filters": 7}, "layers"),
        ({"layers": None}, "layers"),
        ({"input_scale": 0.1}, "input_scale"),
    ],
)
def test_another_network_is_not_gone_on_with(params, what):
    made = quick(ConvNetClassifier, max_epochs=1, warm_start=True).fit(X, Y).set_params(**params)
    before = joblib.hash(made)
    for method in (made.fit, made.partial_fit):
        with pytest.raises(ValueError, match=f"{what}: training goes on with the network"):
            method(X, Y)
    assert joblib.hash(made) == before


def test_set_params_sets_nothing_if_one_name_is_unknown(estimator):
    estimator = clone(estimator)
    before = estimator.get_params()
    with pytest.raises(NetworkError, match=r"unknown parameter 'conv_num_filter'.*own parameters"):
        estimator.set_params(max_epochs=3, conv_num_filter=8)
    assert estimator.get_params() == before


def test_other_classes_than_in_the_first_call_are_refused():
    classifier = quick(ConvNetClassifier).partial_fit(X, Y)
    with pytest.raises(ValueError, match=r"classes=\[0, 1\] is not the same as on last call"):
        classifier.partial_fit(X, Y, classes=[0, 1])
    with pytest.raises(ValueError, match=r"not among the known ones: \[5\]; known are \[0, 1, 2\]"):
        classifier.partial_fit(X, np.full(60, 5))


def test_validation_data_need_both_parts():
    with pytest.raises(ValueError, match="X_val needs y_val"):
        quick(ConvNetClassifier).fit(X, Y, X_val=X)
    with pytest.raises(ValueError, match="y_val needs X_val"):
        quick(ConvNetClassifier).fit(X, Y, y_val=Y)


@pytest.mark.parametrize(
    ("X_val", "y_val", "what"),
    [
        (X[:, :-1], Y, "features"),
        (X, Y[:-1], "59 in y"),
        (X * np.nan, Y, "contains NaN"),
        (X, np.full(60, 5), r"not among the known ones: \[5\]"),
    ],
    ids=["size", "length", "NaN", "class"],
)
def test_errors_say_that_it_is_the_validation_data(X_val, y_val, what):
    with pytest.raises(ValueError, match=rf"validation data \(X_val, y_val\): .*{what}"):
        quick(ConvNetClassifier).fit(X, Y, X_val=X_val, y_val=y_val)


BAD_WEIGHTS = {
    "negative": (np.linspace(-1, 1, 60), "[Nn]egative values"),
    "length": (np.ones(59), r"sample_weight.shape == \(59,\), expected \(60,\)"),
    "NaN": (np.full(60, np.nan), "NaN"),
    "nothing": (np.zeros(60), "every weight is 0|at least one non-zero"),
}


@pytest.mark.parametrize("case", BAD_WEIGHTS)
def test_bad_weights_are_named(case, estimator):
    weights, message = BAD_WEIGHTS[case]
    before = joblib.hash(estimator)
    with pytest.raises(ValueError, match=message):
        estimator.fit(X, Y, sample_weight=weights)
    assert joblib.hash(estimator) == before
