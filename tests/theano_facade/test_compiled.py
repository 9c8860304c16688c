"""Compiled functions: what they say of wrong inputs; pickles and copies of them."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import theano
import theano.tensor as T
from theano.sandbox.rng_mrg import MRG_RandomStreams

from ..helpers import assert_close

FLOATX = "Pass it as value.astype(theano.config.floatX), "
DOWNCAST = "make the function with allow_input_downcast=True"


def said(function, *args, **kwargs):
    with pytest.raises(TypeError) as error:
        function(*args, **kwargs)
    return str(error.value)


class TestWrongInputs:
    def setup_method(self):
        x, i = T.matrix("x"), T.ivector()
        self.function = theano.function([x, i], [x, i], name="step")
        self.x, self.i = np.ones((2, 3), "float32"), np.ones(2, "int32")

    def test_float64_for_floatx(self):
        expected = (
            "theano.function 'step': its input 'x' is a matrix of float32, which is "
            "theano.config.floatX; an array of float64 would lose precision. "
            f"{FLOATX}{DOWNCAST}, or set theano.config.floatX = 'float64' before anything else."
        )
        assert said(self.function, self.x.astype("float64"), self.i) == expected

    def test_integers_for_floatx(self):
        assert said(self.function, self.x.astype("int64"), self.i) == (
            "theano.function 'step': its input 'x' is a matrix of float32, which is "
            "theano.config.floatX; an array of int64 would lose precision. "
            f"{FLOATX}or {DOWNCAST}."
        )

    def test_int64_for_int32(self):
        assert said(self.function, self.x, self.i.astype("int64")) == (
            "theano.function 'step': its input number 1 is a vector of int32; an array of int64 "
            f"would lose precision. Pass it as value.astype('int32'), {DOWNCAST}, or declare the "
            "input as theano.tensor.lvector."
        )

    def test_another_number_of_dimensions(self):
        assert said(self.function, self.x[0], self.i) == (
            "theano.function 'step': its input 'x' is a matrix of float32; it cannot take an "
            "array of shape (3,)."
        )

    def test_by_keyword_and_without_a_name(self):
        v = T.vector("v")
        function = theano.function([v], v)
        assert said(function, v=np.ones((2, 2), "float32")) == (
            "theano.function: its input 'v' is a vector of float32; it cannot take an array of "
            "shape (2, 2)."
        )

    def test_the_remedies_help(self, float64):
        x = T.matrix("x")
        assert theano.function([x], x)(np.ones((1, 1))).dtype == "float64"

    def test_allowing_it_helps(self):
        x = T.matrix("x")
        function = theano.function([x], x, allow_input_downcast=True)
        assert function(np.ones((1, 1))).dtype == "float32"
        assert theano.function([x], x)([[1.5, 2]]).dtype == "float32"

    def test_errors_of_other_kinds_remain(self):
        with pytest.raises(TypeError, match="Too many parameter"):
            self.function(self.x, self.i, self.x)


@pytest.fixture(params=["pickle", "deepcopy"])
def duplicate(request):
    if request.param == "deepcopy":
        return copy.deepcopy
    return lambda function: pickle.loads(pickle.dumps(function))


class TestDuplicates:
    X = np.ones((2, 3), "float32")

    def test_a_training_step(self, duplicate):
        """It goes on from the values of then, by itself."""
        x, w = T.matrix("x"), theano.shared(np.ones((3, 2), "float32"), "w")
        cost = T.nnet.softplus(T.dot(x, w)).sum()
        step = theano.function([x], cost, updates=[(w, w - 0.1 * T.grad(cost, w))], name="step")
        step(self.X)
        other = duplicate(step)
        expected = [step(self.X) for _ in range(3)]
        value = w.get_value()
        assert [other(self.X) for _ in range(3)] == expected
        np.testing.assert_array_equal(w.get_value(), value)
        assert other.name == "step"

    def test_functions_that_share_go_on_sharing(self, duplicate):
        w = theano.shared(np.float32(0))
        functions = theano.function([], updates=[(w, w + 1)]), theano.function([], w)
        count, read = duplicate(functions)
        count()
        assert read() == 1
        assert w.get_value() == 0

    def test_inputs_with_defaults_and_outputs_by_name(self, duplicate):
        x, y = T.scalars("x", "y")
        function = theano.function([x, theano.In(y, value=2)], {"sum": x + y})
        assert duplicate(function)(1) == {"sum": 3}

    def test_givens_and_several_outputs(self, duplicate):
        x, y = T.vectors("x", "y")
        data = theano.shared(np.arange(4, dtype="float32"))
        function = theano.function([], [x + 1, x * 2], givens={x: data[:2]})
        for actual, expected in zip(duplicate(function)(), ([1, 2], [0, 2]), strict=True):
            assert_close(actual, expected)
        assert duplicate(theano.function([x, y], x, on_unused_input="ignore"))([1], [2]) == [1]
        assert duplicate(theano.function([x], on_unused_input="ignore"))([1]) == []

    def test_random_draws_go_on(self, duplicate):
        function = theano.function([], MRG_RandomStreams(1).normal((3,)))
        function()
        other = duplicate(function)
        expected = [function() for _ in range(2)]
        for value in expected:
            np.testing.assert_array_equal(other(), value)

    def test_default_updates_stay_apart(self, duplicate):
        w = theano.shared(np.float32(0))
        w.default_update = w + 1
        other = duplicate(theano.function([], w))
        assert [float(other()) for _ in range(3)] == [0, 1, 2]
        assert w.get_value() == 0

    def test_deeper_than_python_recurses(self, duplicate):
        x = T.vector("x")
        y = x
        for _ in range(120):
            y = T.tanh(T.sqr(T.tanh(y)) + 0.5)
        function = theano.function([x], y)
        assert_close(duplicate(function)([1]), function([1]))

    def test_loops(self, duplicate):
        x = T.vector("x")
        total, _ = theano.scan(lambda v, h: v + h, sequences=[x], outputs_info=[T.zeros(())])
        assert_close(duplicate(theano.function([x], total[-1]))([1, 2, 3]), 6)

    def test_of_lasagnes_networks(self, duplicate):
        from lasagne import layers, objectives, updates

        network = layers.DenseLayer(layers.dropout(layers.InputLayer((None, 3))), 2)
        x = layers.get_all_layers(network)[0].input_var
        cost = objectives.squared_error(layers.get_output(network), 1).mean()
        params = layers.get_all_params(network)
        step = theano.function([x], cost, updates=updates.adam(cost, params))
        other = duplicate(step)
        assert [step(self.X) for _ in range(3)] == [other(self.X) for _ in range(3)]


def test_a_pickle_is_loaded_by_a_process_that_knows_nothing(in_new_process, tmp_path):
    x = T.matrix("x")
    w = theano.shared(np.full((3, 2), 2, "float32"))
    function = theano.function([x], T.dot(x, w))
    (tmp_path / "function.pickle").write_bytes(pickle.dumps(function))
    code = f"""
