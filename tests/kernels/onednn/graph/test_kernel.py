"""Chains of stages by oneDNN: exact, without passes beside its primitives, and safe to share."""

from __future__ import annotations

import gc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convnet_features.kernels import threads
from convnet_features.kernels.contract import (
    Conv2DSpec,
    ConvStage,
    DenseStage,
    Pool2DSpec,
    PoolStage,
    StageGraph,
)
from convnet_features.kernels.onednn.binding.declarations import Arg
from convnet_features.kernels.onednn.binding.objects import UnsupportedError
from convnet_features.kernels.onednn.binding.primitives import Primitives
from convnet_features.kernels.onednn.graph.kernel import PLANS, OneDNNGraph
from convnet_features.kernels.onednn.plan import thresholds
from convnet_features.kernels.onednn.program.buffers import BufferPool
from convnet_features.kernels.portable import PortableKernels

from ....helpers import assert_close
from ....stages import Chain, chain, chain_output_shape
from ..examples import POOL, Forbidden, arrays, channels_last, integers

pytestmark = pytest.mark.onednn


SEED_NETWORK = (
    ConvStage(Conv2DSpec(), activation="linear"),
    PoolStage(POOL, "rectify"),
    ConvStage(Conv2DSpec(), activation="linear"),
    PoolStage(POOL, "rectify"),
    DenseStage(activation="rectify"),
    DenseStage(),
)
SEED_SHAPES = [
    (32, 1, 5, 5),
    (32,),
    (32, 32, 5, 5),
    (32,),
    (512, 256),
    (256,),
    (256, 10),
    (10,),
]


def onednn_stack(stages, primitives, pool, portable):
    """The kernel of a chain; `portable` is that of the same chain."""
    kernel = portable.kernel if isinstance(portable, Chain) else portable
    return Chain(OneDNNGraph(StageGraph.chain(stages), primitives, pool, kernel))


def training_step(kernel, x, params, gy, input_grad=True):
    y, workspace = kernel.forward_training(x, params)
    gx, gradients = kernel.backward(workspace, x, params, y, gy, input_grad)
    return [y, *([gx] if input_grad else []), *gradients]


def describe(program):
    return [(p.description.split(" of ")[0], p.implementation) for p, _ in program.steps]


