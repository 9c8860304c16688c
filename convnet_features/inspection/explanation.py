"""What runs for a network, and why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..network.build import Target
from ..network.explanation import Explanation, explain_model
from ..network.model import Model
from ..network.spec import parse_layers
from .fitted_network import find_fitted_network, is_layer

__all__ = ["explain"]


def explain(
    estimator: Any,
    input_shape: tuple[int, int, int] | None = None,
    *,
    n_outputs: int | None = None,
    n_samples: int = 128,
    layers: str | Sequence[str] | None = None,
    engine: str | None = None,
    training: bool = False,
    time: bool = False,
) -> Explanation:
    """Say what runs for each layer of a network, and why.

    Parameters
    ----------
    estimator : fitted estimator, Pipeline, search, list of layers, callable, or Lasagne layer
        A list or a callable as estimators take it for ``layers``; a Lasagne layer is the output
        of its network.
    input_shape : (int, int, int), optional
        (channels, height, width) of an image. Only for a list or a callable, which need it.
    n_outputs : int, optional
        Classes of the output layer, where a list leaves its number of units out.
    n_samples : int, default=128
        Images of a batch: what runs depends on the shapes.
    layers : str or list of str, optional
        Layers whose outputs are computed. Default: the last one.
    engine : {'auto', 'onednn', 'portable', 'jax'}, optional
        Default: the estimator's; ``"auto"`` for layers.
    training : bool, default=False
        Dropout at work, and the kernels' gradients too. Not listed are the loss, the update
        rule, and gradients that NumPy computes. Frozen layers are shown as if they learnt.
    time : bool, default=False
        Run each step some times on random pixels, and note the least time.

    Returns
    -------
    Explanation
        A list of records, one a step: the layers, the kernel, the reason why neither a candidate
        before it nor the next one is taken, shapes, layout, multiplications, bytes and
        milliseconds. It shows itself as a table; ``to_frame()`` makes a DataFrame of it.

    Raises
    ------
    TypeError
        There is no network in `estimator`.
    ValueError
        `input_shape` is missing, or there is no such layer.

    Examples
    --------
    >>> from convnet_features.inspection import explain
    >>> from lasagne import layers
    >>> specs = [
    ...     ("input", layers.InputLayer),
    ...     ("conv", layers.Conv2DLayer, {"num_filters": 8, "filter_size": 3}),
    ...     ("output", layers.DenseLayer, {"num_units": 10}),
    ... ]
    >>> steps = explain(specs, (1, 8, 8), engine="portable")
    >>> [(step.layers, step.kernel, step.output_shape) for step in steps]
    [('conv', 'portable', (128, 8, 6, 6)), ('output', 'portable', (128, 10))]
    """
    return explain_model(
        _model(estimator, input_shape, n_outputs),
        n_samples,
        layers,
        engine=engine,
        training=training,
        timed=time,
    )


def _model(
    estimator: Any, input_shape: tuple[int, int, int] | None, n_outputs: int | None
) -> Model:
    if is_layer(estimator):
        return Model(estimator, _input_shape(estimator), None, "numbers")
    if not isinstance(estimator, list | tuple) and (
        hasattr(estimator, "get_params") or not callable(estimator)
    ):
        return find_fitted_network(estimator).model
    if input_shape is None:
        raise ValueError(
            "layers alone do not say how large images are: give input_shape=(channels, height, "
            "width)."
        )
    specs = parse_layers(estimator) if isinstance(estimator, list | tuple) else estimator
    target: Target = "numbers" if n_outputs is None else "classes"
    return Model(specs, tuple(input_shape), n_outputs, target)


def _input_shape(layer: Any) -> tuple[int, ...]:
    """Of an image, as the input layer declares it."""
    from lasagne.layers import InputLayer, get_all_layers

    return next(
        tuple(each.shape[1:]) for each in get_all_layers(layer) if isinstance(each, InputLayer)
    )
