"""What the ONNX tests share."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest

import convnet_features  # noqa: F401  (makes Lasagne importable)

if any(find_spec(name) is None for name in ("onnx", "onnxruntime")):
    collect_ignore_glob = ["test_*.py", "operators/*", "runtime/*"]


@pytest.fixture
def run():
    """A model's outputs by name, as onnxruntime computes them on one thread."""
    import onnxruntime

    def outputs(model, X):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        names = [output.name for output in session.get_outputs()]
        given = X if isinstance(X, dict) else {session.get_inputs()[0].name: X}
        return dict(zip(names, session.run(names, given), strict=True))

    return outputs


@pytest.fixture
def images(rng):
    """Three images of two channels, of sizes that all differ."""
    return rng.normal(size=(3, 2, 9, 11)).astype(np.float32)


@pytest.fixture
def pretrained(rng):
    """An extractor of given layers whose weights, biases included, are random."""
    from convnet_features.network.spec import parse_layers
    from convnet_features.onnx.loading import pretrained_extractor

    def build(layers, input_shape=(2, 9, 11), input_scale=1.0, feature_layer=None):
        specs = parse_layers(layers)
        extractor = pretrained_extractor(
            specs, input_shape, input_scale, feature_layer or specs[-1].name, "portable"
        )
        for param in extractor._model.network.params:
            value = param.get_value(borrow=True)
            value[...] = rng.normal(size=value.shape) / np.sqrt(max(1, value[0].size))
            if param.name.endswith("inv_std"):
                value[...] = np.abs(value) + 0.5
        return extractor

    return build
