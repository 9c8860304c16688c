"""Generated code, kept by what it was generated for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from ...jit.compiler import CompiledModule, dispose
from ...machine import Machine
from ..binding.library import Library
from .lru_cache import LRUCache

__all__ = ["clear_compiled", "compiled", "openmp"]

#: Modules that are kept.
MODULES = 64

_compiled: LRUCache[tuple[object, CompiledModule]] = LRUCache(MODULES)


class Compilable(Protocol):
    """Something that can be compiled."""

    def text(self) -> str:
        """A module in LLVM's language."""


C = TypeVar("C", bound=Compilable)


def compiled(machine: Machine, make: Callable[..., C], *key: object) -> tuple[C, CompiledModule]:
    """``make(*key)`` and its code for a machine: the same ones for the same key."""

    def compile_it() -> tuple[C, CompiledModule]:
        kernel = make(*key)
        return kernel, CompiledModule(kernel.text(), machine.cpu)

    return _compiled.get((machine.cpu, make, *key), compile_it)  # type: ignore[return-value]


def clear_compiled() -> None:
    """Forget all generated code that no program uses."""
    _compiled.clear()
    dispose()


def openmp(library: Library) -> tuple[int, int]:
    """Where OpenMP's functions are that tell a thread its number, and how many there are."""
    return library.address("omp_get_thread_num"), library.address("omp_get_num_threads")
