"""Gradients of what a network says, by what one of its layers gives."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..compilation.linker import compilation_rewriter
from ..kernels.memory import empty
from ..kernels.registry import get_kernels
from ..network.build import Network
from ..network.functions import Program, cached_program, without_shared_variables
from ..network.model import Model
from ..network.outputs import symbolic_output
from ..network.signature import network_signature
from ..theano_facade import theano_scope

__all__ = ["gradient_program", "gradients"]


def gradients(
    model: Model,
    name: str,
    images: np.ndarray,
    targets: Sequence[str],
    weights: np.ndarray,
    before_softmax: bool = True,
) -> tuple[np.ndarray, np.ndarray]:
    """What a layer gives for images, and the gradient of Σ weights · targets by that.

    Parameters
    ----------
    model : Model
    name : str
        The layer; that of the input gives the gradient by the pixels as they reach
        the first layer.
    images : ndarray of shape (n_samples, channels, height, width)
        Not scaled yet.
    targets : sequence of str
        Layers above it, whose outputs are flattened and stand side by side.
    weights : ndarray of shape (n_samples, n_outputs)
    before_softmax : bool, default=True
        Whether the softmax or sigmoid of the network's last layer is left out.

    Returns
    -------
    values, gradients : ndarray of shape (n_samples, ...)
        float32.
    """
    program = gradient_program(model.network, model.engine, name, targets, before_softmax)
    generators = [np.random.default_rng(0) for _ in range(program.n_generators)]
    weights = np.asarray(weights, dtype=np.float32)
    shape = (len(images), *model.network.layers[name].output_shape[1:])
    values, slopes = empty(shape), empty(shape)
    step = model.slice_size
    for start in range(0, len(images), step):
        rows = slice(start, start + step)
        batch = model.to_network(images[rows])
        if name != model.network.input.name:
            values[rows] = model.outputs([name], images[rows])[0]
            arguments = [batch, values[rows], weights[rows]]
        else:
            values[rows] = batch
            arguments = [batch, weights[rows]]
        (slopes[rows],) = program.function(*arguments, *model.values, *generators)
    return values, slopes


def gradient_program(
    network: Network,
    engine: str,
    name: str,
    targets: Sequence[str],
    before_softmax: bool = True,
    fuse: bool = True,
) -> Program:
    """The program from (images, values, weights, *params) to the gradient by a layer's values.

    Parameters
    ----------
    network : Network
    engine : str
        Whose kernels.
    name : str
        The layer; without `values` where it is the input.
    targets : sequence of str
        Layers above it.
    before_softmax : bool, default=True
        Leave out the output layer's nonlinearity.
    fuse : bool, default=True
        Fuse runs of layers.

    Returns
    -------
    Program
        Its function gives, for images of shape (n_samples, channels, height,
        width), the layer's values for them and weights w of shape (n_samples,
        n_outputs), the gradient of Σ w · targets by these values, in their shape.
    """
    signature = network_signature(network)
    position = list(network.layers).index
    options = (position(name), tuple(map(position, targets)), before_softmax, engine, fuse)
    key = None if signature is None else ("gradients", signature, *options)
    return cached_program(
        key, lambda: _compile(network, engine, name, targets, before_softmax, fuse)
    )


def _compile(
    network: Network,
    engine: str,
    name: str,
    targets: Sequence[str],
    before_softmax: bool,
    fuse: bool,
) -> Program:
    from pytensor.gradient import grad
    from pytensor.graph.rewriting.utils import rewrite_graph
    from pytensor.tensor import concatenate, matrix, tensor

    from ..compilation import compile_program

    layer, images = network.layers[name], network.input.input_var
    explained = [network.layers[target] for target in targets]
    if before_softmax:
        explained = [_without_nonlinearity(e) if e is network.output else e for e in explained]
    with theano_scope():
        given, values = [images], images
        if layer is not network.input:
            values = tensor("values", dtype="float32", shape=tuple(layer.output_shape))
            given.append(values)
        inputs = {network.input: images, layer: values}
        weights = matrix("weights", dtype="float32")
        outputs = [
            each if each.ndim == 2 else each.flatten(2)
            for each in symbolic_output(network, explained, inputs=inputs, deterministic=True)
        ]
        joined = outputs[0] if len(outputs) == 1 else concatenate(outputs, axis=1)
        params, (total,), generators = without_shared_variables(network, [(joined * weights).sum()])
        # Fusing comes before differentiating: each fused operation brings its own gradient.
        fused: Any = rewrite_graph(
            total, include=(), custom_rewrite=compilation_rewriter(fuse), clone=False
        )
        gradient: Any = grad(fused, values, disconnected_inputs="ignore")
        function = compile_program(
            [*given, weights, *params, *generators],
            [gradient],
            get_kernels(engine),
            fuse=fuse,
            clone=False,
        )
    return Program(function, len(generators))


def _without_nonlinearity(layer: Any) -> Any:
    """The same layer, its parameters shared, without the softmax or sigmoid at its end."""
    from lasagne.nonlinearities import identity, sigmoid, softmax

    if getattr(layer, "nonlinearity", None) not in (softmax, sigmoid):
        return layer
    bare = copy.copy(layer)
    bare.nonlinearity = identity
    return bare
