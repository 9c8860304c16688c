"""Finding, loading and checking ``libdnnl``."""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib import metadata
from typing import Any

from ....exceptions import EngineError
from ....locks import ForkGate, new_lock, wait_at_fork
from ... import threads
from ...jit.compiler import can_compile
from ...machine import (
    ISA_VARIABLE,
    Limit,
    Machine,
    find_machine,
    find_vendor,
)
from . import declarations as dnnl

__all__ = ["LIBRARY_VARIABLE", "Library", "load_library"]

#: An environment variable with the path of the library to use instead of any other.
LIBRARY_VARIABLE = "CONVNET_FEATURES_ONEDNN"
DISTRIBUTION = "onednn-cpu-gomp"
SONAME = "libdnnl.so.3"
#: Major versions change the interface. The minor ones listed keep what is declared in
#: `declarations`; the first of them is the one this library is tested with.
KNOWN_MAJOR = 3
KNOWN_MINORS = range(2, 10)

_lock = new_lock()
_loaded: Library | EngineError | ValueError | None = None


class Library:
    """A loaded and verified oneDNN with its CPU engine.

    Parameters
    ----------
    path : str
        A file, or a name that the system's loader knows.

    Attributes
    ----------
    ffi, lib : cffi's interface and the library's functions
    engine : the CPU engine, shared by everything
    version : (int, int, int)
    machine : Machine
        What this process computes on, within the limits of ``CONVNET_FEATURES_ISA``.

    Raises
    ------
    EngineError
        The file cannot be loaded, is of an unknown version, does not run on
        OpenMP, or its numbers are not those of `declarations`.
    ValueError
        ``CONVNET_FEATURES_ISA`` is not understood, or asks for what the
        processor lacks.
    """

    def __init__(self, path: str) -> None:
        import cffi

        self.path = path
        self.ffi = cffi.FFI()
        # Held where a function or a type is used for the first time.
        wait_at_fork(self.ffi._lock)
        #: oneDNN has locks around its caches and what it makes at first use: for its `create`s.
        self.creating = ForkGate()
        wait_at_fork(self.creating)
        self.ffi.cdef(dnnl.CDEF)
        self.ffi.cdef(dnnl.SEMAPHORE_CDEF)
        try:
            self.lib: Any = self.ffi.dlopen(path)
            # Once: cffi keeps what it has made for a library for ever.
            self._process: Any = self.ffi.dlopen(None)
            version = self.lib.dnnl_version()
        except (OSError, AttributeError) as error:
            raise EngineError(f"oneDNN could not be loaded from {path!r}: {error}") from error
        self.version = (version.major, version.minor, version.patch)
        self._check_version(version.cpu_runtime)
        self._check_numbers()
        self.machine = self._limited(Limit.of_environment())
        engine = self.ffi.new("dnnl_engine_t *")
        create = self.lib.dnnl_engine_create
        with self.creating:
            status = create(engine, dnnl.ENGINE_CPU, 0)
        self.check(status, "creating the CPU engine")
        self.engine = engine[0]

    def check(self, status: int, doing: str) -> None:
        """Raise an `EngineError`, or a MemoryError, unless `status` is success."""
        if status == dnnl.OUT_OF_MEMORY:
            raise MemoryError(f"oneDNN has no memory for {doing}")
        if status:
            name = self.text(self.lib.dnnl_status2str(status))
            raise EngineError(
                f"oneDNN {'.'.join(map(str, self.version))} failed while {doing}: {name} "
                f"(status {status}); use engine='portable' and please report this text."
            )

    def text(self, pointer: Any) -> str:
        """A C string."""
        return self.ffi.string(pointer).decode()

    def address(self, function: str) -> int:
        """Where a function of the library, or of the OpenMP beneath it, begins."""
        return int(self.ffi.cast("intptr_t", self.ffi.addressof(self.lib, function)))

    def count_team(self, number: int) -> int:
        """How many threads OpenMP starts where `number` are asked for: each posts a semaphore."""
        ffi, process = self.ffi, self._process
        semaphore, value = ffi.new("sem_t *"), ffi.new("int *")
        process.sem_init(semaphore, 0, 0)
        post = ffi.cast("void (*)(void *)", ffi.addressof(process, "sem_post"))
        self.lib.GOMP_parallel(post, semaphore, number, 0)
        process.sem_getvalue(semaphore, value)
        process.sem_destroy(semaphore)
        return int(value[0])

    def dims(self, values: Any) -> Any:
        """``dnnl_dims_t``: a C array of 64-bit integers."""
        return self.ffi.new("dnnl_dim_t[]", [int(value) for value in values])

    def _limited(self, limit: Limit) -> Machine:
        """The machine. oneDNN's limit is set first: it can be set before the first use only."""
        if limit.bits is not None:
            self.lib.dnnl_set_max_cpu_isa(limit.bits)
        bits = self.lib.dnnl_get_effective_cpu_isa()
        if limit.bits is not None and bits & ~limit.bits:
            raise EngineError(
                f"oneDNN at {self.path!r} cannot be held to {ISA_VARIABLE}={limit.level}: "
                f"something in this process has used it before, or it was built without limits: "
                f"set ONEDNN_MAX_CPU_ISA as well, before the process starts, or use "
                f"engine='portable'."
            )
        return find_machine(limit, bits, find_vendor(), can_compile)

    def _check_version(self, cpu_runtime: int) -> None:
        major, minor, _ = self.version
        if major != KNOWN_MAJOR or minor not in KNOWN_MINORS:
            raise EngineError(
                f"oneDNN at {self.path!r} has version {'.'.join(map(str, self.version))}; known "
                f"are {KNOWN_MAJOR}.{KNOWN_MINORS[0]} to {KNOWN_MAJOR}.{KNOWN_MINORS[-1]}: "
                f"pip install {DISTRIBUTION}, or use engine='portable'."
            )
        if cpu_runtime != dnnl.RUNTIME_OMP:
            raise EngineError(
                f"oneDNN at {self.path!r} was not built for OpenMP, so its threads cannot be "
                f"limited: pip install {DISTRIBUTION}, or use engine='portable'."
            )

    def _check_numbers(self) -> None:
        for function, number, expected in dnnl.NAMED_NUMBERS:
            name = self.text(getattr(self.lib, function)(number))
            if name != expected:
                raise EngineError(
                    f"oneDNN at {self.path!r} calls {number:#x} {name!r} instead of {expected!r}: "
                    f"its interface is not the one this library knows; use engine='portable'."
                )


def load_library() -> Library:
    """The library, loaded at the first call; a failure is remembered, and raised again.

    Raises
    ------
    EngineError
        None of the places that are searched has one that can be used.
    ValueError
        ``CONVNET_FEATURES_ISA`` is not understood, or asks for what the
        processor lacks.
    """
    global _loaded
    with _lock:
        if _loaded is None:
            _loaded = _load()
    if isinstance(_loaded, Exception):
        raise _loaded
    return _loaded


def _load() -> Library | EngineError | ValueError:
    threads.note_foreign_openmp()
    failures = []
    for path in _places():
        try:
            with threads.short_waits():
                library = Library(path)
        except EngineError as error:
            failures.append(str(error))
        except ValueError as error:
            return error
        else:
            threads.use_openmp(library.lib, library.count_team)
            return library
    return EngineError(" ".join(failures))


def _places() -> Iterator[str]:
    """Where to look, in order: the environment's word is final."""
    chosen = os.environ.get(LIBRARY_VARIABLE)
    if chosen:
        yield chosen
        return
    try:
        files = metadata.files(DISTRIBUTION) or ()
    except metadata.PackageNotFoundError:
        files = ()
    yield from (str(file.locate()) for file in files if file.name == SONAME)
    yield SONAME
