"""Randomly drawn layers: oneDNN, the portable kernels and finite differences agree."""

from __future__ import annotations

import numpy as np
import pytest

from convnet_features import ConvNetClassifier
from convnet_features.kernels.contract import (
    ACTIVATIONS,
    Conv2DSpec,
    ConvStage,
    DenseStage,
    NormStage,
    Pool2DSpec,
    PoolStage,
)
from convnet_features.kernels.registry import get_kernels

from ..helpers import assert_derivative, scattered
from ..stages import chain, chain_output_shape
from . import counts

MODES = ("max", "sum", "average_inc_pad", "average_exc_pad")


def draw_conv_spec(rng):
    pads = rng.integers(0, 4, 4).tolist() if rng.random() < 0.5 else [0] * 4
    stride = tuple(rng.integers(1, 5, 2).tolist()) if rng.random() < 0.4 else (1, 1)
    return Conv2DSpec(stride, (tuple(pads[:2]), tuple(pads[2:])), bool(rng.random() < 0.5))


def draw_pool_spec(rng):
    window = tuple(rng.integers(1, 5, 2).tolist())
    stride = tuple(rng.integers(1, 6, 2).tolist()) if rng.random() < 0.5 else window
    padding, ignore_border = (0, 0), True
    if rng.random() < 0.3:
        padding = tuple(int(rng.integers(0, extent)) for extent in window)
    elif rng.random() < 0.3:
        ignore_border = False
    return Pool2DSpec(window, stride, padding, str(rng.choice(MODES)), ignore_border)


def draw_stack(rng):
    """(stages, shape of the images, shapes of the parameters)."""
    shape = tuple(int(rng.integers(low, high)) for low, high in ((0, 9), (1, 18), (1, 15), (1, 15)))
    x_shape, stages, params = shape, [], []
    for _ in range(int(rng.integers(1, 5))):
        kind = rng.random()
        activation = str(rng.choice(ACTIVATIONS))
        own = []
        if len(shape) == 2 or kind < 0.2:
            stage = DenseStage(bool(rng.random() < 0.7), activation)
            own.append((int(np.prod(shape[1:])), int(rng.integers(1, 30))))
        elif kind < 0.3 and shape[0] > 1:
            # A smaller number would multiply the rounding of channels that hardly vary.
            stage = NormStage(float(rng.choice([0.1, 1.0])), activation)
            own += [shape[1:2], shape[1:2]]
        elif kind < 0.7:
            stage = ConvStage(draw_conv_spec(rng), bool(rng.random() < 0.7), activation)
            size = rng.integers(1, 6, 2).tolist()
            own.append((int(rng.integers(1, 18)), shape[1], *size))
        else:
            stage = PoolStage(draw_pool_spec(rng), activation)
        if isinstance(stage, ConvStage | DenseStage) and stage.bias:
            own.append((own[0][0] if isinstance(stage, ConvStage) else own[0][1],))
        following = chain_output_shape([stage], shape, own)
        if 0 in following[1:]:
            continue
        stages.append(stage)
        params += own
        shape = following
    return tuple(stages), x_shape, params


def close(one, other, what, least=3e-6):
    """Equal to float32's rounding of sums of numbers near 1.

    A derivative read off a saturated output, 1 - y², keeps only its absolute accuracy, `least`.
    """
    assert one.shape == other.shape, what
    assert one.dtype == np.float32, what
    if one.size:
        error, largest = np.abs(np.float64(one) - other).max(), np.abs(other).max()
        assert error < 1e-4 * largest + least, f"{what}: off by {error:.2e} of {largest:.2e}"


def without_ties(rng, shape):
    """No two numbers are near each other, so that rounding moves no maximum."""
    numbers = rng.permutation(int(np.prod(shape))) / max(1, int(np.prod(shape)))
    return ((numbers - 0.5) * 4).reshape(shape).astype(np.float32)


