"""What runs for a network, as it is said to users."""

from __future__ import annotations

import re

import numpy as np
import pytest

from convnet_features import ConvNetClassifier, available_engines
from convnet_features.inspection import explain
from convnet_features.kernels.registry import get_kernels
from convnet_features.network.build import build_network
from convnet_features.network.explanation import ExplainedStep, Explanation
from convnet_features.network.functions import output_program
from convnet_features.network.presets import small_resnet
from convnet_features.network.spec import parse_layers

# After the package, which provides Lasagne's theano.
from lasagne import layers as L  # isort: skip
from lasagne.nonlinearities import rectify, softmax  # isort: skip

SMALL = [
    ("input", L.InputLayer),
    ("conv", L.Conv2DLayer, {"num_filters": 4, "filter_size": 3}),
    ("pool", L.MaxPool2DLayer, {"pool_size": 2}),
    ("drop", L.DropoutLayer),
    ("out", L.DenseLayer, {"num_units": 5, "nonlinearity": softmax}),
]
SEED = [
    ("input", L.InputLayer),
    ("conv1", L.Conv2DLayer, {"num_filters": 32, "filter_size": 5}),
    ("pool1", L.MaxPool2DLayer, {"pool_size": 2}),
    ("conv2", L.Conv2DLayer, {"num_filters": 32, "filter_size": 5}),
    ("pool2", L.MaxPool2DLayer, {"pool_size": 2}),
    ("dense", L.DenseLayer, {"num_units": 256}),
    ("output", L.DenseLayer, {"num_units": 10, "nonlinearity": softmax}),
]


def portable(training=False, **options):
    return explain(SMALL, (2, 8, 10), n_samples=7, engine="portable", training=training, **options)


def test_a_step_for_each_stage():
    steps = portable()
    assert [(step.layers, step.step, step.kernel) for step in steps] == [
        ("conv", "forward", "portable"),
        ("pool", "forward", "portable"),
        ("out", "forward", "portable"),
        ("out", "forward", "portable: Softmax"),
    ]
    conv, pool, dense, _ = steps
    assert (conv.input_shapes, conv.output_shape) == (((7, 2, 8, 10),), (7, 4, 6, 8))
    assert (pool.output_shape, dense.output_shape) == ((7, 4, 3, 4), (7, 5))
    assert conv.multiplications == 7 * 4 * 6 * 8 * 2 * 3 * 3
    assert dense.multiplications == 7 * 4 * 3 * 4 * 5
    assert pool.multiplications == 0
    assert conv.bytes == 4 * (7 * 2 * 8 * 10 + 4 * 2 * 3 * 3 + 4 + 7 * 4 * 6 * 8)
    assert {step.why for step in steps[:3]} == {
        "the portable engine computes with NumPy and its BLAS"
    }
    assert all(step.milliseconds is None for step in steps)


def test_training_has_dropout_and_gradients():
    steps = portable(training=True)
    forward = [step.layers for step in steps if step.step == "forward"]
    assert forward == ["conv", "pool", "drop", "out", "out"]
    assert [step.layers for step in steps if step.step == "gradient"] == [
        "out",
        "drop",
        "pool",
        "conv",
    ]


def test_times_if_asked():
    assert all(step.milliseconds > 0 for step in portable(training=True, time=True))


def test_only_what_a_layer_needs():
    assert [step.layers for step in portable(layers="pool")] == ["conv", "pool"]
    assert [step.layers for step in portable(layers=["conv", "pool"])] == ["conv", "pool"]


