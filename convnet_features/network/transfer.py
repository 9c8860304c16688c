"""Parameters carried from one network to another, by the names of layers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from .model import Model

__all__ = ["LoadReport", "load_values"]


@dataclass(frozen=True)
class LoadReport:
    """What came of loading parameters.

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
    """

    loaded: list[str]
    mismatched: dict[str, tuple[tuple[int, ...], tuple[int, ...]]]
    missing: list[str]
    unused: list[str]

    def __str__(self) -> str:
        lines = [f"loaded: {', '.join(self.loaded) or 'nothing'}"]
        lines += [
            f"left alone: {name} has shape {there} in the source, {here} here"
            for name, (there, here) in self.mismatched.items()
        ]
        if self.missing:
            lines.append(f"not in the source: {', '.join(self.missing)}")
        if self.unused:
            lines.append(f"not in the network: {', '.join(self.unused)}")
        return "\n".join(lines)


def load_values(model: Model, arrays: Mapping[str, np.ndarray]) -> LoadReport:
    """Copy into `model` what has the name and the shape of one of its parameters.

    Parameters
    ----------
    model : Model
    arrays : mapping of str to ndarray
        By ``<layer>.<parameter>``, or ``<layer>.<position>`` as nolearn's files
        have it.

    Returns
    -------
    LoadReport
    """
    ours = model.named_values
    by_position = _by_position(ours)
    known = {by_position.get(name, name): np.asarray(value) for name, value in arrays.items()}
    matching = {name: value for name, value in known.items() if name in ours}
    mismatched = {
        name: (value.shape, ours[name].shape)
        for name, value in matching.items()
        if value.shape != ours[name].shape
    }
    loaded = [name for name in matching if name not in mismatched]
    for name in loaded:
        np.copyto(ours[name], matching[name], casting="same_kind")
    return LoadReport(
        loaded=loaded,
        mismatched=mismatched,
        missing=[name for name in ours if name not in known],
        unused=[name for name in known if name not in ours],
    )


def _by_position(named: Mapping[str, np.ndarray]) -> dict[str, str]:
    """``<layer>.<position>`` to the names that the network uses."""
    positions: dict[str, int] = {}
    result = {}
    for name in named:
        layer = name.rpartition(".")[0]
        position = positions.setdefault(layer, 0)
        positions[layer] += 1
        result[f"{layer}.{position}"] = name
    return result
