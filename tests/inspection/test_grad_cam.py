"""Gradient-weighted class activation maps, against closed forms and finite differences."""

from __future__ import annotations

import numpy as np
import pytest
from lasagne import layers, nonlinearities
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, Ridge, RidgeClassifier
from sklearn.model_selection import FixedThresholdClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, StandardScaler
from sklearn.svm import SVC, LinearSVC

from convnet_features import ConvNetClassifier, ConvNetFeatureExtractor, ConvNetRegressor
from convnet_features.images import ImageLoader
from convnet_features.inspection import GradCAMDisplay
from convnet_features.inspection.gradients import gradients
from convnet_features.layers import batch_norm

pytest.importorskip("matplotlib").use("Agg")


@pytest.fixture(scope="module")
def colours():
    """Colour images of uint8, two classes, height and width different."""
    rng = np.random.default_rng(0)
    X = rng.integers(0, 256, (40, 3, 9, 13), dtype=np.uint8)
    X[20:, 0] //= 4
    return X, np.repeat(["blue", "red"], 20)


def pooled(**options):
    """A convolution, the mean of each of its maps, and a dense layer."""
    specs = [
        ("input", layers.InputLayer),
        ("conv", layers.Conv2DLayer, {"num_filters": 5, "filter_size": 3, "pad": "same"}),
        ("mean", layers.GlobalPoolLayer),
        ("output", layers.DenseLayer, {}),
    ]
    return ConvNetClassifier(specs, max_epochs=2, random_state=0, **options)


def test_with_means_of_maps_it_is_the_class_activation_map(colours):
    """Σ w A of Zhou et al. 2016, divided by the number of pixels."""
    X, y = colours
    net = pooled().fit(X, y)
    maps = net.get_output("conv", X[:6]).astype(np.float64)
    weights = net.layers_["output"].W.get_value()
    for target, column in (("blue", 0), ("red", 1)):
        display = GradCAMDisplay.from_estimator(net, X[:6], target)
        expected = np.einsum("nkij,k->nij", maps, weights[:, column]) / (9 * 13)
        np.testing.assert_allclose(display.heat, np.maximum(expected, 0), rtol=1e-4, atol=1e-9)
        assert display.layer_name == "conv"
        assert display.titles == [target] * 6


