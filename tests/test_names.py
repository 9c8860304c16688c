"""Names that users give, through everything that writes them down and reads them back."""

from __future__ import annotations

import csv
import pickle
import re

import numpy as np
import pytest
from sklearn.base import clone

import convnet_features  # noqa: F401  (makes `import theano` work)

# isort: split
from lasagne import layers, nonlinearities

from convnet_features import ConvNetClassifier, ConvNetFeatureExtractor
from convnet_features.callbacks import Callback, Checkpoint, CSVLog
from convnet_features.exceptions import NetworkError

from .images import bright_corners, quick

X, Y = bright_corners()

#: With what some format keeps for itself: separators, what JSON, HTML and DOT quote, words of ours.
NAMES = [
    "b1/conv",
    "b1_conv",
    "b1.conv",
    "b1",
    "conv.0",
    "conv.W",
    "training/theta",
    "callback/Remembering/0/a",
    "__metadata__",
    "_conv",
    "conv_",
    "X",
    "features",
    "label",
    "relu",
    "None",
    "two words",
    'the "ünnamed"',
    "<b>{0}%s</b>",
    "line\nline",
]


def network(names=NAMES):
    convolution = {"num_filters": 2, "filter_size": 3, "pad": "same"}
    return [
        *((name, layers.Conv2DLayer, convolution) for name in names),
        ("out", layers.DenseLayer),
    ]


def as_function(images, n_outputs):
    for name in NAMES:
        images = layers.Conv2DLayer(images, 2, 3, pad="same", name=name)
    return layers.DenseLayer(images, n_outputs, nonlinearity=nonlinearities.softmax, name="out")


class Remembering(Callback):
    """Keeps arrays under names of the user's own."""

    def on_epoch_end(self, trainer, record):
        record['the, "score"'] = 0.25
        self.kept = {key: np.full(2, float(i)) for i, key in enumerate(KEYS)}

    def get_state(self):
        return getattr(self, "kept", {})

    def set_state(self, state):
        self.kept = state


#: The first would be the layer's parameter, were it written as it is.
KEYS = ["a.W", "a/b", "a%2Eb", "folder", ""]


@pytest.fixture(scope="module")
def trained():
    return quick(ConvNetClassifier, layers=network(), max_epochs=2).fit(X, Y)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    folder = tmp_path_factory.mktemp("names")
    callbacks = [Remembering(), Checkpoint(folder), CSVLog(folder / "log, 1.csv")]
    quick(ConvNetClassifier, layers=network(), max_epochs=2, callbacks=callbacks).fit(X, Y)
    return folder


def every_parameter():
    return [f"{name}.{parameter}" for name in [*NAMES, "out"] for parameter in "Wb"]


def assert_same_values(net, other):
    """By place, not by name."""
    for one, two in zip(net._model.values, other._model.values, strict=True):
        np.testing.assert_array_equal(one, two)


class TestLayers:
    @pytest.mark.parametrize("kind", ["list", "function"])
    def test_through_save_params_and_pretrained(self, trained, tmp_path, kind):
        trained.save_params(tmp_path / "a, b.safetensors")
        declared = network() if kind == "list" else as_function
        net = quick(
            ConvNetClassifier,
            layers=declared,
            pretrained=tmp_path / "a, b.safetensors",
            freeze=NAMES,
            max_epochs=1,
            random_state=7,
        ).fit(X, Y)
        assert sorted(net.load_report_.loaded) == sorted(every_parameter())
        assert net.load_report_.unused == net.load_report_.missing == []
        for name in NAMES:
            np.testing.assert_array_equal(
                net.layers_[name].W.get_value(), trained.layers_[name].W.get_value()
            )

    def test_through_load_params(self, trained, tmp_path):
        trained.save_params(tmp_path / "x")
        other = quick(ConvNetClassifier, layers=network(), max_epochs=1, random_state=7).fit(X, Y)
        assert sorted(other.load_params(tmp_path / "x").loaded) == sorted(every_parameter())
        assert_same_values(other, trained)

    @pytest.mark.parametrize("file", ["last", "best"])
    def test_through_a_checkpoint(self, trained, checkpoint, file):
        other = quick(ConvNetClassifier, layers=network(), max_epochs=1, random_state=7).fit(X, Y)
        report = other.load_params(checkpoint / f"{file}.safetensors")
        assert sorted(report.loaded) == sorted(every_parameter())
        assert report.unused == []

    def test_through_pickle(self, trained):
        again = pickle.loads(pickle.dumps(trained))
        assert list(again.layers_) == list(trained.layers_)
        assert_same_values(again, trained)

    def test_through_onnx(self, trained):
        pytest.importorskip("onnx")
        from convnet_features.onnx import from_onnx, to_onnx

        again = from_onnx(to_onnx(trained, features=False))
        assert {*again.layers_} >= {"input", *NAMES, "out"}
        for name in [*NAMES, "out"]:
            np.testing.assert_allclose(
                again.get_output(name, X), trained.get_output(name, X), atol=1e-5
            )

    def test_through_tables(self, trained):
        summary = trained.summary()
        assert all(name.split("\n")[0] in summary for name in NAMES)
        assert "<b>{0}" not in trained._repr_html_()
        names = trained.set_params(feature_layer=NAMES).get_feature_names_out()
        trained.set_params(feature_layer=None)
        assert len(set(names)) == len(names) == len(NAMES) * 2 * 36

    @pytest.mark.parametrize("name", NAMES)
    def test_through_parameters(self, name):
        """Of one layer each: whose they are does not depend on what else there is."""
        params = {f"{name}_num_filters": 3}
        net = quick(ConvNetClassifier, layers=network([name]), max_epochs=1, **params)
        assert clone(net).get_params()[f"{name}_num_filters"] == 3
        assert net.fit(X, Y).layers_[name].num_filters == 3

    @pytest.mark.parametrize("name", ["", "half of \ud83d"])
    @pytest.mark.parametrize("kind", ["list", "function"])
    def test_what_cannot_be_written_is_refused(self, name, kind):
        def built(images):
            return layers.DenseLayer(images, 3, name=name)

        declared = [(name, layers.DenseLayer)] if kind == "list" else built
        if kind == "function" and not name:
            return  # Lasagne's word for a layer without a name
        message = re.escape(
            f"layers: {name!r} is no name for a layer; names are Unicode text of at least one "
            "character."
        )
        with pytest.raises(NetworkError, match=f"^{message}$"):
            quick(ConvNetClassifier, layers=declared).fit(X, Y)

    def test_a_number_is_no_name(self):
        with pytest.raises(NetworkError, match=r"^layers: 5 is no name for a layer; "):
            quick(ConvNetClassifier, layers=[(layers.DenseLayer, {"name": 5})]).fit(X, Y)


