"""From LLVM's language to machine code in this process."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Any

from convnet_features.locks import new_lock

__all__ = ["CompiledModule", "has_512_bits"]

_lock = new_lock()
_features: Any = None

if hasattr(os, "register_at_fork"):
    # llvmlite has a lock of its own, which a child must not find held by a thread that it lacks.
    os.register_at_fork(before=_lock.acquire, after_in_parent=_lock.release)


class CompiledModule:
    """Functions in machine code, for as long as this object lives.

    Parameters
    ----------
    text : str
        A module in LLVM's language. Its functions must not be changed by
        whoever has their addresses.

    Raises
    ------
    OSError, RuntimeError
        The system does not let this process make code.
    """

    def __init__(self, text: str) -> None:
        import llvmlite.binding as llvm

        with _lock:
            features = _host()
            target = llvm.Target.from_default_triple().create_target_machine(
                cpu=llvm.get_host_cpu_name(), features=features.flatten(), opt=2
            )
            module = llvm.parse_assembly(text)
            self._engine = llvm.create_mcjit_compiler(module, target)
            self._engine.finalize_object()

    def address(self, name: str) -> int:
        """Where the function `name` begins."""
        return int(self._engine.get_function_address(name))


def has_512_bits() -> bool:
    """Whether vectors of sixteen float32 fit this processor's registers."""
    with _lock:
        return bool(_host().get("avx512f"))


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
