"""What is chosen for a graph on machines that need not be there, and why."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from convnet_features.kernels.contract import (
    Conv2DSpec,
    ConvStage,
    DenseStage,
    MaskStage,
    Node,
    Pool2DSpec,
    PoolStage,
    StageGraph,
    SumStage,
)
from convnet_features.kernels.machine import Machine, never
from convnet_features.kernels.onednn.plan import candidates, choice, thresholds
from convnet_features.kernels.onednn.plan.case import Case

ROOT = Path(__file__).parents[4]
AVX512 = Machine("avx512", "amd")
AVX2 = Machine("avx2", "intel")
SSE41 = Machine("sse41", "intel")
NO_LLVM = Machine("avx512", "amd", can_compile=never)

TWO = Pool2DSpec((2, 2), (2, 2))
SEED = StageGraph.chain(
    (
        ConvStage(Conv2DSpec()),
        PoolStage(TWO, "rectify"),
        ConvStage(Conv2DSpec()),
        PoolStage(TWO, "rectify"),
        MaskStage(2.0),
        DenseStage(activation="rectify"),
        DenseStage(),
    )
)
BATCH = 128


def seed_shapes(n_samples):
    params = [(32, 1, 5, 5), (32,), (32, 32, 5, 5), (32,), (n_samples, 32, 4, 4)]
    return [(n_samples, 1, 28, 28)], [*params, (512, 256), (256,), (256, 10), (10,)]


def chosen(machine, training=True, n_samples=BATCH, graph=SEED):
    return choice.choose(graph, *seed_shapes(n_samples), training, machine)


def steps(choices):
    return [
        (each.nodes, each.candidate.name) for each in (step.options[0] for step in choices.steps)
    ]


POOLED_CONVOLUTION, WINOGRAD, POOLED_GRADIENT, ONEDNN = (
    each.name
    for each in (
        candidates.POOLED_CONVOLUTION,
        candidates.WINOGRAD,
        candidates.POOLED_GRADIENT,
        candidates.ONEDNN,
    )
)
OTHERS = [((node,), ONEDNN) for node in (4, 5, 6)]
#: [forward, backward] of the two convolutions and poolings.
BY_ONEDNN = [((node,), ONEDNN) for node in range(4)]


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("machine", [AVX512, AVX2], ids=str)
def test_the_seed_network(machine, training):
    choices = chosen(machine, training)
    assert choices.portable is None
    assert steps(choices) == [((0, 1), POOLED_CONVOLUTION), ((2, 3), WINOGRAD), *OTHERS]


@pytest.mark.parametrize("machine", [SSE41, NO_LLVM], ids=str)
def test_machines_without_generated_code(machine):
    choices = chosen(machine)
    assert steps(choices) == [*BY_ONEDNN, *OTHERS]
    assert all(each.name == ONEDNN for step in choices.gradients.values() for each in step)


def test_one_image_is_not_worth_generated_code():
    choices = chosen(AVX512, training=False, n_samples=1)
    assert steps(choices) == [*BY_ONEDNN, *OTHERS]
    needs = (
        "it needs at least 20,000,000 multiplications (each counts 5 times in training), or "
        "generating its code takes longer than it saves"
    )
    assert dict(choices.forward[2].rejected)[candidates.WINOGRAD] == needs


def test_gradients_of_the_seed_network():
    """Of the second pooling with its convolution; the first one's channels fill no vector."""
    gradients = chosen(AVX512).gradients
    assert [each.nodes for each in gradients[3]] == [(3, 2)]
    assert [each.name for each in gradients[3]] == [POOLED_GRADIENT]
    assert [each.name for each in gradients[1]] == [ONEDNN]
    assert gradients[1][0].rejected == (
        (candidates.POOLED_GRADIENT, "it needs channels enough to fill a vector"),
    )
    # Where the layout of pooled images is unknown, these two would follow.
    assert [each.name for each in gradients[2]] == [WINOGRAD, WINOGRAD]
    assert [each.name for each in gradients[0]] == [ONEDNN, ONEDNN]
    assert chosen(AVX512, training=False).gradients == {}


