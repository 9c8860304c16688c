"""The engine that JAX compiles: the same numbers, on JAX's CPU."""

from __future__ import annotations

import re

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from pytensor.gradient import grad
from pytensor.graph.rewriting.utils import rewrite_graph

from convnet_features import ConvNetClassifier, ConvNetFeatureExtractor, ConvNetRegressor
from convnet_features.compilation import compile_program
from convnet_features.compilation.linker import compilation_rewriter
from convnet_features.exceptions import EngineError
from convnet_features.kernels.contract import (
    Conv2DSpec,
    ConvStage,
    DenseStage,
    MaskStage,
    NormStage,
    Pool2DSpec,
    Stage,
    StageGraph,
)
from convnet_features.kernels.registry import get_kernels
from convnet_features.layers import batch_norm
from convnet_features.network.functions import clear_programs
from convnet_features.ops import categorical_crossentropy, conv2d, log_softmax, pool2d, softmax
from convnet_features.ops.random import bernoulli, normal, uniform
from convnet_features.ops.stages import Stages
from convnet_features.theano_facade import theano_scope

from ..fresh_import import after_importing
from ..helpers import assert_close
from ..kernels import test_graph as graphs
from ..onnx.networks import NETWORKS

jax = pytest.importorskip("jax")
pytestmark = pytest.mark.jax

SMALL = {
    "conv2d1_num_filters": 4,
    "conv2d2_num_filters": 4,
    "dense_num_units": 8,
    "random_state": 0,
}
WITHOUT_NOISE = {"dropout1_p": 0.0, "dropout2_p": 0.0}


@pytest.fixture(scope="module")
def digits():
    from sklearn.datasets import load_digits

    X, y = load_digits(return_X_y=True)
    return X[:300], y[:300]


@pytest.fixture
def assert_same(rng):
    """JAX and the portable kernels compute the same from a graph, and the same gradients."""

    def check(build, *shapes, labels=None, fuse=True):
        values = [rng.normal(size=shape).astype(np.float32) for shape in shapes]
        with theano_scope():
            inputs = [pt.tensor(dtype="float32", shape=(None, *shape[1:])) for shape in shapes]
            given = [] if labels is None else [pt.ivector()]
            output = build(*inputs, *given)
            weights = rng.normal(size=()).astype(np.float32) + pt.arange(1, dtype="float32")
            total = (output * output.sum() * weights.sum()).sum()
            (output, total) = rewrite_graph(
                [output, total], include=(), custom_rewrite=compilation_rewriter(fuse), clone=True
            )
            outputs = [output, *grad(total, inputs)]
            everything = [*values, *([] if labels is None else [labels])]
            ours, theirs = (
                compile_program([*inputs, *given], outputs, get_kernels(name), fuse=fuse)(
                    *everything
                )
                for name in ("portable", "jax")
            )
        for expected, actual in zip(ours, theirs, strict=True):
            assert isinstance(actual, np.ndarray)
            np.testing.assert_array_equal(actual.dtype, expected.dtype)
            scale = max(1e-3, np.abs(expected).max())
            np.testing.assert_allclose(actual / scale, expected / scale, atol=5e-5)

    return check


@pytest.mark.parametrize("fuse", [False, True])
@pytest.mark.parametrize("flip", [False, True])
def test_convolution(assert_same, flip, fuse):
    assert_same(
        lambda x, w: conv2d(x, w, stride=(2, 1), padding=((1, 0), (2, 3)), flip_filters=flip),
        (2, 3, 7, 11),
        (4, 3, 3, 2),
        fuse=fuse,
    )


@pytest.mark.parametrize("fuse", [False, True])
@pytest.mark.parametrize("options", [{"groups": 2}, {"dilation": (2, 3)}])
def test_groups_and_dilation(assert_same, options, fuse):
    assert_same(
        lambda x, w: conv2d(x, w, stride=(2, 1), padding=((1, 0), (2, 3)), **options),
        (2, 2 * options.get("groups", 1), 9, 12),
        (4, 2, 3, 2),
        fuse=fuse,
    )


