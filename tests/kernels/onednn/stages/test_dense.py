"""Dense layers of one sample, row by row: the same numbers as by matrix products."""

from __future__ import annotations

import numpy as np
import pytest

from convnet_features.kernels import threads
from convnet_features.kernels.contract import DenseStage
from convnet_features.kernels.onednn.plan import thresholds

from ....helpers import assert_close
from ....stages import onednn_alone
from ...machines import here, skip_without_code

pytestmark = pytest.mark.onednn

#: Rows that fill steps of eight, and that do not; columns of one vector and of several.
SHAPES = [(8, 16), (3, 16), (29, 48), (64, 7 * 16)]


@pytest.fixture(autouse=True)
def always_worth_it(monkeypatch):
    monkeypatch.setattr(thresholds, "LARGE_WEIGHTS", 0)
    monkeypatch.setattr(thresholds, "WORK_OF_ONE_THREAD", 0)


def drawn(rng, stage, shape, n_samples=1):
    x = rng.standard_normal((n_samples, shape[0])).astype("float32")
    w = rng.standard_normal(shape).astype("float32")
    b = rng.standard_normal(shape[1]).astype("float32")
    return x, [w, b] if stage.bias else [w]


def expected(stage, x, params):
    y = np.float64(x) @ np.float64(params[0]) + sum(np.float64(b) for b in params[1:])
    if stage.activation == "rectify":
        y = np.maximum(y, 0)
    return np.tanh(y) if stage.activation == "tanh" else y


def descriptions(kernel):
    (plan,) = kernel.kernel.forward_plans
    return [step.description for step, _ in plan.program.steps]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("activation", ["linear", "rectify"])
def test_one_sample(shape, bias, activation, rng):
    stage = DenseStage(bias, activation)
    x, params = drawn(rng, stage, shape)
    found = []
    try:
        for n_threads in (1, 2, 3):
            threads.set_num_threads(n_threads)
            kernel = onednn_alone([stage])
            found += [kernel.forward(x, params), kernel.prepare(params)(x)]
    finally:
        threads.set_num_threads(None)
    assert_close(found[0], expected(stage, x, params), "float32")
    for other in found[1:]:
        np.testing.assert_array_equal(other, found[0])
    ending = ", row by row" if here().generates else f"{shape}"
    assert [each.endswith(ending) for each in descriptions(kernel)] == [True]


def test_images_are_flattened(rng):
    stage = DenseStage(True)
    x, params = drawn(rng, stage, (3 * 5 * 7, 32))
    images = x.reshape(1, 3, 5, 7)
    y = onednn_alone([stage]).forward(images, params)
    assert_close(y, expected(stage, x, params), "float32")


def test_what_is_not_a_number_stays_so(rng):
    skip_without_code()
    stage = DenseStage(True, "rectify")
    x, params = drawn(rng, stage, (9, 32))
    params[0][4, 7] = np.nan
    y = onednn_alone([stage]).forward(x, params)
    assert np.isnan(y[0, 7])
    assert np.isfinite(np.delete(y, 7)).all()


@pytest.mark.parametrize(
    ("n_samples", "shape", "activation"),
    [(2, (24, 32), "linear"), (1, (24, 31), "linear"), (1, (24, 32), "tanh")],
)
def test_all_else_is_a_matrix_product(n_samples, shape, activation, rng):
    stage = DenseStage(True, activation)
    x, params = drawn(rng, stage, shape, n_samples)
    kernel = onednn_alone([stage])
    assert_close(kernel.forward(x, params), expected(stage, x, params), "float32")
    assert descriptions(kernel) == [f"product of {x.shape} and {shape}"]


def test_training_is_a_matrix_product(rng):
    stage = DenseStage(True, "rectify")
    x, params = drawn(rng, stage, (24, 32))
    kernel = onednn_alone([stage])
    y, _ = kernel.forward_training(x, params)
    assert_close(y, expected(stage, x, params), "float32")
    assert descriptions(kernel) == ["product of (1, 24) and (24, 32)"]