class TestStack:
    def test_seed_network_is_all_onednn(self, primitives, pool, rng):
        kernel = onednn_stack(SEED_NETWORK, primitives, pool, Forbidden())
        portable = chain(PortableKernels(), SEED_NETWORK)
        (x,) = arrays(rng, [(3, 1, 28, 28)])
        params = [0.1 * param for param in arrays(rng, SEED_SHAPES)]
        (gy,) = arrays(rng, [(3, 10)])
        assert_close(kernel.forward(x, params), portable.forward(x, params))
        mine = training_step(kernel, x, params, gy)
        for actual, expected in zip(mine, training_step(portable, x, params, gy), strict=True):
            assert_close(actual, expected)

    def test_no_full_size_pass_beside_the_primitives(self, primitives, pool, rng, monkeypatch):
        """Without generated code: one convolution and one pooling each; reorders of nothing larger than pooled images."""
        monkeypatch.setattr(thresholds, "WORTH_GENERATING", 1 << 62)
        kernel = onednn_stack(SEED_NETWORK, primitives, pool, Forbidden())
        (x,) = arrays(rng, [(16, 1, 28, 28)])
        params = arrays(rng, SEED_SHAPES)
        training_step(kernel, x, params, np.ones((16, 10), "float32"), input_grad=False)
        (plan,) = kernel.kernel.forward_plans
        (backward,) = kernel.kernel.backward_programs
        kinds = [kind for kind, _ in describe(plan.program)]
        assert kinds.count("convolution") == kinds.count("pooling") == kinds.count("product") == 2
        assert len(kinds) - kinds.count("reorder") == 6
        for program in (plan.program, backward):
            for primitive, arguments in program.steps:
                assert "ref" not in primitive.implementation
                if primitive.description.startswith("reorder"):
                    assert arguments[Arg.SRC].desc.size <= 4 * 16 * 32 * 12 * 12
                if primitive.description.startswith("gradient of rectify"):
                    assert arguments[Arg.DST].desc.size <= 4 * 16 * 32 * 12 * 12

    @settings(max_examples=40, deadline=None)
    @given(data=st.data())
    def test_exact_on_whole_numbers(self, primitives, data):
        """Ties everywhere, and no rounding: every gradient goes where the portable one goes."""
        rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
        stages, x_shape, shapes = data.draw(stacks(("linear", "rectify"), ("max",)))
        kernel = onednn_stack(stages, primitives, BufferPool(), chain(PortableKernels(), stages))
        portable = chain(PortableKernels(), stages)
        x, params = integers(rng, x_shape), [integers(rng, shape) for shape in shapes]
        if data.draw(st.booleans()) and len(x_shape) == 4:
            x = channels_last(x)
        gy = integers(rng, chain_output_shape(stages, x_shape, shapes))
        mine = training_step(kernel, x, params, gy)
        for actual, expected in zip(mine, training_step(portable, x, params, gy), strict=True):
            np.testing.assert_array_equal(actual, expected)

    @settings(max_examples=30, deadline=None)
    @given(data=st.data())
    def test_any_stack_equals_the_portable_one(self, primitives, data):
        rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
        activations = ("linear", "tanh", "sigmoid")
        modes = ("sum", "average_inc_pad", "average_exc_pad")
        stages, x_shape, shapes = data.draw(stacks(activations, modes))
        kernel = onednn_stack(stages, primitives, BufferPool(), chain(PortableKernels(), stages))
        portable = chain(PortableKernels(), stages)
        # Where activations saturate, rounding is all that is left of their derivatives.
        x, *params = [0.3 * array for array in arrays(rng, [x_shape, *shapes])]
        params = [
            param / np.float32(max(param.size / param.shape[0], param.shape[0]) ** 0.5)
            for param in params
        ]
        (gy,) = arrays(rng, [chain_output_shape(stages, x_shape, shapes)])
        assert_close(kernel.forward(x, params), portable.forward(x, params), "float32")
        mine = training_step(kernel, x, params, gy)
        for actual, expected in zip(mine, training_step(portable, x, params, gy), strict=True):
            assert_close(actual, expected, "float32")

    @pytest.mark.parametrize("activation", ["tanh", "sigmoid", "rectify"])
    @pytest.mark.parametrize("n_filters", [5, 16])
    def test_activation_after_pooling(self, primitives, pool, rng, activation, n_filters):
        """With 5 filters the blocked layout is padded."""
        stages = (ConvStage(Conv2DSpec()), PoolStage(POOL, activation), ConvStage(Conv2DSpec()))
        kernel = onednn_stack(stages, primitives, pool, chain(PortableKernels(), stages))
        portable = chain(PortableKernels(), stages)
        x, *params = arrays(
            rng, [(7, 2, 9, 11), (n_filters, 2, 3, 4), (n_filters,), (3, n_filters, 2, 3), (3,)]
        )
        gy = np.ones((7, 3, 2, 2), "float32")
        mine = training_step(kernel, x, params, gy)
        for actual, expected in zip(mine, training_step(portable, x, params, gy), strict=True):
            assert_close(actual, expected)

    def test_results_are_never_written_again(self, primitives, pool, rng):
        kernel = onednn_stack(SEED_NETWORK, primitives, pool, Forbidden())
        params = [0.1 * param for param in arrays(rng, SEED_SHAPES)]
        batches = arrays(rng, [(5, 1, 28, 28)] * 4)
        (gy,) = arrays(rng, [(5, 10)])
        kept = [training_step(kernel, x, params, gy) for x in batches]
        copies = [[array.copy() for array in results] for results in kept]
        for x in reversed(batches):
            training_step(kernel, x, params, gy)
            kernel.forward(x, params)
        for results, same in zip(kept, copies, strict=True):
            for array, copy in zip(results, same, strict=True):
                np.testing.assert_array_equal(array, copy)

    def test_parameters_may_change_in_place(self, primitives, pool, rng):
        kernel = onednn_stack(SEED_NETWORK, primitives, pool, Forbidden())
        params = [0.1 * param for param in arrays(rng, SEED_SHAPES)]
        (x,) = arrays(rng, [(2, 1, 28, 28)])
        kernel.forward(x, params)
        for param in params:
            param *= 0.9
        expected = chain(PortableKernels(), SEED_NETWORK).forward(x, params)
        assert_close(kernel.forward(x, params), expected)

    def test_a_workspace_may_be_used_again(self, primitives, pool, rng):
        kernel = onednn_stack(SEED_NETWORK, primitives, pool, Forbidden())
        params = [0.1 * param for param in arrays(rng, SEED_SHAPES)]
        (x,) = arrays(rng, [(3, 1, 28, 28)])
        (gy,) = arrays(rng, [(3, 10)])
        y, workspace = kernel.forward_training(x, params)
        _, once = kernel.backward(workspace, x, params, y, gy, False)
        _, twice = kernel.backward(workspace, x, params, y, gy, True)
        for first, second in zip(once, twice, strict=True):
            np.testing.assert_array_equal(first, second)

    def test_buffers_come_back(self, primitives, pool, rng):
        kernel = onednn_stack(SEED_NETWORK, primitives, pool, Forbidden())
        params = arrays(rng, SEED_SHAPES)
        (x,) = arrays(rng, [(3, 1, 28, 28)])
        gy = np.ones((3, 10), "float32")
        training_step(kernel, x, params, gy)
        gc.collect()
        idle = pool.idle_bytes
        assert idle > 0
        for _ in range(5):
            training_step(kernel, x, params, gy)
        assert pool.idle_bytes == idle

    def test_same_bits_from_many_threads(self, primitives, pool, rng):
        kernel = onednn_stack(SEED_NETWORK, primitives, pool, Forbidden())
        params = [0.1 * param for param in arrays(rng, SEED_SHAPES)]
        batches = arrays(rng, [(n, 1, 28, 28) for n in (1, 3, 7, 7, 16)])
        gradients = [np.ones((len(x), 10), "float32") for x in batches]
        expected = [
            training_step(kernel, x, params, gy) for x, gy in zip(batches, gradients, strict=True)
        ]
        jobs = [index for index in range(len(batches)) for _ in range(6)]

        def job(index):
            return index, training_step(kernel, batches[index], params, gradients[index])

        with ThreadPoolExecutor(5) as executor:
            for index, results in executor.map(job, jobs):
                for actual, same in zip(results, expected[index], strict=True):
                    np.testing.assert_array_equal(actual, same)

    def test_thread_numbers_have_their_own_plans(self, primitives, pool, rng):
        kernel = onednn_stack(SEED_NETWORK, primitives, pool, Forbidden())
        params = [0.1 * param for param in arrays(rng, SEED_SHAPES)]
        (x,) = arrays(rng, [(16, 1, 28, 28)])
        results, given = [], set()
        try:
            for number in (1, 2, 3, 1):
                threads.set_num_threads(number)
                given.add(threads.get_num_threads())
                results.append(kernel.forward(x, params))
        finally:
            threads.set_num_threads(None)
        # Where nobody limits them: 1, 2 and 3.
        assert kernel.kernel.num_plans == len(given)
        np.testing.assert_array_equal(results[0], results[3])
        for result in results:
            assert_close(result, results[0])

    def test_plans_are_bounded_and_forgotten(self, primitives, pool, rng):
        stages = (DenseStage(),)
        kernel = onednn_stack(stages, primitives, pool, Forbidden())
        params = arrays(rng, [(5, 3), (3,)])
        for n_samples in range(1, PLANS + 9):
            kernel.forward(np.ones((n_samples, 5), "float32"), params)
        assert kernel.kernel.num_plans == PLANS
        kernel.kernel.clear_caches()
        assert kernel.kernel.num_plans == 0
        assert kernel.forward(np.ones((2, 5), "float32"), params).shape == (2, 3)

    @pytest.mark.parametrize(
        ("stages", "x_shape", "shapes", "message"),
        [
            ((DenseStage(),), (2, 3, 5, 7), [(104, 11), (11,)], "has 105 columns.*104 rows"),
            ((ConvStage(Conv2DSpec()),), (2, 3, 5, 7), [(4, 3, 2, 2), (5,)], r"\(5,\).*\(4,\)"),
            (
                (ConvStage(Conv2DSpec()),),
                (2, 3, 5, 7),
                [(4, 2, 2, 2), (4,)],
                "have 3 channels.* for 2",
            ),
        ],
    )
    def test_misfits_are_named(self, primitives, pool, stages, x_shape, shapes, message):
        kernel = onednn_stack(stages, primitives, pool, chain(PortableKernels(), stages))
        params = [np.ones(shape, "float32") for shape in shapes]
        with pytest.raises(ValueError, match=message):
            kernel.forward(np.ones(x_shape, "float32"), params)

    def test_wrong_gradient_shape_is_named(self, primitives, pool):
        stages = (DenseStage(),)
        kernel = onednn_stack(stages, primitives, pool, Forbidden())
        x, params = np.ones((2, 5), "float32"), [np.ones((5, 3), "float32"), np.ones(3, "float32")]
        y, workspace = kernel.forward_training(x, params)
        with pytest.raises(ValueError, match=r"\(2, 3\).*gy of shape \(3, 2\)"):
            kernel.backward(workspace, x, params, y, np.ones((3, 2), "float32"), False)

    def test_reference_code_is_left_to_the_portable_kernel(self, primitives, pool, monkeypatch):
        """Where oneDNN has nothing but slow code, forward or backward, the numbers still come."""
        stages = (ConvStage(Conv2DSpec()),)
        rng = np.random.default_rng(3)
        x, *params = arrays(rng, [(2, 3, 7, 11), (5, 3, 4, 2), (5,)])
        gy = np.ones((2, 5, 4, 10), "float32")
        portable = chain(PortableKernels(), stages)
        expected = training_step(portable, x, params, gy)

        def refuse(*_):
            raise UnsupportedError("as if it were slow")

        for method in ("convolution_forward", "convolution_backward_weights"):
            with monkeypatch.context() as patch:
                patch.setattr(Primitives, method, refuse)
                kernel = onednn_stack(stages, primitives, pool, portable)
                for _ in range(2):
                    mine = training_step(kernel, x, params, gy)
                    for actual, same in zip(mine, expected, strict=True):
                        assert_close(actual, same)


