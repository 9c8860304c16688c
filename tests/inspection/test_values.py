"""What the displays computed, against slow and plain ways to the same numbers."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression
from sklearn.manifold import TSNE
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import make_pipeline

from convnet_features import ConvNetClassifier, ConvNetFeatureExtractor, ConvNetRegressor
from convnet_features.images import ImageLoader
from convnet_features.inspection import (
    ActivationMapsDisplay,
    ArchitectureDisplay,
    FeatureEmbeddingDisplay,
    FiltersDisplay,
    LayerActivationsDisplay,
    LearningCurvesDisplay,
    OcclusionDisplay,
    SaliencyDisplay,
)
from convnet_features.inspection.drawing import as_picture, mosaic

pytest.importorskip("matplotlib").use("Agg")


def test_filters_are_the_weights(extractor):
    display = FiltersDisplay.from_estimator(extractor)
    np.testing.assert_array_equal(display.filters, extractor.layers_["conv2d1"].W.get_value())
    display.filters[:] = 0
    assert extractor.layers_["conv2d1"].W.get_value().any()


@pytest.mark.parametrize(
    ("shape", "options", "expected"),
    [
        ((5, 1, 3, 3), {}, (7, 11)),
        ((4, 3, 3, 3), {}, (7, 7, 4)),
        ((4, 2, 3, 3), {}, (15, 7)),
        ((4, 2, 3, 3), {"channel": 1}, (7, 7)),
        ((4, 1, 3, 3), {"n_columns": 4}, (3, 15)),
    ],
    ids=["one channel", "colours", "two channels", "channel=1", "n_columns=4"],
)
def test_filters_as_a_mosaic(shape, options, expected, rng):
    display = FiltersDisplay(rng.normal(size=shape)).plot(**options)
    sheet = display.axes_.images[0].get_array()
    assert sheet.shape == expected
    assert np.nanmin(sheet) == 0
    assert np.nanmax(sheet) == 1


def test_filters_of_one_scale_are_the_weights_themselves(rng):
    filters = rng.normal(size=(4, 1, 3, 3))
    display = FiltersDisplay(filters).plot(same_scale=True)
    sheet = display.axes_.images[0].get_array()
    np.testing.assert_array_equal(sheet[:3, :3], filters[0, 0])
    assert display.axes_.images[0].colorbar.ax.get_ylabel() == "weight"


@pytest.mark.parametrize(
    ("shape", "options", "title", "ticks"),
    [
        ((40, 32, 3, 3), {}, "the first 256 of 1,280 tiles", list(range(8))),
        ((300, 1, 3, 3), {}, "the first 256 of 300 tiles", [16 * n for n in range(16)]),
        ((300, 3, 3, 3), {"max_tiles": 4}, "the first 4 of 300 tiles", [0, 2]),
        ((2, 300, 3, 3), {}, "the first 256 of 600 tiles", [0]),
        ((6, 2, 3, 3), {}, "", [0, 1, 2, 3, 4, 5]),
    ],
)
def test_many_filters_are_cut_and_numbered(shape, options, title, ticks, rng):
    axes = FiltersDisplay(rng.normal(size=shape), "conv").plot(**options).axes_
    assert axes.get_title() == "conv" + (title and f"\n{title}")
    assert [int(each.get_text()) for each in axes.get_yticklabels()] == ticks
    assert axes.get_ylabel() == "filter"


def test_no_tiles_are_refused(rng):
    with pytest.raises(ValueError, match=r"^max_tiles must be at least 1; got 0\.$"):
        FiltersDisplay(rng.normal(size=(4, 1, 3, 3))).plot(max_tiles=0)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"n_columns": 0}, r"^n_columns must be at least 1; got 0\.$"),
        (
            {"channel": 2},
            r"^channel must be from 0 to 1, as the filters have 2 input channels; got",
        ),
        ({"channel": -1}, r"got -1\.$"),
    ],
)
def test_filters_that_are_not_there(options, text, rng):
    with pytest.raises(ValueError, match=text):
        FiltersDisplay(rng.normal(size=(4, 2, 3, 3))).plot(**options)


def test_a_history_of_no_epochs_says_so():
    with pytest.raises(ValueError, match=r"^The history is empty: the network was not trained"):
        LearningCurvesDisplay([]).plot()


def test_a_constant_filter_is_drawn():
    assert FiltersDisplay(np.ones((2, 1, 3, 3))).plot().axes_.images


def test_tiles_keep_their_places(rng):
    tiles = rng.normal(size=(5, 2, 3))
    sheet = mosaic(tiles, n_columns=3)
    np.testing.assert_array_equal(sheet[3:5, 4:7], tiles[4])
    assert np.isnan(sheet[2]).all()


def test_pictures(rng):
    grey, colours = rng.normal(size=(1, 4, 5)), rng.normal(size=(3, 4, 5))
    np.testing.assert_array_equal(as_picture(grey), grey[0])
    picture = as_picture(colours)
    assert (picture.shape, picture.min(), picture.max()) == ((4, 5, 3), 0, 1)


def test_maps_are_the_layers_output(extractor, digits):
    X = digits[0][:1]
    display = ActivationMapsDisplay.from_estimator(extractor, X, layer="conv2d2")
    np.testing.assert_array_equal(display.maps, extractor.get_output("conv2d2", X)[0])


def test_bars_are_the_layers_outputs(extractor, digits):
    display = LayerActivationsDisplay.from_estimator(extractor, digits[0][0])
    np.testing.assert_array_equal(
        display.activations["output"], extractor.predict_proba(digits[0][:1])[0]
    )
    np.testing.assert_array_equal(
        display.activations["dense"], extractor.transform(digits[0][:1])[0]
    )
    display.plot()
    assert [each.get_text() for each in display.axes_[0].get_xticklabels()] == list("0123456789")
    assert len(display.axes_[1].patches) == 256


def test_curves_of_loss_score_and_anything_else(extractor):
    display = LearningCurvesDisplay.from_estimator(extractor)
    np.testing.assert_array_equal(
        display.curve("train_loss"), extractor.history_.column("train_loss")
    )
    drawn = display.plot().axes_.lines[0].get_ydata()
    np.testing.assert_array_equal(drawn, extractor.history_.column("train_loss"))
    assert display.plot("score").axes_.get_ylabel() == "accuracy"
    assert display.plot("learning_rate", log=True).axes_.get_yscale() == "log"


def test_the_score_has_its_name(digits):
    X, y = digits
    regressor = ConvNetRegressor(max_epochs=1).fit(X[:40], y[:40] / 2)
    display = LearningCurvesDisplay.from_estimator(regressor)
    assert display.plot("score").axes_.get_ylabel() == "R²"
    assert LearningCurvesDisplay([{"valid_score": 1.0}]).plot("score").axes_.get_ylabel() == "score"


def test_the_best_epoch_is_named_in_the_legend():
    history = [{"valid_loss": 0.5}, {"valid_loss": 0.25}, {"valid_loss": 0.3}]
    legend = LearningCurvesDisplay(history).plot().axes_.get_legend()
    texts = [each.get_text() for each in legend.get_texts()]
    assert texts == ["validation", "best: 0.25 in epoch 2"]


@pytest.mark.parametrize("options", [{"c": "red", "ls": ":"}, {"color": "red", "linestyle": ":"}])
def test_lines_look_as_asked_for(options):
    history = [{"train_loss": 2.0, "valid_loss": 0.5}, {"train_loss": 1.0, "valid_loss": 0.25}]
    for line in LearningCurvesDisplay(history).plot(mark_best=False, **options).axes_.lines:
        assert (line.get_color(), line.get_linestyle()) == ("red", ":")


def test_the_best_epoch_has_a_dot():
    history = [{"epoch": n, "train_loss": 1 / n, "valid_loss": abs(n - 2) + 1} for n in (1, 2, 3)]
    lines = LearningCurvesDisplay(history).plot().axes_.lines
    assert [list(line.get_xydata()[0]) for line in lines if len(line.get_xdata()) == 1] == [[2, 1]]


def test_a_history_without_scores_says_so():
    with pytest.raises(ValueError, match=r"no 'score'; it has epoch, train_loss\. Scores need"):
        LearningCurvesDisplay([{"epoch": 1, "train_loss": 1.0}]).plot("score")


def covered_one_by_one(estimator, image, column, square, fill):
    """The score while a square of `fill` lies around each pixel, one prediction at a time."""
    height, width = image.shape[1:]
    found = np.empty((height, width))
    for i in range(height):
        for j in range(width):
            covered = image.copy()
            top, left = i - square // 2, j - square // 2
            covered[:, max(top, 0) : top + square, max(left, 0) : left + square] = fill
            found[i, j] = estimator.predict_proba(covered[None])[0, column]
    return found


@pytest.mark.parametrize(("square", "fill", "batch_size"), [(3, 0.0, 1024), (2, 16.0, 7)])
def test_occlusion_against_one_image_at_a_time(square, fill, batch_size, extractor, digits):
    X, y = digits
    display = OcclusionDisplay.from_estimator(
        extractor, X[:2], y[:2], square=square, fill=fill, batch_size=batch_size
    )
    for row in range(2):
        expected = covered_one_by_one(extractor, X[row], y[row], square, fill)
        np.testing.assert_allclose(display.covered_scores[row], expected, atol=1e-5)
    np.testing.assert_allclose(
        display.scores, extractor.predict_proba(X[:2])[[0, 1], y[:2]], atol=1e-6
    )


def test_occlusion_asks_the_end_of_the_pipeline(fitted, digits):
    pipeline = fitted["Pipeline of features"]
    display = OcclusionDisplay.from_estimator(pipeline, digits[0][:1])
    np.testing.assert_allclose(display.scores, pipeline.predict_proba(digits[0][:1]).max())


def test_occlusion_refuses_squares_that_do_not_fit(extractor, digits):
    with pytest.raises(ValueError, match="square must be from 1 to 8, the shorter side; got 9"):
        OcclusionDisplay.from_estimator(extractor, digits[0][:1], square=9)


def score_before_softmax(extractor, images, columns):
    """Σ of the chosen outputs, without softmax, from the dense layer's activations on."""
    layer = extractor.layers_["output"]
    hidden = extractor.get_output("dense", images).astype(np.float64)
    values = hidden @ layer.W.get_value() + layer.b.get_value()
    return values[np.arange(len(images)), columns].sum()


