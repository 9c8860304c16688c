"""theano.tensor.nnet against its formulas, and against slow loops."""

from __future__ import annotations

import numpy as np
import pytest
import theano
import theano.tensor as T
from scipy import special

from tests.helpers import assert_close

XS = np.array([-1000, -30, -3.1, -1, -0.1, 0, 0.1, 1, 3.1, 30, 1000])


def expm1_below_0(x):
    return np.expm1(np.minimum(x, 0))


#: Name to (facade's function, NumPy's).
NONLINEARITIES = {
    "sigmoid": (T.nnet.sigmoid, special.expit),
    "softplus": (T.nnet.softplus, lambda x: np.logaddexp(0, x)),
    "relu": (T.nnet.relu, lambda x: np.maximum(x, 0)),
    "leaky relu": (lambda x: T.nnet.relu(x, 0.2), lambda x: np.maximum(x, 0.2 * x)),
    "elu": (T.nnet.elu, lambda x: np.where(x > 0, x, expm1_below_0(x))),
    "selu": (
        T.nnet.selu,
        lambda x: (
            1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * np.expm1(np.minimum(x, 0)))
        ),
    ),
    "hard_sigmoid": (T.nnet.hard_sigmoid, lambda x: np.clip(0.2 * x + 0.5, 0, 1)),
}


@pytest.mark.parametrize("name", NONLINEARITIES)
def test_nonlinearities(name):
    ours, numpys = NONLINEARITIES[name]
    x = T.vector("x")
    values = XS.astype("float32")
    assert_close(ours(x).eval({x: values}), numpys(values.astype("float64")), "float32")


@pytest.mark.parametrize("name", NONLINEARITIES)
def test_nonlinearities_in_float64(name, float64):
    ours, numpys = NONLINEARITIES[name]
    x = T.vector("x")
    assert_close(ours(x).eval({x: XS}), numpys(XS), "float64")


@pytest.mark.parametrize("name", NONLINEARITIES)
def test_their_derivatives(name, float64):
    ours, numpys = NONLINEARITIES[name]
    x = T.vector("x")
    gradient = T.grad(ours(x).sum(), x).eval({x: XS})
    assert np.isfinite(gradient).all()
    smooth = np.flatnonzero((XS != 0) & (np.abs(XS) < 50))
    difference = (numpys(XS[smooth] + 1e-6) - numpys(XS[smooth] - 1e-6)) / 2e-6
    np.testing.assert_allclose(gradient[smooth], difference, atol=1e-7)


def test_derivatives_at_zero():
    x = T.scalar("x")
    for function, expected in [(T.nnet.softplus, 0.5), (T.nnet.relu, 0.5), (T.nnet.sigmoid, 0.25)]:
        assert T.grad(function(x), x).eval({x: 0.0}) == expected


def test_the_fast_sigmoid_is_near_the_sigmoid():
    x = T.vector("x")
    values = np.linspace(-9, 9, 101).astype("float32")
    error = T.nnet.ultra_fast_sigmoid(x).eval({x: values}) - special.expit(values)
    assert np.abs(error).max() < 0.05


def test_softmax_and_its_logarithm(rng):
    x = T.matrix("x")
    values = rng.normal(size=(3, 7)).astype("float32")
    values[0, 0] = 1000
    expected = special.softmax(values.astype("float64"), axis=1)
    assert_close(T.nnet.softmax(x).eval({x: values}), expected, "float32")
    log = special.log_softmax(values.astype("float64"), axis=1)
    assert_close(T.nnet.logsoftmax(x).eval({x: values}), log, "float32")


def test_categorical_crossentropy(rng):
    p, labels, targets = T.matrix("p"), T.ivector("labels"), T.matrix("targets")
    values = special.softmax(rng.normal(size=(3, 7)), axis=1).astype("float32")
    classes = np.array([6, 0, 2], "int32")
    expected = -np.log(values[[0, 1, 2], classes].astype("float64"))
    loss = T.nnet.categorical_crossentropy(p, labels)
    assert_close(loss.eval({p: values, labels: classes}), expected, "float32")
    one_hot = T.nnet.categorical_crossentropy(p, targets)
    assert_close(one_hot.eval({p: values, targets: np.eye(7, dtype="f")[classes]}), expected)
    with pytest.raises(TypeError, match=r"as many dimensions .* got 3"):
        T.nnet.categorical_crossentropy(p, T.tensor3())


