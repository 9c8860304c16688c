"""What a `NeuralNet` minimises: the function of nolearn 0.6, and the class of 2015."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from lasagne.objectives import aggregate as _aggregate
from lasagne.objectives import categorical_crossentropy, squared_error

__all__ = ["Objective", "negative_log_likelihood", "objective"]


def negative_log_likelihood(prediction: Any, target: Any) -> Any:
    """The mean of -log(probability of the class), as an ``objective_loss_function``.

    Parameters
    ----------
    prediction : variable of shape (n_samples, n_classes)
        Probabilities.
    target : variable of shape (n_samples,)
        Classes from 0 on.

    Returns
    -------
    scalar variable
    """
    return categorical_crossentropy(prediction, target).mean()


def objective(
    layers: Mapping[Any, Any],
    loss_function: Callable[..., Any],
    target: Any,
    aggregate: Callable[..., Any] = _aggregate,
    deterministic: bool = False,
    l1: float = 0,
    l2: float = 0,
    get_output_kw: Mapping[str, Any] | None = None,
) -> Any:
    """The mean loss of a batch and its penalties, as ``nolearn.lasagne.objective``.

    aggregate(loss_function(output, target)) + l1 · Σ|w| + l2 · Σw²

    Parameters
    ----------
    layers : Layers
        The network's; the last one is the output.
    loss_function : callable
        (prediction, target) to losses, of ``lasagne.objectives`` or one's own.
    target : variable
        The batch's targets.
    aggregate : callable, default=lasagne.objectives.aggregate
        From losses to one number.
    deterministic : bool, default=False
        Without dropout.
    l1, l2 : float, default=0
        Strengths of the penalties on weights.
    get_output_kw : dict, optional
        Further arguments of ``lasagne.layers.get_output``.

    Returns
    -------
    scalar variable
    """
    from lasagne import regularization
    from lasagne.layers import get_output

    prediction = get_output(layers[-1], deterministic=deterministic, **(get_output_kw or {}))
    loss = aggregate(loss_function(prediction, target))
    for strength, kind in ((l1, regularization.l1), (l2, regularization.l2)):
        if strength:
            loss = loss + strength * regularization.regularize_layer_params(
                list(layers.values()), kind
            )
    return loss


class Objective:
    """The objective of Lasagne before its first release, and of nolearn 0.5.

    Parameters
    ----------
    input_layer : lasagne.layers.Layer
        The output layer of the network.
    loss_function : callable, default=lasagne.objectives.squared_error
        (prediction, target) to losses.
    aggregation : {'mean', 'sum', None}, default='mean'
        What becomes of them.

    Notes
    -----
    A subclass adds to the loss what it likes::

        class WithPenalty(Objective):
            def get_loss(self, input=None, target=None, deterministic=False, **kwargs):
                loss = super().get_loss(input, target, deterministic=deterministic, **kwargs)
                if deterministic:
                    return loss
                return loss + 1e-4 * regularize_network_params(self.input_layer, l2)

        NeuralNet(layers, objective=WithPenalty, ...)
    """

    def __init__(
        self,
        input_layer: Any,
        loss_function: Callable[..., Any] = squared_error,
        aggregation: str | None = "mean",
    ) -> None:
        self.input_layer = input_layer
        self.loss_function = loss_function
        self.aggregation = aggregation

    def get_loss(
        self, input: Any = None, target: Any = None, aggregation: str | None = None, **kwargs: Any
    ) -> Any:
        """The loss as an expression.

        Parameters
        ----------
        input : variable, optional
            The batch; by default, the input layer's own variable.
        target : variable
            Its targets.
        aggregation : {'mean', 'sum'}, optional
            Instead of the one the objective has.
        **kwargs
            For ``lasagne.layers.get_output``: ``deterministic``, say.

        Returns
        -------
        scalar variable
        """
        from lasagne.layers import get_output

        losses = self.loss_function(get_output(self.input_layer, input, **kwargs), target)
        mode = aggregation or self.aggregation
        return losses if mode is None else _aggregate(losses, mode=mode)
