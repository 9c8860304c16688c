"""Several inputs and outputs, whole numbers, recurrent layers, and layers that share."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from lasagne.layers import (
    ConcatLayer,
    DenseLayer,
    EmbeddingLayer,
    GRULayer,
    InputLayer,
    LSTMLayer,
    SliceLayer,
    get_output,
)
from lasagne.nonlinearities import identity, softmax
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from convnet_features.exceptions import ConvNetFeaturesWarning, NetworkError
from convnet_features.layers import batch_norm
from convnet_features.nolearn import BatchIterator, NeuralNet, grad_scale
from convnet_features.nolearn.util import SliceDict

OUTPUT = {"num_units": 2, "nonlinearity": softmax}


@pytest.fixture(scope="module")
def words():
    """(X, y): 90 sequences of five words of a vocabulary of 7; y tells their first word."""
    X = np.random.RandomState(0).randint(0, 7, (90, 5))
    return X, (X[:, 0] > 3).astype(np.int32)


def two_inputs(**params):
    return NeuralNet(
        [
            (InputLayer, {"name": "a", "shape": (None, 3)}),
            (DenseLayer, {"name": "h1", "num_units": 5}),
            ("InputLayer", {"name": "b", "shape": (None, 3)}),
            ("lasagne.layers.DenseLayer", {"name": "h2", "num_units": 5, "W": "h1"}),
            (ConcatLayer, {"incomings": ["h1", "h2"]}),
            ("DenseLayer", {"name": "output", **OUTPUT}),
        ],
        **{"update_learning_rate": 0.1, "max_epochs": 2, **params},
    )


@pytest.fixture(scope="module")
def pairs():
    random = np.random.RandomState(1)
    X = {"a": random.normal(size=(80, 3)), "b": random.normal(size=(80, 3))}
    return X, (X["a"][:, 0] > X["b"][:, 1]).astype(np.int32)


def test_targets_in_a_dictionary_are_refused(pairs):
    X, y = pairs
    with pytest.raises(
        ValueError, match=r"NeuralNet: y is a dictionary \(a, b\), and an objective"
    ):
        two_inputs().fit(X, {"a": y, "b": y})


class TestInputs:
    def test_it_learns_from_both(self, pairs):
        X, y = pairs
        net = two_inputs(
            max_epochs=60,
            update_momentum=0.95,
            batch_iterator_train=BatchIterator(16, shuffle=True),
        )
        before = {name: array.copy() for name, array in X.items()}
        assert net.fit(X, y).score(X, y) > 0.9
        assert net.input_shape_ == {"a": (3,), "b": (3,)}
        for name, array in X.items():
            np.testing.assert_array_equal(array, before[name])

    def test_outputs_are_those_of_numpy(self, pairs):
        X, y = pairs
        net = two_inputs().fit(X, y)
        values = {name: [np.float64(v) for v in held] for name, held in
                  net.get_all_params_values().items()}  # fmt: skip
        hidden = [
            np.maximum(X[name] @ values[layer][0] + values[layer][1], 0)
            for name, layer in (("a", "h1"), ("b", "h2"))
        ]
        sums = np.hstack(hidden) @ values["output"][0] + values["output"][1]
        expected = np.exp(sums) / np.exp(sums).sum(axis=1, keepdims=True)
        np.testing.assert_allclose(net.predict_proba(X), expected, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(net.get_output("h2", X), hidden[1], rtol=1e-5, atol=1e-6)

    def test_sharing(self, pairs):
        net = two_inputs().fit(*pairs)
        assert net.layers_["h1"].W is net.layers_["h2"].W
        assert net.layers_["h1"].b is not net.layers_["h2"].b
        assert len(net.get_all_params()) == 5

    def test_an_input_that_lacks_or_is_too_much(self, pairs):
        X, y = pairs
        with pytest.raises(NetworkError, match=r"^X lacks 'b'\. The network's input layers"):
            two_inputs().fit({"a": X["a"]}, y)
        with pytest.raises(NetworkError, match=r"^X has, and no input layer is called, 'c'\."):
            two_inputs().fit({**X, "c": X["a"]}, y)
        with pytest.raises(NetworkError, match=r"^X lacks 'b'\."):
            two_inputs().fit(X["a"], y)
        with pytest.raises(ValueError, match=r"^X\['b'\] has samples of shape \(2,\)"):
            two_inputs().fit({**X, "b": X["b"][:, :2]}, y)
        with pytest.raises(ValueError, match="'a' has 80, 'b' has 79"):
            two_inputs().fit({**X, "b": X["b"][:79]}, y)

    def test_a_transform_sees_a_dictionary_of_its_own(self, pairs):
        X, y = pairs

        class Zero(BatchIterator):
            def transform(self, Xb, yb):
                Xb["b"][:] = 0
                return Xb, yb

        before = X["b"].copy()
        two_inputs(batch_iterator_train=Zero(32), max_epochs=1).fit(X, y)
        np.testing.assert_array_equal(X["b"], before)

    def test_functions_of_a_batch(self, pairs):
        X, y = pairs
        net = two_inputs(scores_train=[("one", lambda outputs, target: outputs[0].sum(axis=1))])
        net.initialize()
        loss, accuracy = net.eval_iter_(X, y)
        assert accuracy == np.mean(net.predict(X) == y)
        np.testing.assert_array_equal(net.predict_iter_(a=X["a"], b=X["b"]), net.predict_proba(X))
        assert net.train_iter_(**X, y=y) == pytest.approx([loss, 1.0], rel=1e-5)
        assert net.eval_iter_(X, y)[0] < loss

    def test_in_searches(self, pairs):
        X, y = pairs
        search = GridSearchCV(two_inputs(max_epochs=1), {"h1_num_units": [5]}, cv=2)
        search.fit(SliceDict(**X), y)
        assert np.isfinite(search.best_score_)

    def test_clones_and_pickles(self, pairs):
        import pickle

        X, y = pairs
        net = two_inputs().fit(X, y)
        kept = pickle.loads(pickle.dumps(net))
        np.testing.assert_array_equal(kept.predict_proba(X), net.predict_proba(X))
        assert clone(net).fit(X, y).layers_["h2"].W is not net.layers_["h2"].W


class TestSequences:
    def test_words_stay_whole_numbers(self, words):
        X, y = words
        net = NeuralNet(
            [("input", InputLayer), ("embedding", EmbeddingLayer), ("output", DenseLayer)],
            input_shape=(None, 5), embedding_input_size=7, embedding_output_size=3,
            output_num_units=2, output_nonlinearity=softmax, update_learning_rate=0.5,
            max_epochs=100, batch_iterator_train=BatchIterator(16),
        )  # fmt: skip
        assert net.fit(X, y).score(X, y) > 0.9
        assert net.layers_["input"].input_var.dtype == "int32"
        table = net.layers_["embedding"].W.get_value()
        np.testing.assert_array_equal(net.get_output("embedding", X), table[X])
        np.testing.assert_array_equal(net.predict_proba(X * 1.0), net.predict_proba(X))
        with pytest.raises(ValueError, match=r"takes whole numbers \(int32\); it holds .*\d\.5"):
            net.predict(X + 0.5)
        with pytest.raises(ValueError, match=r"embedding of 7 rows; it holds \d+\."):
            net.predict(X + 7)

    def test_lstm_learns(self, words):
        X, y = words
        net = NeuralNet(
            [("input", InputLayer), ("embedding", EmbeddingLayer), ("lstm", LSTMLayer),
             ("last", SliceLayer), ("output", DenseLayer)],
            input_shape=(None, 5), embedding_input_size=7, embedding_output_size=3,
            lstm_num_units=6, last_indices=0, last_axis=1, lstm_backwards=True,
            output_num_units=2, output_nonlinearity=softmax, update_learning_rate=1.0,
            max_epochs=8, batch_iterator_train=BatchIterator(30),
        )  # fmt: skip
        history = net.fit(X, y).train_history_
        assert history[-1]["train_loss"] < history[0]["train_loss"]

    def test_a_declared_variable_of_whole_numbers(self, words):
        import theano.tensor as T
        from lasagne.layers import NonlinearityLayer

        def one_hot(numbers):
            return T.eq(numbers.dimshuffle(0, 1, "x"), np.arange(7)).astype("float32")

        net = NeuralNet(
            [("input", InputLayer), ("codes", NonlinearityLayer), ("output", DenseLayer)],
            input_shape=(None, 5), input_input_var=T.imatrix("words"), codes_nonlinearity=one_hot,
            output_num_units=2, output_nonlinearity=softmax, update_learning_rate=0.1,
        )  # fmt: skip
        net.initialize()
        assert net.layers_["input"].input_var.dtype == "int32"

    def test_masks_hide_what_they_cover(self, words):
        X, y = words
        net = NeuralNet(
            [("input", InputLayer), ("mask", InputLayer), ("embedding", EmbeddingLayer),
             ("gru", GRULayer), ("last", SliceLayer), ("output", DenseLayer)],
            input_shape=(None, None), mask_shape=(None, None), embedding_incoming="input",
            embedding_input_size=7, embedding_output_size=3, gru_mask_input="mask",
            gru_num_units=4, last_indices=-1, last_axis=1, output_num_units=2,
            output_nonlinearity=softmax, update_learning_rate=0.1, max_epochs=2,
        )  # fmt: skip
        mask = np.ones(X.shape, np.float32)
        mask[:30, 3:] = 0
        net.fit({"input": X, "mask": mask}, y)
        hidden = np.where(mask == 0, 6 - X, X)
        shorter = {"input": X[:30, :3], "mask": mask[:30, :3]}
        outputs = net.predict_proba({"input": X, "mask": mask})
        np.testing.assert_array_equal(net.predict_proba({"input": hidden, "mask": mask}), outputs)
        np.testing.assert_allclose(net.predict_proba(shorter), outputs[:30], rtol=1e-5)
        assert (net.predict_proba({"input": hidden, "mask": mask * 0 + 1}) != outputs).any()


class TestOutputs:
    def test_of_two_kinds(self, words):
        import theano.tensor as T
        from lasagne.objectives import aggregate, categorical_crossentropy, squared_error

        def of_both(layers, target, deterministic=False, **_):
            classes, numbers = get_output(
                [layers["classes"], layers["numbers"]], deterministic=deterministic
            )
            first = categorical_crossentropy(classes, T.cast(target[:, 0], "int32"))
            return aggregate(first) + aggregate(squared_error(numbers, target[:, 1:]))

        X, y = words
        shared = DenseLayer(InputLayer((None, 5), name="input"), 8, name="shared")
        outputs = [
            DenseLayer(shared, 2, nonlinearity=softmax, name="classes"),
            DenseLayer(shared, 1, nonlinearity=identity, name="numbers"),
        ]
        seen = []
        net = NeuralNet(
            outputs,
            objective=of_both,
            regression=True,
            update_learning_rate=0.02,
            max_epochs=150,
            custom_scores=[("seen", lambda y, p: seen.append([each.shape for each in p]) or 1)],
            scores_valid=[("count", lambda outputs, target: T.constant(float(len(outputs))))],
        )
        X = X / 3 - 1
        targets = np.column_stack([y, X.mean(axis=1)]).astype(np.float32)
        net.fit(X, targets)
        assert net.layers_.keys() == ["input", "shared", "classes", "numbers"]
        classes, numbers = net.predict(X)
        assert np.mean(classes.argmax(axis=1) == y) > 0.9
        assert np.mean((numbers[:, 0] - targets[:, 1]) ** 2) < np.var(targets[:, 1])
        assert seen[0] == [(18, 2), (18, 1)]
        assert net.train_history_[-1]["count"] == 2


class TestDeclaring:
    def test_wrappers(self, make_net, digits):
        net = make_net(hidden_layer_wrapper=batch_norm).fit(*digits)
        assert net.layers_.keys() == ["input", "hidden", "hidden_bn", "LW_hidden", "output"]
        assert net.layers_["output"].input_layer is net.layers_["LW_hidden"]
        assert net.layers_["hidden"].b is None
        other = make_net(hidden_layer_wrapper=batch_norm)
        other.load_params_from(net)
        np.testing.assert_array_equal(other.predict_proba(digits[0]), net.predict_proba(digits[0]))
        with pytest.raises(NetworkError, match="its layer_wrapper returned None; it must return a"):
            make_net(hidden_layer_wrapper=lambda layer: None).initialize()

    def test_gradients_that_are_scaled(self, make_net, digits):
        plain = make_net(update="sgd", max_epochs=1, batch_iterator_train=BatchIterator(1000))
        plain.initialize()
        before = plain.get_all_params_values()
        scaled = make_net(**{
            **plain.get_params(), "hidden_layer_wrapper": partial(grad_scale, scale=0.25),
        })  # fmt: skip
        scaled.load_params_from(before)
        for net in (plain, scaled):
            net.fit(*digits)
        for layer, share in (("hidden", 0.25), ("output", 1.0)):
            for start, moved, less in zip(
                before[layer],
                plain.get_all_params_values()[layer],
                scaled.get_all_params_values()[layer],
                strict=True,
            ):
                np.testing.assert_allclose(less - start, share * (moved - start), atol=2e-7)

    @pytest.mark.parametrize("name", ["DenseLayr", "lasagne.layers.DenseLayr", "nowhere.Layer"])
    def test_a_class_of_no_such_name(self, name):
        net = NeuralNet([("input", "InputLayer"), ("output", name)], input_shape=(None, 3))
        with pytest.raises(NetworkError, match=rf"there is no class '{name}'; give a class of las"):
            net.initialize()

    def test_more_parameters_than_layers(self, make_net):
        net = make_net(more_params={"hiden_num_units": 3, "update_momentum": 0.5})
        with pytest.warns(ConvNetFeaturesWarning, match=r"'hiden_num_units' is not used: .* are "
                          r"input, hidden, output\.") as caught:  # fmt: skip
            net.initialize()
        assert caught[0].filename == __file__
