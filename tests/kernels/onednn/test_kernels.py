"""What is particular to oneDNN's kernels; what all kernels owe is in test_contract."""

from __future__ import annotations

import gc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convnet_features.exceptions import EngineError
from convnet_features.kernels import threads
from convnet_features.kernels.contract import (
    Conv2DSpec,
    ConvStage,
    DenseStage,
    Pool2DSpec,
    PoolStage,
    StackKernel,
    StageGraph,
)
from convnet_features.kernels.onednn.binding import declarations, library
from convnet_features.kernels.onednn.binding.declarations import Arg
from convnet_features.kernels.onednn.binding.objects import UnsupportedError
from convnet_features.kernels.onednn.binding.primitives import Primitives
from convnet_features.kernels.onednn.conv2d import OneDNNConv2D
from convnet_features.kernels.onednn.graph.kernel import PLANS, OneDNNGraph
from convnet_features.kernels.onednn.plan import thresholds
from convnet_features.kernels.onednn.pool2d import OneDNNPool2D
from convnet_features.kernels.onednn.program.buffers import BufferPool
from convnet_features.kernels.onednn.program.lru_cache import LRUCache
from convnet_features.kernels.onednn.program.program import Program
from convnet_features.kernels.onednn.program.program_cache import ProgramCache
from convnet_features.kernels.onednn.program.storage import Storage, place
from convnet_features.kernels.portable import PortableKernels

from ...helpers import assert_close, scattered
from ...stages import chain_output_shape

pytestmark = pytest.mark.onednn

POOL = Pool2DSpec((2, 2), (2, 2))
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


class Forbidden:
    """A portable kernel that must not be asked for anything."""

    def __getattr__(self, name):
        raise AssertionError(f"the portable kernel was asked for {name}")


@pytest.fixture(scope="module")
def primitives():
    from convnet_features.kernels.onednn.binding.library import load_library

    pytest.importorskip("cffi")
    try:
        import importlib.metadata

        importlib.metadata.version("onednn-cpu-gomp")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("onednn-cpu-gomp is not installed")
    return Primitives(load_library())


@pytest.fixture
def pool():
    return BufferPool()


@pytest.fixture
def programs(primitives, pool):
    return ProgramCache(primitives, pool)


def onednn_stack(stages, primitives, pool, portable):
    """The kernel of a chain; `portable` is that of the same chain."""
    kernel = portable.kernel if isinstance(portable, StackKernel) else portable
    return StackKernel(OneDNNGraph(StageGraph.chain(stages), primitives, pool, kernel))


def arrays(rng, shapes):
    return [rng.uniform(-1, 1, shape).astype("float32") for shape in shapes]


def integers(rng, shape):
    """Small whole numbers: float32 sums of their products are exact, and full of ties."""
    return rng.integers(-2, 3, shape).astype("float32")


def channels_last(x):
    return np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)


def training_step(kernel, x, params, gy, input_grad=True):
    y, workspace = kernel.forward_training(x, params)
    gx, gradients = kernel.backward(workspace, x, params, y, gy, input_grad)
    return [y, *([gx] if input_grad else []), *gradients]


def describe(program):
    return [(p.description.split(" of ")[0], p.implementation) for p, _ in program.steps]


class TestStack:
    def test_seed_network_is_all_onednn(self, primitives, pool, rng):
        kernel = onednn_stack(SEED_NETWORK, primitives, pool, Forbidden())
        portable = PortableKernels().stack(SEED_NETWORK)
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
        kernel = onednn_stack(stages, primitives, BufferPool(), PortableKernels().stack(stages))
        portable = PortableKernels().stack(stages)
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
        kernel = onednn_stack(stages, primitives, BufferPool(), PortableKernels().stack(stages))
        portable = PortableKernels().stack(stages)
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
        kernel = onednn_stack(stages, primitives, pool, PortableKernels().stack(stages))
        portable = PortableKernels().stack(stages)
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
        expected = PortableKernels().stack(SEED_NETWORK).forward(x, params)
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
        kernel = onednn_stack(stages, primitives, pool, PortableKernels().stack(stages))
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
        portable = PortableKernels().stack(stages)
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


