"""Pixels that are no numbers of float32: refused by every method, never given a class."""

from __future__ import annotations

import functools
import warnings

import numpy as np
import pytest

from convnet_features import ConvNetClassifier, ConvNetFeatureExtractor, ConvNetRegressor
from convnet_features.exceptions import DivergenceError, NotANumberError
from convnet_features.kernels.registry import available_kernels
from convnet_features.layers import batch_norm
from convnet_features.nolearn import NeuralNet
from convnet_features.out_of_core import transform_batches

from .images import bright_corners, quick

X, Y = bright_corners()
LARGEST = "its numbers end at 3.40282e+38. Give that pixel its right value, or divide X."


def with_pixel(value, dtype=np.float64):
    spoilt = X.astype(dtype)
    with np.errstate(over="ignore"):
        spoilt[3, 5] = value
    return spoilt


#: (X, what scikit-learn or we say of it).
BAD_PIXELS = {
    "NaN": (with_pixel(np.nan, np.float32), "Input X contains NaN."),
    "NaN in float64": (with_pixel(np.nan), "Input X contains NaN."),
    "NaN in float16": (with_pixel(np.nan, np.float16), "Input X contains NaN."),
    "infinity": (with_pixel(np.inf, np.float32), "Input X contains infinity"),
    "-infinity": (with_pixel(-np.inf), "Input X contains infinity"),
    "1e39": (with_pixel(1e39), f"X holds 1e+39, which is too large for float32, .* {LARGEST}"),
    "-1e300": (with_pixel(-1e300), f"X holds 1e+300, which is too large for float32, .* {LARGEST}"),
    "an object of 1e39": (with_pixel(1e39, object), r"X holds 1e\+39, which is too large"),
    "a large whole number": (
        with_pixel(10**400, object),
        "X holds a whole number beyond those of float64, which is too large for float32",
    ),
}
if np.finfo(np.longdouble).max > np.finfo(np.float64).max:
    BAD_PIXELS["a long double"] = (with_pixel(np.longdouble("1e400"), np.longdouble), "X holds inf")

ESTIMATORS = (ConvNetFeatureExtractor, ConvNetClassifier, ConvNetRegressor)
METHODS = {
    "fit": lambda e, bad: e.fit(bad, Y),
    "X_val": lambda e, bad: e.fit(X, Y, X_val=bad, y_val=Y),
    "partial_fit": lambda e, bad: e.partial_fit(bad, Y),
    "fit_transform": lambda e, bad: e.fit_transform(bad, Y),
    "transform": lambda e, bad: e.transform(bad),
    "transform_batches": lambda e, bad: list(transform_batches(e, [X, bad])),
    "predict": lambda e, bad: e.predict(bad),
    "predict_proba": lambda e, bad: e.predict_proba(bad),
    "score": lambda e, bad: e.score(bad, Y),
    "get_output": lambda e, bad: e.get_output("pool", bad),
    "layer_function": lambda e, bad: e.layer_function("dense")(
        np.asarray(bad).reshape(-1, 1, 6, 6)
    ),
}


@pytest.fixture(scope="module", params=ESTIMATORS, ids=lambda each: each.__name__)
def fitted(request):
    return quick(request.param, max_epochs=1).fit(X, Y)


def escaped(text):
    return text.replace("+", r"\+").replace(".", r"\.").replace(r" \.* ", " .* ")


@pytest.mark.parametrize("case", BAD_PIXELS)
@pytest.mark.parametrize("method", METHODS)
def test_every_method_refuses_pixels_that_are_no_numbers_of_float32(fitted, method, case):
    bad, text = BAD_PIXELS[case]
    if method == "predict_proba" and isinstance(fitted, ConvNetRegressor):
        pytest.skip("a regressor has no probabilities")
    if method == "layer_function":
        if bad.dtype == object:
            pytest.skip("a compiled function takes arrays of numbers")
        text = r"layer_function\('dense'\): the batch holds .*; pixels must be finite numbers of "
    with pytest.raises(ValueError, match=text if "\\" in text else escaped(text)):
        METHODS[method](fitted, bad)


