"""Networks of Lasagne layers in NumPy and float64, layer by layer, by loops of our own.

Nothing of the package or of PyTensor computes here. `evaluate` walks the layers and asks each for
its arguments and parameters alone.
"""

from __future__ import annotations

import numpy as np
from lasagne import layers as ll
from lasagne import nonlinearities
from numpy.lib.stride_tricks import sliding_window_view

from .networks import GaussianSampleLayer, StochasticDepthLayer


def evaluate(outputs, feed, values, deterministic, noise=None):
    """The value of each layer below `outputs`, and new running averages.

    `feed` has an array for each input layer and `values` one for each parameter; `noise` has what
    was drawn by the layers that draw.
    """
    found = {layer: np.float64(array) for layer, array in feed.items()}
    run = _Run(values, deterministic, noise or {})
    for layer in ll.get_all_layers(outputs):
        if layer in found:
            continue
        if isinstance(layer, ll.MergeLayer):
            incoming = [None if each is None else found[each] for each in layer.input_layers]
        else:
            incoming = found[layer.input_layer]
        found[layer] = run.compute(layer, incoming)
    return found, run.averages


def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


NONLINEARITIES = {
    nonlinearities.rectify: lambda x: np.maximum(x, 0),
    nonlinearities.identity: lambda x: x,
    nonlinearities.tanh: np.tanh,
    nonlinearities.sigmoid: sigmoid,
    nonlinearities.softmax: softmax,
    nonlinearities.elu: lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
}


def nonlinear(function, x):
    if isinstance(function, nonlinearities.LeakyRectify):
        return np.where(x > 0, x, function.leakiness * x)
    return NONLINEARITIES[function](x)


