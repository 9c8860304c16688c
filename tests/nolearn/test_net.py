"""`NeuralNet` as scripts of 2015 and 2016 use it."""

from __future__ import annotations

import pickle
import re

import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from convnet_features.exceptions import DivergenceError, NetworkError
from convnet_features.kernels.registry import available_engines
from convnet_features.nolearn import BatchIterator, NeuralNet, TrainSplit


def convolutional_layers():
    """A small network in nolearn's second form."""
    from lasagne.layers import Conv2DLayer, DenseLayer, DropoutLayer, InputLayer, MaxPool2DLayer
    from lasagne.nonlinearities import softmax

    return [
        (InputLayer, {"shape": (None, 1, 8, 8)}),
        (Conv2DLayer, {"name": "conv1", "num_filters": 4, "filter_size": 3}),
        (MaxPool2DLayer, {"pool_size": 2}),
        (DropoutLayer, {"p": 0.2}),
        (DenseLayer, {"name": "output", "num_units": 10, "nonlinearity": softmax}),
    ]


class TestDeclaring:
    def test_first_form(self, make_net):
        net = make_net()
        net.initialize()
        assert net.layers_.keys() == ["input", "hidden", "output"]
        assert net.layers_["hidden"].num_units == 16
        assert net.layers_[-1] is net.layers_["output"]
        assert net.layers_[1:].keys() == ["hidden", "output"]
        assert net.get_all_layers() == net.layers_.values()

    def test_second_form(self):
        net = NeuralNet(convolutional_layers(), conv1_num_filters=5)
        assert net.initialize_layers() is net.layers_["output"]
        assert net.layers_.keys() == ["input0", "conv1", "maxpool2d2", "dropout3", "output"]
        assert net.layers_["conv1"].num_filters == 5

    def test_more_params(self, make_net):
        net = make_net(more_params={"hidden_num_units": 7})
        net.initialize()
        assert net.layers_["hidden"].num_units == 7

    def test_attributes_set_before_the_network_is_built(self, make_net):
        """As scripts do to clones: net.output_num_units = 2."""
        net = make_net()
        net.hidden_num_units = 9
        net.hidden_b = None
        net.update_momentum = 0.5
        net.remark = "no parameter"
        net.initialize()
        assert net.layers_["hidden"].num_units == 9
        assert net.layers_["hidden"].b is None
        assert net._learner.updater.arguments["momentum"] == 0.5

    def test_a_network_that_is_built_already(self, digits):
        from lasagne.layers import DenseLayer, InputLayer, get_output
        from lasagne.nonlinearities import softmax
        from theano import function

        entrance = InputLayer((128, 1, 8, 8))
        output = DenseLayer(DenseLayer(entrance, 16), 10, nonlinearity=softmax)
        net = NeuralNet(output, update_learning_rate=0.1, max_epochs=3).fit(*digits)
        assert net.layers_.keys() == ["input0", "dense1", "dense2"]
        assert net.layers_["dense2"] is output
        # The caller's own layers hold what was learnt.
        compute = function([entrance.input_var], get_output(output, deterministic=True))
        X = digits[0]
        np.testing.assert_allclose(compute(X), net.predict_proba(X), rtol=1e-4, atol=1e-6)

    def test_the_users_own_input_variable(self, make_net, digits):
        import theano.tensor as T
        from lasagne.layers import get_output
        from theano import function

        mine = T.tensor4("mine")
        net = make_net(input_input_var=mine).fit(*digits)
        compute = function([mine], get_output(net.layers_["output"], deterministic=True))
        X = digits[0][:5]
        np.testing.assert_allclose(compute(X), net.predict_proba(X), rtol=1e-4, atol=1e-6)

    def test_nolearns_own_names(self, make_net, digits):
        net = make_net(objective_l2=0.5)
        assert not net._initialized
        net.fit(*digits)
        X, y = digits[0][:5], digits[1][:5]
        assert net._initialized
        assert net._output_layer is net.layers_["output"]
        assert net._output_layers == [net.layers_["output"]]
        assert net._get_params_for("hidden") == {"num_units": 16}
        assert net._get_params_for("objective")["l2"] == 0.5
        train, evaluate, predict = net._create_iter_funcs(None, None, None, None)
        np.testing.assert_array_equal(net.apply_batch_func(predict, X), net.predict_proba(X))
        before = net.get_all_params_values()["output"][0]
        assert len(net.apply_batch_func(train, X, y)) == 1
        assert len(net.apply_batch_func(evaluate, X, y)) == 2
        assert not np.array_equal(net.get_all_params_values()["output"][0], before)

    def test_functions_that_would_not_be_called_are_refused(self, make_net, digits):
        class Own(NeuralNet):
            def _create_iter_funcs(self, layers, objective, update, output_type):
                raise AssertionError

        net = Own(**make_net().get_params())
        with pytest.raises(
            NetworkError, match=r"^Own._create_iter_funcs: .* would not call others"
        ):
            net.fit(*digits)

    def test_branches(self, digits):
        from lasagne import layers

        net = NeuralNet(
            [
                ("input", layers.InputLayer),
                ("one", layers.DenseLayer),
                ("two", layers.DenseLayer),
                ("both", layers.ConcatLayer),
                ("output", layers.DenseLayer),
            ],
            input_shape=(None, 1, 8, 8),
            one_num_units=3,
            two_num_units=4,
            two_incoming="input",
            both_incomings=["one", "two"],
            output_num_units=10,
        )
        net.initialize_layers()
        assert net.get_output("both", digits[0][:5]).shape == (5, 7)

    def test_an_output_layer_keeps_lasagnes_nonlinearity(self):
        from lasagne.layers import DenseLayer, InputLayer
        from lasagne.nonlinearities import rectify

        net = NeuralNet(
            [("input", InputLayer), ("output", DenseLayer)],
            input_shape=(None, 3),
            output_num_units=2,
        )
        net.initialize_layers()
        assert net.layers_["output"].nonlinearity is rectify

    def test_weights_are_those_that_lasagne_draws(self, make_net):
        import lasagne

        source = lasagne.random.get_rng()
        try:
            lasagne.random.set_rng(np.random.RandomState(7))
            net = make_net()
            net.initialize()
            lasagne.random.set_rng(np.random.RandomState(7))
            expected = lasagne.init.GlorotUniform().sample((64, 16))
        finally:
            lasagne.random.set_rng(source)
        np.testing.assert_array_equal(net.layers_["hidden"].W.get_value(), expected)

    def test_an_unknown_parameter_is_named(self, make_net):
        with pytest.raises(NetworkError, match=r"'hiden_num_units'.*input, hidden, output"):
            make_net(hiden_num_units=3).initialize()

    def test_the_update_rules_arguments(self, make_net):
        import lasagne.updates

        net = NeuralNet(convolutional_layers(), update=lasagne.updates.adam)
        net.initialize()
        with pytest.raises(ValueError, match="'nesterov_momentum' needs update_learning_rate"):
            NeuralNet(convolutional_layers()).initialize()
        with pytest.raises(ValueError, match="update_beta1: the update rule 'sgd' has no argument"):
            make_net(update="sgd", update_beta1=0.9).initialize()

    def test_parameters_of_a_built_network(self):
        from lasagne.layers import DenseLayer, InputLayer

        net = NeuralNet(DenseLayer(InputLayer((None, 3)), 2), dense1_num_units=4)
        with pytest.raises(NetworkError, match="dense1_num_units: layers is a network that is"):
            net.initialize()

    def test_a_shape_is_needed(self):
        from lasagne.layers import DenseLayer, InputLayer

        net = NeuralNet([("input", InputLayer), ("output", DenseLayer)], output_num_units=2)
        with pytest.raises(NetworkError, match=r"layer 'input'.*input_shape=\(None, 1, 28, 28\)"):
            net.initialize()

    def test_two_inputs_of_a_network_that_is_built(self):
        from lasagne.layers import ConcatLayer, InputLayer

        one, two = InputLayer((None, 3), name="one"), InputLayer((None, 2), name="two")
        net = NeuralNet(ConcatLayer([one, two], name="both"), update_learning_rate=0.1)
        net.initialize()
        X = {"one": np.ones((4, 3)), "two": np.zeros((4, 2))}
        np.testing.assert_array_equal(net.predict_proba(X), [[1, 1, 1, 0, 0]] * 4)

    def test_nothing_is_fitted_before_fit(self, make_net, digits):
        net = make_net()
        for method in (net.predict, net.predict_proba):
            with pytest.raises(NotFittedError, match=r"NeuralNet has no layers_ before fit\(\)"):
                method(digits[0])
        with pytest.raises(NotFittedError):
            _ = net.layers_