def test_the_text_of_the_error():
    with pytest.raises(ValueError, match=r"^ConvNetClassifier: ") as caught:
        quick(ConvNetClassifier).fit(with_pixel(1e39), Y)
    assert str(caught.value) == (
        "ConvNetClassifier: X holds 1e+39, which is too large for float32, in which networks "
        "compute: its numbers end at 3.40282e+38. Give that pixel its right value, or divide X."
    )


@pytest.mark.dask
@pytest.mark.parametrize("case", ["NaN", "1e39"])
def test_blocks_of_dask_arrays_are_checked_when_they_are_computed(fitted, case):
    da = pytest.importorskip("dask.array")
    features = fitted.transform(da.from_array(BAD_PIXELS[case][0], chunks=(20, -1)))
    with pytest.raises(ValueError, match=r"contains NaN|too large for float32"):
        features.compute(scheduler="synchronous")


@pytest.mark.parametrize("case", ["NaN", "infinity", "1e39"])
@pytest.mark.parametrize("display", ["ActivationMaps", "LayerActivations", "Occlusion", "Saliency"])
def test_displays_refuse_them_too(fitted, display, case):
    pytest.importorskip("matplotlib").use("Agg")
    from convnet_features import inspection

    shown = getattr(inspection, f"{display}Display")
    with pytest.raises(ValueError, match=r"contains NaN|contains infinity|too large for float32"):
        shown.from_estimator(fitted, BAD_PIXELS[case][0][3:4])


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e39])
def test_maps_of_a_lasagne_layer_alone_too(fitted, value):
    pytest.importorskip("matplotlib").use("Agg")
    from convnet_features.inspection import ActivationMapsDisplay

    image = np.full((1, 1, 6, 6), value)
    with pytest.raises(ValueError, match=r"contains NaN|contains infinity|too large for float32"):
        ActivationMapsDisplay.from_estimator(fitted.layers_["conv"], image)


@pytest.mark.parametrize("method", ["fit", "predict", "predict_proba", "score", "get_output"])
@pytest.mark.parametrize(
    ("value", "what"), [(np.nan, "NaN"), (-np.inf, "infinity"), (1e39, r"1e\+39")]
)
def test_neural_net_refuses_them_where_it_checks_its_input(method, value, what):
    from lasagne.layers import DenseLayer, InputLayer
    from lasagne.nonlinearities import softmax

    layers = [
        ("input", InputLayer),
        ("hidden", DenseLayer),
        ("output", DenseLayer),
    ]
    net = NeuralNet(
        layers,
        input_shape=(None, 36),
        hidden_num_units=5,
        output_num_units=3,
        output_nonlinearity=softmax,
        update_learning_rate=0.001,
        max_epochs=1,
    ).fit(X, Y.astype(np.int32))
    bad = with_pixel(value)
    arguments = {"fit": (bad, Y.astype(np.int32)), "score": (bad, Y), "get_output": ("hidden", bad)}
    text = (
        rf"^NeuralNet: X holds {what}; networks compute with numbers of float32, up to "
        r"3\.40282e\+38\. Replace them, or leave their samples out\.$"
    )
    with pytest.raises(ValueError, match=text):
        getattr(net, method)(*arguments.get(method, (bad,)))