@st.composite
def stacks(draw, activations, modes):
    """Up to three convolutions or poolings, and up to two dense stages, on small images."""
    x_shape = tuple(draw(st.tuples(*(st.integers(1, limit) for limit in (5, 4, 12, 11)))))
    stages, shapes, shape = [], [], x_shape
    for kind in draw(st.lists(st.sampled_from(["conv", "pool"]), max_size=3)):
        activation = draw(st.sampled_from(activations))
        window = tuple(draw(st.integers(1, min(4, size))) for size in shape[2:])
        stride = tuple(draw(st.integers(1, 3)) for _ in range(2))
        if kind == "conv":
            padding = tuple((draw(st.integers(0, 2)), draw(st.integers(0, 2))) for _ in range(2))
            spec = Conv2DSpec(stride, padding, draw(st.booleans()))
            stage = ConvStage(spec, draw(st.booleans()), activation)
            own = [(draw(st.integers(1, 20)), shape[1], *window)]
            own += [(own[0][0],)] if stage.bias else []
        else:
            border = draw(st.booleans())
            padding = (0, 0)
            if border:
                padding = tuple(draw(st.integers(0, extent - 1)) for extent in window)
            spec = Pool2DSpec(window, stride, padding, draw(st.sampled_from(modes)), border)
            stage, own = PoolStage(spec, activation), []
        stages.append(stage)
        shapes += own
        shape = chain_output_shape([stage], shape, own)
    for _ in range(draw(st.integers(0 if stages else 1, 2))):
        stage = DenseStage(draw(st.booleans()), draw(st.sampled_from(activations)))
        own = [(int(np.prod(shape[1:])), draw(st.integers(1, 9)))]
        own += [(own[0][1],)] if stage.bias else []
        stages.append(stage)
        shapes += own
        shape = chain_output_shape([stage], shape, own)
    return tuple(stages), x_shape, shapes
