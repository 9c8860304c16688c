"""Writes estimators and their features to this folder, under the versions that wrote them.

    python -m tests.data.pickles.write

``tests/test_pickle.py`` loads every such file. One from each Python and
scikit-learn that can be had, and from each release, stays here.
"""

from __future__ import annotations

import pickle
import platform
from pathlib import Path

import sklearn

import convnet_features
from convnet_features import ConvNetClassifier, ConvNetFeatureExtractor, ConvNetRegressor
from tests.images import bright_corners, quick


def main() -> None:
    X, y = bright_corners(24)
    estimators = [
        quick(ConvNetFeatureExtractor, max_epochs=2).fit(X, y),
        quick(ConvNetClassifier, warm_start=True, update="adam", max_epochs=2).fit(X, y),
        quick(ConvNetRegressor, max_epochs=2).fit(X, y / 2),
        ConvNetFeatureExtractor(
            conv2d1_num_filters=2, conv2d2_num_filters=2, dense_num_units=4, max_epochs=1
        ).fit(X, y),
    ]
    held = {
        "X": X,
        "y": y,
        "estimators": estimators,
        "features": [estimator.transform(X) for estimator in estimators],
    }
    python = ".".join(platform.python_version_tuple()[:2])
    name = f"{convnet_features.__version__}-python{python}-sklearn{sklearn.__version__}.pkl"
    path = Path(__file__).parent / name
    path.write_bytes(pickle.dumps(held))
    print(f"{path}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
