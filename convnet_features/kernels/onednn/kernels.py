"""The kernels that compute with oneDNN."""

from __future__ import annotations

import math
import weakref

import numpy as np

from ..contract import (
    Conv2DKernel,
    Conv2DSpec,
    Kernels,
    Pool2DKernel,
    Pool2DSpec,
    StageGraph,
)
from ..machine import Machine
from ..magnitude import are_finite
from ..memory import empty
from ..portable import PortableKernels
from .binding.arrays import FLOAT32, plain
from .binding.declarations import Arg
from .binding.library import load_library
from .binding.primitives import Primitives
from .conv2d import OneDNNConv2D
from .graph.careful import CarefulGraph
from .graph.kernel import OneDNNGraph
from .plan.support import fits
from .plan.thresholds import is_large_product
from .pool2d import OneDNNPool2D
from .program.buffers import BufferPool
from .program.code_cache import clear_compiled
from .program.program import Program
from .program.program_cache import ProgramCache

__all__ = ["OneDNNKernels"]


class OneDNNKernels(Kernels):
    """oneDNN for float32; the portable kernels for all else.

    What goes to the portable kernels: other dtypes, empty arrays, sum pooling,
    NaN and infinity, and whatever oneDNN has only reference code for.

    Parameters
    ----------
    machine : Machine, optional
        What choices are made for, oneDNN's own aside; by default the machine
        that there is, within the limits of ``CONVNET_FEATURES_ISA``.

    Raises
    ------
    EngineError
        oneDNN is absent, or of an unknown version.
    ValueError
        ``CONVNET_FEATURES_ISA`` is not understood, or asks for what the
        processor lacks.
    """

    name = "onednn"
    lays_out_parameters = True

    def __init__(self, machine: Machine | None = None) -> None:
        library = load_library()
        self.version = library.version
        self._primitives = Primitives(library, machine)
        self._pool = BufferPool()
        self._portable = PortableKernels()
        self._programs = ProgramCache(self._primitives, self._pool)
        self._graphs: weakref.WeakSet[OneDNNGraph] = weakref.WeakSet()

    def conv2d(self, spec: Conv2DSpec) -> Conv2DKernel:
        """See `Kernels.conv2d`."""
        return OneDNNConv2D(spec, self._programs, self._portable.conv2d(spec))

    def pool2d(self, spec: Pool2DSpec) -> Pool2DKernel:
        """See `Kernels.pool2d`."""
        return OneDNNPool2D(spec, self._programs, self._portable.pool2d(spec))

    def graph(self, graph: StageGraph) -> CarefulGraph:
        """See `Kernels.graph`."""
        portable = self._portable.graph(graph)
        kernel = OneDNNGraph(graph, self._primitives, self._pool, portable)
        self._graphs.add(kernel)
        return CarefulGraph(graph, kernel, portable)

    def dot(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """See `Kernels.dot`; transposed matrices are taken as they are."""
        product = self._product(a, b)
        if product is None:
            return self._portable.dot(a, b)
        ready_a, a_transposed = _matrix(a)
        ready_b, b_transposed = _matrix(b)
        program = self._programs.get(
            ("dot", a.shape, a_transposed, b.shape, b_transposed),
            product,
            lambda program: self._build_dot(program, a.shape, a_transposed, b.shape, b_transposed),
        )
        if program is None:
            return self._portable.dot(a, b)
        y = empty((a.shape[0], b.shape[1]))
        program.execute({"a": ready_a, "b": ready_b, "y": y})
        return y

    def softmax(self, x: np.ndarray) -> np.ndarray:
        """See `Kernels.softmax`."""
        y = self._softmax(x, logarithm=False)
        return self._portable.softmax(x) if y is None else y

    def log_softmax(self, x: np.ndarray) -> np.ndarray:
        """See `Kernels.log_softmax`."""
        y = self._softmax(x, logarithm=True)
        return self._portable.log_softmax(x) if y is None else y

    def clear_caches(self) -> None:
        """Forget all plans, and give idle memory back."""
        self._programs.clear()
        for kernel in list(self._graphs):
            kernel.clear_caches()
        clear_compiled()
        self._pool.clear()

    def _softmax(self, x: np.ndarray, logarithm: bool) -> np.ndarray | None:
        if x.dtype != FLOAT32 or x.ndim != 2 or not fits(x.shape) or not are_finite(x):
            return None
        program = self._programs.get(
            ("softmax", x.shape, logarithm),
            # An exponential costs as much as several multiplications.
            8 * x.size,
            lambda program: self._build_softmax(program, x.shape, logarithm),
        )
        if program is None:
            return None
        y = empty(x.shape)
        program.execute({"x": plain(x), "y": y})
        return y

    def _build_softmax(self, program: Program, shape: tuple[int, ...], logarithm: bool) -> None:
        desc = self._primitives.strided(shape)
        x, y = program.external("x", desc), program.external("y", desc)
        program.run(self._primitives.softmax(desc, logarithm), {Arg.SRC: x, Arg.DST: y})

    def _product(self, a: np.ndarray, b: np.ndarray) -> int | None:
        """How many multiplications a @ b is, if oneDNN is to do them."""
        if a.dtype != FLOAT32 or b.dtype != FLOAT32 or a.ndim != 2 or b.ndim != 2:
            return None
        work = math.prod(a.shape) * b.shape[1]
        wanted = a.shape[1] == b.shape[0] and is_large_product(work)
        return work if wanted and fits(a.shape, b.shape, (a.shape[0], b.shape[1])) else None

    def _build_dot(
        self,
        program: Program,
        a_shape: tuple[int, ...],
        a_transposed: bool,
        b_shape: tuple[int, ...],
        b_transposed: bool,
    ) -> None:
        describe = self._primitives.strided
        a = program.external("a", describe(a_shape, (1, a_shape[0]) if a_transposed else None))
        b = program.external("b", describe(b_shape, (1, b_shape[0]) if b_transposed else None))
        y = program.external("y", describe((a_shape[0], b_shape[1])))
        primitive = self._primitives.matmul(a.desc, b.desc, y.desc)
        program.run(primitive, {Arg.SRC: a, Arg.WEIGHTS: b, Arg.DST: y})


def _matrix(a: np.ndarray) -> tuple[np.ndarray, bool]:
    """`a` in C order as it lies in memory, and whether that is its transpose."""
    if not a.flags.c_contiguous and a.flags.f_contiguous and a.flags.aligned:
        return a.T, True
    return plain(a), False
