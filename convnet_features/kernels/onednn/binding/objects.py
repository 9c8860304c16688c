"""oneDNN's memory descriptors and primitives as Python objects that own them.

A `Primitive` is first only described: what it is implemented by, and which
layouts it wants, is known before anything is compiled. `Primitive.handle`
compiles it.
"""

from __future__ import annotations

from typing import Any

from .declarations import Query
from .library import Library

__all__ = ["MemoryDesc", "Primitive", "UnsupportedError"]


class UnsupportedError(Exception):
    """oneDNN cannot compute this, or only slowly: the portable kernels shall."""


class MemoryDesc:
    """A shape and a layout of float32 numbers (or of a workspace)."""

    def __init__(self, library: Library, pointer: Any, shape: tuple[int, ...]) -> None:
        self.library = library
        self.pointer = library.ffi.gc(pointer, library.lib.dnnl_memory_desc_destroy)
        self.shape = shape
        self.size: int = library.lib.dnnl_memory_desc_get_size(pointer)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, MemoryDesc):
            return NotImplemented
        return bool(self.library.lib.dnnl_memory_desc_equal(self.pointer, other.pointer))

    __hash__ = None  # type: ignore[assignment]


class Primitive:
    """One computation on given shapes and layouts.

    Attributes
    ----------
    description : str
        What it computes and on which shapes, for messages.
    implementation : str
        oneDNN's name of the code that computes it.
    """

    def __init__(self, library: Library, pointer: Any, description: str) -> None:
        self.library = library
        self.pointer = library.ffi.gc(pointer, library.lib.dnnl_primitive_desc_destroy)
        self.description = description
        name = library.ffi.new("const char **")
        library.check(
            library.lib.dnnl_primitive_desc_query(pointer, Query.IMPLEMENTATION, 0, name),
            f"asking for the implementation of the {description}",
        )
        self.implementation = library.text(name[0])
        self._handle: Any = None

    def __repr__(self) -> str:
        return f"<{self.description}: {self.implementation}>"

    def desc(self, query: int, shape: tuple[int, ...] = ()) -> MemoryDesc:
        """The layout that it wants for one of its arguments."""
        library = self.library
        clone = library.ffi.new("dnnl_memory_desc_t *")
        pointer = library.lib.dnnl_primitive_desc_query_md(self.pointer, query, 0)
        library.check(
            library.lib.dnnl_memory_desc_clone(clone, pointer),
            f"copying a layout of the {self.description}",
        )
        return MemoryDesc(library, clone[0], shape)

    @property
    def handle(self) -> Any:
        """The compiled primitive, made when first asked for.

        No lock: two threads may both make one, and a forked child waits for neither.
        """
        if self._handle is None:
            self._handle = self._created()
        return self._handle

    def _created(self) -> Any:
        library = self.library
        handle = library.ffi.new("dnnl_primitive_t *")
        create = library.lib.dnnl_primitive_create
        with library.creating:
            status = create(handle, self.pointer)
        library.check(status, f"creating the {self.description}")
        return library.ffi.gc(handle[0], library.lib.dnnl_primitive_destroy)