class TestNoClassIsNamedForNaN:
    def broken(self, estimator, y=Y):
        made = quick(estimator, max_epochs=1).fit(X, y)
        made.layers_["output"].b.set_value(
            np.full(len(made.layers_["output"].b.get_value()), np.nan, np.float32)
        )
        return made

    def test_of_a_classifier(self):
        made = self.broken(ConvNetClassifier)
        assert np.isnan(made.predict_proba(X)).all()
        for method in (made.predict, lambda X: made.score(X, Y)):
            with pytest.raises(NotANumberError) as caught:
                method(X)
            assert str(caught.value) == (
                "The network's outputs are not numbers (NaN) for 60 of 60 samples, the first of "
                "which is number 0: no class can be named. Either parameters are not finite, or "
                "numbers became too large for float32 on their way; look at the layers with "
                "get_output, and fit again."
            )

    def test_of_labels(self):
        made = self.broken(ConvNetClassifier, np.column_stack([Y == 0, Y == 1]).astype(int))
        with pytest.raises(NotANumberError, match="60 of 60 samples"):
            made.predict(X)

    def test_of_a_display(self):
        pytest.importorskip("matplotlib").use("Agg")
        from convnet_features.inspection import OcclusionDisplay, SaliencyDisplay

        for display in (OcclusionDisplay, SaliencyDisplay):
            with pytest.raises(NotANumberError, match="1 of 1 samples"):
                display.from_estimator(self.broken(ConvNetClassifier), X[:1])

    def test_numbers_are_nan(self):
        assert np.isnan(self.broken(ConvNetRegressor).predict(X)).all()


@pytest.mark.parametrize("engine", available_kernels())
@pytest.mark.parametrize("power", [-1000, -200, -139, 80])
def test_any_scale_of_pixels_trains_the_same_network(engine, power):
    """X · 2^-139 is near 1e-42, X · 2^-200 near 1e-60: float32 holds neither."""
    options = {"max_epochs": 2, "engine": engine}
    plain = quick(ConvNetClassifier, **options).fit(X, Y)
    scaled = np.ldexp(X.astype(np.float64), power)
    other = quick(ConvNetClassifier, **options).fit(scaled, Y)
    np.testing.assert_array_equal(other.predict_proba(scaled), plain.predict_proba(X))
    images = scaled.reshape(-1, 1, 6, 6)
    np.testing.assert_array_equal(
        other.layer_function("dense")(images),
        plain.layer_function("dense")(X.reshape(images.shape)),
    )


@pytest.mark.parametrize("pixel", [1e-42, 1e-60, 1e-300, 5e-324])
def test_tiny_pixels_do_not_diverge(pixel):
    images = (X > 10) * pixel
    made = quick(ConvNetClassifier, max_epochs=10).fit(images, Y)
    assert np.isfinite(made.predict_proba(images)).all()
    if pixel > 1e-308:  # smaller ones stay small after any factor that float64 holds
        assert made.score(images, Y) > 0.9


def test_denormal_pixels_of_float32():
    images = np.float32(X * 1e-42)
    made = quick(ConvNetClassifier, max_epochs=10).fit(images, Y)
    assert made.score(images, Y) > 0.9


def test_the_saliency_of_tiny_pixels():
    pytest.importorskip("matplotlib").use("Agg")
    from convnet_features.inspection import SaliencyDisplay

    plain = quick(ConvNetClassifier, max_epochs=1).fit(X, Y)
    tiny = np.ldexp(X.astype(np.float64), -200)
    other = quick(ConvNetClassifier, max_epochs=1).fit(tiny, Y)
    expected = SaliencyDisplay.from_estimator(plain, X[:2]).gradients.astype(np.float64)
    found = SaliencyDisplay.from_estimator(other, tiny[:2]).gradients
    np.testing.assert_allclose(found, np.ldexp(expected, 200), rtol=1e-6)


def test_pixels_too_small_for_an_augmentation():
    with pytest.raises(ValueError, match=r"^augment changes pixels") as caught:
        quick(ConvNetClassifier, augment=lambda images: images).fit(X.astype(np.float64) * 1e-60, Y)
    assert str(caught.value) == (
        "augment changes pixels as float32 before they are multiplied by input_scale=1.00434e+59, "
        "and those of X are too small for that: multiply X by a number."
    )


def test_very_large_pixels():
    images = X.astype(np.float64) * 1e37  # up to 1.6e38
    made = quick(ConvNetClassifier, max_epochs=10).fit(images, Y)
    assert made.score(images, Y) > 0.9


@pytest.mark.parametrize("dtype", [np.int64, np.uint64])
def test_very_large_whole_numbers(dtype):
    images = (X / 16.0 * np.iinfo(dtype).max * 0.99).astype(dtype)
    made = quick(ConvNetClassifier, max_epochs=10).fit(images, Y)
    assert made.score(images, Y) > 0.9


