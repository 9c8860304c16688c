"""Layers, nonlinearities, initialisers, objectives and update rules of one's own.

They are written in ``theano.tensor`` terms against unmodified Lasagne, and work
in every estimator, on every engine, beside layers that are fused.
"""

from __future__ import annotations

import functools
import pickle
import subprocess
import sys
import textwrap

import numpy as np
import pytest

import convnet_features  # noqa: F401  (makes `import theano` work)

# isort: split
import theano
import theano.tensor as T
from lasagne.init import Constant, Initializer
from lasagne.layers import (
    ConcatLayer,
    Conv2DLayer,
    DenseLayer,
    InputLayer,
    Layer,
    MaxPool2DLayer,
    MergeLayer,
)
from sklearn.base import clone
from theano.sandbox.rng_mrg import MRG_RandomStreams
from theano.tensor.shared_randomstreams import RandomStreams

from convnet_features import ConvNetClassifier, ConvNetFeatureExtractor, ConvNetRegressor
from convnet_features.datasets import load_digits_images
from convnet_features.exceptions import NetworkError
from convnet_features.kernels.registry import available_kernels
from convnet_features.nolearn import NeuralNet
from convnet_features.training import Callback

from .helpers import assert_close


@pytest.fixture(autouse=True)
def _same_weights():
    """Lasagne's own source, which `NeuralNet` draws from, gives the same in every run."""
    import lasagne.random

    source = lasagne.random.get_rng()
    lasagne.random.set_rng(np.random.RandomState(2015))
    yield
    lasagne.random.set_rng(source)


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits_images()
    return X[:200] / np.float32(16), y[:200]


@pytest.fixture(params=["portable", "onednn"])
def engine(request):
    if request.param not in available_kernels():
        pytest.skip(f"{request.param} is not on this machine")
    return request.param


def layers_around(*middle):
    """A list of layers with `middle` between two that are fused."""
    return [
        ("input", InputLayer),
        ("conv", Conv2DLayer, {"num_filters": 4, "filter_size": 3}),
        ("pool", MaxPool2DLayer, {"pool_size": 2}),
        *middle,
        ("dense", DenseLayer, {"num_units": 12}),
        ("output", DenseLayer),
    ]


def extractor(*middle, **params):
    params = {"max_epochs": 2, "random_state": 0, "validation_fraction": None} | params
    return ConvNetFeatureExtractor(layers_around(*middle), **params)


# Layers


class Gate(Layer):
    """x · sigmoid(a · x + b) with one learnt a a channel, and a b that is not learnt."""

    def __init__(self, incoming, a=1.0, offset=0.5, **kwargs):
        super().__init__(incoming, **kwargs)
        channels = self.input_shape[1]
        self.a = self.add_param(Constant(a), (channels,), name="a")
        self.b = self.add_param(Constant(offset), (1,), name="b", trainable=False)

    def get_output_for(self, input, **kwargs):
        a = self.a.dimshuffle("x", 0, "x", "x")
        return input * T.nnet.sigmoid(a * input + self.b[0])


class Crossed(Layer):
    """The products of neighbouring channels: an output of another shape."""

    def get_output_shape_for(self, input_shape):
        return (input_shape[0], input_shape[1] - 1, *input_shape[2:])

    def get_output_for(self, input, **kwargs):
        return input[:, 1:] * input[:, :-1]


class Difference(MergeLayer):
    """One input minus the other."""

    def get_output_shape_for(self, input_shapes):
        return input_shapes[0]

    def get_output_for(self, inputs, **kwargs):
        first, second = inputs
        return first - second


class Noise(Layer):
    """Noise from a stream of the layer's own; in inference too, if `always`."""

    def __init__(self, incoming, sigma=0.1, always=False, **kwargs):
        super().__init__(incoming, **kwargs)
        self.sigma = sigma
        self.always = always
        self.stream = RandomStreams(7)

    def get_output_for(self, input, deterministic=False, **kwargs):
        if deterministic and not self.always:
            return input
        return input + self.sigma * self.stream.normal(input.shape)