def test_why_not_the_candidates_before():
    first, second = chosen(AVX512).forward[0], chosen(AVX512).forward[2]
    assert first.rejected == (
        (candidates.WINOGRAD, "it needs channels and filters that fill whole vectors"),
    )
    assert second.rejected == (
        (candidates.POOLED_CONVOLUTION, "it needs fewer channels than a vector holds"),
    )


def test_a_pooling_that_others_read_too_is_computed_apart():
    nodes = (
        Node(ConvStage(Conv2DSpec()), (0,)),
        Node(PoolStage(TWO), (1,)),
        Node(PoolStage(TWO), (1,)),
        Node(SumStage(), (2, 3)),
    )
    graph = StageGraph(1, nodes, (4,))
    choices = choice.choose(graph, [(128, 32, 12, 12)], [(32, 32, 5, 5), (32,)], True, AVX512)
    assert steps(choices) == [
        ((0,), WINOGRAD),
        ((1,), ONEDNN),
        ((2,), ONEDNN),
        ((3,), ONEDNN),
    ]
    reason = "it needs a max pooling without padding that alone reads it"
    assert dict(choices.forward[0].rejected)[candidates.POOLED_CONVOLUTION] == reason


def test_the_callers_own_result_is_not_joined():
    graph = StageGraph(1, SEED.nodes[:2], (1, 2))
    (x, *_), params = seed_shapes(BATCH)
    choices = choice.choose(graph, [x], params[:2], False, AVX512)
    assert steps(choices) == BY_ONEDNN[:2]


@pytest.mark.parametrize(
    ("stage", "reason"),
    [
        (PoolStage(Pool2DSpec((2, 2), (2, 2), mode="sum")), "oneDNN has no sum pooling"),
        (
            PoolStage(Pool2DSpec((3, 3), (2, 2), (1, 1), ignore_border=False)),
            "oneDNN has no pooling with padding and with windows that overhang",
        ),
        (
            PoolStage(Pool2DSpec((2, 2), (2, 1 << 15))),
            "oneDNN has no windows, strides or paddings of 32768 and more",
        ),
    ],
    ids=str,
)
def test_what_the_portable_kernels_compute(stage, reason):
    graph = StageGraph.chain((stage,))
    assert choice.choose(graph, [(2, 3, 8, 8)], [], False, AVX512).portable == reason


@pytest.mark.parametrize(
    "spec",
    [Conv2DSpec((1 << 15, 1)), Conv2DSpec(dilation=(1, 1 << 15))],
    ids=["stride", "dilation"],
)
def test_a_convolution_of_large_steps_is_the_portable_kernels(spec):
    graph = StageGraph.chain((ConvStage(spec, bias=False),))
    found = choice.choose(graph, [(2, 3, 8, 40000)], [(2, 3, 2, 2)], False, AVX512).portable
    assert found == "oneDNN has no strides, paddings or dilations of 32768 and more"


@pytest.mark.parametrize("n_samples", [0, 1 << 20])
def test_arrays_that_are_empty_or_too_large(n_samples):
    found = chosen(AVX512, n_samples=n_samples).portable
    assert found == "oneDNN takes arrays of 1 to 536,870,911 numbers"


def test_a_gradient_by_winograd_has_sums_that_stay_near(monkeypatch):
    def of_filters():
        return chosen(AVX512).gradients[2][0]

    assert of_filters().options[0].candidate is candidates.WINOGRAD_OF_FILTERS
    # 49 products of 32 by 32 channels, each plane a vector longer, and the biases.
    monkeypatch.setattr(thresholds, "SUMS", 4 * (49 * (32 * 32 + 16) + 32) - 1)
    assert of_filters().name == ONEDNN
    reason = dict(of_filters().rejected)[candidates.WINOGRAD_OF_FILTERS]
    assert reason == (
        f"it needs at most {thresholds.SUMS:,} bytes of sums, and 4,194,304 of scratch memory a thread"
    )


