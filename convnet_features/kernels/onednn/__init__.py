"""Every kernel by oneDNN, through its C API.

From the ground up: `plan` (what runs for a graph, and why), `binding` (oneDNN's C interface),
`program` (primitives and generated code run one after the other), `stack_forward` and
`stack_backward` (the programs of a stack), and the kernels: `stack`, `conv2d`, `pool2d`,
gathered in `kernels`.

Importing this package loads nothing; making an `OneDNNKernels` does.
"""

from __future__ import annotations

from convnet_features.kernels.onednn.kernels import OneDNNKernels

__all__ = ["OneDNNKernels"]