class Scaled(Layer):
    """x · strength, whatever `strength` is: a number, or shared by the user."""

    def __init__(self, incoming, strength, **kwargs):
        super().__init__(incoming, **kwargs)
        self.strength = strength

    def get_output_for(self, input, **kwargs):
        return input * self.strength


def gate(x, a, b):
    return x / (1 + np.exp(-(a.reshape(1, -1, 1, 1) * x + b)))


class TestLayers:
    @pytest.mark.parametrize(
        "kind", [ConvNetFeatureExtractor, ConvNetClassifier, ConvNetRegressor, NeuralNet]
    )
    def test_in_every_estimator(self, digits, kind, engine):
        X, y = digits
        middle = layers_around(("gate", Gate), ("crossed", Crossed))
        if kind is NeuralNet:
            declared = [
                each if len(each) == 2 else (each[1], {"name": each[0], **each[2]})
                for each in middle
            ]
            net = NeuralNet(
                declared,
                input_shape=(None, 1, 8, 8),
                output_num_units=10,
                output_nonlinearity=T.nnet.softmax,
                update_learning_rate=0.01,
                max_epochs=2,
                engine=engine,
            )
            net.fit(X, y)
        else:
            net = kind(middle, max_epochs=2, random_state=0, engine=engine).fit(
                X, y.astype(float) if kind is ConvNetRegressor else y
            )
        pooled, gated, crossed = (net.get_output(n, X) for n in ("pool", "gate", "crossed"))
        layer = net.layers_["gate"]
        assert_close(gated, gate(pooled, layer.a.get_value(), layer.b.get_value()), "float32")
        assert_close(crossed, gated[:, 1:] * gated[:, :-1], "float32")
        assert (layer.a.get_value() != 1).any()  # learnt
        assert layer.b.get_value().tolist() == [0.5]  # not learnt

    def test_every_engine_learns_the_same(self, digits):
        histories = [
            extractor(("gate", Gate), engine=name).fit(*digits).history_.column("train_loss")
            for name in available_kernels()
        ]
        for history in histories[1:]:
            np.testing.assert_allclose(history, histories[0], rtol=1e-4)

    def test_merging(self, digits, engine):
        X, y = digits
        net = ConvNetFeatureExtractor(
            [
                ("input", InputLayer),
                ("left", Conv2DLayer, {"num_filters": 3, "filter_size": 3}),
                ("right", Conv2DLayer, {"num_filters": 3, "filter_size": 3, "incoming": "input"}),
                ("difference", Difference, {"incomings": ["left", "right"]}),
                ("both", ConcatLayer, {"incomings": ["left", "difference"]}),
                ("dense", DenseLayer, {"num_units": 12}),
                ("output", DenseLayer),
            ],
            max_epochs=2,
            random_state=0,
            engine=engine,
        ).fit(X, y)
        left, right, difference = (net.get_output(n, X) for n in ("left", "right", "difference"))
        assert_close(difference, left - right, "float32")
        assert net.get_output("both", X).shape == (200, 6, 6, 6)

    def test_a_stream_of_the_layers_own(self, digits, engine):
        X, y = digits
        net = extractor(("noise", Noise, {"sigma": 0.3}), engine=engine).fit(X, y)
        np.testing.assert_array_equal(net.get_output("noise", X), net.get_output("pool", X))
        again, other = clone(net).fit(X, y), clone(net).set_params(random_state=1).fit(X, y)
        np.testing.assert_array_equal(again.transform(X), net.transform(X))
        assert (other.transform(X) != net.transform(X)).any()
        quiet = extractor(("noise", Noise, {"sigma": 0.0}), engine=engine).fit(X, y)
        assert quiet.history_.column("train_loss") != net.history_.column("train_loss")

    def test_noise_in_inference_is_the_same_at_every_call(self, digits, engine):
        X, y = digits
        net = extractor(
            ("noise", Noise, {"always": True}), validation_fraction=0.2, engine=engine
        ).fit(X, y)
        assert (net.get_output("noise", X) != net.get_output("pool", X)).any()
        np.testing.assert_array_equal(net.transform(X), net.transform(X))
        assert net.layer_function("dense")(X[:3]).shape == (3, 12)

    def test_a_shared_variable_is_read_at_every_call(self, digits, engine):
        X, y = digits
        strength = theano.shared(np.float32(1))
        net = extractor(("scaled", Scaled, {"strength": strength}), engine=engine).fit(X, y)
        pooled = net.get_output("pool", X)
        strength.set_value(np.float32(3))
        assert_close(net.get_output("scaled", X), 3 * pooled)

    def test_a_callback_turns_a_shared_variable(self, digits):
        strength = theano.shared(np.float32(0))

        class TurnOn(Callback):
            def on_epoch_end(self, trainer, record):
                strength.set_value(np.float32(1))

        net = extractor(
            ("scaled", Scaled, {"strength": strength}), max_epochs=3, callbacks=[TurnOn()]
        )
        losses = net.fit(*digits).history_.column("train_loss")
        without = extractor(("scaled", Scaled, {"strength": 0.0}), max_epochs=3)
        assert losses[0] == without.fit(*digits).history_[0]["train_loss"]
        assert losses[2] != without.history_[2]["train_loss"]

    def test_twins_with_shared_variables_of_different_value(self, digits):
        """One compiled program must not serve both."""
        X, y = digits
        outputs = []
        for value in (1, 2):
            strength = theano.shared(np.float32(value))
            net = extractor(("scaled", Scaled, {"strength": strength}), update_learning_rate=0.0)
            outputs.append(net.fit(X, y).get_output("scaled", X))
        assert_close(outputs[1], 2 * outputs[0])

    def test_parameters_of_another_type_are_refused(self, digits):
        class Double(Layer):
            def __init__(self, incoming, **kwargs):
                super().__init__(incoming, **kwargs)
                self.s = self.add_param(np.ones(1), (1,), name="s")

        with pytest.raises(
            NetworkError,
            match=r"layer 'double' \(Double\): its parameter 'double"
            r"\.s' is float64, .*lasagne\.utils\.floatX",
        ):
            extractor(("double", Double)).fit(*digits)

    def test_parameters_that_somebody_sets(self, digits):
        X, y = digits
        net = extractor(("gate", Gate)).fit(X, y)
        before = net.transform(X)
        bias = net.layers_["dense"].b
        bias.set_value(bias.get_value() + np.float32(1))
        assert (net.transform(X) != before).any()
        copy = pickle.loads(pickle.dumps(net))
        np.testing.assert_array_equal(copy.transform(X), net.transform(X))

    @pytest.mark.parametrize("event", ["on_epoch_end", "on_batch_end"])
    def test_parameters_that_a_callback_sets(self, digits, event):
        """Training goes on from what was set, not from what was there before."""

        class Raise(Callback):
            def on_batch_end(self, trainer, loss):
                losses.append(loss)
                if event == "on_batch_end" and len(losses) == 1:
                    self.set(trainer)

            def on_epoch_end(self, trainer, record):
                if event == "on_epoch_end" and record["epoch"] == 1:
                    self.set(trainer)

            def set(self, trainer):
                bias = trainer.model.network.layers["output"].b
                bias.set_value(np.array([50, *[0] * 9], dtype=np.float32))

        losses = []
        extractor(max_epochs=2, batch_size=200, callbacks=[Raise()]).fit(*digits)
        assert losses[1] > 10 * losses[0]

    def test_two_layers_that_share_weights(self, digits):
        """They are not the twins of two that do not."""
        X, y = digits

        def towers(shared):
            def build(input_layer, n_outputs):
                one = DenseLayer(input_layer, 12, name="one")
                weights = {"W": one.W, "b": one.b} if shared else {}
                two = DenseLayer(input_layer, 12, name="two", **weights)
                both = ConcatLayer([one, two], name="dense")
                return DenseLayer(both, n_outputs, nonlinearity=T.nnet.softmax)

            return ConvNetFeatureExtractor(build, max_epochs=2, random_state=0).fit(X, y)

        for shared in (False, True):
            net = towers(shared)
            same = np.array_equal(net.get_output("one", X), net.get_output("two", X))
            assert same is shared


