"""What runs for a graph of stages, and why.

`thresholds` (each with its measurement), `case` (what is asked), `activations` and `layouts` (where
a rectify is computed, and how images lie), `candidates` (what each needs), `support` (what is given
to oneDNN at all), and `choice` (what is chosen).

Nothing here needs oneDNN or LLVM: choices are functions of stages, shapes and a `Machine`.
"""

from __future__ import annotations

__all__: list[str] = []
