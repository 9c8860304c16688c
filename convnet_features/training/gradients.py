"""The loss of a batch and its gradients, compiled."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..compilation.linker import compilation_rewriter
from ..kernels.registry import get_kernels
from ..network.build import Network, Target
from ..network.functions import (
    Program,
    cached_program,
    compile_with_params,
    live_variables,
    with_live_values,
)
from ..network.functions import without_shared_variables as as_inputs
from ..network.outputs import symbolic_output
from ..network.signature import description, gradient_scale, network_signature
from ..theano_facade import theano_scope
from .freezing import frozen_positions, training_output
from .objectives import (
    Objective,
    TargetVariable,
    penalty,
    sample_losses,
    target_variable,
    training_loss,
)

__all__ = ["GradientProgram", "differentiated", "evaluation_program", "gradient_program"]


@dataclass(frozen=True)
class GradientProgram:
    """The compiled loss and gradients of a batch.

    Attributes
    ----------
    function : callable
        (images, targets, [weights], [l1], [l2], *params, *generators) to
        (loss, *gradients of the trainable parameters, *new values of others).
    n_generators : int
    updated : tuple of int
        Which parameters (positions in ``network.params``) the others are:
        running averages, say.
    """

    function: Callable[..., tuple[Any, ...]]
    n_generators: int
    updated: tuple[int, ...]


def gradient_program(
    network: Network,
    objective: Objective,
    target: TargetVariable,
    n_outputs: int,
    *,
    weighted: bool,
    l1: bool | tuple[str, ...],
    l2: bool | tuple[str, ...],
    engine: str,
    fuse: bool = True,
    frozen: tuple[str, ...] = (),
    front: str | None = None,
) -> GradientProgram:
    """Compile, or take from the cache, the gradients of `objective` for a network.

    Parameters
    ----------
    network : Network
    objective : callable
        (prediction, target) to losses.
    target : {'classes', 'numbers', 'labels', 'probabilities'}
    n_outputs : int
    weighted : bool
        Whether there are sample weights.
    l1, l2 : bool or tuple of str
        Whether there is such a penalty: one strength for the whole network, or
        a vector of them, one for each layer named.
    engine : str
        Whose kernels.
    fuse : bool, default=True
        Fuse runs of layers.
    frozen : tuple of str, default=()
        Layers that compute as in inference, and whose parameters get no gradient.
    front : str, optional
        The layer whose outputs are given in the images' place.

    Returns
    -------
    GradientProgram
    """
    positions = tuple(list(network.layers).index(name) for name in frozen)
    options = (target, n_outputs, weighted, l1, l2, engine, fuse, frozen, front)
    key = _key("gradients", network, objective, positions, *options)
    return cached_program(key, lambda: _compile_gradients(network, objective, *options))


def _key(
    kind: str, network: Network, objective: Objective, *options: Hashable
) -> tuple[Hashable, ...] | None:
    """The key by which two programs are the same; None where there is no such key.

    A user's own objective is described as it is now: it may read a global variable
    that has changed since.
    """
    signature, loss = network_signature(network), description(objective)
    return None if signature is None or loss is None else (kind, signature, loss, *options)


def _compile_gradients(
    network: Network,
    objective: Objective,
    target: TargetVariable,
    n_outputs: int,
    weighted: bool,
    l1: bool | tuple[str, ...],
    l2: bool | tuple[str, ...],
    engine: str,
    fuse: bool,
    frozen: tuple[str, ...],
    front: str | None,
) -> GradientProgram:
    from pytensor.tensor import vector

    with theano_scope():
        y = target_variable(target, n_outputs)
        weights = vector("weights", dtype="float32") if weighted else None
        inputs, given = _inputs(network, front)
        loss = training_loss(objective, training_output(network, frozen, given), y, weights)
        data = [*inputs, y, *([] if weights is None else [weights])]
        for kind, layers in (("l1", l1), ("l2", l2)):
            if layers:
                strength, term = _penalty(network, kind, layers)
                data.append(strength)
                loss = loss + term
        return differentiated(network, data, loss, engine, fuse, frozen)


def _inputs(network: Network, front: str | None) -> tuple[list[Any], dict[Any, Any]]:
    """What comes in: the images, or the outputs of a layer in their place, by the layer."""
    from pytensor.tensor import tensor

    if front is None:
        return list(network.input_vars), {}
    layer = network.layers[front]
    outputs = tensor(f"{front}.output", dtype="float32", shape=(None, *layer.output_shape[1:]))
    return [outputs], {layer: outputs}


def _penalty(network: Network, kind: str, layers: bool | tuple[str, ...]) -> tuple[Any, Any]:
    """The strength of a penalty as an argument, and the penalty."""
    from pytensor.tensor import scalar, vector

    if layers is True:
        strength = scalar(kind, dtype="float32")
        return strength, penalty(network, kind, strength)
    strength = vector(kind, dtype="float32")
    return strength, penalty(network, kind, strength, tuple(layers))  # type: ignore[arg-type]


def differentiated(
    network: Network,
    data: list[Any],
    loss: Any,
    engine: str,
    fuse: bool = True,
    frozen: tuple[str, ...] = (),
) -> GradientProgram:
    """Compile any scalar `loss` of a network's, with its gradients, as a function of `data`.

    Parameters
    ----------
    network : Network
    data : list of variables
        The images, the targets, and whatever else `loss` depends on.
    loss : scalar variable
    engine : str
    fuse : bool, default=True
    frozen : tuple of str, default=()
        As `gradient_program` takes them.

    Returns
    -------
    GradientProgram
    """
    from pytensor.gradient import grad
    from pytensor.graph.rewriting.utils import rewrite_graph

    from ..compilation import compile_program

    still = frozen_positions(network, frozen)
    updates = {k: v for k, v in _default_updates(network, loss).items() if k not in still}
    params, (loss, *new_values), generators = as_inputs(network, [loss, *updates.values()])
    shared = network.params
    positions = {param: position for position, param in enumerate(shared)}
    trainable = [
        params[positions[param]]
        for param in network.params_tagged(trainable=True)
        if positions[param] not in still
    ]
    # Fusing comes before differentiating: each fused operation brings its own gradient.
    rewritten: Any = rewrite_graph(
        [loss, *new_values], include=(), custom_rewrite=compilation_rewriter(fuse), clone=False
    )
    loss, *new_values = rewritten
    gradients: Any = grad(loss, trainable, disconnected_inputs="ignore") if trainable else []
    own = dict(zip(params, shared, strict=True))
    scales = [gradient_scale(own[param]) for param in trainable]
    gradients = [
        each if scale == 1 else each * np.float32(scale)
        for each, scale in zip(gradients, scales, strict=True)
    ]
    live, results = live_variables([loss, *gradients, *new_values])
    function = compile_program(
        [*data, *params, *generators, *live.values()],
        results,
        get_kernels(engine),
        fuse=fuse,
        clone=False,
    )
    return GradientProgram(with_live_values(function, live), len(generators), tuple(updates))


def _default_updates(network: Network, loss: Any) -> dict[int, Any]:
    """New values that the training graph itself gives to parameters which are not trained.

    As in Lasagne, a layer says so with a `default_update` on a variable that
    shares the parameter's value: the parameter itself, or a clone of it.
    """
    from pytensor.compile.sharedvalue import SharedVariable
    from pytensor.graph.traversal import graph_inputs

    positions = {id(param.container): index for index, param in enumerate(network.params)}
    return {
        positions[id(variable.container)]: variable.default_update
        for variable in graph_inputs([loss])
        if isinstance(variable, SharedVariable)
        and id(variable.container) in positions
        and getattr(variable, "default_update", None) is not None
    }


def evaluation_program(
    network: Network,
    objective: Objective,
    target: Target,
    n_outputs: int,
    engine: str,
    fuse: bool = True,
    front: str | None = None,
) -> Program:
    """From (images, targets, *params) to (one loss a sample, the predictions), dropout off."""
    options = (target, n_outputs, engine, fuse, front)
    key = _key("evaluation", network, objective, *options)
    return cached_program(key, lambda: _compile_evaluation(network, objective, *options))


def _compile_evaluation(
    network: Network,
    objective: Objective,
    target: Target,
    n_outputs: int,
    engine: str,
    fuse: bool,
    front: str | None,
) -> Program:
    with theano_scope():
        y = target_variable(target, n_outputs)
        inputs, given = _inputs(network, front)
        known = {"inputs": given} if given else {}
        prediction = symbolic_output(network, network.output, deterministic=True, **known)
        losses = sample_losses(objective(prediction, y))
        return compile_with_params(
            network, [*inputs, y], [losses, prediction], get_kernels(engine), fuse
        )
