"""Primitives and generated code run one after the other.

`program` (steps, and the contexts that run them), `storage` and `buffers` (where values lie),
`routine` (a step of generated code), and caches: of programs, and of generated code.
"""

from __future__ import annotations

__all__: list[str] = []
