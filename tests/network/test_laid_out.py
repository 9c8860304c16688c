"""Parameters that kernels lay out once, and again when they change."""

from __future__ import annotations

import numpy as np
import pytest

import convnet_features  # noqa: F401  (makes `import lasagne` work)
from convnet_features.kernels.contract import Conv2DSpec, ConvStage, StageGraph
from convnet_features.kernels.registry import available_engines, get_kernels
from convnet_features.network import laid_out
from convnet_features.network.model import Model
from convnet_features.network.presets import seed_network, small_resnet

from ..helpers import assert_close


@pytest.fixture
def images(rng):
    return rng.standard_normal((11, 1, 8, 8)).astype("float32")


@pytest.fixture
def counted(monkeypatch):
    """How often a program was made for parameters of its own."""
    made = []
    frozen = laid_out.Program.frozen
    monkeypatch.setattr(
        laid_out.Program, "frozen", lambda self, values: made.append(1) or frozen(self, values)
    )
    return made


def model_of(engine):
    return Model(seed_network((1, 8, 8)), (1, 8, 8), 3, "classes", engine=engine)


def set_in_place(model):
    model.values[0][...] *= 2


def set_by_lasagne(model):
    model.network.params[0].set_value(model.values[0] * 2)


def replace_theta(model):
    model.theta[:] = model.theta[::-1].copy()


def turn_to_nan(model):
    model.values[-1][0] = np.nan


CHANGES = [set_in_place, set_by_lasagne, replace_theta, turn_to_nan]


@pytest.mark.parametrize("engine", ["portable", "onednn"])
@pytest.mark.parametrize("change", CHANGES)
def test_changed_parameters_count_at_once(change, engine, images):
    if engine not in available_engines():
        pytest.skip(f"{engine} is not on this machine")
    model, names = model_of(engine), ["dense", "output"]
    before = model.outputs(names, images)
    change(model)
    outputs = model.outputs(names, images)
    # Another model, which never had the values of before.
    peer = model_of(engine)
    peer.theta = model.theta.copy()
    for output, right in zip(outputs, peer.outputs(names, images), strict=True):
        np.testing.assert_array_equal(output, right)
    assert not np.array_equal(outputs[1], before[1])
    portable = model_of("portable")
    portable.theta = model.theta.copy()
    for output, right in zip(outputs, portable.outputs(names, images), strict=True):
        assert_close(output, right, "float32")


def test_laid_out_once_for_all_calls(images, counted):
    if "onednn" not in available_engines():
        pytest.skip("onednn is not on this machine")
    model = model_of("onednn")
    for n_images in (11, 3, 1, 11):
        model.outputs(["dense"], images[:n_images])
    assert len(counted) == 1
    set_in_place(model)
    model.outputs(["dense"], images)
    model.outputs(["dense"], images)
    assert len(counted) == 2


def test_images_of_all_sizes_share_what_was_laid_out(rng, monkeypatch):
    if "onednn" not in available_engines():
        pytest.skip("onednn is not on this machine")
    from convnet_features.kernels.onednn.program.program import Program

    reordered, made = Program._reordered, []

    def noted(self, array, before, after):
        assert not any(known is array and after == layout for known, layout in made)
        made.append((array, after))
        return reordered(self, array, before, after)

    monkeypatch.setattr(Program, "_reordered", noted)
    graph = StageGraph.chain([ConvStage(Conv2DSpec(padding=((1, 1), (1, 1))), False, "linear")])
    w = rng.random((64, 64, 3, 3)).astype("float32")
    forward = get_kernels("onednn").graph(graph).fast.measured_prepare([w])
    for n_images in (2, 3, 5):
        x = rng.random((n_images, 64, 6, 6)).astype("float32")
        right = get_kernels("portable").graph(graph).forward([x], [w])[0]
        assert_close(forward([x], 0)[0][0], right, "float32")


def test_normalisations_are_folded_once(rng):
    model = Model(small_resnet(widths=(8, 16)), (1, 12, 12), 3, "classes")
    images = rng.standard_normal((4, 1, 12, 12)).astype("float32")
    for value in model.values:
        value[...] += rng.random(value.shape, dtype=np.float32) / 4
    program = model.program(["pool"])
    kept, *_ = model.outputs(["pool"], images)
    np.testing.assert_array_equal(kept, program.function(images, *model.values)[0])
    names = program.frozen([value.copy() for value in model.values]).source
    assert len(names.splitlines()) < len(program.function.source.splitlines()) / 2
