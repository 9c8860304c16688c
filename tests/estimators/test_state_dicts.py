"""`load_params` and `pretrained` with state dicts of PyTorch."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from lasagne.layers import DenseLayer, GlobalPoolLayer, NonlinearityLayer
from safetensors.numpy import save_file
from sklearn.exceptions import NotFittedError

from convnet_features import ConvNetClassifier
from convnet_features.exceptions import FileFormatError
from convnet_features.layers import BatchNormLayer, Conv2DLayer

from ..network.presets.state_dict_values import values

FOLDER = Path(__file__).parents[1] / "data" / "state_dicts"
SHAPES = {
    "conv.weight": (3, 2, 3, 3),
    "conv.bias": (3,),
    "bn.weight": (3,),
    "bn.bias": (3,),
    "bn.running_mean": (3,),
    "bn.running_var": (3,),
    "bn.num_batches_tracked": (),
}
HEAD = {"fc.weight": (5, 3), "fc.bias": (5,)}


def layers(flip_filters=False):
    return [
        ("conv", Conv2DLayer, {"num_filters": 3, "filter_size": 3, "flip_filters": flip_filters}),
        ("bn", BatchNormLayer, {"epsilon": 1e-3}),
        ("relu", NonlinearityLayer),
        ("pool", GlobalPoolLayer),
        ("fc", DenseLayer),
    ]


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    return rng.random((20, 2, 6, 7), np.float32), np.arange(20) % 2


def net(**params):
    params = {"input_scale": 1.0, "max_epochs": 1, "random_state": 0, **params}
    return ConvNetClassifier(layers(params.pop("flip_filters", False)), **params)


def convolved(X):
    """The convolution and the normalisation as PyTorch's documentation has them, by loops."""
    state = {name: values(name, shape).astype(np.float64) for name, shape in SHAPES.items()}
    result = np.zeros((len(X), 3, 4, 5))
    for i in range(3):
        for j in range(3):
            part = X[:, :, i : i + 4, j : j + 5]
            result += np.einsum("ncyx,fc->nfyx", part, state["conv.weight"][:, :, i, j])
    result = np.maximum(result + state["conv.bias"][:, None, None], 0)
    deviation = np.sqrt(state["bn.running_var"] + 1e-3)
    scale = state["bn.weight"] / deviation
    shift = state["bn.bias"] - state["bn.running_mean"] * scale
    return result * scale[:, None, None] + shift[:, None, None]


@pytest.mark.parametrize("flip_filters", [False, True])
@pytest.mark.parametrize("form", ["new", "old", "checkpoint", "safetensors", "mapping"])
def test_into_a_fitted_network(form, flip_filters, data, tmp_path):
    X, y = data
    source = FOLDER / {"checkpoint": "new_checkpoint.pth"}.get(form, f"{form}_network.pth")
    state = {name: values(name, shape) for name, shape in SHAPES.items()}
    if form == "safetensors":
        source = tmp_path / "network.safetensors"
        save_file(state, source)
    elif form == "mapping":
        source = state
    estimator = net(flip_filters=flip_filters).fit(X, y)
    report = estimator.load_params(source)
    assert sorted(report.missing) == ["fc.W", "fc.b"]  # the head may differ
    assert not (report.unused)
    assert not (report.mismatched)
    np.testing.assert_allclose(estimator.get_output("bn", X), convolved(X), rtol=1e-4, atol=1e-5)


def test_to_begin_with(data):
    X, y = data
    estimator = net(pretrained=FOLDER / "new_network.pth", freeze=["conv", "bn"]).fit(X, y)
    np.testing.assert_allclose(estimator.get_output("bn", X), convolved(X), rtol=1e-4, atol=1e-5)


def test_before_fit_where_the_images_are_known(data):
    X, y = data
    state = {name: values(name, shape) for name, shape in {**SHAPES, **HEAD}.items()}
    estimator = net(input_shape=(2, 6, 7), update_learning_rate=0.0, freeze=["bn"])
    report = estimator.load_params(state)
    assert not (report.missing)
    assert not (report.unused)
    assert not (report.mismatched)
    estimator.fit(X, y)
    assert list(estimator.load_report_.mismatched) == ["fc.W", "fc.b"]
    np.testing.assert_allclose(estimator.get_output("bn", X), convolved(X), rtol=1e-4, atol=1e-5)


def test_before_fit_where_they_are_not():
    with pytest.raises(NotFittedError, match="give pretrained=source, or input_shape="):
        net().load_params(FOLDER / "new_network.pth")


MESSAGE = """the parameters are not those of this network, which has been left as it was \
(strict=False takes those that fit):
conv.W has the shape (3, 2, 5, 5) in the source, (3, 2, 3, 3) in the network
not in the source: bn.gamma
not in the network: extra.weight"""


def misfit():
    state = {name: values(name, shape) for name, shape in SHAPES.items()}
    del state["bn.weight"]
    state["conv.weight"] = np.zeros((3, 2, 5, 5), np.float32)
    return {**state, "extra.weight": np.zeros(3, np.float32)}


def test_what_does_not_fit_is_said_and_nothing_changes(data, tmp_path):
    estimator = net().fit(*data)
    before = estimator._model.theta.copy()
    with pytest.raises(ValueError, match=re.escape(MESSAGE)):
        estimator.load_params(misfit())
    save_file(misfit(), tmp_path / "misfit.safetensors")
    with pytest.raises(FileFormatError, match=re.escape(f"misfit.safetensors: {MESSAGE}")):
        estimator.load_params(tmp_path / "misfit.safetensors")
    np.testing.assert_array_equal(estimator._model.theta, before)
    with pytest.raises(ValueError, match=re.escape(MESSAGE)):
        net(pretrained=misfit()).fit(*data)


def test_what_fits_is_taken_where_that_is_asked_for(data):
    estimator = net().fit(*data)
    report = estimator.load_params(misfit(), strict=False)
    assert report.loaded == ["conv.b", "bn.beta", "bn.mean", "bn.inv_std"]
    assert report.unused == ["extra.weight"]


def test_strictly_of_our_own(data):
    estimator = net().fit(*data)
    assert estimator.load_params(net().fit(*data), strict=True).loaded
    with pytest.raises(ValueError, match="not in the source: conv"):
        estimator.load_params({"bn.beta": np.zeros(3)}, strict=True)


def test_a_negative_variance(data):
    state = {name: values(name, shape) for name, shape in SHAPES.items()}
    state["bn.running_var"] = -state["bn.running_var"]
    with pytest.raises(ValueError, match=r"the parameter 'bn.inv_std' holds NaN"):
        net().fit(*data).load_params(state)
