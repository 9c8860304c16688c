"""Running and looking at symbolic graphs in tests."""

from __future__ import annotations

import numpy as np
from pytensor.graph.fg import FunctionGraph

from convnet_features.compilation import compile_program
from convnet_features.compilation.linker import compilation_rewriter
from convnet_features.kernels.registry import get_kernels

from .helpers import assert_close


def compute(inputs, outputs, values, *, fuse=False, engine="portable"):
    """The values of `outputs` where `inputs` have `values`."""
    outputs = outputs if isinstance(outputs, list) else [outputs]
    program = compile_program(inputs, outputs, get_kernels(engine), fuse=fuse)
    return program(*values)


def fused(inputs, outputs):
    """The graph from `inputs` to `outputs` as it looks after fusion."""
    outputs = outputs if isinstance(outputs, list) else [outputs]
    fgraph = FunctionGraph(list(inputs), outputs, clone=True)
    compilation_rewriter(True).rewrite(fgraph)
    return fgraph


def count(fgraph, *kinds):
    """How many nodes of `fgraph` have an Op (or an element-wise operation) of one of `kinds`."""
    return sum(
        isinstance(node.op, kinds) or isinstance(getattr(node.op, "scalar_op", None), kinds)
        for node in fgraph.apply_nodes
    )


def assert_same_fused(inputs, outputs, values, engine="portable"):
    """Fusing changes no value, and no dtype."""
    plain = compute(inputs, outputs, values)
    together = compute(inputs, outputs, values, fuse=True, engine=engine)
    for one, other in zip(together, plain, strict=True):
        if np.asarray(other).dtype.kind == "f":
            assert_close(one, other, np.asarray(other).dtype)
        else:
            np.testing.assert_array_equal(one, other)
