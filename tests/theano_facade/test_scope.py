"""Theano's floatX for the facade's variables, PyTensor's for all others."""

from __future__ import annotations

import threading

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
import theano
import theano.tensor as T

from convnet_features.theano_facade import theano_scope
from convnet_features.theano_facade.scope import descends


def test_floatx_is_float32_and_pytensors_is_untouched():
    assert theano.config.floatX == "float32"
    assert T.matrix().dtype == T.zeros((2,)).dtype == "float32"
    assert pytensor.config.floatX == "float64"
    assert pt.matrix().dtype == "float64"


def test_floatx_can_be_assigned(float64):
    x = T.matrix()
    assert x.dtype == (x * 0.1).dtype == T.zeros((2,)).dtype == "float64"
    assert (T.fmatrix() * 0.1).dtype == "float64"


@pytest.mark.parametrize(
    "make",
    [
        lambda: T.matrix(),
        lambda: T.fmatrix(),
        lambda: T.fmatrices("x", "y")[1],
        lambda: T.tensor("float32", [False, False]),
        lambda: T.TensorType("float32", (False, False))("x"),
        lambda: theano.shared(np.ones((2, 3), "float32")),
        lambda: T.constant(np.ones((2, 3), "float32")),
        lambda: T.zeros((2, 3)),
    ],
)
def test_a_python_float_takes_the_dtype_of_the_facades_variables(make):
    x = make()
    for value in (
        x * 0.1,
        0.1 - x,
        x**0.3,
        x / 3.7,
        T.maximum(x, 0.1),
        x.sum() * 0.1,
        x.T[0] + 0.1,
    ):
        assert value.dtype == "float32"
        assert descends(value)


def test_other_peoples_variables_keep_their_promotion():
    x = pt.fmatrix()
    assert (x * 0.1).dtype == "float64"
    assert not descends(x * 0.1)
    assert (pt.arange(3) / 2).dtype == "float64"


def test_a_graph_is_asked_once_a_node():
    x = T.matrix()
    for _ in range(1500):  # deeper than Python recurses
        x = x + 1
    assert descends(x.sum())
    y = pt.fmatrix()
    for _ in range(1500):
        y = y + 1
    assert not descends(y.sum())


def test_constants_do_not_carry_the_mark_to_others():
    x = T.matrix()
    constant = (x * 0.1).owner.inputs[1]
    assert not descends(pt.fmatrix() + constant)


def test_a_scope_is_one_threads_own():
    seen = {}

    def other():
        seen["floatX"] = pytensor.config.floatX
        seen["dtype"] = (pt.fmatrix() * 0.1).dtype

    with theano_scope():
        assert pytensor.config.floatX == "float32"
        assert pytensor.config.cxx == ""
        assert pytensor.config.traceback__limit == 0
        assert (pt.fmatrix() * 0.1).dtype == "float32"
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    assert seen == {"floatX": "float64", "dtype": "float64"}
    assert pytensor.config.floatX == "float64"


def test_pytensors_flags_can_still_be_changed():
    with pytensor.config.change_flags(floatX="float32"):
        assert pt.matrix().dtype == "float32"
    assert pt.matrix().dtype == "float64"
    assert type(pytensor.config).floatX.name == "floatX"


def test_eval_compiles_as_the_facade_does(in_new_process):
    code = """
import numpy as np, theano, theano.tensor as T
x = T.vector('x')
print((x * 2).eval({x: np.ones(2, 'float32')}), (x * 2).eval({'x': [0.5, 0.25]}))
print((theano.shared(1.5) * 2).eval(), T.constant(3).eval())
print('numba' in sys.modules)
"""
    assert in_new_process(code).splitlines() == ["[2. 2.] [1.  0.5]", "3.0 3", "False"]


# What Theano 1.0.5 promotes to float64, so do we (``floatX`` float32).
@pytest.mark.parametrize(
    ("expression", "dtype"),
    [
        (lambda x, i: x * 0.1, "float32"),
        (lambda x, i: x * 2, "float32"),
        (lambda x, i: x * np.float32(0.1), "float32"),
        (lambda x, i: x.mean(), "float32"),
        (lambda x, i: x * T.cast(i, "int8"), "float32"),
        (lambda x, i: x * T.cast(i, "int16"), "float32"),
        (lambda x, i: (x > 0) * x, "float32"),
        (lambda x, i: T.sqrt(T.cast(i, "int8")), "float32"),
        (lambda x, i: x * i, "float64"),
        (lambda x, i: x * T.cast(i, "int64"), "float64"),
        (lambda x, i: x / x.shape[0], "float64"),
        (lambda x, i: T.eq(x, 1).mean(), "float64"),
        (lambda x, i: i.mean(), "float64"),
        (lambda x, i: i * 0.5, "float64"),
        (lambda x, i: x * np.float64(0.1), "float64"),
        (lambda x, i: x * [0.1, 0.2], "float64"),
        (lambda x, i: x * theano.shared(0.5), "float64"),
    ],
)
def test_promotions_are_theanos(expression, dtype):
    assert expression(T.vector("x"), T.ivector("i")).dtype == dtype


def test_zeros_of_a_computed_size_cost_the_same_behind_any_number_of_operations(monkeypatch):
    """PyTensor copies and rewrites everything in front to learn a shape."""
    from pytensor.tensor import basic

    copied = []

    class Counted(basic.FunctionGraph):
        def __init__(self, *args, **kwargs):
            copied.append(kwargs)
            super().__init__(*args, **kwargs)

    monkeypatch.setattr(basic, "FunctionGraph", Counted)
    x = T.specify_shape(T.tensor4("x"), (None, 3, 5, 7))
    for make in (T.zeros, T.ones, lambda shape: T.alloc(0.5, *shape)):
        rows, columns = x.shape[2] + 2, x.shape[3] * 2
        made = make([x.shape[0], x.shape[1], rows, columns])
        assert made.type.shape == (None, 3, 7, 14)
    assert not copied


def test_sizes_that_are_no_integers_are_pytensors_to_refuse():
    with pytest.raises(TypeError, match=r"^Shapes must be scalar integers; got half$"):
        T.zeros([T.scalar("half")])