# Nonlinearities


class Leak:
    """A nonlinearity with state, and a method that is one too."""

    def __init__(self, slope):
        self.slope = slope

    def __call__(self, x):
        return T.maximum(x, self.slope * x)

    def method(self, x):
        return self(x)


def leak(slope, x):
    return T.maximum(x, slope * x)


def leak_by_default(slope):
    def nonlinearity(x, slope=slope):
        return T.maximum(x, slope * x)

    return nonlinearity


class Slotted:
    __slots__ = ("slope",)

    def __init__(self, slope):
        self.slope = slope

    def __call__(self, x):
        return T.maximum(x, self.slope * x)


NONLINEARITIES = {
    "closure": lambda slope: lambda x: T.maximum(x, slope * x),
    "default": leak_by_default,
    "instance": Leak,
    "method": lambda slope: Leak(slope).method,
    "partial": lambda slope: functools.partial(leak, slope),
    "slots": Slotted,
}


class TestNonlinearities:
    @pytest.mark.parametrize("kind", NONLINEARITIES)
    def test_two_of_them_are_not_confused(self, digits, kind, engine):
        """Networks that differ in nothing but what their nonlinearities hold."""
        X, y = digits
        for slope in (0.1, 0.7):
            net = extractor(engine=engine, dense_nonlinearity=NONLINEARITIES[kind](slope))
            net.fit(X, y)
            dense = net.layers_["dense"]
            pooled = net.get_output("pool", X).reshape(len(X), -1)
            before = pooled @ dense.W.get_value() + dense.b.get_value()
            assert_close(net.transform(X), np.maximum(before, np.float32(slope) * before))

    def test_one_that_is_changed_between_fits(self, digits):
        X, y = digits
        nonlinearity = Leak(0.1)
        first = extractor(dense_nonlinearity=nonlinearity).fit(X, y).transform(X)
        nonlinearity.slope = 0.7
        second = extractor(dense_nonlinearity=nonlinearity).fit(X, y).transform(X)
        assert (second != first).any()

    def test_equal_ones_share_their_program(self, digits):
        from convnet_features.network.signature import network_signature

        signatures = [
            network_signature(extractor(dense_nonlinearity=Leak(0.1)).fit(*digits)._model.network)
            for _ in range(2)
        ]
        assert signatures[0] == signatures[1] is not None


