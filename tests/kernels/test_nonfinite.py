"""NaN and infinity go through every kernel as through NumPy, in inference and in training."""

from __future__ import annotations

import numpy as np
import pytest

from convnet_features.kernels.contract import (
    ACTIVATIONS,
    Conv2DSpec,
    ConvStage,
    DenseStage,
    ElementwiseStage,
    MaskStage,
    NormStage,
    Pool2DSpec,
    PoolStage,
    StageGraph,
)
from convnet_features.kernels.magnitude import CHUNK, magnitude
from convnet_features.kernels.onednn.graph.bounds import Measuring
from convnet_features.kernels.onednn.plan import thresholds
from convnet_features.kernels.portable import PortableKernels
from convnet_features.kernels.registry import get_kernels

from .. import reference
from ..helpers import assert_close
from ..stages import chain

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")

HALF = Pool2DSpec((2, 2), (2, 2))
CONV = Conv2DSpec()
#: (stages but for the first's activation, shape of the images, of the parameters).
STACKS = {
    "convolution of one channel": ((ConvStage, CONV), (), (4, 1, 9, 9), [(8, 1, 3, 3), (8,)]),
    "convolution of three": ((ConvStage, CONV), (), (4, 3, 9, 9), [(8, 3, 3, 3), (8,)]),
    "convolution with padding": (
        (ConvStage, Conv2DSpec(padding=((1, 1), (1, 1)))),
        (),
        (2, 16, 7, 7),
        [(16, 16, 3, 3), (16,)],
    ),
    "1x1": ((ConvStage, CONV), (), (4, 32, 9, 9), [(32, 32, 1, 1), (32,)]),
    "with strides": (
        (ConvStage, Conv2DSpec(stride=(2, 2))),
        (),
        (4, 16, 9, 9),
        [(16, 16, 3, 3), (16,)],
    ),
    "Winograd": ((ConvStage, CONV), (), (5, 32, 12, 12), [(32, 32, 5, 5), (32,)]),
    "Winograd, pooled": (
        (ConvStage, CONV),
        (PoolStage(HALF),),
        (5, 32, 12, 12),
        [(32, 32, 5, 5), (32,)],
    ),
    "first convolution, pooled": (
        (ConvStage, CONV),
        (PoolStage(HALF),),
        (11, 1, 28, 28),
        [(32, 1, 5, 5), (32,)],
    ),
    "a little one, pooled": (
        (ConvStage, CONV),
        (PoolStage(HALF),),
        (8, 1, 28, 28),
        [(32, 1, 5, 5), (32,)],
    ),
    "two": (
        (ConvStage, CONV),
        (PoolStage(HALF), DenseStage(True, "rectify")),
        (8, 3, 10, 10),
        [(8, 3, 3, 3), (8,), (128, 5), (5,)],
    ),
    "dense": ((DenseStage, True), (), (4, 30), [(30, 20), (20,)]),
    "a larger dense": ((DenseStage, True), (), (128, 256), [(256, 128), (128,)]),
    "a function of a convolution": (
        (ConvStage, CONV),
        (ElementwiseStage("clip", 0.0, 6.0),),
        (4, 16, 9, 9),
        [(16, 16, 3, 3), (16,)],
    ),
    "functions of rows": (
        (DenseStage, True),
        (ElementwiseStage("swish"), DenseStage(), ElementwiseStage("elu", 1.0)),
        (4, 30),
        [(30, 20), (20,), (20, 5), (5,)],
    ),
    "maximum": ((PoolStage, HALF), (), (4, 16, 8, 8), []),
    "overlapping maximum": ((PoolStage, Pool2DSpec((3, 3), (2, 2))), (), (2, 5, 9, 9), []),
    "sum": ((PoolStage, Pool2DSpec((2, 2), (2, 2), mode="sum")), (), (4, 16, 8, 8), []),
    "average": (
        (PoolStage, Pool2DSpec((2, 2), (2, 2), mode="average_inc_pad")),
        (),
        (4, 16, 8, 8),
        [],
    ),
}
#: Those that generated code computes, which knows few activations; little work is not worth it.
BY_CODE = ("Winograd", "Winograd, pooled", "first convolution, pooled")
FUNCTIONS = {
    "linear": lambda x: x,
    "rectify": lambda x: np.maximum(x, 0),
    "tanh": np.tanh,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
}
VALUES = (np.nan, np.inf, -np.inf)
ARRAYS = ("x", "w", "b")


