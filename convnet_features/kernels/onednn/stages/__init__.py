"""How each stage and its gradient are computed: one module a stage, named in `table`.

A module has two functions. ``forward(emit, node, stage)`` puts the steps that compute a stage into
the forward program. ``backward(emit, record, stage, gradient)`` puts the steps of its gradient into
the backward program. They emit with the classes of `forward` and `backward`. `pooled_convolution`
and `winograd` are generated code, which `convolution` and `pooling` emit where it was chosen.
"""

from __future__ import annotations

__all__: list[str] = []