# Initialisers


class Checkerboard(Initializer):
    """±scale, alternating; float64, as NumPy makes it."""

    def __init__(self, scale):
        self.scale = scale

    def sample(self, shape):
        return self.scale * (1.0 - 2.0 * (np.indices(shape).sum(axis=0) % 2))


def small_uniform(shape):
    from lasagne.random import get_rng

    return get_rng().uniform(-0.01, 0.01, shape)


class TestInitialisers:
    def test_a_class(self, digits):
        net = extractor(dense_W=Checkerboard(0.25), update_learning_rate=0.0).fit(*digits)
        W = net.layers_["dense"].W.get_value()
        assert W.dtype == np.float32
        assert (W[0, 0], W[0, 1], W[1, 0]) == (0.25, -0.25, -0.25)

    def test_a_function_and_the_seed(self, digits):
        fits = [
            extractor(dense_W=small_uniform, update_learning_rate=0.0, random_state=seed)
            for seed in (0, 0, 1)
        ]
        weights = [net.fit(*digits).layers_["dense"].W.get_value() for net in fits]
        assert np.abs(weights[0]).max() <= 0.01
        np.testing.assert_array_equal(weights[0], weights[1])
        assert (weights[0] != weights[2]).any()


# Objectives


def focal(prediction, target):
    """(1 - p)² · -log p of the right class."""
    p = prediction[T.arange(target.shape[0]), target]
    return -T.sqr(1 - p) * T.log(p)


