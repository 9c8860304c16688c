"""Convolutions and their gradients against slow loops, the definition, and finite differences."""

from __future__ import annotations

import numpy as np
import pytest
import theano
import theano.tensor as T
from theano.tensor.nnet import abstract_conv, conv3d2d
from theano.tensor.signal import conv as signal_conv

from tests import reference
from tests.helpers import assert_close, assert_derivative


def tensor_of(n_axes):
    return T.TensorType("float64", (False,) * n_axes)()


BORDER_MODES = [
    ("valid", ((0, 0), (0, 0))),
    ("full", ((2, 2), (1, 1))),
    ("half", ((1, 1), (1, 1))),
    (1, ((1, 1), (1, 1))),
    ((2, 0), ((2, 2), (0, 0))),
    (((0, 1), (2, 0)), ((0, 1), (2, 0))),
]


@pytest.mark.parametrize(("border_mode", "padding"), BORDER_MODES)
@pytest.mark.parametrize("known", ["static", "argument", "shared", "nobody"])
def test_conv2d_border_modes(border_mode, padding, known, rng):
    x = T.tensor4("x")
    images = rng.normal(size=(2, 3, 7, 11)).astype("float32")
    filters = rng.normal(size=(5, 3, 3, 2)).astype("float32")
    w = {
        "static": T.constant(filters),
        "shared": theano.shared(filters),
    }.get(known, T.tensor4("w"))
    shape = filters.shape if known == "argument" else None
    y = T.nnet.conv2d(x, w, None, shape, border_mode, subsample=(2, 1))
    given = {x: images, w: filters} if known in ("argument", "nobody") else {x: images}
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
        ({"subsample": (2,)}, ValueError, r"subsample must be two integers .*; got \(2,\)"),
        ({"num_groups": 0}, ValueError, "groups must be an integer of at least 1; got 0"),
        ({"unshared": True}, TypeError, "the filters must have 6 dimensions; got 4"),
        ({"border_mode": "reflect"}, ValueError, "border_mode must be .*; got 'reflect'"),
        ({"border_mode": (1, 2, 3)}, ValueError, r"border_mode must be .*; got \(1, 2, 3\)"),
        ({"border_mode": -1}, ValueError, "must not be negative; got -1"),
        ({"padding": 1}, TypeError, "unknown argument 'padding'"),
    ],
)
def test_conv2d_refuses(options, error, text):
    with pytest.raises(error, match=f"conv2d: .*{text}"):
        T.nnet.conv2d(T.tensor4(), T.tensor4(), **options)


