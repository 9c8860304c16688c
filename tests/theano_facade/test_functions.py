"""theano.function, theano.shared, theano.scan and their like."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import theano
import theano.tensor as T

from tests.helpers import assert_close


def test_updates_givens_and_several_outputs():
    x, total = T.vector("x"), theano.shared(np.float32(1))
    scale = T.scalar("scale")
    add = theano.function(
        [x], [x * scale, total], updates=[(total, total + x.sum())], givens={scale: np.float32(3)}
    )
    scaled, before = add(np.array([1, 2], "float32"))
    assert_close(scaled, np.array([3, 6]), "float32")
    assert before == 1
    assert total.get_value() == 4


def test_outputs_by_name():
    x = T.scalar("x")
    assert theano.function([x], {"double": x * 2, "same": x})(1.5) == {"double": 3.0, "same": 1.5}


def test_what_numpy_makes_arrays_of_is_taken():
    x, a = T.vector("x"), T.scalar("a")
    f = theano.function([x, a], x * a)
    assert_close(f([0.5, 2], 0.1), np.array([0.05, 0.2]), "float32")
    assert_close(f((1, 2), np.float64(0.1)), np.array([0.1, 0.2]), "float32")
    assert_close(f(np.arange(2, dtype="int8"), 3), np.array([0.0, 3]), "float32")


def test_precision_is_not_lost_unasked():
    x = T.vector("x")
    with pytest.raises(TypeError, match="float64"):
        theano.function([x], x)(np.array([0.1]))
    assert theano.function([x], x, allow_input_downcast=True)(np.array([0.1])).dtype == "float32"


def test_unused_inputs():
    x, y = T.vectors("x", "y")
    with pytest.raises(Exception, match="not part of the computational graph"):
        theano.function([x, y], x)
    assert theano.function([x, y], x, on_unused_input="ignore")([1], [2]) == [1]


@pytest.mark.parametrize("mode", [None, "FAST_RUN", "FAST_COMPILE", "DebugMode"])
def test_theanos_modes_are_taken(mode):
    x = T.scalar("x")
    assert theano.function([x], x + 1, mode=mode, profile=True)(1.0) == 2


def test_an_unknown_mode_is_an_error():
    with pytest.raises(ValueError, match=r"mode must be one of .*; got 'FAST'"):
        theano.function([], [], mode="FAST")


def test_inputs_with_defaults():
    x, y = T.scalars("x", "y")
    for kind in (theano.Param(y, default=2.0), theano.In(y, value=2.0)):
        f = theano.function([x, kind], x * y)
        assert f(3.0) == 6
        assert f(3.0, 5.0) == 15


def test_shared_dtypes():
    assert theano.shared(np.zeros(3, "float32")).dtype == "float32"
    assert theano.shared(np.zeros(3, "uint8")).dtype == "uint8"
    assert theano.shared(0.5).dtype == "float64"  # as in Theano
    assert theano.shared(3).dtype == "int64"
    assert theano.shared(np.zeros((1, 3)), broadcastable=(True, False)).type.shape == (1, None)


def test_a_shared_scalar_of_floatx_takes_python_floats():
    rate = theano.shared(np.float32(0.5), name="rate")
    rate.set_value(0.1)
    assert rate.get_value().dtype == "float32"
    assert (rate.name, rate.get_value()) == ("rate", np.float32(0.1))


def test_shared_copies_unless_it_borrows():
    array = np.zeros(2, "float32")
    copied, borrowed = theano.shared(array), theano.shared(array, borrow=True)
    array[:] = 1
    assert copied.get_value().sum() == 0
    assert borrowed.get_value().sum() == 2


def test_scan_and_its_gradient():
    x, start = T.matrix("x"), T.vector("start")
    states, updates = theano.scan(lambda row, state: state * 0.5 + row, x, start)
    assert states.dtype == "float32"
    f = theano.function([x, start], [states, T.grad(states[-1].sum(), x)], updates=updates)
    values, gradient = f(np.ones((3, 2), "float32"), np.zeros(2, "float32"))
    assert_close(values, np.array([[1, 1], [1.5, 1.5], [1.75, 1.75]]), "float32")
    assert_close(gradient, np.array([[0.25, 0.25], [0.5, 0.5], [1, 1]]), "float32")


def test_scan_draws_anew_at_every_step():
    stream = T.shared_randomstreams.RandomStreams(3)
    draws, updates = theano.scan(lambda: stream.uniform((2,)), n_steps=4)
    first = theano.function([], draws, updates=updates)()
    assert first.shape == (4, 2)
    assert len(np.unique(first)) == 8


def test_maps_and_folds():
    x = T.vector("x")
    values = np.array([1, 2, 4], "float32")
    squares, _ = theano.map(lambda each: each**2, x)
    assert_close(squares.eval({x: values}), np.array([1, 4, 16]), "float32")
    for fold, expected in [(theano.reduce, 3), (theano.foldl, 3), (theano.foldr, 0)]:
        result, _ = fold(lambda each, total: each - total, x, T.constant(np.float32(0)))
        assert result.eval({x: values}) == {3: 4 - (2 - 1), 0: 1 - (2 - 4)}[expected]


def test_ifelse_clone_and_same_graph():
    x, y = T.vectors("x", "y")
    chosen = theano.ifelse.ifelse(T.gt(x.sum(), 0), x + 1, x - 1)
    f = theano.function([x], chosen)
    assert (f([1]), f([-1])) == ([2], [-2])
    doubled = theano.clone(x * 2, {x: y + 1})
    assert doubled.eval({y: [1]}) == [4]
    same = theano.gof.graph.is_same_graph
    assert same(x * 2, x * 2)
    assert not same(x * 2, y * 2)
    assert same(x * 2, y * 2, {x: y})


def test_products_with_the_jacobian():
    x, v = T.vectors("x", "v")
    f = theano.function([x, v], [T.Rop(x**2, x, v), T.Lop(x**2, x, v)])
    for product in f([1, 2], [3, 0.5]):
        assert product.tolist() == [6, 2]


def test_classes_of_variables():
    x, w, c = T.matrix("x"), theano.shared(np.zeros(2)), T.constant(1)
    assert isinstance(x, T.TensorVariable)
    assert not isinstance(w, T.TensorVariable)
    assert not isinstance(c, T.TensorVariable)
    for each in (x, w, c, theano.Variable("any type")):
        assert isinstance(each, theano.Variable)
    assert isinstance(w, theano.compile.SharedVariable)
    assert isinstance(x.type, T.TensorType)
    assert T.TensorType("float32", (False, True)).broadcastable == (False, True)
    with pytest.raises(TypeError):
        T.TensorType()


def test_facade_functions_are_pickled_by_reference():
    for function in (T.nnet.softmax, T.nnet.relu, T.mean, T.concatenate, theano.function):
        assert pickle.loads(pickle.dumps(function)) is function
    x = T.vector()
    tanh = pickle.loads(pickle.dumps(T.tanh))
    assert theano.gof.graph.is_same_graph(tanh(x), T.tanh(x))


def test_compiled_functions_are_printed(capsys):
    x = T.vector("x")
    theano.printing.debugprint(theano.function([x], T.tanh(x)))
    assert "Tanh" in capsys.readouterr().out