def of_maps(extractor, maps):
    """The network's dense activations of conv2d2's maps, in float64."""
    n, channels, height, width = maps.shape
    tiles = maps.reshape(n, channels, height // 2, 2, width // 2, 2).max(axis=(3, 5))
    dense = extractor.layers_["dense"]
    hidden = tiles.reshape(n, -1) @ dense.W.get_value().astype(np.float64) + dense.b.get_value()
    return np.maximum(hidden, 0)


def heat_by_differences(score, maps, step=1e-5):
    """Each map's weight is the mean slope: what the score gains when the whole map is raised."""
    heat = np.zeros((len(maps), *maps.shape[2:]))
    for k in range(maps.shape[1]):
        raised, lowered = maps.copy(), maps.copy()
        raised[:, k] += step
        lowered[:, k] -= step
        slope = (score(raised) - score(lowered)) / (2 * step) / maps[0, 0].size
        heat += slope[:, np.newaxis, np.newaxis] * maps[:, k]
    return np.maximum(heat, 0)


@pytest.fixture(scope="module")
def two_blocks(digits):
    convolution = {"num_filters": 16, "filter_size": 3, "pad": "same"}
    specs = [
        ("input", layers.InputLayer),
        ("conv2d1", layers.Conv2DLayer, convolution),
        ("maxpool1", layers.MaxPool2DLayer, {"pool_size": 2}),
        ("conv2d2", layers.Conv2DLayer, convolution),
        ("maxpool2", layers.MaxPool2DLayer, {"pool_size": 2}),
        ("dropout", layers.DropoutLayer),
        ("dense", layers.DenseLayer, {"num_units": 50}),
        ("output", layers.DenseLayer, {}),
    ]
    return ConvNetFeatureExtractor(specs, max_epochs=3, random_state=0).fit(*digits)


def test_a_network_explains_its_score_before_the_softmax(two_blocks, digits):
    X, y = digits[0][:4], digits[1][:4]
    maps = two_blocks.get_output("conv2d2", X).astype(np.float64)
    output = two_blocks.layers_["output"]
    weights = output.W.get_value().astype(np.float64)[:, y]
    expected = heat_by_differences(
        lambda maps: (of_maps(two_blocks, maps) * weights.T).sum(axis=1), maps
    )
    display = GradCAMDisplay.from_estimator(two_blocks, X, y)
    assert display.layer_name == "conv2d2"
    assert (expected.max(axis=(1, 2)) > 0).any()
    np.testing.assert_allclose(display.heat, expected, rtol=1e-3, atol=1e-4 * expected.max())


@pytest.mark.parametrize(
    "behind",
    [
        [LogisticRegression(max_iter=300)],
        [StandardScaler(), LogisticRegression(max_iter=300)],
        [MinMaxScaler(), PCA(7, whiten=True), LinearSVC()],
        [RidgeClassifier()],
    ],
    ids=lambda steps: type(steps[-1]).__name__ + str(len(steps)),
)
@pytest.mark.parametrize("n_classes", [2, 10])
def test_a_pipeline_explains_the_linear_model_at_its_end(behind, n_classes, two_blocks, digits):
    X, y = digits[0][:200], digits[1][:200] % n_classes
    head = make_pipeline(*behind).fit(two_blocks.transform(X), y)
    model = make_pipeline(two_blocks, *head)
    some, target = X[:3], y[:3]

    def score(maps):
        values = head.decision_function(of_maps(two_blocks, maps))
        if n_classes == 2:
            return values * (2 * target - 1)
        return values[np.arange(3), target]

    maps = two_blocks.get_output("conv2d2", some).astype(np.float64)
    expected = heat_by_differences(score, maps)
    display = GradCAMDisplay.from_estimator(model, some, target)
    np.testing.assert_allclose(display.heat, expected, rtol=2e-3, atol=1e-3 * expected.max())
    assert GradCAMDisplay.from_estimator(model, some).titles == [
        str(c) for c in model.predict(some)
    ]


def test_a_linear_regression_behind_features(two_blocks, digits):
    X, y = digits[0][:100], digits[1][:100].astype(float)
    ridge = Ridge().fit(two_blocks.transform(X), y)
    maps = two_blocks.get_output("conv2d2", X[:2]).astype(np.float64)
    expected = heat_by_differences(lambda maps: ridge.predict(of_maps(two_blocks, maps)), maps)
    display = GradCAMDisplay.from_estimator(make_pipeline(two_blocks, ridge), X[:2])
    np.testing.assert_allclose(display.heat, expected, rtol=2e-3, atol=1e-3 * expected.max())
    assert display.titles == ["output 0"] * 2


def test_a_regressor_explains_its_number(digits):
    net = ConvNetRegressor(max_epochs=1, random_state=0).fit(digits[0][:99], digits[1][:99] / 1.0)
    assert GradCAMDisplay.from_estimator(net, digits[0][:2]).titles == ["output 0"] * 2


@pytest.mark.parametrize(
    "end",
    [SVC(), RandomForestClassifier(5), MLPClassifier((3,), max_iter=5)],
    ids=lambda each: type(each).__name__,
)
@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
def test_scores_without_slopes_are_refused_with_what_to_do(end, two_blocks, digits):
    X, y = digits[0][:60], digits[1][:60]
    front = FunctionTransformer()
    model = make_pipeline(front, two_blocks, end.fit(two_blocks.transform(X), y))
    text = (
        rf"the scores of {type(end).__name__} are no weighted sums of the network's features, so "
        r"they have no slopes\. Explain what the network itself predicts "
        r"\(from_estimator\(pipeline\[:2\], X\)\), put a linear model .* OcclusionDisplay explains"
    )
    with pytest.raises(ValueError, match=text):
        GradCAMDisplay.from_estimator(model, X[:2])
    remedy = GradCAMDisplay.from_estimator(model[:2], X[:2])
    np.testing.assert_array_equal(
        remedy.heat, GradCAMDisplay.from_estimator(two_blocks, X[:2]).heat
    )


@pytest.mark.parametrize("n_classes", [3, 4])
def test_pairs_of_classes_are_refused(n_classes, two_blocks, digits):
    X, y = digits[0][:80], digits[1][:80] % n_classes
    svc = SVC(kernel="linear", decision_function_shape="ovo")
    model = make_pipeline(two_blocks, svc.fit(two_blocks.transform(X), y))
    for target in (None, 1):
        with pytest.raises(
            ValueError,
            match=r"^GradCAMDisplay: decision_function of SVC gives .* expected one for each class\. "
            "Put LogisticRegression or LinearSVC behind the features; OcclusionDisplay explains "
            "decision_function_shape='ovr', too",
        ):
            GradCAMDisplay.from_estimator(model, X[:2], target)


def test_the_default_class_is_the_one_that_a_threshold_gives(two_blocks, digits):
    X, y = digits[0][:80], digits[1][:80] % 2
    features = two_blocks.transform(X)
    inner = LogisticRegression(max_iter=300).fit(features, y)
    high = FixedThresholdClassifier(FrozenEstimator(inner), threshold=0.99).fit(features, y)
    model = make_pipeline(two_blocks, high)
    some = X[inner.predict(features) != high.predict(features)][:3]
    assert len(some)
    assert GradCAMDisplay.from_estimator(model, some).titles == ["0"] * len(some)


def test_a_forest_of_numbers_with_an_offset_is_refused(two_blocks, digits):
    X, y = digits[0][:60], 1e5 + digits[1][:60] / 9
    forest = RandomForestRegressor(5, random_state=0).fit(two_blocks.transform(X), y)
    with pytest.raises(ValueError, match="scores of RandomForestRegressor are no weighted sums"):
        GradCAMDisplay.from_estimator(make_pipeline(two_blocks, forest), X[:2])


def test_pipelines_within_pipelines(two_blocks, digits):
    X, y = digits[0][:60], digits[1][:60]
    head = make_pipeline(StandardScaler(), LogisticRegression(max_iter=300))
    head.fit(two_blocks.transform(X), y)
    flat = GradCAMDisplay.from_estimator(make_pipeline(two_blocks, *head), X[:2])
    front = make_pipeline(FunctionTransformer(), two_blocks, StandardScaler(with_std=False))
    front[-1].fit(two_blocks.transform(X))
    for model in (
        make_pipeline(two_blocks, head),
        make_pipeline(FrozenEstimator(make_pipeline(FunctionTransformer(), two_blocks)), head),
        make_pipeline(
            "passthrough", make_pipeline(make_pipeline(two_blocks)), FrozenEstimator(head)
        ),
    ):
        np.testing.assert_array_equal(GradCAMDisplay.from_estimator(model, X[:2]).heat, flat.heat)
    svc = SVC().fit(front.transform(X), y)
    with pytest.raises(
        ValueError, match=r"predicts \(give the steps up to the network as one Pipe"
    ):
        GradCAMDisplay.from_estimator(make_pipeline(FrozenEstimator(front), svc), X[:2])


def test_frames_of_features_keep_their_names(two_blocks, digits):
    pytest.importorskip("pandas")
    X, y = digits[0][:60], digits[1][:60]
    net = ConvNetFeatureExtractor(max_epochs=1, random_state=0).set_output(transform="pandas")
    model = make_pipeline(net, StandardScaler(), LogisticRegression(max_iter=500)).fit(X, y)
    assert GradCAMDisplay.from_estimator(model, X[:2]).heat.shape[0] == 2


def test_features_of_several_layers(colours):
    X, y = colours
    net = pooled(feature_layer=["mean", "conv"]).fit(X, y)
    model = make_pipeline(net, LogisticRegression(max_iter=500)).fit(X, y)
    coefficients = model[-1].coef_[0]
    of_means, of_maps = coefficients[:5], coefficients[5:].reshape(5, 9 * 13)
    slopes = of_means / (9 * 13) + of_maps.mean(axis=1)
    maps = net.get_output("conv", X[:4]).astype(np.float64)
    expected = np.maximum(np.einsum("nkij,k->nij", maps, slopes), 0)
    heat = GradCAMDisplay.from_estimator(model, X[:4], "red").heat
    np.testing.assert_allclose(heat, expected, rtol=1e-3, atol=1e-6)


def test_what_goes_round_a_layer_is_left_out_of_its_slopes(colours):
    """The sum of a convolution and the image itself: the slopes are the dense layer's weights."""
    X, y = colours
    specs = [
        ("input", layers.InputLayer),
        ("conv", layers.Conv2DLayer, {"num_filters": 3, "filter_size": 3, "pad": "same"}),
        ("sum", layers.ElemwiseSumLayer, {"incomings": ["conv", "input"]}),
        ("output", layers.DenseLayer, {}),
    ]
    net = ConvNetClassifier(specs, max_epochs=1, random_state=0).fit(X, y)
    weights = np.eye(2)[[0, 1, 1]]
    values, slopes = gradients(net._model, "conv", X[:3], ["output"], weights)
    np.testing.assert_array_equal(values, net.get_output("conv", X[:3]))
    expected = (weights @ net.layers_["output"].W.get_value().T).reshape(3, 3, 9, 13)
    np.testing.assert_allclose(slopes, expected, rtol=1e-5, atol=1e-7)


def normalised(incoming):
    below = incoming
    for number in (1, 2):
        below = layers.Conv2DLayer(below, 4, 3, pad="same", name=f"conv{number}")
        below = batch_norm(below)
        below = layers.MaxPool2DLayer(below, 2, name=f"pool{number}")
    return layers.DenseLayer(below, 2, nonlinearity=nonlinearities.softmax, name="output")


def test_the_default_is_the_last_convolution_with_what_completes_it(colours):
    X, y = colours
    net = ConvNetClassifier(normalised, max_epochs=1, random_state=0).fit(X, y)
    assert GradCAMDisplay.from_estimator(net, X[:1]).layer_name == "conv2_bn_nonlin"
    for name, size in (
        ("conv1", (9, 13)),
        ("pool1", (4, 6)),
        ("conv2_bn", (4, 6)),
        ("pool2", (2, 3)),
    ):
        display = GradCAMDisplay.from_estimator(net, X[:1], layer=name)
        assert (display.layer_name, display.heat.shape[1:]) == (name, size)


def test_layers_that_are_none(colours, two_blocks, digits):
    X, y = colours
    with pytest.raises(
        ValueError,
        match=r"layer: 'dense' is no layer with maps that 'output' .* stands on; those are conv2d1, maxpool1",
    ):
        GradCAMDisplay.from_estimator(two_blocks, digits[0][:1], layer="dense")
    dense = [("input", layers.InputLayer), ("output", layers.DenseLayer, {})]
    net = ConvNetClassifier(dense, max_epochs=1, random_state=0).fit(X, y)
    with pytest.raises(
        ValueError,
        match=r"layer: there is no convolution that 'output' of this network stands on\.$",
    ):
        GradCAMDisplay.from_estimator(net, X[:1])
    early = pooled(feature_layer="conv").fit(X, y)
    model = make_pipeline(early, LogisticRegression(max_iter=500)).fit(X, y)
    with pytest.raises(
        ValueError, match=r"'mean' is no layer with maps that 'conv' of this network"
    ):
        GradCAMDisplay.from_estimator(model, X[:1], layer="mean")


def test_images_of_every_form_are_the_same(colours):
    X, y = colours
    net = pooled().fit(X, y)
    plain = GradCAMDisplay.from_estimator(net, X[:3])
    np.testing.assert_allclose(plain.pictures, X[:3].transpose(0, 2, 3, 1) / 255)
    for form in (X[:3].transpose(0, 2, 3, 1), X[:3].reshape(3, -1), X[:3].astype(float)):
        display = GradCAMDisplay.from_estimator(net, form)
        np.testing.assert_allclose(display.heat, plain.heat, rtol=1e-4)
        share = 255 / X[:3].max() if form.dtype == float else 1
        np.testing.assert_allclose(display.pictures, plain.pictures * share)
    one = GradCAMDisplay.from_estimator(net, X[0])
    np.testing.assert_allclose(one.heat[0], plain.heat[0], rtol=1e-4)
    assert one.pictures.shape == (1, 9, 13, 3)


def test_photographs_are_shown_as_they_are_cut(tmp_path):
    image_module = pytest.importorskip("PIL.Image")
    rng = np.random.default_rng(0)
    paths = [tmp_path / f"{number}.png" for number in range(20)]
    for number, path in enumerate(paths):
        pixels = rng.integers(0, 256, (40 + number, 60, 3), dtype=np.uint8)
        image_module.fromarray(pixels).save(path)
    y = np.arange(20) % 2
    net = ConvNetFeatureExtractor(max_epochs=1, random_state=0)
    model = make_pipeline(ImageLoader((20, 24)), net, LogisticRegression(max_iter=500)).fit(
        paths, y
    )
    display = GradCAMDisplay.from_estimator(model, paths[:2], display_labels=["cat", "dog"])
    assert display.pictures.shape == (2, 160, 192, 3)
    assert set(display.titles) <= {"cat", "dog"}
    decoded = model[0].transform(paths[:2])
    np.testing.assert_array_equal(
        display.heat, GradCAMDisplay.from_estimator(model[1:], decoded).heat
    )
    frame = pytest.importorskip("pandas").DataFrame({"path": paths[:2]})
    np.testing.assert_array_equal(display.heat, GradCAMDisplay.from_estimator(model, frame).heat)


def test_heat_is_drawn_where_its_pixels_look():
    heat = np.array([[[0.0, 2.0]], [[0.0, 0.0]]])
    display = GradCAMDisplay(heat, np.ones((2, 10, 20, 3)), (0.25, 0.75, 0.9, 0.1)).plot()
    drawn = display.axes_[0, 1].images[1]
    assert drawn.get_extent() == [4.5, 14.5, 8.5, 0.5]
    assert drawn.get_clim() == (0, 2)
    np.testing.assert_array_equal(drawn.get_alpha(), [[0, 0.8]])
    for each in display.axes_.ravel():
        assert (each.get_xlim(), each.get_ylim()) == ((-0.5, 19.5), (9.5, -0.5))
    display.figure_.canvas.draw()
