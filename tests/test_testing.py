"""The checks for people who write layers: each passes what is right, and rejects what is wrong."""

from __future__ import annotations

import doctest

import numpy as np
import pytest

import convnet_features  # noqa: F401  (makes `import theano` work)

# isort: split
import theano
import theano.tensor as T
from lasagne import layers
from lasagne.init import Constant, Normal
from theano.gradient import zero_grad
from theano.tensor.shared_randomstreams import RandomStreams

from convnet_features import testing
from convnet_features.testing import check_gradient, check_layer


def test_the_examples():
    failed, attempted = doctest.testmod(testing, optionflags=doctest.ELLIPSIS)
    assert attempted >= 10
    assert failed == 0


# check_gradient


class Square(theano.Op):
    """x², whose gradient is `factor` · x."""

    __props__ = ("factor",)

    def __init__(self, factor):
        self.factor = factor

    def make_node(self, x):
        x = T.as_tensor_variable(x)
        return theano.Apply(self, [x], [x.type()])

    def perform(self, node, inputs, outputs):
        outputs[0][0] = inputs[0] ** 2

    def pullback(self, inputs, outputs, gradients):
        return [self.factor * inputs[0] * gradients[0]]

    L_op = pullback


class Bent(Square):
    """x², whose gradient has another shape."""

    def pullback(self, inputs, outputs, gradients):
        return [(2 * inputs[0] * gradients[0]).sum(axis=0, keepdims=True)]

    L_op = pullback


@pytest.fixture
def x(rng):
    return rng.normal(size=(3, 4))


class TestGradients:
    def test_functions(self, x):
        check_gradient(lambda a: T.nnet.softmax(a), x)
        check_gradient(lambda a, b: [a * b, T.dot(a, b.T)], x, x + 1)
        check_gradient(lambda a: a.sum(), x)

    def test_operations(self, x, rng):
        check_gradient(Square(2), x)
        images, filters = rng.normal(size=(2, 3, 7, 7)), rng.normal(size=(2, 3, 3, 3))
        check_gradient(lambda i, f: T.nnet.conv2d(i, f), images, filters)
        check_gradient(lambda i: T.signal.pool.pool_2d(i, (2, 2), ignore_border=True), images)

    def test_whole_numbers_are_not_differentiated(self, x):
        labels = np.array([0, 3, 1])
        check_gradient(
            lambda p, t: T.nnet.categorical_crossentropy(T.nnet.softmax(p), t), x, labels
        )

    def test_through_float32(self, x):
        check_gradient(lambda a: T.tanh(a.astype("float32")), x)

    @pytest.mark.parametrize("factor", [0, -2, 1.99, 3])
    def test_a_wrong_factor(self, x, factor):
        with pytest.raises(
            AssertionError, match=r"array 0, of shape \(3, 4\): the gradient along a"
        ):
            check_gradient(Square(factor), x)

    def test_a_wrong_factor_through_float32(self, x):
        with pytest.raises(AssertionError, match="array 0"):
            check_gradient(lambda a: Square(2.3)(a.astype("float32")), x)

    def test_which_array(self, x):
        with pytest.raises(AssertionError, match="array 1, of shape"):
            check_gradient(lambda a, b: a + Square(3)(b), x, x)

    def test_a_gradient_that_is_cut_off(self, x):
        with pytest.raises(
            AssertionError, match=r"array 0, .* is 0, and the difference of the values"
        ):
            check_gradient(lambda a: zero_grad(a) * 2, x)

    def test_a_wrong_shape(self, x):
        with pytest.raises(AssertionError, match=r"its gradient has shape \(1, 4\)"):
            check_gradient(Bent(2), x)

    def test_one_wrong_entry(self, x):
        def wrong_in_a_corner(a):
            return T.set_subtensor(a[0, 0], zero_grad(a[0, 0])) ** 2

        with pytest.raises(AssertionError, match="array 0"):
            check_gradient(wrong_in_a_corner, x)

    def test_the_tolerance(self, x):
        check_gradient(Square(1.99), x, tolerance=0.1)


