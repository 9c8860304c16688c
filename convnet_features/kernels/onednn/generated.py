"""Generated code, kept by what it was generated for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from convnet_features.kernels.jit.compiler import CompiledModule, dispose
from convnet_features.kernels.machine import Machine
from convnet_features.kernels.onednn.cache import LRUCache
from convnet_features.kernels.onednn.library import Library

__all__ = ["clear_generated", "generated", "openmp"]

#: Modules that are kept.
MODULES = 64

_generated: LRUCache[tuple[object, CompiledModule]] = LRUCache(MODULES)


class Source(Protocol):
    """Something that can be compiled."""

    def text(self) -> str:
        """A module in LLVM's language."""


S = TypeVar("S", bound=Source)


def generated(machine: Machine, make: Callable[..., S], *key: object) -> tuple[S, CompiledModule]:
    """``make(*key)`` and its code for a machine: the same ones for the same key."""

    def generate() -> tuple[S, CompiledModule]:
        source = make(*key)
        return source, CompiledModule(source.text(), machine.cpu)

    return _generated.get((machine.cpu, make, *key), generate)  # type: ignore[return-value]


def clear_generated() -> None:
    """Forget all generated code that no program uses."""
    _generated.clear()
    dispose()


def openmp(library: Library) -> tuple[int, int]:
    """Where OpenMP's functions are that tell a thread its number, and how many there are."""
    return library.address("omp_get_thread_num"), library.address("omp_get_num_threads")
