"""Gradients that are finite where Theano's are, and of the graph that the user wrote."""

from __future__ import annotations

import warnings

import mpmath
import numpy as np
import pytest
import theano
import theano.tensor as T
from lasagne import objectives
from pytensor.graph.traversal import ancestors

from ..helpers import assert_close

DTYPES = ("float32", "float64")
POINTS = (1.0, -1.0, 90.0, -90.0, 1000.0, -1000.0)
sigmoid, softmax = T.nnet.sigmoid, T.nnet.softmax


def exact(function, points=POINTS):
    """Values and derivatives of a function of mpmath's numbers, to float64's precision."""
    with mpmath.workdps(1200):
        values = [float(function(mpmath.mpf(x))) for x in points]
        slopes = [float(mpmath.diff(function, mpmath.mpf(x))) for x in points]
    return np.array(values), np.array(slopes)


def value_and_gradient(build, x):
    """An expression of a variable, and the gradient of its sum, where the variable is `x`."""
    variable = T.TensorType(str(x.dtype), [False] * x.ndim)("x")
    expression = build(variable)
    gradient = T.grad(expression.sum(), variable)
    return theano.function([variable], [expression, gradient])(x)


def assert_exact(actual, expected, dtype):
    """Each entry by itself, to the dtype's rounding; what is below its numbers may be 0."""
    assert actual.dtype == dtype
    info = np.finfo(dtype)
    expected = np.where(np.abs(expected) > info.max, np.copysign(np.inf, expected), expected)
    rtol = 3e-5 if dtype == "float32" else 1e-12
    np.testing.assert_allclose(actual, expected, rtol=rtol, atol=10 * info.tiny)


def log_sigmoid(z):
    return -mpmath.log1p(mpmath.exp(-z))


LOG_SIGMOID = {
    "log(sigmoid)": lambda x: T.log(sigmoid(x)),
    "log of a cast": lambda x: T.log(T.cast(sigmoid(x), x.dtype)),
    "log of 1 / (1 + exp(-x))": lambda x: T.log(1 / (1 + T.exp(-x))),
    "log of the inverse": lambda x: T.log(T.inv(1 + T.exp(-x))),
    "log of the power -1": lambda x: T.log((1 + T.exp(-x)) ** -1),
    "log of exp(x) / (1 + exp(x))": lambda x: T.log(T.exp(x) / (T.exp(x) + 1)),
    "log(1 - sigmoid(-x))": lambda x: T.log(1 - sigmoid(-x)),
    "log(ones - sigmoid(-x))": lambda x: T.log(T.ones_like(x) - sigmoid(-x)),
    "log(-sigmoid(-x) + 1)": lambda x: T.log(-sigmoid(-x) + 1),
    "log1p(-sigmoid(-x))": lambda x: T.log1p(-sigmoid(-x)),
    "log(1 - (1 - sigmoid))": lambda x: T.log(1 - (1 - sigmoid(x))),
    "-log(1 + exp(-x))": lambda x: -T.log(1 + T.exp(-x)),
    "-log1p(exp(-x))": lambda x: -T.log1p(T.exp(-x)),
    "-softplus(-x)": lambda x: -T.nnet.softplus(-x),
    "reshaped": lambda x: T.log(sigmoid(x).reshape((2, 3))).flatten(),
    "chosen from": lambda x: T.log(sigmoid(x)[T.arange(6)]),
    "a column of two": lambda x: T.log(T.stack([1 - sigmoid(x), sigmoid(x)], axis=1))[:, 1],
    "one of two branches": lambda x: T.log(T.switch(x > 0, sigmoid(x), 1 - sigmoid(-x))),
    "binary cross-entropy": lambda x: -T.nnet.binary_crossentropy(sigmoid(x), T.ones_like(x)),
    "Lasagne's": lambda x: -objectives.binary_crossentropy(sigmoid(x), T.ones_like(x)),
    "by hand": lambda x: 1 * T.log(sigmoid(x)) + (1 - 1) * T.log(1 - sigmoid(x)),
    "in scan": lambda x: theano.scan(lambda v: T.log(sigmoid(v)), sequences=[x])[0],
    "in map": lambda x: theano.map(lambda v: -T.log(1 + T.exp(-v)), x)[0],
    "in scans": lambda x: theano.scan(
        lambda row: theano.scan(lambda v: T.log(sigmoid(v)), sequences=[row])[0],
        sequences=[x.dimshuffle("x", 0)],
    )[0][0],
    "in OpFromGraph": lambda x: theano.OpFromGraph([x], [T.log(sigmoid(x))])(x),
}

