"""theano.tensor: names that mean here what they meant in Theano."""

from __future__ import annotations

import re

import numpy as np
import pytest
import theano
import theano.tensor as T
from scipy import special

from tests.helpers import assert_close

A = np.arange(6, dtype="float32").reshape(2, 3)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        (lambda x: T.clip(x, 0.5, 3.5), np.clip(A, 0.5, 3.5)),
        (lambda x: T.flatten(x, 1), A.ravel()),
        (lambda x: T.flatten(x, outdim=2), A),
        (lambda x: x.flatten(2), A),
        (lambda x: x.dimshuffle("x", 1, 0), A.T[None]),
        (lambda x: T.stack(x, x), np.stack([A, A])),
        (lambda x: T.stack([x, x], axis=1), np.stack([A, A], 1)),
        (lambda x: T.stack([x, x], 1), np.stack([A, A], 1)),
        (lambda x: T.concatenate([x, x], axis=1), np.concatenate([A, A], 1)),
        (lambda x: T.max_and_argmax(x, axis=1)[0], A.max(1)),
        (lambda x: T.max_and_argmax(x, axis=1)[1], A.argmax(1)),
        (lambda x: T.set_subtensor(x[0, 1:], 0.1), np.array([[0, 0.1, 0.1], [3, 4, 5]])),
        (lambda x: T.inc_subtensor(x[:, 0], 0.5), np.array([[0.5, 1, 2], [3.5, 4, 5]])),
        (lambda x: T.switch(x > 2, x, 0.5), np.where(A > 2, A, 0.5)),
        (lambda x: T.tensordot(x, x, [[1], [1]]), A @ A.T),
        (lambda x: T.batched_dot(x, x), (A * A).sum(1)),
        (lambda x: T.batched_dot(x[:, :, None], x[:, None, :]), A[:, :, None] * A[:, None, :]),
        (lambda x: T.batched_dot(x[:, None, :], x), (A * A).sum(1)[:, None]),
        (lambda x: T.alloc(0.5, 2, 3), np.full((2, 3), 0.5)),
        (lambda x: T.extra_ops.to_one_hot(T.argmax(x, axis=1), 4), np.eye(4)[[2, 2]]),
        (lambda x: T.eye(3), np.eye(3)),
        (lambda x: x.norm(2), np.sqrt((A**2).sum())),
        (lambda x: x.mean(axis=0, dtype="float32"), A.mean(0)),
        (lambda x: T.sqr(x).sum(axis=1), (A**2).sum(1)),
        (lambda x: T.mean(x, axis=1, keepdims=True), A.mean(1, keepdims=True)),
        (lambda x: T.addbroadcast(x[:, :1], 1) * x, A[:, :1] * A),
        (lambda x: T.patternbroadcast(x[:, :1], (False, True)) * x, A[:, :1] * A),
        (lambda x: T.unbroadcast(x, 0), A),
        (lambda x: T.nlinalg.trace(x[:, :2]), np.trace(A[:, :2])),
        (lambda x: T.shape_padright(x, 1), A[:, :, None]),
        (lambda x: T.repeat(x, 2, axis=0), A.repeat(2, 0)),
    ],
)
def test_values(expression, expected):
    x = T.matrix("x")
    value = expression(x)
    assert value.dtype in ("float32", "int64")
    result = value.eval({x: A}, on_unused_input="ignore")
    assert_close(result.astype("float32"), np.asarray(expected), "float32")


def test_constructors():
    for name, dtype, ndim in [
        ("scalar", "float32", 0),
        ("dvector", "float64", 1),
        ("imatrix", "int32", 2),
        ("row", "float32", 2),
        ("ltensor3", "int64", 3),
        ("tensor4", "float32", 4),
        ("bvector", "int8", 1),
        ("wvector", "int16", 1),
    ]:
        variable = getattr(T, name)("a name")
        assert (variable.dtype, variable.ndim, variable.name) == (dtype, ndim, "a name")
    assert T.matrix(dtype="int8").dtype == "int8"
    assert T.row().broadcastable == (True, False)
    assert T.tensor("int32", (True, False), "y").broadcastable == (True, False)
    x, y = T.matrices("x", "y")
    assert (x.name, y.name, x.dtype) == ("x", "y", "float32")
    assert len(T.fvectors(3)) == 3


