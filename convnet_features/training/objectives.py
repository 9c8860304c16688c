"""The loss of a batch as a symbolic expression."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..exceptions import NetworkError
from ..network.build import Network, Target

__all__ = ["DEFAULT_LOSS", "Objective", "resolve_loss", "target_variable", "training_loss"]

Objective = Callable[[Any, Any], Any]
#: From what the network learns to the name of a function in ``lasagne.objectives``.
DEFAULT_LOSS: dict[Target, str] = {
    "classes": "categorical_crossentropy",
    "numbers": "squared_error",
    "labels": "binary_crossentropy",
}
_NOT_LOSSES = ("Objective", "MaskedObjective", "aggregate")


def resolve_loss(loss: str | Objective, target: Target) -> Objective:
    """A function (prediction, target) -> losses, from a name in ``lasagne.objectives`` or itself.

    Parameters
    ----------
    loss : str or callable
        ``'auto'`` is the categorical cross-entropy for classes, the squared
        error for numbers, and the binary cross-entropy for labels.
    target : {'classes', 'numbers', 'labels'}

    Returns
    -------
    callable

    Raises
    ------
    ValueError
        If there is no such loss; the text lists those there are.
    """
    import lasagne.objectives

    if callable(loss):
        return loss
    if loss == "auto":
        loss = DEFAULT_LOSS[target]
    known = [name for name in lasagne.objectives.__all__ if name not in _NOT_LOSSES]
    if loss not in known:
        raise ValueError(f"loss must be 'auto', a callable, or one of {sorted(known)}; got {loss!r}.")
    return getattr(lasagne.objectives, loss)


def target_variable(target: Target, n_outputs: int) -> Any:
    """The symbolic target of a batch."""
    from pytensor.tensor import tensor

    if target == "classes":
        return tensor("target", dtype="int32", shape=(None,))
    return tensor("target", dtype="float32", shape=(None, n_outputs))


def sample_losses(losses: Any) -> Any:
    """One loss a sample: the mean over whatever else there is."""
    return losses if losses.ndim == 1 else losses.flatten(2).mean(axis=1)


def training_loss(
    objective: Objective, prediction: Any, target: Any, weights: Any | None
) -> Any:
    """The mean loss of a batch; with weights, Σ wᵢ lossᵢ / n.

    Weights are brought to a mean of 1 over the training set beforehand, so that
    integer weights and repeated samples give the same expected gradient.
    """
    losses = objective(prediction, target)
    if getattr(losses, "ndim", 0) == 0:
        raise NetworkError(
            "loss: the function must give one loss a sample (or a unit), not their mean."
        )
    if weights is not None:
        losses = sample_losses(losses) * weights
    return losses.mean()


def penalty(network: Network, l1: Any | None, l2: Any | None) -> Any | None:
    """l1 · Σ|w| + l2 · Σw² over the regularisable parameters; None without either."""
    from lasagne.regularization import regularize_network_params
    from lasagne.regularization import l1 as absolute
    from lasagne.regularization import l2 as squared

    terms = [
        strength * regularize_network_params(network.output, kind)
        for strength, kind in ((l1, absolute), (l2, squared))
        if strength is not None
    ]
    return sum(terms[1:], start=terms[0]) if terms else None
