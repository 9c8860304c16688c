"""Batch normalisation against NumPy, on its own and in training."""

from __future__ import annotations

import pickle
import re

import numpy as np
import pytest
from sklearn.datasets import load_digits

from convnet_features import ConvNetClassifier
from convnet_features.compilation import compile_program
from convnet_features.kernels.portable import normalisation
from convnet_features.kernels.registry import available_engines, get_kernels
from convnet_features.layers import BatchNormLayer, batch_norm
from convnet_features.ops.batch_norm import (
    BatchNorm,
    ChannelAffine,
    batch_normalisation,
    channel_affine,
)
from convnet_features.ops.stages import Stages
from convnet_features.theano_facade import theano_scope

from ..helpers import assert_close, assert_derivative, scattered

EPSILON = 1e-4


def reference(x, gamma, beta):
    """(y, mean, inv_std) by the definition, in double precision."""
    x = np.float64(x)
    axes = (0, *range(2, x.ndim))
    mean, variance = x.mean(axis=axes), x.var(axis=axes)
    inv_std = 1 / np.sqrt(variance + EPSILON)
    spread = (slice(None), *(None,) * (x.ndim - 2))
    y = (x - mean[spread]) * (gamma * inv_std)[spread] + np.float64(beta)[spread]
    return y, mean, inv_std


@pytest.fixture(params=[(2, 3, 7, 11), (13, 5)], ids=["images", "units"])
def inputs(request, rng):
    shape = request.param
    return rng.normal(3, 2, shape), rng.uniform(0.5, 2, shape[1]), rng.normal(size=shape[1])


class TestKernels:
    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    @pytest.mark.parametrize("rectify", [False, True])
    def test_forward(self, inputs, dtype, rectify):
        x, gamma, beta = (value.astype(dtype) for value in inputs)
        y, mean, inv_std = reference(x, gamma, beta)
        found = normalisation.normalise(scattered(x), gamma, beta, EPSILON, rectify)
        assert_close(found[0], np.maximum(y, 0) if rectify else y, dtype)
        assert_close(found[1], mean, dtype)
        assert_close(found[2], inv_std, dtype)

    @pytest.mark.parametrize("rectify", [False, True])
    def test_gradients(self, inputs, rng, rectify):
        x, gamma, beta = inputs
        weights = rng.normal(size=x.shape)

        def loss(x, gamma, beta):
            y = reference(x, gamma, beta)[0]
            return float((weights * (np.maximum(y, 0) if rectify else y)).sum())

        y, mean, inv_std = normalisation.normalise(x, gamma, beta, EPSILON, rectify)
        gradients = normalisation.normalise_gradient(x, gamma, mean, inv_std, y, weights, rectify)
        assert_derivative(loss, [x, gamma, beta], gradients, rng)

    def test_many_blocks_and_threads_give_the_same(self, rng, monkeypatch):
        x = rng.normal(5, 1, (9, 4, 20, 21)).astype(np.float32)
        gamma, beta = np.ones(4, np.float32), np.zeros(4, np.float32)
        gy = rng.normal(size=x.shape).astype(np.float32)
        expected = reference(x, gamma, beta)
        monkeypatch.setattr(normalisation, "BLOCK", 96)
        monkeypatch.setattr(normalisation, "MIN_PARALLEL", 1)
        y, mean, inv_std = normalisation.normalise(x, gamma, beta, EPSILON, False)
        assert_close(y, expected[0], "float32")
        first = normalisation.normalise_gradient(x, gamma, mean, inv_std, y, gy, False)
        again = normalisation.normalise_gradient(x, gamma, mean, inv_std, y, gy, False)
        for one, other in zip(first, again, strict=True):
            np.testing.assert_array_equal(one, other)

    def test_a_large_mean_does_not_drown_the_variance(self, rng):
        x = (1000 + rng.normal(size=(64, 2, 12, 12))).astype(np.float32)
        expected = reference(x, np.ones(2), np.zeros(2))
        found = normalisation.normalise(
            x, np.ones(2, np.float32), np.zeros(2, np.float32), EPSILON, False
        )
        np.testing.assert_allclose(found[2], expected[2], rtol=1e-3)


