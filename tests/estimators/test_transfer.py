"""What one network learnt, carried to another."""

from __future__ import annotations

import os
import pickle
import re
import tracemalloc

import numpy as np
import pytest
from lasagne.layers import ConcatLayer, DenseLayer, GRULayer, InputLayer
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from convnet_features import ConvNetClassifier, ConvNetFeatureExtractor
from convnet_features.callbacks import Checkpoint
from convnet_features.exceptions import ConvNetFeaturesWarning, FileFormatError
from convnet_features.files.layer_values import write_values
from convnet_features.files.safetensors import read_arrays, write_arrays
from convnet_features.network.presets import seed_network

LAYERS = ("conv2d1", "conv2d2", "dense")


@pytest.fixture
def trained(digits, make_net):
    """A net for ten classes."""
    return make_net().fit(*digits)


@pytest.fixture
def few_classes(digits):
    """Three digits only."""
    X, y = digits
    return X[y < 3], y[y < 3]


def assert_taken(report):
    assert report.loaded == [f"{layer}.{p}" for layer in LAYERS for p in "Wb"]
    assert report.mismatched == {
        "output.W": ((16, 10), (16, 3)),
        "output.b": ((10,), (3,)),
    }
    assert report.missing == []
    assert report.unused == []


class TestAnotherNumberOfClasses:
    def test_from_an_estimator(self, trained, few_classes, make_net):
        net = make_net(pretrained=trained, freeze=LAYERS).fit(*few_classes)
        assert_taken(net.load_report_)
        for layer in LAYERS:
            for mine, its in zip(
                net.layers_[layer].get_params(), trained.layers_[layer].get_params(), strict=True
            ):
                np.testing.assert_array_equal(mine.get_value(), its.get_value())
        assert net.predict_proba(few_classes[0]).shape[1] == 3

    def test_loaded_before_fit(self, trained, few_classes, make_net):
        net = make_net(freeze=["conv2d1"])
        report = net.load_params(trained)
        assert report.loaded[:2] == ["conv2d1.W", "conv2d1.b"]
        net.fit(*few_classes)
        assert_taken(net.load_report_)
        expected = make_net(freeze=["conv2d1"], pretrained=trained).fit(*few_classes)
        np.testing.assert_array_equal(net._model.theta, expected._model.theta)

    def test_the_source_stays_as_it_was(self, trained, few_classes, make_net):
        before = trained._model.theta.copy()
        make_net(pretrained=trained).fit(*few_classes)
        np.testing.assert_array_equal(trained._model.theta, before)

    def test_from_a_file(self, trained, few_classes, make_net, tmp_path):
        trained.save_params(tmp_path / "net.safetensors")
        net = make_net(pretrained=tmp_path / "net.safetensors").fit(*few_classes)
        expected = make_net(pretrained=trained).fit(*few_classes)
        np.testing.assert_array_equal(net._model.theta, expected._model.theta)


class TestReport:
    def test_says_what_was_taken_and_what_was_not(self, trained, make_net, few_classes):
        net = make_net(max_epochs=1).fit(*few_classes)
        arrays = {
            "conv2d1.W": np.ones((4, 1, 3, 3)),
            "dense.b": np.zeros(99),
            "conv9.W": np.zeros(3),
        }
        report = net.load_params(arrays)
        assert report.loaded == ["conv2d1.W"]
        assert report.mismatched == {"dense.b": ((99,), (16,))}
        assert report.unused == ["conv9.W"]
        assert "conv2d2.W" in report.missing
        assert str(report).splitlines() == [
            "loaded: conv2d1.W",
            "left alone: dense.b has shape (99,) in the source, (16,) here",
            "not in the source: conv2d1.b, conv2d2.W, conv2d2.b, dense.W, output.W, output.b",
            "not in the network: conv9.W",
        ]
        np.testing.assert_array_equal(net.layers_["conv2d1"].W.get_value(), 1)

    def test_nothing_of_it_fits(self, digits, make_net):
        with pytest.raises(ValueError, match=r"None of the parameters to begin with belongs"):
            make_net(pretrained={"other.W": np.zeros(3)}).fit(*digits)

    def test_nothing_to_report(self, trained):
        assert not hasattr(trained, "load_report_")

    def test_a_fitted_net_predicts_with_what_it_loaded(self, digits, trained, make_net):
        other = make_net(random_state=7, max_epochs=1).fit(*digits)
        report = other.load_params(trained)
        assert len(report.loaded) == 8
        np.testing.assert_array_equal(
            other.predict_proba(digits[0]), trained.predict_proba(digits[0])
        )


