"""The images that a classifier gets wrong."""

from __future__ import annotations

import io

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.svm import SVC, LinearSVC

from convnet_features import ConvNetRegressor
from convnet_features.images import ImageLoader
from convnet_features.inspection import MisclassifiedDisplay

pytest.importorskip("matplotlib").use("Agg")


def test_errors_come_with_the_most_confident_first(extractor, digits):
    X, y = digits
    display = MisclassifiedDisplay.from_estimator(extractor, X, y, max_images=6)
    probabilities, predicted = extractor.predict_proba(X), extractor.predict(X)
    wrong = np.flatnonzero(predicted != y)
    expected = wrong[np.argsort(-probabilities[wrong].max(axis=1), kind="stable")][:6]
    assert len(expected) == 6
    np.testing.assert_array_equal(display.rows, expected)
    np.testing.assert_array_equal(display.probabilities, probabilities[expected].max(axis=1))
    assert list(display.y_true) == [str(label) for label in y[expected]]
    assert list(display.y_pred) == [str(label) for label in predicted[expected]]
    assert (display.n_errors, display.n_samples) == (len(wrong), 400)
    np.testing.assert_allclose(display.pictures, X[expected, 0] / X[expected].max())
    titles = [each.get_title() for each in display.plot().axes_.ravel() if each.images]
    assert (
        titles[0] == f"{display.probabilities[0]:.2f}: {display.y_pred[0]}\nis {display.y_true[0]}"
    )


@pytest.mark.parametrize("end", [SVC(), LinearSVC(), LogisticRegression(max_iter=500)])
def test_any_classifier_will_do(end, digits):
    X, y = digits[0].reshape(400, -1), digits[1]
    end.fit(X[:50], y[:50])
    display = MisclassifiedDisplay.from_estimator(end, X, y)
    order = display.probabilities
    assert (np.diff(order) <= 0).all()
    assert display.pictures.shape[1:] == (8, 8)


@pytest.mark.parametrize("n_classes", [2, 10])
def test_scores_are_called_scores(n_classes, digits):
    X, y = digits[0].reshape(400, -1), digits[1] % n_classes
    svc = SVC().fit(X[:50], y[:50])
    display = MisclassifiedDisplay.from_estimator(svc, X, y, max_images=3)
    values = svc.decision_function(X[display.rows])
    values = np.abs(values) if n_classes == 2 else values.max(axis=1)
    np.testing.assert_allclose(display.probabilities, values, rtol=1e-6)
    for each, value, true, predicted in zip(
        display.plot().axes_.ravel(), values, display.y_true, display.y_pred, strict=False
    ):
        assert each.get_title() == f"score {value:.2f}: {predicted}\nis {true}"


@pytest.mark.parametrize(
    ("value", "said"), [(1.0, "1.00"), (2.27, "score 2.27"), (-0.5, "score -0.50")]
)
def test_what_is_no_probability_is_called_a_score(value, said, digits):
    display = MisclassifiedDisplay.from_predictions(
        digits[0][:2], [0, 1], [1, 1], probabilities=[value, 0.3]
    )
    assert display.plot().axes_[0, 0].get_title() == f"{said}: 1\nis 0"


def test_an_estimator_that_only_predicts_keeps_their_order(digits):
    X, y = digits

    class Zero:
        def predict(self, X):
            return np.zeros(len(X), dtype=int)

    display = MisclassifiedDisplay.from_estimator(Zero(), X[:20], y[:20], max_images=5)
    np.testing.assert_array_equal(display.rows, np.flatnonzero(y[:20])[:5])
    assert display.probabilities is None
    assert display.plot().axes_[0, 0].get_title() == f"0\nis {y[display.rows[0]]}"


def test_no_errors_are_said_to_be_none(digits):
    X, y = digits
    display = MisclassifiedDisplay.from_predictions(X[:9], y[:9], y[:9]).plot()
    assert display.axes_[0, 0].texts[0].get_text() == "no errors among 9 images"
    assert repr(display).startswith("<MisclassifiedDisplay: 0 of 0 errors among 9 images;")


def test_probabilities_of_all_classes_or_of_the_predicted(digits):
    X = digits[0][:3]
    y_true, y_pred = ["b", "a", "c"], ["a", "b", "a"]
    table = np.array([[0.5, 0.2, 0.3], [0.1, 0.9, 0.0], [0.7, 0.2, 0.1]])
    for probabilities, labels in (
        (table, None),
        (table[:, ::-1], ["c", "b", "a"]),
        ([0.5, 0.9, 0.7], None),
    ):
        display = MisclassifiedDisplay.from_predictions(
            X, y_true, y_pred, probabilities=probabilities, labels=labels
        )
        np.testing.assert_array_equal(display.rows, [1, 2, 0])
        np.testing.assert_array_equal(display.probabilities, [0.9, 0.7, 0.5])
    with pytest.raises(
        ValueError, match=r"probabilities has the shape \(3, 2\), and there are 3 classes"
    ):
        MisclassifiedDisplay.from_predictions(X, y_true, y_pred, probabilities=table[:, :2])
    with pytest.raises(
        ValueError, match=r"y_pred: \['b'\] not among the classes \['a', 'c', 'd'\]"
    ):
        MisclassifiedDisplay.from_predictions(
            X, y_true, y_pred, probabilities=table, labels=["a", "c", "d"]
        )


