"""What networks import once they are used is there, or comes whole."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

#: Fits networks of many kinds, and prints what of the package was imported by a bare import: one
#: that a fork does not wait for, so that a child may find it half done.
CODE = """
import sys
import numpy as np
import lasagne.layers as ll
from convnet_features import ConvNetClassifier, ConvNetRegressor, layers as ours, locks
from convnet_features.network import first_use
from convnet_features.network.presets import small_resnet

first_use.import_for_networks()
before, came_whole = set(sys.modules), set()
original = locks.import_whole

def noted(*names):
    there = set(sys.modules)
    original(*names)
    came_whole.update(set(sys.modules) - there)

for module in list(sys.modules.values()):
    if getattr(module, "import_whole", None) is original:
        module.import_whole = noted
rng = np.random.default_rng(0)
X, y = rng.random((40, 1, 12, 12)), np.arange(40) % 3
normalised = [
    ("conv", ll.Conv2DLayer, {"num_filters": 4, "filter_size": 3}),
    ("norm", ours.BatchNormLayer),
    ("pool", ll.MaxPool2DLayer, {"pool_size": 2}),
    ("up", ours.TransposedConv2DLayer, {"num_filters": 2, "filter_size": 2, "stride": 2}),
    ("drop", ll.DropoutLayer),
    ("output", ll.DenseLayer),
]
recurrent = [("input", ll.InputLayer), ("gru", ll.GRULayer, {"num_units": 3}), ("out", ll.DenseLayer)]
for engine in ("portable", "auto"):
    for layers in (None, small_resnet(widths=(16, 32)), normalised):
        net = ConvNetClassifier(layers, engine=engine, max_epochs=1).fit(X, y)
        net.predict(X)
        net.transform(X) if hasattr(net, "transform") else None
    ConvNetClassifier(recurrent, engine=engine, max_epochs=1).fit(X[:, 0], y)
    ConvNetRegressor(engine=engine, max_epochs=1, update="adam").fit(X, y / 7)
bare = set(sys.modules) - before - came_whole
print(*sorted(name for name in bare if name.startswith("convnet_features.")), sep="\\n", end="")
"""


def test_nothing_of_the_package_is_imported_where_a_fork_does_not_wait():
    done = subprocess.run(
        [sys.executable, "-c", CODE],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
