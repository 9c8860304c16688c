"""Lasagne's merging layers, which crop what differs in size, as in later Lasagne."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from theano import tensor

from ..theano_facade.lasagne_modules import original

__all__ = [
    "ConcatLayer",
    "ElemwiseMergeLayer",
    "ElemwiseSumLayer",
    "autocrop",
    "autocrop_array_shapes",
]

_MODES = ("lower", "center", "upper")
_Concat: Any = original("lasagne.layers.merge", "ConcatLayer")
_Merge: Any = original("lasagne.layers.merge", "ElemwiseMergeLayer")
_Sum: Any = original("lasagne.layers.merge", "ElemwiseSumLayer")


def autocrop(inputs: Sequence[Any], cropping: Sequence[str | None] | None) -> list[Any]:
    """Crop tensors to the size of the smallest, along the axes that `cropping` says.

    Parameters
    ----------
    inputs : list of tensor
        All of as many dimensions.
    cropping : list of {None, 'lower', 'center', 'upper'}, or None
        For each axis: leave it; keep the first entries, those in the middle, or the last.
        Axes beyond the list are left; None leaves them all.

    Returns
    -------
    list of tensor

    Raises
    ------
    ValueError
        For another mode, or tensors of different numbers of dimensions.

    Examples
    --------
    >>> import numpy as np
    >>> from convnet_features.layers import autocrop
    >>> a, b = np.zeros((2, 3, 9, 8)), np.zeros((2, 5, 7, 6))
    >>> [x.eval().shape for x in autocrop([a, b], [None, None, "center", "lower"])]
    [(2, 3, 7, 6), (2, 5, 7, 6)]
    """
    if cropping is None:
        return list(inputs)
    inputs = [tensor.as_tensor_variable(each) for each in inputs]
    modes = _modes([each.ndim for each in inputs], cropping)
    cut: list[list[slice]] = [[] for _ in inputs]
    for axis, mode in enumerate(modes):
        known = [each.type.shape[axis] for each in inputs]
        sizes = [each.shape[axis] for each in inputs] if None in known else known
        least = min(known) if None not in known else tensor.min(tensor.stack(sizes))
        for slices, size in zip(cut, sizes, strict=True):
            slices.append(_slice(mode, size, least))
    return [each[tuple(slices)] for each, slices in zip(inputs, cut, strict=True)]


def _slice(mode: str | None, size: Any, least: Any) -> slice:
    if mode is None:
        return slice(None)
    start = {"lower": 0, "center": (size - least) // 2, "upper": size - least}[mode]
    return slice(start, start + least)


def autocrop_array_shapes(
    input_shapes: Sequence[Sequence[int | None]], cropping: Sequence[str | None] | None
) -> list[tuple[int | None, ...]]:
    """The shapes that `autocrop` leaves.

    Parameters
    ----------
    input_shapes : list of tuple of int or None
        None for unknown sizes.
    cropping : list of {None, 'lower', 'center', 'upper'}, or None
        As for `autocrop`.

    Returns
    -------
    list of tuple of int or None

    Raises
    ------
    ValueError
        As `autocrop`.

    Examples
    --------
    >>> from convnet_features.layers import autocrop_array_shapes
    >>> autocrop_array_shapes([(1, 2, 3, 4), (5, 4, 4, 2)], [None, "lower", "center"])
    [(1, 2, 3, 4), (5, 2, 3, 2)]
    """
    if cropping is None:
        return list(input_shapes)  # type: ignore[arg-type]
    modes = _modes([len(shape) for shape in input_shapes], cropping)
    columns = []
    for sizes, mode in zip(zip(*input_shapes, strict=True), modes, strict=True):
        known = [size for size in sizes if size is not None]
        least = min(known) if len(known) == len(sizes) else None
        columns.append(list(sizes) if mode is None else [least] * len(sizes))
    return list(zip(*columns, strict=True))


def _modes(n_axes: Sequence[int], cropping: Sequence[str | None]) -> list[str | None]:
    """A mode for each axis."""
    if len(set(n_axes)) > 1:
        raise ValueError(
            f"Not all inputs are of the same dimensionality. Got {len(n_axes)} inputs of "
            f"dimensionalities {list(n_axes)}."
        )
    for mode in cropping:
        if mode is not None and mode not in _MODES:
            raise ValueError(
                f"Unknown crop mode {mode!r}: it must be None, 'lower', 'center' or 'upper'."
            )
    return [*cropping, *[None] * (n_axes[0] - len(cropping))][: n_axes[0]]


def _joint(shapes: Sequence[Sequence[Any]], message: str, free: int | None = None) -> Any:
    """One size an axis, of shapes that may differ along `free` alone."""
    ranks = {len(shape) for shape in shapes}
    if len(ranks) > 1:
        raise ValueError(f"{message}; got {[tuple(shape) for shape in shapes]}.")
    joint = []
    for axis, sizes in enumerate(zip(*shapes, strict=True)):
        known = {size for size in sizes if size is not None}
        if len(known) > 1 and axis != free:
            raise ValueError(f"{message}; got {[tuple(shape) for shape in shapes]}.")
        joint.append(next(iter(known), None))
    return joint


class ConcatLayer(_Concat):
    """Lasagne's ``ConcatLayer``, which can crop what differs in size.

    Parameters
    ----------
    incomings : list of Layer, or of tuple
        All of as many dimensions.
    axis : int, default=1
        The axis to join along.
    cropping : list of {None, 'lower', 'center', 'upper'}, or None, default=None
        How to crop each axis to the size of the smallest input: see `autocrop`. Along `axis`
        nothing is cropped.
    **kwargs
        Further arguments of ``lasagne.layers.Layer``, such as ``name``.

    Raises
    ------
    ValueError
        If sizes are known to differ along another axis.

    Examples
    --------
    >>> from convnet_features.layers import ConcatLayer
    >>> crop = [None, None, "center", "center"]
    >>> ConcatLayer([(None, 3, 9, 9), (None, 5, 7, 7)], cropping=crop).output_shape
    (None, 8, 7, 7)
    """

    # Layers of Lasagne 0.1 that were pickled know nothing of it.
    cropping: list[str | None] | None = None

    def __init__(self, incomings: Any, axis: int = 1, cropping: Any = None, **kwargs: Any) -> None:
        super().__init__(incomings, axis, **kwargs)
        if cropping is not None:
            cropping = list(cropping)
            if -len(cropping) <= axis < len(cropping):
                cropping[axis] = None
        self.cropping = cropping

    def get_output_shape_for(self, input_shapes: Sequence[Sequence[Any]]) -> tuple[Any, ...]:
        """The shape of the inputs, of `input_shapes`, and along `axis` the sum of their sizes."""
        shapes = autocrop_array_shapes(input_shapes, self.cropping)
        joint = _joint(
            shapes,
            "Mismatch: input shapes must be the same except in the concatenation axis",
            free=self.axis % len(shapes[0]),
        )
        sizes: list[Any] = [shape[self.axis] for shape in shapes]
        joint[self.axis] = None if None in sizes else sum(sizes)
        return tuple(joint)

    def get_output_for(self, inputs: Sequence[Any], **kwargs: Any) -> Any:
        """The inputs, one behind the other."""
        return super().get_output_for(autocrop(inputs, self.cropping), **kwargs)


class ElemwiseMergeLayer(_Merge):
    """Lasagne's ``ElemwiseMergeLayer``, which can crop what differs in size.

    Parameters
    ----------
    incomings : list of Layer, or of tuple
        All of the same shape once they are cropped.
    merge_function : callable
        Of two tensors, such as ``theano.tensor.mul``; more than two are merged from left to
        right.
    cropping : list of {None, 'lower', 'center', 'upper'}, or None, default=None
        How to crop each axis to the size of the smallest input: see `autocrop`.
    **kwargs
        Further arguments of ``lasagne.layers.Layer``, such as ``name``.

    Raises
    ------
    ValueError
        If the shapes are known to differ.

    Examples
    --------
    >>> from convnet_features.layers import ElemwiseMergeLayer
    >>> from theano import tensor
    >>> crop = [None, None, "lower", "upper"]
    >>> ElemwiseMergeLayer([(None, 3, 9, 9), (None, 3, 7, 7)], tensor.mul, crop).output_shape
    (None, 3, 7, 7)
    """

    # Layers of Lasagne 0.1 that were pickled know nothing of it.
    cropping: list[str | None] | None = None

    def __init__(
        self, incomings: Any, merge_function: Any, cropping: Any = None, **kwargs: Any
    ) -> None:
        # Beside Lasagne's sum, `super` would be that.
        _Merge.__init__(self, incomings, merge_function, **kwargs)
        self.cropping = cropping

    def get_output_shape_for(self, input_shapes: Sequence[Sequence[Any]]) -> tuple[Any, ...]:
        """The shape of the inputs, of `input_shapes` before they are cropped."""
        shapes = autocrop_array_shapes(input_shapes, self.cropping)
        return tuple(_joint(shapes, "Mismatch: not all input shapes are the same"))

    def get_output_for(self, inputs: Sequence[Any], **kwargs: Any) -> Any:
        """The inputs, merged from left to right."""
        return _Merge.get_output_for(self, autocrop(inputs, self.cropping), **kwargs)


class ElemwiseSumLayer(ElemwiseMergeLayer, _Sum):
    """Lasagne's ``ElemwiseSumLayer``, which can crop what differs in size.

    Parameters
    ----------
    incomings : list of Layer, or of tuple
        All of the same shape once they are cropped.
    coeffs : float or list of float, default=1
        Factors of the inputs.
    cropping : list of {None, 'lower', 'center', 'upper'}, or None, default=None
        How to crop each axis to the size of the smallest input: see `autocrop`.
    **kwargs
        Further arguments of ``lasagne.layers.Layer``, such as ``name``.

    Raises
    ------
    ValueError
        If the shapes are known to differ, or if there are not as many factors as inputs.

    Examples
    --------
    >>> from convnet_features.layers import ElemwiseSumLayer
    >>> ElemwiseSumLayer([(None, 3, 9), (None, 3, 7)], cropping=[None, None, "center"]).output_shape
    (None, 3, 7)
    """

    def __init__(
        self, incomings: Any, coeffs: Any = 1, cropping: Any = None, **kwargs: Any
    ) -> None:
        ElemwiseMergeLayer.__init__(self, incomings, tensor.add, cropping, **kwargs)
        given = coeffs if isinstance(coeffs, list) else [coeffs] * len(incomings)
        if len(given) != len(incomings):
            raise ValueError(f"Mismatch: got {len(given)} coeffs for {len(incomings)} incomings")
        self.coeffs = given

    def get_output_for(self, inputs: Sequence[Any], **kwargs: Any) -> Any:
        """The sum of the inputs, each times its factor."""
        terms = [x * c if c != 1 else x for c, x in zip(self.coeffs, inputs, strict=True)]
        return ElemwiseMergeLayer.get_output_for(self, terms, **kwargs)
