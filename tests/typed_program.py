"""Public calls as a user with a type checker writes them.

Nothing here runs: mypy and pyright read it, see tests/test_types.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, assert_type

import lasagne.layers
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from convnet_features import (
    ConvNetClassifier,
    ConvNetFeatureExtractor,
    ConvNetRegressor,
    available_engines,
    get_num_threads,
    pretrained_extractor,
)
from convnet_features.augmentation import RandomFlip, RandomShift
from convnet_features.callbacks import Checkpoint, Cosine, EarlyStopping, LearningRateSchedule
from convnet_features.images import ImageLoader, LazyImages, load_image_folder
from convnet_features.inspection import FiltersDisplay, GradCAMDisplay, LearningCurvesDisplay
from convnet_features.network import LayerSpec
from convnet_features.network.explanation import Explanation
from convnet_features.network.transfer import LoadReport
from convnet_features.onnx import from_onnx
from convnet_features.pretrained import PretrainedExtractor
from convnet_features.training.history import History

Array = np.ndarray


def features(X: Array, y: Array) -> Array:
    extractor = ConvNetFeatureExtractor(
        feature_layer="dense",
        target="classes",
        max_epochs=2,
        batch_size="auto",
        augment=[RandomShift(1), RandomFlip()],
        callbacks=[EarlyStopping(), LearningRateSchedule(Cosine(0.01)), Checkpoint("folder")],
        engine="portable",
        conv2d1_num_filters=8,
        random_state=0,
    )
    assert_type(extractor.fit(X, y), ConvNetFeatureExtractor)
    assert_type(extractor.partial_fit(X, y), ConvNetFeatureExtractor)
    assert_type(extractor.set_params(verbose=1), ConvNetFeatureExtractor)
    assert_type(extractor.get_params(), dict[str, Any])
    assert_type(extractor.fit_transform(X, y), Array)
    assert_type(extractor.predict(X), Array)
    assert_type(extractor.predict_proba(X), Array)
    assert_type(extractor.score(X, y), float)
    assert_type(extractor.get_feature_names_out(), Array)
    assert_type(extractor.get_output("dense", X), Array)
    assert_type(extractor.layer_function("dense"), Callable[[Any], Array])
    assert_type(extractor.explain(), Explanation)
    assert_type(extractor.summary(), str)
    assert_type(extractor.layer_params()[0].name, str)
    assert_type(extractor.history_, History)
    assert_type(extractor.loss_curve_, list[float])
    assert_type(extractor.n_iter_, int)
    assert_type(extractor.classes_, Array)
    assert_type(extractor.layers_, dict[str, Any])
    assert_type(extractor.load_params("weights.safetensors"), LoadReport)
    extractor.save_params("weights.safetensors")
    make_pipeline(extractor, LogisticRegression()).fit(X, y)
    return extractor.transform(X)


def predictions(X: Array, y: Array) -> Array:
    layers = [
        ("conv", lasagne.layers.Conv2DLayer, {"num_filters": 8, "filter_size": 3}),
        LayerSpec("output", lasagne.layers.DenseLayer),
    ]
    classifier = ConvNetClassifier(layers=layers, class_weight="balanced").fit(X, y)
    assert_type(classifier, ConvNetClassifier)
    assert_type(ConvNetRegressor().fit(X, y).predict(X), Array)
    return classifier.predict(X)


def photographs(folder: str) -> PretrainedExtractor:
    bunch = load_image_folder(folder)
    loader = ImageLoader(96, mode="rgb", lazy=True)
    assert_type(loader.fit(bunch.filenames), ImageLoader)
    assert_type(loader.fit_transform(bunch.filenames), Array | LazyImages)
    assert_type(from_onnx("model.onnx"), PretrainedExtractor)
    return pretrained_extractor("efficientnet_lite0")


def pictures(extractor: ConvNetFeatureExtractor, X: Array) -> None:
    assert_type(FiltersDisplay.from_estimator(extractor), FiltersDisplay)
    assert_type(GradCAMDisplay.from_estimator(extractor, X), GradCAMDisplay)
    assert_type(LearningCurvesDisplay.from_estimator(extractor), LearningCurvesDisplay)
    assert_type(available_engines(), tuple[str, ...])
    assert_type(get_num_threads(), int)


def mistakes(X: Array) -> None:
    ConvNetClassifier(target="class")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    ConvNetClassifier(engine="cuda")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    ConvNetClassifier(max_epochs="many")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