def test_saliency_against_finite_differences(extractor, digits, rng):
    X, y = digits[0][:2].astype(np.float64), digits[1][:2]
    gradients = SaliencyDisplay.from_estimator(extractor, X, y).gradients
    step = 1e-2
    for _ in range(3):
        # Uphill everywhere, so that the slope is steep against float32's rounding.
        direction = rng.uniform(0, 1, X.shape) * np.sign(gradients)
        ahead = score_before_softmax(extractor, X + step * direction, y)
        behind = score_before_softmax(extractor, X - step * direction, y)
        expected = (ahead - behind) / (2 * step)
        assert expected > 0.05
        # Rectifiers and poolings have kinks, which a step may cross.
        np.testing.assert_allclose((gradients * direction).sum(), expected, rtol=0.02)


def test_saliency_of_the_probability(extractor, digits, rng):
    X, y = digits[0][:1], digits[1][:1]
    gradients = SaliencyDisplay.from_estimator(extractor, X, y, before_softmax=False).gradients
    direction, step = rng.uniform(-1, 1, X.shape).astype(np.float32), np.float32(0.05)
    ahead, behind = (extractor.predict_proba(X + s * direction)[0, y[0]] for s in (step, -step))
    np.testing.assert_allclose(
        (gradients * direction).sum(), (ahead - behind) / (2 * step), rtol=0.05, atol=1e-3
    )


