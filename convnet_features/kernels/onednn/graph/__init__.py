"""The kernel of a graph of stages.

`kernel` (plans from a cache, run on the caller's arrays), `forward` and `backward` (the programs of
a graph), `bounds` and `careful` (results that are right for NaN and infinity too), and
`explanation` (what programs do).
"""

from __future__ import annotations

__all__: list[str] = []
