"""Machine code in this process: made, called, kept and given back."""

from __future__ import annotations

import ctypes
import os
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from convnet_features.kernels.jit import compiler
from convnet_features.kernels.jit.code import Code
from convnet_features.kernels.jit.code_folder import CODE_VARIABLE
from convnet_features.kernels.jit.compiler import CompiledModule, can_compile, dispose

from ..processes import run_kernels

DOUBLE = "define float @double(float %a) {\n  %b = fadd float %a, %a\n  ret float %b\n}"


def call(module, name, *numbers):
    """A function of whole numbers, given as an array that it may write to."""
    array = (ctypes.c_int64 * len(numbers))(*numbers)
    ctypes.CFUNCTYPE(None, ctypes.c_void_p)(module.address(name))(array)
    return list(array)


def function(name, code):
    return (
        f"declare i64 @llvm.smin.i64(i64, i64)\ndefine void @{name}(ptr %a) {{\n{code.text()}\n}}"
    )


class TestModule:
    def test_functions_can_be_called(self):
        module = CompiledModule(DOUBLE)
        double = ctypes.CFUNCTYPE(ctypes.c_float, ctypes.c_float)(module.address("double"))
        assert double(1.25) == 2.5

    def test_what_is_no_module_is_an_error(self):
        with pytest.raises(RuntimeError, match="parsing error"):
            CompiledModule("define float @double(float %a) {")

    def test_memory_is_given_back_under_the_lock(self):
        dispose()
        module = CompiledModule(DOUBLE)
        engine = module._engine
        del module
        assert compiler._retired == [engine]
        dispose()
        assert compiler._retired == []

    def test_the_next_module_disposes_of_those_before(self):
        for _ in range(3):
            CompiledModule(DOUBLE)
            assert len(compiler._retired) == 1

    def test_one_that_outlives_its_python_module_is_left_to_the_process(self, monkeypatch):
        module = CompiledModule(DOUBLE)
        engine = module._engine
        monkeypatch.setattr(compiler, "_retired", None)  # as the interpreter does at its end
        del module
        assert not engine._owned

    def test_a_process_ends_in_silence_with_modules_alive(self):
        code = f"""
from convnet_features.kernels.jit.compiler import CompiledModule
kept, cycle = CompiledModule({DOUBLE!r}), []
cycle.append((cycle, CompiledModule({DOUBLE!r})))
"""
        done = run_kernels(code)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_DATA is Linux's")
class TestNoMemory:
    """LLVM would end the process."""

    LIMITED = f"""
import resource
from convnet_features.kernels.jit.compiler import CompiledModule, can_compile
def limited(do):
    held = int(open("/proc/self/status").read().split("VmData:")[1].split()[0]) << 10
    resource.setrlimit(resource.RLIMIT_DATA, (held + (24 << 20), resource.RLIM_INFINITY))
    try:
        do()
    except MemoryError as error:
        print(error)
    resource.setrlimit(resource.RLIMIT_DATA, (resource.RLIM_INFINITY,) * 2)
limited(can_compile)
assert can_compile()
limited(lambda: CompiledModule({DOUBLE!r}))
assert CompiledModule({DOUBLE!r}).address("double")
"""

    @pytest.mark.skipif(not can_compile(), reason="nothing is compiled on this machine")
    def test_it_is_an_error_and_later_modules_are_compiled(self):
        done = run_kernels(self.LIMITED)
        assert done.returncode == 0, done.stderr
        message = "Compiling a kernel needs up to 32 MiB of memory, and the system gives no more"
        assert done.stdout.splitlines() == [message] * 2


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Where this test's code is kept."""
    monkeypatch.setenv(CODE_VARIABLE, str(tmp_path / "code"))
    monkeypatch.setattr(compiler, "made", compiler.Made())
    return tmp_path / "code"


def doubled(module, number):
    return ctypes.CFUNCTYPE(ctypes.c_float, ctypes.c_float)(module.address("double"))(number)