class TestOtherClasses:
    """As many of them, so that shapes do not tell."""

    @pytest.fixture
    def theirs(self, digits, make_net):
        X, y = digits
        return make_net(max_epochs=1).fit(X[y < 3], y[y < 3])

    @pytest.fixture
    def others(self, digits):
        X, y = digits
        return X[(y > 2) & (y < 6)], y[(y > 2) & (y < 6)]

    MESSAGE = re.escape(
        "pretrained: the parameters of 'output' are left as they are: the source's outputs stand "
        "for the classes 0, 1, 2, and those of this network for the classes 3, 4, 5. A mapping "
        "from names to arrays is taken whatever it stands for."
    )

    @pytest.mark.parametrize("source", ["estimator", "file", "checkpoint", "load_params"])
    def test_are_not_taken_for_these(self, theirs, others, digits, make_net, tmp_path, source):
        net = make_net(random_state=7, max_epochs=1, update_learning_rate=0.0)
        X, y = digits
        if source == "estimator":
            net.pretrained = theirs
        elif source == "file":
            theirs.save_params(tmp_path / "theirs")
            net.pretrained = tmp_path / "theirs"
        elif source == "checkpoint":
            theirs.set_params(callbacks=[Checkpoint(tmp_path)]).fit(X[y < 3], y[y < 3])
            net.pretrained = tmp_path / "last.safetensors"
        else:
            net.load_params(theirs)
        with pytest.warns(ConvNetFeaturesWarning, match=f"^{self.MESSAGE}$"):
            net.fit(*others)
        fresh = make_net(random_state=7, max_epochs=1, update_learning_rate=0.0).fit(*others)
        for name, value in net._model.named_values.items():
            same = fresh if name.startswith("output") else theirs
            np.testing.assert_array_equal(value, same._model.named_values[name])
        report = net.load_report_
        assert report.loaded == [f"{layer}.{p}" for layer in LAYERS for p in "Wb"]
        assert report.apart == ("output.W", "output.b")
        assert "left alone: output.W is for other classes in the source" in str(report)

    def test_nor_when_a_fitted_net_loads_them(self, theirs, others, make_net):
        net = make_net(max_epochs=1).fit(*others)
        before = net.layers_["output"].W.get_value()
        with pytest.warns(ConvNetFeaturesWarning, match="^load_params: the parameters of 'output'"):
            assert net.load_params(theirs).apart == ("output.W", "output.b")
        np.testing.assert_array_equal(net.layers_["output"].W.get_value(), before)

    def test_nor_text_for_numbers(self, theirs, digits, make_net):
        X, y = digits
        with pytest.warns(ConvNetFeaturesWarning, match="for the classes '0', '1', '2'. A mapping"):
            make_net(pretrained=theirs, max_epochs=1).fit(X[y < 3], y[y < 3].astype(str))

    def test_nor_classes_for_labels(self, theirs, digits, make_net):
        X, y = digits
        labels = np.stack([y[y < 3] > 0, y[y < 3] < 2, y[y < 3] == 1], axis=1).astype(int)
        with pytest.warns(ConvNetFeaturesWarning, match="for the labels 0, 1, 2. A mapping"):
            make_net(pretrained=theirs, max_epochs=1).fit(X[y < 3], labels)

    def test_the_same_ones_are_taken(self, theirs, digits, make_net):
        X, y = digits
        net = make_net(pretrained=theirs, max_epochs=1)
        net.fit(X[y < 3], y[y < 3].astype(np.uint8))
        assert "output.W" in net.load_report_.loaded
        assert net.load_report_.apart == ()

    def test_arrays_by_name_are_taken_as_they_are(self, theirs, others, make_net):
        net = make_net(pretrained=theirs._model.named_values, max_epochs=1).fit(*others)
        assert "output.W" in net.load_report_.loaded


class TestFrozenLayersThatGotNothing:
    @pytest.mark.parametrize("how", ["pretrained", "load_params"])
    def test_are_warned_of(self, trained, digits, make_net, how):
        arrays = {k: v for k, v in trained._model.named_values.items() if k != "conv2d2.W"}
        net = make_net(freeze=["conv2d1", "conv2d2"], max_epochs=1)
        if how == "pretrained":
            net.set_params(pretrained=arrays)
        else:
            net.fit(*digits)
            net.load_params(arrays)
        message = re.escape(
            "freeze: conv2d2.W did not come with the other parameters, and keep their random "
            "values for good; leave these layers out of freeze, or give pretrained what they "
            "need. load_report_ says what there was."
        )
        with pytest.warns(ConvNetFeaturesWarning, match=f"^{message}$"):
            net.fit(*digits)

    def test_of_another_shape_too(self, trained, digits, make_net):
        net = make_net(pretrained=trained, freeze=["dense"], dense_num_units=9, max_epochs=1)
        with pytest.warns(
            ConvNetFeaturesWarning, match=r"^freeze: dense\.W, dense\.b did not come"
        ):
            net.fit(*digits)

    def test_random_ones_that_nobody_wanted_to_fill_are_not(self, digits, make_net):
        make_net(freeze=["conv2d1"], max_epochs=1).fit(*digits)


