"""The names of ``nolearn.lasagne.util``: what convolutions see, tables, and sliced dictionaries."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from lasagne.layers import Conv2DLayer, Layer, MaxPool2DLayer

from ..layers import Conv2DLayer as OurConv2DLayer

__all__ = [
    "SliceDict",
    "ansi",
    "get_conv_infos",
    "get_real_filter",
    "get_receptive_field",
    "is_conv2d",
    "is_maxpool2d",
    "table",
]


class ansi:  # noqa: N801  (nolearn's name)
    """Codes that colour text in a terminal."""

    BLUE = "\033[94m"
    CYAN = "\033[36m"
    GREEN = "\033[32m"
    MAGENTA = "\033[35m"
    RED = "\033[31m"
    ENDC = "\033[0m"


class SliceDict(dict[str, Any]):
    """A dictionary of arrays of one length that is sliced as an array is.

    scikit-learn's searches slice X, which a plain dictionary does not allow.

    Parameters
    ----------
    **arrays
        By the names of input layers.

    Examples
    --------
    >>> X = SliceDict(words=np.arange(4), more=np.zeros((4, 3)))
    >>> len(X), len(X[1:]), X.shape
    (4, 3, (4,))
    """

    def __init__(self, **arrays: Any) -> None:
        lengths = {array.shape[0] for array in arrays.values()}
        if len(lengths) > 1:
            listed = ", ".join(map(str, sorted(lengths)))
            raise ValueError(f"Initialized with items of different shapes: {listed}")
        super().__init__(**arrays)

    def __len__(self) -> int:
        return next((len(array) for array in self.values()), 0)

    @property
    def shape(self) -> tuple[int]:
        """(n_samples,)"""
        return (len(self),)

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, int | np.integer):
            raise ValueError("SliceDict cannot be indexed by a number; give a slice or rows.")
        if isinstance(key, str):
            return super().__getitem__(key)
        return SliceDict(**{name: array[key] for name, array in self.items()})

    def __setitem__(self, key: str, array: Any) -> None:
        if not isinstance(key, str):
            raise TypeError(f"Key must be str, not {type(key)}.")
        if self.keys() and array.shape[0] != len(self):
            raise ValueError(f"Cannot set array with shape[0] != {len(self)}")
        super().__setitem__(key, array)

    def update(self, *given: Any, **arrays: Any) -> None:
        """As a dictionary's; all arrays must have the length there is."""
        for key, array in dict(*given, **arrays).items():
            self[key] = array

    def __repr__(self) -> str:
        return f"SliceDict(**{super().__repr__()})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _slice_dict, (dict(self),)


def _slice_dict(arrays: dict[str, Any]) -> SliceDict:
    return SliceDict(**arrays)


def is_conv2d(layers: Any) -> bool:
    """Whether a layer, or any of several, is a two-dimensional convolution."""
    return _is_any(layers, (Conv2DLayer, OurConv2DLayer))


def is_maxpool2d(layers: Any) -> bool:
    """Whether a layer, or any of several, is a two-dimensional max pooling."""
    return _is_any(layers, (MaxPool2DLayer,))


def _is_any(layers: Any, classes: tuple[type, ...]) -> bool:
    each: Iterable[Any] = [layers] if isinstance(layers, Layer) else layers
    return any(isinstance(layer, classes) for layer in each)


def get_real_filter(layers: Sequence[Any], img_size: Sequence[int]) -> np.ndarray:
    """How many pixels of the image each filter spans along each direction, were it alone.

    Parameters
    ----------
    layers : sequence of lasagne.layers.Layer
        From the input on, convolutions and max poolings first. From the first other
        layer on, the whole image.
    img_size : (int, int)

    Returns
    -------
    ndarray of shape (n_layers, 2)
    """
    return _seen(layers, img_size)[0]


def get_receptive_field(layers: Sequence[Any], img_size: Sequence[int]) -> np.ndarray:
    """How many pixels of the image a unit of each layer sees along each direction.

    Parameters
    ----------
    layers, img_size
        As for `get_real_filter`. Strides and borders are not looked at, as in nolearn.

    Returns
    -------
    ndarray of shape (n_layers, 2)
    """
    return _seen(layers, img_size)[1]