@pytest.mark.onednn
class TestOneDNN:
    @pytest.fixture(autouse=True)
    def there(self):
        if "onednn" not in available_engines():
            pytest.skip("oneDNN is not on this machine")

    def seed(self, **options):
        return explain(SEED, (1, 28, 28), engine="onednn", **options)

    def test_the_seed_network(self):
        if not get_kernels("onednn")._primitives.machine.generates:
            pytest.skip("no code is generated here")
        steps = self.seed(training=True)
        assert [(step.layers, step.step) for step in steps] == [
            ("conv1, pool1", "forward"),
            ("conv2, pool2", "forward"),
            ("dense", "forward"),
            ("output", "forward"),
            ("output", "forward"),
            ("output", "gradient"),
            ("dense", "gradient"),
            ("conv2, pool2", "gradient"),
            ("pool1", "gradient"),
            ("conv1", "gradient by filters"),
        ]
        first, second, *_ = steps
        assert first.kernel == "convolution and pooling in one pass"
        assert first.why.startswith("rather than Winograd: pixels stay in")
        assert second.why.startswith(
            "not convolution and pooling in one pass: it needs fewer channels than a vector "
            "holds; rather than oneDNN: fewer multiplications"
        )
        assert re.fullmatch(r"blocks of (8|16) channels|channels last", second.layout)
        assert second.multiplications == 128 * 32 * 8 * 8 * 32 * 5 * 5
        assert steps[7].kernel == "gradient at the positions of maxima"
        assert (steps[7].input_shapes, steps[7].output_shape) == (
            ((128, 32, 4, 4),),
            (128, 32, 12, 12),
        )
        assert steps[-1].output_shape == (32, 1, 5, 5)

    def test_one_image_is_left_to_oneDNN(self):
        steps = self.seed(n_samples=1)
        assert [step.layers for step in steps[:4]] == ["conv1", "pool1", "conv2", "pool2"]
        assert {step.kernel for step in steps[:6]} == {"oneDNN"}
        assert "it needs at least 20,000,000 multiplications" in steps[2].why

    def test_what_oneDNN_lacks(self):
        network = [
            ("input", L.InputLayer),
            ("conv", L.Conv2DLayer, {"num_filters": 4, "filter_size": 3}),
            ("pool", L.Pool2DLayer, {"pool_size": 2, "mode": "sum"}),
        ]
        steps = explain(network, (2, 8, 8), engine="onednn", training=True)
        assert {(step.kernel, step.why) for step in steps} == {
            ("portable", "oneDNN has no sum pooling")
        }

    @pytest.mark.parametrize("noise", [False, True])
    def test_images_that_nobody_learns_get_no_gradient(self, noise):
        """Not those with noise on them either: what is drawn is no parameter."""
        network = [
            ("input", L.InputLayer),
            *([("noise", L.GaussianNoiseLayer)] if noise else []),
            ("conv1", L.Conv2DLayer, {"num_filters": 4, "filter_size": 3}),
            ("conv2", L.Conv2DLayer, {"num_filters": 4, "filter_size": 3}),
        ]
        steps = explain(network, (2, 9, 9), n_samples=3, engine="onednn", training=True)
        assert [(step.layers, step.step) for step in steps if step.step != "forward"] == [
            ("conv2", "gradient by filters"),
            ("conv2", "gradient by images"),
            ("conv1", "gradient by filters"),
        ]

    def test_times(self):
        steps = self.seed(n_samples=8, training=True, time=True)
        assert all(step.milliseconds > 0 for step in steps)
        assert all(step.bytes > 0 for step in steps)

    def test_joins_and_folded_normalisation(self):
        steps = explain(small_resnet(), (3, 16, 16), n_outputs=5, n_samples=4, engine="onednn")
        names = [name for step in steps for name in step.layers.split(", ")]
        network = build_network(list(small_resnet()), (3, 16, 16), 5, "classes", 0)
        known = [name for name, layer in network.layers.items() if layer.get_params()]
        assert set(known) <= set(names) <= set(network.layers)
        # Normalisation is part of its convolution; what it makes of the filters is a step before.
        of_parameters = [step.layers for step in steps if step.step == "parameters"]
        how_often = {step.why.rpartition(", ")[2] for step in steps if step.step == "parameters"}
        assert how_often == {"once while they stay as they are"}
        assert sorted(of_parameters) == sorted(name for name in known if name.endswith("_bn"))
        # So are the sum with the other branch, and what follows that.
        joined = "block1_conv2, block1_conv2_bn, block1_sum, block1_rectify"
        assert joined in [step.layers for step in steps]

    def test_every_step_of_a_residual_training_program_belongs_to_layers(self):
        steps = explain(
            small_resnet(), (3, 16, 16), n_outputs=5, n_samples=4, engine="onednn", training=True
        )
        assert all(step.layers and "(" not in step.layers for step in steps)
        # Where oneDNN has only slow code for one of the stages, each has one gradient.
        first = next(step for step in steps if step.layers == "conv2d")
        slow = "oneDNN has only slow reference code for the batch normalisation"
        assert first.kernel == "oneDNN" or first.why.startswith(slow)
        gradient = "gradient by images" if first.kernel == "oneDNN" else "gradient"
        assert {step.step for step in steps} >= {"parameters", "forward", gradient}


def test_under_jax():
    pytest.importorskip("jax")
    steps = explain(SMALL, (2, 8, 10), n_samples=3, engine="jax", time=True)
    assert {(step.kernel, step.why, step.milliseconds) for step in steps} == {
        (
            "jax, whole program",
            "the engine compiles the whole program: what runs is its compiler's choice",
            None,
        )
    }