@pytest.mark.parametrize("machine", [AVX512, AVX2], ids=str)
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(
    ("n_channels", "size", "n_images", "enough"),
    [
        # Of 16 products each, filters become 1.0 MiB, of which any number of tiles is enough, and
        # 2.3 and 16 MiB; an image has 16 tiles of 7×7 or 8×8, 9 of 6×6 and 49 of 14×14.
        (128, 8, 1, (True, True)),
        (192, 6, 2, (True, False)),
        (512, 6, 1, (False, False)),
        (512, 7, 1, (True, False)),
        (512, 14, 2, (True, False)),
        (512, 14, 3, (True, True)),
        (512, 7, 8, (True, True)),
    ],
)
def test_filters_that_come_from_far_away(
    machine, training, n_channels, size, n_images, enough, monkeypatch
):
    monkeypatch.setattr(thresholds, "WORTH_GENERATING", 0)
    stage = ConvStage(Conv2DSpec(padding=((1, 1), (1, 1))))
    shapes = [(n_channels, n_channels, 3, 3), (n_channels,)]
    images = [(n_images, n_channels, size, size)]
    found = choice.choose(StageGraph.chain((stage,)), images, shapes, training, machine).forward[0]
    assert found.options[0].candidate is (
        candidates.WINOGRAD if enough[training] else candidates.ONEDNN
    )
    if not enough[training]:
        assert dict(found.rejected)[candidates.WINOGRAD] == (
            "it needs at least 16 tiles, in training 128, or filters that become at most "
            "2,097,152 bytes"
        )


@pytest.mark.parametrize("machine", [AVX512, AVX2], ids=str)
@pytest.mark.parametrize(
    ("n_samples", "shape", "training", "reason"),
    [
        (1, (4096, 2048), False, None),
        (
            1,
            (4096, 2047),
            False,
            "units that fill whole vectors",
        ),
        (
            1,
            (4095, 2048),
            False,
            "weights of at least 33,554,432 bytes: smaller ones are in a cache",
        ),
        (2, (4096, 2048), False, "one sample"),
        (1, (4096, 2048), True, "inference"),
    ],
)
def test_dense_layers_of_one_sample(machine, n_samples, shape, training, reason):
    graph = StageGraph.chain((DenseStage(),))
    shapes = [shape, shape[1:]]
    found = choice.choose(graph, [(n_samples, shape[0])], shapes, training, machine).forward[0]
    assert found.step == "dense layer"
    assert found.name == (ONEDNN if reason else "row by row")
    assert dict(found.rejected).get(candidates.ROW_BY_ROW) == (reason and f"it needs {reason}")


def test_a_gradient_keeps_what_else_a_spec_has():
    @dataclass(frozen=True)
    class Further(Conv2DSpec):
        further: int = 1

    spec = Further((1, 1), ((1, 0), (2, 1)), further=2)
    case = Case(ConvStage(spec), None, (2, 8, 9, 9), (16, 8, 3, 4), True, AVX2)
    assert case.of_images().spec == Further((1, 1), ((1, 2), (1, 2)), further=2)
    assert case.of_filters().spec == spec


def test_little_work_is_for_one_thread():
    assert thresholds.is_for_one_thread(11_999_999)
    assert not thresholds.is_for_one_thread(12_000_000)
    assert thresholds.is_large_product(65_536)
    assert not thresholds.is_large_product(65_535)


def test_choosing_needs_neither_oneDNN_nor_LLVM():
    code = (
        "import sys; from pathlib import Path; "
        "from tests.kernels.onednn.plan.test_choice import AVX512, chosen; "
        "assert chosen(AVX512).forward[0].nodes == (0, 1); "
        "assert not {'cffi', 'llvmlite'} & set(sys.modules); "
        "maps = Path('/proc/self/maps'); "
        "assert not maps.exists() or 'libdnnl' not in maps.read_text()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_page_has_the_tables_of_the_code():
    """After a change: python docs/planning.py"""
    path = ROOT / "docs" / "planning.py"
    if not path.exists():
        pytest.skip("no documentation here")
    spec = importlib.util.spec_from_file_location("planning", path)
    planning = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(planning)
    text = planning.PAGE.read_text(encoding="utf-8")
    assert planning.with_tables(text) == text
    names = {name for name in vars(thresholds) if name.isupper()}
    numbers = {name for name in names if isinstance(getattr(thresholds, name), int | float)}
    assert numbers == {name for name in numbers if f"| `{name}` |" in text}
    assert len(numbers) > 10
