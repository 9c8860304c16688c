"""What the kernels are held against: slow loops that can be checked by reading.

Everything here takes NumPy arrays and computes in float64. Images are
(n_samples, n_channels, height, width), filters (n_filters, n_channels, rows,
columns).
"""

from __future__ import annotations

import math

import numpy as np

from convnet_features.kernels.contract import (
    ConvStage,
    ElementwiseStage,
    MaskStage,
    NormStage,
    PoolStage,
)


def _visits(x_shape, w_shape, stride, padding, flip, dilation=(1, 1)):
    """Yield (output row, output column, filter row, filter column, image row, image column)."""
    (top, _), (left, _) = padding
    height, width = x_shape[2:]
    rows, columns = w_shape[2:]
    sizes = _conv2d_output(x_shape, w_shape, stride, padding, dilation)[2:]
    for i, j, a, b in np.ndindex(*sizes, rows, columns):
        row = i * stride[0] + a * dilation[0] - top
        column = j * stride[1] + b * dilation[1] - left
        if 0 <= row < height and 0 <= column < width:
            yield i, j, *((rows - 1 - a, columns - 1 - b) if flip else (a, b)), row, column


def _conv2d_output(x_shape, w_shape, stride, padding, dilation=(1, 1)):
    extents = [(w_shape[2 + k] - 1) * dilation[k] + 1 for k in (0, 1)]
    sizes = [
        max(0, math.floor((x_shape[2 + k] + sum(padding[k]) - extents[k]) / stride[k]) + 1)
        for k in (0, 1)
    ]
    return (x_shape[0], w_shape[0], *sizes)


def _over_channels(w, groups):
    """Filters for all channels, with zeros for those of other groups."""
    n_filters, n_channels = w.shape[0] // groups, w.shape[1]
    full = np.zeros((w.shape[0], n_channels * groups, *w.shape[2:]))
    for filter in range(w.shape[0]):
        first = filter // n_filters * n_channels
        full[filter, first : first + n_channels] = w[filter]
    return full


