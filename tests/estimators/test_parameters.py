"""get_params, set_params, clone, repr, and the hash of an estimator."""

from __future__ import annotations

import os
import pickle
import re
import subprocess
import sys

import joblib
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score

from convnet_features import ConvNetClassifier, ConvNetFeatureExtractor, ConvNetRegressor
from convnet_features.exceptions import NetworkError
from convnet_features.network import LayerSpec, layer_parameters

from ..images import bright_corners, quick, small_network

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
found = joblib.hash(made), joblib.hash(ConvNetClassifier(conv2d1_num_filters=8))
print(*found, hash("conv2d1"))
"""


def test_the_hash_of_an_estimator_is_the_same_in_every_process():
    here = {}
    exec(HASHED, here)
    seed = "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1"
    done = subprocess.run(
        [sys.executable, "-c", HASHED],
        env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=True,
        capture_output=True,
        text=True,
    )
    *found, of_a_string = done.stdout.split()
    assert tuple(found) == here["found"]
    assert int(of_a_string) != hash("conv2d1"), "the processes are meant to differ in this"


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


class Wide(ConvNetClassifier):
    """By scikit-learn's rules: its own arguments, and no others."""

    def __init__(self, width=8, max_epochs=15, random_state=None):
        super().__init__(
            small_network(), max_epochs=max_epochs, batch_size=16, random_state=random_state
        )
        self.width = width

    def fit(self, X, y, **fit_params):
        self.layers = [
            *small_network()[:2],
            LayerSpec("dense", lasagne_layers().DenseLayer, {"num_units": self.width}),
            small_network()[-1],
        ]
        return super().fit(X, y, **fit_params)


class Noted(ConvNetFeatureExtractor):
    """Its own arguments, and all others."""

    def __init__(self, note="none", update_every=3, **params):
        super().__init__(**params)
        self.note = note
        self.update_every = update_every


class Narrow(ConvNetRegressor):
    """An argument that a layer of its network has, and the update rule."""

    def __init__(self, dense_num_units=5, update_rho=0.8):
        super().__init__(
            small_network(), update="rmsprop", max_epochs=1, dropout_p=0.1, random_state=0
        )
        self.dense_num_units = dense_num_units
        self.update_rho = update_rho


def lasagne_layers():
    from lasagne import layers

    return layers


class TestSubclasses:
    def test_have_the_parameters_of_their_constructor(self):
        made = Wide(width=4)
        assert made.get_params() == {"width": 4, "max_epochs": 15, "random_state": None}
        assert repr(made) == "Wide(width=4)"
        assert clone(made.set_params(width=6)).width == 6

    def test_are_cloned_searched_and_pickled(self):
        search = GridSearchCV(Wide(random_state=0), {"width": [3, 9]}, cv=2).fit(X, Y)
        best = search.best_estimator_
        assert best.layers_["dense"].num_units == search.best_params_["width"]
        assert cross_val_score(Wide(random_state=0), X, Y, cv=2).mean() > 0.8
        again = pickle.loads(pickle.dumps(best))
        assert again.get_params() == best.get_params()
        np.testing.assert_array_equal(again.predict_proba(X), best.predict_proba(X))
        clone(again).fit(X, Y)

    def test_cross_fit(self):
        features = Wide(max_epochs=1, random_state=0).fit_transform(X, Y, cross_fit=2)
        assert features.shape == (len(X), 8)

    def test_do_not_take_what_their_constructor_does_not(self):
        message = re.escape(
            "unknown parameter 'dense_num_units': Wide's own parameters are max_epochs, "
            "random_state, width. With **params in its __init__, which it passes on, it has "
            "those of layers too."
        )
        with pytest.raises(NetworkError, match=f"^{message}$"):
            Wide().set_params(dense_num_units=3)

    def test_their_other_settings_are_checked(self):
        class Wrong(ConvNetClassifier):
            def __init__(self, depth=1):
                super().__init__(early_stopping="yes")
                self.depth = depth

        with pytest.raises(ValueError, match=r"^The 'early_stopping' parameter of Wrong must be"):
            Wrong().fit(X, Y)

    def test_that_pass_on_the_rest_have_all_parameters(self):
        made = quick(Noted, note="mine", max_epochs=1, dense_num_units=7, update_momentum=0.5)
        params = made.get_params()
        assert params["note"] == "mine"
        assert params["dense_num_units"] == 7
        assert params.keys() > ConvNetFeatureExtractor().get_params().keys()
        copy = clone(made).set_params(conv_num_filters=3, note="other").fit(X, Y)
        assert copy.layers_["conv"].num_filters == 3
        assert copy.transform(X).shape == (len(X), 7)
        assert copy.note == "other"

    def test_may_name_an_argument_of_a_layer_as_their_own(self):
        made = Narrow(dense_num_units=6)
        assert made.get_params() == {"dense_num_units": 6, "update_rho": 0.8}
        copy = clone(made).set_params(dense_num_units=9).fit(X, Y + 0.5)
        assert copy.layers_["dense"].num_units == 9
        assert copy.layers_["dropout"].p == 0.1
        assert copy._update_params()["rho"] == 0.8