class TestParametersOfLayers:
    def test_belong_to_the_layer_that_has_them(self):
        """'dense_num' is a longer beginning of it, and has no argument 'units'."""
        stack = [("dense", layers.DenseLayer), ("dense_num", layers.DropoutLayer), *network([])]
        net = quick(ConvNetClassifier, layers=stack, max_epochs=1, dense_num_units=5).fit(X, Y)
        assert net.layers_["dense"].num_units == 5

    def test_are_refused_where_two_layers_have_them(self):
        class Own(layers.DenseLayer):
            def __init__(self, incoming, b_p=0.0, **kwargs):
                super().__init__(incoming, **kwargs)

        stack = [("a", Own, {"num_units": 3}), ("a_b", layers.DropoutLayer), *network([])]
        message = re.escape(
            "parameter 'a_b_p' may be 'b_p' of layer 'a' and 'p' of layer 'a_b'; rename a layer, "
            "or give the argument in layers."
        )
        with pytest.raises(NetworkError, match=f"^{message}$"):
            quick(ConvNetClassifier, layers=stack, a_b_p=0.5).fit(X, Y)


def test_parameters_called_as_positions_keep_their_names(tmp_path):
    """nolearn's files have positions for names; a name comes first."""

    class Swapped(layers.Layer):
        def __init__(self, incoming, **kwargs):
            super().__init__(incoming, **kwargs)
            start = [np.full(self.input_shape[1], v, "float32") for v in (1.0, 2.0)]
            self.one = self.add_param(start[0], start[0].shape, name="1")
            self.two = self.add_param(start[1], start[1].shape, name="0")

        def get_output_for(self, input, **kwargs):
            return input * self.one + self.two

    stack = [("flat", layers.FlattenLayer), ("own", Swapped), ("out", layers.DenseLayer)]
    net = quick(ConvNetFeatureExtractor, layers=stack, max_epochs=1).fit(X, Y)
    net.save_params(tmp_path / "own")
    again = quick(ConvNetFeatureExtractor, layers=stack, max_epochs=1, random_state=5).fit(X, Y)
    again.load_params(tmp_path / "own")
    assert_same_values(again, net)


class TestCallbacks:
    def test_what_they_keep_comes_back_under_its_names(self, checkpoint):
        remembering = Remembering()
        callbacks = [remembering, Checkpoint(checkpoint, resume=True)]
        net = quick(ConvNetClassifier, layers=network(), max_epochs=2, callbacks=callbacks)
        assert len(net.fit(X, Y).history_) == 2
        assert {*remembering.kept} == {*KEYS}
        for position, key in enumerate(KEYS):
            np.testing.assert_array_equal(remembering.kept[key], [position, position])

    def test_columns_of_the_log(self, checkpoint):
        with open(checkpoint / "log, 1.csv", newline="") as file:
            rows = list(csv.DictReader(file))
        assert [row['the, "score"'] for row in rows] == ["0.25", "0.25"]


def test_classes_through_pickle_and_onnx():
    pytest.importorskip("onnx")
    reference = pytest.importorskip("onnx.reference")
    from convnet_features.onnx import to_onnx

    classes = np.array(["a/b", "", "ünï\n"])
    y = classes[Y]
    net = quick(ConvNetClassifier, max_epochs=2).fit(X, y)
    assert pickle.loads(pickle.dumps(net)).classes_.tolist() == sorted(classes)
    run = reference.ReferenceEvaluator(to_onnx(net, X, features=False)).run(["label"], {"X": X})
    labels = [each.decode() if isinstance(each, bytes) else str(each) for each in run[0]]
    assert labels == net.predict(X).tolist()