def test_names_of_classes(digits):
    display = MisclassifiedDisplay.from_predictions(
        digits[0][:2], [0, 2], [2, 2], labels=[0, 1, 2], display_labels=["ant", "bee", "cat"]
    )
    assert (display.y_true[0], display.y_pred[0]) == ("ant", "cat")
    with pytest.raises(ValueError, match=r"3 names, and there are 2 classes \(0, 2\)"):
        MisclassifiedDisplay.from_predictions(
            digits[0][:2], [0, 2], [2, 2], display_labels=["ant", "bee", "cat"]
        )


def test_a_class_that_the_estimator_never_saw_keeps_its_own_name(extractor, digits):
    display = MisclassifiedDisplay.from_estimator(
        extractor, digits[0][:2], [77, 78], display_labels=list("abcdefghij")
    )
    assert set(display.y_true) == {"77", "78"}
    assert set(display.y_pred) <= set("abcdefghij")


def test_names_and_numbers_of_classes_are_not_compared(extractor, digits):
    X, y = digits
    with pytest.raises(ValueError, match="Mix of label input types"):
        MisclassifiedDisplay.from_estimator(extractor, X[:9], y[:9].astype(str))
    with pytest.raises(ValueError, match="Mix of label input types"):
        MisclassifiedDisplay.from_predictions(X[:2], ["a", "b"], [0, 1])


def test_lengths_must_fit(digits):
    with pytest.raises(ValueError, match="there are 3 images, 2 true classes and 2 predicted ones"):
        MisclassifiedDisplay.from_predictions(digits[0][:3], [0, 1], [1, 1])


def test_numbers_and_several_labels_have_no_errors_to_show(digits):
    X, y = digits[0][:60], digits[1][:60] / 7
    regressor = ConvNetRegressor(max_epochs=1, random_state=0).fit(X, y)
    with pytest.raises(
        ValueError, match="y: one class a sample is expected, and these are continuous"
    ):
        MisclassifiedDisplay.from_estimator(regressor, X, y)
    with pytest.raises(ValueError, match=r"y_true: one class a sample .* multilabel-indicator"):
        MisclassifiedDisplay.from_predictions(X, np.eye(60), np.eye(60))


def test_photographs_are_shown_larger_than_they_are_classified(tmp_path):
    image_module = pytest.importorskip("PIL.Image")
    paths, y = [], []
    for number, colour in enumerate(["red", "blue", "darkred", "navy"] * 2):
        paths.append(tmp_path / f"{number}.png")
        image_module.new("RGB", (30 + number, 40), colour).save(paths[-1])
        y.append("warm" if "red" in colour else "cold")
    flat = FunctionTransformer(lambda X: X.reshape(len(X), -1) / 255)
    model = make_pipeline(ImageLoader(8), flat, LogisticRegression()).fit(paths, y)
    wrong = ["cold", *y[1:]]
    for X in (paths, [path.read_bytes() for path in paths]):
        display = MisclassifiedDisplay.from_estimator(model, X, wrong)
        np.testing.assert_array_equal(display.rows, [0])
        assert display.pictures.shape == (1, 192, 192, 3)
        np.testing.assert_array_equal(
            display.pictures[0, ::50, ::50], np.full((4, 4, 3), [1, 0, 0])
        )
        assert (display.y_true[0], display.y_pred[0]) == ("cold", "warm")
        assert display.probabilities[0] == model.predict_proba(paths)[0].max()


def test_streams_that_can_be_read_once_are_classified_and_shown(tmp_path):
    image_module = pytest.importorskip("PIL.Image")

    class Once(io.RawIOBase):
        """Bytes of a socket, say."""

        def __init__(self, contents):
            self.contents = io.BytesIO(contents)

        def readable(self):
            return True

        def read(self, size=-1):
            return self.contents.read(size)

    def stream(colour):
        memory = io.BytesIO()
        image_module.new("RGB", (20, 20), colour).save(memory, "PNG")
        return Once(memory.getvalue())

    flat = FunctionTransformer(lambda X: X.reshape(len(X), -1) / 255)
    model = make_pipeline(ImageLoader(8), flat, LogisticRegression())
    model.fit([stream("red"), stream("blue")], [0, 1])
    display = MisclassifiedDisplay.from_estimator(model, [stream("red"), stream("blue")], [1, 1])
    np.testing.assert_array_equal(display.pictures[0, 5, 5], [1, 0, 0])