class TestOps:
    def compiled(self, make, fuse, *values):
        from pytensor.tensor import tensor

        with theano_scope():
            variables = [tensor(dtype="float32", shape=(None, *v.shape[1:])) for v in values]
            outputs = make(*variables)
            return compile_program(variables, outputs, get_kernels("portable"), fuse=fuse)

    @pytest.mark.parametrize("fuse", [True, False])
    def test_a_rectifier_is_fused_with_its_values(self, rng, fuse):
        from lasagne.nonlinearities import rectify
        from pytensor.gradient import grad

        x = rng.normal(size=(4, 3, 5, 6)).astype(np.float32)
        gamma = rng.uniform(1, 2, 3).astype(np.float32)
        beta = rng.normal(size=3).astype(np.float32)

        def outputs(x, gamma, beta):
            from pytensor.graph.rewriting.utils import rewrite_graph

            from convnet_features.compilation.linker import compilation_rewriter

            y, mean, inv_std = batch_normalisation(x, gamma, beta, EPSILON)
            loss = (rectify(y) ** 2).sum() + 0 * (mean.sum() + inv_std.sum())
            loss = rewrite_graph(
                loss, include=(), custom_rewrite=compilation_rewriter(fuse), clone=False
            )
            return [loss, *grad(loss, [x, gamma, beta])]

        program = self.compiled(outputs, fuse, x, gamma, beta)
        y = np.maximum(reference(x, gamma, beta)[0], 0)
        found = program(x, gamma, beta)
        np.testing.assert_allclose(found[0], (y**2).sum(), rtol=1e-5)
        stats = normalisation.normalise(x, gamma, beta, EPSILON, True)
        expected = normalisation.normalise_gradient(
            x, gamma, stats[1], stats[2], stats[0], 2 * stats[0], True
        )
        for one, other in zip(found[1:], expected, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-3, atol=2e-4)
        assert program.source.count(" BatchNorm_") == 1
        assert ("Abs" not in program.source) is fuse

    def test_affine(self, rng):
        from pytensor.gradient import grad

        x = rng.normal(size=(4, 3, 5, 6))
        scale, shift = rng.normal(size=3), rng.normal(size=3)

        def make(x, scale, shift):
            y = channel_affine(x, scale, shift)
            return [y, *grad((y**2).sum(), [x, scale, shift])]

        values = [value.astype(np.float32) for value in (x, scale, shift)]
        y, *gradients = self.compiled(make, True, *values)(*values)
        assert_close(y, x * scale[:, None, None] + shift[:, None, None], "float32")

        def loss(x, scale, shift):
            return float(((x * scale[:, None, None] + shift[:, None, None]) ** 2).sum())

        for array, gradient in zip((x, scale, shift), gradients, strict=True):
            assert gradient.shape == array.shape
        direction = rng.normal(size=3)
        step = 1e-5
        along = (loss(x, scale + step * direction, shift) - loss(x, scale, shift)) / step
        np.testing.assert_allclose(np.sum(gradients[1] * direction), along, rtol=1e-2)

    def test_wrong_dimensions_and_dtypes(self):
        from pytensor.tensor import dvector, fmatrix, ftensor3, fvector

        with pytest.raises(TypeError, match="expected a matrix or images, and vectors"):
            BatchNorm(EPSILON)(ftensor3(), fvector(), fvector())
        with pytest.raises(TypeError, match="all inputs must have one dtype; got float32, float64"):
            ChannelAffine()(fmatrix(), dvector(), fvector())


def network(images, n_outputs):
    from lasagne.layers import Conv2DLayer, DenseLayer, MaxPool2DLayer
    from lasagne.nonlinearities import softmax

    layer = batch_norm(Conv2DLayer(images, 6, 3, name="conv"))
    layer = MaxPool2DLayer(layer, 2, name="pool")
    layer = batch_norm(DenseLayer(layer, 20, name="dense"))
    return DenseLayer(layer, n_outputs, nonlinearity=softmax, name="output")


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return X[:300] / 16, y[:300]