class TestObjectives:
    def test_a_loss_a_sample(self, digits, engine):
        X, y = digits
        net = ConvNetClassifier(
            layers_around(),
            loss=focal,
            max_epochs=1,
            random_state=0,
            batch_size=200,
            validation_fraction=None,
            update_learning_rate=0.0,
            engine=engine,
        ).fit(X, y)
        p = net.predict_proba(X)[np.arange(len(y)), y]
        expected = -np.mean((1 - p) ** 2 * np.log(p))
        assert net.history_[0]["train_loss"] == pytest.approx(expected, rel=1e-4)

    def test_it_learns(self, digits):
        net = ConvNetClassifier(layers_around(), loss=focal, max_epochs=30, random_state=0)
        assert net.fit(*digits).score(*digits) > 0.8

    def test_two_closures(self, digits):
        def scaled(factor):
            return lambda p, t: factor * T.nnet.categorical_crossentropy(p, t)

        losses = [
            extractor(loss=scaled(factor), update_learning_rate=0.0).fit(*digits).loss_
            for factor in (1, 3)
        ]
        assert losses[1] == pytest.approx(3 * losses[0], rel=1e-5)

    def test_a_scalar_is_refused(self, digits):
        with pytest.raises(NetworkError, match="must give one loss a sample"):
            extractor(loss=lambda p, t: T.nnet.categorical_crossentropy(p, t).mean()).fit(*digits)


# Update rules


def signs(gradients, params, learning_rate):
    """p - rate · sign(g): every step moves every number by the rate."""
    return {p: p - learning_rate * T.sgn(g) for p, g in zip(params, gradients, strict=True)}


class TestUpdateRules:
    def test_a_rule(self, digits):
        plain = extractor(update_learning_rate=0.0, batch_size=200, max_epochs=1).fit(*digits)
        net = extractor(update=signs, update_learning_rate=0.25, batch_size=200, max_epochs=1).fit(
            *digits
        )
        moved = net.layers_["output"].b.get_value() - plain.layers_["output"].b.get_value()
        np.testing.assert_allclose(np.abs(moved), 0.25, rtol=1e-6)

    def test_it_sees_names_shapes_and_order(self, digits):
        seen = []

        def by_layer(gradients, params, learning_rate):
            seen.append([(p.name, p.ndim) for p in params])
            return [
                (p, p - learning_rate * g if p.name.startswith("output") else p)
                for p, g in zip(params, gradients, strict=True)
            ]

        net = extractor(update=by_layer, update_learning_rate=0.1)
        still = extractor(update_learning_rate=0.0).fit(*digits)
        net.fit(*digits)
        names = ["conv.W", "conv.b", "dense.W", "dense.b", "output.W", "output.b"]
        assert seen[0] == list(zip(names, [4, 1, 2, 1, 2, 1], strict=True))
        for name, same in (("conv", True), ("dense", True), ("output", False)):
            values = (each.layers_[name].W.get_value() for each in (net, still))
            assert np.array_equal(*values) is same

    def test_it_remembers(self, digits):
        def heavy_ball(gradients, params, learning_rate, momentum=0.9):
            updates = {}
            for p, g in zip(params, gradients, strict=True):
                velocity = theano.shared(np.zeros_like(p.get_value()))
                updates[velocity] = momentum * velocity - learning_rate * g
                updates[p] = p + updates[velocity]
            return updates

        own = extractor(update=heavy_ball).fit(*digits)
        lasagnes = extractor(update="momentum").fit(*digits)
        assert_close(own.transform(digits[0]), lasagnes.transform(digits[0]))

    def test_flags_reach_it_as_they_are(self, digits):
        def rule(gradients, params, learning_rate, bounded=False, steps=2):
            assert bounded is True
            scale = sum(1 for _ in range(steps))
            return [
                (p, p - scale * learning_rate * g) for p, g in zip(params, gradients, strict=True)
            ]

        extractor(update=rule, update_bounded=True).fit(*digits)

    def test_noise_of_its_own(self, digits):
        def langevin(gradients, params, learning_rate):
            stream = MRG_RandomStreams(1)
            return [
                (p, p - learning_rate * g + 0.01 * stream.normal(p.shape))
                for p, g in zip(params, gradients, strict=True)
            ]

        net = extractor(update=langevin, update_learning_rate=0.0, max_epochs=1, batch_size=20)
        still = extractor(update_learning_rate=0.0, max_epochs=1).fit(*digits)
        walked = net.fit(*digits).layers_["dense"].W.get_value()
        walked = walked - still.layers_["dense"].W.get_value()
        # Ten independent steps of 0.01.
        assert walked.std() == pytest.approx(0.01 * np.sqrt(10), rel=0.1)

    def test_a_setting_that_is_read_at_every_step(self, digits):
        brake = theano.shared(np.float32(1))

        def rule(gradients, params, learning_rate):
            return [
                (p, p - brake * learning_rate * g) for p, g in zip(params, gradients, strict=True)
            ]

        class Stop(Callback):
            def on_epoch_end(self, trainer, record):
                brake.set_value(np.float32(0))
                kept.append(trainer.model.theta.copy())

        kept = []
        extractor(update=rule, max_epochs=3, callbacks=[Stop()]).fit(*digits)
        np.testing.assert_array_equal(kept[1], kept[0])

    def test_it_limits_what_it_likes(self, digits):
        """A constraint on matrices alone, which a rule for one long vector would never see."""
        from lasagne.updates import norm_constraint, sgd

        def constrained(gradients, params, learning_rate):
            updates = sgd(gradients, params, learning_rate)
            for p in params:
                if p.ndim == 2:
                    updates[p] = norm_constraint(updates[p], 0.5)
            return updates

        net = extractor(update=constrained, update_learning_rate=0.5).fit(*digits)
        norms = np.linalg.norm(net.layers_["dense"].W.get_value(), axis=0)
        assert norms.max() <= 0.5 + 1e-5