def _seen(layers: Sequence[Any], img_size: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """(real filters, receptive fields)"""
    whole = np.asarray(img_size, dtype=float)
    filters, fields = (np.tile(whole, (len(layers), 1)) for _ in range(2))
    pixel = np.ones(2)  # of the layer at hand, in pixels of the image
    span, field = np.zeros(2), np.zeros(2)
    for position, layer in enumerate(layers[1:], start=1):
        if is_conv2d(layer):
            sides = np.asarray(layer.filter_size, dtype=float)
            span, field = sides * pixel, (field + (sides - 1) * pixel if field.any() else sides)
        elif is_maxpool2d(layer):
            pixel = pixel * layer.pool_size
        else:
            break
        filters[position], fields[position] = span, field
    return filters, fields


def get_conv_infos(
    net: Any, min_capacity: float = 100.0 / 6, tablefmt: str = "pipe", detailed: bool = False
) -> str:
    """A table of what a network's convolutions see.

    Parameters
    ----------
    net : NeuralNet
        Initialised. Its first layer is the image.
    min_capacity : float, default=100/6
        Per cent of capacity (real filter over receptive field) below which a name is
        coloured.
    tablefmt : {'pipe', 'simple'}, default='pipe'
    detailed : bool, default=False
        With the sizes of filters and fields.

    Returns
    -------
    str
    """
    layers = list(net.layers_.values())
    image = np.asarray(layers[0].output_shape[2:], dtype=float)
    filters, fields = _seen(layers, layers[0].output_shape[2:])
    capacity = np.divide(100 * filters, fields, out=np.ones_like(fields), where=fields != 0)
    coverage = 100 * fields / image
    rows = []
    for position, layer in enumerate(layers):
        low, wide = (capacity[position] < min_capacity).any(), (coverage[position] > 100).any()
        shape = layer.output_shape[1:]
        row = [_coloured(layer.name, bool(low), bool(wide)), "x".join(map(str, shape))]
        row += [str(int(np.prod(shape)))]
        row += [f"{value:.2f}" for value in (*capacity[position], *coverage[position])]
        if detailed:
            row += [str(int(value)) for value in (*filters[position], *fields[position])]
        rows.append(row)
    headings = ["name", "size", "total", *(f"{k}. {a} [%]" for k in ("cap", "cov") for a in "YX")]
    if detailed:
        headings += [f"{kind} {axis}" for kind in ("filter", "field") for axis in "YX"]
    return table(headings, rows, text=(0, 1), tablefmt=tablefmt)


def _coloured(name: str, low: bool, wide: bool) -> str:
    colour = {(True, True): ansi.RED, (False, True): ansi.CYAN, (True, False): ansi.MAGENTA}
    return f"{colour[low, wide]}{name}{ansi.ENDC}" if low or wide else name


def table(
    headings: Sequence[str],
    rows: Sequence[Sequence[str]],
    text: Sequence[int] = (),
    tablefmt: str = "simple",
) -> str:
    """A table as nolearn prints it.

    Parameters
    ----------
    headings : sequence of str
    rows : sequence of sequence of str
    text : sequence of int, default=()
        Columns that are aligned on the left; the others, on the right.
    tablefmt : {'simple', 'pipe'}, default='simple'

    Returns
    -------
    str
    """
    widths = [
        max(len(heading) + 2, *(_width(row[column]) for row in rows))
        for column, heading in enumerate(headings)
    ]

    def line(cells: Sequence[str]) -> list[str]:
        padded = []
        for column, (cell, width) in enumerate(zip(cells, widths, strict=True)):
            space = " " * (width - _width(cell))
            padded.append(cell + space if column in text else space + cell)
        return padded

    if tablefmt == "pipe":
        marks = [
            f":{'-' * (width + 1)}" if column in text else f"{'-' * (width + 1)}:"
            for column, width in enumerate(widths)
        ]
        lines = [f"| {' | '.join(line(cells))} |" for cells in (headings, *rows)]
        return "\n".join([lines[0], f"|{'|'.join(marks)}|", *lines[1:]])
    lines = ["  ".join(line(cells)).rstrip() for cells in (headings, *rows)]
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])


def _width(cell: str) -> int:
    for code in vars(ansi).values():
        if isinstance(code, str) and code.startswith("\033"):
            cell = cell.replace(code, "")
    return len(cell)