POOLINGS = [
    {"window": (2, 3)},
    {"window": (3, 3), "stride": (2, 2), "padding": (1, 2)},
    {"window": (2, 3), "ignore_border": False},
    {"window": (2, 2), "stride": (4, 3), "ignore_border": False},
]


@pytest.mark.parametrize("case", range(len(POOLINGS)))
def test_the_way_back_from_unpooling(assert_same, case):
    """As training an `InverseLayer` needs: the gradient of what a maximum's gradient makes."""

    def unpooled(x):
        return grad((pool2d(x, **POOLINGS[case]) ** 2).sum(), x)

    assert_same(unpooled, (2, 3, 7, 11), fuse=False)


@pytest.mark.parametrize("mode", ["max", "sum", "average_inc_pad", "average_exc_pad"])
@pytest.mark.parametrize("case", range(len(POOLINGS)))
def test_pooling(assert_same, case, mode):
    assert_same(lambda x: pool2d(x, mode=mode, **POOLINGS[case]), (2, 3, 7, 11), fuse=False)


def test_a_maximum_that_occurs_twice_is_the_first():
    from convnet_features.compilation.jax.images import gradients_of, pool

    spec = Pool2DSpec((2, 2), (2, 2))
    (gx,) = gradients_of(
        lambda x: pool(spec, x), [jax.numpy.ones((1, 1, 2, 4))], jax.numpy.ones((1, 1, 1, 2))
    )
    np.testing.assert_array_equal(gx[0, 0], [[1, 0, 1, 0], [0, 0, 0, 0]])


def test_stack(assert_same):
    def network(x, w, b, v, c):
        maps = pool2d(conv2d(x, w) + b[0].dimshuffle("x", 0, "x", "x"), window=(2, 2))
        rectified = 0.5 * (maps + abs(maps))
        return pt.tanh(pt.dot(rectified.flatten(2), v) + c[0].dimshuffle("x", 0))

    assert_same(network, (2, 3, 8, 10), (4, 3, 3, 3), (1, 4), (4 * 3 * 4, 5), (1, 5))


def test_every_kind_of_stage_is_known():
    from convnet_features.compilation.jax.images import STAGES
    from convnet_features.kernels import contract

    kinds = {
        each
        for each in vars(contract).values()
        if isinstance(each, type) and issubclass(each, Stage) and each is not Stage
    }
    assert set(STAGES) == kinds


def test_a_stack_with_a_mask():
    stages = (DenseStage(True, "tanh"), MaskStage(), DenseStage(False))
    rng = np.random.default_rng(0)
    shapes = ((3, 7), (7, 5), (5,), (3, 5), (5, 2))
    arrays = [rng.standard_normal(shape).astype("float32") for shape in shapes]
    symbols = [pt.tensor(dtype="float32", shape=shape) for shape in shapes]
    y = Stages(StageGraph.chain(stages))(*symbols)[0]
    outputs = [y, *grad(pt.sum(pt.sin(y)), [*symbols[:3], symbols[4]])]
    one, other = (
        compile_program(symbols, outputs, get_kernels(engine))(*arrays)
        for engine in ("jax", "portable")
    )
    for quick, plain in zip(one, other, strict=True):
        assert_close(quick, plain, "float32")


@pytest.mark.parametrize(
    "case", ["squeeze and excitation of odd channels", "sums of one number a channel or a pixel"]
)
def test_joins_of_several_sizes(case, rng):
    from convnet_features.compilation.jax.images import run_graph

    xs, params = graphs.arguments(case, rng, "float32")
    (y,), _ = run_graph(graphs.GRAPHS[case][0], xs, params)
    (right,) = graphs.expected(case, xs, params)
    assert_close(np.asarray(y), right, "float32")