class TestScaledPixels:
    def test_a_scale_that_takes_pixels_beyond_float32(self):
        with pytest.raises(ValueError, match=r"^ConvNetClassifier: X holds 16") as caught:
            quick(ConvNetClassifier, input_scale=1e38).fit(X, Y)
        assert str(caught.value) == (
            "ConvNetClassifier: X holds 16, and pixels are multiplied by input_scale=1e+38: the "
            "product is too large for float32, whose numbers end at 3.40282e+38. Give that pixel "
            "its right value, or give another input_scale."
        )

    def test_a_scale_that_makes_nothing_of_pixels(self):
        with pytest.raises(ValueError, match=r"^input_scale=1e-300 makes nothing") as caught:
            quick(ConvNetClassifier, input_scale=1e-300).fit(X, Y)
        assert str(caught.value) == (
            "input_scale=1e-300 makes nothing of X, whose largest pixel is 16: the product is too "
            "small for float32; give a larger one."
        )

    @pytest.mark.parametrize(
        "method", ["transform", "predict", "get_output", "partial_fit", "X_val"]
    )
    def test_of_later_images(self, method):
        tiny = X * 1e-20
        made = quick(ConvNetClassifier, max_epochs=1).fit(tiny, Y)
        bad = tiny.copy()
        bad[3, 5] = 1e30
        calls = {
            "get_output": lambda: made.get_output("conv", bad),
            "partial_fit": lambda: made.partial_fit(bad, Y),
            "X_val": lambda: made.fit(tiny, Y, X_val=bad, y_val=Y),
        }
        with pytest.raises(ValueError, match=r"X holds 1e\+30, and pixels are multiplied by"):
            calls.get(method, lambda: getattr(made, method)(bad))()

    def test_an_image_that_the_scale_was_not_taken_from(self):
        """Only every second of 2,000 is looked at."""
        many = np.full((2001, 1, 2, 2), 1e-30)
        many[1] = 1e30
        with pytest.raises(ValueError, match=r"X holds 1e\+30, and pixels are multiplied by"):
            ConvNetClassifier(random_state=0).fit(many, np.arange(2001) % 2)


class TestTargets:
    @pytest.mark.parametrize("power", [-600, -300, 300, 900])
    def test_numbers_of_any_size_are_learnt_alike(self, power):
        y = X.sum(axis=1).astype(np.float64)
        plain = quick(ConvNetRegressor, max_epochs=2).fit(X, y).predict(X)
        other = quick(ConvNetRegressor, max_epochs=2).fit(X, np.ldexp(y, power)).predict(X)
        np.testing.assert_allclose(other, np.ldexp(plain, power), rtol=1e-12)

    def test_later_numbers_that_are_too_large(self):
        made = quick(ConvNetRegressor).partial_fit(X, Y)
        with pytest.raises(
            ValueError, match=r"y holds 1e\+300, which is too large beside"
        ) as caught:
            made.partial_fit(X, np.where(Y == 1, 1e300, Y))
        assert str(caught.value).startswith(
            "ConvNetRegressor: y holds 1e+300, which is too large beside the mean ([1.0]) and the "
            "deviation ([0.816496"
        )

    @pytest.mark.parametrize("value", [np.nan, np.inf])
    def test_numbers_that_are_not_finite(self, value):
        with pytest.raises(ValueError, match=r"Input y contains (NaN|infinity)"):
            quick(ConvNetRegressor).fit(X, np.where(Y == 1, value, Y))


