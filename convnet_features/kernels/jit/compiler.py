"""From LLVM's language to machine code in this process."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from ...locks import new_lock, wait_at_fork
from ..memory import require

__all__ = ["CompiledModule", "can_compile", "dispose"]

#: What is compiled once, to see whether anything can be.
TRIAL = "define void @trial(ptr %result) {\n  store float 1.0, ptr %result\n  ret void\n}"

#: LLVM ends the process where it gets no memory. The first module and the library itself take
#: 20 MiB, large modules 4 MiB; bytes.
HEADROOM = 32 << 20

_lock = new_lock()
_features: Any = None
_works: bool | None = None
#: Engines that nobody needs any more. The last reference to one may go at any moment and in any
#: thread, but LLVM is to be entered under the lock.
_retired: list[Any] = []

# llvmlite has a lock of its own, which a child must not find held by a thread that it lacks.
wait_at_fork(_lock)


class CompiledModule:
    """Functions in machine code, for as long as this object lives.

    Parameters
    ----------
    text : str
        A module in LLVM's language. Its functions must not be changed by
        whoever has their addresses.
    cpu : str
        LLVM's name of the processor to compile for; empty for the one at hand.

    Raises
    ------
    OSError, RuntimeError
        The system does not let this process make code.
    MemoryError
        There is no memory for it.
    """

    def __init__(self, text: str, cpu: str = "") -> None:
        with _lock:
            require(HEADROOM, "Compiling a kernel")
            # Under the lock: a child must not find a module half imported.
            import llvmlite.binding as llvm

            dispose()
            features = _host().flatten()
            target = llvm.Target.from_default_triple().create_target_machine(
                cpu=cpu or llvm.get_host_cpu_name(), features="" if cpu else features, opt=2
            )
            module = llvm.parse_assembly(text)
            self._engine = llvm.create_mcjit_compiler(module, target)
            self._engine.finalize_object()

    def __del__(self) -> None:
        # Not there if the module could not be compiled.
        engine = self.__dict__.pop("_engine", None)
        if engine is None:
            return
        if _retired is None:
            # The interpreter has taken this module apart; the end of the process gives all back.
            engine.detach()
        else:
            _retired.append(engine)

    def address(self, name: str) -> int:
        """Where the function `name` begins."""
        with _lock:
            return int(self._engine.get_function_address(name))


def dispose() -> None:
    """Give back the memory of modules that nobody needs any more."""
    with _lock:
        _retired.clear()


def can_compile() -> bool:
    """Whether this process can make code that is worth making; tried once.

    Not so where llvmlite is missing or not of the kind known here, where the
    system forbids, and on processors that do not multiply and add at once.
    """
    global _works
    with _lock:
        if _works is None:
            _works = _try()
    return _works


def _try() -> bool:
    try:
        require(HEADROOM, "Compiling a kernel")
        import llvmlite.binding as llvm

        # Without executable memory LLVM would end the process.
        llvm.check_jit_execution()
        return bool(_host().get("fma")) and CompiledModule(TRIAL).address("trial") != 0
    except MemoryError:
        # Says nothing of the processor: to be tried again.
        raise
    except Exception:
        # Whatever it is: nothing depends on this code but speed.
        return False


def _host() -> Any:
    global _features
    import llvmlite.binding as llvm

    if _features is None:
        # Newer versions of llvmlite need no initialisation, and say so with an error.
        with suppress(RuntimeError):
            llvm.initialize()
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        _features = llvm.get_host_cpu_features()
    return _features