def windows(x, extent, stride):
    found = np.lib.stride_tricks.sliding_window_view(x, extent, axis=(2, 3))
    return found[:, :, :: stride[0], :: stride[1]]


def by_numpy(stages, x, params):
    """In float64, term by term: nothing is multiplied that the definition does not multiply."""
    remaining = iter([np.float64(param) for param in params])
    x = np.float64(x)
    for stage in stages:
        match stage:
            case ConvStage():
                w = next(remaining)[:, :, ::-1, ::-1]
                # Theano does not multiply padding either, but as zeros it does no harm to NaN
                # elsewhere: w is finite wherever there is padding in this table, or x is.
                patches = windows(
                    np.pad(x, [(0, 0), (0, 0), *stage.conv.padding]), w.shape[2:], stage.conv.stride
                ).transpose(0, 2, 3, 1, 4, 5)
                rows = patches.reshape(-1, w[0].size)
                x = np.einsum("pf,kf->pk", rows, w.reshape(len(w), -1), optimize=False)
                x = (x + next(remaining)).reshape(*patches.shape[:3], -1).transpose(0, 3, 1, 2)
            case DenseStage():
                x = np.einsum("ni,ij->nj", x.reshape(len(x), -1), next(remaining), optimize=False)
                x = x + next(remaining)
            case PoolStage():
                found = windows(x, stage.pool.window, stage.pool.stride)
                reduce = {"max": np.max, "sum": np.sum, "average_inc_pad": np.mean}
                x = reduce[stage.pool.mode](found, axis=(4, 5))
            case ElementwiseStage():
                x = reference.function(x, stage.function, stage.alpha, stage.beta)
        x = FUNCTIONS[stage.activation or "linear"](x)
    return x


def assert_same_kinds(found, expected, what=""):
    """NaN where there is NaN, infinities where there are those, and the same numbers elsewhere."""
    found = np.float64(found)
    np.testing.assert_array_equal(np.isnan(found), np.isnan(expected), err_msg=f"NaN: {what}")
    infinite = np.isinf(expected)
    np.testing.assert_array_equal(np.isinf(found), infinite, err_msg=f"infinity: {what}")
    np.testing.assert_array_equal(found[infinite], expected[infinite], err_msg=what)
    numbers = np.isfinite(expected)
    np.testing.assert_allclose(found[numbers], expected[numbers], rtol=1e-3, atol=1e-3)


def draw(rng, x_shape, param_shapes):
    x = rng.standard_normal(x_shape).astype(np.float32)
    return x, [rng.standard_normal(shape).astype(np.float32) * 0.2 for shape in param_shapes]


def kinds_of_call(kernel, x, params):
    yield "forward", kernel.forward(x, params)
    yield "training", kernel.forward_training(x, params)[0]
    yield "prepared", kernel.prepare(params)(x)
    if x.ndim == 4:
        last = np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
        yield "channels last", kernel.forward(last, params)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("case", STACKS)