class TestWeights:
    @pytest.mark.parametrize("factor", [1e-320, 1e-160, 1e160, 1e307])
    @pytest.mark.parametrize("estimator", [ConvNetClassifier, ConvNetRegressor])
    def test_only_their_ratios_count(self, estimator, factor):
        weights = 1.0 + Y
        plain = quick(estimator, max_epochs=2).fit(X, Y, sample_weight=weights)
        scaled = quick(estimator, max_epochs=2).fit(X, Y, sample_weight=weights * factor)
        np.testing.assert_allclose(scaled.transform(X), plain.transform(X), atol=1e-5)

    def test_one_of_1e300(self):
        weights = np.ones(60)
        weights[7] = 1e300
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            made = quick(ConvNetClassifier).fit(X, Y, sample_weight=weights)
        assert np.isfinite(made.predict_proba(X)).all()

    def test_balanced_with_very_large_ones(self):
        plain = quick(ConvNetClassifier, max_epochs=2, class_weight="balanced").fit(X, Y)
        other = quick(ConvNetClassifier, max_epochs=2, class_weight="balanced").fit(
            X, Y, sample_weight=np.full(60, 1e307)
        )
        np.testing.assert_allclose(other.transform(X), plain.transform(X), atol=1e-5)

    def test_partial_fit_uses_them_as_they_are(self):
        with pytest.raises(ValueError, match=r"^sample_weight: a sample weighs") as caught:
            quick(ConvNetClassifier).partial_fit(X, Y, sample_weight=np.full(60, 1e300))
        assert str(caught.value) == (
            "sample_weight: a sample weighs 1e+300; partial_fit uses weights as they are, in "
            "float32, whose numbers end at 3.40282e+38. Divide them."
        )

    @pytest.mark.parametrize("weight", [-1.0, np.nan, np.inf])
    def test_those_of_classes_are_finite(self, weight):
        with pytest.raises(ValueError, match=r"^class_weight: class 1 weighs") as caught:
            quick(ConvNetClassifier, class_weight={1: weight}).fit(X, Y)
        assert str(caught.value) == (
            f"class_weight: class 1 weighs {weight!r}; weights must be finite, and at least 0."
        )

    def test_a_class_that_weighs_nothing_is_absent(self):
        weighted = quick(ConvNetClassifier, class_weight={2: 0}).fit(X, Y)
        absent = quick(ConvNetClassifier).fit(X, Y, sample_weight=Y != 2)
        np.testing.assert_array_equal(weighted.transform(X), absent.transform(X))

    def test_classes_that_all_weigh_nothing(self):
        with pytest.raises(ValueError, match="every sample weighs 0; there is nothing to learn"):
            quick(ConvNetClassifier, class_weight=dict.fromkeys(range(3), 0)).fit(X, Y)

    def test_products_that_are_too_large(self):
        with pytest.raises(ValueError, match=r"^sample_weight, up to") as caught:
            quick(ConvNetClassifier, class_weight={1: 1e300}).fit(
                X, Y, sample_weight=np.full(60, 1e300)
            )
        assert str(caught.value) == (
            "sample_weight, up to 1e+300, times class_weight, up to 1e+300, gives weights up to "
            "inf; they must be finite, and not all of them 0."
        )


def sampler(inputs, n_outputs):
    """One layer of each kind that oneDNN, generated code or JAX computes with a maximum."""
    from lasagne import layers, nonlinearities

    below = layers.Conv2DLayer(inputs, 4, 3, nonlinearity=nonlinearities.linear, name="linear")
    below = layers.NonlinearityLayer(below, nonlinearities.rectify, name="rectify")
    below = layers.MaxPool2DLayer(below, 2, name="pool")
    below = batch_norm(layers.Conv2DLayer(below, 4, 2, name="conv"))
    below = layers.MaxPool2DLayer(below, 2, stride=1, name="overlapping")
    for name in ("rectify", "tanh", "sigmoid", "leaky_rectify"):
        below = layers.DenseLayer(
            below, 8, nonlinearity=getattr(nonlinearities, name), name=f"dense_{name}"
        )
    below = layers.DropoutLayer(below, name="dropout")
    return layers.DenseLayer(below, n_outputs, nonlinearity=nonlinearities.softmax, name="output")