class TestTraining:
    def test_it_learns(self, make_net, digits):
        net = make_net(max_epochs=40, update_learning_rate=0.1)
        assert net.fit(*digits) is net
        assert net.score(*digits) > 0.9
        assert net.predict_proba(digits[0]).sum(axis=1) == pytest.approx(1, abs=1e-5)

    @pytest.mark.parametrize("engine", ["portable", "onednn"])
    def test_on_every_engine(self, digits, engine):
        if engine not in available_engines():
            pytest.skip(f"{engine} is not on this machine")
        net = NeuralNet(
            convolutional_layers(), update_learning_rate=0.1, max_epochs=30, engine=engine
        )
        assert net.fit(*digits).score(*digits) > 0.85

    def test_history(self, make_net, digits):
        history = make_net().fit(*digits).train_history_
        assert [record["epoch"] for record in history] == [1, 2, 3]
        assert set(history[0]) == {
            "epoch",
            "train_loss",
            "train_loss_best",
            "valid_loss",
            "valid_loss_best",
            "valid_accuracy",
            "dur",
        }
        assert history[0]["train_loss_best"] is True
        assert 0 <= history[-1]["valid_accuracy"] <= 1

    def test_fitting_again_goes_on(self, make_net, digits):
        net = make_net().fit(*digits).fit(*digits)
        assert [record["epoch"] for record in net.train_history_] == [1, 2, 3, 4, 5, 6]
        net.fit(*digits, epochs=1)
        assert len(net.train_history_) == 7

    def test_partial_fit(self, make_net, digits):
        net = make_net()
        assert net.partial_fit(*digits) is net
        net.partial_fit(*digits, classes=np.arange(10))
        assert len(net.train_history_) == 2

    def test_fitting_in_parts_is_fitting_at_once(self, make_net, digits):
        whole, parts = make_net(max_epochs=4), make_net(max_epochs=4)
        whole.initialize()
        parts.initialize()
        parts.load_params_from(whole)
        whole.fit(*digits)
        parts.partial_fit(*digits)
        parts = pickle.loads(pickle.dumps(parts))  # with the update rule's velocities
        parts.fit(*digits, epochs=3)
        for one, other in zip(whole.get_all_params(), parts.get_all_params(), strict=True):
            np.testing.assert_array_equal(one.get_value(), other.get_value())

    def test_labels_of_any_kind(self, make_net, digits):
        X, y = digits
        names = np.array([f"digit {label}" for label in y])
        net = make_net(use_label_encoder=True).fit(X, names)
        assert set(net.predict(X)) <= set(names)
        np.testing.assert_array_equal(net.classes_, np.unique(names))
        assert 0 <= net.score(X, names) <= 1

    def test_regression(self, digits):
        from lasagne.layers import DenseLayer, InputLayer

        X, y = digits
        net = NeuralNet(
            [("input", InputLayer), ("hidden", DenseLayer), ("output", DenseLayer)],
            input_shape=(None, 1, 8, 8),
            hidden_num_units=16,
            output_num_units=1,
            output_nonlinearity=None,
            regression=True,
            update_learning_rate=0.005,
            max_epochs=30,
        )
        net.fit(X, y.astype(np.float32))
        assert net.predict(X).shape == (300, 1)
        assert net.score(X, y) == pytest.approx(np.mean((net.predict(X)[:, 0] - y) ** 2))
        assert net.score(X, y) < np.var(y)
        record = net.train_history_[-1]
        assert record["valid_accuracy"] == record["valid_loss"]
        assert is_regressor(net)
        assert not is_classifier(net)

    def test_targets_of_another_type(self, make_net, digits):
        import theano.tensor as T
        from lasagne.nonlinearities import sigmoid
        from lasagne.objectives import binary_crossentropy

        X, y = digits
        labels = np.stack([y % 2, y > 4], axis=1).astype(np.float32)
        net = make_net(
            output_num_units=2,
            output_nonlinearity=sigmoid,
            objective_loss_function=binary_crossentropy,
            y_tensor_type=T.matrix,
            regression=True,
            update_learning_rate=0.2,
            max_epochs=40,
        )
        predicted = net.fit(X, labels).predict(X) > 0.5
        assert np.mean(predicted == labels) > 0.85

    def test_no_validation_data(self, make_net, digits):
        record = make_net(train_split=TrainSplit(eval_size=0)).fit(*digits).train_history_[-1]
        assert np.isnan(record["valid_loss"])
        assert np.isnan(record["valid_accuracy"])

    def test_eval_size(self, make_net, digits):
        seen = []

        class Counting(BatchIterator):
            def transform(self, Xb, yb):
                seen.append(len(Xb))
                return Xb, yb

        net = make_net(eval_size=0.5, batch_iterator_test=Counting(1000), max_epochs=1)
        net.fit(*digits)
        assert sum(seen) == 150
        assert net.train_split.eval_size == net.eval_size == 0.5
        assert clone(net).set_params(eval_size=0.25).train_split.eval_size == 0.25
        assert net.train_split.eval_size == 0.5
        net.train_split.eval_size = 0.1
        assert net.get_params()["eval_size"] == 0.1

    def test_eval_size_of_a_function(self, make_net):
        with pytest.raises(ValueError, match=r"eval_size=0.3 belongs to a TrainSplit, and train_s"):
            make_net(train_split=lambda X, y, net: None, eval_size=0.3)

    def test_a_split_of_ones_own(self, make_net, digits):
        def first_ten(X, y, net):
            assert net.max_epochs == 1
            return X[10:], X[:10], y[10:], y[:10]

        net = make_net(train_split=first_ten, max_epochs=1).fit(*digits)
        expected = np.mean(net.predict(digits[0][:10]) == digits[1][:10])
        assert net.train_history_[-1]["valid_accuracy"] == pytest.approx(expected)

    def test_a_train_test_split_method(self, make_net, digits):
        asked = []

        class Legacy(NeuralNet):
            def train_test_split(self, X, y, eval_size):
                asked.append(eval_size)
                return X[:-60], X[-60:], y[:-60], y[-60:]

        params = make_net().get_params()
        Legacy(**{**params, "eval_size": 0.3}).fit(*digits)
        assert asked == [0.3]

    def test_batches_are_transformed(self, make_net, digits):
        class Flip(BatchIterator):
            def transform(self, Xb, yb):
                Xb, yb = super().transform(Xb, yb)
                return Xb[:, :, :, ::-1], yb

        X, y = digits
        flipped, plain = make_net(batch_iterator_train=Flip(50)), make_net()
        plain.batch_iterator_train.batch_size = 50
        flipped.initialize()
        plain.initialize()
        plain.load_params_from(flipped)
        flipped.fit(X, y)
        split = TrainSplit(0.2)(X, y, plain)
        plain.train_split = lambda X, y, net: (split[0][:, :, :, ::-1], *split[1:])
        plain.fit(X, y)
        np.testing.assert_array_equal(flipped.predict_proba(X), plain.predict_proba(X))

    def test_custom_scores(self, make_net, digits):
        def confidence(y_true, y_prob):
            assert y_true.ndim == 1
            assert y_prob.shape[1] == 10
            return y_prob.max(axis=1).mean()

        scores = [("confidence", confidence), ("one", lambda y_true, y_prob: 1.0)]
        record = make_net(custom_scores=scores, max_epochs=1).fit(*digits).train_history_[0]
        assert 0.1 <= record["confidence"] <= 1
        assert record["one"] == 1
        net = make_net(custom_score=scores[1], max_epochs=1).fit(*digits)
        assert net.train_history_[0]["one"] == 1
        assert net.custom_scores == scores[1:]
        assert make_net(custom_scores=scores[1]).custom_scores == scores[1:]
        assert "custom_score" not in net.get_params()

    def test_symbolic_scores(self, make_net, digits):
        import theano.tensor as T

        def error(outputs, target):
            return T.neq(outputs[0].argmax(axis=1), target)

        net = make_net(
            scores_train=[("train_error", error)],
            scores_valid=[("valid_error", error)],
            update_learning_rate=0.0,
        ).fit(*digits)
        record = net.train_history_[0]
        X_train, _, y_train, _ = net.train_split(*digits, net)
        assert record["train_error"] == pytest.approx(np.mean(net.predict(X_train) != y_train))
        assert record["valid_error"] == pytest.approx(1 - record["valid_accuracy"])
        assert list(record)[-3:] == ["train_error", "valid_error", "dur"]

    def test_losses_that_leave_the_finite_numbers(self, make_net, digits):
        net = make_net(update_learning_rate=1e30, output_nonlinearity=None, regression=True)
        net.initialize()
        before = net.get_all_params_values()
        y = np.tile(digits[1][:, None], 10).astype(np.float32)
        with pytest.raises(
            DivergenceError,
            match=r"epoch 1, batch \d: training diverged\. Layer '\w+' was the first.* Use a smaller",
        ):
            net.fit(digits[0], y)
        np.testing.assert_array_equal(net.layers_["hidden"].W.get_value(), before["hidden"][0])

    def test_an_interruption_keeps_the_finished_epochs(self, make_net, digits):
        kept = []

        def interrupt(net, history):
            if len(history) == 2:
                raise KeyboardInterrupt

        def keep(net, history):
            kept.append(net.get_all_params_values()["hidden"][0])

        net = make_net(on_epoch_finished=keep, on_batch_finished=interrupt).fit(*digits)
        assert len(net.train_history_) == 2
        np.testing.assert_array_equal(net.layers_["hidden"].W.get_value(), kept[-1])