def test_saliency_is_a_few_images_a_slice(extractor, digits, monkeypatch):
    whole = SaliencyDisplay.from_estimator(extractor, digits[0][:5]).gradients
    monkeypatch.setattr("convnet_features.network.model.SLICE_BYTES", (1, 1))
    sliced = SaliencyDisplay.from_estimator(extractor, digits[0][:5]).gradients
    np.testing.assert_allclose(sliced, whole, atol=1e-5)


def test_saliency_of_a_regressor(digits):
    X, y = digits[0][:200], digits[1][:200].astype(float)
    regressor = ConvNetRegressor(max_epochs=1, random_state=0).fit(X, y)
    assert SaliencyDisplay.from_estimator(regressor, X[:2]).saliency.any()


@pytest.mark.parametrize("kind", [SaliencyDisplay, OcclusionDisplay])
def test_targets_are_classes(kind, digits):
    X = digits[0][:300]
    names = np.array(["zero", "one", "two", "three", "four", "five", "six", "7", "8", "9"])
    extractor = ConvNetFeatureExtractor(max_epochs=1, random_state=0).fit(X, names[digits[1][:300]])
    every, one = (kind.from_estimator(extractor, X[:2], t) for t in (["six", "six"], "six"))
    np.testing.assert_array_equal(*(vars(each)[list(vars(each))[1]] for each in (every, one)))
    with pytest.raises(ValueError, match=r"target: \['ten'\] not among \['7', '8'"):
        kind.from_estimator(extractor, X[:2], ["six", "ten"])
    with pytest.raises(ValueError, match=r"target has shape \(3,\); expected one a sample \(2\)"):
        kind.from_estimator(extractor, X[:2], ["six"] * 3)