class Twice(L.Layer):
    def get_output_for(self, x, **kwargs):
        return x * 2 + x**2


def test_layers_of_a_users_own():
    network = [*SMALL[:3], ("twice", Twice), SMALL[-1]]
    steps = explain(network, (2, 8, 10), n_samples=3, engine="portable")
    own = [step for step in steps if step.layers == "twice"]
    assert own
    assert all(step.kernel.startswith("NumPy: ") for step in own)
    assert own[-1].output_shape == (3, 4, 3, 4)


class TestExplanation:
    def test_it_shows_itself_as_a_table(self):
        steps = portable()
        lines = str(steps).splitlines()
        assert len(lines) == 2 + len(steps)
        assert lines[0].split() == (
            [
                "layers",
                "step",
                "kernel",
                "in",
                "out",
                "layout",
                "million",
                "products",
                "MB",
                "ms",
                "why",
            ]
        )
        assert lines[2].startswith("conv    forward  portable ")
        assert " 7x2x8x10 " in lines[2]
        assert repr(steps) == str(steps)
        assert repr(steps[0]).startswith("ExplainedStep(layers='conv'")

    def test_as_html(self):
        text = Explanation([portable()[0]._replace(layers="<b>")])._repr_html_()
        assert text.startswith("<table><thead><tr><th>layers</th>")
        assert "<td>&lt;b&gt;</td>" in text
        assert text.count("<tr>") == 2

    def test_as_a_frame(self):
        pytest.importorskip("pandas")
        frame = portable().to_frame()
        assert list(frame.columns) == list(ExplainedStep._fields)
        assert list(frame["layers"]) == ["conv", "pool", "out", "out"]
        assert Explanation().to_frame().shape == (0, 10)

    def test_an_empty_one(self):
        assert len(str(Explanation()).splitlines()) == 2


@pytest.fixture(scope="module")
def fitted():
    rng = np.random.default_rng(0)
    layers = [*SMALL[:-1], ("out", L.DenseLayer)]
    X, y = rng.random((30, 2, 8, 10), dtype="float32"), np.arange(30) % 5
    return ConvNetClassifier(layers, max_epochs=1, engine="portable", random_state=0).fit(X, y)


def test_a_fitted_estimator(fitted):
    steps = fitted.explain(7, training=True, layers="pool")
    assert [step.layers for step in steps if step.step == "forward"] == ["conv", "pool"]
    assert explain(fitted, n_samples=7, training=True, layers="pool") == steps
    assert fitted.explain()[0].output_shape == (128, 4, 6, 8)
    before = fitted.predict_proba(np.ones((3, 2, 8, 10), "float32"))
    fitted.explain(time=True, training=True)
    np.testing.assert_array_equal(fitted.predict_proba(np.ones((3, 2, 8, 10), "float32")), before)


def test_a_lasagne_layer():
    network = L.InputLayer((None, 1, 6, 6), name="input")
    network = L.Conv2DLayer(network, 3, 3, nonlinearity=rectify, name="conv")
    (step,) = explain(network, n_samples=2, engine="portable")
    assert (step.layers, step.output_shape) == ("conv", (2, 3, 4, 4))


def test_a_callable():
    def network(x):
        return L.DenseLayer(x, 4, name="dense")

    assert [step.layers for step in explain(network, (1, 3, 3), engine="portable")] == ["dense"]


def test_what_cannot_be_explained(fitted):
    with pytest.raises(ValueError, match=r"give input_shape=\(channels, height, width\)"):
        explain(SMALL)
    with pytest.raises(ValueError, match=r"no layer 'dense'; the network has input, conv, pool"):
        fitted.explain(layers="dense")
    with pytest.raises(ValueError, match=r"n_samples=0 must be a whole number of at least 1"):
        fitted.explain(0)
    with pytest.raises(ValueError, match=r"n_samples=1\.5 must be a whole number"):
        fitted.explain(1.5)
    with pytest.raises(TypeError, match="there is no network in object"):
        explain(object())
    with pytest.raises(Exception, match="has no explanation before fit"):
        ConvNetClassifier().explain()


def test_names_are_for_explanations_alone():
    """Programs that compute are shared by networks whose layers have other names."""
    network = build_network(parse_layers(SMALL), (2, 8, 10), None, "numbers", 0)
    portable()
    program = output_program(network, ["pool"], "portable")
    assert "conv" not in program.function.source