class TestData:
    def test_lengths(self, make_net, digits):
        with pytest.raises(ValueError, match="X and y are not of equal length: 300 and 299"):
            make_net().fit(digits[0], digits[1][:-1])

    def test_sizes(self, make_net, digits):
        flat = digits[0].reshape(300, 64)
        with pytest.raises(ValueError, match=r"shape \(64,\); the input layer's shape is \(None,"):
            make_net().fit(flat, digits[1])
        net = make_net().fit(*digits)
        with pytest.raises(ValueError, match=r"X has samples of shape \(1, 8, 7\)"):
            net.predict(digits[0][:, :, :, 1:])

    def test_the_callers_arrays_and_lists_stay_as_they_are(self, make_net, digits):
        X, y = (array.copy() for array in digits)
        handlers = []
        net = make_net(
            batch_iterator_train=BatchIterator(64, shuffle=True), on_epoch_finished=handlers
        )
        net.set_params(verbose=0).fit(X, y)
        np.testing.assert_array_equal(X, digits[0])
        np.testing.assert_array_equal(y, digits[1])
        assert handlers == []

    def test_a_dictionary_of_one_input(self, make_net, digits):
        net = make_net().fit({"input": digits[0]}, digits[1])
        np.testing.assert_array_equal(net.predict({"input": digits[0]}), net.predict(digits[0]))
        with pytest.raises(NetworkError, match=r"X lacks 'input'; it has, .* 'inputs'"):
            net.predict({"inputs": digits[0]})

    def test_batches_that_are_changed_in_place(self, make_net, digits):
        class Flip(BatchIterator):
            def transform(self, Xb, yb):
                Xb[:] = Xb[:, :, :, ::-1].copy()
                return Xb, yb

        X = digits[0].copy()
        make_net(batch_iterator_train=Flip(64), train_split=TrainSplit(0)).fit(X, digits[1])
        np.testing.assert_array_equal(X, digits[0])

    def test_any_numeric_type(self, make_net, digits):
        X, y = digits
        net = make_net().fit(X.astype(np.float64), y.astype(np.uint8))
        np.testing.assert_array_equal(net.predict(X.astype(np.float64)), net.predict(X))

    def test_rows_and_series(self, digits):
        """Inputs of any rank: here rows of features, and sequences."""
        from lasagne.layers import Conv1DLayer, DenseLayer, InputLayer
        from lasagne.nonlinearities import softmax

        X, y = digits
        output = {"num_units": 10, "nonlinearity": softmax}
        rows = NeuralNet(
            [(InputLayer, {"shape": (None, 64)}), (DenseLayer, output)],
            update_learning_rate=0.1,
            max_epochs=20,
        )
        assert rows.fit(X.reshape(300, 64), y).score(X.reshape(300, 64), y) > 0.8
        series = NeuralNet(
            [
                (InputLayer, {"shape": (None, 8, 8)}),
                (Conv1DLayer, {"num_filters": 8, "filter_size": 3}),
                (DenseLayer, output),
            ],
            update_learning_rate=0.1,
            max_epochs=20,
        )
        assert series.fit(X[:, 0], y).score(X[:, 0], y) > 0.8


