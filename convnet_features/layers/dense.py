"""Dense layers that keep leading axes, as in later Lasagne."""

from __future__ import annotations

import math
from typing import Any

from lasagne.init import Constant, GlorotUniform
from lasagne.layers import Layer
from lasagne.nonlinearities import identity, rectify
from theano import tensor

from ..theano_facade import theano_scope
from ..theano_facade.lasagne_modules import original

__all__ = ["DenseLayer"]

_Dense: Any = original("lasagne.layers.dense", "DenseLayer")


class DenseLayer(_Dense):
    """Lasagne's dense layer, which may keep more axes than the first.

    Parameters
    ----------
    incoming : Layer, or tuple
        What it stands on.
    num_units : int
        Numbers for each sample.
    W : initialiser, default=GlorotUniform()
        Of weights of shape (n_inputs, num_units).
    b : initialiser or None, default=Constant(0)
        Of biases; None for none.
    nonlinearity : callable or None, default=rectify
        Applied to each number of the result.
    num_leading_axes : int, default=1
        How many axes come out as they are; the units read all others, in one row. A negative
        number counts from the end: -1 leaves the last axis to the units.
    **kwargs
        Further arguments of ``lasagne.layers.Layer``, such as ``name``.

    Attributes
    ----------
    W, b : shared variables
        Weights and biases.

    Raises
    ------
    ValueError
        If there are not as many axes, or if the size of an axis that the units read is not
        known.

    Examples
    --------
    >>> from convnet_features.layers import DenseLayer
    >>> DenseLayer((None, 20, 8), 5, num_leading_axes=2).output_shape
    (None, 20, 5)
    """

    # Layers of Lasagne 0.1 that were pickled know nothing of it.
    num_leading_axes = 1

    def __init__(
        self,
        incoming: Any,
        num_units: int,
        W: Any = GlorotUniform(),  # noqa: B008  (as Lasagne writes defaults)
        b: Any = Constant(0.0),  # noqa: B008
        nonlinearity: Any = rectify,
        num_leading_axes: int = 1,
        **kwargs: Any,
    ) -> None:
        if num_leading_axes == 1:
            super().__init__(incoming, num_units, W, b, nonlinearity, **kwargs)
            return
        Layer.__init__(self, incoming, **kwargs)
        self.nonlinearity = identity if nonlinearity is None else nonlinearity
        self.num_units = num_units
        self.num_leading_axes = num_leading_axes
        n_inputs = math.prod(self._sizes_read())
        self.W = self.add_param(W, (n_inputs, num_units), name="W")
        self.b = None
        if b is not None:
            self.b = self.add_param(b, (num_units,), name="b", regularizable=False)

    def _sizes_read(self) -> list[int]:
        n_axes, leading = len(self.input_shape), self.num_leading_axes
        if not -n_axes <= leading < n_axes:
            left = "no trailing axes" if leading > 0 else "more trailing axes than there are"
            raise ValueError(
                f"Got num_leading_axes={leading} for a {n_axes}-dimensional input, leaving {left} "
                "for the dot product."
            )
        sizes = list(self.input_shape[leading:])
        if None in sizes:
            raise ValueError(
                "A DenseLayer requires a fixed input shape (except for the leading axes). Got "
                f"{self.input_shape} for num_leading_axes={leading}."
            )
        return sizes

    def get_output_shape_for(self, input_shape: Any) -> tuple[Any, ...]:
        """The leading axes of `input_shape`, and the units."""
        return (*input_shape[: self.num_leading_axes], self.num_units)

    def get_output_for(self, input: Any, **kwargs: Any) -> Any:
        """The symbolic output, of shape `output_shape`."""
        if self.num_leading_axes == 1:
            return super().get_output_for(input, **kwargs)
        with theano_scope():
            leading = self.num_leading_axes % len(self.input_shape)
            if input.ndim > leading + 1:
                input = input.flatten(leading + 1)
            product = tensor.dot(input, self.W)
            return self.nonlinearity(product if self.b is None else product + self.b)
