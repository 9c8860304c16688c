"""Several inputs of one network: an array for each input layer, of as many rows each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from ..exceptions import NetworkError

__all__ = ["InputShape", "Inputs", "check_input_names", "check_integers", "plain_shape"]

#: The shape of one sample; for several inputs, one by the name of each input layer.
InputShape = tuple[int, ...] | Mapping[str, tuple[int, ...]]


class Inputs:
    """One array for each input layer of a network; rows are taken from all of them at once.

    Parameters
    ----------
    arrays : mapping of str to ndarray
        By the names of the input layers. All have as many rows.

    Raises
    ------
    ValueError
        If one has more rows than another, or there is none.

    Examples
    --------
    >>> inputs = Inputs({"image": np.zeros((3, 1, 8, 8)), "words": np.zeros((3, 5), int)})
    >>> len(inputs), inputs.shapes
    (3, {'image': (1, 8, 8), 'words': (5,)})
    >>> len(inputs[1:])
    2
    """

    def __init__(self, arrays: Mapping[str, Any]) -> None:
        self.arrays = dict(arrays)
        rows = {name: len(array) for name, array in self.arrays.items()}
        if len(set(rows.values())) != 1:
            each = ", ".join(f"{name!r} has {count}" for name, count in rows.items())
            raise ValueError(f"X: all inputs must have as many samples; {each or 'there is none'}.")

    def __len__(self) -> int:
        return len(next(iter(self.arrays.values())))

    def __getitem__(self, rows: Any) -> Inputs:
        return Inputs({name: array[rows] for name, array in self.arrays.items()})

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of one sample of each."""
        return {name: tuple(array.shape[1:]) for name, array in self.arrays.items()}


def plain_shape(input_shape: InputShape) -> Any:
    """A shape of inputs as JSON has it."""
    if isinstance(input_shape, Mapping):
        return {name: list(shape) for name, shape in input_shape.items()}
    return list(input_shape)


def check_input_names(given: Iterable[str], wanted: Iterable[str]) -> None:
    """That X has an input for each input layer, and no other.

    Raises
    ------
    NetworkError
        The text names what is missing and what there is too much.
    """
    given, wanted = list(given), list(wanted)
    missing = [name for name in wanted if name not in given]
    extra = [name for name in given if name not in wanted]
    faults = [
        f"{words} {', '.join(map(repr, names))}"
        for words, names in (("lacks", missing), ("has, and no input layer is called,", extra))
        if names
    ]
    if faults:
        raise NetworkError(
            f"X {'; it '.join(faults)}. The network's input layers are "
            f"{', '.join(map(repr, wanted))}; give X as a dictionary with an array for each."
        )


def check_integers(name: str, array: np.ndarray, dtype: str, below: int | None) -> np.ndarray:
    """`array` as integers of `dtype`, which an input layer takes.

    Parameters
    ----------
    name : str
        The input layer's.
    array : ndarray
        Whole numbers, of any numeric dtype.
    dtype : str
    below : int or None
        Of an embedding: how many rows its table has.

    Returns
    -------
    ndarray of `dtype`

    Raises
    ------
    ValueError
        If a number is none, or the table has no such row.
    """
    found = np.asarray(array)
    whole = found.astype(dtype)
    if found.dtype != dtype and not np.array_equal(whole, found):
        odd = found[whole != found]
        raise ValueError(
            f"X: input {name!r} takes whole numbers ({dtype}); it holds {odd.flat[0]!r}. Give it "
            "the positions of words in a vocabulary, say."
        )
    if below is not None and whole.size and not 0 <= whole.min() <= whole.max() < below:
        odd = whole[(whole < 0) | (whole >= below)]
        raise ValueError(
            f"X: input {name!r} goes to an embedding of {below} rows; it holds {odd.flat[0]}. "
            f"Give numbers from 0 to {below - 1}, or the EmbeddingLayer a larger input_size."
        )
    return whole