class TestScikitLearn:
    def test_clones_are_unfitted_and_equal(self, make_net, digits):
        import theano

        rate = theano.shared(np.float32(0.02))
        net = make_net(update_learning_rate=rate, batch_iterator_train=BatchIterator(32))
        net.fit(*digits)
        copy = clone(net)
        assert not hasattr(copy, "train_history_")
        assert copy.batch_iterator_train.batch_size == 32
        assert copy.get_params().keys() == net.get_params().keys()
        copy.update_learning_rate.set_value(np.float32(0.5))
        assert float(rate.get_value()) == pytest.approx(0.02)
        copy.fit(*digits)
        assert len(copy.train_history_) == 3

    def test_a_clone_of_a_built_network_has_layers_of_its_own(self, digits):
        from lasagne.layers import DenseLayer, InputLayer
        from lasagne.nonlinearities import softmax

        output = DenseLayer(InputLayer((None, 1, 8, 8)), 10, nonlinearity=softmax)
        before = output.W.get_value()
        copy = clone(NeuralNet(output, update_learning_rate=0.1, max_epochs=1))
        copy.fit(*digits)
        np.testing.assert_array_equal(output.W.get_value(), before)

    def test_search(self, make_net, digits):
        search = GridSearchCV(
            make_net(max_epochs=10),
            {"hidden_num_units": [1, 16], "update_learning_rate": [0.1]},
            cv=2,
            error_score="raise",
        )
        search.fit(*digits)
        assert search.best_params_["hidden_num_units"] == 16

    def test_scorers_that_need_classes(self, make_net, digits):
        scores = cross_val_score(make_net(), *digits, cv=2, scoring="neg_log_loss")
        assert np.isfinite(scores).all()

    def test_in_a_pipeline(self, make_net, digits):
        X, y = digits
        net = make_net(max_epochs=1)
        images = FunctionTransformer(lambda rows: rows.reshape(-1, 1, 8, 8))
        pipeline = make_pipeline(images, net).fit(X.reshape(300, 64), y)
        assert pipeline.predict(X[:4].reshape(4, 64)).shape == (4,)

    def test_representation(self, make_net):
        assert repr(make_net()).startswith("NeuralNet(")

    def test_set_params_before_the_network_is_built(self, make_net, digits):
        net = make_net().set_params(hidden_num_units=5, max_epochs=1)
        net.fit(*digits)
        assert net.layers_["hidden"].num_units == 5
        net.set_params(max_epochs=2, update_learning_rate=0.001).fit(*digits)
        with pytest.raises(NetworkError, match="hidden_num_units: the network is built already"):
            net.set_params(hidden_num_units=6)

    def test_pickles(self, make_net, digits):
        X, y = digits
        net = make_net().fit(X, y)
        copy = pickle.loads(pickle.dumps(net))
        np.testing.assert_array_equal(copy.predict_proba(X), net.predict_proba(X))
        assert copy.train_history_ == net.train_history_
        assert len(copy.fit(X, y).train_history_) == 6


