"""No float64 array or scalar appears anywhere in a training step, or in `transform`."""

from __future__ import annotations

import sys
import threading
from contextlib import contextmanager

import numpy as np
import pytest

from convnet_features import ConvNetClassifier
from convnet_features.fusion import set_fusion
from convnet_features.kernels.registry import available_engines
from convnet_features.training import Callback


@contextmanager
def watching(found, seen):
    """Look at every local variable after every line of ours, generated ones included."""

    def look(frame, event, arg):
        name = frame.f_code.co_filename
        if "convnet_features" not in name or "numpy" in name:
            return None
        for variable, value in frame.f_locals.items():
            if isinstance(value, np.ndarray | np.generic):
                seen.append(value.dtype)
                if value.dtype == np.float64:
                    found.add((name.rpartition("/")[2], frame.f_lineno, variable))
        return look

    before = sys.gettrace()
    sys.settrace(look)
    threading.settrace(look)
    try:
        yield
    finally:
        sys.settrace(before)
        threading.settrace(None)


class Watch(Callback):
    """Watches the second batch of the first epoch, from the batch's rows to its update."""

    def __init__(self):
        self.found, self.seen, self.steps = set(), [], 0

    def on_training_begin(self, trainer):
        self._watching = None

    def on_batch_end(self, trainer, loss):
        assert trainer.model.theta.dtype == np.float32
        if self._watching is not None:
            self._watching.__exit__(None, None, None)
            self._watching = None
            return True
        self._watching = watching(self.found, self.seen)
        self._watching.__enter__()
        self.steps += 1
        return None


@pytest.fixture(params=["portable", "onednn"])
def engine(request):
    if request.param not in available_engines():
        pytest.skip(f"{request.param} is not on this machine")
    return request.param


@pytest.fixture(params=[True, False], ids=["fused", "unfused"], autouse=True)
def fused(request):
    before = set_fusion(request.param)
    yield request.param
    set_fusion(before)


@pytest.fixture
def data(rng):
    return rng.random((40, 28, 28), dtype="float32"), rng.integers(0, 10, 40).astype(str)


UPDATES = [
    {},
    {"update": "adam"},
    {"update": "rmsprop", "update_learning_rate": 1e-4, "l1": 1e-3, "l2": 1e-3},
    {"class_weight": "balanced"},
]


@pytest.mark.parametrize("options", UPDATES, ids=lambda options: options.get("update", "nesterov"))
def test_a_training_step(options, engine, data):
    watch = Watch()
    network = ConvNetClassifier(
        engine=engine, max_epochs=1, batch_size=8, callbacks=[watch], random_state=0, **options
    )
    network.fit(*data)
    assert watch.found == set()
    assert watch.steps == 1
    assert watch.seen.count(np.float32) > 100  # it did look


def test_transform_and_functions_of_layers(engine, data):
    X, y = data
    network = ConvNetClassifier(engine=engine, max_epochs=1, random_state=0).fit(X, y)

    function = network.layer_function("dense")
    found, seen = set(), []
    with watching(found, seen):
        network.transform(X)
        network.predict_proba(X)
        function(X[:, None])
    assert found == set()
    assert seen.count(np.float32) > 10


def test_one_float64_is_found():
    found, seen = set(), []
    code = compile(
        "def f(x):\n    y = x * np.float64(2)\n    del y\n", "<convnet_features f>", "exec"
    )
    exec(code, names := {"np": np})
    with watching(found, seen):
        names["f"](np.ones(2, np.float32))
    assert found == {("<convnet_features f>", 3, "y")}
