"""Descriptions of processors, and the variable that limits the one at hand."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from convnet_features.kernels.contract import (
    Conv2DSpec,
    ConvStage,
    DenseStage,
    Pool2DSpec,
    PoolStage,
)
from convnet_features.kernels.machine import (
    LEVELS,
    Limit,
    Machine,
    always,
    find_machine,
    find_vendor,
    never,
)
from convnet_features.kernels.onednn import OneDNNKernels
from convnet_features.kernels.onednn.plan import thresholds
from convnet_features.kernels.portable import PortableKernels

from ..helpers import assert_close
from ..stages import chain
from .machines import MACHINES, here
from .processes import run_kernels

#: What oneDNN says of processors, from the least to one with everything.
BITS = {"sse41": 0x1, "avx": 0x3, "avx2": 0x7, "avx2_vnni": 0xF, "avx512": 0x27, "amx": 0xFEF}


@pytest.mark.any_machine
class TestLimit:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("", Limit("native")),
            ("  ", Limit("native")),
            ("native", Limit("native")),
            ("sse41", Limit("sse41")),
            ("AVX2", Limit("avx2")),
            ("avx512,vendor=amd", Limit("avx512", "amd")),
            ("vendor=intel , avx2", Limit("avx2", "intel")),
            ("vendor=intel", Limit("native", "intel")),
        ],
    )
    def test_understood(self, text, expected, monkeypatch):
        assert Limit.parse(text) == expected
        monkeypatch.setenv("CONVNET_FEATURES_ISA", text)
        assert Limit.of_environment() == expected

    @pytest.mark.parametrize(
        "text",
        [
            "sse2",
            "avx-512",
            "avx2,avx512",
            "avx2,",
            "vendor=arm",
            "vendor=intel,vendor=amd",
            "amd",
            "isa=avx2",
            "level=avx2",
            "=avx2",
            "avx2;vendor=amd",
        ],
    )
    def test_not_understood(self, text):
        expected = (
            f"CONVNET_FEATURES_ISA={text!r} is not understood: it is one of the levels sse41, "
            "avx2, avx512, native, or vendor=intel or vendor=amd, or a level and a vendor with a "
            "comma between them, such as 'avx2,vendor=amd'"
        )
        with pytest.raises(ValueError, match=f"^{re.escape(expected)}$"):
            Limit.parse(text)

    def test_nothing_is_no_limit(self, monkeypatch):
        monkeypatch.delenv("CONVNET_FEATURES_ISA", raising=False)
        assert Limit.of_environment() == Limit("native", None)


@pytest.mark.any_machine
class TestMachine:
    @pytest.mark.parametrize(
        ("processor", "isa", "lanes", "registers", "generates"),
        [
            ("sse41", "sse41", 4, 16, False),
            ("avx", "sse41", 4, 16, False),
            ("avx2", "avx2", 8, 16, True),
            ("avx2_vnni", "avx2", 8, 16, True),
            ("avx512", "avx512", 16, 32, True),
            ("amx", "avx512", 16, 32, True),
        ],
    )
    def test_found(self, processor, isa, lanes, registers, generates):
        found = find_machine(Limit(), BITS[processor], "intel", always)
        assert found == Machine(isa, "intel")
        assert (found.lanes, found.registers, found.generates) == (lanes, registers, generates)
        # Code for the very processor at hand.
        assert found.cpu == ""

    def test_generated_code_of_a_level_is_the_same_everywhere(self):
        found = [
            find_machine(Limit("avx2"), BITS["avx2"], name, always) for name in ("amd", "intel")
        ]
        assert [each.cpu for each in found] == ["x86-64-v3"] * 2
        assert Machine("avx512", is_limited=True).cpu == "x86-64-v4"

    def test_vendor(self):
        assert find_machine(Limit(), 0x7, "amd", always).vendor == "amd"
        assert find_machine(Limit("avx2", "intel"), 0x7, "amd", always).vendor == "intel"

    @pytest.mark.parametrize(
        ("text", "found"), [("GenuineIntel", "intel"), ("AuthenticAMD", "amd")]
    )
    def test_the_vendor_of_this_processor(self, text, found):
        if text not in Path("/proc/cpuinfo").read_text():
            pytest.skip(f"not a processor of {text}")
        assert find_vendor() == found

    def test_no_code_where_none_can_be_made(self):
        assert Machine("avx512").generates
        assert not Machine("avx512", can_compile=never).generates

    def test_what_no_code_is_for_is_not_tried(self):
        def loads_llvm():
            raise AssertionError("asked")

        assert not Machine("sse41", can_compile=loads_llvm).generates

    @pytest.mark.parametrize(
        ("processor", "level", "has"),
        [
            ("avx2", "avx512", "sse41, avx2"),
            ("avx", "avx2", "sse41"),
            ("none", "sse41", "none of them"),
        ],
    )
    def test_levels_that_a_processor_lacks(self, processor, level, has):
        expected = (
            f"CONVNET_FEATURES_ISA asks for the level {level!r}, which this processor lacks; it "
            f"has {has}: choose one of those, or 'native'"
        )
        with pytest.raises(ValueError, match=f"^{re.escape(expected)}$"):
            find_machine(Limit(level), BITS.get(processor, 0), "intel", always)


def run(code, **environment):
    return run_kernels(code, environment={**os.environ, **environment})


MACHINE = """
from convnet_features.kernels.registry import get_kernels
primitives = get_kernels("auto")._primitives
found = primitives.machine
print(found.isa, found.vendor, found.cpu or "-", primitives.library.lib.dnnl_get_effective_cpu_isa())
"""


@pytest.mark.onednn
class TestProcess:
    @pytest.mark.any_machine
    @pytest.mark.parametrize("level", LEVELS)
    def test_oneDNN_and_generated_code_are_held_to_a_level(self, level):
        done = run(MACHINE, CONVNET_FEATURES_ISA=f"{level},vendor=amd")
        if "which this processor lacks" in done.stderr:
            pytest.skip(f"this processor lacks {level}")
        assert done.returncode == 0, done.stderr
        cpu = {"sse41": "-", "avx2": "x86-64-v3", "avx512": "x86-64-v4"}[level]
        assert done.stdout.split() == [level, "amd", cpu, str(BITS[level])]

    @pytest.mark.any_machine
    def test_without_a_limit_all_is_used(self):
        done = run(MACHINE, CONVNET_FEATURES_ISA="native")
        same = run(MACHINE, CONVNET_FEATURES_ISA="")
        assert done.returncode == same.returncode == 0, done.stderr
        assert done.stdout == same.stdout
        assert done.stdout.split()[2] == "-"

    @pytest.mark.any_machine
    @pytest.mark.parametrize("engine", ["auto", "onednn"])
    def test_nonsense_is_an_error_each_time(self, engine):
        done = run(
            f"""
