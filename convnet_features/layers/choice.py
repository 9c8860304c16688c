"""Of two values the one that a third chooses, number by number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import lasagne
import numpy as np
from theano import tensor

from ..theano_facade import theano_scope
from .broadcast_merge import broadcast, broadcast_shape

__all__ = ["ChoiceLayer"]


class ChoiceLayer(lasagne.layers.MergeLayer):
    """The first value where a condition is above 0, and the second elsewhere.

    Axes of size 1 are broadcast to the others' size. Numbers that are not chosen get no
    gradient, and neither does the condition.

    Parameters
    ----------
    incomings : list of Layer, or of tuple
        The condition, then the first and the second value, as far as these are no numbers.
    first, second : float, optional
        The same number everywhere, in the place of a layer.
    **kwargs
        Further arguments of ``lasagne.layers.Layer``, such as ``name``.

    Raises
    ------
    ValueError
        If there are not three of all these, or the shapes do not fit together.

    Examples
    --------
    >>> from convnet_features.layers import ChoiceLayer
    >>> layer = ChoiceLayer([(None, 3), (None, 3)], second=0.0)
    >>> layer.get_output_for([[[1.0, 0.0, 1.0]], [[5.0, 6.0, 7.0]]]).eval().tolist()
    [[5.0, 0.0, 7.0]]
    """

    def __init__(
        self,
        incomings: Sequence[Any],
        first: float | None = None,
        second: float | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(incomings, **kwargs)
        self.first = first
        self.second = second
        numbers = sum(each is not None for each in (first, second))
        if len(incomings) + numbers != 3:
            raise ValueError(
                f"ChoiceLayer: it takes a condition and two values, and got {len(incomings)} "
                f"layers and {numbers} numbers."
            )

    def get_output_shape_for(self, input_shapes: Sequence[Sequence[int | None]]) -> Any:
        """The shape that all inputs are broadcast to, for inputs of the `input_shapes`."""
        return broadcast_shape(type(self).__name__, input_shapes)

    def get_output_for(self, inputs: Sequence[Any], **kwargs: Any) -> Any:
        """The values chosen of the symbolic `inputs`, of shape `output_shape`."""
        with theano_scope():
            inputs = [tensor.as_tensor_variable(each) for each in inputs]
            condition, *values = broadcast(inputs, self.input_shapes)
            first, second = (
                values.pop(0) if number is None else np.asarray(number, condition.dtype)
                for number in (self.first, self.second)
            )
            return tensor.switch(tensor.gt(condition, np.float32(0)), first, second)
