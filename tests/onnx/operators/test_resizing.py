"""Images of another size."""

from __future__ import annotations

import numpy as np
import pytest

from convnet_features.exceptions import EngineWarning
from convnet_features.layers import TakeLayer, Upscale1DLayer, Upscale2DLayer
from convnet_features.onnx import from_onnx

from ...helpers import assert_close
from ..foreign import Foreign

NEAREST = {"mode": "nearest"}
WHOLE = {
    "by scales": ([1, 1, 2, 3], None, {}),
    "by sizes": (None, [3, 2, 18, 22], {"coordinate_transformation_mode": "asymmetric"}),
    "one axis": ([1, 1, 1, 2], None, {}),
    "asymmetric, rounded down": (
        [1, 1, 2, 2],
        None,
        {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"},
    ),
}
OTHERS = {
    "not whole": ([1, 1, 1.5, 2], None, {}),
    "moved": (
        [1, 1, 2, 2],
        None,
        {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "ceil"},
    ),
    "smaller": ([1, 1, 0.5, 0.5], None, {}),
}


def resized(rng, scales, sizes, attributes):
    foreign = Foreign(rng)
    given = "" if scales is None else foreign.constant(np.float32(scales))
    sizes = [] if sizes is None else [foreign.constant(np.array(sizes))]
    foreign("Resize", "", given, *sizes, **NEAREST, **attributes)
    foreign("Tanh")
    return foreign.model()


@pytest.mark.parametrize("name", [*WHOLE, *OTHERS])
def test_nearest(name, rng, images, run):
    model = resized(rng, *(WHOLE | OTHERS)[name])
    extractor = from_onnx(model, engine="portable")
    expected = next(iter(run(model, images).values())).reshape(len(images), -1)
    assert_close(extractor.transform(images), expected, "float32")
    kinds = {type(layer) for layer in extractor.layers_.values()}
    assert (Upscale2DLayer in kinds) == (name in WHOLE)
    assert (TakeLayer in kinds) == (name in OTHERS)


def test_nearest_of_rows(rng, images, run):
    foreign = Foreign(rng)
    foreign("Reshape", foreign.constant(np.array([0, 18, 11])))
    foreign("Resize", "", foreign.constant(np.float32([1, 1, 2])), **NEAREST)
    model = foreign.model()
    extractor = from_onnx(model, engine="portable")
    expected = next(iter(run(model, images).values())).reshape(len(images), -1)
    assert_close(extractor.transform(images), expected, "float32")
    assert isinstance(list(extractor.layers_.values())[-1], Upscale1DLayer)


def test_pixels_halfway_between_two_are_left_to_onnxruntime(rng, images, run):
    """Whether 2 / (4 / 7) is rounded up depends on how it is computed."""
    attributes = {
        "coordinate_transformation_mode": "asymmetric",
        "nearest_mode": "round_prefer_ceil",
    }
    model = resized(rng, [1, 1, 4 / 7, 1], None, attributes)
    with pytest.warns(EngineWarning, match="pixels that lie halfway between two cannot be read"):
        extractor = from_onnx(model)
    expected = next(iter(run(model, images).values())).reshape(len(images), -1)
    assert_close(extractor.transform(images), expected, "float32")
