"""The mode that ``theano.function`` compiles with."""

from __future__ import annotations

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest

from convnet_features.compilation import mode
from convnet_features.compilation.linker import StraightLineLinker, compilation_rewriter
from convnet_features.exceptions import EngineError
from convnet_features.kernels.registry import get_kernels


@pytest.fixture(params=[True, False], ids=["fused", "unfused"])
def compiled(request):
    def function(*args, **kwargs):
        return pytensor.function(*args, mode=mode("portable", request.param), **kwargs)

    return function


def test_inputs_outputs_updates_and_givens(compiled):
    x, y = pt.fvector("x"), pt.fvector("y")
    total = pytensor.shared(np.zeros(3, "float32"))
    step = compiled([x], [x * y, x.sum()], updates=[(total, total + x)], givens=[(y, x + 1)])
    value = np.arange(3, dtype="float32")
    product, number = step(value)
    np.testing.assert_array_equal(product, value * (value + 1))
    assert number == 3
    step(value)
    np.testing.assert_array_equal(total.get_value(), 2 * value)


def test_a_single_output_is_no_list(compiled):
    x = pt.fscalar()
    assert compiled([x], x * 2)(np.float32(3)) == 6
    assert compiled([], [])() == []


def test_results_are_not_shared_values(compiled):
    """Writing into what a function returned changes no variable, and no input."""
    held = pytensor.shared(np.zeros(3, "float32"))
    x = pt.fvector()
    for output in (held, pt.tensor_copy(held), held.dimshuffle("x", 0), held[:2]):
        compiled([], output)()[...] = 5
        np.testing.assert_array_equal(held.get_value(), np.zeros(3))
    value = np.zeros(3, "float32")
    for output in (x, pt.tensor_copy(x), x[:2]):
        compiled([x], output)(value)[...] = 5
        np.testing.assert_array_equal(value, np.zeros(3))


def test_exchanged_variables(compiled):
    a, b = (pytensor.shared(np.full(3, value, "float32")) for value in (1, 2))
    swap = compiled([], [], updates=[(a, pt.tensor_copy(b)), (b, pt.tensor_copy(a))])
    swap()
    a.set_value(a.get_value(borrow=True) * 10, borrow=True)
    np.testing.assert_array_equal(a.get_value(), [20, 20, 20])
    np.testing.assert_array_equal(b.get_value(), [1, 1, 1])


def test_one_mode_serves_many_functions():
    x = pt.fvector()
    first = pytensor.function([x], x + 1, mode=mode("portable"))
    second = pytensor.function([x], x * 2, mode=mode("portable"))
    value = np.ones(2, "float32")
    assert (first(value)[0], second(value)[0], first(value)[0]) == (2, 2, 2)
    assert mode("portable") is mode("portable")
    assert mode("portable") is not mode("portable", fuse=False)


def test_copies_of_a_function(compiled):
    held, other = (pytensor.shared(np.full(3, value, "float32")) for value in (1, 5))
    function = compiled([], held * 2)
    copied = function.copy(swap={held: other})
    np.testing.assert_array_equal(copied(), [10, 10, 10])
    np.testing.assert_array_equal(function(), [2, 2, 2])


def test_errors_come_through(compiled):
    x, y = pt.fvector(), pt.fvector()
    with pytest.raises(ValueError, match="broadcast"):
        compiled([x, y], x + y)(np.zeros(2, "float32"), np.zeros(3, "float32"))


def test_unknown_engines():
    with pytest.raises(EngineError, match="engine='abacus' is unknown"):
        mode("abacus")


def test_no_compiler_and_no_numba_are_asked_for():
    linker = StraightLineLinker(get_kernels("portable"))
    assert linker.required_rewrites == ()
    assert compilation_rewriter(True) is compilation_rewriter(True)