#: Every stabilisation of single numbers that Theano 1.0.5 documents, with its closed form.
ELEMENTWISE = {
    **{name: (build, log_sigmoid) for name, build in LOG_SIGMOID.items()},
    "log(1 - sigmoid)": (lambda x: T.log(1 - sigmoid(x)), lambda z: log_sigmoid(-z)),
    "log1p(-sigmoid)": (lambda x: T.log1p(-sigmoid(x)), lambda z: log_sigmoid(-z)),
    "log(1 + exp)": (lambda x: T.log(1 + T.exp(x)), lambda z: -log_sigmoid(-z)),
    "log(exp + 1)": (lambda x: T.log(T.exp(x) + 1), lambda z: -log_sigmoid(-z)),
    "log1p(exp)": (lambda x: T.log1p(T.exp(x)), lambda z: -log_sigmoid(-z)),
    "softplus": (lambda x: T.nnet.softplus(x), lambda z: -log_sigmoid(-z)),
    "log(exp(x) + exp(2 x))": (
        lambda x: T.log(T.exp(x) + T.exp(2 * x)),
        lambda z: mpmath.log(mpmath.exp(z) + mpmath.exp(2 * z)),
    ),
    "log(exp)": (lambda x: T.log(T.exp(x)), lambda z: z),
    "exp - 1": (lambda x: T.exp(x) - 1, mpmath.expm1),
    "-1 + exp": (lambda x: -1 + T.exp(x), mpmath.expm1),
    "density": (
        lambda x: T.log(0.5 * T.exp(-T.sqr(x)) / 3),
        lambda z: -(z**2) - mpmath.log(6),
    ),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_of_single_numbers(name, dtype):
    build, closed_form = ELEMENTWISE[name]
    values, slopes = exact(closed_form)
    actual = value_and_gradient(build, np.array(POINTS, dtype))
    assert_exact(actual[0], values, dtype)
    assert_exact(actual[1], slopes, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("factor", "build"),
    [
        (1, sigmoid),
        (1, lambda x: 1 / (1 + T.exp(-x))),
        (1, lambda x: T.exp(x) / (1 + T.exp(x))),
        (2, lambda x: 2 / (1 + T.exp(-x))),
    ],
    ids=["sigmoid", "1 / (1 + exp(-x))", "exp(x) / (1 + exp(x))", "2 / (1 + exp(-x))"],
)
def test_sigmoids_by_hand(factor, build, dtype):
    values, slopes = exact(lambda z: factor / (1 + mpmath.exp(-z)))
    actual = value_and_gradient(build, np.array(POINTS, dtype))
    assert_exact(actual[0], values, dtype)
    assert_close(actual[1], slopes, dtype)  # of s (1 - s), which is 0 where s rounds to 1


BELOW_ZERO = (-1e-6, -1.0, -90.0, -1000.0)
NEAR_ZERO = (1e-9, -1e-9, 1e-20, 0.5)
NEAR = {
    "log(1 - exp)": (
        lambda x: T.log(1 - T.exp(x)),
        lambda z: mpmath.log(1 - mpmath.exp(z)),
        BELOW_ZERO,
    ),
    "log1p(-exp)": (
        lambda x: T.log1p(-T.exp(x)),
        lambda z: mpmath.log(1 - mpmath.exp(z)),
        BELOW_ZERO,
    ),
    "log(1 + x)": (lambda x: T.log(1 + x), mpmath.log1p, NEAR_ZERO),
    "log(x + 1)": (lambda x: T.log(x + 1), mpmath.log1p, NEAR_ZERO),
    "log(1 - x)": (lambda x: T.log(1 - x), lambda z: mpmath.log1p(-z), NEAR_ZERO),
    "exp - 1": (lambda x: T.exp(x) - 1, mpmath.expm1, NEAR_ZERO),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NEAR)
def test_near_zero(name, dtype):
    build, closed_form, points = NEAR[name]
    x = np.array(points, dtype)
    values, slopes = exact(closed_form, [float(value) for value in x])
    actual = value_and_gradient(build, x)
    assert_exact(actual[0], values, dtype)
    assert_exact(actual[1], slopes, dtype)


ROWS = np.array([[1000, -1000, 0], [90, 0, -90], [1, -1, 1], [-1000, -1001, -999.0]])
LABELS = np.array([1, 2, 0, 0], "int32")
ONE_HOT = np.eye(3)[LABELS]
HIGHEST = ROWS.max(axis=1, keepdims=True)
TOTAL = HIGHEST + np.log(np.exp(ROWS - HIGHEST).sum(axis=1, keepdims=True))
LOG_SOFTMAX = ROWS - TOTAL
SOFTMAX = np.exp(LOG_SOFTMAX)


def of_one_exponential(x):
    e = T.exp(x)
    return e / e.sum(axis=1, keepdims=True)


PROBABILITIES = {
    "softmax": softmax,
    "of a reshape": lambda x: softmax(x.reshape((-1, 3))).reshape(x.shape),
    "by hand": lambda x: T.exp(x) / T.exp(x).sum(axis=1, keepdims=True),
    "of one exponential": of_one_exponential,
    "less the maximum": lambda x: of_one_exponential(x - x.max(axis=1, keepdims=True)),
    "dimshuffled": lambda x: T.exp(x) / T.exp(x).sum(axis=1).dimshuffle(0, "x"),
    "transposed": lambda x: (T.exp(x).T / T.exp(x).sum(axis=1)).T,
    "normalised again": lambda x: softmax(x) / softmax(x).sum(axis=1, keepdims=True),
}
INTEGERS, DISTRIBUTIONS = T.constant(LABELS), T.constant(ONE_HOT.astype("float32"))
CROSSENTROPIES = {
    "integers": lambda p: T.nnet.categorical_crossentropy(p, INTEGERS),
    "one-hot": lambda p: T.nnet.categorical_crossentropy(p, DISTRIBUTIONS),
    "Lasagne's": lambda p: objectives.categorical_crossentropy(p, INTEGERS),
    "chosen logarithms": lambda p: -T.log(p)[T.arange(INTEGERS.shape[0]), INTEGERS],
    "logarithms of the chosen": lambda p: -T.log(p[T.arange(INTEGERS.shape[0]), INTEGERS]),
    "summed": lambda p: T.sum(-T.log(p) * DISTRIBUTIONS, axis=1),
    "base 2": lambda p: -np.float32(np.log(2)) * T.log2(p)[T.arange(4), INTEGERS],
    "base 10": lambda p: -np.float32(np.log(10)) * T.log10(p)[T.arange(4), INTEGERS],
    "in scan": lambda p: theano.scan(lambda q, t: -T.log(q)[t], sequences=[p, INTEGERS])[0],
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("loss", [name for name in CROSSENTROPIES if name != "in scan"])
@pytest.mark.parametrize("name", PROBABILITIES)
def test_crossentropies(name, loss, dtype):
    def build(x):
        return CROSSENTROPIES[loss](PROBABILITIES[name](x))

    values, slopes = value_and_gradient(build, ROWS.astype(dtype))
    tolerance = 1e-12 if dtype == "float64" and "base" not in loss else 1e-5
    np.testing.assert_allclose(values, -LOG_SOFTMAX[range(4), LABELS], rtol=tolerance)
    np.testing.assert_allclose(slopes, SOFTMAX - ONE_HOT, rtol=tolerance, atol=1e-7)


@pytest.mark.parametrize("dtype", DTYPES)
def test_softmax_and_its_crossentropy_within_scan(dtype):
    def build(x):
        return theano.scan(
            lambda row, t: T.nnet.categorical_crossentropy(softmax(row), t.dimshuffle("x"))[0],
            sequences=[x, INTEGERS],
        )[0]

    values, slopes = value_and_gradient(build, ROWS.astype(dtype))
    assert_close(values, -LOG_SOFTMAX[range(4), LABELS], dtype)
    assert_close(slopes, SOFTMAX - ONE_HOT, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("build", "expected"),
    [
        (lambda x: T.log(T.sum(T.exp(x), axis=1)), TOTAL[:, 0]),
        (lambda x: T.log(T.sum(T.exp(x), axis=1, keepdims=True)), TOTAL),
        (lambda x: T.log(T.mean(T.exp(x), axis=1)), TOTAL[:, 0] - np.log(3)),
        (lambda x: T.log(T.exp(x[:, 0]) + T.exp(x[:, 1]) + T.exp(x[:, 2])), TOTAL[:, 0]),
    ],
    ids=["vector", "column", "mean", "terms"],
)
def test_logarithms_of_sums_of_exponentials(build, expected, dtype):
    values, slopes = value_and_gradient(build, ROWS.astype(dtype))
    assert_close(values, expected, dtype)
    assert_close(slopes, SOFTMAX, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_softmax_by_hand_along_any_axis(dtype):
    cube = ROWS.reshape(2, 2, 3)
    for axis in range(3):
        x = np.moveaxis(cube, 2, axis).astype(dtype)

        def build(v, axis=axis):
            return T.log(T.exp(v) / T.exp(v).sum(axis=axis, keepdims=True))

        values, slopes = value_and_gradient(build, x)
        expected = np.moveaxis(LOG_SOFTMAX.reshape(2, 2, 3), 2, axis)
        assert_close(values, expected, dtype)
        assert_close(slopes, 1 - 3 * np.exp(expected), dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_clipped_probabilities_keep_their_bounds(dtype):
    low = np.asarray(1e-6, dtype)

    def build(x):
        return -T.log(T.clip(softmax(x), low, 1 - low))[T.arange(4), INTEGERS]

    values, slopes = value_and_gradient(build, ROWS.astype(dtype))
    chosen = SOFTMAX[range(4), LABELS]
    assert_close(values, -np.log(np.clip(chosen, 1e-6, 1 - 1e-6)), dtype)
    within = ((chosen > 1e-6) & (chosen < 1 - 1e-6))[:, None]
    assert_close(slopes, within * (SOFTMAX - ONE_HOT), dtype)


@pytest.mark.parametrize(
    "build",
    [T.tanh, T.nnet.ultra_fast_sigmoid, T.nnet.hard_sigmoid, lambda x: T.log(1e-8 + sigmoid(x))],
)
def test_other_saturations_have_finite_gradients(build):
    for each in value_and_gradient(build, np.array(POINTS, "float32")):
        assert np.isfinite(each).all()


def test_the_logarithm_that_a_switch_keeps_safe_stays_safe():
    """The other branch is there for what must not reach the logarithm."""
    values, slopes = value_and_gradient(
        lambda x: T.log(T.switch(x > 0, x, 1)), np.array([-2, 2], "float32")
    )
    assert_close(values, [0, np.log(2)])
    assert_close(slopes, [0, 0.5])


class TestOfWhatLiesBetween:
    """With respect to variables that the stable graph passes by."""

    def setup_method(self):
        self.x, self.t = T.matrix("x"), T.ivector("t")
        self.p = softmax(self.x)
        self.values = (np.array([[1, 2]], "float32"), np.array([1], "int32"))
        e = np.exp([[1.0, 2.0]])
        self.q = e / e.sum()

    def compute(self, outputs):
        return theano.function([self.x, self.t], outputs, on_unused_input="ignore")(*self.values)

    def test_probabilities(self):
        cost = T.nnet.categorical_crossentropy(self.p, self.t).sum()
        by_p, by_x = self.compute(T.grad(cost, [self.p, self.x]))
        assert_close(by_p, [[0, -1 / self.q[0, 1]]])
        assert_close(by_x, self.q - [[0, 1]])

    def test_sigmoids_under_binary_crossentropy(self):
        s = sigmoid(self.x)
        cost = T.nnet.binary_crossentropy(s, T.ones_like(s)).sum()
        assert_close(self.compute(T.grad(cost, s)), -1 - np.exp([[-1.0, -2.0]]))

    def test_logarithms_and_what_they_are_of(self):
        log = T.log(self.p)
        cost = -log[T.arange(1), self.t].sum() + 3 * self.p.sum()
        by_p, by_log, by_x = self.compute(T.grad(cost, (self.p, log, self.x)))
        assert_close(by_p, [[3, 3 - 1 / self.q[0, 1]]])
        assert_close(by_log, [[0, -1]])
        assert_close(by_x, self.q - [[0, 1]])

    def test_one_variable_that_comes_to_stand_for_two(self):
        log = T.log(T.exp(self.x))
        by_log, by_x = self.compute(T.grad((log + 3 * self.x).sum(), [log, self.x]))
        assert_close(by_log, [[1, 1]])
        assert_close(by_x, [[4, 4]])

    def test_hidden_units_in_front(self):
        h = T.tanh(self.x)
        cost = T.nnet.categorical_crossentropy(softmax(h), self.t).sum()
        e = np.exp(np.tanh([[1.0, 2.0]]))
        assert_close(self.compute(T.grad(cost, h)), e / e.sum() - [[0, 1]])

    def test_known_gradients(self):
        g = T.constant(np.array([[1, 2]], "float32"))
        actual = self.compute(T.grad(None, self.x, known_grads={self.p: g}))
        assert_close(actual, self.q * ([[1, 2]] - (self.q * [[1, 2]]).sum()))
        cost = T.nnet.categorical_crossentropy(self.p, self.t).sum()
        actual = self.compute(T.grad(cost, self.x, known_grads={self.p: g}))
        assert_close(actual, self.q * ([[1, 2]] - (self.q * [[1, 2]]).sum()))

    def test_considered_constant(self):
        cost = T.nnet.categorical_crossentropy(self.p, self.t).sum() + self.x.sum()
        actual = self.compute(T.grad(cost, self.x, consider_constant=[self.p]))
        assert_close(actual, [[1, 1]])
        with pytest.raises(theano.gradient.DisconnectedInputError):
            T.grad(-T.log(self.p).sum(), self.x, consider_constant=[self.p])

    def test_disconnected_and_zero_and_clipped_gradients(self):
        for stop in (theano.gradient.disconnected_grad, theano.gradient.zero_grad):
            cost = (T.log(stop(self.p)) + self.x).sum()
            assert_close(self.compute(T.grad(cost, self.x)), [[1, 1]])
        clipped = theano.gradient.grad_clip(self.p, -0.5, 0.5)
        cost = T.nnet.categorical_crossentropy(clipped, self.t).sum()
        g = np.array([[0, -0.5]])
        expected = self.q * (g - (self.q * g).sum())
        assert_close(self.compute(T.grad(cost, self.x)), expected)

    def test_subgraphs(self):
        log = T.log(self.p)
        cost = -log[T.arange(1), self.t].sum()
        _, (by_p,) = theano.gradient.subgraph_grad([self.x], [self.p], cost=cost)
        assert_close(self.compute(by_p), [[0, -1 / self.q[0, 1]]])


def test_disconnected_inputs_are_refused_or_ignored():
    x, y = T.vectors("x", "y")
    cost = T.log(sigmoid(x)).sum()
    with pytest.raises(theano.gradient.DisconnectedInputError):
        T.grad(cost, y)
    gradient = T.grad(cost, [x, y], disconnected_inputs="ignore")
    values = theano.function([x, y], gradient)(np.zeros(1, "float32"), np.ones(2, "float32"))
    assert_close(values[0], [0.5])
    assert_close(values[1], [0, 0])


def test_the_users_graph_stays_as_it_is():
    x = T.matrix("x")
    p = softmax(x)
    cost = -T.log(p).sum()
    before = [(each, each.owner, each.name) for each in ancestors([cost])]
    T.grad(cost, [x, p])
    assert [(each, each.owner, each.name) for each in ancestors([cost])] == before


def test_what_no_rule_concerns_is_not_copied():
    x, w = T.matrix("x"), theano.shared(np.ones((3, 2), "float32"))
    h = T.tanh(T.dot(x, w))
    gradient = T.grad(-T.log(softmax(h)).sum(), w)
    assert h in set(ancestors([gradient]))


def test_gradients_are_named_and_contained_as_in_theano():
    x = T.vector("x")
    cost = T.log(sigmoid(x)).sum()
    cost.name = "cost"
    assert T.grad(cost, x).name == "(dcost/dx)"
    assert isinstance(theano.grad(cost, (x,)), tuple)
    assert isinstance(theano.gradient.grad(cost, [x]), list)


def test_a_long_graph_costs_once_what_it_has():
    """Neither recursion nor a copy for each layer."""
    x = T.vector("x")
    y = x
    for _ in range(200):
        y = T.log(1 + T.exp(y)) - np.float32(np.log(2))
    (gradient,) = T.grad(y.sum(), [x])
    assert len(set(ancestors([gradient]))) < 40 * 200


@pytest.mark.parametrize("dtype", DTYPES)
class TestOtherDerivatives:
    z = np.array([90, 0, -90.0])

    def compute(self, build, dtype):
        v = T.TensorType(dtype, (False,))("v")
        return theano.function([v], build(v))(self.z.astype(dtype))

    def test_jacobian(self, dtype):
        actual = self.compute(lambda v: T.jacobian(T.log(softmax(v))[0], v), dtype)
        e = np.exp(self.z - 90)
        assert_close(actual, np.eye(3) - e / e.sum(), dtype)

    def test_hessian(self, dtype):
        actual = self.compute(lambda v: T.hessian(T.log(1 + T.exp(v)).sum(), v), dtype)
        assert_close(actual, np.diag([0, 0.25, 0]), dtype)

    def test_gradient_of_a_gradient(self, dtype):
        def build(v):
            return T.grad(T.grad(T.log(1 + T.exp(v)).sum(), v).sum(), v)

        assert_close(self.compute(build, dtype), [0, 0.25, 0], dtype)

    @pytest.mark.parametrize("operator", [T.Rop, T.Lop])
    def test_products(self, operator, dtype):
        actual = self.compute(lambda v: operator(T.log(1 + T.exp(v)), v, 2 + 0 * v), dtype)
        assert_close(actual, [2, 1, 0], dtype)


def test_compiled_functions_are_stable_without_fusion_too():
    from convnet_features import set_fusion

    before = set_fusion(False)
    try:
        x = T.vector()
        value = theano.function([x], T.log(sigmoid(x)))(np.array([-200], "float32"))
    finally:
        set_fusion(before)
    assert_close(value, [-200])


def test_the_issues_example():
    x, t = T.matrix(), T.ivector()
    c = T.nnet.categorical_crossentropy(softmax(x), t).sum()
    cost, gradient = theano.function([x, t], [c, T.grad(c, x)])(
        np.array([[90, 0]], "f"), np.array([1], "i4")
    )
    assert cost == 90
    np.testing.assert_array_equal(gradient, [[1, -1]])


def test_joined_probabilities():
    """Of a class and of its complement, behind each other."""
    x = T.matrix()
    p = T.concatenate([T.nnet.sigmoid(x), T.nnet.sigmoid(-x)], axis=1)
    cost = -T.log(p).sum()
    value, gradient = theano.function([x], [cost, T.grad(cost, x)])(np.array([[-200, 200]], "f"))
    np.testing.assert_allclose(value, 400)
    np.testing.assert_allclose(gradient, [[-1, 1]])


def test_gradients_are_verified():
    """By the facade's own functions: PyTensor's compiler would take many seconds."""
    T.verify_grad(lambda x: T.tanh(x) ** 2, [np.array([0.3, -1.2])], rng=np.random.RandomState(1))
    with pytest.raises(theano.gradient.GradientError):
        theano.gradient.verify_grad(
            lambda x: theano.gradient.grad_clip(3 * x, -1, 1) ** 2, [np.array([0.7])]
        )


def test_operations_of_a_script_have_the_method_that_theano_knew():
    """And nobody is told of the one that PyTensor has for it."""

    class Reversed(theano.Op):
        __props__ = ()

        def make_node(self, x):
            return theano.Apply(self, [x], [x.type()])

        def perform(self, node, inputs, output_storage):
            output_storage[0][0] = inputs[0].copy()

        def grad(self, inputs, output_grads):
            return [-output_grads[0]]

    x = T.vector("x")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        gradient = theano.grad((Reversed()(x) ** 2).sum(), x)
    assert theano.function([x], gradient)(np.ones(2, "float32")).tolist() == [-2, -2]