def make_net(**params):
    defaults = {"feature_layer": "dense_bn_nonlin", "max_epochs": 4, "random_state": 0}
    return ConvNetClassifier(network, **(defaults | params))


@pytest.fixture(params=["portable", "onednn"])
def engine(request):
    if request.param not in available_engines():
        pytest.skip(f"{request.param} is not on this machine")
    return request.param


class TestLayer:
    def test_parameters(self):
        from lasagne.layers import InputLayer, get_all_params

        layer = BatchNormLayer(InputLayer((None, 3, 4, 4)), name="bn")
        assert get_all_params(layer, trainable=True) == [layer.beta, layer.gamma]
        assert get_all_params(layer, regularizable=True) == [layer.gamma]
        assert get_all_params(layer, trainable=False) == [layer.mean, layer.inv_std]

    def test_without_beta_and_gamma(self, rng):
        import theano
        from lasagne.layers import InputLayer, get_output

        incoming = InputLayer((None, 3, 4, 4))
        layer = BatchNormLayer(incoming, beta=None, gamma=None, epsilon=EPSILON)
        x = rng.normal(2, 3, (5, 3, 4, 4)).astype(np.float32)
        y = theano.function([incoming.input_var], get_output(layer))(x)
        assert_close(y, reference(x, np.ones(3), np.zeros(3))[0], "float32")

    def test_running_averages_through_theano_function(self, rng):
        """As with later Lasagne: a compiled function of the training output moves them."""
        import theano
        from lasagne.layers import InputLayer, get_output

        incoming = InputLayer((None, 3, 4, 4))
        layer = BatchNormLayer(incoming, alpha=0.25, epsilon=EPSILON)
        train = theano.function([incoming.input_var], get_output(layer))
        infer = theano.function([incoming.input_var], get_output(layer, deterministic=True))
        mean, inv_std = np.zeros(3), np.ones(3)
        for _ in range(3):
            x = rng.normal(2, 3, (5, 3, 4, 4)).astype(np.float32)
            train(x)
            _, batch_mean, batch_inv_std = reference(x, np.ones(3), np.zeros(3))
            mean = 0.75 * mean + 0.25 * batch_mean
            inv_std = 0.75 * inv_std + 0.25 * batch_inv_std
        assert_close(layer.mean.get_value(), mean, "float32")
        assert_close(layer.inv_std.get_value(), inv_std, "float32")
        y = infer(x)
        assert_close(y, (x - mean[:, None, None]) * inv_std[:, None, None], "float32")
        np.testing.assert_array_equal(infer(x), y)  # inference moves nothing

    @pytest.mark.parametrize(
        ("shape", "axes", "expected"),
        [
            ((2, 3), 2, "axes=2: its input has the shape (2, 3); "),
            ((2, 3), "all", "axes='all': its input has the shape (2, 3); "),
            ((2, 3), (0, -3), "axes=(0, -3): its input has the shape (2, 3); "),
        ],
    )
    def test_axes_that_do_not_exist(self, shape, axes, expected):
        text = f"BatchNormLayer: {expected}axes must be 'auto', or integers from -2 to 1."
        with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
            BatchNormLayer(shape, axes=axes)

    @pytest.mark.parametrize(("shape", "axes", "axis"), [((2, None), "auto", 1), ((None, 2), 1, 0)])
    def test_axes_of_unknown_size(self, shape, axes, axis):
        text = (
            "BatchNormLayer needs specified input sizes for all axes that it does not normalise "
            f"over; its input has the shape {shape}. Give the input layer the size of axis {axis}, "
            f"or take axis {axis} into axes."
        )
        with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
            BatchNormLayer(shape, axes=axes)

    @pytest.mark.parametrize(
        ("shape", "axes"),
        [
            ((5, 3, 4, 2), (0, 2)),
            ((5, 3, 4, 2), 0),
            ((5, 3, 4, 2), (0, 1, -1)),
            ((5, 3, 4, 2), (0, 2, 3)),
            ((5, 3, 4), "auto"),
            ((5, 3), "auto"),
            ((5, 3), (0, 1)),
            ((5, 3, 4, 2, 3), "auto"),
        ],
    )
    def test_any_axes(self, rng, shape, axes):
        import theano
        import theano.tensor as T

        layer = BatchNormLayer(shape, axes=axes, alpha=0.25)
        over = (0, *range(2, len(shape))) if axes == "auto" else tuple(np.atleast_1d(axes))
        over = tuple(axis % len(shape) for axis in over)
        kept = tuple(size for axis, size in enumerate(shape) if axis not in over)
        gamma, beta = rng.uniform(1, 2, kept), rng.normal(size=kept)
        layer.gamma.set_value(gamma.astype(np.float32))
        layer.beta.set_value(beta.astype(np.float32))
        symbol = T.TensorType("float32", [False] * len(shape))()
        train = theano.function([symbol], layer.get_output_for(symbol))
        infer = theano.function([symbol], layer.get_output_for(symbol, deterministic=True))
        x = rng.normal(2, 3, shape).astype(np.float32)
        mean, var = np.float64(x).mean(over), np.float64(x).var(over)
        inv_std = 1 / np.sqrt(var + EPSILON)

        def by_hand(mean, inv_std):
            wide = [np.expand_dims(each, over) for each in (mean, inv_std, gamma, beta)]
            return (x - wide[0]) * wide[1] * wide[2] + wide[3]

        assert_close(train(x), by_hand(mean, inv_std), "float32")
        running = 0.25 * mean, 0.75 + 0.25 * inv_std
        assert_close(layer.mean.get_value(), running[0], "float32")
        assert_close(layer.inv_std.get_value(), running[1], "float32")
        assert_close(infer(x), by_hand(*running), "float32")
        assert_close(layer.mean.get_value(), running[0], "float32")

    @pytest.mark.parametrize("axes", ["auto", (0, 2)])
    @pytest.mark.parametrize("use", [None, False, True])
    @pytest.mark.parametrize("update", [None, False, True])
    @pytest.mark.parametrize("deterministic", [False, True])
    def test_averages_are_used_and_updated_as_get_output_says(
        self, rng, axes, use, update, deterministic
    ):
        import theano
        from lasagne.init import Constant
        from lasagne.layers import InputLayer, get_output

        incoming = InputLayer((5, 3, 4, 2))
        layer = BatchNormLayer(
            incoming, axes=axes, alpha=0.25, mean=Constant(1.5), inv_std=Constant(0.5)
        )
        output = get_output(
            layer,
            deterministic=deterministic,
            batch_norm_use_averages=use,
            batch_norm_update_averages=update,
        )
        x = rng.normal(2, 3, (5, 3, 4, 2)).astype(np.float32)
        y = theano.function([incoming.input_var], output)(x)
        over = (0, 2, 3) if axes == "auto" else axes
        mean = np.float64(x).mean(over, keepdims=True)
        inv_std = 1 / np.sqrt(np.float64(x).var(over, keepdims=True) + EPSILON)
        uses = deterministic if use is None else use
        updates = not deterministic if update is None else update
        expected = (x - 1.5) * 0.5 if uses else (x - mean) * inv_std
        assert_close(y, expected, "float32")
        moved = (0.75 * 1.5 + 0.25 * mean, 0.75 * 0.5 + 0.25 * inv_std)
        still = (np.full_like(mean, 1.5), np.full_like(mean, 0.5))
        for average, value in zip(
            (layer.mean, layer.inv_std), moved if updates else still, strict=True
        ):
            assert_close(average.get_value(), value.squeeze(over), "float32")

    def test_training_normalises_once(self):
        import theano
        from lasagne.layers import InputLayer, get_output

        incoming = InputLayer((5, 3, 4, 2))
        layer = BatchNormLayer(incoming)
        function = theano.function([incoming.input_var], get_output(layer))
        nodes = function.maker.fgraph.apply_nodes
        assert sum(isinstance(node.op, BatchNorm | Stages) for node in nodes) == 1

    def test_other_axes_have_no_onnx_form(self):
        from lasagne.layers import InputLayer

        pytest.importorskip("onnx")
        from convnet_features.exceptions import NetworkError
        from convnet_features.onnx.layers import _normalisation

        layer = BatchNormLayer(InputLayer((5, 3, 4, 2)), axes=(0, 2), name="norm")
        with pytest.raises(NetworkError) as error:
            _normalisation(None, layer, ["x"], "y")
        assert str(error.value) == (
            "to_onnx: layer 'norm' (BatchNormLayer, axes=(0, 2)) has no ONNX form."
        )

    def test_batch_norm_takes_the_place_of_bias_and_nonlinearity(self):
        from lasagne.layers import DenseLayer, InputLayer
        from lasagne.nonlinearities import identity, tanh

        dense = DenseLayer(InputLayer((None, 4)), 3, nonlinearity=tanh, name="d")
        layer = batch_norm(dense, alpha=0.5)
        assert layer.nonlinearity is tanh
        assert layer.input_layer.alpha == 0.5
        assert (dense.b, dense.nonlinearity) == (None, identity)
        assert [param.name for param in dense.get_params()] == ["d.W"]

    def test_batch_norm_of_a_linear_layer(self):
        from lasagne.layers import DenseLayer, InputLayer

        dense = DenseLayer(InputLayer((None, 4)), 3, nonlinearity=None, name="d")
        assert isinstance(batch_norm(dense), BatchNormLayer)