def corners_as_labels(digits):
    """Labels that hold for other images each, and a network that learns them."""
    X, y = digits[0][:300], digits[1][:300]
    labels = np.column_stack([y % 2 == 0, y > 4, y % 3 == 0]).astype(int)
    return X, labels, ConvNetClassifier(max_epochs=3, random_state=0).fit(X, labels)


def test_the_most_probable_label_is_explained(digits):
    X, _, net = corners_as_labels(digits)
    likeliest = net.predict_proba(X[:9]).argmax(axis=1)
    assert len(set(likeliest)) > 1
    for kind, number in ((OcclusionDisplay, 1), (SaliencyDisplay, 1)):
        shown, named = (kind.from_estimator(net, X[:9], each) for each in (None, likeliest))
        np.testing.assert_array_equal(
            *(list(vars(each).values())[number] for each in (shown, named))
        )
    np.testing.assert_allclose(
        OcclusionDisplay.from_estimator(net, X[:9]).scores,
        net.predict_proba(X[:9]).max(axis=1),
        atol=1e-6,
    )


def test_labels_of_an_estimator_that_gives_two_columns_for_each(digits):
    X, labels, net = corners_as_labels(digits)
    features = ConvNetFeatureExtractor(max_epochs=1, random_state=0)
    heads = make_pipeline(features, MultiOutputClassifier(LogisticRegression(max_iter=300)))
    heads.fit(X, labels)
    display = OcclusionDisplay.from_estimator(heads, X[:2], 2, square=4)
    np.testing.assert_allclose(display.scores, heads.predict_proba(X[:2])[2][:, 1])
    several = make_pipeline(net, MultiOutputClassifier(LogisticRegression(max_iter=300)))
    several[-1].fit(net.transform(X), np.column_stack([digits[1][:300], labels[:, 0]]))
    with pytest.raises(ValueError, match="Pipeline predicts 2 classes a sample, each of several"):
        OcclusionDisplay.from_estimator(several, X[:2])


def test_the_default_is_the_class_whatever_it_is_called(digits):
    X, y = digits[0][:300], digits[1][:300]
    names = np.array(["zero", "one", "two", "three", "four", "five", "six", "7", "8", "9"])[y]
    net = ConvNetClassifier(max_epochs=2, random_state=0).fit(X, names)
    for kind in (OcclusionDisplay, SaliencyDisplay):
        shown, named = (kind.from_estimator(net, X[:3], t) for t in (None, net.predict(X[:3])))
        np.testing.assert_array_equal(*(list(vars(each).values())[1] for each in (shown, named)))


@pytest.mark.parametrize(
    "reducer",
    [
        None,
        PCA(2),
        TSNE(2, perplexity=5, random_state=0),
        LinearDiscriminantAnalysis(n_components=2),
    ],
    ids=["default", "PCA", "TSNE", "LDA"],
)
def test_any_reducer_embeds(reducer, extractor, digits):
    X, y = digits[0][:60], digits[1][:60]
    display = FeatureEmbeddingDisplay.from_estimator(extractor, X, y, reducer=reducer)
    assert display.embedding.shape == (60, 2)
    assert not hasattr(reducer, "n_features_in_")


def test_a_reducer_of_three_components_is_refused(extractor, digits):
    with pytest.raises(ValueError, match=r"\(60, 3\); expected \(60, 2\): set n_components=2"):
        FeatureEmbeddingDisplay.from_estimator(extractor, digits[0][:60], reducer=PCA(3))


def test_a_layer_may_be_named(extractor, digits):
    X = digits[0][:60]
    display = FeatureEmbeddingDisplay.from_estimator(extractor, X, layer="maxpool2", reducer=PCA(2))
    expected = PCA(2).fit_transform(extractor.get_output("maxpool2", X).reshape(60, -1))
    np.testing.assert_allclose(np.abs(display.embedding), np.abs(expected), rtol=1e-3, atol=1e-3)
    with pytest.raises(ValueError, match="there is no layer 'dens'; the network has input, conv2d"):
        FeatureEmbeddingDisplay.from_estimator(extractor, X, layer="dens")