class TestImages:
    def test_channels_last_in_and_out(self, programs, rng):
        """Nothing is copied on the way from one kernel to the next."""
        conv = OneDNNConv2D(Conv2DSpec(), programs, Forbidden())
        pool = OneDNNPool2D(POOL, programs, Forbidden())
        x, w = arrays(rng, [(3, 2, 8, 10), (5, 2, 3, 3)])
        y = conv.forward(channels_last(x), w)
        assert y.transpose(0, 2, 3, 1).flags.c_contiguous
        z = pool.forward(y)
        assert z.transpose(0, 2, 3, 1).flags.c_contiguous
        gy = pool.grad(y, np.ones_like(z))
        assert gy.transpose(0, 2, 3, 1).flags.c_contiguous
        gx = conv.grad_input(x.shape, w, gy)
        assert gx.transpose(0, 2, 3, 1).flags.c_contiguous
        assert conv.grad_weights(x, w.shape, gy).flags.c_contiguous

    def test_pooling_keeps_plain_images_plain(self, programs, rng):
        pool = OneDNNPool2D(POOL, programs, Forbidden())
        (x,) = arrays(rng, [(3, 2, 8, 10)])
        assert pool.forward(x).flags.c_contiguous
        assert pool.grad(x, np.ones((3, 2, 4, 5), "float32")).flags.c_contiguous

    @settings(max_examples=25, deadline=None)
    @given(data=st.data())
    def test_layouts_change_no_number(self, primitives, data):
        rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
        programs = ProgramCache(primitives, BufferPool())
        x_shape = data.draw(st.tuples(*(st.integers(1, limit) for limit in (4, 20, 9, 8))))
        window = tuple(data.draw(st.integers(1, size)) for size in x_shape[2:])
        spec = Conv2DSpec(
            data.draw(st.tuples(st.integers(1, 4), st.integers(1, 4))),
            data.draw(st.tuples(*[st.tuples(st.integers(0, 3), st.integers(0, 3))] * 2)),
            data.draw(st.booleans()),
        )
        w_shape = (data.draw(st.integers(1, 20)), x_shape[1], *window)
        kernel = OneDNNConv2D(spec, programs, PortableKernels().conv2d(spec))
        portable = PortableKernels().conv2d(spec)
        x, w = integers(rng, x_shape), integers(rng, w_shape)
        gy = integers(rng, spec.output_shape(x_shape, w_shape))
        for layout in (np.ascontiguousarray, channels_last, scattered):
            mine, of_mine = layout(x), layout(gy)
            np.testing.assert_array_equal(kernel.forward(mine, w), portable.forward(x, w))
            np.testing.assert_array_equal(
                kernel.grad_input(x_shape, w, of_mine), portable.grad_input(x_shape, w, gy)
            )
            np.testing.assert_array_equal(
                kernel.grad_weights(mine, w_shape, of_mine), portable.grad_weights(x, w_shape, gy)
            )

    @pytest.mark.parametrize("stride", [40_000, 2**40])
    def test_absurd_numbers_are_left_to_the_portable_kernels(self, programs, stride):
        """oneDNN would compute with them in 32 bits."""
        x, w = np.ones((2, 3, 5, 7), "float32"), np.ones((4, 3, 2, 2), "float32")
        spec = Conv2DSpec((stride, 1))
        y = OneDNNConv2D(spec, programs, PortableKernels().conv2d(spec)).forward(x, w)
        np.testing.assert_array_equal(y, np.full((2, 4, 1, 6), 12))
        spec = Pool2DSpec((2, 2), (stride, 2))
        pooled = OneDNNPool2D(spec, programs, PortableKernels().pool2d(spec)).forward(x)
        np.testing.assert_array_equal(pooled, np.ones((2, 3, 1, 3)))