def laid_out(rng, array):
    """The same values, plain, channels last, or with strides that nobody would choose."""
    kind = rng.integers(0, 4)
    if kind == 1 and array.ndim == 4:
        return np.ascontiguousarray(array.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    if kind == 2:
        return scattered(array)
    if kind == 3:
        return np.asfortranarray(array)
    return array


@pytest.mark.onednn
def test_engines_agree_on_random_stacks(rng, engines, effort):
    if "onednn" not in engines:
        pytest.skip("oneDNN is not on this machine")
    one, other = get_kernels("onednn"), get_kernels("portable")
    tried = 0
    while tried < 150 * effort:
        stages, x_shape, param_shapes = draw_stack(rng)
        if not stages:
            continue
        what = f"{stages} on {x_shape} with {param_shapes}"
        x = laid_out(rng, without_ties(rng, x_shape))
        scale = [max(1, int(np.prod(shape[1:]))) ** -0.5 for shape in param_shapes]
        params = [
            laid_out(rng, (rng.standard_normal(shape) * size).astype(np.float32))
            for shape, size in zip(param_shapes, scale, strict=True)
        ]
        kernel, plain = chain(one, stages), chain(other, stages)
        wide = [np.float64(param) for param in params]
        expected = plain.forward(np.float64(x), wide)
        close(kernel.forward(x, params), expected, what)
        close(plain.forward(x, params), expected, f"portable: {what}")
        close(kernel.prepare(params)(x), expected, f"prepared: {what}")
        y, workspace = kernel.forward_training(x, params)
        close(y, expected, what)
        wide_y, wide_workspace = plain.forward_training(np.float64(x), wide)
        gy = laid_out(rng, rng.standard_normal(y.shape).astype(np.float32))
        gx, grads = kernel.backward(workspace, x, params, y, gy, True)
        right = plain.backward(wide_workspace, np.float64(x), wide, wide_y, np.float64(gy), True)
        if not _near_a_kink(stages, plain, x, wide):
            # A normalisation takes out again what moves or stretches a channel: such gradients are
            # sums of numbers near 1 that cancel, and leave their rounding.
            normalised = any(isinstance(stage, NormStage) for stage in stages)
            least = 1e-4 if normalised else 3e-6
            close(gx, right[0], f"gradient of x: {what}", least)
            for mine, its in zip(grads, right[1], strict=True):
                close(mine, its, f"gradient: {what}", least)
        tried += 1
    counts.add("random stacks, oneDNN against portable", tried)


def _near_a_kink(stages, kernel, x, params):
    """Whether rounding to float32 may take another branch of a maximum or a rectifier."""
    kinked = any(stage.activation == "rectify" for stage in stages) or any(
        isinstance(stage, PoolStage) and stage.pool.mode == "max" for stage in stages[1:]
    )
    if not kinked:
        return False
    gradients = []
    for size in (0, 1e-5, -1e-5):
        images = x + size * np.cos(np.arange(x.size)).reshape(x.shape)
        y, workspace = kernel.forward_training(images, params)
        ones = np.ones_like(y)
        gradients.append(kernel.backward(workspace, images, params, y, ones, True)[0])
    tolerance = 1e-3 * np.abs(gradients[0]).max(initial=0) + 1e-6
    return any(np.abs(each - gradients[0]).max(initial=0) > tolerance for each in gradients[1:])


@pytest.mark.onednn
def test_engines_agree_on_random_convolutions_and_poolings(rng, engines, effort):
    if "onednn" not in engines:
        pytest.skip("oneDNN is not on this machine")
    one, other = get_kernels("onednn"), get_kernels("portable")
    for _ in range(150 * effort):
        x_shape = tuple(
            int(rng.integers(low, high)) for low, high in ((0, 6), (1, 20), (1, 14), (1, 14))
        )
        x = laid_out(rng, without_ties(rng, x_shape))
        spec = draw_conv_spec(rng)
        w_shape = (int(rng.integers(1, 20)), x_shape[1], *rng.integers(1, 6, 2).tolist())
        w = laid_out(rng, rng.standard_normal(w_shape).astype(np.float32))
        kernel, plain = one.conv2d(spec), other.conv2d(spec)
        what = f"{spec} on {x_shape} with {w_shape}"
        y = kernel.forward(x, w)
        close(y, plain.forward(np.float64(x), np.float64(w)), what)
        gy = laid_out(rng, rng.standard_normal(y.shape).astype(np.float32))
        wide = np.float64(gy)
        close(
            kernel.grad_input(x.shape, w, gy), plain.grad_input(x.shape, np.float64(w), wide), what
        )
        close(
            kernel.grad_weights(x, w.shape, gy),
            plain.grad_weights(np.float64(x), w.shape, wide),
            what,
        )

        spec = draw_pool_spec(rng)
        kernel, plain = one.pool2d(spec), other.pool2d(spec)
        what = f"{spec} on {x_shape}"
        y = kernel.forward(x)
        close(y, plain.forward(np.float64(x)), what)
        gy = laid_out(rng, rng.standard_normal(y.shape).astype(np.float32))
        close(kernel.grad(x, gy), plain.grad(np.float64(x), np.float64(gy)), what)
    counts.add("random convolutions and poolings", 300 * effort)


def test_products_and_softmaxes(rng, engines, effort):
    other = get_kernels("portable")
    for _ in range(50 * effort):
        m, n, k = rng.integers(0, 80, 3).tolist()
        a = laid_out(rng, rng.standard_normal((m, k)).astype(np.float32))
        b = laid_out(rng, rng.standard_normal((k, n)).astype(np.float32))
        x = laid_out(
            rng, (rng.standard_normal((m, n + 1)) * 10 ** rng.uniform(-2, 2)).astype(np.float32)
        )
        for engine in engines:
            kernels = get_kernels(engine)
            close(kernels.dot(a, b), np.float64(a) @ np.float64(b), engine)
            close(kernels.softmax(x), other.softmax(np.float64(x)), engine)
            close(kernels.log_softmax(x), other.log_softmax(np.float64(x)), engine)
    counts.add("random products and softmaxes", 150 * effort)


def test_gradients_of_random_stacks_by_finite_differences(rng, effort):
    """In float64 on the portable kernels, where every activation is smooth."""
    portable = get_kernels("portable")
    tried = 0
    while tried < 30 * effort:
        stages, x_shape, param_shapes = draw_stack(rng)
        if not stages or any(stage.activation == "rectify" for stage in stages):
            continue
        if any(isinstance(s, PoolStage) and s.pool.mode == "max" for s in stages[1:]):
            continue
        x = np.float64(without_ties(rng, x_shape))
        params = [rng.standard_normal(shape) * 0.3 for shape in param_shapes]
        kernel = chain(portable, stages)
        y, workspace = kernel.forward_training(x, params)
        gy = rng.standard_normal(y.shape)
        gx, grads = kernel.backward(workspace, x, params, y, gy, True)

        def loss(images, *values, kernel=kernel, gy=gy):
            return float(np.sum(kernel.forward(images, values) * gy))

        assert_derivative(loss, [x, *params], [gx, *grads], rng, step=1e-5)
        tried += 1
    counts.add("random stacks, finite differences", tried)


@pytest.mark.parametrize("engine", ["portable", "onednn"])
def test_training_repeats_to_the_bit(engine, engines, rng, effort):
    if engine not in engines:
        pytest.skip(f"{engine} is not on this machine")
    X, y = rng.random((60, 1, 9, 7)), rng.integers(0, 3, 60)
    for seed in range(2 * effort):
        one, other = (
            ConvNetClassifier(engine=engine, max_epochs=2, random_state=seed).fit(X, y)
            for _ in range(2)
        )
        np.testing.assert_array_equal(one.transform(X), other.transform(X))
        assert one.history_.column("train_loss") == other.history_.column("train_loss")
    counts.add("trainings repeated to the bit", 2 * effort)


@pytest.mark.parametrize("engine", ["portable", "onednn"])
def test_sizes_that_do_not_fit_never_reach_compiled_code(engine, engines, rng):
    """oneDNN reads bare addresses: whatever is too small for it is refused before."""
    if engine not in engines:
        pytest.skip(f"{engine} is not on this machine")
    kernels = get_kernels(engine)

    def of(*shape):
        return rng.standard_normal(shape).astype(np.float32)

    conv, pool = kernels.conv2d(Conv2DSpec()), kernels.pool2d(Pool2DSpec((2, 2), (2, 2)))
    dense, layer = chain(kernels, (DenseStage(),)), chain(kernels, (ConvStage(Conv2DSpec()),))
    x, w = of(2, 3, 8, 8), of(5, 3, 3, 3)
    calls = [
        lambda: conv.forward(x, of(5, 4, 3, 3)),
        lambda: conv.grad_input(x.shape, w, of(2, 5, 5, 5)),
        lambda: conv.grad_input(x.shape, w, of(2, 5, 6, 7)),
        lambda: conv.grad_weights(x, w.shape, of(2, 4, 6, 6)),
        lambda: conv.grad_weights(x, w.shape, of(1, 5, 6, 6)),
        lambda: pool.grad(x, of(2, 3, 5, 5)),
        lambda: pool.grad(x, of(2, 3, 3, 4)),
        lambda: dense.forward(of(2, 30), [of(40, 8), of(8)]),
        lambda: dense.forward(of(2, 30), [of(30, 8), of(9)]),
        lambda: layer.forward(x, [of(5, 4, 3, 3), of(5)]),
        lambda: layer.forward(x, [w, of(6)]),
        lambda: kernels.dot(of(100, 90), of(80, 100)),
    ]
    for call in calls:
        with pytest.raises(ValueError, match=r"."):
            call()
    counts.add("sizes that do not fit", len(calls))
