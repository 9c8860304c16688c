"""Every kernel by oneDNN, through its C API.

From the ground up: `plan` (what runs for a graph, and why), `binding` (oneDNN's C interface),
`program` (primitives and generated code run one after the other), `stages` (how each stage and its
gradient are computed), `graph` (the kernel of a graph of stages), `conv2d` and `pool2d` (kernels of
single operations), all gathered in `kernels`.

Importing this package loads nothing; making an `OneDNNKernels` does.
"""

from __future__ import annotations

from .kernels import OneDNNKernels

__all__ = ["OneDNNKernels"]
