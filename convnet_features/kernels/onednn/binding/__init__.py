"""oneDNN's C interface as Python objects.

`declarations` (what the C header says), `library` (finding and checking it), `objects` and
`primitives` (layouts, and what computes), `arrays` (callers' arrays made ready).
"""

from __future__ import annotations

__all__: list[str] = []