class TestAttributes:
    def test_of_a_users_own_are_no_parameters(self):
        made = quick(ConvNetClassifier, max_epochs=1)
        before = made.get_params()
        made.comment, made.dense_note, made.update_of = "x", "y", "z"
        assert made.get_params() == before
        assert repr(made) == repr(quick(ConvNetClassifier, max_epochs=1))
        again = pickle.loads(pickle.dumps(made.fit(X, Y)))
        assert again.comment == "x"
        assert again.get_params() == before
        assert not hasattr(clone(again), "comment")
        again.set_params(max_epochs=2, dense_num_units=3).fit(X, Y)

    def test_that_are_arguments_are_parameters(self):
        """As with scikit-learn's estimators, whose parameters may be assigned."""
        made = quick(ConvNetClassifier, update="adam", max_epochs=1)
        made.dense_num_units, made.update_beta1 = 5, 0.7
        assert clone(made).fit(X, Y).layers_["dense"].num_units == 5
        assert clone(made).get_params()["update_beta1"] == 0.7

    def test_that_were_given_are_parameters_whatever_they_are(self):
        with pytest.raises(NetworkError, match=r"Did you mean 'dense_num_units'\?$"):
            quick(ConvNetClassifier, dense_num_unit=5).fit(X, Y)

    def test_of_a_stored_pickle_are_parameters(self):
        """As they were when it was written; since then a pickle says which."""
        state = quick(ConvNetClassifier, dense_num_units=5).__getstate__()
        del state["_given"]
        again = ConvNetClassifier.__new__(ConvNetClassifier)
        again.__setstate__(state)
        assert again.get_params()["dense_num_units"] == 5


def test_a_parameter_that_is_deleted_is_what_it_was_before(rng):
    net = ConvNetClassifier(conv2d1_num_filters=5, dense_num_units=7)
    del net.conv2d1_num_filters
    assert net.conv2d1_num_filters == 32
    assert "conv2d1_num_filters" not in net.get_params()
    assert clone(net).dense_num_units == 7


@pytest.mark.parametrize("input_shape", [28, "abc"])
def test_attributes_are_asked_for_where_a_parameter_makes_no_sense(input_shape):
    net = ConvNetClassifier(input_shape=input_shape)
    assert not hasattr(net, "conv2d1_num_filters")
    assert "fit" in dir(net)


def test_attributes_are_asked_for_before_init_is_done():
    class Subclass(ConvNetClassifier):
        def __init__(self, width=3, **params):
            self.layers = None
            self.asked = hasattr(self, "conv2d1_num_filters")
            super().__init__(**params)
            self.width = width

    assert not Subclass().asked
    assert Subclass().conv2d1_num_filters == 32


def test_an_attribute_lists_the_parameters_of_its_layer_alone(monkeypatch):
    """scikit-learn asks for all that `dir` lists where it shows an estimator."""
    asked = []
    listed = layer_parameters._of_layer
    monkeypatch.setattr(
        layer_parameters,
        "_of_layer",
        lambda spec, is_last: [asked.append(spec.name), *listed(spec, is_last)][1:],
    )
    assert ConvNetClassifier().conv2d1_num_filters == 32
    assert not hasattr(ConvNetClassifier(), "score_samples")
    assert asked == ["conv2d1"]