class TestCodeOnDisk:
    def test_it_is_generated_once_and_read_from_then_on(self, folder):
        for _ in range(3):
            assert doubled(CompiledModule(DOUBLE), 1.25) == 2.5
        assert compiler.made == compiler.Made(generated=1, read=2)
        assert len(os.listdir(folder)) == 1

    def test_none_is_kept_where_the_user_wants_none(self, folder, monkeypatch):
        monkeypatch.setenv(CODE_VARIABLE, "0")
        for _ in range(2):
            assert doubled(CompiledModule(DOUBLE), 1.25) == 2.5
        assert compiler.made == compiler.Made(generated=2, read=0)
        assert not folder.exists()

    def test_the_trial_is_not_kept(self, folder, monkeypatch):
        monkeypatch.setattr(compiler, "_works", None)
        assert can_compile() == bool(compiler._host().get("fma"))
        assert compiler.made == compiler.Made()
        assert not folder.exists()

    def test_what_is_no_module_is_not_kept(self, folder):
        with pytest.raises(RuntimeError, match="parsing error"):
            CompiledModule("define float @double(float %a) {")
        assert not folder.exists()
        assert compiler.made == compiler.Made()

    @pytest.mark.parametrize("damage", [lambda code: code[:-1], lambda code: b"\x7fELF" + code[4:]])
    def test_what_is_damaged_is_generated_and_written_anew(self, folder, damage):
        CompiledModule(DOUBLE)
        (file,) = folder.iterdir()
        whole = file.read_bytes()
        file.write_bytes(damage(whole))
        assert doubled(CompiledModule(DOUBLE), 1.25) == 2.5
        assert compiler.made == compiler.Made(generated=2, read=0)
        assert file.read_bytes() == whole

    @pytest.mark.parametrize(
        "another",
        [
            lambda patch: patch.setattr(compiler, "__version__", "another"),
            lambda patch: patch.setattr("llvmlite.__version__", "another"),
            lambda patch: patch.setattr("llvmlite.binding.llvm_version_info", (1, 2, 3)),
            lambda patch: patch.setattr("llvmlite.binding.get_host_cpu_name", lambda: "x86-64"),
            lambda patch: patch.setattr(compiler._host(), "flatten", lambda: "+sse2"),
        ],
        ids=["version", "llvmlite", "LLVM", "processor", "features"],
    )
    def test_code_for_other_circumstances_is_other_code(self, folder, monkeypatch, another):
        CompiledModule(DOUBLE)
        another(monkeypatch)
        CompiledModule(DOUBLE)
        assert compiler.made == compiler.Made(generated=2, read=0)
        assert len(os.listdir(folder)) == 2

    def test_code_for_a_limited_processor_is_other_code(self, folder):
        for cpu in ("", "x86-64-v3", "x86-64-v3"):
            CompiledModule(DOUBLE, cpu)
        assert compiler.made == compiler.Made(generated=2, read=1)

    def test_functions_of_others_are_found_by_their_addresses_in_each_process(self, folder):
        """What is kept has the name alone: the address of this process stands for it."""
        text = """declare i32 @test.answer()
define void @ask(ptr %a) {
  %b = call i32 @test.answer()
  %c = sext i32 %b to i64
  store i64 %c, ptr %a, align 8
  ret void
}"""
        for answer in (42, 43):
            function = ctypes.CFUNCTYPE(ctypes.c_int)(lambda answer=answer: answer)
            symbols = {"test.answer": ctypes.cast(function, ctypes.c_void_p).value}
            assert call(CompiledModule(text, "", symbols), "ask", 0) == [answer]
        assert compiler.made == compiler.Made(generated=1, read=1)

    def test_threads_that_want_the_same_at_once(self, folder):
        with ThreadPoolExecutor(8) as threads:
            modules = list(threads.map(CompiledModule, [DOUBLE] * 16))
        assert [doubled(module, 1.25) for module in modules] == [2.5] * 16
        assert len(os.listdir(folder)) == 1


class TestTrial:
    @pytest.fixture(autouse=True)
    def untried(self, monkeypatch):
        monkeypatch.setattr(compiler, "_works", None)

    def test_it_succeeds_wherever_the_processor_can(self):
        assert can_compile() == bool(compiler._host().get("fma"))

    def test_it_is_made_once(self, monkeypatch):
        tries = []
        monkeypatch.setattr(compiler, "_try", lambda: tries.append(1) or False)
        assert not can_compile()
        assert not can_compile()
        assert len(tries) == 1

    def test_processors_without_fused_multiplication_are_refused(self, monkeypatch):
        monkeypatch.setattr(compiler, "_features", {"sse4.1": True, "fma": False})
        assert not can_compile()


class TestCode:
    def test_a_loop_hands_values_on(self):
        """The sum of range(start, stop, step), and where the loop begins with nothing to do."""
        code = Code()
        start, stop, total = (code.at("%a", index, "i64") for index in range(3))
        ends = [code.load("i64", each, 8) for each in (start, stop)]
        with code.loop(*ends, 3, kind="i64", initial=["10"]) as loop:
            loop.values = [code.add(loop.values[0], loop.index)]
        code.store("i64", loop.values[0], total, 8)
        module = CompiledModule(function("sum", code))
        assert call(module, "sum", 2, 15, 0)[2] == 10 + sum(range(2, 15, 3))
        assert call(module, "sum", 5, 5, 0)[2] == 10

    def test_loops_in_loops(self):
        code = Code()
        total = code.at("%a", 1, "i64")
        n = code.load("i64", "%a", 8)
        with code.loop(0, n, kind="i64", initial=["0"]) as i:
            with code.loop(0, i.index, kind="i64", initial=i.values) as j:
                product = code.mul(i.index, code.smaller(j.index, 2))
                j.values = [code.add(j.values[0], product)]
            i.values = j.values
        code.store("i64", i.values[0], total, 8)
        module = CompiledModule(function("nested", code))
        expected = sum(i * min(j, 2) for i in range(6) for j in range(i))
        assert call(module, "nested", 6, -1) == [6, expected]

    def test_a_switch_takes_one_case_or_none(self):
        code = Code()
        value = code.load("i64", "%a", 8)
        for case in code.switch(value, 3):
            code.store("i64", str(100 + case), code.at("%a", 1, "i64"), 8)
        module = CompiledModule(function("choose", code))
        assert [call(module, "choose", case, -1)[1] for case in range(4)] == [100, 101, 102, -1]