from convnet_features.kernels.registry import get_kernels
for _ in range(2):
    try:
        get_kernels({engine!r})
    except ValueError as error:
        print(error)
""",
            CONVNET_FEATURES_ISA="avx1024",
        )
        lines = done.stdout.splitlines()
        assert (done.returncode, done.stderr, len(lines)) == (0, "", 2)
        assert lines[0] == lines[1]
        assert lines[0].startswith("CONVNET_FEATURES_ISA='avx1024' is not understood: it is one")

    def test_too_late_is_an_error(self):
        """oneDNN listens before its first use only."""
        if here().isa == "sse41":
            pytest.skip("this process is held to the least level already")
        done = run(
            """
import os
from convnet_features.exceptions import EngineError
from convnet_features.kernels.onednn.binding.library import Library, load_library
path = load_library().path
os.environ["CONVNET_FEATURES_ISA"] = "sse41"
try:
    Library(path)
except EngineError as error:
    print(str(error).replace(path, "PATH"))
"""
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout == (
            "oneDNN at 'PATH' cannot be held to CONVNET_FEATURES_ISA=sse41: something in this "
            "process has used it before, or it was built without limits: set ONEDNN_MAX_CPU_ISA "
            "as well, before the process starts, or use engine='portable'.\n"
        )


SEED_NETWORK = (
    ConvStage(Conv2DSpec()),
    PoolStage(Pool2DSpec((2, 2), (2, 2)), "rectify"),
    ConvStage(Conv2DSpec()),
    PoolStage(Pool2DSpec((2, 2), (2, 2)), "rectify"),
    DenseStage(activation="rectify"),
    DenseStage(),
)
SEED_SHAPES = [(32, 1, 5, 5), (32,), (32, 32, 5, 5), (32,), (512, 256), (256,), (256, 10), (10,)]


def training_step(kernel, x, params, gy):
    y, workspace = kernel.forward_training(x, params)
    gx, gradients = kernel.backward(workspace, x, params, y, gy, True)
    return [y, gx, *gradients]


@pytest.mark.onednn
@pytest.mark.parametrize("machine", MACHINES.values(), ids=MACHINES)
def test_choices_for_another_machine_give_the_same_numbers(machine, rng, monkeypatch):
    """oneDNN computes as on the machine at hand; what we choose is chosen as on the other."""
    if machine.lanes > here().lanes:
        pytest.skip(f"this processor cannot run code for {machine}")
    monkeypatch.setattr(thresholds, "WORTH_GENERATING", 0)
    kernel = chain(OneDNNKernels(machine), SEED_NETWORK)
    portable = chain(PortableKernels(), SEED_NETWORK)
    x = rng.standard_normal((7, 1, 28, 28)).astype("float32")
    params = [0.1 * rng.standard_normal(shape).astype("float32") for shape in SEED_SHAPES]
    gy = rng.standard_normal((7, 10)).astype("float32")
    assert_close(kernel.forward(x, params), portable.forward(x, params))
    steps = (training_step(each, x, params, gy) for each in (kernel, portable))
    for mine, expected in zip(*steps, strict=True):
        assert_close(mine, expected)
    kernels = {step.kernel for step in kernel.explain(x, params, training=True)}
    assert machine.generates or kernels == {"oneDNN"}