def slow_conv(x, w, stride, flip=True, dilation=None, groups=1):
    """Convolution over all axes but the first two, of what is padded already."""
    n = x.ndim - 2
    apart = dilation or (1,) * n
    if flip:
        w = w[(..., *[slice(None, None, -1)] * n)]
    extents = [(w.shape[2 + i] - 1) * apart[i] + 1 for i in range(n)]
    sizes = [(x.shape[2 + i] - extents[i]) // stride[i] + 1 for i in range(n)]
    y = np.zeros((x.shape[0], w.shape[0], *sizes))
    of_group = w.shape[1]
    for k in range(w.shape[0]):
        first = k // (w.shape[0] // groups) * of_group
        for place in np.ndindex(*sizes):
            seen = tuple(
                slice(place[i] * stride[i], place[i] * stride[i] + extents[i], apart[i])
                for i in range(n)
            )
            pixels = x[(slice(None), slice(first, first + of_group), *seen)]
            y[(slice(None), k, *place)] = np.tensordot(pixels, w[k], n + 1)
    return y


#: Name to (images, filters, options, zeros around each image).
CASES = {
    "full": ((2, 4, 9, 8), (6, 4, 3, 2), {"border_mode": "full"}, [(2, 2), (1, 1)]),
    "half, dilated, grouped": (
        (2, 4, 9, 8),
        (6, 2, 3, 2),
        {
            "border_mode": "half",
            "subsample": (2, 1),
            "filter_dilation": (2, 1),
            "num_groups": 2,
            "filter_flip": False,
        },
        [(2, 2), (1, 1)],
    ),
    "a mode for each axis": (
        (2, 1, 6, 5),
        (3, 1, 2, 3),
        {"border_mode": ("full", 2), "subsample": (1, 3)},
        [(1, 1), (2, 2)],
    ),
    "volumes": (
        (2, 4, 5, 6, 7),
        (6, 2, 3, 2, 2),
        {
            "border_mode": "full",
            "subsample": (2, 1, 2),
            "filter_dilation": (1, 2, 1),
            "num_groups": 2,
        },
        [(2, 2), (2, 2), (1, 1)],
    ),
    "volumes, correlated": (
        (1, 2, 3, 4, 5),
        (2, 2, 2, 3, 1),
        {"border_mode": (1, 0, "half"), "filter_flip": False},
        [(1, 1), (0, 0), (0, 0)],
    ),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("known", [True, False])
def test_convolution_its_gradients_and_theirs(case, known, rng):
    """Also where nobody knows the size of the filters before they come."""
    x_shape, w_shape, options, pads = CASES[case]
    n = len(x_shape) - 2
    convolve = T.nnet.conv2d if n == 2 else T.nnet.conv3d
    x, w, gy = (tensor_of(n + 2) for _ in range(3))
    y = convolve(x, w, filter_shape=w_shape if known else None, **options)
    images, filters = rng.normal(size=x_shape), rng.normal(size=w_shape)
    padded = np.pad(images, [(0, 0), (0, 0), *pads])
    expected = slow_conv(
        padded,
        filters,
        options.get("subsample", (1,) * n),
        options.get("filter_flip", True),
        options.get("filter_dilation"),
        options.get("num_groups", 1),
    )
    function = theano.function([x, w], y)
    assert_close(function(images, filters), expected, "float64")

    weights = rng.normal(size=expected.shape)
    cost = T.sum(y * weights)
    gradients = theano.function([x, w], T.grad(cost, [x, w]))(images, filters)
    assert_derivative(
        lambda *arrays: float(np.sum(function(*arrays) * weights)),
        [images, filters],
        gradients,
        rng,
    )
    of_inputs = getattr(abstract_conv, f"conv{n}d_grad_wrt_inputs")
    of_weights = getattr(abstract_conv, f"conv{n}d_grad_wrt_weights")
    sizes = (None, None, *x_shape[2:]), (None, None, *w_shape[2:])
    inner = [
        of_inputs(gy, w, sizes[0], sizes[1] if known else None, **options),
        of_weights(x, gy, sizes[1], **options),
    ]
    for ours, theirs in zip(
        theano.function([x, w, gy], inner)(images, filters, weights), gradients, strict=True
    ):
        assert_close(ours, theirs, "float64")


@pytest.mark.parametrize(("flip", "groups", "stride"), [(True, 1, (1, 1)), (False, 2, (2, 1))])
def test_unshared_convolution(flip, groups, stride, rng):
    x, w, gy = tensor_of(4), tensor_of(6), tensor_of(4)
    images = rng.normal(size=(2, 4, 6, 5))
    rows, columns = (6 + 2 - 3) // stride[0] + 1, 5 - 2 + 1
    filters = rng.normal(size=(6, rows, columns, 4 // groups, 3, 2))
    options = {
        "border_mode": (1, 0),
        "subsample": stride,
        "filter_flip": flip,
        "num_groups": groups,
        "unshared": True,
    }
    y = T.nnet.conv2d(x, w, **options)
    padded = np.pad(images, [(0, 0), (0, 0), (1, 1), (0, 0)])
    expected = np.zeros((2, 6, rows, columns))
    for i, j in np.ndindex(rows, columns):
        window = padded[:, :, i * stride[0] : i * stride[0] + 3, j * stride[1] : j * stride[1] + 2]
        whole = slow_conv(window, filters[:, i, j], (1, 1), flip, groups=groups)
        expected[:, :, i, j] = whole[:, :, 0, 0]
    function = theano.function([x, w], y)
    assert_close(function(images, filters), expected, "float64")
    weights = rng.normal(size=expected.shape)
    gradients = theano.function([x, w], T.grad(T.sum(y * weights), [x, w]))(images, filters)
    assert_derivative(
        lambda *arrays: float(np.sum(function(*arrays) * weights)),
        [images, filters],
        gradients,
        rng,
    )
    inner = [
        abstract_conv.conv2d_grad_wrt_inputs(gy, w, (None, None, 6, 5), **options),
        abstract_conv.conv2d_grad_wrt_weights(x, gy, (None, None, None, None, 3, 2), **options),
    ]
    for ours, theirs in zip(
        theano.function([x, w, gy], inner)(images, filters, weights), gradients, strict=True
    ):
        assert_close(ours, theirs, "float64")
    with pytest.raises(AssertionError, match="must have the rows and columns of the result"):
        function(images[:, :, 2:], filters)


def test_transposed_convolution_of_symbolic_size(rng):
    x, w, height = tensor_of(4), tensor_of(4), T.iscalar("height")
    y = T.nnet.conv2d_transpose(
        x, w, (None, None, height, 9), border_mode="half", input_dilation=(2, 2)
    )
    small, filters = rng.normal(size=(2, 3, 4, 5)), rng.normal(size=(3, 2, 3, 3))
    big = rng.normal(size=(2, 2, 7, 9))
    forward = reference.conv2d(big, filters, (2, 2), ((1, 1), (1, 1)))
    transposed = y.eval({x: small, w: filters, height: 7})
    assert transposed.shape == big.shape
    np.testing.assert_allclose(np.sum(transposed * big), np.sum(forward * small), rtol=1e-12)


@pytest.mark.parametrize("size", [(20, 20), (6, 4)])
def test_a_gradient_of_another_shape_is_refused(size, rng):
    """The kernels would read beyond it."""
    gy, w = tensor_of(4), tensor_of(4)
    y = abstract_conv.conv2d_grad_wrt_inputs(gy, w, (None, None, *size))
    with pytest.raises(
        AssertionError, match=r"conv2d: the gradient of the result has not the shap"
    ):
        y.eval({gy: rng.normal(size=(1, 2, 3, 3)), w: rng.normal(size=(2, 1, 3, 3))})


def test_gradients_need_the_sizes_of_what_they_are_of():
    with pytest.raises(
        ValueError, match=r"input_shape must be 4 sizes, of which the last 2 are kn"
    ):
        abstract_conv.conv2d_grad_wrt_inputs(T.tensor4(), T.tensor4(), (2, 3, None, 7))
    with pytest.raises(ValueError, match=r"conv2d_grad_wrt_weights: filter_shape must be 4 sizes"):
        abstract_conv.conv2d_grad_wrt_weights(T.tensor4(), T.tensor4(), (3, 3))


def test_films(rng):
    """Frames stand before channels."""
    signals, filters = tensor_of(5), tensor_of(5)
    films, kernels = rng.normal(size=(2, 5, 3, 6, 4)), rng.normal(size=(4, 2, 3, 3, 2))
    y = conv3d2d.conv3d(signals, filters, filters_shape=kernels.shape)
    expected = slow_conv(films.swapaxes(1, 2), kernels.swapaxes(1, 2), (1, 1, 1)).swapaxes(1, 2)
    assert_close(y.eval({signals: films, filters: kernels}), expected, "float64")
    full = conv3d2d.conv3d(signals, filters, border_mode=("valid", "full", "half"))
    assert full.eval({signals: films, filters: kernels}).shape == (2, 4, 4, 8, 5)


@pytest.mark.parametrize(("n_samples", "n_filters"), [(2, 3), (2, None), (None, 3), (None, None)])
def test_images_without_channels(n_samples, n_filters, rng):
    images = rng.normal(size=(n_samples or 1, 6, 5))
    filters = rng.normal(size=(n_filters or 1, 3, 2))
    x, w = tensor_of(3 if n_samples else 2), tensor_of(3 if n_filters else 2)
    y = signal_conv.conv2d(x, w, border_mode="full")
    padded = np.pad(images[:, None], [(0, 0), (0, 0), (2, 2), (1, 1)])
    expected = slow_conv(padded, filters[:, None], (1, 1))
    if n_filters is None:
        expected = expected[:, 0]
    if n_samples is None:
        expected = expected[0]
    given = {x: images if n_samples else images[0], w: filters if n_filters else filters[0]}
    assert_close(y.eval(given), expected, "float64")


def test_separable_convolution(rng):
    x, depthwise, pointwise = (tensor_of(4) for _ in range(3))
    images, one, other = (
        rng.normal(size=size) for size in [(2, 3, 6, 5), (6, 1, 3, 2), (4, 6, 1, 1)]
    )
    y = T.nnet.separable_conv2d(x, depthwise, pointwise, 3)
    expected = slow_conv(slow_conv(images, one, (1, 1), groups=3), other, (1, 1))
    assert_close(y.eval({x: images, depthwise: one, pointwise: other}), expected, "float64")
    x, depthwise, pointwise = (tensor_of(5) for _ in range(3))
    y = T.nnet.separable_conv3d(x, depthwise, pointwise, 3)
    given = [images[..., None], one[..., None], other[..., None]]
    assert_close(
        y.eval(dict(zip((x, depthwise, pointwise), given, strict=True))),
        expected[..., None],
        "float64",
    )


def test_causal_convolution(rng):
    """Nothing depends on what comes later."""
    x, w = T.dtensor3("x"), T.dtensor3("w")
    rows, filters = rng.normal(size=(2, 3, 10)), rng.normal(size=(4, 3, 3))
    y = T.nnet.causal_conv1d(x, w, (4, 3, 3), filter_dilation=2)
    padded = np.pad(rows, [(0, 0), (0, 0), (4, 0)])
    expected = slow_conv(padded, filters, (1,), dilation=(2,))
    assert_close(y.eval({x: rows, w: filters}), expected, "float64")