class TestOutputs:
    def test_by_name_position_and_layer(self, digits):
        net = NeuralNet(convolutional_layers(), update_learning_rate=0.1, max_epochs=1)
        X = digits[0][:7]
        net.fit(*digits)
        by_name = net.get_output("conv1", X)
        assert by_name.shape == (7, 4, 6, 6)
        np.testing.assert_array_equal(net.get_output(1, X), by_name)
        np.testing.assert_array_equal(net.get_output(net.layers_["conv1"], X), by_name)
        np.testing.assert_array_equal(net.get_output(-1, X), net.predict_proba(X))

    def test_without_dropout(self, digits):
        net = NeuralNet(convolutional_layers())
        net.initialize_layers()
        dropped, pooled = (net.get_output(n, digits[0]) for n in ("dropout3", "maxpool2d2"))
        np.testing.assert_array_equal(dropped, pooled)

    def test_an_unknown_layer(self, make_net, digits):
        net = make_net()
        net.initialize()
        with pytest.raises(ValueError, match="no 'dense'; the network has input, hidden, output"):
            net.get_output("dense", digits[0])

    def test_parameters_somebody_set_are_used_and_trained(self, make_net, digits):
        """lasagne.layers.set_all_param_values, as scripts load weights."""
        from lasagne.layers import get_all_param_values, set_all_param_values

        X, y = digits
        trained = make_net(max_epochs=20, update_learning_rate=0.1).fit(X, y)
        other = make_net(max_epochs=1)
        other.initialize()
        set_all_param_values(other.layers_["output"], get_all_param_values(trained.layers_[-1]))
        np.testing.assert_array_equal(other.predict_proba(X), trained.predict_proba(X))
        before = other.layers_["hidden"].W.get_value()
        other.fit(X, y)
        assert (other.layers_["hidden"].W.get_value() != before).any()