import pickle
with open({str(tmp_path / "function.pickle")!r}, "rb") as file:
    print(pickle.load(file)([[1, 1, 1]]))
"""
    assert in_new_process(code, whole=True) == "[[6. 6.]]"


class Unpicklable(theano.Op):
    __props__ = ()

    def __init__(self):
        self.held = lambda x: x

    def make_node(self, x):
        return theano.Apply(self, [x], [x.type()])

    def perform(self, node, inputs, outputs):
        outputs[0][0] = self.held(inputs[0])


def test_what_cannot_be_pickled_says_why():
    x = T.vector("x")
    function = theano.function([x], Unpicklable()(x), name="mine")
    with pytest.raises(pickle.PicklingError) as error:
        pickle.dumps(function)
    text = str(error.value)
    assert text.startswith("theano.function 'mine' cannot be pickled, because its graph cannot: ")
    assert "lambda" in text
    assert text.endswith(
        ". Save the values of its shared variables (get_value), and make the function anew from "
        "the code that made it."
    )
    assert copy.deepcopy(function)([1]) == [1]


def test_copies_with_other_variables():
    w, v = theano.shared(np.float32(0)), theano.shared(np.float32(10))
    function = theano.function([], w, updates=[(w, w + 1)])
    other = function.copy(swap={w: v})
    assert other() == 10
    assert v.get_value() == 11
    again = pickle.loads(pickle.dumps(other))
    assert again() == 11
    assert v.get_value() == 11
    still = function.copy(delete_updates=True)
    assert pickle.loads(pickle.dumps(still))() == still() == 0
    assert w.get_value() == 0