class TestInTraining:
    def test_learns(self, digits, engine):
        net = make_net(engine=engine, max_epochs=8).fit(*digits)
        assert net.score(*digits) > 0.9

    def test_averages_move_in_training_only(self, digits):
        net = make_net().fit(*digits)
        before = net._model.theta.copy()
        assert not np.array_equal(net.layers_["conv_bn"].mean.get_value(), np.zeros(6))
        net.transform(digits[0])
        net.score(*digits)
        np.testing.assert_array_equal(net._model.theta, before)

    def test_averages_are_those_of_the_batches(self, digits):
        """One batch without shuffling, learning rate 0: alpha times the batch's own mean."""
        X, y = digits
        net = make_net(
            update="sgd",
            update_learning_rate=0.0,
            max_epochs=1,
            batch_size=300,
            validation_fraction=None,
        ).fit(X, y)
        maps = net.get_output("conv", X)
        expected = 0.1 * maps.mean(axis=(0, 2, 3))
        np.testing.assert_allclose(
            net.layers_["conv_bn"].mean.get_value(), expected, rtol=1e-3, atol=1e-6
        )

    def test_ten_epochs_are_five_and_five_through_a_pickle(self, digits):
        whole = make_net().fit(*digits)
        half = make_net(max_epochs=2, warm_start=True).fit(*digits)
        again = pickle.loads(pickle.dumps(half)).fit(*digits)
        np.testing.assert_array_equal(again._model.theta, whole._model.theta)

    def test_saved_with_the_parameters(self, digits, tmp_path):
        net = make_net().fit(*digits)
        net.save_params(tmp_path / "p")
        other = make_net(random_state=1, max_epochs=1).fit(*digits)
        report = other.load_params(tmp_path / "p")
        assert {"conv_bn.mean", "conv_bn.inv_std", "dense_bn.gamma"} <= set(report.loaded)
        np.testing.assert_array_equal(other.predict_proba(digits[0]), net.predict_proba(digits[0]))

    def test_a_sample_alone_is_predicted_as_among_others(self, digits):
        net = make_net().fit(*digits)
        X = digits[0]
        np.testing.assert_allclose(
            net.predict_proba(X[:1]), net.predict_proba(X)[:1], rtol=1e-4, atol=1e-6
        )
