"""Data of bytes are never made floats as a whole: looked at in a process of its own."""

from __future__ import annotations

import subprocess
import sys

import pytest

#: 400 images of 3×160×160 bytes: 31 MB, 123 as float32, 246 as float64.
PROGRAM = """
import resource
import numpy as np
import convnet_features
from lasagne.layers import DenseLayer, InputLayer, MaxPool2DLayer
from convnet_features.augmentation import RandomFlip

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024

def estimator(**params):
    layers = [("input", InputLayer), ("pool", MaxPool2DLayer), ("output", DenseLayer)]
    return convnet_features.ConvNetClassifier(
        layers, feature_layer="pool", pool_pool_size=40, max_epochs=1, random_state=0, **params
    )

X = np.random.default_rng(0).integers(0, 256, (400, 3, 160, 160), dtype=np.uint8)
y = np.arange(400) % 2
fitted = estimator().fit(X[:40], y[:40])  # compiled
estimator(augment=RandomFlip()).fit(X[:40], y[:40])
before = peak()
{statement}
print(peak() - before)
"""
STATEMENTS = {
    "scale": "convnet_features.validation.automatic_input_scale(X)",
    "fit": "estimator().fit(X, y)",
    "validation data": "estimator().fit(X[:40], y[:40], X_val=X, y_val=y)",
    "sample weights": "estimator().fit(X, y, sample_weight=np.ones(400))",
    "augmentation": "estimator(augment=RandomFlip()).fit(X, y)",
    "partial_fit": "fitted.partial_fit(X, y)",
    "transform": "fitted.transform(X)",
    "predict": "fitted.predict(X)",
    "channels last": (
        "fitted.predict(np.ascontiguousarray(X.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2))"
    ),
}


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is counted otherwise elsewhere")
@pytest.mark.slow
@pytest.mark.parametrize("case", STATEMENTS)
def test_no_copy_of_all_pixels_as_floats(case):
    program = PROGRAM.replace("{statement}", STATEMENTS[case])
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=300
    )
    # Bytes in another order may be copied once; partial_fit takes all rows as a batch or several.
    assert int(ran.stdout) < 100, f"{ran.stdout} MB more"
