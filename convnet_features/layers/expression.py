"""Any expression as a layer."""

from __future__ import annotations

from typing import Any

from lasagne.layers import Layer
from theano import tensor

from ..theano_facade import theano_scope

__all__ = ["ExpressionLayer"]


class ExpressionLayer(Layer):
    """What a function makes of the input.

    Parameters
    ----------
    incoming : Layer, or tuple
        What it stands on.
    function : callable
        From a symbolic tensor to another.
    output_shape : None, 'auto', tuple, or callable, default=None
        The shape of the result: that of the input; what the function makes of zeros of the
        input's shape; a shape, with None for sizes that are not known; or what this gives for
        the input's shape.
    **kwargs
        Further arguments of ``lasagne.layers.Layer``, such as ``name``.

    Examples
    --------
    >>> from convnet_features.layers import ExpressionLayer
    >>> ExpressionLayer((32, 100, 20), lambda x: x.mean(-1), output_shape="auto").output_shape
    (32, 100)
    """

    def __init__(
        self, incoming: Any, function: Any, output_shape: Any = None, **kwargs: Any
    ) -> None:
        super().__init__(incoming, **kwargs)
        self.function = function
        known = output_shape is None or output_shape == "auto" or callable(output_shape)
        self._output_shape = output_shape if known else tuple(output_shape)

    def get_output_shape_for(self, input_shape: Any) -> Any:
        """The shape of the result for an input of `input_shape`."""
        if self._output_shape is None:
            return input_shape
        if callable(self._output_shape):
            return self._output_shape(input_shape)
        if self._output_shape != "auto":
            return self._output_shape
        # What follows from a size that is not known comes out as 0.
        with theano_scope():
            zeros = tensor.zeros([0 if size is None else size for size in input_shape])
            sizes = self.function(zeros).shape.eval()
        return tuple(int(size) or None for size in sizes)

    def get_output_for(self, input: Any, **kwargs: Any) -> Any:
        """What the function makes of `input`."""
        return self.function(tensor.as_tensor_variable(input))
