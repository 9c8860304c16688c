"""How each stage and its gradient are computed: one module a stage, named in `table`.

A module has two functions. ``forward(emit, node, stage)`` puts the steps that compute a stage into
the forward program, and ``backward(emit, record, stage, gradient)`` those of its gradient into the
backward program. `forward` and `backward` are what they emit with; `pooled_convolution` and
`winograd` are generated code that convolutions choose.
"""

from __future__ import annotations

__all__: list[str] = []