# Operations


class Cube(theano.Op):
    """An operation in NumPy, with its gradient."""

    __props__ = ()

    def make_node(self, x):
        x = T.as_tensor_variable(x)
        return theano.Apply(self, [x], [x.type()])

    def perform(self, node, inputs, outputs):
        outputs[0][0] = inputs[0] ** 3

    def pullback(self, inputs, outputs, gradients):
        return [3 * inputs[0] ** 2 * gradients[0]]

    L_op = pullback


class TestOperations:
    def test_one_of_ones_own(self, digits, engine):
        X, y = digits
        own = extractor(dense_nonlinearity=Cube(), engine=engine).fit(X, y)
        written = extractor(dense_nonlinearity=lambda x: x * x * x, engine=engine).fit(X, y)
        assert_close(own.transform(X), written.transform(X))


# Scripts

SCRIPT = """
    import pickle
    import sys
    import numpy as np
    import convnet_features
    import theano.tensor as T
    from convnet_features import ConvNetClassifier
    from convnet_features.datasets import load_digits_images
    from lasagne.layers import DenseLayer, InputLayer, Layer
    from sklearn.model_selection import cross_val_score


    class Softsign(Layer):
        def get_output_for(self, input, **kwargs):
            return input / (1 + abs(input))


    def square(x):
        return T.sqr(x)


    if __name__ == "__main__":
        X, y = load_digits_images()
        X, y = X[:200], y[:200]
        layers = [
            ("input", InputLayer),
            ("softsign", Softsign),
            ("dense", DenseLayer, {"num_units": 8, "nonlinearity": square}),
            ("output", DenseLayer),
        ]
        net = ConvNetClassifier(layers, max_epochs=2, random_state=0)
        copy = pickle.loads(pickle.dumps(net.fit(X, y)))
        assert np.array_equal(copy.predict_proba(X), net.predict_proba(X))
        if "parallel" in sys.argv:
            one = cross_val_score(net, X, y, cv=2, error_score="raise")
            two = cross_val_score(net, X, y, cv=2, n_jobs=2, error_score="raise")
            assert np.array_equal(one, two)
        print("done")
"""


@pytest.fixture
def script(tmp_path):
    path = tmp_path / "own_layers_script.py"
    path.write_text(textwrap.dedent(SCRIPT))

    def run(*args):
        command = [sys.executable, str(path), *args]
        return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)

    return run


class TestScripts:
    def test_the_facades_modules_are_pickled_by_name(self):
        assert pickle.loads(pickle.dumps(T)) is T
        assert pickle.loads(pickle.dumps(theano)) is theano

    def test_layers_of_main_are_pickled(self, script):
        done = script()
        assert done.stdout.strip() == "done", done.stderr

    @pytest.mark.slow
    def test_layers_of_main_reach_other_processes(self, script):
        done = script("parallel")
        assert done.stdout.strip() == "done", done.stderr
