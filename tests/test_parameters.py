"""get_params, set_params, clone, repr, and the hash of an estimator."""

from __future__ import annotations

import os
import subprocess
import sys

import joblib
import numpy as np
import pytest
from sklearn.base import clone

from convnet_features import ConvNetClassifier, ConvNetFeatureExtractor, ConvNetRegressor
from convnet_features.network import LayerSpec

from .images import bright_corners, quick, small_network

ESTIMATORS = (ConvNetFeatureExtractor, ConvNetClassifier, ConvNetRegressor)
X, Y = bright_corners()
LAYER_PARAMS = {
    "conv2d1_num_filters": 8,
    "dense_num_units": 32,
    "dropout1_p": 0.25,
    "update_beta1": 0.8,
}


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_layer_parameters_are_parameters(estimator):
    made = estimator(update="adam", **LAYER_PARAMS)
    assert made.get_params().items() >= LAYER_PARAMS.items()
    assert estimator(**made.get_params(deep=True)).get_params() == made.get_params()
    copy = clone(made)
    assert copy.get_params() == made.get_params()
    assert copy is not made


def test_clone_carries_what_set_params_set():
    made = ConvNetFeatureExtractor().set_params(conv2d2_num_filters=4, max_epochs=2)
    copy = clone(made)
    assert copy.conv2d2_num_filters == 4
    assert copy.fit(X, Y).layers_["conv2d2"].num_filters == 4


def test_clone_is_not_fitted():
    copy = clone(quick(ConvNetClassifier, max_epochs=1).fit(X, Y))
    assert not [name for name in vars(copy) if name.endswith("_") or name.startswith("_")]


def test_layer_parameters_reach_the_layers_of_a_list_too():
    made = quick(ConvNetClassifier, max_epochs=1, conv_num_filters=3).fit(X, Y)
    assert made.layers_["conv"].num_filters == 3


def test_repr_shows_what_differs_from_the_defaults():
    assert repr(ConvNetFeatureExtractor()) == "ConvNetFeatureExtractor()"
    made = ConvNetClassifier(max_epochs=3, dense_num_units=32, l2=0.0)
    assert repr(made) == "ConvNetClassifier(dense_num_units=32, max_epochs=3)"


def test_repr_of_a_fitted_estimator_is_that_of_its_parameters():
    made = quick(ConvNetClassifier, max_epochs=1)
    assert repr(made.fit(X, Y)) == repr(clone(made))


def test_layer_specs_compare_by_value_and_read_well():
    from lasagne import init, nonlinearities
    from lasagne.layers import Conv2DLayer, DenseLayer

    def spec(**params):
        return LayerSpec("dense", DenseLayer, {"num_units": 8, **params})

    assert spec() == spec()
    assert hash(spec()) == hash(spec())
    assert clone(spec(), safe=False) == spec()
    assert spec(W=init.GlorotUniform("relu")) == spec(W=init.GlorotUniform("relu"))
    assert spec(W=init.GlorotUniform("relu")) != spec(W=init.GlorotUniform())
    assert spec(W=np.ones((2, 8))) == spec(W=np.ones((2, 8)))
    assert spec(W=np.ones((2, 8))) != spec(W=np.zeros((2, 8)))
    assert spec(nonlinearity=nonlinearities.tanh) != spec(nonlinearity=nonlinearities.rectify)
    assert spec(nonlinearity=lambda x: x) != spec(nonlinearity=lambda x: -x)
    assert spec() != LayerSpec("dense", Conv2DLayer, {"num_units": 8})
    assert len({tuple(small_network()), tuple(small_network())}) == 1
    assert repr(spec(nonlinearity=nonlinearities.tanh)) == (
        "dense: DenseLayer(num_units=8, nonlinearity=tanh)"
    )


HASHED = """
import joblib
from convnet_features import ConvNetClassifier, ConvNetFeatureExtractor
from lasagne.layers import DenseLayer
made = ConvNetFeatureExtractor(
    [("dense", DenseLayer, {"num_units": 8}), ("output", DenseLayer)], conv2d1_pad=(1, 1)
)
print(joblib.hash(made), joblib.hash(ConvNetClassifier(conv2d1_num_filters=8)))
"""


def test_the_hash_of_an_estimator_is_the_same_in_every_process():
    hashes = {
        subprocess.run(
            [sys.executable, "-c", HASHED],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(hashes) == 1


def test_the_hash_tells_estimators_apart():
    made = [
        ConvNetFeatureExtractor(),
        ConvNetClassifier(),
        ConvNetFeatureExtractor(conv2d1_num_filters=8),
        quick(ConvNetFeatureExtractor),
        quick(ConvNetFeatureExtractor, max_epochs=1).fit(X, Y),
    ]
    assert len({joblib.hash(each) for each in made}) == len(made)
    assert joblib.hash(made[3]) == joblib.hash(clone(made[3]))
