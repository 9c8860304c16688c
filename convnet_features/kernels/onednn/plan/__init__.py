"""What runs for a graph of stages: chosen here, and emitted by the builders of programs.

Nothing here needs oneDNN or LLVM: choices are functions of stages, shapes and a `Machine`.
"""

from __future__ import annotations

__all__: list[str] = []
