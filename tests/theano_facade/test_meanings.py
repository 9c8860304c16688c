"""What Theano's variables mean where PyTensor's mean something else."""

from __future__ import annotations

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
import theano
import theano.tensor as T

NO_TRUTH = (
    "A comparison of symbolic variables is neither true nor false before a function computes it. "
    "To choose between two expressions use theano.tensor.switch or theano.ifelse.ifelse; for "
    "'and', 'or' and a < b < c use & and |: (a < b) & (b < c)."
)


def refused(value):
    """What is said about the truth of `value`."""
    with pytest.raises(TypeError) as error:
        bool(value)
    return str(error.value)


class TestTruth:
    @pytest.mark.parametrize(
        "make",
        [
            lambda: T.matrix(),
            lambda: T.scalar() * 2,
            lambda: theano.shared(np.zeros(3, "float32")),
            lambda: theano.shared(0.0),
            lambda: T.constant(0),
            lambda: (T.vector() > 0) * 1,
        ],
        ids=["input", "computed", "shared", "shared number", "constant", "counted comparison"],
    )
    def test_a_variable_is_true(self, make):
        variable = make()
        assert variable
        assert (variable or "another") is variable
        assert (not variable) is False

    @pytest.mark.parametrize(
        "compare",
        [
            lambda x: x > 0,
            lambda x: x >= 0,
            lambda x: x < 0,
            lambda x: x <= 0,
            lambda x: T.eq(x, 0),
            lambda x: T.neq(x, 0),
            lambda x: 0 < x < 5,
        ],
    )
    def test_a_comparison_is_not(self, compare):
        with pytest.raises(TypeError) as error:
            bool(compare(T.vector()))
        assert str(error.value) == NO_TRUTH

    def test_within_the_body_of_a_loop(self):
        outputs, _ = theano.scan(lambda v: v if v else None, sequences=[T.vector()])
        assert outputs

    def test_pytensors_own_variables_have_none_as_before(self, in_new_process):
        code = """
import pytensor, pytensor.tensor as pt, numpy as np
def said(value):
    try:
        return bool(value)
    except TypeError as error:
        return str(error)
def everything():
    x = pt.vector()
    values = x, x * 2, pytensor.shared(np.zeros(3)), pt.constant(1), x > 0
    b = x > 0
    return [said(value) for value in values], (b + b).dtype, pt.matrix().dtype
before = everything()
import convnet_features, theano, theano.tensor as T
assert bool(T.matrix()), 'the facade is not at work'
assert (T.vector() > 0 + 0).dtype == 'bool'
assert everything() == before, everything()
print(before[1], before[2], 'converted' in before[0][0])
"""
        assert in_new_process(code, whole=True) == "bool float64 True"


class TestCounting:
    values = np.array([-1, 1, 6], "float32")

    @pytest.mark.parametrize(
        ("build", "expected"),
        [
            (lambda x: (x > 0) + (x < 5), [1, 2, 1]),
            (lambda x: T.add(x > 0, x < 5), [1, 2, 1]),
            (lambda x: T.eq(x, 1) + T.neq(x, 1) + (x > 0), [1, 2, 2]),
            (lambda x: (x > 0) - (x < 5), [-1, 0, 1]),
            (lambda x: -(x > 0), [0, -1, -1]),
            (lambda x: 1 - (x > 0), [1, 0, 0]),
            (lambda x: ((x > 0) + (x < 5)).sum(), 4),
            (lambda x: T.dot(x > 0, x < 7), 2),
            (lambda x: T.cumsum(x > 0), [0, 1, 2]),
        ],
    )
    def test_booleans_are_numbers(self, build, expected):
        x = T.vector()
        y = build(x)
        assert y.dtype in ("int8", "int64")
        np.testing.assert_array_equal(theano.function([x], y)(self.values), expected)

    def test_masks_stay_masks(self):
        x = T.vector()
        y = (x > 0) & (x < 5)
        assert y.dtype == "bool"
        np.testing.assert_array_equal(theano.function([x], x[y])(self.values), [1])


class TestDefaultUpdates:
    @pytest.mark.parametrize(
        "update",
        [
            lambda: T.constant(np.ones(3, "float32")),
            lambda: T.ones((3,)),
            lambda: np.ones(3, "float32"),
            lambda: T.zeros((3,)) + 1,
        ],
        ids=["constant", "ones", "array", "sum"],
    )
    def test_the_shape_may_be_known(self, update):
        s = theano.shared(np.zeros(3, "float32"))
        s.default_update = update()
        function = theano.function([], 2 * s)
        np.testing.assert_array_equal(function(), [0, 0, 0])
        np.testing.assert_array_equal(s.get_value(), [1, 1, 1])
        np.testing.assert_array_equal(function(), [2, 2, 2])

    def test_another_dtype_is_refused(self):
        s = theano.shared(np.zeros(3, "float32"))
        with pytest.raises(TypeError, match="Cannot convert Type"):
            s.default_update = T.dvector()

    def test_it_can_be_taken_back(self):
        s = theano.shared(np.float32(0))
        s.default_update = s + 1
        s.default_update = None
        theano.function([], s)()
        assert s.get_value() == 0

    def test_pytensors_own_warn_as_before(self):
        s = pytensor.shared(np.zeros(3))
        with pytest.warns(DeprecationWarning, match="Setting default_update is deprecated"):
            s.default_update = s + 1
        assert refused(pt.vector() > 0).startswith("TensorVariable cannot be converted")


@pytest.mark.parametrize("as_mapping", [True, False])
def test_an_update_may_know_more_of_its_shape(as_mapping):
    """Theano wanted `unbroadcast` around it, which scripts have."""
    row = theano.shared(np.zeros((1, 3), "float32"))
    x = T.matrix("x")
    mean = x.mean(axis=0, keepdims=True)
    for update in (mean, T.unbroadcast(mean, 0), T.patternbroadcast(mean, (False, False))):
        row.set_value(np.zeros((1, 3), "float32"))
        updates = {row: update} if as_mapping else [(row, update)]
        theano.function([x], [], updates=updates)(np.array([[1, 2, 3], [3, 4, 5]], "float32"))
        assert row.get_value().tolist() == [[2, 3, 4]]


def test_an_update_of_another_type_is_still_refused():
    with pytest.raises(TypeError, match=r"An update must have the same type .*Vector"):
        theano.function([], [], updates=[(theano.shared(np.zeros((2, 3))), T.dvector())])
