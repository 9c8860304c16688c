"""What holds for every display, drawn from everything that holds a network."""

from __future__ import annotations

import inspect
import subprocess
import sys

import numpy as np
import pytest

from convnet_features import ConvNetFeatureExtractor, inspection
from convnet_features.inspection import (
    ActivationMapsDisplay,
    ArchitectureDisplay,
    FeatureEmbeddingDisplay,
    FiltersDisplay,
    GradCAMDisplay,
    LayerActivationsDisplay,
    LearningCurvesDisplay,
    MisclassifiedDisplay,
    OcclusionDisplay,
    SaliencyDisplay,
)

pytest.importorskip("matplotlib").use("Agg")

#: Each display's from_estimator from (estimator, X, y).
DISPLAYS = {
    FiltersDisplay: lambda e, X, y: FiltersDisplay.from_estimator(e),
    ActivationMapsDisplay: lambda e, X, y: ActivationMapsDisplay.from_estimator(e, X[:1]),
    GradCAMDisplay: lambda e, X, y: GradCAMDisplay.from_estimator(e, X[:2], y[:2]),
    LayerActivationsDisplay: lambda e, X, y: LayerActivationsDisplay.from_estimator(e, X[:1]),
    LearningCurvesDisplay: lambda e, X, y: LearningCurvesDisplay.from_estimator(e),
    MisclassifiedDisplay: lambda e, X, y: MisclassifiedDisplay.from_estimator(
        e, X[:50], (y[:50] + 1) % 10, max_images=7
    ),
    OcclusionDisplay: lambda e, X, y: OcclusionDisplay.from_estimator(e, X[:2], y[:2]),
    SaliencyDisplay: lambda e, X, y: SaliencyDisplay.from_estimator(e, X[:2], y[:2]),
    FeatureEmbeddingDisplay: lambda e, X, y: FeatureEmbeddingDisplay.from_estimator(
        e, X[:50], y[:50]
    ),
    ArchitectureDisplay: lambda e, X, y: ArchitectureDisplay.from_estimator(e),
}

#: Takes any classifier.
WITHOUT_NETWORK = {MisclassifiedDisplay}

each_display = pytest.mark.parametrize("display", DISPLAYS, ids=lambda each: each.__name__)


def test_every_public_display_keeps_the_contract():
    public = {getattr(inspection, name) for name in inspection.__all__ if name.endswith("Display")}
    assert public == set(DISPLAYS)


@each_display
def test_it_computes_then_draws(display, estimator, images, digits):
    computed = DISPLAYS[display](estimator, images, digits[1])
    assert not hasattr(computed, "figure_")
    assert computed.plot() is computed
    axes = np.ravel(computed.axes_)
    assert all(each.figure is computed.figure_ for each in axes)
    assert any(each.has_data() or each.texts for each in axes)
    computed.figure_.canvas.draw()


@each_display
def test_it_draws_into_the_axes_that_are_given(display, extractor, digits):
    import matplotlib.pyplot as plt

    figure, (left, _) = plt.subplots(1, 2)
    computed = DISPLAYS[display](extractor, *digits).plot(ax=left)
    assert computed.figure_ is figure
    box = left.get_position()
    for each in np.ravel(computed.axes_):
        assert each.get_position().x1 <= box.x1 + 0.01
    assert len(plt.get_fignums()) == 1


@each_display
def test_it_draws_again_elsewhere(display, extractor, digits):
    computed = DISPLAYS[display](extractor, *digits)
    first = computed.plot().figure_
    assert computed.plot().figure_ is not first


@each_display
def test_it_leaves_the_images_alone(display, extractor, digits):
    X, y = digits
    before = X[:50].copy()
    DISPLAYS[display](extractor, X, y).plot()
    np.testing.assert_array_equal(X[:50], before)


@each_display
def test_it_says_what_it_holds(display, extractor, digits):
    text = repr(DISPLAYS[display](extractor, *digits))
    assert text.startswith(f"<{display.__name__}: ")
    assert text.endswith("; .plot() draws it>")
    assert any(character.isdigit() for character in text)


@each_display
def test_an_estimator_before_fit_is_refused(display, digits):
    from sklearn.exceptions import NotFittedError

    with pytest.raises(NotFittedError, match="not fitted"):
        DISPLAYS[display](ConvNetFeatureExtractor(), *digits)


@pytest.mark.parametrize(
    "display",
    [each for each in DISPLAYS if each not in WITHOUT_NETWORK],
    ids=lambda each: each.__name__,
)
def test_what_holds_no_network_is_refused(display, digits):
    from sklearn.linear_model import LogisticRegression

    with pytest.raises(TypeError, match="no network in LogisticRegression; give a ConvNetFeature"):
        DISPLAYS[display](LogisticRegression(), *digits)


@each_display
def test_drawing_takes_nothing_by_position_but_axes(display):
    parameters = list(inspect.signature(display.plot).parameters.values())[1:]
    positional = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    assert positional in (["ax"], ["metric", "ax"])


def test_computing_imports_no_matplotlib():
    program = (
        "import sys\n"
        "from convnet_features import ConvNetFeatureExtractor, inspection\n"
        "from convnet_features.datasets import load_digits_images\n"
        "X, y = load_digits_images()\n"
        "net = ConvNetFeatureExtractor(max_epochs=1, random_state=0).fit(X[:200], y[:200])\n"
        "inspection.FiltersDisplay.from_estimator(net)\n"
        "inspection.SaliencyDisplay.from_estimator(net, X[:1])\n"
        "inspection.GradCAMDisplay.from_estimator(net, X[:1])\n"
        "inspection.MisclassifiedDisplay.from_estimator(net, X[:20], y[:20])\n"
        "inspection.OcclusionDisplay.from_estimator(net, X[:1])\n"
        "inspection.FeatureEmbeddingDisplay.from_estimator(net, X[:20])\n"
        "print('matplotlib' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip()) == (0, "False"), done.stderr


def test_drawing_without_matplotlib_says_what_to_install(extractor, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    display = FiltersDisplay.from_estimator(extractor)
    with pytest.raises(ImportError, match=r"pip install 'convnet-features\[plot\]'"):
        display.plot()


def test_a_frame_stays_a_frame_for_the_steps_in_front():
    from sklearn.compose import ColumnTransformer
    from sklearn.datasets import load_digits
    from sklearn.pipeline import make_pipeline

    from convnet_features import ConvNetClassifier

    pandas = pytest.importorskip("pandas")
    X, y = load_digits(return_X_y=True)
    frame = pandas.DataFrame(X[:80], columns=[f"p{i}" for i in range(64)])
    front = ColumnTransformer([("all", "passthrough", list(frame.columns))])
    model = make_pipeline(front, ConvNetClassifier(max_epochs=1, random_state=0)).fit(frame, y[:80])
    shown = OcclusionDisplay.from_estimator(model, frame[:1], square=3)
    plain = OcclusionDisplay.from_estimator(model[-1], X[:1], square=3)
    np.testing.assert_array_equal(shown.drops, plain.drops)