def _of_groups(full, groups):
    """What `_over_channels` put there."""
    n_filters, n_channels = full.shape[0] // groups, full.shape[1] // groups
    first = [filter // n_filters * n_channels for filter in range(full.shape[0])]
    return np.array([w[c : c + n_channels] for w, c in zip(full, first, strict=True)])


def conv2d(x, w, stride=(1, 1), padding=((0, 0), (0, 0)), flip=True, groups=1, dilation=(1, 1)):
    """Add one pixel times one weight at a time."""
    x, w = np.float64(x), _over_channels(np.float64(w), groups)
    y = np.zeros(_conv2d_output(x.shape, w.shape, stride, padding, dilation))
    for i, j, a, b, row, column in _visits(x.shape, w.shape, stride, padding, flip, dilation):
        y[:, :, i, j] += x[:, :, row, column] @ w[:, :, a, b].T
    return y


def conv2d_gradients(
    x, w, gy, stride=(1, 1), padding=((0, 0), (0, 0)), flip=True, groups=1, dilation=(1, 1)
):
    """The gradients of sum(y * gy) with respect to x and w, by the product rule."""
    x, w, gy = np.float64(x), _over_channels(np.float64(w), groups), np.float64(gy)
    gx, gw = np.zeros(x.shape), np.zeros(w.shape)
    for i, j, a, b, row, column in _visits(x.shape, w.shape, stride, padding, flip, dilation):
        gx[:, :, row, column] += gy[:, :, i, j] @ w[:, :, a, b]
        gw[:, :, a, b] += gy[:, :, i, j].T @ x[:, :, row, column]
    return gx, _of_groups(gw, groups)


def pool_output_size(size, window, stride, padding, ignore_border):
    """Theano's ``Pool.out_shape`` along one axis."""
    size += 2 * padding
    if ignore_border:
        return max(0, math.floor((size - window) / stride) + 1)
    if stride >= window:
        return (size - 1) // stride + 1
    return max(0, (size - 1 - window + stride) // stride) + 1


def _regions(size, window, stride, padding, ignore_border, count_padding):
    """Where each window begins and ends along one axis of the padded image."""
    padded = size + 2 * padding
    for k in range(pool_output_size(size, window, stride, padding, ignore_border)):
        start, stop = k * stride, min(k * stride + window, padded)
        if not count_padding:
            start, stop = max(start, padding), min(stop, size + padding)
        yield start, stop


def _pool_regions(x_shape, window, stride, padding, mode, ignore_border):
    """Yield ((output row, output column), (rows, columns of the padded image))."""
    of_axis = [
        list(_regions(*each, ignore_border, mode == "average_inc_pad"))
        for each in zip(x_shape[2:], window, stride, padding, strict=True)
    ]
    for i, rows in enumerate(of_axis[0]):
        for j, columns in enumerate(of_axis[1]):
            yield (i, j), (slice(*rows), slice(*columns))


def pool2d(x, window, stride, padding=(0, 0), mode="max", ignore_border=True):
    """What ``Pool.perform`` of Theano 1.0 computes, region by region."""
    x = np.float64(x)
    padded = np.pad(x, ((0, 0), (0, 0), (padding[0],) * 2, (padding[1],) * 2))
    function = {"max": np.max, "sum": np.sum}.get(mode, np.mean)
    sizes = [
        pool_output_size(*each, ignore_border)
        for each in zip(x.shape[2:], window, stride, padding, strict=True)
    ]
    y = np.zeros((*x.shape[:2], *sizes))
    regions = _pool_regions(x.shape, window, stride, padding, mode, ignore_border)
    for (i, j), (rows, columns) in regions:
        for n, c in np.ndindex(*x.shape[:2]):
            y[n, c, i, j] = function(padded[n, c, rows, columns])
    return y


def pool2d_gradient(x, gy, window, stride, padding=(0, 0), mode="max", ignore_border=True):
    """The gradient of sum(y * gy); of equal maxima the first in row-major order has it all."""
    x, gy = np.float64(x), np.float64(gy)
    border = ((0, 0), (0, 0), (padding[0],) * 2, (padding[1],) * 2)
    padded = np.pad(x, border)
    gradient = np.zeros(padded.shape)
    regions = _pool_regions(x.shape, window, stride, padding, mode, ignore_border)
    for (i, j), (rows, columns) in regions:
        for n, c in np.ndindex(*x.shape[:2]):
            region = padded[n, c, rows, columns]
            share = np.zeros(region.shape)
            if mode == "max":
                share[np.unravel_index(np.argmax(region), region.shape)] = 1
            else:
                share[...] = 1 if mode == "sum" else 1 / region.size
            gradient[n, c, rows, columns] += share * gy[n, c, i, j]
    height, width = x.shape[2:]
    return gradient[:, :, padding[0] : padding[0] + height, padding[1] : padding[1] + width]


def activation(x, name):
    """One of the contract's activations."""
    x = np.float64(x)
    if name == "rectify":
        return np.where(x > 0, x, 0.0)
    if name == "tanh":
        return np.tanh(x)
    if name == "sigmoid":
        return (1 + np.tanh(x / 2)) / 2
    return x


def function(x, name, alpha=0.0, beta=0.0):
    """One of the contract's functions, number by number, by closed forms of `math`."""

    def line(x):
        return min(max(alpha * x + beta, 0.0), 1.0)

    def cubic(x):
        return math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)

    def softplus(x):
        return max(x, 0.0) + math.log1p(math.exp(-abs(x)))

    def sigmoid(x):
        tail = math.exp(-abs(x))
        return (1 if x > 0 else tail) / (1 + tail)

    of_number = {
        "clip": lambda x: min(max(x, alpha), beta),
        "elu": lambda x: x if x > 0 else alpha * math.expm1(x),
        "gelu": lambda x: x * math.erfc(-x / math.sqrt(2)) / 2,
        "gelu_tanh": lambda x: x * (1 + math.tanh(cubic(x))) / 2,
        "hard_sigmoid": line,
        "hard_swish": lambda x: x * line(x),
        "leaky_rectify": lambda x: x if x > 0 else alpha * x,
        "mish": lambda x: x * math.tanh(softplus(x)),
        "swish": lambda x: x * sigmoid(x),
    }[name]
    x = np.float64(x)
    return np.array([of_number(float(each)) for each in x.flat]).reshape(x.shape)


def dense(x, w, b=None):
    """Weights times inputs, unit by unit, images flattened in C order."""
    x, w = np.float64(x).reshape(len(x), w.shape[0]), np.float64(w)
    y = np.zeros((len(x), w.shape[1]))
    for n, unit in np.ndindex(*y.shape):
        y[n, unit] = math.fsum(x[n] * w[:, unit]) + (0 if b is None else b[unit])
    return y


def softmax(x):
    """Row by row, exponentials of differences to the row's maximum."""
    y = np.zeros(x.shape)
    for n, row in enumerate(np.float64(x)):
        exponentials = [math.exp(value - max(row)) for value in row]
        y[n] = [value / math.fsum(exponentials) for value in exponentials]
    return y


def log_softmax(x):
    """Row by row, x less the logarithm of the sum of its exponentials."""
    y = np.zeros(x.shape)
    for n, row in enumerate(np.float64(x)):
        total = math.fsum(math.exp(value - max(row)) for value in row)
        y[n] = [value - max(row) - math.log(total) for value in row]
    return y


def local_response_normalization(x, alpha=1e-4, k=2, beta=0.75, n=5):
    """Lasagne's ``LocalResponseNormalization2DLayer``: x / (k + alpha * sum of squares) ** beta.

    The sum is over the n channels around each, fewer at both ends.
    """
    x = np.float64(x)
    y = np.zeros(x.shape)
    for channel in range(x.shape[1]):
        scale = np.full(x[:, 0].shape, float(k))
        for other in range(channel - n // 2, channel + n // 2 + 1):
            if 0 <= other < x.shape[1]:
                scale += alpha * x[:, other] ** 2
        y[:, channel] = x[:, channel] / scale**beta
    return y


def batch_norm(x, gamma, beta, epsilon):
    """(y, mean, inv_std), channel by channel, with sums that do not round."""
    x = np.float64(x)
    y, mean, inv_std = np.zeros(x.shape), np.zeros(x.shape[1]), np.zeros(x.shape[1])
    for c in range(x.shape[1]):
        own = x[:, c]
        mean[c] = math.fsum(own.flat) / own.size
        variance = math.fsum(((own - mean[c]) ** 2).flat) / own.size
        inv_std[c] = 1 / math.sqrt(variance + epsilon)
        y[:, c] = float(gamma[c]) * (own - mean[c]) * inv_std[c] + float(beta[c])
    return y, mean, inv_std


def stack(stages, x, params):
    """The stages of a stack, one after the other."""
    params = iter(params)
    for stage in stages:
        if isinstance(stage, PoolStage):
            spec = stage.pool
            x = pool2d(x, spec.window, spec.stride, spec.padding, spec.mode, spec.ignore_border)
        elif isinstance(stage, MaskStage):
            x = x * next(params)
            continue
        elif isinstance(stage, ElementwiseStage):
            x = function(x, stage.function, stage.alpha, stage.beta)
            continue
        elif isinstance(stage, NormStage):
            x = batch_norm(x, next(params), next(params), stage.epsilon)[0]
        elif isinstance(stage, ConvStage):
            spec = stage.conv
            geometry = (spec.stride, spec.padding, spec.flip_filters, spec.groups, spec.dilation)
            x = conv2d(x, next(params), *geometry)
            if stage.bias:
                x = x + np.float64(next(params))[:, None, None]
        else:
            x = dense(x, next(params), next(params) if stage.bias else None)
        x = activation(x, stage.activation)
    return x