def test_a_stack_with_normalisations():
    stages = (ConvStage(Conv2DSpec(), False), NormStage(1e-3, "rectify"), DenseStage(False))
    stages = (*stages, NormStage(1e-4, "tanh"))
    rng = np.random.default_rng(0)
    shapes = ((3, 2, 5, 6), (4, 2, 2, 3), (4,), (4,), (4 * 4 * 4, 5), (5,), (5,))
    arrays = [rng.standard_normal(shape).astype("float32") for shape in shapes]
    symbols = [pt.tensor(dtype="float32", shape=shape) for shape in shapes]
    y, _, *statistics = Stages(StageGraph.chain(stages))(*symbols)
    outputs = [y, *statistics, *grad(pt.sum(pt.sin(y)), symbols)]
    one, other = (
        compile_program(symbols, outputs, get_kernels(engine))(*arrays)
        for engine in ("jax", "portable")
    )
    for quick, plain in zip(one, other, strict=True):
        assert_close(quick, plain, "float32")


@pytest.mark.parametrize("function", [softmax, log_softmax])
def test_softmax(assert_same, function):
    assert_same(function, (4, 5))


@pytest.mark.parametrize("fuse", [False, True])
def test_crossentropy(assert_same, fuse):
    labels = np.array([0, 4, 2, 2], dtype=np.int32)
    assert_same(
        lambda x, y: categorical_crossentropy(softmax(x), y), (4, 5), labels=labels, fuse=fuse
    )


@pytest.mark.parametrize("fuse", [False, True])
@pytest.mark.parametrize(("asked", "expected"), [(None, "HIGHEST"), ("bfloat16", "DEFAULT")])
def test_products_are_of_float32_unless_asked_otherwise(asked, expected, fuse):
    """Where JAX's default has fewer bits: on recent GPUs and on TPUs."""
    with theano_scope():
        x, w = (pt.tensor(dtype="float32", shape=(None, 2, 5, 5)) for _ in range(2))
        v = pt.matrix(dtype="float32")
        output = pt.dot(conv2d(x, w[:, :, :3, :3]).flatten(2), v)
        outputs = [output, *grad(output.sum(), [x, w, v])]
        program = compile_program([x, w, v], outputs, get_kernels("jax"), fuse=fuse)
    values = [np.ones(shape, np.float32) for shape in ((2, 2, 5, 5), (3, 2, 5, 5), (27, 4))]
    with jax.default_matmul_precision(asked):
        text = str(jax.make_jaxpr(program.traceable)(*values))
    assert text.count("conv_general_dilated[") >= 3
    assert text.count("dot_general[") >= 3
    assert set(re.findall(r"Precision\.(\w+)", text)) == {expected}


@pytest.mark.parametrize(
    ("draw", "mean", "std"),
    [
        (lambda rng, shape: bernoulli(rng, shape, 0.3), 0.3, 0.458),
        (lambda rng, shape: uniform(rng, shape, -1.0, 3.0), 1.0, 1.155),
        (lambda rng, shape: normal(rng, shape, 2.0, 0.5), 2.0, 0.5),
    ],
    ids=["bernoulli", "uniform", "normal"],
)
def test_draws(draw, mean, std):
    rng = pytensor.shared(np.random.default_rng(0))
    x = pt.matrix(dtype="float32")
    program = compile_program([x, rng], [draw(rng, x.shape)[1]], get_kernels("jax"))
    X = np.empty((200, 300), np.float32)
    generator = np.random.default_rng(5)
    (first,), (second,) = program(X, generator), program(X, generator)
    assert first.dtype == np.float32
    assert first.shape == (200, 300)
    assert abs(first.mean() - mean) < 0.02
    assert abs(first.std() - std) < 0.02
    # The caller's generator decides, and moves on.
    assert (first != second).any()
    np.testing.assert_array_equal(program(X, np.random.default_rng(5))[0], first)


@pytest.mark.parametrize(
    "name",
    # Each is compiled, which takes JAX a while: every eighth by default.
    [
        pytest.param(name, marks=[pytest.mark.slow] if position % 8 else [])
        for position, name in enumerate(NETWORKS)
    ],
)
def test_layers(name, rng):
    from convnet_features.network.spec import parse_layers
    from convnet_features.onnx.loading import pretrained_extractor

    pytest.importorskip("onnx")
    X = rng.normal(size=(3, 2, 9, 11)).astype(np.float32)
    specs = parse_layers(NETWORKS[name])
    expected, actual = (
        pretrained_extractor(specs, (2, 9, 11), 0.5, specs[-1].name, engine).transform(X)
        for engine in ("portable", "jax")
    )
    assert_close(actual, expected, "float32")