# Once for all tests: JAX takes half a second to compile the function of a layer.
@pytest.fixture(scope="module", params=["onednn", "portable", "jax"])
def made(request):
    if request.param == "jax":
        pytest.importorskip("jax")
    elif request.param not in available_kernels():
        pytest.skip(f"{request.param} is not on this machine")
    images = np.random.default_rng(0).random((12, 1, 12, 12)).astype(np.float32)
    estimator = ConvNetClassifier(
        sampler, feature_layer="pool", max_epochs=1, engine=request.param, random_state=0
    )
    estimator.fit(images, np.arange(12) % 3)
    return (
        estimator,
        images,
        functools.cache(lambda name: estimator.layer_function(name, check_finite=False)),
    )


class TestNonFinitePixelsThatGetThrough:
    """With the check turned off, in every engine, every layer."""

    @pytest.mark.filterwarnings("ignore::RuntimeWarning")
    @pytest.mark.parametrize("place", [(5, 5), (6, 5), (5, 6), (0, 0)])
    def test_nan(self, made, place):
        """Of one image; the others are as they were."""
        estimator, images, function_of = made
        spoilt = images.copy()
        spoilt[2, 0, *place] = np.nan
        for name in estimator.layers_:
            found, clean = function_of(name)(spoilt), function_of(name)(images)
            assert np.isnan(found[2]).any(), name
            np.testing.assert_allclose(found[np.arange(12) != 2], clean[np.arange(12) != 2], 1e-4)
            if name in ("linear", "rectify"):  # 3x3 filters see a pixel from these places
                (row, column), expected = place, np.zeros((10, 10), bool)
                expected[max(0, row - 2) : row + 1, max(0, column - 2) : column + 1] = True
                np.testing.assert_array_equal(np.isnan(found[2]), np.stack([expected] * 4))
            if name == "pool":
                windows = expected.reshape(5, 2, 5, 2).any(axis=(1, 3))
                np.testing.assert_array_equal(np.isnan(found[2]), np.stack([windows] * 4))
        assert np.isnan(found[2]).all()

    @pytest.mark.filterwarnings("ignore::RuntimeWarning")
    @pytest.mark.parametrize("value", [np.inf, -np.inf, 1e39])
    def test_infinity(self, made, value):
        """Times a positive and a negative weight it is both infinities, whose sum is NaN."""
        estimator, images, function_of = made
        spoilt = images.astype(np.float64)
        spoilt[2, 0, 5, 5] = value
        linear = function_of("linear")(spoilt)[2]
        w = estimator.layers_["linear"].W.get_value()[:, 0]
        # Theano flips filters: pixel (5, 5) meets w[a, b] in the result at (3 + a, 3 + b).
        expected = np.sign(np.float64(value)) * np.sign(w) * np.inf
        np.testing.assert_array_equal(linear[:, 3:6, 3:6], expected)
        rectified = function_of("rectify")(spoilt)[2]
        np.testing.assert_array_equal(rectified[:, 3:6, 3:6], np.maximum(expected, 0))
        output = function_of("output")(spoilt)
        assert np.isnan(output[2]).all()
        assert np.isfinite(output[np.arange(12) != 2]).all()

    def test_a_function_of_theano(self, made):
        """Which nobody checks."""
        import theano
        from lasagne.layers import get_output

        estimator, images, _ = made
        layers = estimator.layers_
        inputs = layers["input"] if "input" in layers else next(iter(layers.values()))
        function = theano.function(
            [inputs.input_var], get_output(layers["dense_rectify"], deterministic=True)
        )
        spoilt = images.copy()
        spoilt[2, 0, 5, 5] = np.nan
        found = function(spoilt)
        assert np.isnan(found[2]).all()
        assert np.isfinite(found[:2]).all()


@pytest.mark.parametrize("engine", available_kernels())
def test_parameters_that_are_nan_are_seen_by_training(engine):
    """A rectify that makes 0 of NaN would hide them from the loss."""
    made = quick(ConvNetClassifier, max_epochs=1, warm_start=True, engine=engine).fit(X, Y)
    made.layers_["conv"].W.get_value(borrow=True)[0, 0, 0, 0] = np.nan
    with pytest.raises(DivergenceError, match="The loss became nan at epoch 2, batch 1"):
        made.fit(X, Y)
