"""Programs of single operations, made when first needed."""

from __future__ import annotations

from collections.abc import Callable, Hashable

from ... import threads
from ..binding.objects import UnsupportedError
from ..binding.primitives import Primitives
from ..plan.thresholds import is_for_one_thread
from .buffers import BufferPool
from .lru_cache import LRUCache
from .program import Program

__all__ = ["ProgramCache"]

#: Programs of one kernel that are kept.
PROGRAMS = 64


class ProgramCache:
    """Programs by what they compute and by the number of threads.

    Parameters
    ----------
    primitives : Primitives
    pool : BufferPool
    """

    def __init__(self, primitives: Primitives, pool: BufferPool) -> None:
        self.primitives = primitives
        self._pool = pool
        self._programs: LRUCache[Program | None] = LRUCache(PROGRAMS)

    def get(self, key: Hashable, work: int, build: Callable[[Program], None]) -> Program | None:
        """The program at `key`; None where oneDNN has none that is fast.

        Parameters
        ----------
        key : hashable
            What `build` depends on.
        work : int
            Multiplications, roughly: a little is done by one thread.
        build : callable
            Puts the steps into a new program.
        """
        num_threads = 1 if is_for_one_thread(work) else threads.get_num_threads()
        return self._programs.get((key, num_threads), lambda: self._make(num_threads, build))

    def clear(self) -> None:
        """Forget all programs."""
        self._programs.clear()

    def __len__(self) -> int:
        return len(self._programs)

    def _make(self, num_threads: int, build: Callable[[Program], None]) -> Program | None:
        num_threads = threads.team(num_threads)
        with threads.openmp_threads(num_threads):
            program = Program(self.primitives, self._pool, num_threads)
            try:
                build(program)
            except UnsupportedError:
                return None
            return program.finish()