@pytest.mark.parametrize(
    "update", ["nesterov_momentum", pytest.param("adam", marks=pytest.mark.slow)]
)
def test_training(digits, update):
    X, y = digits
    params = {"update": update, "max_epochs": 2, **SMALL, **WITHOUT_NOISE}
    expected, actual = (
        ConvNetClassifier(engine=engine, **params).fit(X, y) for engine in ("portable", "jax")
    )
    for key in ("train_loss", "valid_loss"):
        np.testing.assert_allclose(
            actual.history_.column(key), expected.history_.column(key), rtol=2e-3
        )
    np.testing.assert_allclose(actual.transform(X), expected.transform(X), atol=2e-2)
    assert (actual.predict(X) == expected.predict(X)).mean() > 0.98


@pytest.mark.slow
def test_penalties_weights_and_a_norm(digits):
    X, y = digits
    params = {"l1": 1e-4, "l2": 1e-3, "max_epochs": 1, **SMALL, **WITHOUT_NOISE}
    weights = np.linspace(0.5, 2, len(X))
    expected, actual = (
        ConvNetRegressor(engine=engine, **params).fit(X, y / 3, sample_weight=weights)
        for engine in ("portable", "jax")
    )
    np.testing.assert_allclose(actual.loss_, expected.loss_, rtol=1e-3)


@pytest.mark.slow
def test_batch_normalisation(digits):
    from lasagne.layers import Conv2DLayer, DenseLayer

    def layers(incoming, n_outputs):
        maps = batch_norm(Conv2DLayer(incoming, 4, 3, name="conv"))
        return DenseLayer(maps, n_outputs, nonlinearity=None, name="dense")

    X, y = digits
    expected, actual = (
        ConvNetRegressor(layers, max_epochs=2, random_state=0, engine=engine).fit(X, y * 1.0)
        for engine in ("portable", "jax")
    )
    np.testing.assert_allclose(actual.predict(X), expected.predict(X), atol=0.05)
    for name, value in expected._model.named_values.items():
        np.testing.assert_allclose(actual._model.named_values[name], value, atol=5e-3)


@pytest.mark.slow
def test_dropout_is_decided_by_the_seed(digits):
    X, y = digits
    first, again, other = (
        ConvNetFeatureExtractor(max_epochs=1, engine="jax", **{**SMALL, "random_state": seed})
        .fit(X, y)
        .transform(X)
        for seed in (3, 3, 4)
    )
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 1e-3


@pytest.mark.slow
def test_layer_function(digits):
    X, y = digits
    extractor = ConvNetFeatureExtractor(max_epochs=1, engine="jax", **SMALL).fit(X, y)
    images = X[:5].reshape(5, 1, 8, 8)
    assert_close(extractor.layer_function("dense")(images), extractor.transform(X[:5]), "float32")


@pytest.mark.slow
def test_pickles_go_to_other_engines(digits):
    import pickle

    X, y = digits
    extractor = ConvNetFeatureExtractor(max_epochs=1, engine="jax", **SMALL).fit(X, y)
    again = pickle.loads(pickle.dumps(extractor))
    assert_close(again.transform(X), extractor.transform(X), "float32")


def test_without_jax(monkeypatch, digits):
    from convnet_features.kernels import jax as kernels
    from convnet_features.kernels import registry

    monkeypatch.setattr(kernels, "find_spec", lambda name: None)
    monkeypatch.delitem(registry._kernels, "jax", raising=False)
    with pytest.raises(EngineError, match=r"not installed; pip install convnet-features\[jax\]"):
        ConvNetClassifier(engine="jax").fit(*digits)


def test_jax_is_imported_only_when_used():
    assert "jax" not in after_importing()[0]
    clear_programs()