def test_classes_have_a_legend_and_numbers_a_colour_bar(rng):
    points = rng.normal(size=(30, 2))
    classes = FeatureEmbeddingDisplay(points, np.arange(30) % 3, "PCA").plot()
    assert [text.get_text() for text in classes.axes_.get_legend().get_texts()] == ["0", "1", "2"]
    numbers = FeatureEmbeddingDisplay(points, rng.normal(size=30), "PCA").plot()
    assert len(numbers.figure_.axes) == 2
    assert FeatureEmbeddingDisplay(points).plot().axes_.get_legend() is None


def test_thumbnails_lie_at_their_points_and_not_upon_each_other(extractor, digits):
    from matplotlib.offsetbox import AnnotationBbox

    X, y = digits
    display = FeatureEmbeddingDisplay.from_estimator(extractor, X, y, thumbnails=30)
    rows = display.picture_rows
    assert 10 < len(rows) == len(set(rows)) <= 30
    np.testing.assert_allclose(display.pictures, X[rows, 0] / X[rows].max())
    for figsize in ((6.4, 5.2), (3, 6)):
        display.plot(figsize=figsize).figure_.canvas.draw()
        boxes = [each for each in display.axes_.artists if isinstance(each, AnnotationBbox)]
        np.testing.assert_array_equal([box.xy for box in boxes], display.embedding[rows])
        extents = [box.get_window_extent() for box in boxes]
        assert not [1 for a, b in itertools.combinations(extents, 2) if a.overlaps(b)]
        inside = display.axes_.get_window_extent()
        assert all(inside.x0 < e.x0 < e.x1 < inside.x1 for e in extents)
        assert all(inside.y0 < e.y0 < e.y1 < inside.y1 for e in extents)
        legend = display.axes_.get_legend()
        colours = {
            t.get_text(): h.get_facecolor()[0]
            for t, h in zip(legend.get_texts(), legend.legend_handles, strict=True)
        }
        for box, row in zip(boxes, rows, strict=True):
            np.testing.assert_allclose(box.patch.get_edgecolor(), colours[str(y[row])])


@pytest.mark.parametrize("labels", [None, np.linspace(0, 1, 30)])
def test_thumbnails_of_points_without_classes(labels, rng):
    rows = np.array([3, 7])
    display = FeatureEmbeddingDisplay(
        rng.normal(size=(30, 2)), labels, "PCA", rng.uniform(size=(2, 5, 4, 3)), rows
    ).plot()
    assert len(display.axes_.artists) == 2
    assert repr(display).startswith("<FeatureEmbeddingDisplay: 30 points by PCA, 2 thumbnails;")


def test_there_are_thumbnails_where_all_points_are_one():
    from convnet_features.inspection.embedding import _far_apart

    assert len(_far_apart(np.ones((5, 2)), 3)) == 1
    corners = np.array([[0, 0], [0, 1], [1, 0], [1, 1], [0.01, 0.01]])
    assert sorted(_far_apart(corners, 9)) == [0, 1, 2, 3]
    assert len(_far_apart(corners, 2)) == 2


def test_thumbnails_of_photographs(tmp_path):
    image_module = pytest.importorskip("PIL.Image")
    colours = ["red", "navy", "lime", "black"] * 5
    for number, colour in enumerate(colours):
        image_module.new("RGB", (20 + number, 30), colour).save(tmp_path / f"{number}.png")
    paths = [tmp_path / f"{number}.png" for number in range(20)]
    net = ConvNetFeatureExtractor(max_epochs=1, random_state=0)
    model = make_pipeline(ImageLoader(8), net).fit(paths, colours)
    display = FeatureEmbeddingDisplay.from_estimator(model, paths, thumbnails=2)
    assert display.pictures.shape == (2, 192, 192, 3)
    for row, picture in zip(display.picture_rows, display.pictures, strict=True):
        expected = image_module.new("RGB", (1, 1), colours[row]).getpixel((0, 0))
        np.testing.assert_array_equal(picture[9, 9] * 255, expected)
    with pytest.raises(ValueError, match="thumbnails must be at least 0; got -1"):
        FeatureEmbeddingDisplay.from_estimator(model, paths, thumbnails=-1)


