"""Every kernel by oneDNN, through its C API.

From the ground up: `declarations` (the C interface), `library` (finding and
checking it), `objects` and `primitives` (what it computes with), `buffers` and
`cache` (what is used again), `storage` and `program` (primitives run one after
the other), `plan` (what runs for a graph), `stack_forward` and `stack_backward`
(the programs of a stack), and the kernels: `stack`, `conv2d`, `pool2d`,
gathered in `kernels`.

Importing this package loads nothing; making an `OneDNNKernels` does.
"""

from __future__ import annotations

from convnet_features.kernels.onednn.kernels import OneDNNKernels

__all__ = ["OneDNNKernels"]