# check_layer


class Gate(layers.Layer):
    """x · sigmoid(a · x), right in every respect; the wrong ones inherit from it."""

    def __init__(self, incoming, a=1.0, **kwargs):
        super().__init__(incoming, **kwargs)
        self.a = self.add_param(Constant(a), (self.input_shape[1],), name="a")

    def get_output_for(self, input, **kwargs):
        a = self.a.dimshuffle("x", 0, *["x"] * (input.ndim - 2))
        return input * T.nnet.sigmoid(a * input)


class WrongShape(Gate):
    def get_output_shape_for(self, input_shape):
        return (input_shape[0], input_shape[1] + 1, *input_shape[2:])


class WrongRank(Gate):
    def get_output_shape_for(self, input_shape):
        return input_shape[:2]


class FixedBatch(Gate):
    def get_output_shape_for(self, input_shape):
        return (2, *input_shape[1:])


class Double(Gate):
    def get_output_for(self, input, **kwargs):
        return super().get_output_for(input) * np.float64(0.5)


class DoubleParameter(Gate):
    def __init__(self, incoming, **kwargs):
        super().__init__(incoming, **kwargs)
        self.b = self.add_param(np.ones(1), (1,), name="b")


class Infinite(Gate):
    def get_output_for(self, input, **kwargs):
        return T.log(input)


class AlwaysNoisy(Gate):
    def __init__(self, incoming, **kwargs):
        super().__init__(incoming, **kwargs)
        self.stream = RandomStreams(1)

    def get_output_for(self, input, **kwargs):
        return super().get_output_for(input) + self.stream.normal(input.shape)


class Noisy(AlwaysNoisy):
    """Right: noise in training only."""

    def get_output_for(self, input, deterministic=False, **kwargs):
        if deterministic:
            return Gate.get_output_for(self, input)
        return super().get_output_for(input)


class OtherShapeInTraining(Gate):
    def get_output_for(self, input, deterministic=False, **kwargs):
        output = super().get_output_for(input)
        return output if deterministic else output[:, 1:]


class MinusTheMean(Gate):
    def get_output_for(self, input, **kwargs):
        return super().get_output_for(input) - input.mean(axis=0, keepdims=True)


class CutOff(Gate):
    def get_output_for(self, input, **kwargs):
        a = self.a.dimshuffle("x", 0, *["x"] * (input.ndim - 2))
        return input * zero_grad(T.nnet.sigmoid(a * input))


class CutOffParameter(Gate):
    def get_output_for(self, input, **kwargs):
        a = zero_grad(self.a).dimshuffle("x", 0, *["x"] * (input.ndim - 2))
        return input * T.nnet.sigmoid(a * input)


class OtherSource(Gate):
    def __init__(self, incoming, **kwargs):
        super().__init__(incoming, **kwargs)
        draw = np.random.default_rng().normal(size=3).astype(np.float32)
        self.c = self.add_param(draw, (3,), name="c")


class Unpicklable(Gate):
    def __init__(self, incoming, **kwargs):
        super().__init__(incoming, **kwargs)
        self.helper = lambda x: x


class InPlace(theano.Op):
    """x + 1, for which x itself is changed."""

    __props__ = ()

    def make_node(self, x):
        x = T.as_tensor_variable(x)
        return theano.Apply(self, [x], [x.type()])

    def perform(self, node, inputs, outputs):
        inputs[0] += 1
        outputs[0][0] = inputs[0].copy()


class ChangesItsInput(Gate):
    def get_output_for(self, input, **kwargs):
        return InPlace()(input)


def test_a_right_layer():
    check_layer(Gate, (3, 4, 5))
    check_layer(Gate, (3, 4, 5), a=2.0)
    check_layer(Noisy, (3, 4))


