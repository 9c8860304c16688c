"""Test-time augmentation: the mean over images and views of them, the same in every call."""

from __future__ import annotations

import pickle
import re

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from convnet_features import ConvNetFeatureExtractor, ConvNetRegressor
from convnet_features.augmentation import (
    Augmentation,
    Chain,
    ColorJitter,
    Cutout,
    MixUp,
    RandomChoice,
    RandomCrop,
    RandomErasing,
    RandomFlip,
    RandomGrayscale,
    RandomResizedCrop,
    RandomRotation,
    RandomShift,
)
from convnet_features.exceptions import ConvNetFeaturesWarning
from convnet_features.network import model as model_module


class Darker(Augmentation):
    """One of a user's own, which draws."""

    def __call__(self, images, random):
        return images * random.uniform(0.2, 0.8, size=(len(images), 1, 1, 1))


def brighter(images):
    return images * 1.5


def noisy(images, random):
    return images + random.normal(size=images.shape)


def less_the_mean(images):
    return images - images.mean()


class Halved(RandomFlip):
    """One derived from a supplied one, which does more."""

    def __call__(self, images, random):
        return (super().__call__(images, random) // 2).astype(images.dtype)


class Inverted(Chain):
    def __call__(self, images, random):
        return 255 - super().__call__(images, random)


class InvertedChoice(RandomChoice):
    def __call__(self, images, random):
        return 255 - super().__call__(images, random)


def inverted_in_place(images):
    images *= -1
    return images


VIEWS = {
    "chain": Chain([RandomFlip(), RandomShift(1)]),
    "choice": RandomChoice([RandomFlip(), RandomShift(2)]),
    "colour": ColorJitter(0.5, 0.5, 0.5, 0.2),
    "cutout": Cutout(3),
    "crop": RandomCrop(2),
    "erasing": RandomErasing(value="random"),
    "flip": RandomFlip(),
    "function": brighter,
    "generator": noisy,
    "grey": RandomGrayscale(),
    "in place": inverted_in_place,
    "less the mean": less_the_mean,
    "derived": Halved(),
    "derived chain": Inverted([RandomShift(1)]),
    "derived choice": InvertedChoice([RandomShift(1), RandomFlip()]),
    "colours behind a function": [brighter, ColorJitter(0.5), RandomErasing(value="random")],
    "list": [RandomShift(2), RandomFlip("vertical")],
    "own": Darker(),
    "resized": RandomResizedCrop(),
    "rotation": RandomRotation(20),
    "shift": RandomShift(2),
}


@pytest.fixture(scope="module")
def photographs():
    """60 images of bytes, of two classes."""
    rng = np.random.default_rng(0)
    y = np.arange(60) % 2
    X = rng.integers(0, 200, size=(60, 3, 8, 9), dtype=np.uint8)
    X[:, :, :, :3] += (50 * y[:, None, None, None]).astype(np.uint8)
    return X, y


@pytest.fixture(scope="module")
def fitted(photographs):
    """A fitted extractor, which predicts as well."""
    return ConvNetFeatureExtractor(
        conv2d1_num_filters=4, conv2d2_num_filters=4, dense_num_units=8, max_epochs=2,
        random_state=0,
    ).fit(*photographs)  # fmt: skip


@pytest.fixture
def looking(fitted):
    """A copy of it with views."""

    def make(tta):
        return pickle.loads(pickle.dumps(fitted)).set_params(tta=tta)

    return make


METHODS = ["transform", "predict_proba"]


class TestTheMean:
    @pytest.mark.parametrize("method", METHODS)
    @pytest.mark.parametrize("tta", [RandomFlip(), [RandomFlip(p=0.3)], (RandomFlip(p=1),)])
    def test_of_mirrored_images(self, photographs, fitted, looking, method, tta):
        """What happens by chance always happens."""
        X = photographs[0]
        plain = getattr(fitted, method)
        expected = (plain(X) + plain(np.ascontiguousarray(X[..., ::-1]))) / 2
        found = getattr(looking(tta), method)(X)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)

    def test_of_several_views(self, photographs, fitted, looking):
        """A list among them is one view, whose steps follow each other."""
        X = photographs[0].astype(np.float32)
        both = [[RandomFlip(), RandomFlip("vertical")], brighter, RandomFlip()]
        seen = [X, X[..., ::-1, ::-1], X * 1.5, X[..., ::-1]]
        expected = np.mean([fitted.predict_proba(each) for each in seen], axis=0)
        found = looking(both).predict_proba(photographs[0])
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)

    def test_of_a_shift_that_the_seed_decides(self, photographs, fitted, looking):
        X = photographs[0]
        padded = np.pad(X, [(0, 0), (0, 0), (1, 1), (1, 1)])
        found = looking([RandomShift(1)]).transform(X)
        shifts = [
            (fitted.transform(X) + fitted.transform(padded[:, :, r : r + 8, c : c + 9])) / 2
            for r in range(3)
            for c in range(3)
        ]
        assert sum(np.allclose(found, each, rtol=1e-5, atol=1e-5) for each in shifts) == 1

    @pytest.mark.parametrize(
        ("tta", "seen"),
        [
            (Halved(p=0.3), lambda X: X[..., ::-1] // 2),
            ([[Halved(p=0.3), RandomFlip()]], lambda X: X // 2),
            (Inverted([RandomFlip(p=1)]), lambda X: 255 - X[..., ::-1]),
            (InvertedChoice([RandomFlip(p=1)]), lambda X: 255 - X[..., ::-1]),
        ],
    )
    def test_of_a_call_that_a_subclass_has(self, photographs, fitted, looking, tta, seen):
        X = photographs[0]
        other = np.ascontiguousarray(seen(X))
        expected = (fitted.predict_proba(X) + fitted.predict_proba(other)) / 2
        np.testing.assert_allclose(looking(tta).predict_proba(X), expected, rtol=1e-5, atol=1e-6)

    def test_predictions_are_of_the_mean(self, photographs, looking):
        X, y = photographs
        net = looking([RandomFlip(), RandomRotation(40), RandomShift(3)])
        p = net.predict_proba(X)
        np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-5)
        np.testing.assert_array_equal(net.predict(X), net.classes_[p.argmax(axis=1)])
        np.testing.assert_array_equal(net.predict_log_proba(X), np.log(p))
        assert net.score(X, y) == np.mean(net.predict(X) == y)

    def test_numbers_and_labels(self, photographs, make_net):
        X, y = photographs
        mirrored = np.ascontiguousarray(X[..., ::-1])
        params = make_net(max_epochs=1).get_params() | {"tta": [RandomFlip()]}
        numbers = ConvNetRegressor(**params | {"target": "auto"}).fit(X, y * 100.0 + X[:, 0, 0, 0])
        plain = pickle.loads(pickle.dumps(numbers)).set_params(tta=None)
        expected = (plain.predict(X) + plain.predict(mirrored)) / 2
        np.testing.assert_allclose(numbers.predict(X), expected, rtol=1e-5)
        labels = make_net(max_epochs=1, tta=[RandomFlip()]).fit(X, np.stack([y, 1 - y, y], axis=1))
        p = labels.predict_proba(X)
        np.testing.assert_array_equal(labels.predict(X), p > 0.5)
        np.testing.assert_array_equal(labels.decision_function(X), p - np.float32(0.5))

    def test_several_layers_and_maps(self, photographs, fitted, looking):
        X = photographs[0]
        net = looking([RandomFlip()]).set_params(feature_layer=["conv2d1", "dense"])
        plain = pickle.loads(pickle.dumps(net)).set_params(tta=None)
        expected = (plain.transform(X) + plain.transform(np.ascontiguousarray(X[..., ::-1]))) / 2
        np.testing.assert_allclose(net.transform(X), expected, rtol=1e-5, atol=1e-5)
        assert net.transform(X).shape[1] == len(net.get_feature_names_out())

    @pytest.mark.parametrize("tta", [None, [], ()])
    def test_no_views(self, photographs, fitted, looking, tta):
        X = photographs[0]
        np.testing.assert_array_equal(looking(tta).transform(X), fitted.transform(X))

    def test_layers_are_of_images_as_they_are(self, photographs, fitted, looking):
        X, net = photographs[0], looking([RandomFlip()])
        np.testing.assert_array_equal(net.get_output("dense", X), fitted.get_output("dense", X))
        found, expected = (each.layer_function("dense")(X[:5]) for each in (net, fitted))
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("tta", VIEWS.values(), ids=VIEWS)
class TestEveryView:
    def test_an_image_has_nothing_to_do_with_others(self, photographs, looking, tta):
        X, net = photographs[0], looking([tta])
        whole = net.transform(X)
        assert not np.allclose(whole, net.set_params(tta=None).transform(X))
        net.set_params(tta=[tta])
        np.testing.assert_array_equal(net.transform(X), whole)
        for rows in (np.arange(17, 20), np.array([5]), np.arange(60)[::-1]):
            np.testing.assert_allclose(net.transform(X[rows]), whole[rows], rtol=1e-4, atol=1e-5)

    def test_slices_and_forms_of_X(self, photographs, looking, tta, monkeypatch):
        X, net = photographs[0], looking([tta])
        before = X.copy()
        whole = net.transform(X)
        np.testing.assert_array_equal(X, before)
        monkeypatch.setattr(model_module, "SLICE_BYTES", (1, 1 << 14))
        assert net._model.slice_size < 20
        np.testing.assert_allclose(net.transform(X), whole, rtol=1e-4, atol=1e-5)
        last = np.moveaxis(X, 1, 3)
        np.testing.assert_allclose(net.transform(last), whole, rtol=1e-4, atol=1e-5)


class TestAsAParameter:
    def test_views_of_one_kind_differ(self, photographs, looking):
        X = photographs[0]
        one, two, again = (
            looking(tta).transform(X)
            for tta in ([RandomShift(3)], [RandomShift(3)] * 2, [RandomShift(3)])
        )
        np.testing.assert_array_equal(one, again)
        assert not np.allclose(one, two)

    @pytest.mark.parametrize("random_state", [None, 3, np.random.RandomState(4)])
    def test_the_seed_is_fitted(self, photographs, make_net, random_state):
        net = make_net(tta=[RandomShift(2)], random_state=random_state, max_epochs=1)
        before = net.fit(*photographs).predict_proba(photographs[0])
        again = pickle.loads(pickle.dumps(net.set_params(random_state=7)))
        np.testing.assert_array_equal(again.predict_proba(photographs[0]), before)

    def test_training_and_validation_do_without(self, photographs, make_net):
        plain, net = (make_net(tta=tta).fit(*photographs) for tta in (None, [RandomFlip()]))
        np.testing.assert_array_equal(net._model.theta, plain._model.theta)
        assert net.history_.column("valid_score") == plain.history_.column("valid_score")

    def test_clones_and_searches(self, photographs, make_net):
        net = make_net(tta=[RandomFlip()], max_epochs=1)
        assert clone(net).get_params()["tta"][0].axis == "horizontal"
        assert "tta=[RandomFlip()]" in repr(net)
        assert len(cross_val_score(net, *photographs, cv=2)) == 2

    def test_fit_transform_and_cross_fit(self, photographs, make_net):
        net = make_net(tta=[RandomFlip()], max_epochs=1)
        features = net.fit_transform(*photographs)
        np.testing.assert_array_equal(features, net.transform(photographs[0]))
        assert net.fit_transform(*photographs, cross_fit=2).shape == features.shape

    def test_in_a_pipeline(self, photographs, make_net):
        X, y = photographs
        model = make_pipeline(FunctionTransformer(), make_net(max_epochs=1)).fit(X, y)
        plain = model.predict_proba(X)
        name = model.steps[-1][0]
        model.set_params(**{f"{name}__tta": [RandomFlip()]})
        assert not np.array_equal(model.predict_proba(X), plain)


class TestErrors:
    @pytest.mark.parametrize(
        ("tta", "message"),
        [
            ([MixUp()], "tta: MixUp() mixes images with one another; give what changes each image alone."),
            ([[RandomFlip(), MixUp()]], "mixes images with one another"),
            ([RandomFlip], "tta holds the class RandomFlip, not an augmentation. Write RandomFlip()."),
            (["flip"], "tta must be a function of a batch of images, or a list of such; got 'flip'."),
            ([RandomShift(-1)], "The 'pixels' parameter of RandomShift must be"),
        ],
    )  # fmt: skip
    def test_before_training_and_after(self, photographs, make_net, looking, tta, message):
        net = make_net(tta=tta)
        with pytest.raises(ValueError, match=re.escape(message)):
            net.fit(*photographs)
        assert "n_features_in_" not in vars(net)
        with pytest.raises(ValueError, match=re.escape(message)):
            looking(tta).transform(photographs[0])

    def test_another_shape(self, photographs, looking):
        net = looking([lambda images: images[..., :7]])
        with pytest.raises(ValueError, match=r"tta: it made a batch of shape \(1, 3, 8, 7\) from"):
            net.transform(photographs[0])

    def test_pixels_too_small(self, photographs, make_net):
        X, y = photographs[0] * 1e-60, photographs[1]
        message = "tta changes pixels as float32 before they are multiplied by input_scale"
        with pytest.raises(ValueError, match=message):
            make_net(tta=[RandomFlip()]).fit(X, y)
        net = make_net(max_epochs=1).fit(X, y).set_params(tta=[RandomFlip()])
        with pytest.raises(ValueError, match=message):
            net.predict(X)


def test_dask(photographs, looking):
    da = pytest.importorskip("dask.array")
    X, net = photographs[0], looking([RandomFlip(), RandomShift(1)])
    blocks = net.transform(da.from_array(X, chunks=(25, -1, -1, -1))).compute()
    np.testing.assert_allclose(blocks, net.transform(X), rtol=1e-4, atol=1e-5)


def test_onnx(photographs, looking):
    pytest.importorskip("onnx")
    from convnet_features.onnx import from_onnx, to_onnx

    X, net = photographs[0], looking([RandomFlip()])
    with pytest.warns(ConvNetFeaturesWarning) as caught:
        model = to_onnx(net, X[:1])
    assert str(caught[0].message) == (
        "ConvNetFeatureExtractor: tta=[RandomFlip()] is not part of the ONNX model, which computes "
        "what the network makes of the images as they are; set_params(tta=None) gives the same "
        "here."
    )
    again = from_onnx(model).set_params(tta=[RandomFlip()])
    np.testing.assert_allclose(again.transform(X), net.transform(X), rtol=1e-3, atol=1e-4)
