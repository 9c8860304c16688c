"""The backward pass of a layer as a layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import theano
from lasagne.layers import MergeLayer

__all__ = ["InverseLayer"]


class InverseLayer(MergeLayer):
    """Carry values backwards through another layer, as its gradient would be.

    Of a dense layer it multiplies by the transposed weights, of a convolution it is the
    transposed convolution with the same filters, and of max pooling it puts each value where the
    maximum was. Biases have no part in it; of a nonlinearity it is the derivative.

    Parameters
    ----------
    incoming : Layer, or tuple
        What it stands on, of the shape of the result of `layer`.
    layer : Layer
        Whose backward pass it is.
    **kwargs
        Further arguments of ``lasagne.layers.Layer``, such as ``name``.

    Examples
    --------
    >>> from lasagne.layers import Conv2DLayer, DenseLayer, InputLayer
    >>> from convnet_features.layers import InverseLayer
    >>> maps = Conv2DLayer(InputLayer((None, 3, 28, 28)), 16, 5)
    >>> InverseLayer(maps, maps).output_shape
    (None, 3, 28, 28)
    """

    def __init__(self, incoming: Any, layer: Any, **kwargs: Any) -> None:
        single = getattr(layer, "input_layer", None)
        super().__init__(
            [incoming, layer, layer.input_layers[0] if single is None else single], **kwargs
        )

    def get_output_shape_for(self, input_shapes: Sequence[Any]) -> Any:
        """The shape of the input of `layer`: the last of `input_shapes`."""
        return input_shapes[2]

    def get_output_for(self, inputs: Sequence[Any], **kwargs: Any) -> Any:
        """The gradient of the layer's input, where that of its result is the first of `inputs`."""
        gradient, result, input = inputs
        return theano.grad(None, wrt=input, known_grads={result: gradient})
