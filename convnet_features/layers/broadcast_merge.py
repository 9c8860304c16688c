"""Merging of values of different sizes, as gates and single numbers a channel have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from theano import tensor

from ..theano_facade.lasagne_modules import original

__all__ = ["BroadcastMergeLayer", "broadcast", "broadcast_shape"]


_ElemwiseMerge: Any = original("lasagne.layers.merge", "ElemwiseMergeLayer")


class BroadcastMergeLayer(_ElemwiseMerge):
    """Lasagne's ``ElemwiseMergeLayer``, with axes of size 1 broadcast to the others' size.

    Maps of shape (n_samples, n_channels, height, width) times gates of shape
    (n_samples, n_channels, 1, 1) are squeeze-and-excitation.

    Parameters
    ----------
    incomings : list of Layer, or of tuple
        All of as many dimensions. Along each axis the sizes must agree, apart from those
        that are 1.
    merge_function : callable
        Of two tensors, such as ``theano.tensor.mul``; more than two are merged from left
        to right.
    **kwargs
        Further arguments of ``lasagne.layers.Layer``, such as ``name``.

    Raises
    ------
    ValueError
        If the shapes do not fit together.

    Examples
    --------
    >>> from convnet_features.layers import BroadcastMergeLayer
    >>> from theano import tensor
    >>> BroadcastMergeLayer([(None, 3, 8, 8), (None, 3, 1, 1)], tensor.mul).output_shape
    (None, 3, 8, 8)
    """

    def get_output_shape_for(self, input_shapes: Sequence[Sequence[int | None]]) -> Any:
        """The shape that all inputs are broadcast to.

        Parameters
        ----------
        input_shapes : list of tuple of int or None
            None for unknown sizes.

        Returns
        -------
        tuple of int or None
        """
        return broadcast_shape(type(self).__name__, input_shapes)

    def get_output_for(self, inputs: Sequence[Any], **kwargs: Any) -> Any:
        """Merge the inputs from left to right.

        Parameters
        ----------
        inputs : list of tensor
            Symbolic.
        **kwargs
            Not used.

        Returns
        -------
        tensor
        """
        return super().get_output_for(broadcast(inputs, self.input_shapes), **kwargs)


def broadcast_shape(
    name: str, input_shapes: Sequence[Sequence[int | None]]
) -> tuple[int | None, ...]:
    """The shape that values are broadcast to; `name` is what errors call the layer.

    Raises
    ------
    ValueError
        If the shapes do not fit together.
    """
    if len({len(shape) for shape in input_shapes}) > 1:
        raise ValueError(
            f"{name}: its inputs have the shapes {list(input_shapes)}; they must have as many "
            "dimensions. Put a ReshapeLayer or DimshuffleLayer in front."
        )
    sizes = [{size for size in axis if size != 1} for axis in zip(*input_shapes, strict=True)]
    if any(len(known - {None}) > 1 for known in sizes):
        raise ValueError(
            f"{name}: its inputs have the shapes {list(input_shapes)}; along each axis the sizes "
            "must agree, apart from those that are 1."
        )
    return tuple(next(iter(known - {None}), None) if known else 1 for known in sizes)


def broadcast(inputs: Sequence[Any], input_shapes: Sequence[Sequence[int | None]]) -> list[Any]:
    """Symbolic values of those shapes, whose axes of size 1 may become longer."""
    return [
        tensor.addbroadcast(each, *(axis for axis, size in enumerate(shape) if size == 1))
        for each, shape in zip(inputs, input_shapes, strict=True)
    ]