def test_training_steps_stay_on_the_device(digits, monkeypatch):
    """Parameters go there once an epoch, and come back once, however many batches there are."""
    from convnet_features.training.jax_step import JaxStep

    counts = {"load": 0, "fetch": 0, "__call__": 0}

    def counted(name):
        original = getattr(JaxStep, name)

        def method(self, *args):
            counts[name] += 1
            return original(self, *args)

        monkeypatch.setattr(JaxStep, name, method)

    for name in counts:
        counted(name)
    X, y = digits
    ConvNetClassifier(max_epochs=2, batch_size=50, engine="jax", **SMALL).fit(X, y)
    assert counts == {"load": 2, "fetch": 2, "__call__": 2 * 5}


@pytest.mark.slow
def test_an_architecture_is_compiled_once(digits, caplog):
    """Other seeds and learning rates are other values, not other programs."""

    def compiled(**params):
        caplog.clear()
        with jax.log_compiles():
            estimator = ConvNetClassifier(max_epochs=1, engine="jax", **{**SMALL, **params})
            estimator.fit(*digits).transform(digits[0])
        return [each.message for each in caplog.records if "XLA compilation" in each.message]

    clear_programs()
    assert any("step" in message for message in compiled())
    assert not compiled(random_state=1, update_learning_rate=0.1)
    assert compiled(conv2d1_num_filters=5)


@pytest.fixture
def gpu():
    try:
        return jax.devices("gpu")[0]
    except RuntimeError:
        pytest.skip("JAX finds no GPU")


@pytest.mark.slow
def test_on_a_gpu(gpu, digits, monkeypatch):
    """Training steps compute there, with parameters that stay there, and the same numbers."""
    from convnet_features.training.jax_step import JaxStep

    devices = set()
    original = JaxStep.__call__

    def watched(self, *args):
        loss = original(self, *args)
        theta, state = self._device
        devices.update(*(array.devices() for array in (theta, *state)))
        return loss

    monkeypatch.setattr(JaxStep, "__call__", watched)
    X, y = digits
    params = {"max_epochs": 2, **SMALL, **WITHOUT_NOISE}
    expected, actual = (
        ConvNetClassifier(engine=engine, **params).fit(X, y) for engine in ("portable", "jax")
    )
    assert devices == {gpu}
    np.testing.assert_allclose(actual.transform(X), expected.transform(X), atol=2e-2)
    actual._model.theta[...] = expected._model.theta
    np.testing.assert_allclose(actual.transform(X), expected.transform(X), rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_callbacks_see_the_parameters_of_each_batch(digits):
    from convnet_features.training.callbacks import Callback

    class Watch(Callback):
        def on_training_begin(self, trainer):
            self.seen = []

        def on_batch_end(self, trainer, loss):
            self.seen.append(trainer.theta.copy())
            trainer.theta[-1] = 7.0

    X, y = digits
    watch = Watch()
    extractor = ConvNetClassifier(
        max_epochs=1, batch_size=80, engine="jax", callbacks=[watch], **SMALL
    ).fit(X, y)
    assert len(watch.seen) == 3
    assert all((a != b).any() for a, b in zip(watch.seen, watch.seen[1:], strict=False))
    # What a callback changes is what the next batch begins with.
    assert abs(watch.seen[-1][-1] - 7.0) < 1.0
    assert extractor._model.theta[-1] == 7.0


@pytest.mark.slow
def test_divergence_is_reported_and_undone(digits):
    from convnet_features.exceptions import DivergenceError

    X, y = digits
    classifier = ConvNetClassifier(
        max_epochs=3, engine="jax", update_learning_rate=1e30, **SMALL, **WITHOUT_NOISE
    )
    with pytest.raises(DivergenceError, match="training diverged"):
        classifier.fit(X, y)
    assert not hasattr(classifier, "classes_")


@pytest.mark.slow
def test_partial_fit_goes_on(digits):
    X, y = digits
    params = {**SMALL, **WITHOUT_NOISE, "update": "adam", "shuffle": False}
    expected, actual = (
        ConvNetClassifier(engine=engine, **params).partial_fit(X, y).partial_fit(X, y)
        for engine in ("portable", "jax")
    )
    np.testing.assert_allclose(
        actual.history_.column("train_loss"), expected.history_.column("train_loss"), rtol=1e-3
    )