def test_clip_has_theanos_gradient():
    x = T.vector("x")
    gradient = T.grad(T.clip(x, 0.0, 1.0).sum(), x)
    assert gradient.eval({x: [-1, 0.5, 2]}).tolist() == [0, 1, 0]


def test_gradients_are_float32():
    x, y = T.matrix("x"), T.ivector("y")
    loss = (T.mean(T.tanh(x) * 0.3) + T.sum(x[T.arange(2), y]) * 0.01) ** 2
    assert T.grad(loss, x).dtype == "float32"


class TestProductsThatDoNotFit:
    """The error speaks of the matrices, whichever kernel or layer computes their product."""

    @pytest.mark.parametrize("engine", ["auto", "portable"])
    @pytest.mark.parametrize("fuse", [True, False])
    @pytest.mark.parametrize(
        ("build", "shapes"),
        [
            (lambda x, y: T.dot(x, y), ((2, 4), (3, 2))),
            (lambda x, y: T.nnet.sigmoid(T.dot(x, y) + 1), ((2, 4), (3, 5))),
            (lambda x, y: T.grad(T.dot(x, y).sum(), x), ((2, 4), (3, 2))),
            (lambda x, y: T.dot(x, y[0]), ((2, 4), (2, 3))),
            (lambda x, y: T.dot(y[0], x), ((2, 4), (2, 3))),
        ],
        ids=["product", "layer", "gradient", "with a vector", "of a vector"],
    )
    def test_what_is_said(self, build, shapes, fuse, engine):
        from convnet_features.compilation import mode

        x, y = T.matrices("x", "y")
        function = theano.function([x, y], build(x, y), mode=mode(engine, fuse))
        with pytest.raises(ValueError, match="matri") as error:
            function(*(np.ones(shape, "float32") for shape in shapes))
        assert re.fullmatch(
            r"a matrix product \(theano\.tensor\.dot, or a dense layer\): the left matrix, of shape "
            r"\(\d, \d\), has \d columns, and the right one, of shape \(\d, \d\), has \d rows; the "
            r"two numbers must be equal\.",
            str(error.value),
        )

    def test_the_numbers(self):
        x, y = T.matrices("x", "y")
        text = (
            "a matrix product (theano.tensor.dot, or a dense layer): the left matrix, of shape "
            "(2, 4), has 4 columns, and the right one, of shape (3, 5), has 3 rows; the two "
            "numbers must be equal."
        )
        with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
            theano.function([x, y], T.dot(x, y))(
                np.ones((2, 4), "float32"), np.ones((3, 5), "float32")
            )

    def test_a_bias(self):
        x, b = T.matrix("x"), theano.shared(np.ones(4, "float32"))
        w = theano.shared(np.ones((3, 3), "float32"))
        with pytest.raises(ValueError, match=r"\(4,\)"):
            theano.function([x], T.dot(x, w) + b)(np.ones((2, 3), "float32"))


def test_logarithms_of_nothing():
    x, y = T.dvectors("x", "y")
    entropy = T.xlogx.xlogx(x)
    values = theano.function([x], [entropy, theano.grad(entropy.sum(), x)])([0.0, 0.5, 2.0])
    np.testing.assert_allclose(values[0], [0, -np.log(2) / 2, 2 * np.log(2)])
    np.testing.assert_allclose(values[1], [0, 1 - np.log(2), 1 + np.log(2)])
    products = theano.function([x, y], T.xlogx.xlogy0(x, y))([0.0, 0.0, 3.0], [0.0, -1.0, 2.0])
    np.testing.assert_allclose(products, [0, 0, 3 * np.log(2)])