def test_stacks(case, activation, kernels, rng, monkeypatch):
    (first, argument), following, x_shape, param_shapes = STACKS[case]
    if case in BY_CODE:
        if activation in ("tanh", "sigmoid"):
            pytest.skip("generated code knows no such activation")
        monkeypatch.setattr(thresholds, "WORTH_GENERATING", 0)
    if first is PoolStage:
        stages = (PoolStage(argument, activation),)
    elif first is ConvStage:
        stages = (ConvStage(argument, True, activation), *following)
    else:
        stages = (DenseStage(argument, activation), *following)
    kernel = chain(kernels, stages)
    for value in VALUES:
        for shift in range(2 if following else 1):
            for array in ARRAYS[: 1 + len(param_shapes[:2])]:
                x, params = draw(rng, x_shape, param_shapes)
                spoilt = x if array == "x" else params[ARRAYS.index(array) - 1]
                spoilt.reshape(-1)[spoilt.size // 2 + shift * (1 + 3 * (spoilt.ndim == 4))] = value
                expected = by_numpy(stages, x, params)
                for call, found in kinds_of_call(kernel, x, params):
                    assert_same_kinds(found, expected, f"{value} in {array}, {call}")


@pytest.mark.parametrize("value", VALUES)
def test_in_each_place_of_a_window(value, kernels, rng):
    """All four: a comparison with NaN keeps whichever came first."""
    stages = (ConvStage(CONV, True, "rectify"), PoolStage(HALF))
    kernel = chain(kernels, stages)
    for row in range(8):
        for column in range(8):
            x, params = draw(rng, (5, 1, 8, 8), [(8, 1, 1, 1), (8,)])
            x[2, 0, row, column] = value
            expected = by_numpy(stages, x, params)
            for call, found in kinds_of_call(kernel, x, params):
                assert_same_kinds(found, expected, f"{row}, {column}, {call}")


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("mode", ["max", "sum", "average_inc_pad"])
def test_poolings(value, mode, kernels, rng):
    spec = Pool2DSpec((2, 2), (2, 2), mode=mode)
    x = rng.standard_normal((3, 16, 6, 6)).astype(np.float32)
    x[1, 5, 3, 2] = value
    expected = by_numpy([PoolStage(spec)], x, [])
    assert_same_kinds(kernels.pool2d(spec).forward(x), expected)


@pytest.mark.parametrize("value", VALUES)
def test_convolutions(value, kernels, rng):
    for shape in ((3, 1, 9, 9), (3, 16, 9, 9), (16, 32, 12, 12)):
        w_shape = (32, shape[1], 3, 3)
        for where in "xw":
            x, (w,) = draw(rng, shape, [w_shape])
            array = x if where == "x" else w
            array.reshape(-1)[array.size // 2] = value
            expected = by_numpy([ConvStage(CONV)], x, [w, np.zeros(32)])
            assert_same_kinds(kernels.conv2d(CONV).forward(x, w), expected, where)


@pytest.mark.parametrize("value", VALUES)
def test_softmax_and_products(value, kernels, rng):
    for rows in (3, 200):
        x = rng.standard_normal((rows, 7)).astype(np.float32)
        x[2, 3] = value
        wide = np.float64(x)
        shifted = wide - wide.max(axis=1, keepdims=True)
        total = np.exp(shifted).sum(axis=1, keepdims=True)
        assert_same_kinds(kernels.softmax(x), np.exp(shifted) / total)
        assert_same_kinds(kernels.log_softmax(x), shifted - np.log(total))
        b = rng.standard_normal((7, 90)).astype(np.float32)
        expected = np.einsum("ij,jk->ik", wide, np.float64(b), optimize=False)
        assert_same_kinds(kernels.dot(x, b), expected)


DEEP = (
    (
        ConvStage(CONV, True, "rectify"),
        NormStage(1e-3, "rectify"),
        PoolStage(HALF),
        MaskStage(),
        DenseStage(True, "rectify"),
        DenseStage(True, "linear"),
    ),
    (6, 3, 10, 10),
    [(8, 3, 3, 3), (8,), (8,), (8,), (6, 8, 4, 4), (128, 20), (20,), (20, 4), (4,)],
)


class TestNumbersThatAreTooLargeForABound:
    """A stack is computed in halves then; the numbers, and the gradients, are those of the whole."""

    def problem(self, rng, factor):
        stages, x_shape, param_shapes = DEEP
        x, params = draw(rng, x_shape, param_shapes)
        params[5] *= np.float32(factor)
        params[7] /= np.float32(factor)
        return stages, x, params

    @pytest.mark.parametrize("factor", [1, 1e27, 1e34])
    def test_results_and_gradients(self, factor, kernels, rng):
        stages, x, params = self.problem(rng, factor)
        wide = [np.float64(param) for param in params]
        exact = chain(get_kernels("portable"), stages)
        expected, of_exact = exact.forward_training(np.float64(x), wide)
        kernel = chain(kernels, stages)
        y, workspace = kernel.forward_training(x, params)
        assert_close(y, expected, "float32")
        assert_close(kernel.forward(x, params), expected, "float32")
        assert_close(kernel.prepare(params)(x), expected, "float32")
        gy = rng.standard_normal(y.shape).astype(np.float32)
        right = exact.backward(of_exact, np.float64(x), wide, expected, np.float64(gy), True)
        gx, gradients = kernel.backward(workspace, x, params, y, gy, True)
        for mine, its in zip([gx, *gradients], [right[0], *right[1]], strict=True):
            largest = np.abs(its).max()
            assert_close(mine / np.float32(largest), its / largest, "float32")
        for mine, its in zip(kernel.statistics(workspace), exact.statistics(of_exact), strict=True):
            assert_close(mine, its, "float32")

    def test_overflow_on_the_way_is_as_in_float32_by_numpy(self, kernels, rng):
        """inf - inf is NaN, and a rectify keeps it."""
        stages = (DenseStage(True, "rectify"), DenseStage(True, "rectify"))
        x, params = draw(rng, (3, 8), [(8, 6), (6,), (6, 5), (5,)])
        params[0][...] = 3e38
        x[...] = 2.0
        params[2][:, 0], params[2][3, 0] = 1.0, -1.0
        infinite = np.full((3, 6), np.inf)
        expected = np.maximum(
            np.einsum("ij,jk->ik", infinite, np.float64(params[2]), optimize=False), 0
        )
        assert np.isnan(expected[:, 0]).all()
        for call, found in kinds_of_call(chain(kernels, stages), x, params):
            assert_same_kinds(found, expected, call)


class TestLooks:
    """A long chain is looked at on the way, as closely as its numbers ask for."""

    DEEP = (ConvStage(Conv2DSpec((1, 1), ((1, 1), (1, 1))), activation="rectify"),) * 12

    def params(self, rng, *scales):
        """Of layers that make numbers so much larger, or smaller."""
        return [
            (scale * rng.standard_normal(shape)).astype("float32")
            for scale in scales
            for shape in ((16, 16, 3, 3), (16,))
        ]

    @pytest.mark.onednn
    @pytest.mark.parametrize(("exponent", "run", "looks"), [(-4, 12, 0), (13, 4, 1), (22, 3, 2)])
    def test_large_numbers_are_looked_at_more_closely(self, rng, exponent, run, looks):
        """A run of layers makes numbers larger, and the next run smaller again."""
        scales = [2.0**exponent] * run + [2.0 ** (-exponent - 7)] * run
        stages = self.DEEP[: 2 * run]
        kernel = chain(get_kernels("onednn"), stages)
        x = rng.standard_normal((3, 16, 6, 5)).astype("float32")
        params = self.params(rng, *scales)[: 2 * len(stages)]
        y = kernel.forward(x, params)
        assert kernel.kernel._looks == looks
        right = chain(PortableKernels(), stages).forward(np.float64(x), params)
        assert_close(y, right, "float32")

    @pytest.mark.onednn
    def test_parameters_laid_out_once_are_looked_at_one_by_one(self, rng):
        """A large bias at the end, of which views of one array all say that they are as large."""
        params = self.params(rng, *[2.0**-4] * len(self.DEEP))
        params[-1] = 2.0**13 * params[-1]
        theta = np.concatenate([param.ravel() for param in params])
        ends = np.cumsum([param.size for param in params])[:-1]
        views = [
            part.reshape(param.shape)
            for part, param in zip(np.split(theta, ends), params, strict=True)
        ]
        x = rng.standard_normal((3, 16, 6, 5)).astype("float32")
        right = chain(PortableKernels(), self.DEEP).forward(np.float64(x), params)
        looks = []
        for compute in (lambda k: k.prepare(views)(x), lambda k: k.forward(x, views)):
            kernel = chain(get_kernels("onednn"), self.DEEP)
            assert_close(compute(kernel), right, "float32")
            looks.append(kernel.kernel._looks)
        assert looks == [0, 1]

    @pytest.mark.onednn
    def test_what_overflows_on_the_way_is_computed_as_numpy_does(self, rng):
        kernel = chain(get_kernels("onednn"), self.DEEP)
        x = rng.standard_normal((3, 16, 6, 5)).astype("float32")
        params = self.params(rng, *[1e5] * len(self.DEEP))
        with np.errstate(all="ignore"):
            y = kernel.forward(x, params)
            right = chain(PortableKernels(), self.DEEP).forward(x, params)
        assert not np.isfinite(right).all()
        np.testing.assert_array_equal(y, right)
        assert kernel.kernel._looks == 0

    def test_a_program_looks_where_nothing_else_is_in_use(self):
        graph = StageGraph.chain(self.DEEP)
        shapes = [shape for _ in self.DEEP for shape in ((16, 16, 3, 3), (16,))]
        measuring = Measuring(graph, 0)
        wanted = [measuring.wants(node, True) for node in graph.walk([(3, 16, 6, 5)], shapes)]
        assert wanted == [False] * 6 + [True] + [False] * 5


@pytest.mark.parametrize("n", [1, 7, CHUNK // 4, CHUNK + 3, 3 * CHUNK])
@pytest.mark.parametrize("value", [np.nan, -np.inf, -7.5])
def test_the_largest_number_is_found_wherever_it_is(rng, n, value):
    x = rng.uniform(-1, 1, n).astype("float32")
    x[n // 2] = value
    np.testing.assert_equal(magnitude(x), abs(value))
