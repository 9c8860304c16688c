"""Values of parameters: none of the wrong kind trains, and each is named."""

from __future__ import annotations

import inspect
from functools import partial

import numpy as np
import pytest
from sklearn.utils._param_validation import InvalidParameterError

from convnet_features import ConvNetClassifier, ConvNetFeatureExtractor, ConvNetRegressor
from convnet_features.callbacks import (
    Callback,
    Checkpoint,
    Cosine,
    CSVLog,
    EarlyStopping,
    LearningRateSchedule,
    Linear,
    OneCycle,
    ReduceOnPlateau,
    Step,
)
from convnet_features.estimators.constraints import CONSTRAINTS
from convnet_features.exceptions import DivergenceError, NetworkError

from ..images import bright_corners, quick

X, Y = bright_corners()

BAD = [
    ("early_stopping", "yes"),
    ("shuffle", "False"),
    ("warm_start", 1),
    ("l1", None),
    ("l2", None),
    ("l2", -1.0),
    ("l2", np.nan),
    ("l2", {"dense": -1.0}),
    ("l2", {"dense": np.nan}),
    ("l1", {"dense": None}),
    ("l1", {"dense": "much"}),
    ("l2", {"dense": True}),
    ("l2", 10**400),
    ("update_learning_rate", 10**400),
    ("batch_size", 0),
    ("batch_size", None),
    ("max_epochs", 0),
    ("max_epochs", 1.5),
    ("max_epochs", None),
    ("label_smoothing", -0.1),
    ("max_grad_norm", np.nan),
    ("input_scale", np.inf),
    ("input_scale", "automatic"),
    ("input_scale", True),
    ("input_scale", 0),
    ("update_learning_rate", -0.1),
    ("update_learning_rate", np.nan),
    ("update_learning_rate", np.inf),
    ("update_momentum", "much"),
    ("n_iter_no_change", 0),
    ("n_iter_no_change", 2.5),
    ("tol", -1),
    ("max_epochs", True),
    ("max_epochs", "many"),
    ("batch_size", 16.0),
    ("validation_fraction", 0.0),
    ("validation_fraction", 1),
    ("validation_fraction", -0.1),
    ("validation_fraction", 1.5),
    ("validation_fraction", True),
    ("max_grad_norm", 0),
    ("label_smoothing", None),
    ("label_smoothing", 1.0),
    ("augment", 3),
    ("tta", True),
    ("freeze", 3),
    ("learning_rate_scale", 0.1),
    ("target", "regression"),
    ("data_format", "NHWC"),
    ("class_weight", "even"),
    ("random_state", "seed"),
    ("verbose", "yes"),
    ("loss", None),
    ("update", None),
    ("input_shape", 28),
]


@pytest.mark.parametrize(("name", "value"), BAD)
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_a_value_of_the_wrong_kind_is_named(name, value, method):
    made = quick(ConvNetClassifier, **{name: value})
    with pytest.raises(ValueError, match=f"The '{name}' parameter of ConvNetClassifier must be"):
        getattr(made, method)(X, Y)
    assert "n_features_in_" not in vars(made)


def test_every_parameter_has_its_place_in_the_table():
    declared = inspect.signature(ConvNetFeatureExtractor.__init__).parameters
    assert set(CONSTRAINTS) == set(declared) - {"self", "layer_params"}


@pytest.mark.parametrize(
    "estimator", [ConvNetFeatureExtractor, ConvNetClassifier, ConvNetRegressor]
)
def test_defaults_and_numpys_numbers_are_valid(estimator):
    estimator()._validate_params()
    estimator(max_epochs=np.int64(3), l2=np.float32(0.1), shuffle=np.True_)._validate_params()


@pytest.mark.parametrize(
    ("estimator", "target"), [(ConvNetClassifier, "numbers"), (ConvNetRegressor, "classes")]
)
def test_classifiers_and_regressors_fix_the_target(estimator, target):
    with pytest.raises(ValueError, match=f"The 'target' parameter of {estimator.__name__} must"):
        quick(estimator, target=target).fit(X, Y)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"dropout_p": 1.5}, "layer 'dropout' (DropoutLayer, p=1.5): p must be the share of units that is dropped, at least 0 and below 1; got 1.5."),
        ({"dropout_p": 1.0}, "layer 'dropout' (DropoutLayer, p=1.0): p must be the share of units that is dropped, at least 0 and below 1; got 1.0."),
        ({"dense_num_units": 64.0}, "layer 'dense' (DenseLayer, num_units=64.0): num_units must be a whole number of at least 1; got 64.0."),
    ],
)  # fmt: skip
def test_values_of_layers_are_named(params, message):
    with pytest.raises(NetworkError) as caught:
        quick(ConvNetClassifier, **params).fit(X, Y)
    assert str(caught.value) == message


