"""Generated code, kept by what it was generated for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from ...jit.compiler import CompiledModule, dispose
from ...jit.function import N_THREADS, THREAD_NUMBER
from ..binding.primitives import Primitives
from .lru_cache import LRUCache

__all__ = ["clear_compiled", "compiled"]

#: Modules that are kept.
MODULES = 64

_compiled: LRUCache[tuple[object, CompiledModule]] = LRUCache(MODULES)


class Compilable(Protocol):
    """Something that can be compiled."""

    def text(self) -> str:
        """A module in LLVM's language."""


C = TypeVar("C", bound=Compilable)


def compiled(
    primitives: Primitives, make: Callable[..., C], *key: object
) -> tuple[C, CompiledModule]:
    """``make(*key)`` and its code for the machine at hand: the same ones for the same key."""
    library, cpu = primitives.library, primitives.machine.cpu

    def compile_it() -> tuple[C, CompiledModule]:
        kernel = make(*key)
        openmp = {
            THREAD_NUMBER: library.address("omp_get_thread_num"),
            N_THREADS: library.address("omp_get_num_threads"),
        }
        return kernel, CompiledModule(kernel.text(), cpu, openmp)

    return _compiled.get((cpu, make, *key), compile_it)  # type: ignore[return-value]


def clear_compiled() -> None:
    """Forget all generated code that no program uses."""
    _compiled.clear()
    dispose()