class TestVisualize:
    @pytest.fixture(autouse=True)
    def _no_window(self):
        matplotlib = pytest.importorskip("matplotlib")
        matplotlib.use("Agg")
        yield
        matplotlib.pyplot.close("all")

    def test_a_network_that_is_not_fitted(self, make_net, tmp_path):
        from convnet_features.nolearn import visualize

        net = make_net()
        net.initialize()
        path = tmp_path / "net.svg"
        display = visualize.draw_to_file(net, path, output_shape=False, verbose=True)
        texts = [text.get_text() for text in display.axes_.texts]
        assert texts[1] == "hidden: Dense\n1,040 parameters\nnum_units=16, nonlinearity=rectify"
        assert path.stat().st_size
        texts = [text.get_text() for text in visualize.draw_to_notebook(net).axes_.texts]
        assert texts[1] == "hidden: Dense\n16, 1,040 parameters"

    def test_everything_draws(self, digits, tmp_path):
        import matplotlib.pyplot  # noqa: F401

        from convnet_features.nolearn import visualize

        X, y = digits
        net = NeuralNet(convolutional_layers(), update_learning_rate=0.1, max_epochs=2).fit(X, y)
        visualize.plot_loss(net).savefig(tmp_path / "loss.png")
        assert (tmp_path / "loss.png").stat().st_size
        visualize.plot_conv_weights(net.layers_["conv1"], figsize=(4, 4))
        visualize.plot_conv_activity(net.layers_["conv1"], X[:1])
        visualize.plot_occlusion(net, X[:2], y[:2], square_length=3)
        visualize.plot_saliency(net, X[:2])
        heat = visualize.occlusion_heatmap(net, X[:1], y[0], square_length=3)
        assert heat.shape == (8, 8)
        # One pixel by hand: the square around (4, 5) is covered.
        covered = X[:1].copy()
        covered[:, :, 3:6, 4:7] = 0
        np.testing.assert_allclose(heat[4, 5], net.predict_proba(covered)[0, y[0]], rtol=1e-4)
        with pytest.raises(
            ValueError, match=r"occlusion_heatmap: x must be one image, .*; got \(2,"
        ):
            visualize.occlusion_heatmap(net, X[:2], y[0])