class Mine(Callback):
    """A callback."""

    def __repr__(self):
        return "Mine()"


def watch(net, history):
    """What nolearn takes, and a callback is not."""


@pytest.mark.parametrize(
    ("callbacks", "message"),
    [
        (Mine(), "callbacks must be a list; got one callback. Write callbacks=[Mine()]."),
        ("stop", "callbacks must be a list of callbacks, or None; got 'stop'. convnet_features.callbacks has some."),
        (EarlyStopping, "Write callbacks=[EarlyStopping()]."),
        (watch, "A function is called by a class: derive one from convnet_features.callbacks.Callback, whose method on_epoch_end calls it."),
        ([EarlyStopping], "callbacks holds the class EarlyStopping, not a callback. Write callbacks=[EarlyStopping()]."),
        (["stop"], "callbacks holds 'stop', which is no callback: it has none of the methods on_training_begin, on_epoch_begin, on_batch_end, on_epoch_end, on_training_end. convnet_features.callbacks has some."),
        ([watch], "A function is called by a class: derive one from convnet_features.callbacks.Callback, whose method on_epoch_end calls it."),
    ],
)  # fmt: skip
def test_what_is_no_callback_is_told_the_remedy(callbacks, message):
    with pytest.raises(InvalidParameterError) as caught:
        quick(ConvNetClassifier, callbacks=callbacks).fit(X, Y)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("made", "name", "values"),
    [
        (EarlyStopping, "patience", [0, 2.5, "a", True, None]),
        (EarlyStopping, "tol", [None, -1, np.nan]),
        (EarlyStopping, "monitor", [None, 3]),
        (EarlyStopping, "restore_best", ["no", 1]),
        (ReduceOnPlateau, "factor", [0, 1, 2, "a"]),
        (ReduceOnPlateau, "patience", [0, "x"]),
        (ReduceOnPlateau, "min_rate", [-0.1, None]),
        (partial(Checkpoint, "folder"), "every", [0, 1.5, "a"]),
        (partial(Checkpoint, "folder"), "resume", ["yes", 1]),
        (Checkpoint, "folder", [3, None]),
        (CSVLog, "path", [3, None]),
        (LearningRateSchedule, "schedule", ["a", 3, None]),
        (partial(LearningRateSchedule, Step(0.1)), "by_batch", ["no"]),
        (Step, "start", [-1, "a"]),
        (partial(Step, 0.1), "every", [0, 1.5]),
        (Cosine, "start", [-1, "a", np.nan]),
        (partial(Linear, 0.1), "stop", [-0.1, None]),
        (OneCycle, "peak", [-1, None]),
        (partial(OneCycle, 0.1), "rise", [1, -0.1]),
    ],
)
def test_parameters_of_callbacks_are_checked_before_training(made, name, values):
    """With a patience of 0 no epoch was trained, and nothing said so."""
    of = getattr(made, "func", made)
    for value in values:
        each = made(**{name: value})
        callback = each if hasattr(each, "on_epoch_end") else LearningRateSchedule(each)
        with pytest.raises(ValueError, match=f"The '{name}' parameter of {of.__name__} must be"):
            quick(ConvNetClassifier, callbacks=[callback]).fit(X, Y)


@pytest.mark.parametrize("value", ["a", -1.0, np.nan, np.inf, None, [0.1]])
def test_a_schedule_gives_numbers(value):
    schedule = LearningRateSchedule(lambda epoch: value)
    expected = r"gave .* for epoch 1; update_learning_rate must be a finite number of at least 0"
    with pytest.raises(ValueError, match=expected):
        quick(ConvNetClassifier, callbacks=[schedule]).fit(X, Y)


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [("max_epoch", "max_epochs"), ("batchsize", "batch_size"), ("dense_numunits", None)],
)
def test_an_unknown_parameter_suggests_the_nearest_of_all(wrong, meant):
    hint = f"Did you mean '{meant or 'dense_num_units'}'"
    with pytest.raises(NetworkError, match=hint):
        quick(ConvNetClassifier, **{wrong: 3}).fit(X, Y)
    with pytest.raises(NetworkError, match=hint):
        quick(ConvNetClassifier).set_params(**{wrong: 3})


def test_divergence_is_a_value_error_as_security_md_says():
    assert issubclass(DivergenceError, ValueError)
    assert issubclass(DivergenceError, ArithmeticError)