class TestLibrary:
    @pytest.fixture
    def path(self, primitives):
        return primitives.library.path

    def test_unknown_version_is_refused(self, path, monkeypatch):
        monkeypatch.setattr(library, "KNOWN_MINORS", range(90, 93))
        with pytest.raises(EngineError, match=r"version 3\.\d+\.\d+; known are 3\.90 to 3\.92"):
            library.Library(path)
        monkeypatch.undo()
        monkeypatch.setattr(library, "KNOWN_MAJOR", 4)
        with pytest.raises(EngineError, match="engine='portable'"):
            library.Library(path)

    def test_other_numbers_are_refused(self, path, monkeypatch):
        wrong = (("dnnl_alg_kind2str", 0x20, "eltwise_tanh"),)
        monkeypatch.setattr(declarations, "NAMED_NUMBERS", wrong)
        with pytest.raises(EngineError, match="0x20 'eltwise_relu' instead of 'eltwise_tanh'"):
            library.Library(path)

    def test_other_threading_is_refused(self, path, monkeypatch):
        monkeypatch.setattr(declarations, "RUNTIME_OMP", 4)
        with pytest.raises(EngineError, match="not built for OpenMP"):
            library.Library(path)

    @pytest.mark.parametrize("name", ["/nowhere/libdnnl.so.3", "libm.so.6"])
    def test_unusable_file_is_named(self, primitives, name):
        with pytest.raises(EngineError, match=f"could not be loaded from '{name}'"):
            library.Library(name)

    def test_environment_chooses_the_file(self, primitives, monkeypatch):
        monkeypatch.setenv(library.LIBRARY_VARIABLE, "/nowhere/libdnnl.so.3")
        assert list(library._places()) == ["/nowhere/libdnnl.so.3"]

    def test_failures_name_what_failed(self, primitives):
        with pytest.raises(EngineError, match="while trying: invalid_arguments"):
            primitives.library.check(2, "trying")

    def test_failing_execution_is_named(self, primitives, pool):
        with threads.openmp_threads(1):
            program = Program(primitives, pool, 1)
            x = program.external("x", primitives.strided((2, 3)))
            y = program.external("y", primitives.strided((2, 3)))
            # Without its result: refused when executed.
            program.run(primitives.softmax(x.desc, False), {Arg.SRC: x})
            program.finish()
        array = np.ones((2, 3), "float32")
        with pytest.raises(EngineError, match=r"executing the softmax of \(2, 3\)"):
            program.execute({"x": array, "y": array})
        assert y.desc == x.desc


class TestParts:
    def test_storages_in_use_together_do_not_overlap(self, rng):
        storages = []
        for _ in range(60):
            storage = Storage("temporary", int(rng.integers(1, 5000)))
            storage.first_step, storage.last_step = sorted(rng.integers(0, 20, 2).tolist())
            storages.append(storage)
        total = place(storages)
        for one in storages:
            assert one.offset % 64 == 0
            assert one.offset + one.size <= total
            for other in storages:
                together = one.first_step <= other.last_step and other.first_step <= one.last_step
                apart = (
                    one.offset + one.size <= other.offset or other.offset + other.size <= one.offset
                )
                assert one is other or apart or not together
        assert total < sum(storage.size for storage in storages)

    def test_pool_lends_again_and_keeps_a_bound(self):
        pool = BufferPool(idle_bytes=300_000)
        buffer = pool.lend(100_000)
        assert buffer.address % 64 == 0
        pool.take_back(buffer)
        assert pool.lend(90_000) is buffer
        assert pool.lend(90_000) is not buffer
        for size in (100_000, 200_000, 250_000):
            pool.take_back(pool.lend(size))
        assert pool.idle_bytes <= 300_000
        pool.clear()
        assert pool.idle_bytes == 0

    def test_small_requests_do_not_take_large_buffers(self):
        pool = BufferPool()
        large = pool.lend(10_000_000)
        pool.take_back(large)
        assert pool.lend(70_000) is not large

    def test_requests_that_grow_by_and_by_share_buffers(self):
        pool, lent = BufferPool(), set()
        for size in range(1_000_000, 1_200_000, 1000):
            buffer = pool.lend(size)
            assert size <= buffer.size <= size * 9 / 8
            lent.add(buffer)
            pool.take_back(buffer)
        assert len(lent) <= 3

    def test_cache_keeps_what_was_used_last(self):
        cache = LRUCache(2)
        for key in "abac":
            assert cache.get(key, lambda key=key: key.upper()) == key.upper()
        assert cache.get("a", lambda: "made again") == "A"
        assert cache.get("b", lambda: "made again") == "made again"
        assert len(cache) == 2

    def test_cache_gives_all_threads_the_same_entry(self):
        cache = LRUCache(3)
        with ThreadPoolExecutor(8) as executor:
            made = list(executor.map(lambda _: cache.get("key", object), range(64)))
        assert len(set(map(id, made))) == 1