def branching():
    """A residual block, then three branches: (name, incoming)."""
    from lasagne.layers import ConcatLayer, Conv2DLayer, DenseLayer, ElemwiseSumLayer, InputLayer

    below = InputLayer((None, 3, 16, 16), name="input")
    inner = Conv2DLayer(below, 3, 3, pad="same", name="inner")
    inner = Conv2DLayer(inner, 3, 3, pad="same", name="second")
    block = ElemwiseSumLayer([inner, below], name="sum")
    branches = [Conv2DLayer(block, 4, 1, name=f"branch{number}") for number in range(3)]
    return DenseLayer(ConcatLayer(branches, name="concat"), 10, name="output")


def test_branches_stand_side_by_side():
    from convnet_features.inspection.architecture import _arranged

    display = ArchitectureDisplay.from_estimator(branching())
    names = [box.name for box in display.boxes]
    places, routes = _arranged([box.incoming for box in display.boxes])
    branches = places[[names.index(f"branch{number}") for number in range(3)]]
    assert len(set(branches[:, 0])) == 3
    assert len(set(branches[:, 1])) == 1
    assert len({tuple(place) for place in places}) == len(names)
    assert len(routes) == sum(len(box.incoming) for box in display.boxes)
    for route in routes:
        inner = {tuple(map(float, place)) for place in route[1:-1]}
        assert not inner & {tuple(place) for place in places}, "an edge runs through a box"


def test_boxes_name_sizes_and_parameters():
    boxes = {box.name: box for box in ArchitectureDisplay.from_estimator(branching()).boxes}
    assert boxes["inner"].text == "inner: Conv2D\n3×16×16, 84 parameters"
    assert boxes["sum"].text == "sum: ElemwiseSum\n3×16×16"


def test_occlusion_of_colour_images_of_every_form(rng):
    X = rng.integers(0, 256, (30, 3, 6, 10), dtype=np.uint8)
    y = np.arange(30) % 2
    net = ConvNetClassifier(max_epochs=1, random_state=0).fit(X, y)
    plain = OcclusionDisplay.from_estimator(net, X[:2], square=3)
    expected = covered_one_by_one(net, X[1], net.predict_proba(X[1:2]).argmax(), 3, 0)
    np.testing.assert_allclose(plain.covered_scores[1], expected, atol=1e-5)
    for form in (X[:2].transpose(0, 2, 3, 1), X[:2].reshape(2, -1)):
        shown = OcclusionDisplay.from_estimator(net, form, square=3)
        np.testing.assert_allclose(shown.covered_scores, plain.covered_scores, atol=1e-6)
        np.testing.assert_array_equal(shown.images, X[:2])


def test_explanations_of_photographs(tmp_path):
    image_module = pytest.importorskip("PIL.Image")
    colours = ["red", "navy"] * 6
    paths = [tmp_path / f"{number}.png" for number in range(12)]
    for number, (path, colour) in enumerate(zip(paths, colours, strict=True)):
        image_module.new("RGB", (20 + number, 30), colour).save(path)
    model = make_pipeline(ImageLoader((6, 8)), ConvNetClassifier(max_epochs=1, random_state=0))
    model.fit(paths, colours)
    decoded = model[0].transform(paths[:2])
    for kind in (OcclusionDisplay, SaliencyDisplay):
        shown, plain = kind.from_estimator(model, paths[:2]), kind.from_estimator(model[1], decoded)
        np.testing.assert_array_equal(shown.images, decoded)
        np.testing.assert_array_equal(*(list(vars(each).values())[1] for each in (shown, plain)))


@pytest.mark.parametrize(
    ("metric", "best"), [("loss", 2), ("valid_loss", 2), ("score", 3), ("valid_f1_score", 1)]
)
def test_the_best_epoch_is_that_of_the_least_loss_and_of_the_greatest_score(metric, best):
    columns = zip([0.9, 0.3, 0.7], [0.1, 0.5, 0.8], [0.9, 0.1, 0.2], strict=True)
    history = [
        {"epoch": epoch, "valid_loss": loss, "valid_score": score, "valid_f1_score": f1}
        for epoch, (loss, score, f1) in enumerate(columns, 1)
    ]
    display = LearningCurvesDisplay(history).plot(metric)
    texts = [text.get_text() for text in display.axes_.get_legend().get_texts()]
    assert texts[-1].endswith(f"in epoch {best}")