class TestSources:
    def test_one_that_is_not_fitted(self, digits, make_net):
        with pytest.raises(ValueError, match=r"come from a fitted estimator, a path or a mapping"):
            make_net(pretrained=make_net()).fit(*digits)

    def test_no_network_to_load_into(self, make_net):
        with pytest.raises(NotFittedError, match="fit first, or give pretrained=source"):
            make_net().load_params({"conv2d1.W": np.zeros(3)})

    def test_through_a_grid_search(self, digits, trained, make_net):
        net = make_net(pretrained=FrozenEstimator(trained), max_epochs=1)
        search = GridSearchCV(net, {"update_learning_rate": [0.01, 0.02]}, cv=2).fit(*digits)
        assert search.best_estimator_.load_report_.loaded

    def test_a_clone_keeps_pretrained_and_forgets_load_params(self, trained, make_net):
        net = make_net(pretrained=FrozenEstimator(trained))
        assert clone(net).pretrained.estimator is trained
        other = make_net()
        other.load_params(trained)
        assert not hasattr(clone(other), "_loaded")

    def test_a_pickle_keeps_both(self, trained, few_classes, make_net):
        net = make_net()
        net.load_params(trained)
        again = pickle.loads(pickle.dumps(net)).fit(*few_classes)
        assert_taken(again.load_report_)

    def test_a_file_that_is_none(self, digits, make_net, tmp_path):
        (tmp_path / "x").write_bytes(b"junk")
        with pytest.raises(FileFormatError, match="no readable safetensors file"):
            make_net(pretrained=tmp_path / "x").fit(*digits)


#: What a file of `save_params` says of its network, for images of 1×8×8.
NOTES = {"kind": "parameters", "input_shape": [1, 8, 8], "n_outputs": 10, "target": "classes"}


