"""A network with its values: what a fitted estimator holds."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import convnet_features  # noqa: F401  (makes `import lasagne` work)
from convnet_features.exceptions import NetworkError
from convnet_features.network.model import SLICE_BYTES, Model
from convnet_features.network.presets import seed_network
from convnet_features.network.spec import LayerSpec, parse_layers
from convnet_features.network.summary import network_summary

from ..helpers import assert_close, frozen

from lasagne.init import GlorotUniform  # isort: skip
from lasagne.layers import DenseLayer, DimshuffleLayer, DropoutLayer  # isort: skip


def model_of(**options):
    layers = options.pop("layers", None) or seed_network((1, 8, 8))
    return Model(layers, (1, 8, 8), 3, "classes", **{"engine": "portable", **options})


@pytest.fixture
def images(rng):
    return rng.standard_normal((11, 1, 8, 8)).astype("float32")


def test_theta_is_every_parameter_in_order():
    model = model_of()
    values = model.values
    assert model.theta.dtype == np.float32
    np.testing.assert_array_equal(model.theta, np.concatenate([value.ravel() for value in values]))
    for value in values:
        assert np.shares_memory(value, model.theta)
    assert model.n_trainable == model.theta.size


def test_lasagnes_parameters_are_views_of_theta():
    model = model_of()
    model.network  # noqa: B018
    model.theta[...] = np.arange(model.theta.size)
    for param, value in zip(model.network.params, model.values, strict=True):
        np.testing.assert_array_equal(param.get_value(), value)


def test_values_set_by_lasagnes_own_way_count(images):
    import lasagne

    model = model_of()
    values = [value + 1 for value in lasagne.layers.get_all_param_values(model.network.output)]
    lasagne.layers.set_all_param_values(model.network.output, values)
    for value, expected in zip(model.values, values, strict=True):
        np.testing.assert_array_equal(value, expected)
        assert np.shares_memory(value, model.theta)
    assert_close(model.outputs(["dense"], images)[0], model.function("dense")(images), "float32")


def test_a_theta_of_another_network_is_refused():
    with pytest.raises(ValueError, match=r"theta holds 5 numbers, and the network has \d+"):
        model_of(theta=np.zeros(5, np.float32)).network  # noqa: B018


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_copies_compute_the_same_and_share_nothing(copied, images):
    model = model_of(seed=3, input_scale=0.5)
    before = model.outputs(["dense"], images)[0]
    other = copied(model)
    np.testing.assert_array_equal(other.outputs(["dense"], images)[0], before)
    other.theta[...] = 0
    np.testing.assert_array_equal(model.outputs(["dense"], images)[0], before)


def test_pickles_hold_numbers_and_no_graphs():
    model = model_of()
    model.outputs(["dense"], np.zeros((1, 1, 8, 8)))
    assert len(pickle.dumps(model)) < 4 * model.theta.size + 4000
    small = Model(parse_layers([("output", DenseLayer)]), (1, 8, 8), 3, "classes")
    small.network  # noqa: B018
    assert len(pickle.dumps(small)) < 4 * small.theta.size + 2000


class TestOutputs:
    @pytest.mark.parametrize("dtype", ["float32", "float64", "uint8", "int64", "bool"])
    def test_any_dtype_comes_out_as_float32(self, dtype, images):
        batch = (images * 10).astype(dtype)
        (value,) = model_of().outputs(["dense"], batch)
        (expected,) = model_of().outputs(["dense"], batch.astype("float32"))
        assert value.dtype == np.float32
        np.testing.assert_array_equal(value, expected)

    def test_slices_change_nothing(self, images, monkeypatch):
        model = model_of()
        names = ["conv2d1", "maxpool2", "dense", "output"]
        whole = model.outputs(names, images)
        monkeypatch.setattr("convnet_features.network.model.SLICE_BYTES", (1, 1))
        assert model.slice_size == 1
        for one, other in zip(model.outputs(names, images), whole, strict=True):
            assert_close(one, other, "float32")
            assert one.shape == other.shape

    def test_slices_fit_the_cache(self):
        model = model_of()
        largest = 4 * 32 * 8 * 8
        assert model.slice_size == SLICE_BYTES[0] // largest

    def test_slices_are_larger_for_many_parameters(self, monkeypatch):
        """They are read once for each."""
        model = model_of()
        n_bytes = sum(value.nbytes for value in model.values)
        monkeypatch.setattr("convnet_features.network.model.SLICE_BYTES", (1, 1 << 40))
        assert model.slice_size == n_bytes // (4 * 32 * 8 * 8)

    def test_no_images(self):
        (value,) = model_of().outputs(["maxpool1"], np.zeros((0, 1, 8, 8)))
        assert (value.shape, value.dtype) == ((0, 32, 4, 4), np.float32)

    def test_images_are_scaled(self, images):
        plain, scaled = model_of(seed=1), model_of(seed=1, input_scale=0.25)
        np.testing.assert_array_equal(
            plain.outputs(["dense"], images)[0], scaled.outputs(["dense"], images * 4)[0]
        )

    def test_images_are_not_written_to(self, images):
        kept = images.copy()
        model_of(input_scale=0.5).outputs(["input", "output"], frozen(images))
        np.testing.assert_array_equal(images, kept)

    def test_dropout_is_off(self, images):
        model = model_of()
        before, behind = model.outputs(["maxpool2", "dropout1"], images)
        np.testing.assert_array_equal(before, behind)

    def test_layers_that_mix_samples_are_refused(self, images):
        mixed = [("mixed", DimshuffleLayer, {"pattern": (1, 0, 2, 3)})]
        back = [("back", DimshuffleLayer, {"pattern": (1, 0, 2, 3)}), ("output", DenseLayer)]
        model = model_of(layers=parse_layers(mixed + back))
        assert model.outputs(["output"], images)[0].shape == (11, 3)
        with pytest.raises(NetworkError, match=r"layer 'mixed' .*has not one row of known size"):
            model.outputs(["mixed"], images)

    def test_results_belong_to_the_caller(self, images):
        model = model_of()
        for name in model.network.layers:
            (value,) = model.outputs([name], images)
            assert not np.shares_memory(value, images)
            value[...] = 0


def test_a_function_of_one_layer(images):
    model = model_of()
    function = model.function("dense")
    assert_close(function(images), model.outputs(["dense"], images)[0], "float32")
    before = function(images)
    model.theta[...] *= 2
    np.testing.assert_array_equal(function(images), before)


class TestFreezing:
    LAYERS = (
        ("first", DenseLayer, {"num_units": 5}),
        ("drop", DropoutLayer),
        ("output", DenseLayer),
    )

    def test_frozen_parameters_come_last(self):
        model = model_of(layers=parse_layers(self.LAYERS), frozen=("first",))
        assert model.n_trainable == 5 * 3 + 3
        names = [param.name for param in model.trainable]
        assert names == ["output.W", "output.b"]
        np.testing.assert_array_equal(
            model.theta[:15].reshape(5, 3), model.trainable[0].get_value()
        )

    def test_freezing_later_keeps_every_value(self, images):
        model = model_of(layers=parse_layers(self.LAYERS))
        before = model.outputs(["output"], images)[0]
        size = model.theta.size
        model.freeze(["first"])
        assert (model.n_trainable, model.theta.size) == (18, size)
        np.testing.assert_array_equal(model.outputs(["output"], images)[0], before)
        for value in model.values:
            assert np.shares_memory(value, model.theta)
        model.theta[: model.n_trainable] = 0
        np.testing.assert_allclose(model.outputs(["output"], images)[0], 1 / 3, rtol=1e-6)
        model.freeze([])
        assert model.n_trainable == size
        for value in model.values:
            assert np.shares_memory(value, model.theta)

    def test_values_have_names(self):
        model = model_of(layers=parse_layers(self.LAYERS))
        assert list(model.named_values) == ["first.W", "first.b", "output.W", "output.b"]


def test_summary():
    text = network_summary(Model(seed_network((1, 28, 28)), (1, 28, 28), 10, "classes").network)
    assert text.splitlines()[0] == "Neural network with 160,362 learnable parameters"
    rows = {line.split()[1]: line.split()[2:] for line in text.splitlines()[4:]}
    assert rows["conv2d1"] == ["32x24x24", "832", "Conv2DLayer"]
    assert rows["dropout1"] == ["32x4x4", "DropoutLayer"]
    assert rows["dense"] == ["256", "131,328", "DenseLayer"]
    assert repr(text) == str(text)


class TestParametersThatAreGiven:
    SHAPE = (1, 4, 4)

    def layers(self):
        return [
            LayerSpec("hidden", DenseLayer, {"num_units": 300}),
            LayerSpec("output", DenseLayer, {"num_units": 270}),
        ]

    def built(self, values, seed=0):
        model = Model(self.layers(), self.SHAPE, None, "numbers", seed=seed)
        model.build(values)
        return model

    @pytest.mark.parametrize("order", ["C", "F"])
    def test_are_not_drawn(self, order, rng, monkeypatch):
        drawn, sample = [], GlorotUniform.sample
        monkeypatch.setattr(
            GlorotUniform, "sample", lambda self, shape: drawn.append(shape) or sample(self, shape)
        )
        W = rng.standard_normal((300, 270)).astype("float32")
        model = self.built({"output.W": np.asarray(W, order=order)})
        assert drawn == [(16, 300)]
        np.testing.assert_array_equal(model.named_values["output.W"], W)
        assert model.named_values["output.W"].flags.c_contiguous
        assert not model.named_values["output.b"].any()

    def test_the_others_are_drawn_alike_wherever_the_model_is_built(self, rng):
        W = rng.standard_normal((16, 300)).astype("float32")
        model = self.built({"hidden.W": W}, seed=3)
        assert model.named_values["output.W"].std() > 0
        again = pickle.loads(pickle.dumps(model))
        for name, value in model.named_values.items():
            np.testing.assert_array_equal(again.named_values[name], value)

    def test_must_be_there(self, rng):
        with pytest.raises(ValueError, match=r"^the network has no parameter 'outputs.W'\.$"):
            self.built({"outputs.W": rng.standard_normal((300, 270))})

    def test_must_have_the_shape(self, rng):
        words = r"parameter 'output.W' is of shape \(3, 2\), and .* of shape \(300, 270\)\."
        with pytest.raises(ValueError, match=words):
            self.built({"output.W": rng.standard_normal((3, 2))})
