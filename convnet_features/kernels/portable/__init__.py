"""Every kernel in NumPy and its BLAS: what runs anywhere, and what the others are held against.

Convolutions are matrix products over blocks of images that stay in a core's
cache; between the stages of a graph, images are channels-last. Kernels keep
nothing but idle working memory, so that any number of threads may call them.
"""

from __future__ import annotations

import numpy as np

from ..contract import (
    Conv2DSpec,
    Kernels,
    Pool2DSpec,
    StageGraph,
    check_product,
)
from .blas_memory import memory_for_blas
from .convolution import PortableConv2D
from .elementwise import log_softmax, softmax
from .graph import PortableGraph
from .pooling import PortablePool2D
from .scratch import forget_buffers

__all__ = ["PortableKernels"]


class PortableKernels(Kernels):
    """The kernels that need nothing but NumPy."""

    name = "portable"

    def conv2d(self, spec: Conv2DSpec) -> PortableConv2D:
        return PortableConv2D(spec)

    def pool2d(self, spec: Pool2DSpec) -> PortablePool2D:
        return PortablePool2D(spec)

    def graph(self, graph: StageGraph) -> PortableGraph:
        return PortableGraph(graph)

    @memory_for_blas()
    def dot(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        check_product(a.shape, b.shape)
        return a @ b

    def softmax(self, x: np.ndarray) -> np.ndarray:
        return softmax(x)

    def log_softmax(self, x: np.ndarray) -> np.ndarray:
        return log_softmax(x)

    def clear_caches(self) -> None:
        forget_buffers()