def pads_of(layer):
    extents = [
        (size - 1) * apart + 1
        for size, apart in zip(layer.filter_size, layer.dilation, strict=True)
    ]
    if layer.pad == "same":
        return [(extent // 2, (extent - 1) // 2) for extent in extents]
    if layer.pad == "full":
        return [(extent - 1, extent - 1) for extent in extents]
    return [(each, each) for each in layer.pad]


def correlated(x, W, stride, pads):
    n = x.ndim - 2
    padded = np.pad(x, [(0, 0), (0, 0), *pads])
    windows = sliding_window_view(padded, W.shape[2:], axis=tuple(range(2, n + 2)))
    windows = windows[(slice(None), slice(None), *(slice(None, None, s) for s in stride))]
    inner = [1, *range(n + 2, 2 * n + 2)]
    product = np.tensordot(windows, W, axes=(inner, range(1, n + 2)))
    return np.moveaxis(product, -1, 1)


def spread(x, W, stride, crop, size):
    """Transposed convolution, pixel by pixel."""
    rows, columns = W.shape[2:]
    whole = [(x.shape[2 + k] - 1) * stride[k] + W.shape[2 + k] + stride[k] for k in (0, 1)]
    y = np.zeros((len(x), W.shape[1], *whole))
    for i, j in np.ndindex(*x.shape[2:]):
        top, left = i * stride[0], j * stride[1]
        pixels = np.einsum("nk,kcab->ncab", x[:, :, i, j], W)
        y[:, :, top : top + rows, left : left + columns] += pixels
    (top, _), (left, _) = crop
    return y[:, :, top : top + size[0], left : left + size[1]]


def pooled(x, layer):
    n = x.ndim - 2
    pads, sizes = [], []
    for size, window, step, pad in zip(
        x.shape[2:], layer.pool_size, layer.stride, layer.pad, strict=True
    ):
        size += 2 * pad
        if layer.ignore_border:
            count = (size - window) // step + 1
        else:
            count = (
                -(-max(size - window, 0) // step) + 1 if step < window else (size - 1) // step + 1
            )
        sizes.append(count)
        pads.append((pad, pad + max(0, (count - 1) * step + window - size)))
    outside = 0 if layer.mode == "average_inc_pad" else np.nan
    padded = np.pad(x, [(0, 0), (0, 0), *pads], constant_values=outside)
    windows = sliding_window_view(padded, layer.pool_size, axis=tuple(range(2, n + 2)))
    windows = windows[(slice(None), slice(None), *(slice(None, None, s) for s in layer.stride))]
    windows = windows[(slice(None), slice(None), *(slice(0, count) for count in sizes))]
    reduce = np.nanmax if layer.mode == "max" else np.nanmean
    return reduce(windows, axis=tuple(range(n + 2, 2 * n + 2)))


class _Run:
    def __init__(self, values, deterministic, noise):
        self.values, self.deterministic, self.noise = values, deterministic, noise
        self.averages = {}

    def compute(self, layer, x):
        for kind in type(layer).__mro__:
            method = getattr(self, f"_{kind.__name__}", None)
            if method is not None:
                return method(layer, x)
        raise NotImplementedError(type(layer).__name__)

    def value(self, parameter):
        return self.values[parameter]

    def _biased(self, layer, x):
        if layer.b is not None:
            b = self.value(layer.b)
            x = x + (b if layer.b.ndim > 1 else b.reshape(-1, *[1] * (x.ndim - 2)))
        return nonlinear(layer.nonlinearity, x)

    def _TransposedConv2DLayer(self, layer, x):
        W = self.value(layer.W)
        W = W if layer.flip_filters else W[:, :, ::-1, ::-1]
        size = layer.get_output_shape_for(x.shape)[2:]
        return self._biased(layer, spread(x, W, layer.stride, pads_of(layer), size))

    def _BaseConvLayer(self, layer, x):
        W = self.value(layer.W)
        if layer.flip_filters:
            W = np.flip(W, tuple(range(2, W.ndim)))
        return self._biased(layer, correlated(x, W, layer.stride, pads_of(layer)))

    def _DenseLayer(self, layer, x):
        lead = x.shape[: layer.num_leading_axes]
        y = x.reshape(*lead, -1) @ self.value(layer.W)
        return nonlinear(layer.nonlinearity, y if layer.b is None else y + self.value(layer.b))

    def _Pool2DLayer(self, layer, x):
        return pooled(x, layer)

    def _Pool3DLayer(self, layer, x):
        return pooled(x, layer)

    def _GlobalPoolLayer(self, layer, x):
        return x.reshape(*x.shape[:2], -1).mean(axis=2)

    def _NonlinearityLayer(self, layer, x):
        return nonlinear(layer.nonlinearity, x)

    def _LocalResponseNormalization2DLayer(self, layer, x):
        half = layer.n // 2
        squares = np.pad(x**2, [(0, 0), (half, half), (0, 0), (0, 0)])
        total = sum(squares[:, i : i + x.shape[1]] for i in range(layer.n))
        return x / (layer.k + layer.alpha * total) ** layer.beta

    def _BatchNormLayer(self, layer, x):
        axes = (0, *range(2, x.ndim))

        def along(vector):
            return vector.reshape(-1, *[1] * (x.ndim - 2))

        if self.deterministic:
            mean, inv_std = self.value(layer.mean), self.value(layer.inv_std)
        else:
            mean, inv_std = x.mean(axis=axes), 1 / np.sqrt(x.var(axis=axes) + layer.epsilon)
            for average, batch in ((layer.mean, mean), (layer.inv_std, inv_std)):
                moved = (1 - layer.alpha) * self.value(average) + layer.alpha * batch
                self.averages[average] = moved
        y = (x - along(mean)) * along(inv_std)
        if layer.gamma is not None:
            y = y * along(self.value(layer.gamma))
        return y if layer.beta is None else y + along(self.value(layer.beta))

    def _ScaleLayer(self, layer, x):
        return x * self.value(layer.scales).reshape(-1, *[1] * (x.ndim - 2))

    def _BiasLayer(self, layer, x):
        return x + self.value(layer.b).reshape(-1, *[1] * (x.ndim - 2))

    def _ConcatLayer(self, layer, xs):
        return np.concatenate(self._cropped(layer, xs), axis=layer.axis)

    def _ElemwiseSumLayer(self, layer, xs):
        return sum(c * x for c, x in zip(layer.coeffs, self._cropped(layer, xs), strict=True))

    def _cropped(self, layer, xs):
        """Along axes that are cropped, the middle of each."""
        for axis, mode in enumerate(layer.cropping or ()):
            if mode is not None:
                assert mode == "center"
                least = min(x.shape[axis] for x in xs)
                starts = [(x.shape[axis] - least) // 2 for x in xs]
                xs = [
                    np.take(x, range(start, start + least), axis)
                    for x, start in zip(xs, starts, strict=True)
                ]
        return xs

    def _DropoutLayer(self, layer, x):
        return x if self.deterministic else x * self.noise[layer]

    def _StochasticDepthLayer(self, layer, x):
        return x * (layer.survival if self.deterministic else self.noise[layer])

    def _GaussianSampleLayer(self, layer, xs):
        mu, logsigma = xs
        return mu if self.deterministic else mu + np.exp(logsigma) * self.noise[layer]

    def _FlattenLayer(self, layer, x):
        return x.reshape(*x.shape[: layer.outdim - 1], -1)

    def _ReshapeLayer(self, layer, x):
        return x.reshape(
            [x.shape[each[0]] if isinstance(each, list) else each for each in layer.shape]
        )

    def _DimshuffleLayer(self, layer, x):
        return x.transpose(layer.pattern)

    def _SliceLayer(self, layer, x):
        return np.take(x, layer.slice, axis=layer.axis)

    def _ExpressionLayer(self, layer, x):
        return layer.function(x)  # slices, which mean the same of an array

    def _PadLayer(self, layer, x):
        pads = [each if isinstance(each, tuple) else (each, each) for each in layer.width]
        return np.pad(x, [(0, 0), *pads], constant_values=layer.val)

    def _Upscale2DLayer(self, layer, x):
        return x.repeat(layer.scale_factor[0], axis=2).repeat(layer.scale_factor[1], axis=3)

    def _EmbeddingLayer(self, layer, x):
        return self.value(layer.W)[np.int64(x)]

    def _TransformerLayer(self, layer, xs):
        images, theta = xs
        x, y = self._grid(layer.output_shape)
        affine = theta.reshape(-1, 2, 3) @ np.stack([x, y, np.ones_like(x)])
        return self._sampled(images, affine[:, 0], affine[:, 1], layer.output_shape)

    def _TPSTransformerLayer(self, layer, xs):
        """Splines through the moved control points, by one linear system of equations."""
        images, moves = xs
        x, y = self._grid(layer.output_shape)
        line = np.linspace(-1, 1, 4)
        own = np.array([(a, b) for b in line for a in line])

        def features(points):
            r2 = ((points[:, None] - own[None]) ** 2).sum(axis=2)
            bent = np.where(r2 > 0, r2 * np.log(np.where(r2 > 0, r2, 1)), 0)
            return np.concatenate([np.ones((len(points), 1)), points, bent], axis=1)

        system = np.zeros((19, 19))
        system[:16] = features(own)
        system[16:, 3:] = np.concatenate([np.ones((16, 1)), own], axis=1).T
        places = []
        for k in (0, 1):
            goals = own[:, k] + moves.reshape(-1, 2, 16)[:, k]
            solution = np.linalg.solve(
                system, np.concatenate([goals, np.zeros((len(goals), 3))], 1).T
            )
            places.append((features(np.stack([x, y], axis=1)) @ solution).T)
        return self._sampled(images, *places, layer.output_shape)

    def _grid(self, shape):
        y, x = np.meshgrid(*(np.linspace(-1, 1, size) for size in shape[2:]), indexing="ij")
        return x.ravel(), y.ravel()

    def _sampled(self, images, x, y, shape):
        height, width = images.shape[2:]
        x, y = (x + 1) / 2 * (width - 1), (y + 1) / 2 * (height - 1)
        left, top = np.floor(x), np.floor(y)
        total = 0
        for row, share_y in ((top, top + 1 - y), (top + 1, y - top)):
            for column, share_x in ((left, left + 1 - x), (left + 1, x - left)):
                i = np.clip(row, 0, height - 1).astype(int)
                j = np.clip(column, 0, width - 1).astype(int)
                pixels = np.stack(
                    [image[:, a, b] for image, a, b in zip(images, i, j, strict=True)]
                )
                total = total + pixels * (share_x * share_y)[:, None]
        return total.reshape(len(images), images.shape[1], *shape[2:])

    def _LSTMLayer(self, layer, xs):
        get = self._of(layer)

        def gate(x, h, name, cell=None):
            z = x @ get(f"W_in_to_{name}") + h @ get(f"W_hid_to_{name}") + get(f"b_{name}")
            if layer.peepholes and cell is not None:
                z = z + cell * get(f"W_cell_to_{name}")
            return nonlinear(getattr(layer, f"nonlinearity_{name}"), z)

        def step(x, h, c):
            i, f = gate(x, h, "ingate", c), gate(x, h, "forgetgate", c)
            c = f * c + i * gate(x, h, "cell")
            return gate(x, h, "outgate", c) * nonlinear(layer.nonlinearity, c), c

        return self._steps(layer, xs, step, [get("hid_init"), get("cell_init")])

    def _GRULayer(self, layer, xs):
        get = self._of(layer)

        def part(x, h, name):
            return x @ get(f"W_in_to_{name}") + get(f"b_{name}"), h @ get(f"W_hid_to_{name}")

        def step(x, h):
            r, u = (sigmoid(sum(part(x, h, name))) for name in ("resetgate", "updategate"))
            of_x, of_h = part(x, h, "hidden_update")
            return ((1 - u) * h + u * np.tanh(of_x + r * of_h),)

        return self._steps(layer, xs, step, [get("hid_init")])

    def _of(self, layer):
        return lambda name: self.value(getattr(layer, name))

    def _steps(self, layer, xs, step, states):
        x, mask = xs[0], xs[1]
        states = [np.repeat(each, len(x), axis=0) for each in states]
        order = range(x.shape[1])
        hidden = {}
        for t in reversed(order) if layer.backwards else order:
            kept = mask[:, t, None]
            new = step(x[:, t], *states)
            states = [kept * a + (1 - kept) * b for a, b in zip(new, states, strict=True)]
            hidden[t] = states[0]
        if layer.only_return_final:
            return states[0]
        return np.stack([hidden[t] for t in order], axis=1)


#: The layers that draw.
DRAWING = (ll.DropoutLayer, StochasticDepthLayer, GaussianSampleLayer)


def drawn(layer, incoming, output):
    """What `layer` has drawn, from what came in and went out."""
    if isinstance(layer, GaussianSampleLayer):
        mu, logsigma = map(np.float64, incoming)
        return (output - mu) / np.exp(logsigma)
    if isinstance(layer, StochasticDepthLayer):
        return float(np.abs(output).max() > 0)
    kept = 1 / (1 - layer.p)
    ratio = np.where(incoming != 0, output / np.where(incoming != 0, incoming, 1), kept)
    return np.where(np.abs(ratio) > 0, kept, 0.0)
