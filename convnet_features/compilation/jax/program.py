"""A graph as one function that JAX compiles for the shapes it is called with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.link.jax.dispatch import jax_funcify
from pytensor.tensor.random.type import RandomType
from pytensor.tensor.type import TensorType

from ...kernels.contract import Kernels
from . import ops  # noqa: F401  (registers our operations)
from .structure import known_now, translation

__all__ = ["as_key", "jax_program", "traceable"]


def jax_program(
    fgraph: FunctionGraph, kernels: Kernels, frozen: Mapping[Variable, np.ndarray]
) -> Callable[..., tuple[Any, ...]]:
    """The function that computes `fgraph` on JAX's default device.

    Parameters
    ----------
    fgraph : FunctionGraph
    kernels : Kernels
        Ignored: JAX has no kernels of ours.
    frozen : mapping of inputs to ndarray
        Values that inputs have for good; they stay on the device.

    Returns
    -------
    callable
        From the values of the other inputs to a tuple of NumPy arrays. Random
        generators are NumPy's: each call draws one key of JAX's from each. Its
        attribute ``traceable`` is the same on JAX's arrays and keys, for use
        inside of another function that is compiled.
    """
    pure = traceable(fgraph)
    kept = {
        position: jnp.asarray(frozen[variable])
        for position, variable in enumerate(fgraph.inputs)
        if variable in frozen
    }
    is_generator = [
        isinstance(variable.type, RandomType)
        for variable in fgraph.inputs
        if variable not in frozen
    ]

    def with_frozen(*args: Any) -> tuple[Any, ...]:
        rest = iter(args)
        return pure(*(kept.get(i) if i in kept else next(rest) for i in range(len(fgraph.inputs))))

    compiled = jax.jit(with_frozen)

    def program(*args: Any) -> tuple[Any, ...]:
        values = [
            as_key(value) if generator else value
            for value, generator in zip(args, is_generator, strict=True)
        ]
        return tuple(np.asarray(value) for value in compiled(*values))

    program.traceable = with_frozen  # type: ignore[attr-defined]
    return program


def as_key(generator: np.random.Generator) -> Any:
    """A key of JAX's, drawn from a generator of NumPy's."""
    words = generator.integers(1 << 32, size=2, dtype=np.uint32)
    return jax.random.wrap_key_data(jnp.asarray(words))


def traceable(fgraph: FunctionGraph) -> Callable[..., tuple[Any, ...]]:
    """`fgraph` as a function that JAX can trace: node after node, on whatever it is given."""
    steps = [(node, _translated(node)) for node in fgraph.toposort()]
    constants = {
        value: value.data
        for node, _ in steps
        for value in node.inputs
        if isinstance(value, Constant)
    }

    def computed(*args: Any) -> tuple[Any, ...]:
        values: dict[Variable, Any] = dict(constants)
        values.update(zip(fgraph.inputs, args, strict=True))
        with _full_precision():
            for node, translated in steps:
                inputs = [values[variable] for variable in node.inputs]
                compute = _computed_now if known_now(node, inputs) else translated
                values.update(zip(node.outputs, compute(node, inputs), strict=True))
        return tuple(
            value.data if isinstance(value, Constant) else values[value] for value in fgraph.outputs
        )

    return computed


def _full_precision() -> AbstractContextManager[Any]:
    """Products in float32, unless whoever uses JAX has asked for another precision.

    By default JAX multiplies in 19 or 16 bits where the hardware can: on recent GPUs and on TPUs.
    """
    config: Any = jax.config
    asked = config.jax_default_matmul_precision
    return jax.default_matmul_precision(asked or "highest")


Step = Callable[[Apply, list[Any]], list[Any]]


def _translated(node: Apply) -> Step:
    function = translation(node) or jax_funcify(node.op, node=node)

    def step(node: Apply, inputs: list[Any]) -> list[Any]:
        results = function(*inputs)
        results = [results] if len(node.outputs) == 1 else list(results)
        return [_typed(value, out) for value, out in zip(results, node.outputs, strict=True)]

    return step


def _typed(value: Any, variable: Variable) -> Any:
    """`value` in the dtype that the graph promises."""
    if not isinstance(variable.type, TensorType) or value.dtype == variable.type.dtype:
        return value
    return value.astype(variable.type.dtype)


def _computed_now(node: Apply, inputs: list[Any]) -> list[Any]:
    """`node` computed with NumPy while JAX traces."""
    node.op.prepare_node(node, None, None, "py")
    storage: list[list[Any]] = [[None] for _ in node.outputs]
    node.op.perform(node, [np.asarray(value) for value in inputs], storage)
    return [cell[0] for cell in storage]