@pytest.mark.parametrize("axis", [0, 1, -1, None])
@pytest.mark.parametrize("kth", [2, -2])
def test_the_largest_and_the_smallest(axis, kth, rng):
    x, k = T.matrix("x"), T.iscalar("k")
    values = rng.permutation(20).reshape(4, 5).astype("float32")
    ordered = np.sort(values, axis=axis)
    along = 0 if axis is None else axis
    expected = np.take(ordered, range(-2, 0) if kth > 0 else range(2), axis=along)
    best, places = T.topk_and_argtopk(x, k, axis=axis)
    given = {x: values, k: kth}
    np.testing.assert_array_equal(best.eval(given), expected)
    flat = values.ravel() if axis is None else values
    found = np.take_along_axis(flat, places.eval(given), axis=along)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(T.topk(x, kth, axis).eval({x: values}), expected)
    assert T.argtopk(x, kth, axis, idx_dtype="int32").dtype == "int32"


def test_assertions():
    """Theano kept them among its optimisations."""
    x = T.vector("x")
    for checked in (T.opt.Assert("negative")(x, T.all(x >= 0)), T.opt.assert_op(x, T.all(x >= 0))):
        function = theano.function([x], checked)
        assert function(np.ones(2, "float32")).tolist() == [1, 1]
        with pytest.raises(AssertionError):
            function(-np.ones(2, "float32"))


@pytest.mark.parametrize("kth", [0, 4, -4])
def test_more_than_there_are_is_an_error(kth):
    x, k = T.matrix("x"), T.iscalar("k")
    with pytest.raises(AssertionError, match="topk: kth"):
        theano.function([x, k], T.topk(x, k))(np.ones((2, 3), "float32"), kth)


def test_triangular_solutions(rng):
    a, b = T.dmatrix("a"), T.dvector("b")
    matrix, vector = rng.normal(size=(4, 4)) + 4 * np.eye(4), rng.normal(size=4)
    for solve, part in [
        (T.slinalg.solve_lower_triangular, np.tril),
        (T.slinalg.solve_upper_triangular, np.triu),
    ]:
        solution = solve(a, b).eval({a: matrix, b: vector})
        np.testing.assert_allclose(part(matrix) @ solution, vector, atol=1e-12)


def test_asarray():
    assert theano._asarray([1, 2], dtype="floatX").dtype == "float32"
    assert theano._asarray([1, 2], dtype="int8").dtype == "int8"


#: Names of Theano's that are like NumPy's or SciPy's, and those.
LIKE_NUMPY = {
    "chi2sf": None,
    "conjugate": np.conj,
    "flatnonzero": lambda x: np.flatnonzero(np.float64(x)),
    "gammaincc": None,
    "iround": lambda x: np.round(x).astype("int64"),
    "j0": special.j0,
    "j1": special.j1,
    "i0": special.i0,
    "i1": special.i1,
    "round_half_to_even": np.round,
    "softplus": lambda x: np.logaddexp(0, x),
}


@pytest.mark.parametrize("name", LIKE_NUMPY)
def test_names_that_numpy_has(name):
    values = np.array([0.5, 0.0, 2.5, 1.5])
    if LIKE_NUMPY[name] is None:
        other = np.array([1.0, 2.0, 3.0, 4.0])
        numpys = {"chi2sf": special.chdtrc, "gammaincc": special.gammaincc}[name]
        x, y = T.dvector("x"), T.dvector("y")
        args = (x, y) if name == "gammaincc" else (y, x)
        ours = getattr(T, name)(*args).eval({x: other, y: values})
        expected = numpys(other, values)
    else:
        x = T.dvector("x")
        ours, expected = getattr(T, name)(x).eval({x: values}), LIKE_NUMPY[name](values)
    np.testing.assert_allclose(ours, expected, rtol=1e-12)
    assert ours.dtype == expected.dtype


def test_tensors_of_five_axes():
    assert T.tensor5("x").dtype == "float32"
    assert T.dtensor5("x").ndim == 5
    assert len(T.rows("a", "b")) == 2