class TestFilesThatLie:
    """What a file says is checked before memory is taken, and nothing is loaded of a bad one."""

    @pytest.mark.parametrize(
        ("notes", "text"),
        [
            ({"input_shape": 5}, "it says that its images have the shape 5;"),
            ({"input_shape": None}, "it says that its images have the shape None;"),
            ({"input_shape": [1, 8]}, "it says that its images have the shape [1, 8];"),
            ({"input_shape": [1, "8", 8]}, "it says that its images have the shape [1, '8', 8];"),
            ({"input_shape": [1, -8, 8]}, "it says that its images have the shape [1, -8, 8];"),
            ({"input_shape": [True, 8, 8]}, "it says that its images have the shape [True, 8, 8];"),
            ({"n_outputs": 0}, "it says that its network has 0 outputs;"),
            ({"n_outputs": 1.5}, "it says that its network has 1.5 outputs;"),
            ({"n_outputs": 2**31}, "it says that its network has 2147483648 outputs;"),
            ({"n_outputs": [2]}, "it says that its network has [2] outputs;"),
            ({"target": "words"}, "it says that its network is for 'words';"),
            ({"target": [1]}, "it says that its network is for [1];"),
            ({"target": None}, "it says that its network is for None;"),
            ({"input_shape": [2**31 - 1] * 3}, "for which this network cannot be built: layer"),
        ],
    )
    def test_notes(self, notes, text, make_net, tmp_path):
        write_arrays(tmp_path / "a", {}, NOTES | notes)
        net = make_net(layers=seed_network((1, 8, 8)))  # which does not grow with the images
        with pytest.raises(FileFormatError) as caught:
            net.load_params(tmp_path / "a")
        assert str(caught.value).startswith(f"{tmp_path / 'a'}: ")
        assert text in str(caught.value)

    def test_notes_that_are_none(self, make_net, tmp_path):
        for notes in (None, [], 5, "text", {}, {"n_outputs": 3}):
            write_arrays(tmp_path / "a", {}, notes)
            with pytest.raises(NotFittedError, match="the source does not say what images"):
                make_net().load_params(tmp_path / "a")

    def test_notes_in_part(self, make_net, tmp_path):
        """What a file does not say is not asked of a network that has it."""
        X = np.random.default_rng(0).random((8, 1, 8, 8))
        net = make_net().fit(X, np.arange(8) % 2)
        net.save_params(tmp_path / "a")
        arrays, notes = read_arrays(tmp_path / "a")
        for missing in notes:
            write_arrays(tmp_path / "a", arrays, {k: v for k, v in notes.items() if k != missing})
            net.load_params(tmp_path / "a")

    def test_sizes_take_no_memory(self, make_net, tmp_path):
        """A network of 10¹¹ parameters, by its notes: their shapes are known, and that is all."""
        huge = {"input_shape": [3, 20_000, 20_000], "n_outputs": 100_000_000}
        write_arrays(tmp_path / "a", {"conv2d1.b": np.ones(4, np.float32)}, NOTES | huge)
        net = make_net()
        tracemalloc.start()
        try:
            report = net.load_params(tmp_path / "a")
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert report.loaded == ["conv2d1.b"]
        assert "output.W" in report.missing
        assert peak < 10 << 20

    @pytest.mark.parametrize(
        ("values", "text"),
        [
            (np.ones(10, np.complex64), "is an array of complex64, not of real numbers."),
            (np.full(10, 1e300), "holds NaN, infinity, or numbers beyond float32"),
            (np.full(10, np.nan, np.float32), "holds NaN, infinity, or numbers beyond float32"),
            (np.full(10, -np.inf, np.float16), "holds NaN, infinity, or numbers beyond float32"),
        ],
    )
    def test_all_or_nothing(self, values, text, digits, trained, make_net, tmp_path):
        """Sound layers before the bad one stay as they were, too."""
        path = tmp_path / "a"
        sound = {
            f"conv2d{i}.{p}": np.ones_like(trained._model.named_values[f"conv2d{i}.{p}"])
            for i in (1, 2)
            for p in "Wb"
        }
        write_arrays(path, {**sound, "output.b": values}, NOTES)
        before = trained._model.theta.copy()
        fresh = make_net()
        for load in (trained.load_params, fresh.load_params):
            with pytest.raises(FileFormatError) as caught:
                load(path)
            assert str(caught.value).startswith(f"{path}: the parameter 'output.b' {text}")
        np.testing.assert_array_equal(trained._model.theta, before)
        assert not hasattr(trained, "_loaded")
        assert not hasattr(fresh, "_loaded")
        with pytest.raises(FileFormatError, match=r"the parameter 'output.b'"):
            make_net(pretrained=path).fit(*digits)
        with pytest.raises(ValueError, match=r"the parameter 'output.b'"):
            trained.load_params({**sound, "output.b": values})
        np.testing.assert_array_equal(trained._model.theta, before)

    def test_float64_and_integers_are_numbers(self, trained):
        trained.load_params({"output.b": np.arange(10), "conv2d1.b": np.full(4, 0.5)})
        np.testing.assert_array_equal(trained.layers_["output"].b.get_value(), np.arange(10))
        np.testing.assert_array_equal(trained.layers_["conv2d1"].b.get_value(), 0.5)

    def test_one_parameter_twice(self, trained, tmp_path):
        twice = {"output.b": np.ones(10, np.float32), "output.1": np.zeros(10, np.float32)}
        write_arrays(tmp_path / "a", twice, NOTES)
        with pytest.raises(
            FileFormatError, match=r"the parameter 'output.b' is given twice, by its"
        ):
            trained.load_params(tmp_path / "a")