def test_binary_crossentropy_of_a_sigmoid_is_finite_anywhere():
    z, t = T.vector("z"), T.vector("t")
    values, targets = np.array([-1000, -2, 0, 3, 1000], "float32"), np.array([1, 0, 1, 1, 0], "f")
    loss = T.nnet.binary_crossentropy(T.nnet.sigmoid(z), t)
    f = theano.function([z, t], [loss, T.grad(loss.sum(), z)])
    value, gradient = f(values, targets)
    z64, t64 = values.astype("float64"), targets.astype("float64")
    assert_close(value, np.logaddexp(0, z64) - t64 * z64, "float32")
    assert_close(gradient, special.expit(z64) - t64, "float32")
    direct = T.nnet.sigmoid_binary_crossentropy(z, t)
    assert_close(direct.eval({z: values, t: targets}), value)


def test_binary_crossentropy_of_probabilities():
    p, t = T.vector("p"), T.vector("t")
    loss = T.nnet.binary_crossentropy(p, t)
    value = loss.eval({p: np.array([0.25, 0.5], "f"), t: np.array([0, 1], "f")})
    assert_close(value, -np.log([0.75, 0.5]), "float32")


BORDER_MODES = [
    ("valid", ((0, 0), (0, 0))),
    ("full", ((2, 2), (1, 1))),
    ("half", ((1, 1), (1, 1))),
    (1, ((1, 1), (1, 1))),
    ((2, 0), ((2, 2), (0, 0))),
    (((0, 1), (2, 0)), ((0, 1), (2, 0))),
]


@pytest.mark.parametrize(("border_mode", "padding"), BORDER_MODES)
@pytest.mark.parametrize("known", ["static", "argument", "shared"])
def test_conv2d_border_modes(border_mode, padding, known, rng):
    x = T.tensor4("x")
    images = rng.normal(size=(2, 3, 7, 11)).astype("float32")
    filters = rng.normal(size=(5, 3, 3, 2)).astype("float32")
    w = {
        "static": T.constant(filters),
        "argument": T.tensor4("w"),
        "shared": theano.shared(filters),
    }[known]
    shape = filters.shape if known == "argument" else None
    y = T.nnet.conv2d(x, w, None, shape, border_mode, subsample=(2, 1))
    given = {x: images, w: filters} if known == "argument" else {x: images}
    padded = np.pad(images.astype("float64"), ((0, 0), (0, 0), *padding))
    assert_close(y.eval(given), slow_convolution(padded, filters, (2, 1)), "float32")


def slow_convolution(x, w, stride):
    """Theano's convolution of padded images, by its definition."""
    rows, columns = (1 + (x.shape[i] - w.shape[i]) // stride[i - 2] for i in (2, 3))
    y = np.zeros((x.shape[0], w.shape[0], rows, columns))
    for i in range(rows):
        for j in range(columns):
            top, left = i * stride[0], j * stride[1]
            window = x[:, :, top : top + w.shape[2], left : left + w.shape[3]]
            y[:, :, i, j] = np.einsum("ncab,kcab->nk", window, w[:, :, ::-1, ::-1])
    return y


def test_conv2d_by_its_old_name_and_arguments(rng):
    x, w = T.tensor4("x"), T.tensor4("w")
    images, filters = rng.normal(size=(2, 3, 7, 11)), rng.normal(size=(5, 3, 3, 2))
    new = T.nnet.conv2d(x, w)
    old = T.nnet.conv.conv2d(x, w, image_shape=(2, 3, 7, 11), filter_shape=(5, 3, 3, 2), nkern=5)
    flipped = T.nnet.conv2d(x, w[:, :, ::-1, ::-1], filter_flip=False)
    given = {x: images.astype("f"), w: filters.astype("f")}
    for other in (old, flipped):
        assert_close(other.eval(given), new.eval(given), "float32")


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"filter_dilation": (0, 2)}, ValueError, r"filter_dilation must be .*; got \(0, 2\)"),
        ({"num_groups": 0}, ValueError, "groups must be an integer of at least 1; got 0"),
        ({"unshared": True}, NotImplementedError, "unshared=True is not supported"),
        ({"border_mode": "reflect"}, ValueError, "border_mode must be .*; got 'reflect'"),
        ({"border_mode": (1, 2, 3)}, ValueError, r"border_mode must be .*; got \(1, 2, 3\)"),
        ({"border_mode": -1}, ValueError, "must not be negative; got -1"),
        ({"border_mode": "full"}, ValueError, "need the size of the filters; pass filter_shape"),
        ({"padding": 1}, TypeError, "unknown argument 'padding'"),
    ],
)
def test_conv2d_refuses(options, error, text):
    with pytest.raises(error, match=f"conv2d: .*{text}"):
        T.nnet.conv2d(T.tensor4(), T.tensor4(), **options)


def test_batch_normalization(rng):
    x, values = T.matrix("x"), rng.normal(size=(3, 2)).astype("float32")
    y = T.nnet.bn.batch_normalization(x, 2.0, 1.0, x.mean(axis=0), x.std(axis=0))
    expected = (values - values.mean(0)) / values.std(0) * 2 + 1
    assert_close(y.eval({x: values}), expected, "float32")
