"""Parameters carried from one network to another, by the names of layers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from .model import Model

__all__ = ["LoadReport", "finite_float32", "load_values", "matching_values"]


@dataclass(frozen=True)
class LoadReport:
    """Which parameters were loaded, and which were not.

    Attributes
    ----------
    loaded : list of str
        Parameters that were taken, as ``<layer>.<parameter>``.
    mismatched : dict of str to (tuple, tuple)
        Parameters of another shape, which were left alone: the shape in the
        source, and the shape here.
    missing : list of str
        Parameters of the network that the source does not have.
    unused : list of str
        Parameters of the source that the network does not have.
    apart : tuple of str
        Parameters of the layers that predict, which were left alone because
        the source's outputs stand for something else.
    """

    loaded: list[str]
    mismatched: dict[str, tuple[tuple[int, ...], tuple[int, ...]]]
    missing: list[str]
    unused: list[str]
    apart: tuple[str, ...] = ()

    def __str__(self) -> str:
        lines = [f"loaded: {', '.join(self.loaded) or 'nothing'}"]
        lines += [
            f"left alone: {name} has shape {there} in the source, {here} here"
            for name, (there, here) in self.mismatched.items()
        ]
        lines += [f"left alone: {name} is for other classes in the source" for name in self.apart]
        if self.missing:
            lines.append(f"not in the source: {', '.join(self.missing)}")
        if self.unused:
            lines.append(f"not in the network: {', '.join(self.unused)}")
        return "\n".join(lines)


def load_values(
    model: Model,
    arrays: Mapping[str, Any],
    apart: Collection[str] = (),
    check: Callable[[LoadReport], None] | None = None,
) -> LoadReport:
    """Copy the arrays that have the name and the shape of one of `model`'s parameters, or none.

    Parameters
    ----------
    model : Model
    arrays : mapping of str to array-like
        By ``<layer>.<parameter>``, or ``<layer>.<position>`` as nolearn's files
        have it.
    apart : collection of str
        Layers that are left alone.
    check : callable, optional
        Called with the report before anything is copied; it may raise.

    Returns
    -------
    LoadReport

    Raises
    ------
    ValueError
        If what has the name and the shape of a parameter is no array of finite
        numbers, or there are two of it; the model is as before.
    """
    ours = model.named_values
    shapes = {name: each.shape for name, each in ours.items()}
    report, values = matching_values(shapes, arrays, apart)
    if check is not None:
        check(report)
    for name, value in values.items():
        np.copyto(ours[name], value)
    return report


def matching_values(
    shapes: Mapping[str, tuple[int, ...]], arrays: Mapping[str, Any], apart: Collection[str] = ()
) -> tuple[LoadReport, dict[str, np.ndarray]]:
    """The arrays that `load_values` would load into parameters of these shapes, as float32.

    Raises
    ------
    ValueError
        As `load_values` does.
    """
    known = _by_our_names(shapes, arrays)
    matching = {name: np.asarray(value) for name, value in known.items() if name in shapes}
    mismatched = {
        name: (value.shape, shapes[name])
        for name, value in matching.items()
        if value.shape != shapes[name]
    }
    values = {
        name: finite_float32(value, f"the parameter {name!r}")
        for name, value in matching.items()
        if name not in mismatched
    }
    left = tuple(name for name in values if name.rpartition(".")[0] in apart)
    for name in left:
        del values[name]
    report = LoadReport(
        loaded=list(values),
        mismatched=mismatched,
        missing=[name for name in shapes if name not in known],
        unused=[name for name in known if name not in shapes],
        apart=left,
    )
    return report, values


def finite_float32(value: Any, what: str) -> np.ndarray:
    """`value` as float32; a ValueError that begins with `what` if it cannot be a parameter's."""
    array = np.asarray(value)
    if array.dtype.kind not in "biuf":
        raise ValueError(f"{what} is an array of {array.dtype}, not of real numbers.")
    with np.errstate(over="ignore"):
        numbers = array.astype(np.float32)
    if not np.isfinite(numbers).all():
        raise ValueError(
            f"{what} holds NaN, infinity, or numbers beyond float32; parameters are finite."
        )
    return numbers


def _by_our_names(shapes: Mapping[str, Any], arrays: Mapping[str, Any]) -> dict[str, Any]:
    positions = _by_position(shapes)
    known: dict[str, Any] = {}
    for name, value in arrays.items():
        ours = name if name in shapes else positions.get(name, name)
        if ours in known:
            raise ValueError(
                f"the parameter {ours!r} is given twice, by its name and its position."
            )
        known[ours] = value
    return known


def _by_position(named: Iterable[str]) -> dict[str, str]:
    """``<layer>.<position>`` to the names that the network uses."""
    positions: dict[str, int] = {}
    result = {}
    for name in named:
        layer = name.rpartition(".")[0]
        position = positions.setdefault(layer, 0)
        positions[layer] += 1
        result[f"{layer}.{position}"] = name
    return result
