"""What one network learnt, carried to another."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from convnet_features import ConvNetClassifier, ConvNetFeatureExtractor
from convnet_features.exceptions import FileFormatError

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

    def test_not_without_the_argument(self, trained, file):
        with pytest.raises(FileFormatError, match="needs unsafe_pickle=True"):
            trained.load_params(file)

    def test_with_it(self, digits, trained, file, make_net):
        net = make_net(random_state=3, max_epochs=1).fit(*digits)
        report = net.load_params(file, unsafe_pickle=True)
        assert len(report.loaded) == 8
        assert not report.unused
        np.testing.assert_array_equal(net._model.theta, trained._model.theta)

    def test_another_pickle(self, trained, tmp_path):
        (tmp_path / "p").write_bytes(pickle.dumps([1, 2]))
        with pytest.raises(FileFormatError, match="holds list, not nolearn's dict"):
            trained.load_params(tmp_path / "p", unsafe_pickle=True)

    def test_no_pickle(self, trained, tmp_path):
        (tmp_path / "p").write_bytes(b"\x80")
        with pytest.raises(FileFormatError, match="this pickle cannot be read"):
            trained.load_params(tmp_path / "p", unsafe_pickle=True)


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