class TestValuesThatNobodyMeans:
    @pytest.mark.parametrize(
        ("y", "message"),
        [
            (lambda y: y.astype(str), "y holds np.str_('0'); classes are numbers from 0 on. Set use_label_encoder=True to have any others."),
            (lambda y: np.eye(10, dtype=np.int32)[y], "y has the shape (300, 10), and one class a sample is learnt; give y.argmax(axis=1). For numbers, or labels that are each 0 or 1, set regression=True, and objective_loss_function to what suits them."),
            (lambda y: csr_array(np.eye(10, dtype=np.int32)[y]), "give y.argmax(axis=1)"),
            (lambda y: y[:, np.newaxis], "y has the shape (300, 1), and one class a sample is learnt; give y.ravel()."),
        ],
    )  # fmt: skip
    def test_of_y(self, digits, make_net, y, message):
        with pytest.raises(ValueError, match=f"^NeuralNet: .*{re.escape(message)}"):
            make_net().fit(digits[0], y(digits[1]))

    def test_text_with_a_label_encoder_is_taken(self, digits, make_net):
        net = make_net(use_label_encoder=True).fit(digits[0], digits[1].astype(str))
        assert set(net.predict(digits[0])) <= set(map(str, range(10)))

    @pytest.mark.parametrize(
        ("params", "message"),
        [
            ({"max_epochs": "many"}, "The 'max_epochs' parameter of NeuralNet must be an int"),
            ({"max_epochs": 2.0}, "The 'max_epochs' parameter of NeuralNet must be an int"),
            ({"update_learning_rate": -0.1}, "update_learning_rate must be at least 0; got -0.1"),
            ({"on_epoch_finished": "stop"}, "on_epoch_finished holds 'stop', which cannot be"),
            ({"on_training_finished": [3]}, "on_training_finished holds 3, which cannot be"),
            ({"max_epoch": 3}, r"unknown parameter 'max_epoch': .* Did you mean 'max_epochs'\?"),
        ],
    )
    def test_of_parameters(self, digits, make_net, params, message):
        with pytest.raises((ValueError, TypeError), match=message):
            make_net(**params).fit(*digits)