class TestNolearnsPickle:
    @pytest.fixture
    def file(self, trained, tmp_path):
        """As nolearn's save_params_to writes it."""
        content = {
            name: [param.get_value() for param in layer.get_params()]
            for name, layer in trained.layers_.items()
        }
        path = tmp_path / "net.pickle"
        path.write_bytes(pickle.dumps(content, protocol=2))
        return path

    def test_into_a_fitted_network(self, digits, trained, file, make_net):
        net = make_net(random_state=3, max_epochs=1).fit(*digits)
        report = net.load_params(file)
        assert len(report.loaded) == 8
        assert not report.unused
        np.testing.assert_array_equal(net._model.theta, trained._model.theta)

    def test_to_begin_with(self, digits, trained, file, make_net):
        net = make_net(pretrained=str(file), freeze=LAYERS, max_epochs=1).fit(*digits)
        assert len(net.load_report_.loaded) == 8
        for layer in LAYERS:
            np.testing.assert_array_equal(
                net.layers_[layer].W.get_value(), trained.layers_[layer].W.get_value()
            )

    def test_an_archive_of_our_net_of_that_name(self, trained, tmp_path, digits, make_net):
        write_values(
            tmp_path / "p",
            {"output": [each.get_value() for each in trained.layers_["output"].get_params()]},
        )
        net = make_net(random_state=3, max_epochs=1).fit(*digits)
        assert net.load_params(tmp_path / "p").loaded == ["output.W", "output.b"]
        np.testing.assert_array_equal(
            net.layers_["output"].W.get_value(), trained.layers_["output"].W.get_value()
        )

    def test_before_fit_without_a_network_to_load_into(self, file, make_net):
        with pytest.raises(NotFittedError, match="does not say what images its network is for"):
            make_net().load_params(file)

    @pytest.mark.parametrize("protocol", range(6))
    def test_another_pickle(self, trained, tmp_path, protocol):
        (tmp_path / "p").write_bytes(pickle.dumps({"output": [1, 2]}, protocol))
        with pytest.raises(
            FileFormatError, match=r"p: not parameters of a network, or damaged .* than an array"
        ):
            trained.load_params(tmp_path / "p")

    @pytest.mark.parametrize("protocol", range(6))
    def test_what_it_says_is_not_run(self, trained, tmp_path, protocol):
        class Bomb:
            def __reduce__(self):
                return os.mkdir, (str(tmp_path / "made"),)

        (tmp_path / "p").write_bytes(pickle.dumps({"output": [Bomb()]}, protocol))
        with pytest.raises(FileFormatError, match=r"it asks for (posix|nt)\.mkdir"):
            trained.load_params(tmp_path / "p")
        assert not (tmp_path / "made").exists()
        pickle.loads((tmp_path / "p").read_bytes())  # elsewhere it would have been
        assert (tmp_path / "made").exists()

    def test_no_pickle(self, trained, tmp_path):
        (tmp_path / "p").write_bytes(b"\x80")
        with pytest.raises(FileFormatError, match="p: not parameters of a network, or damaged"):
            trained.load_params(tmp_path / "p")


class TestAsItIs:
    """A trained extractor ahead of any classifier, not trained again."""

    def test_frozen_in_a_pipeline(self, digits, few_classes):
        extractor = ConvNetFeatureExtractor(max_epochs=2, random_state=0).fit(*digits)
        before = extractor._model.theta.copy()
        model = make_pipeline(FrozenEstimator(extractor), LogisticRegression(max_iter=500))
        model.fit(*few_classes)
        assert model.score(*few_classes) > 0.9
        np.testing.assert_array_equal(extractor._model.theta, before)

    def test_frozen_in_a_grid_search(self, digits, few_classes):
        extractor = ConvNetFeatureExtractor(max_epochs=2, random_state=0).fit(*digits)
        model = make_pipeline(FrozenEstimator(extractor), LogisticRegression(max_iter=500))
        search = GridSearchCV(model, {"logisticregression__C": [0.1, 1.0]}, cv=2)
        search.fit(*few_classes)
        inner = search.best_estimator_[0].estimator
        np.testing.assert_array_equal(inner._model.theta, extractor._model.theta)

    def test_a_classifier_transforms_too(self, digits, few_classes):
        net = ConvNetClassifier(max_epochs=2, random_state=0).fit(*digits)
        model = make_pipeline(FrozenEstimator(net), LogisticRegression(max_iter=500))
        assert model.fit(*few_classes).score(*few_classes) > 0.9


class TestOtherInputs:
    """`load_params` before `fit`, of networks of several inputs and of sequences."""

    def test_several(self, rng, tmp_path):
        layers = [
            ("a", InputLayer),
            ("b", InputLayer),
            ("both", ConcatLayer, {"incomings": ["a", "b"]}),
            ("fc", DenseLayer),
        ]
        X = {"a": rng.standard_normal((20, 4)), "b": rng.standard_normal((20, 3))}
        self.check(layers, X, tmp_path / "a")

    def test_sequences(self, rng, tmp_path):
        layers = [
            ("rnn", GRULayer, {"num_units": 3, "only_return_final": True}),
            ("fc", DenseLayer),
        ]
        self.check(layers, rng.standard_normal((20, 5, 3)), tmp_path / "a")

    def check(self, layers, X, path):
        params = {"max_epochs": 1, "random_state": 0, "engine": "portable"}
        net = ConvNetClassifier(layers, **params).fit(X, np.arange(20) % 2)
        net.save_params(path)
        report = ConvNetClassifier(layers, **params).load_params(path)
        assert sorted(report.loaded) == sorted(net._model.named_values)
        arrays, notes = read_arrays(path)
        for shape in ([], [1] * 9, [0], ["a"], {"a": [-1]}, None):
            write_arrays(path, arrays, {**notes, "input_shape": shape})
            with pytest.raises(FileFormatError, match=r"it says that its samples have the shape"):
                ConvNetClassifier(layers, **params).load_params(path)
