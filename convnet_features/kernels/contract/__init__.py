"""What Ops ask of the kernels that compute them.

A *spec* says what is computed, without data: it is small, immutable and
hashable, and owns the shape rule. An engine's *kernels* turn a spec into a *kernel*
once, when a graph is compiled; the kernel is then called with arrays, from any
number of threads at a time.

Conventions that every engine's kernels keep:

- Images are arrays of shape (n_samples, n_channels, height, width) with any
  strides, filters (n_filters, n_channels, rows, columns), dense weights
  (n_inputs, n_units), biases (n,).
- Results are new arrays (a channels-last result is a transposed view) of the
  dtype of the images: float32 stays float32, float64 stays float64. Inputs are
  never written to.
- n_samples may be 0.
- A maximum that occurs several times in a pooling window sends its gradient to
  the first of them in row-major order.
"""

from __future__ import annotations

from .checks import check_gradient, check_product
from .graph import Node, SizedNode, StageGraph
from .joins import check_joined, columns, columns_shape
from .kernels import (
    Arrays,
    Call,
    Conv2DKernel,
    Gradients,
    GraphKernel,
    Kernels,
    Pool2DKernel,
)
from .specs import (
    Conv2DSpec,
    Pair,
    Pool2DSpec,
    PoolMode,
    StaticShape,
)
from .stages import (
    ACTIVATIONS,
    Activation,
    ConcatStage,
    ConvStage,
    DenseStage,
    ElementFunction,
    ElementwiseStage,
    MaskStage,
    NormStage,
    PoolStage,
    ProductStage,
    Stage,
    SumStage,
)

__all__ = [
    "ACTIVATIONS",
    "Activation",
    "Arrays",
    "Call",
    "ConcatStage",
    "Conv2DKernel",
    "Conv2DSpec",
    "ConvStage",
    "DenseStage",
    "ElementFunction",
    "ElementwiseStage",
    "Gradients",
    "GraphKernel",
    "Kernels",
    "MaskStage",
    "Node",
    "NormStage",
    "Pair",
    "Pool2DKernel",
    "Pool2DSpec",
    "PoolMode",
    "PoolStage",
    "ProductStage",
    "SizedNode",
    "Stage",
    "StageGraph",
    "StaticShape",
    "SumStage",
    "check_gradient",
    "check_joined",
    "check_product",
    "columns",
    "columns_shape",
]