@pytest.mark.parametrize(
    ("layer_class", "shape", "arguments"),
    [
        (layers.DenseLayer, (3, 4), {"num_units": 5}),
        (layers.Conv2DLayer, (3, 7, 6), {"num_filters": 2, "filter_size": 3, "pad": "same"}),
        (layers.MaxPool2DLayer, (3, 7, 6), {"pool_size": 2}),
        (layers.DropoutLayer, (3, 4), {}),
        (layers.LocalResponseNormalization2DLayer, (7, 4, 5), {}),
        (layers.ConcatLayer, [(3, 4), (2, 4)], {}),
        (layers.LSTMLayer, (4, 3), {"num_units": 5}),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_lasagnes_own(layer_class, shape, arguments):
    check_layer(layer_class, shape, **arguments)


def test_data_of_ones_own(rng):
    indices = rng.integers(9, size=(5, 6)).astype(np.int32)
    check_layer(layers.EmbeddingLayer, (6,), data=indices, input_size=9, output_size=3)


@pytest.mark.parametrize(
    ("layer_class", "message"),
    [
        (WrongShape, r"shape \(2, 3, 4\), and get_output_shape_for says \(2, 4, 4\)"),
        (WrongRank, r"shape \(2, 3, 4\), and get_output_shape_for says \(2, 3\)"),
        (FixedBatch, r"shape \(5, 3, 4\), and get_output_shape_for says \(2, 3, 4\)"),
        (Double, "its output is float64, not float32"),
        (DoubleParameter, r"its parameter 'checked\.b' is float64, not float32; create it with"),
        (Infinite, "its output holds NaN or infinity"),
        (AlwaysNoisy, "with deterministic=True it gives another output at the second call"),
        (OtherShapeInTraining, r"its output has shape \(5, 2, 4\)"),
        (MinusTheMean, "a sample's output depends on the others in its batch"),
        (CutOff, r"input 0, of shape \(5, 3, 4\): the gradient along a random direction"),
        (CutOffParameter, r"checked\.a, of shape \(3,\): the gradient .* is 0, and"),
        (OtherSource, r"'checked\.c' begins differently with the same seed; draw from lasagne"),
        (Unpicklable, "the layer itself cannot be copied or pickled .*lambda"),
        (ChangesItsInput, "it changes its input in place"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_wrong_layer(layer_class, message):
    with pytest.raises(AssertionError, match=f"{layer_class.__name__}: .*{message}"):
        check_layer(layer_class, (3, 4))


def test_samples_that_may_depend_on_each_other():
    check_layer(MinusTheMean, (3, 4), samples_are_independent=False)


def test_a_local_class():
    class Local(Gate):
        pass

    with pytest.raises(AssertionError, match=r"Local: the class cannot be pickled .* top level"):
        check_layer(Local, (3, 4))


def test_a_class_that_hides_behind_a_name():
    impostor = type("Gate", (Gate,), {"__module__": __name__, "__qualname__": "Gate"})
    with pytest.raises(AssertionError, match=r"Gate: (another class|the class cannot be pickled)"):
        check_layer(impostor, (3, 4))


def test_an_argument_without_a_name():
    with pytest.raises(AssertionError, match="the arguments cannot be copied or pickled"):
        check_layer(layers.DenseLayer, (3,), num_units=2, nonlinearity=lambda x: x)


def test_an_engine_that_computes_something_else(monkeypatch):
    """Kernels whose tanh is off by a thousandth."""
    compute = testing._Checked.compute

    def off(self, layer, arrays, *, deterministic=True, mode=None):
        output = compute(self, layer, arrays, deterministic=deterministic, mode=mode)
        calls.append(mode)
        return output * np.float32(1.001 if mode is not None and len(set(calls)) > 2 else 1)

    calls = []
    monkeypatch.setattr(testing._Checked, "compute", off)
    with pytest.raises(AssertionError, match=r"Gate: engine '.*' gives another output"):
        check_layer(Gate, (3, 4))


def test_the_configuration_is_put_back():
    before = theano.config.floatX
    check_layer(Gate, (3, 4))
    with pytest.raises(AssertionError):
        check_layer(CutOff, (3, 4))
    assert theano.config.floatX == before


def test_initialisers_that_draw():
    check_layer(layers.DenseLayer, (3,), num_units=2, W=Normal(0.5))
