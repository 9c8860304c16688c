"""From LLVM's language to machine code in this process."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from ..._version import __version__
from ...locks import new_lock, wait_at_fork
from ..memory import require
from .code_folder import code_folder

__all__ = ["CompiledModule", "can_compile", "dispose", "made"]

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


@dataclass
class Made:
    """How this process came by its machine code.

    Attributes
    ----------
    generated, read : int
        Modules that LLVM made, and modules that an earlier process had left on the disk.
    """

    generated: int = 0
    read: int = 0


made = Made()


class CompiledModule:
    """Functions in machine code, for as long as this object lives.

    Parameters
    ----------
    text : str
        A module in LLVM's language. Its functions must not be changed by
        whoever has their addresses. Nothing in it may differ from process to process: its
        code is kept on disk (`code_folder`), for processes to come.
    cpu : str
        LLVM's name of the processor to compile for; empty for the one at hand.
    symbols : mapping of str to int
        Addresses of functions that it declares; in a process each name has one for good.

    Raises
    ------
    OSError, RuntimeError
        The system does not let this process make code.
    MemoryError
        There is no memory for it.
    ValueError
        The environment variable for `code_folder` is not understood.
    """

    def __init__(self, text: str, cpu: str = "", symbols: Mapping[str, int] | None = None) -> None:
        with _lock:
            name = _Target(cpu).name_of(text)
        # Not under the lock: disks may be slow.
        folder = code_folder()
        code = None if folder is None else folder.find(name)
        is_new = code is None
        with _lock:
            dispose()
            target = _Target(cpu)
            if code is None:
                code = target.generated(text)
            self._engine = target.loaded(code, symbols or {})
            made.generated += is_new
            made.read += not is_new
        if is_new and folder is not None:
            folder.keep(name, code)

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


class _Target:
    """The processor to compile for; `_lock` is held wherever LLVM is entered.

    Parameters
    ----------
    cpu : str
        As for `CompiledModule`.

    Raises
    ------
    MemoryError
        There is none for LLVM.
    """

    def __init__(self, cpu: str) -> None:
        require(HEADROOM, "Compiling a kernel")
        # Under the lock: a child must not find a module half imported.
        import llvmlite.binding as llvm

        features = _host().flatten()
        self._options = {
            "cpu": cpu or llvm.get_host_cpu_name(),
            "features": "" if cpu else features,
            "opt": 2,
        }
        self._llvm = llvm

    def name_of(self, text: str) -> str:
        """What its code goes by: all that it depends on, in 64 hexadecimal digits."""
        import llvmlite

        llvm = self._llvm
        versions = __version__, llvmlite.__version__, llvm.llvm_version_info
        all_of_it = (*versions, llvm.get_default_triple(), self._options, text)
        return hashlib.sha256(repr(all_of_it).encode()).hexdigest()

    def generated(self, text: str) -> bytes:
        """An object file with the code of a module."""
        return bytes(self._machine().emit_object(self._llvm.parse_assembly(text)))

    def loaded(self, code: bytes, symbols: Mapping[str, int]) -> Any:
        """An engine that has the code of an object file in memory."""
        llvm = self._llvm
        for name, address in symbols.items():
            llvm.add_symbol(name, address)
        engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), self._machine())
        engine.add_object_file(llvm.ObjectFileRef.from_data(code))
        engine.finalize_object()
        return engine

    def _machine(self) -> Any:
        return self._llvm.Target.from_default_triple().create_target_machine(**self._options)


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
        if not _host().get("fma"):
            return False
        target = _Target("")
        engine = target.loaded(target.generated(TRIAL), {})
        return bool(engine.get_function_address("trial"))
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
