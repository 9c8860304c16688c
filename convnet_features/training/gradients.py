"""The loss of a batch and its gradients, compiled."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..compilation.linker import compilation_rewriter
from ..kernels.registry import get_provider
from ..network.build import Network, Target
from ..network.functions import Program, cached_program, compile_with_params
from ..network.functions import without_shared_variables as as_inputs
from ..network.signature import network_signature
from ..theano_facade import theano_scope
from .objectives import Objective, penalty, sample_losses, target_variable, training_loss

__all__ = ["GradientProgram", "evaluation_program", "gradient_program"]


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
    target: Target,
    n_outputs: int,
    *,
    weighted: bool,
    l1: bool,
    l2: bool,
    engine: str,
    fuse: bool = True,
) -> GradientProgram:
    """Compile, or take from the cache, the gradients of `objective` for a network.

    The flags say which of the optional arguments the function has.
    """
    signature = network_signature(network)
    options = (target, n_outputs, weighted, l1, l2, engine, fuse)
    key = None if signature is None else ("gradients", signature, objective, *options)
    return cached_program(key, lambda: _compile_gradients(network, objective, *options))


def _compile_gradients(
    network: Network,
    objective: Objective,
    target: Target,
    n_outputs: int,
    weighted: bool,
    l1: bool,
    l2: bool,
    engine: str,
    fuse: bool,
) -> GradientProgram:
    from lasagne.layers import get_output
    from pytensor.tensor import scalar, vector

    with theano_scope():
        y = target_variable(target, n_outputs)
        weights = vector("weights", dtype="float32") if weighted else None
        strengths = [scalar(n, dtype="float32") if on else None for n, on in (("l1", l1), ("l2", l2))]
        loss = training_loss(objective, get_output(network.output), y, weights)
        extra = penalty(network, *strengths)
        data = [network.input.input_var, y, *(v for v in (weights, *strengths) if v is not None)]
        return _differentiated(
            network, data, loss if extra is None else loss + extra, engine, fuse
        )


def _differentiated(
    network: Network, data: list[Any], loss: Any, engine: str, fuse: bool
) -> GradientProgram:
    from lasagne.layers import get_all_params
    from pytensor.gradient import grad
    from pytensor.graph.rewriting.utils import rewrite_graph

    from ..compilation import compile_program

    updates = _default_updates(network, loss)
    params, (loss, *new_values), generators = as_inputs(network, [loss, *updates.values()])
    trainable = [
        params[network.params.index(param)]
        for param in get_all_params(network.output, trainable=True)
    ]
    # Fusing comes before differentiating: each fused operation brings its own gradient.
    loss, *new_values = rewrite_graph(
        [loss, *new_values], include=(), custom_rewrite=compilation_rewriter(fuse), clone=True
    )
    gradients = grad(loss, trainable, disconnected_inputs="ignore")
    function = compile_program(
        [*data, *params, *generators],
        [loss, *gradients, *new_values],
        get_provider(engine),
        fuse=fuse,
    )
    return GradientProgram(function, len(generators), tuple(updates))


def _default_updates(network: Network, loss: Any) -> dict[int, Any]:
    """New values that the training graph itself gives to parameters which are not trained."""
    from pytensor.graph.traversal import graph_inputs

    used = set(graph_inputs([loss]))
    return {
        position: param.default_update
        for position, param in enumerate(network.params)
        if param in used and getattr(param, "default_update", None) is not None
    }


def evaluation_program(
    network: Network,
    objective: Objective,
    target: Target,
    n_outputs: int,
    engine: str,
    fuse: bool = True,
) -> Program:
    """From (images, targets, *params) to (one loss a sample, the predictions), dropout off."""
    signature = network_signature(network)
    options = (target, n_outputs, engine, fuse)
    key = None if signature is None else ("evaluation", signature, objective, *options)
    return cached_program(key, lambda: _compile_evaluation(network, objective, *options))


def _compile_evaluation(
    network: Network, objective: Objective, target: Target, n_outputs: int, engine: str, fuse: bool
) -> Program:
    from lasagne.layers import get_output

    with theano_scope():
        y = target_variable(target, n_outputs)
        prediction = get_output(network.output, deterministic=True)
        losses = sample_losses(objective(prediction, y))
        return compile_with_params(
            network, [network.input.input_var, y], [losses, prediction], get_provider(engine), fuse
        )
